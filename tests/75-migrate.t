# popper takes the place of another server, and its clients do not notice: the
# unique-ids that the real programs give are those that popper gives afterwards
# (contrib/keep-uidl and option -U).

use strict;
use warnings;

use POSIX ();
use Test::More;
use Popper;
use World;

# Letters with what the recipes look at: trace fields, folds, none of them.
my $mail = join '',
    letter(1, header => [ 'Received: from a.example.org',
	"\tby b.example.org; Sat, 2 Jan 1996 01:01:34 +0000",
	'Received: from c.example.org', 'Delivered-To: alice@example.org',
	'Date: Sat, 2 Jan 1996 01:01:34 +0000', 'X-Delivery-ID: 7' ]),
    letter(2, header => [ 'DATE: Sun, 3 Jan 1996 01:02:34 +0000' ]),
    letter(3), letter(4, body => "a body\n\nDate: no\n");

# What the old server says to these commands.
sub ask {
	my ($box, $init, $command, @lines) = @_;
	my $to = $box->dir . '/dialog';

	$box->put_file($to, join '', map { "$_\r\n" } @lines, 'QUIT');
	my $said = qx{cat $to | @{[ join ' ', inside($init) ]} /bin/sh -c '$command' 2>/dev/null};
	return { $said =~ /^(\d+) (\S+)\r$/mg };
}

# Its world, with this mail in alice's spool.
sub old_server {
	my ($name, $text, %is) = @_;

	plan skip_all => "$name is not unpacked (tests/install-mtas)"
	    unless have($name);
	my ($box, $init, $said) = world($name, %is);
	plan skip_all => 'no namespace can be made here: ' . show($said)
	    unless defined $init;
	$box->put($text);
	give($box);
	return ($box, $init);
}

sub give {
	my ($box) = @_;
	chown $Popper::uid, $Popper::gid, $box->path;
}

sub keep_uidl {
	my ($box, @args) = @_;
	my $said = qx{contrib/keep-uidl @args @{[ $box->path ]} 2>&1};
	return $? == 0 ? $said : "status $?: $said";
}

# popper's answer to UIDL.
sub ours {
	my ($box) = @_;
	my $s = $box->login(args => [ '-U' ]);
	my $uid = $s->uidl;
	$s->quit;
	return $uid;
}

my $dovecot = <<'END';
mkdir -p /etc/dovecot
cat >/etc/dovecot/dovecot.conf <<'X'
mail_location = mbox:/tmp/none:INBOX=/var/mail/alice:INDEX=MEMORY
mbox_write_locks = fcntl
ssl = no
END

# As Dovecot's login process would run it.
my $pop3 = 'exec setpriv --reuid alice --regid alice --clear-groups ' .
    'env USER=alice HOME=/tmp /usr/lib/dovecot/pop3 -c /etc/dovecot/dovecot.conf';

