# XTND XMIT: a message from the client goes to sendmail, whole or not at all.
# The extension is popper's own; lines and dots are those of RFC 1081 and
# RFC 5321 4.5.2.

use strict;
use warnings;
no warnings 'portable';	# masks of 64 signals

use Test::More;
use Popper;

# A mail program that keeps what it was given and then does as CODE says.  It
# says nothing of itself in the environment, which is not ours to fill.
sub mta {
	my ($box, $code, %arg) = @_;
	my $path = $box->dir . '/sendmail';
	my $out = $box->dir . '/out';
	my $first = $arg{first} // '';

	if (!-d $out) {
		mkdir $out or die "$out: $!";
		$box->give($out, 0755);
	}
	open my $fh, '>', $path or die "$path: $!";
	print $fh <<"END";
#!$^X
my \$out = '$out';
my \@fds;
if (opendir my \$dir, '/proc/self/fd') {
	\@fds = sort { \$a <=> \$b } grep { /\\d/ && \$_ != fileno \$dir }
	    readdir \$dir;
	closedir \$dir;
}
my \@links = map { readlink("/proc/self/fd/\$_") // '' } 0 .. 2;
sub file { local (\@ARGV, \$/) = (shift); my \$text = <>; return \$text // '' }
$first
my \$stdin = do { local \$/; binmode STDIN; <STDIN> };
my %is = (argv => join("\\0", \@ARGV), fds => "\@fds",
    links => join("\\0", \@links), pid => \$\$, stdin => \$stdin // '',
    env => join("\\0", map { "\$_=\$ENV{\$_}" } sort keys %ENV),
    status => file('/proc/self/status'),
    session => getpgrp(0) . ' ' . (split ' ', file('/proc/self/stat'))[5]);
open my \$fh, '>:raw', "\$out/\$\$.new" or exit 99;
print \$fh pack '(N/a)*', %is;
close \$fh or exit 99;
rename "\$out/\$\$.new", "\$out/\$\$.run" or exit 99;
$code
exit 0;
END
	close $fh or die "$path: $!";
	chmod 0755, $path or die "$path: $!";
	return ('-M', $path);
}

# What was mailed: a hash for each time that the mail program got to work.
sub runs {
	my ($box) = @_;
	return map { { unpack '(N/a)*', slurp($_) } } glob $box->dir . '/out/*.run';
}

# A box with a mail program, and a session of it.
sub mailing {
	my ($code, %arg) = @_;
	my $box = box(args => $arg{args} || []);
	my @mta = mta($box, $code, %arg);

	return ($box, $box->login(%{ $arg{session} || {} },
	    args => [@mta, @{ $arg{more} || [] }]));
}

# Sends a message as it is, its end included, and returns the reply.
sub submit {
	my ($s, $message) = @_;
	my $prompt = $s->command('XTND XMIT');

	die "XTND XMIT was answered: $prompt\n" unless $prompt =~ /^\+OK/;
	$s->send_raw($message);
	return $s->reply('the message');
}

# All names below a directory.
sub names {
	my ($dir) = @_;
	return map { -d $_ && !-l $_ ? ($_, names($_)) : $_ }
	    sort grep { !m{/\.\.?\z} } glob "$dir/* $dir/.*";
}

# Whether a process is there and not only waited for.
sub alive {
	my ($pid) = @_;
	return (slurp("/proc/$pid/stat") // '') =~ /\) ([A-Z])/ ? $1 ne 'Z' :
	    !-d "/proc/$$" && kill 0, $pid;
}

my $message = "To: bob\@example.org\r\nSubject: out\r\n\r\nhi\r\n.\r\n";
my $stored = $message =~ s/\r\n/\n/gr =~ s/\.\n\z//r;	# what becomes of it
my $size = length $stored;

case 'XMIT: one line asks for the message, one says what became of it' => sub {
	my ($box, $s) = mailing('');

	$s->dialog(<<~'END');
		C: xtnd xmit
		S: +OK *
		C: To: z@example.org
		C:
		C: hi
		C: ..dot
		C: .
		S: +OK *
		C: STAT
		S: +OK 2 48
		C: QUIT
		S: +OK *
		-- closed
		END
	my ($run) = runs($box);
	is($run->{stdin}, "To: z\@example.org\n\nhi\n.dot\n", 'the message');
	is($run->{argv} =~ tr/\0/ /r, '-i -t -oem', 'the arguments');
	is(scalar(runs($box)), 1, 'mailed once');
};

case 'XMIT takes no argument, and then no message' => sub {
	my ($box, $s) = mailing('');

	$s->dialog(<<~'END');
		C: XTND XMIT x
		S: -ERR *
		C: NOOP
		S: +OK *
		END
	is(scalar(runs($box)), 0, 'nothing is mailed');
};

case 'XMIT: message after message, the maildrop as it was between them' => sub {
	my ($box, $s) = mailing('');

	$s->text('RETR 1');
	$s->command('DELE 2');
	for my $n (1 .. 3) {
		like(submit($s, "To: $n\r\n\r\n.\r\n"), qr/^\+OK /, "message $n");
		is($s->command('STAT'), '+OK 1 29', 'STAT');
		is($s->text('RETR 1'), wire("Subject: one\n\nline1\n.dot\n"),
		    'RETR 1');
		is($s->command('LAST'), '+OK 2 is the last message seen.', 'LAST');
	}
	is(join('', sort map { $_->{stdin} } runs($box)),
	    join('', map { "To: $_\n\n" } 1 .. 3), 'the messages');
	$s->quit;
	unlike($box->spool, qr/Subject: two/, 'QUIT deletes what was marked');
	like($box->spool, qr/Subject: one\n/, 'and no more');
};

case 'XMIT: command, message and further commands in one segment' => sub {
	my ($box, $s) = mailing('');

	$s->send_raw("XTND XMIT\r\n${message}STAT\r\nXTND XMIT\r\n.\r\nNOOP\r\n");
	$s->dialog(<<~'END');
		S: +OK *
		S: +OK *
		S: +OK 2 48
		S: +OK *
		S: +OK *
		S: +OK *
		END
	is(scalar(runs($box)), 2, 'both are mailed');
};

# ---- outcomes -------------------------------------------------------------

# Of sysexits(3), and two of the shell.
my %outcome = (
	64 => '[SYS/PERM] The mail program does not know its options.',
	65 => 'The message is malformed or names no recipient.',
	66 => '[SYS/PERM] The mail program cannot read the message.',
	67 => 'A recipient does not exist.',
	68 => "A recipient's host does not exist.",
	69 => 'The mail service refused the message.',
	70 => '[SYS/PERM] The mail program has an internal error.',
	71 => '[SYS/TEMP] The mail program lacks resources; try again later.',
	72 => '[SYS/PERM] A file of the mail service is missing.',
	73 => '[SYS/PERM] The mail service cannot make its files.',
	74 => '[SYS/TEMP] The mail service cannot read or write its files now.',
	75 => '[SYS/TEMP] The mail service is busy; try again later.',
	76 => '[SYS/PERM] The mail service cannot talk to its server.',
	77 => '[SYS/PERM] You may not send mail.',
	78 => '[SYS/PERM] The mail service is not configured.',
	126 => '[SYS/PERM] The mail program may not be run.',
	127 => '[SYS/PERM] The mail program cannot be run.',
	map { $_ => "The mail program failed with status $_." } 1, 2, 79, 99, 128, 255
);

# What a session is told for each of these statuses of its mail program.
sub outcomes {
	my ($box, @statuses) = @_;
	my $s = $box->login(args => [mta($box, 'exit 0')]);
	my %said;

	for my $status (@statuses) {
		mta($box, "exit $status;");
		$said{$status} = submit($s, $message);
		is($s->command('STAT'), '+OK 2 48', 'the session goes on');
		like($box->log, qr/ xmit user=alice addr=\S+ octets=$size status=$status$/m,
		    'the log');
	}
	mta($box, 'exit 0;');
	is(submit($s, $message), '+OK Message sent.', 'status 0');
	return \%said;
}

case 'XMIT: each exit status has its reply, and none but 0 is success' => sub {
	local ($Popper::uid, $Popper::gid) = (getpwnam 'nobody')[2, 3] if $> == 0;
	my $said = outcomes(box(), keys %outcome);

	is($said->{$_}, "-ERR $outcome{$_}", "status $_") for sort keys %outcome;
};

case 'XMIT: a user whom the system does not know: that is why, and it lasts' => sub {
	needs('root');
	my $box = box();
	my $said = outcomes($box, 1, 65, 67, 75, 78);
	my $stranger = '-ERR [SYS/PERM] The mail service does not know you; '
	    . 'tell the administrator.';

	is_deeply($said, { 65 => "-ERR $outcome{65}", 78 => "-ERR $outcome{78}",
	    map { $_ => $stranger } 1, 67, 75 }, 'but for what has a cause of its own');
	is(() = $box->log =~ / xmit user=alice uid=$Popper::uid: the system has no account with that number$/mg,
	    3, 'the log');
};

case 'XMIT: a mail program that a signal ends has not sent anything' => sub {
	my $box = box();
	my $s = $box->login(args => [mta($box, '')]);

	for my $signal (qw(KILL TERM HUP PIPE USR1)) {
		mta($box, "kill '$signal', \$\$; sleep 60;");
		like(submit($s, $message), qr/^-ERR \[SYS\/TEMP\] /, $signal);
	}
	is($s->command('STAT'), '+OK 2 48', 'the session goes on');
	like($box->log, qr/ xmit user=alice addr=\S+ octets=$size signal=9$/m,
	    'the log');
};

case 'XMIT: without a mail program no message is asked for' => sub {
	my $box = box();
	my $plain = $box->dir . '/plain';
	my %is = ($box->dir . '/nothing' => [ 'There is no mail program here.',
	    'No such file or directory' ],
	    'sendmail' => [ 'There is no mail program here.', 'No such file or directory' ],
	    $plain => [ 'The mail program may not be run.', 'Permission denied' ],
	    '/dev/null/x' => [ 'The mail program cannot be run.', 'Not a directory' ]);

	$box->put_file($plain, "#!/bin/sh\n");
	for my $program (sort keys %is) {
		my ($reply, $cause) = @{ $is{$program} };
		$box->login(args => ['-M', $program])->dialog(<<~"END");
			C: XTND XMIT
			S: -ERR [SYS/PERM] $reply
			C: STAT
			S: +OK 2 48
			C: QUIT
			S: +OK *
			-- closed
			END
		is(($box->log =~ /: (xmit: .*\n)/g)[-1], "xmit: $program user=alice: $cause\n",
		    'the log');
	}
};

case 'XMIT: what has the right to be run and cannot be' => sub {
	my $box = box();
	my $path = $box->dir . '/sendmail';
	my %is = ('a directory' => [ 'may not', 'Permission denied' ],
	    "#!/nonexistent/shell\n" => [ 'cannot', 'No such file or directory' ],
	    "no program\n" => [ 'cannot', 'Exec format error' ]);

	for my $is (sort keys %is) {
		my ($how, $cause) = @{ $is{$is} };
		if ($is eq 'a directory') {
			mkdir $path or die "$path: $!";
		} else {
			$box->put_file($path, $is);
			chmod 0755, $path;
		}
		my $s = $box->login(args => ['-M', $path]);
		is(submit($s, $message), "-ERR [SYS/PERM] The mail program $how be run.",
		    show($is));
		is(($box->log =~ /: (xmit: .*\n)/g)[-1], "xmit: $path user=alice: $cause\n",
		    'the log');
		is($s->command('STAT'), '+OK 2 48', 'the session goes on');
		$s->quit;
		-d $path ? rmdir $path : unlink $path or die "$path: $!";
	}
};

case 'XMIT turned off (-x): what follows is commands' => sub {
	my ($box, $s) = mailing('', more => ['-x']);

	$s->dialog(<<~'END');
		C: XTND XMIT
		S: -ERR *
		C: To: bob@example.org
		S: -ERR *
		C: NOOP
		S: +OK *
		C: .
		S: -ERR *
		C: STAT
		S: +OK 2 48
		END
	is(scalar(runs($box)), 0, 'nothing is mailed');
};

case 'XMIT: a message over the limit (-z) is read to its end and refused' => sub {
	my ($box, $s) = mailing('', more => ['-z', 1000]);

	like(submit($s, 'x' x 998 . "\r\n.\r\n"), qr/^\+OK /, '999 octets');
	like(submit($s, 'x' x 999 . "\r\n.\r\n"), qr/^\+OK /, '1000, the limit');
	like(submit($s, "...\r\n" x 333 . "\r\n.\r\n"), qr/^\+OK /,
	    '1000 after dots and line ends have been taken off');
	like(submit($s, 'x' x 1000 . "\r\n.\r\n"), qr/^-ERR [^\[]/, '1001 octets');
	like(submit($s, "line\r\n" x 500_000 . ".\r\n"), qr/^-ERR [^\[]/,
	    'megabytes');
	is($s->command('STAT'), '+OK 2 48', 'the session goes on');
	is(scalar(runs($box)), 3, 'those within it were mailed');
	like($box->log, qr/ xmit user=alice addr=\S+ octets=\d+: too large$/m,
	    'the log');
};

case 'XMIT: twenty million octets go through a memory of four' => sub {
	needs('proc', 'plain');
	my ($box, $s) = mailing('');
	my $body = alnum(20_000_000);

	$s->command('XTND XMIT');
	$s->send_raw(wire($body));
	cmp_ok(memory($s->pid), '<', 4096, 'kilobytes of memory');
	$s->send('.');
	like($s->reply('the message'), qr/^\+OK /, 'sent');
	ok((runs($box))[0]{stdin} eq $body, 'all of it');
};

# ---- no room --------------------------------------------------------------

case 'XMIT on a full disk: an error, nothing is mailed' => sub {
	needs('root');
	my $box = box();
	my @mta = mta($box, '');

	$box->mount(256) or plan skip_all => 'mount does not work here';
	chown 0, 0, $box->mail;		# so that the user's files go to TMPDIR
	my $tmp = $box->mail . '/tmp';
	mkdir $tmp or die "$tmp: $!";
	$box->give($tmp, 0755);
	for my $where (qw(TMPDIR spool)) {
		$box->give($box->mail, 0755) if $where eq 'spool';
		my $s = $box->login(args => \@mta, env => { TMPDIR => $tmp });
		like(submit($s, "line\r\n" x 500_000 . ".\r\n"),
		    qr/^-ERR \[SYS\/TEMP\] /, "$where: a large message") for 1, 2;
		is(scalar(runs($box)), 0, 'nothing is mailed');
		is($s->command('STAT'), '+OK 2 48', 'the session goes on');
		like(submit($s, $message), qr/^\+OK /, 'there is room for a small one');
		$s->command('DELE 1');
		$s->command('RSET');
		$s->quit;
		unlink glob $box->dir . '/out/*';
		is(join(' ', names($tmp)), '', 'no temporary file');
	}
};

case 'XMIT where writing fails: an error, nothing is mailed' => sub {
	needs('strace', 'plain');
	for my $error (qw(ENOSPC EDQUOT EIO EFBIG)) {
		my $box = box();
		my $s = $box->login(args => [mta($box, '')], under => [
		    strace($box->dir . '/strace', '-e', 'trace=pwrite64', '-e',
		    "inject=pwrite64:error=$error") ]);

		like(submit($s, $message), qr/^-ERR \[SYS\/TEMP\] /, $error);
		is($s->command('STAT'), '+OK 2 48', 'the session goes on');
		is(scalar(runs($box)), 0, 'nothing is mailed');
	}
};

case 'XMIT where no process can be made: an error' => sub {
	needs('strace', 'plain');
	my $box = box();
	my $calls = '?clone,?clone3,?fork,?vfork';
	my $s = $box->login(args => [mta($box, '')], under => [
	    strace($box->dir . '/strace', '-e', "trace=$calls", '-e',
	    "inject=$calls:error=EAGAIN:when=2") ]);	# the first one looks alice up

	like(submit($s, $message), qr/^-ERR \[SYS\/TEMP\] /, 'said');
	is($s->command('STAT'), '+OK 2 48', 'the session goes on');
};

# ---- clients that go away -------------------------------------------------

# A session whose temporary files could be seen.
sub watched {
	my ($over, @args) = @_;
	my $box = box();
	my $tmp = $box->dir . '/tmp';

	mkdir $tmp or die "$tmp: $!";
	$box->give($tmp, 0755);
	my @mta = mta($box, '');
	my $s = $box->login(args => [@mta, @args], over => $over,
	    env => { TMPDIR => $tmp });
	return ($box, $s);
}

# What has to hold after a message was cut off.
sub nothing_mailed {
	my ($box, $before, $reason) = @_;

	is(scalar(runs($box)), 0, 'nothing is mailed');
	is_deeply([names($box->dir)], $before, 'no file is left');
	is($box->spool, FX1, 'the spool is as it was');
	like($box->log, qr/ end user=alice .*reason=$reason /, "reason=$reason");
	unlike($box->log, qr/ xmit user=alice .*status=/, 'no mail program ran');
}

my @halves = ('', 'T', "To: bob\@example.org", "To: bob\@example.org\r",
    "To: bob\@example.org\r\n", "To: b\r\n\r\ntext", "To: b\r\n\r\n",
    "To: b\r\n\r\ntext\r\n.", "To: b\r\n\r\ntext\r\n.\r", "To: b\r\n\r\nx.\r\n",
    "To: b\r\n\r\n..\r\n", "To: b\r\n\r\n\r.\r\n", '.', ".\r",
    "To: b\r\n\r\n" . wire(alnum(100_000)));

case 'XMIT: the connection is lost inside the message: nothing is mailed' => sub {
	for my $half (@halves) {
		my ($box, $s) = watched('socket');
		$s->command('DELE 1');
		my @before = names($box->dir);

		$s->command('XTND XMIT');
		$s->send_raw($half);
		$s->close->wait;
		note(show($half));
		nothing_mailed($box, \@before, 'lost');
	}
};

case 'XMIT: so it is over TCP, closed or reset, and over pipes' => sub {
	for my $how (qw(close reset pipe)) {
		my ($box, $s) = watched($how eq 'pipe' ? 'pipe' : 'tcp');
		my @before = names($box->dir);

		$s->command('XTND XMIT');
		$s->send_raw($halves[-1]);
		$how eq 'reset' ? $s->reset : $s->close;
		$s->wait;
		nothing_mailed($box, \@before, 'lost');
	}
};

case 'XMIT: a client that stops inside the message is cut off' => sub {
	for my $half ('', "To: b\r\n\r\ntext\r\n.\r", $halves[-1]) {
		my ($box, $s) = watched('socket', '-i', 2);
		my @before = names($box->dir);

		$s->command('XTND XMIT');
		$s->send_raw($half);
		is($s->slurp, '', 'without a word');
		$s->wait;
		nothing_mailed($box, \@before, 'timeout');
	}
};

case 'XMIT: a message that drips is cut off' => sub {
	for my $drop ('x', "x\r\n") {
		my ($box, $s) = watched('socket', '-i', 2);
		my @before = names($box->dir);
		my $end = now() + $Popper::patience;

		$s->command('XTND XMIT');
		while (now() < $end && $s->send_raw($drop)) {
			Time::HiRes::sleep(0.2);
		}
		cmp_ok(now(), '<', $end, 'the daemon hangs up');
		is($s->slurp, '', 'without a word');
		$s->wait;
		nothing_mailed($box, \@before, 'timeout');
	}
};

# 128 kilobytes in the time of -i are enough, however long all of it takes.
case 'XMIT: a message that takes longer than -i but comes steadily' => sub {
	my ($box, $s) = mailing('', more => [ '-i', 4 ]);
	my $long = "To: bob\@example.org\n\n" . alnum(6 * 65_536);
	my $start = now();

	$s->command('XTND XMIT');
	for my $piece (unpack '(a65536)*', wire($long)) {
		$s->send_raw($piece);
		sleep 1;
	}
	is($s->command('.'), '+OK Message sent.', 'it is sent');
	cmp_ok(now() - $start, '>', 4, 'after more than 4 seconds');
	is((runs($box))[0]{stdin}, $long, 'whole');
};

case 'XMIT: a signal inside the message: nothing is mailed' => sub {
	for my $signal (qw(TERM HUP KILL)) {
		my ($box, $s) = watched('socket');
		my @before = names($box->dir);

		$s->command('XTND XMIT');
		$s->send_raw($halves[-1]);
		$s->kill($signal);
		is($s->slurp, '', 'no word after that');
		$s->wait;
		if ($signal eq 'KILL') {
			is(scalar(runs($box)), 0, 'nothing is mailed');
			is_deeply([names($box->dir)], \@before, 'no file is left');
		} else {
			nothing_mailed($box, \@before, 'signal');
		}
	}
};

case 'XMIT: a client that leaves after the last dot has sent its message' => sub {
	for my $mta ('', 'select undef, undef, undef, 0.5;') {
		for my $over (qw(socket tcp)) {
			my ($box, $s) = mailing($mta, session => { over => $over });

			$s->command('DELE 1');
			$s->command('XTND XMIT');
			$s->send_raw($message);
			$s->close;
			is($s->wait, 0, 'exit status');
			is(scalar(runs($box)), 1, 'mailed once');
			like($box->log, qr/ xmit user=alice .*status=0$/m, 'the log');
			like($box->log, qr/ end user=alice .*reason=lost /,
			    'reason=lost');
			is($box->spool, FX1, 'the spool is as it was');
		}
	}
};

case 'XMIT: a client that closes only its side has the reply' => sub {
	my ($box, $s) = mailing('', session => { over => 'tcp' });

	$s->command('XTND XMIT');
	$s->send_raw($message);
	shutdown $s->{write}, 1;
	like($s->slurp, qr/\A\+OK [^\r\n]*\r\n\z/, 'sent');
	is(scalar(runs($box)), 1, 'mailed once');
};

# ---- mail programs that take their time -----------------------------------

case 'XMIT: a slow mail program is waited for' => sub {
	my ($box, $s) = mailing('sleep 2;');

	like(submit($s, $message), qr/^\+OK /, 'sent');
	is($s->command('STAT'), '+OK 2 48', 'the session goes on');
};

case 'XMIT: one that does not end is ended, with all it has started' => sub {
	my $box = box();
	my $child = $box->dir . '/out/child';
	my @mta = mta($box, <<'END');
my $pid = fork;
if (!$pid) {
	open my $fh, '>', "$out/child.new"; print $fh $$; close $fh;
	rename "$out/child.new", "$out/child";
}
$SIG{TERM} = 'IGNORE';
sleep 1 while -d $out;		# no longer than the test
END
	my $s = $box->login(args => [@mta, '-i', 3]);

	like(submit($s, $message), qr{^-ERR [^\[]},
	    'said, and not as a thing to be tried again');
	is($s->command('STAT'), '+OK 2 48', 'the session goes on');
	my ($run) = runs($box);
	for my $pid ($run->{pid}, slurp($child)) {
		ok(defined $pid && eventually { !alive($pid) }, 'it is gone');
		kill 'KILL', $pid if defined $pid && alive($pid);
	}
	like($box->log, qr/ xmit: octets=$size user=alice: /, 'the log');
};

case 'XMIT: a signal while the mail program works: the message is not lost' => sub {
	my ($box, $s) = mailing('', first => <<'END');
open my $fh, '>', "$out/begun"; close $fh;
select undef, undef, undef, 0.02 until -e "$out/go" || !-d $out;
END
	$s->command('XTND XMIT');
	$s->send_raw($message);
	eventually { -e $box->dir . '/out/begun' };
	$s->kill('TERM');
	unlike($s->slurp, qr/\+OK/, 'nobody says that it was sent');
	is($s->wait, 0, 'exit status');
	like($box->log, qr/ end user=alice .*reason=signal /, 'reason=signal');
	my @runs;
	$box->put_file($box->dir . '/out/go', '');
	ok((eventually { @runs = runs($box) }), 'it is mailed');
	is($runs[0]{stdin}, $stored, 'whole');
	eventually { !alive($runs[0]{pid}) };
};

case 'XMIT: ten megabytes of complaints reach nobody' => sub {
	my ($box, $s) = mailing(<<'END');
for (1 .. 10_000) { print STDERR 'x' x 1023, "\n"; print 'y' x 1023, "\n" }
END
	like(submit($s, $message), qr/^\+OK /, 'sent');
	$s->dialog("C: STAT\nS: +OK 2 48\nC: QUIT\nS: +OK *\n-- closed\n");
	is($s->wait, 0, 'exit status');
};

case 'XMIT: a mail program that reads nothing' => sub {
	my ($box, $s) = mailing('', first => 'exit 0;');

	like(submit($s, "To: b\r\n\r\n" . wire(alnum(1_000_000)) . ".\r\n"),
	    qr/^\+OK /, 'its word is taken');
};

case 'XMIT: one that goes on in the background holds up nobody' => sub {
	my ($box, $s) = mailing(<<'END');
if (!fork) {
	select undef, undef, undef, 0.02 until -e "$out/go" || !-d $out;
	open my $fh, '>', "$out/late";
}
END
	like(submit($s, $message), qr/^\+OK /, 'sent');
	$s->quit;
	ok(!-e $box->dir . '/out/late', 'before that is done');
	$box->put_file($box->dir . '/out/go', '');
	ok((eventually { -e $box->dir . '/out/late' }), 'and it is done');
};

# ---- every octet ----------------------------------------------------------

# What is sent, and what the mail program reads.
my @octets = (
	['no message at all', ".\r\n", ''],
	['one empty line', "\r\n.\r\n", "\n"],
	['a line', "a\r\n.\r\n", "a\n"],
	['a stuffed dot', "..\r\n.\r\n", ".\n"],
	['two dots, stuffed', "...\r\n.\r\n", "..\n"],
	['a line that begins with a dot', "..dot\r\n.\r\n", ".dot\n"],
	['a dot that nobody stuffed', ".x\r\n.\r\n", ".x\n"],
	['dots elsewhere', "a.\r\na.b\r\n \.\r\n.\r\n", "a.\na.b\n .\n"],
	['all lines stuffed', "..\r\n" x 5 . ".\r\n", ".\n" x 5],
	['line ends of LF alone', "a\nb\n.\n", "a\nb\n"],
	['a dot between two kinds of line end', "a\n.\r\n", "a\n"],
	['the other way round', "a\r\n.\n", "a\n"],
	['a stuffed dot and LF', "..\na\n.\n", ".\na\n"],
	['a CR inside a line', "a\rb\r\n.\r\n", "a\rb\n"],
	['CR CR LF', "a\r\r\n.\r\n", "a\r\n"],
	['a CR that begins a line', "\ra\r\n.\r\n", "\ra\n"],
	['a dot after a bare CR', "a\r.\r\nb\r\n.\r\n", "a\r.\nb\n"],
	['CR dot CR LF at the begin', "\r.\r\n.\r\n", "\r.\n"],
	['dot CR and more', ".\rx\r\n.\r\n", ".\rx\n"],
	['dot CR CR LF', ".\r\r\n.\r\n", ".\r\n"],
	['dot CR dot', ".\r.\r\n.\r\n", ".\r.\n"],
	['stuffed dot CR CR', "..\r\r\n.\r\n", ".\r\n"],
	['NUL', "a\0b\0\r\n\0\r\n.\r\n", "a\0b\0\n\0\n"],
	['NUL before a dot', "\0.\r\n.\r\n", "\0.\n"],
	['all octets', join('', map { chr } 0 .. 9, 11, 12, 14 .. 255) . "\r\n.\r\n",
	    join('', map { chr } 0 .. 9, 11, 12, 14 .. 255) . "\n"],
	['control characters of a terminal', "\x03\x04\x1a\x1c\r\n.\r\n",
	    "\x03\x04\x1a\x1c\n"],
	['a "From " line', "From x\r\n\r\nFrom y\r\n.\r\n", "From x\n\nFrom y\n"],
	['QUIT', "QUIT\r\nXTND XMIT\r\n.\r\n", "QUIT\nXTND XMIT\n"],
	['a line of a megabyte', 'x' x 1_000_000 . "\r\n.\r\n",
	    'x' x 1_000_000 . "\n"],
	['a line of a megabyte of dots', '.' x 1_000_001 . "\r\n.\r\n",
	    '.' x 1_000_000 . "\n"],
	['a line of a megabyte of CR', "\r" x 1_000_000 . "\n.\r\n",
	    "\r" x 999_999 . "\n"],
	['a megabyte of empty lines', "\r\n" x 500_000 . ".\r\n",
	    "\n" x 500_000],
);

case 'XMIT: the message is what was sent, to the octet [RFC 1081]' => sub {
	my ($box, $s) = mailing('');

	for (@octets) {
		my ($what, $sent, $want) = @$_;

		unlink glob $box->dir . '/out/*';
		like(submit($s, $sent), qr/^\+OK /, $what);
		my $got = (runs($box))[0]{stdin};
		ok($got eq $want, "$what: the message")
		    or diag('got ' . show($got) . ', not ' . show($want));
		is($s->command('STAT'), '+OK 2 48', 'it ended where it ended');
	}
};

case 'XMIT: so it is when each octet comes alone' => sub {
	my ($box, $s) = mailing('');

	for (@octets) {
		my ($what, $sent, $want) = @$_;

		next if length $sent > 300;
		unlink glob $box->dir . '/out/*';
		$s->command('XTND XMIT');
		$s->send_raw($_) for split //, $sent;
		like($s->reply($what), qr/^\+OK /, $what);
		my $got = (runs($box))[0]{stdin};
		ok($got eq $want, "$what: the message")
		    or diag('got ' . show($got) . ', not ' . show($want));
	}
};

# Eleven octets have no factor in common with any buffer, so some edge falls
# between every two of them.
case 'XMIT: at every edge of a buffer' => sub {
	my ($box, $s) = mailing('');
	my ($piece, $read) = ("..\r\r\n.z\r.\r\n", ".\r\n.z\r.\n");

	for my $many (1, 372, 373, 1489, 1490, 20_000) {
		unlink glob $box->dir . '/out/*';
		like(submit($s, $piece x $many . ".\r\n"), qr/^\+OK /, "$many pieces");
		ok((runs($box))[0]{stdin} eq $read x $many, 'the message');
	}
};

case 'XMIT: the end at every edge of a buffer' => sub {
	my ($box, $s) = mailing('');

	for my $edge (4096, 16384) {
		for my $length ($edge - 18 .. $edge + 4) {
			my $text = 'x' x $length;
			unlink glob $box->dir . '/out/*';
			$s->send_raw("XTND XMIT\r\n$text\r\n.\r\nNOOP\r\n");
			$s->reply('XTND XMIT');
			like($s->reply('the message'), qr/^\+OK /, "$length octets");
			ok((runs($box))[0]{stdin} eq "$text\n", 'the message');
			is($s->reply('NOOP'), '+OK ', 'NOOP is a command');
		}
	}
};

# ---- what a message cannot do ----------------------------------------------

my $plain = "To: bob\@example.org\r\n\r\n.\r\n";

case 'XMIT: nothing in a message becomes an option or the name of a file' => sub {
	my ($box, $s) = mailing('');

	for my $text ('-C/etc/shadow', '-bs', '-OQueueDirectory=/tmp',
	    'To: -bd', 'To: -C/etc/shadow', 'To: /etc/passwd', 'To: |id',
	    'To: :include:/etc/passwd', 'Bcc: "|/bin/sh"',
	    'Cc: `id`, $(id), ;id;', 'X: ' . '../' x 20 . 'etc/passwd',
	    "To: a\0-bs", "--\0-C", '-', '--', '@/etc/passwd') {
		unlink glob $box->dir . '/out/*';
		like(submit($s, "$text\r\n\r\n$text\r\n.\r\n"), qr/^\+OK /,
		    show($text));
		my ($run) = runs($box);
		is($run->{argv} =~ tr/\0/ /r, '-i -t -oem', 'the arguments');
		is($run->{stdin}, "$text\n\n$text\n", 'only text');
	}
};

case 'XMIT: the mail program has an environment of our making' => sub {
	my $box = box();
	my $s = $box->login(args => [mta($box, '')], env => {
		BASH_ENV => '/tmp/x', IFS => '/', HOME => '/root',
		LOGNAME => 'root', USER => 'root', MAIL => '/x', ENV => '/x',
		MAILCONFIG => '/x', NULLMAILER_USER => 'root', PERL5OPT => '-d',
		PATH => '/nonexistent', SENDMAIL => '/x', TZ => ':/etc/shadow',
		LANG => 'xx', TMPDIR => '/var/tmp', });

	like(submit($s, $plain), qr/^\+OK /, 'sent');
	my ($run) = runs($box);
	my %env = map { split /=/, $_, 2 } split /\0/, $run->{env};
	is_deeply([sort keys %env], [qw(HOME LOGNAME PATH USER)], 'its names');
	is($env{USER}, 'alice', 'USER');
	is($env{LOGNAME}, 'alice', 'LOGNAME');
	is($env{HOME}, '/nonexistent', 'HOME, of the account');
	unlike($env{PATH}, qr/nonexistent/, 'PATH is not the one that came in');
};

case 'XMIT: the mail program has descriptors 0, 1 and 2' => sub {
	needs('proc');
	my $box = box();
	my $s = $box->login(args => [mta($box, '')], under => ['/bin/sh', '-c',
	    'exec 4</etc/passwd 7>/dev/null 9</dev/zero; exec "$@"', 'sh']);

	$s->text('RETR 1');
	like(submit($s, $plain), qr/^\+OK /, 'sent');
	my ($run) = runs($box);
	is($run->{fds}, '0 1 2', 'and no others');
	my @links = split /\0/, $run->{links}, -1;
	like($links[0], qr/\(deleted\)|memfd/, '0 is a file without a name');
	is($links[1], '/dev/null', '1 leads nowhere');
	is($links[2], '/dev/null', 'nor does 2');
};

case 'XMIT: the mail program runs as the user, and as nobody else' => sub {
	needs('root', 'proc');
	my $box = box();
	my $mail = getgrnam 'mail';
	my @mta = mta($box, '');

	for my $mode (0755, 02775) {
		chown 0, $mail // 8, $box->mail if $mode == 02775;
		chmod $mode, $box->mail;
		unlink glob $box->dir . '/out/*';
		my $s = $box->login(args => \@mta);
		like(submit($s, $plain), qr/^\+OK /, 'sent');
		my %is = (runs($box))[0]{status} =~ /^(\w+):[ \t]*(.*)/mg;
		is($is{Uid}, join("\t", ($Popper::uid) x 4), 'uids');
		is($is{Gid}, join("\t", ($Popper::gid) x 4), 'gids');
		like($is{Groups}, qr/^(?:$Popper::gid)?\s*\z/, 'no other group');
		is($is{$_}, '0' x 16, $_) for qw(CapPrm CapEff);
		$s->quit;
	}
};

# As in a container: systemd-nspawn's processes have inheritable capabilities.
case 'XMIT: the mail program inherits no capability that popper was given' => sub {
	needs('root', 'proc');
	my @setpriv = ('setpriv', '--inh-caps', '+chown,+net_bind_service', '--ambient-caps',
	    '+chown,+net_bind_service', '--');
	my $box = box();
	my @mta = mta($box, '');

	plan skip_all => 'a build without the system calls of Linux'
	    if qx($Popper::binary -V) =~ /^system calls: POSIX$/m;
	plan skip_all => 'capabilities cannot be given here'
	    if system("@setpriv true 2>/dev/null") != 0;
	for my $who ('root', 'the user') {
		unlink glob $box->dir . '/out/*';
		my @user = $who eq 'root' ? () : ('--reuid', $Popper::uid, '--regid',
		    $Popper::gid, '--clear-groups');
		if ($who ne 'root') {
			$box->give($_) for $box->passwd, $box->trace;
		}
		my $s = $box->login(args => \@mta, under => [ $setpriv[0], @user,
		    @setpriv[1 .. $#setpriv] ]);
		like(slurp('/proc/' . $s->pid . '/status'), qr/^CapInh:\t0+401$/m,
		    "started by $who: given");
		like(submit($s, $plain), qr/^\+OK /, 'sent');
		my %is = (runs($box))[0]{status} =~ /^(\w+):[ \t]*(.*)/mg;
		is($is{$_}, '0' x 16, $_) for qw(CapInh CapPrm CapEff CapAmb);
		$s->quit;
	}
};

case 'XMIT: the mail program starts with no signal held back' => sub {
	needs('proc');
	my ($box, $s) = mailing('');

	like(submit($s, $plain), qr/^\+OK /, 'sent');
	my ($run) = runs($box);
	my %is = $run->{status} =~ /^(\w+):[ \t]*(.*)/mg;
	is($is{SigBlk}, '0' x 16, 'none is blocked');
	for my $number (1, 2, 13, 15, 17, 25) {	# HUP INT PIPE TERM CHLD XFSZ
		is(hex($is{SigIgn}) >> $number - 1 & 1, 0,
		    "signal $number is not ignored");
	}
	is($run->{session}, "$run->{pid} $run->{pid}", 'in a session of its own');
};

case 'XMIT: a line in the log for each message, and none of its text' => sub {
	my ($box, $s) = mailing('', more => ['-d'], session => { over => 'tcp' });

	like(submit($s, "To: secret\@example.org\r\nSubject: magicword\r\n\r\n"
	    . "swordfish\r\n.\r\n"), qr/^\+OK /, 'sent');
	$s->quit;
	is(() = $box->log =~ / xmit user=alice addr=127\.0\.0\.1 octets=53 status=0$/mg,
	    1, 'user, address, octets, status') or diag($box->log);
	unlike($box->log, qr/secret\@|magicword|swordfish/, 'no text');
};

done_testing;
