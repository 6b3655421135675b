# An older popper moved the mail into .alice.pop for the time of a session.
# One that died left some of it there: part in .alice.pop, part in the spool.
# A session that does nothing but QUIT puts all of it right.

use strict;
use warnings;

use Test::More;
use Popper;

my ($a, $b, $c, $d) = map { letter($_, body => alnum(60 * $_)) } 1 .. 4;

# A left-over and a spool, and the spool that they must make.
sub merges {
	my ($leftover, $spool, $result, %arg) = @_;
	my $box = box(spool => $spool);
	my $count = () = $result =~ /^From sender/mg;

	$box->put_file($box->work, $leftover);
	my $s = $box->login;
	like($s->command('STAT'), qr/^\+OK $count /, "$count messages are shown");
	my $first = $s->list;
	my $uid = $s->uidl;
	is(length $s->text("RETR $_"), $first->{$_}, "RETR $_: its size")
	    for 1 .. $count;
	$s->close->wait;		# so that nothing depends on QUIT
	$s = $box->login;
	is_deeply($s->uidl, $uid, 'a second session shows the same messages');
	$s->quit;
	is($box->spool, $result, 'the spool, byte for byte');
	unlike(slurp($box->work) // '', qr/^From /m, 'no mail is left over');
	return $box;
}

case 'left-over mail comes after the spool, once' => sub {
	merges($a . $b, $c . $d, $c . $d . $a . $b);
};

case 'a session that only QUITs is enough' => sub {
	my $box = box(spool => $c . $d);

	$box->put_file($box->work, $a . $b);
	my $s = $box->login;
	like($s->quit, qr/^\+OK /, 'QUIT');
	is($box->spool, $c . $d . $a . $b, 'the spool has it all');
	unlike(slurp($box->work) // '', qr/^From /m, 'and the left-over none');
};

case 'left-over mail where the spool is empty, or not there' => sub {
	merges($a . $b, '', $a . $b);
	my $box = merges($a . $b, undef, $a . $b);
	my $is = $box->stat;
	is($is->{mode} & 07777, 0600, 'a new spool: its mode');
	is($is->{uid}, $Popper::uid, 'its owner');
};

case 'an update that died half-way: what is back already is not doubled' => sub {
	merges($a . $b . $c, $a, $a . $b . $c);
	merges($a . $b . $c, $a . $b . $c, $a . $b . $c);
	merges($a . $b . $c, $a . $b . $c . $d, $a . $b . $c . $d);
	merges($a . $b, $b . $d, $b . $d . $a);
};

case 'the half of a letter in the spool does not stand for the whole' => sub {
	for my $length (1, 30, 60, 100, length($b) - 30, length($b) - 3) {
		my $box = box(spool => $a . substr($b, 0, $length));

		$box->put_file($box->work, $a . $b . $c);
		$box->login->quit;
		my $spool = $box->spool;
		my @found = map { scalar(() = $spool =~ /\Q$_\E/g) } $a, $b, $c;
		is("@found[1, 2]", '1 1', "cut at $length: whole, once");

		# A cut separator line reads as more text of the letter before.
		cmp_ok($found[0], '>=', 1, 'and the one before is not lost');
	}
};

case 'flags that changed meanwhile make no other letter of it' => sub {
	my $read = $a =~ s/\n\n/\nStatus: RO\n\n/r;

	merges($read . $b, $a . $c, $a . $c . $b);
	merges($a . $b, $read . $c, $read . $c . $b);
};

case 'letters that are alike: as many as there were' => sub {
	merges($a . $a, $a . $b, $a . $b . $a);
	merges($a . $a . $b, '', $a . $a . $b);
	merges($a, $a . $a, $a . $a);
};

case 'a left-over without a last line end, or with CRLF' => sub {
	my $cut = $b =~ s/\n\n\z//r;
	my $box = box(spool => $c);
	$box->put_file($box->work, $a . $cut);
	my $s = $box->login;
	my @texts = map { scalar $s->text("RETR $_") } 1 .. 3;
	$s->quit;
	is($texts[$_], text_of(($c, $a, $b)[$_]),
	    'message ' . ($_ + 1)) for 0 .. 2;
	is(without_status($box->spool), $c . $a . $b, 'the spool');

	merges(wire($a . $b), wire($c), wire($c . $a . $b));
};

case 'a left-over of many megabytes' => sub {
	my $large = letter(7, body => alnum(9_000_000));
	my $box = box(spool => $c);

	$box->put_file($box->work, $a . $large . $b);
	$box->login->quit;
	ok($box->spool eq $c . $a . $large . $b, 'the spool, byte for byte');
};

case 'messages of a left-over can be deleted like any other' => sub {
	my $box = box(spool => $c . $d);

	$box->put_file($box->work, $a . $b);
	my $s = $box->login;
	$s->command("DELE $_") for 1, 4;
	$s->quit;
	is($box->spool, $d . $a, 'the spool');
};

case 'an empty left-over changes nothing' => sub {
	my $box = box();
	my $before = $box->stat;

	$box->put_file($box->work, '');
	my $s = $box->login;
	is($s->command('STAT'), '+OK 2 48', 'STAT');
	$s->quit;
	is($box->spool, FX1, 'the spool');
	is($box->stat->{mtime}, $before->{mtime}, 'its time');
};

case 'a left-over and new mail, delivered while the session runs' => sub {
	my $box = box(spool => $b);

	$box->put_file($box->work, $a);
	my $s = $box->login;
	ok($box->deliver($c), 'a delivery');
	$s->command('DELE 1');
	$s->quit;
	is($box->spool, $a . $c, 'the spool');
};

case 'a left-over where the spool is no mbox: nothing is touched' => sub {
	my $box = box(spool => "no mbox\n");

	$box->put_file($box->work, $a . $b);
	my $s = $box->session;
	$s->command('USER alice');
	like($s->command('PASS s3cret'), qr/^-ERR \[SYS\/(PERM|TEMP)\]/, 'PASS');
	is($box->spool, "no mbox\n", 'the spool');
	is(slurp($box->work), $a . $b, 'the left-over');
};

case 'a left-over and a spool that somebody has locked: later, then' => sub {
	my $box = box(spool => $c);

	$box->put_file($box->work, $a . $b);
	$box->put_file($box->dotlock, '');
	my $s = $box->session(args => ['-w', 1]);
	$s->command('USER alice');
	like($s->command('PASS s3cret'), qr/^-ERR \[(IN-USE|SYS\/TEMP)\]/, 'PASS');
	is(slurp($box->work), $a . $b, 'the left-over');
	$s->send('QUIT');
	$s->slurp;
	$s->wait;
	unlink $box->dotlock;
	$box->login->quit;
	is($box->spool, $c . $a . $b, 'and now');
};

case 'a left-over whose merge is killed at each system call' => sub {
	needs('strace');
	my $calls = join ',', map { "?$_" } qw(write writev pwrite64 pwritev
	    ftruncate fallocate fsync fdatasync copy_file_range sendfile close
	    openat fcntl unlinkat linkat renameat2);
	my ($status, $points) = merge_under("trace=$calls");
	my @wrong;

	is($status, 0, 'a merge without a kill');
	for my $point (few(3, @$points)) {
		my ($call, $n) = @$point;
		my ($status, undef, $box) = merge_under("trace=$call",
		    "inject=$call:signal=KILL:when=$n");
		next if $status != 9;

		my $text = ($box->spool // '') . (slurp($box->work) // '');
		push @wrong, map { "@$point: a letter is nowhere" }
		    grep { index($text, substr $_, 0, -1) < 0 } $a, $b, $c, $d;
		my $quit = eval { $box->login->quit } // $@;
		push @wrong, "@$point: $quit" unless $quit =~ /^\+OK/;
		push @wrong, "@$point: the spool has " . join(', ',
		    $box->spool =~ /^Subject: (.*)/mg)
		    if $box->spool ne $b . $d . $a . $c;
		$box->remove;
	}
	is(join("\n", @wrong), '', 'every kill was survived');
};

# A session that has only to merge, under strace: its wait status, the points
# in the trace, and its box.
sub merge_under {
	my (@expressions) = @_;
	my $box = box(spool => $b . $d);
	my $trace = $box->dir . '/strace';

	$box->put_file($box->work, $a . $b . $c);
	my $s = $box->session(trace => 0, greeting => 0,
	    under => [ strace($trace, map { ('-e', $_) } @expressions) ]);
	$s->send('USER alice', 'PASS s3cret', 'QUIT');
	$s->slurp;
	my $status = $s->wait;
	return ($status, [ points(straced($trace)) ], $box);
}

sub without_status {
	my ($spool) = @_;
	return $spool =~ s/^Status: RO\n//gmr;
}

done_testing;