case 'from popa3d: its unique-ids, written into the spool' => sub {
	needs('root', 'proc');
	my ($box, $init) = old_server('popa3d', $mail,
	    accounts => { popa3d => 54412 }, prepare => '');
	my $theirs = ask($box, $init, 'exec /usr/sbin/popa3d', 'USER alice',
	    'PASS s3cret', 'UIDL');

	is(scalar keys %$theirs, 4, 'it names four messages');
	like(keep_uidl($box, 'popa3d'), qr/ 4 messages, 4 named, 0 had a name$/,
	    'keep-uidl says so');
	is_deeply(ours($box), $theirs, 'popper has the same');
	is($box->spool =~ s/^X-UIDL: .*\n//mgr, $mail, 'nothing else has changed');
	is_deeply([ @{ $box->stat }{qw(mode uid gid)} ],
	    [ 0100600, $Popper::uid, $Popper::gid ],
	    'mode and owner neither');
	like(keep_uidl($box, 'popa3d'), qr/ 0 named, 4 had a name$/, 'once is enough');
};

case 'from Dovecot: its unique-ids, in the forms it can have' => sub {
	needs('root', 'proc');
	for my $format ('', '%v.%u', '%08Xv%08Xu', 'UID%u-%v') {
		my ($box, $init) = old_server('dovecot-pop3d', $mail,
		    prepare => $dovecot . ($format && "pop3_uidl_format = $format\n") . "X\n");
		my $theirs = ask($box, $init, $pop3, 'UIDL');

		is(scalar keys %$theirs, 4, 'it names four messages');
		my @form = $format ? ('-f', "'$format'") : ();
		like(keep_uidl($box, @form, 'dovecot'), qr/ 4 named/, 'all are found');
		is_deeply(ours($box), $theirs, 'popper has the same: ' . $theirs->{1});
		my $s = $box->login(args => [ '-U' ]);
		$s->command('DELE 1');
		$s->quit;
		is(ours($box)->{1}, $theirs->{2}, 'also when the first, with the ' .
		    'number of the mbox, is gone');
		end_all();
	}
};

case 'from qpopper: X-UIDL as Dovecot would keep it' => sub {
	needs('root', 'proc');
	my $text = letter(1, header => [ 'X-UIDL: *Wp!!:fA"!R%@"!>K!!' ]) .
	    letter(2, header => [ 'X-UIDL: 0f343b0931126a20f133d67c2b018a3b' ]) .
	    letter(3);
	my ($box, $init) = old_server('dovecot-pop3d', $text,
	    prepare => "${dovecot}pop3_reuse_xuidl = yes\nX\n");
	my $theirs = ask($box, $init, $pop3, 'UIDL');
	my $ours = ours($box);

	is($theirs->{2}, '0f343b0931126a20f133d67c2b018a3b', 'Dovecot reads the field');
	is($ours->{$_}, $theirs->{$_}, "popper has the same for message $_") for 1, 2;
};

case 'from any other server: a list of what it says to UIDL' => sub {
	my $box = box(spool => $mail);
	my $list = $box->dir . '/list';

	$box->put_file($list, "+OK\r\n1 one\r\n2 two\r\n3 three\r\n4 four\r\n.\r\n");
	like(keep_uidl($box, '-n', "list=$list"), qr/ 4 named/, '-n only says it');
	is($box->spool, $mail, 'and changes nothing');
	like(keep_uidl($box, "list=$list"), qr/ 4 named/, 'without it');
	is_deeply(ours($box), { 1 => 'one', 2 => 'two', 3 => 'three', 4 => 'four' },
	    'popper has the same');
};

case 'keep-uidl leaves a spool alone where it cannot be sure' => sub {
	my $box = box(spool => $mail);
	my $list = $box->dir . '/list';
	my $path = $box->path;

	$box->put_file($list, "1 one\n2 two\n");
	like(keep_uidl($box, "list=$list"), qr/has 4 messages, the list has 2$/,
	    'a list of another length');
	$box->put_file($box->dotlock, '');
	like(keep_uidl($box, 'popa3d'), qr/\Q$path\E\.lock: /, 'locked');
	unlink $box->dotlock;
	my $s = $box->login;
	like(keep_uidl($box, 'popa3d'), qr/a session is open$/, 'in use');
	$s->quit;
	$box->put_file($box->work, letter(5));
	like(keep_uidl($box, 'popa3d'), qr/log in by popper first$/,
	    'mail in .alice.pop');
	unlink $box->work;
	symlink $path, "$path.link" or die $!;
	like(qx(contrib/keep-uidl popa3d $path.link 2>&1), qr/not a plain file/, 'a link');
	is($box->spool, $mail, 'the spool is as it was');
	is_deeply([ glob $box->mail . '/*' ], [ $path, "$path.link" ], 'nothing is left');
};

case 'keep-uidl begins messages where popper does' => sub {
	my $text = letter(1, body => "a body\n\nFrom part 123:45 of 2024\n\nFrom " .
	    'x' x 1100 . " 10:11 2024\n");
	my $box = box(spool => $text);

	like(keep_uidl($box, 'popa3d'), qr/ 1 messages, 1 named/, 'it says so');
	is($box->spool =~ s/^X-UIDL: .*\n//mr, $text, 'the text stays as it was');
	is(scalar keys %{ ours($box) }, 1, 'as popper has it');
	$text =~ s/^From .*/From alice/;
	$box->put($text);
	like(keep_uidl($box, 'popa3d'), qr/ 1 messages, 1 named/, 'the first needs no date');
	is(scalar keys %{ ours($box) }, 1, 'not for popper either');
	for my $before ("\n\n", "\0\0", "\0\n") {
		$box->put($before . $text);
		like(keep_uidl($box, 'popa3d'), qr/ 1 messages, 1 named/,
		    'nor does it have to be in the first line');
		is($box->spool =~ s/^X-UIDL: .*\n//mr, $before . $text,
		    'what is before it stays');
	}
};

case 'keep-uidl: a spool with lines that end in CRLF' => sub {
	# popper goes by the line after From_, here an empty one
	my $text = "From x\@example.org Sat Jan  3 01:05:34 1996\n\r\n" . wire($mail);
	my $box = box(spool => $text);
	my $before = $box->login->text('LIST');

	like(keep_uidl($box, 'popa3d'), qr/ 5 messages, 5 named/, 'it says so');
	is(scalar(() = $box->spool =~ /^X-UIDL: [0-9a-f]{16}\r\n/mg), 5,
	    'its lines end so too');
	is($box->spool =~ s/^X-UIDL: .*\n//mgr, $text, 'the text stays as it was');
	my $s = $box->login;
	is($s->text('LIST') =~ s/^(\d+) (\d+)/"$1 " . ($2 - 26)/mger, $before,
	    'the messages are the same, each longer by the line');
	$s->quit;
};

case 'keep-uidl leaves nothing behind when it is interrupted' => sub {
	my $box = box(spool => join '', map { letter($_) } 1 .. 50_000);
	my $text = $box->spool;
	my $new = $box->path . '.keep-uidl';
	my $pid = fork // die "fork: $!";

	if ($pid == 0) {
		open STDERR, '>', '/dev/null';
		exec 'contrib/keep-uidl', 'popa3d', $box->path or POSIX::_exit(127);
	}
	ok((eventually { -e $new }), 'it has begun');
	kill 'TERM', $pid;
	waitpid $pid, 0;
	is($? >> 8, 1, 'the status');
	is($box->spool, $text, 'the spool is as it was');
	is_deeply([ glob $box->mail . '/*' ], [ $box->path ], 'no lock, no other file');
};

done_testing;
