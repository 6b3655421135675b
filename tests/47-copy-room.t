# No room for the temporary copy: neither in the spool directory nor in TMPDIR,
# which any local user can fill.  What a session takes of the memory instead is
# bounded; one message at a time is copied, and what does not fit is refused.

use strict;
use warnings;

use Test::More;
use Popper;

needs('root', 'proc');
plan skip_all => 'a popper without files in memory'
    if `$Popper::binary -V` =~ /system calls: POSIX/;

my $MOST = 4 << 20;
my @letters = map { letter($_, body => alnum($_ == 4 ? 5 << 20 : 900_000)) } 1 .. 6;
my $no_room = '[SYS/TEMP] There is no room on the server for that now; try again later.';

# A maildrop of 9.5 MB on a disk with so many kilobytes of free room, and a session
# that has no other place for its copy.
sub crowded {
	my ($free) = @_;
	my $box = box(spool => undef);

	$box->mount(16 << 10) or plan skip_all => 'no tmpfs can be mounted here';
	$box->put(join '', @letters);
	$box->login(args => ['-s'])->quit;	# an index
	$box->put_file($box->mail . '/room', 'x' x ($free * 1024));
	$box->fill;
	unlink $box->mail . '/room';
	return ($box, $box->login(args => ['-s'], env => { TMPDIR => $box->mail }));
}

# The octets that a process has in files in memory.
sub in_memory {
	my ($pid) = @_;
	my $octets = 0;

	for my $fd (glob "/proc/$pid/fd/*") {
		next unless (readlink $fd // '') =~ /^\/memfd:/;
		$octets += 512 * (stat $fd)[12];
	}
	return $octets;
}

# In whichever order the messages come, and a second time.
sub all_but_the_large {
	my ($s) = @_;

	for my $n (3, 1, 6, 2, 5, 5) {
		is($s->text("RETR $n"), text_of($letters[$n - 1]), "RETR $n");
		cmp_ok(in_memory($s->pid), '<=', $MOST, 'memory');
	}
}

case 'no room at all: each message that fits into the bound, alone' => sub {
	my ($box, $s) = crowded(0);

	all_but_the_large($s);
	is($s->command('RETR 4'), "-ERR $no_room", 'RETR 4, which is larger');
	is($s->command('TOP 4 1'), "-ERR $no_room", 'TOP 4 1');
	cmp_ok(in_memory($s->pid), '<=', $MOST, 'memory');
	like($box->log, qr/ copy user=alice: No space left on device$/m, 'the log says why');
	my ($head) = text_of($letters[3]) =~ /\A(.*?\r\n\r\n)/s;
	is($s->text('TOP 4 0'), $head, 'TOP 4 0: a header fits');
	is($s->text('XTND XLST Subject'), join('', map { "$_ Subject: letter $_\r\n" } 1 .. 6),
	    'XLST');
	is($s->text('RETR 2'), text_of($letters[1]), 'RETR 2');
	$s->dialog(<<~'END');
		C: DELE 4
		S: +OK Message 4 has been deleted.
		C: QUIT
		S: +OK popper at * signing off.
		-- closed
		END
	ok($box->spool eq join('', @letters[0 .. 2, 4, 5]), 'deleting makes room');
};

case 'room for a message on the disk, not for all: the disk is used' => sub {
	my ($box, $s) = crowded(6 << 10);

	all_but_the_large($s);
	is($s->text('RETR 4'), text_of($letters[3]), 'RETR 4');
	is(in_memory($s->pid), 0, 'nothing is in memory');
	is($s->text('XTND XLST Subject 4'), "4 Subject: letter 4\r\n", 'XLST of one');
	$s->quit;
};

case 'another program takes messages meanwhile: no text is another\'s' => sub {
	my ($box, $s) = crowded(0);

	is($s->text('RETR 2'), text_of($letters[1]), 'RETR 2');
	$box->put(join '', @letters[0, 2 .. 4]);
	$s->dialog(<<~'END');
		C: RETR 6
		S: -ERR Another program has removed message 6.
		C: RETR 2
		S: -ERR Another program has removed message 2.
		END
	is($s->text('RETR 3'), text_of($letters[2]), 'RETR 3');
	is($s->text('XTND XLST Subject'), join('', map { "$_ Subject: letter $_\r\n" } 1, 3 .. 5),
	    'XLST');
	is($s->text('RETR 1'), text_of($letters[0]), 'RETR 1');
	$s->quit;
};

case 'a small maildrop is copied whole, into memory' => sub {
	my ($box, $s) = crowded(0);

	$s->quit;
	$box->put(join '', @letters[0 .. 2]);
	$box->fill;
	$s = $box->login(args => ['-s'], env => { TMPDIR => $box->mail });
	is($s->text('RETR 1'), text_of($letters[0]), 'RETR 1');
	$box->put(letter(9));
	for my $n (2, 3) {
		is($s->text("RETR $n"), text_of($letters[$n - 1]),
		    "RETR $n, which is there no more");
	}
	$s->quit;
};

# A message on its way to sendmail, where no unnamed file can be made.
case 'XTND XMIT: memory has the same bound' => sub {
	my $box = box(args => ['-M', '/bin/true']);

	chown 0, 0, $box->mail;
	my $s = $box->login(env => { TMPDIR => '/nonexistent' }, args => ['-s']);
	for my $case ([ 1 << 20, '+OK Message sent.' ],
	    [ 5 << 20, '-ERR [SYS/TEMP] There is no room for the message now.' ]) {
		my ($size, $reply) = @$case;
		is($s->command('XTND XMIT'), '+OK Start sending the message.', 'XTND XMIT');
		$s->send_raw(wire(alnum($size)) . ".\r\n");
		is($s->reply('the dot'), $reply, "$size octets");
		cmp_ok(in_memory($s->pid), '<=', $MOST, 'memory');
	}
};

done_testing;
