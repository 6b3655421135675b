# One session at a time, and peace with the programs that deliver mail.

use strict;
use warnings;

use Fcntl;
use Test::More;
use Popper;

case 'session lock: a second login is told so [RFC 2449 8.1.2]' => sub {
	my $box = box();
	my $first = $box->login;

	$box->session(args => ['-w', 1])->dialog(<<~'END');
		C: USER alice
		S: +OK *
		C: PASS s3cret
		S: -ERR [IN-USE] *
		END
	is($first->command('STAT'), '+OK 2 48', 'the first one goes on');
};

case 'session lock: who has not the password learns nothing of it [RFC 2449 8.1.2]'
    => sub {
	my $box = box();
	my $first = $box->login;

	$box->session(args => ['-w', 1])->dialog(<<~'END');
		C: USER alice
		S: +OK *
		C: PASS wrong
		S: -ERR [AUTH] *
		-- closed
		END
};

case 'session lock: one user does not lock out another' => sub {
	my $box = box(accounts => { alice => 's3cret', bob => 'b0b' });
	my $first = $box->login;
	my $second = $box->login(user => 'bob', password => 'b0b');

	is($second->command('STAT'), '+OK 0 0', 'bob is in');
};

case 'session lock: free again however the session ended' => sub {
	my $box = box();
	my %ending = (
		QUIT => sub { $_[0]->quit },
		close => sub { $_[0]->close->wait },
		reset => sub { $_[0]->reset->wait },
		SIGTERM => sub { $_[0]->kill('TERM'); $_[0]->wait },
		SIGKILL => sub { $_[0]->kill('KILL'); $_[0]->wait },
	);

	for my $what (sort keys %ending) {
		$ending{$what}->($box->login(over => 'tcp'));
		my $s = $box->session(args => ['-w', 1]);
		$s->command('USER alice');
		like($s->command('PASS s3cret'), qr/^\+OK /, "after $what");
		$s->quit;
	}
};

case 'session lock: a login that waits gets in when the other one leaves' => sub {
	my $box = box();
	my $first = $box->login;
	my $second = $box->session(args => ['-w', 20]);

	$second->command('USER alice');
	$second->send('PASS s3cret');
	$first->quit;
	my $reply = $second->reply('PASS');
	like($reply, qr/^(\+OK|-ERR \[IN-USE\]) /, 'in, or told why not');
	is($box->login->command('STAT'), '+OK 2 48', 'and then it is free')
	    if $reply =~ /^-ERR/;
};

case 'during a session the spool is not locked: mail comes in' => sub {
	my $box = box();
	my $s = $box->login;

	for my $line ('STAT', 'RETR 1', 'DELE 1', 'TOP 2 0', 'UIDL') {
		$line =~ /STAT|DELE/ ? $s->command($line) : $s->text($line);
		ok(!-e $box->dotlock, "$line: no dotlock stays");
		ok($box->deliver(letter(3)), "$line: a delivery gets its locks");
	}
	$s->quit;
	is($box->spool, (FX1 =~ /^(From carol.*)/ms)[0] . letter(3) x 5,
	    'and all of it is there');
};

case 'a dotlock of somebody else: login waits, then says so' => sub {
	my $box = box();

	$box->put_file($box->dotlock, '');
	$box->session(args => ['-w', 1])->dialog(<<~'END');
		C: USER alice
		S: +OK *
		C: PASS s3cret
		S: -ERR [IN-USE] *
		END
	ok(-e $box->dotlock, 'it is not ours to remove');
	is($box->spool, FX1, 'the spool');
	unlink $box->dotlock;
	is($box->login->command('STAT'), '+OK 2 48', 'without it login works');
};

case 'a dotlock that somebody left behind long ago does not count' => sub {
	my $box = box();

	$box->put_file($box->dotlock, "1\n");
	utime time - 3600, time - 3600, $box->dotlock or die "utime: $!";
	my $s = $box->login(args => ['-w', 1]);
	$s->command('DELE 1');
	like($s->quit, qr/^\+OK /, 'QUIT');
	unlike($box->spool, qr/one/, 'the message is gone');
	ok(!-e $box->dotlock, 'and so is the lock');
};

case 'where there are other hosts, the dotlock is made by a link' => sub {
	needs('strace');
	for my $fault ('', 'EEXIST', 'EPERM') {
		my $box = box();
		my $trace = $box->dir . '/strace';
		my $s = $box->login(args => ['-S'], under => [ strace($trace, '-e',
		    'trace=openat,linkat,unlinkat', $fault eq '' ? () : ('-e',
		    "inject=linkat:error=$fault:when=1")) ]);
		$s->command('DELE 1');
		like($s->quit, qr/^\+OK /, "QUIT, linkat: " . ($fault || 'ok'));
		my $calls = join '', grep { !/ENOENT/ } straced($trace);
		my $links = () = $calls =~ /linkat\(\d+, "(\.alice\.lk\.\w+)", \d+, "alice\.lock", 0\)/g;
		is($links, $fault eq 'EEXIST' ? 2 : 1, 'the links');
		is($calls =~ /"alice\.lock".*O_CREAT\|O_EXCL/, $fault eq 'EPERM',
		    'without links by its own name');
		unlike($box->spool, qr/one/, 'the message is gone');
		is(join(' ', glob($box->mail . '/*.lock ' . $box->mail . '/.*.lk.*')),
		    '', 'nothing is left');
	}
};

# Minutes from now, and whether such a lock file, a new one, counts as left behind.
# Over NFS a file that another host is making with O_EXCL has any date.
for ([ -6, 1 ], [ -4, 0 ], [ 4, 0 ], [ 6, 1 ], [ 60 * 24 * 365, 1 ], [ -6, 0, '-S' ],
    [ -60 * 24 * 365 * 50, 0, '-S' ]) {
	my ($minutes, $stale, @hosts) = @$_;

	case "a dotlock that is dated $minutes minutes from now @hosts" => sub {
		my $box = box();

		$box->put_file($box->dotlock, "1\n");
		utime((time + 60 * $minutes) x 2, $box->dotlock) or die "utime: $!";
		$box->session(args => [@hosts, '-w', 0])->dialog($stale ? <<~'STALE' : <<~'END');
			C: USER alice
			S: +OK *
			C: PASS s3cret
			S: +OK alice has 2 messages (48 octets).
			STALE
			C: USER alice
			S: +OK *
			C: PASS s3cret
			S: -ERR [IN-USE] The maildrop is locked by another program; try again later.
			-- closed
			END
		is(-e $box->dotlock ? 0 : 1, $stale, 'whether it is removed');
		is(scalar(() = $box->log =~ / lock user=alice: removed stale alice\.lock$/mg),
		    $stale, 'whether the log says so');
	};
}

# The lock file is another user's.
for ([ 01777, 'Operation not permitted' ], [ 0755, 'Permission denied' ]) {
	my ($mode, $error) = @$_;

	case sprintf('a stale dotlock that cannot be removed, mode %04o', $mode) => sub {
		needs('root');
		my $box = box();

		$box->put_file($box->dotlock, '');
		chown 1, 1, $box->dotlock;
		utime 1, 1, $box->dotlock or die "utime: $!";
		chown 0, 0, $box->mail;
		chmod $mode, $box->mail;
		$box->session(args => ['-w', 1])->dialog(<<~'END');
			C: USER alice
			S: +OK *
			C: PASS s3cret
			S: -ERR [SYS/PERM] The file alice.lock was left behind and cannot be removed; tell the administrator.
			-- closed
			END
		is_deeply([ map { s/.*?\]: //r } grep { /lock/ && !/refused/ }
		    split /\n/, $box->log ],
		    [ "lock: cannot remove stale alice.lock user=alice: $error" ],
		    'one line, with the cause');
		is((stat $box->dotlock)[9], 1, 'the file is as it was');
		is(join(' ', map { s{.*/}{}r } glob $box->mail . '/{*,.a*}'),
		    'alice alice.lock .alice.pop', 'and nothing else is there');
	};
}

case 'a kernel lock of somebody else: login waits, then says so' => sub {
	needs('locks');
	my $box = box();
	my $lock = lock_file($box->path) or die 'cannot lock';

	$box->session(args => ['-w', 1])->dialog(<<~'END');
		C: USER alice
		S: +OK *
		C: PASS s3cret
		S: -ERR [IN-USE] *
		END
	ok(!-e $box->dotlock, 'no dotlock stays');
	close $lock;
	is($box->login->command('STAT'), '+OK 2 48', 'without it login works');
};

case 'locks that are given back in time do not matter' => sub {
	for my $kind ('dotlock', 'kernel lock') {
		my $box = box();
		my $lock;

		if ($kind eq 'dotlock') {
			$box->put_file($box->dotlock, '');
		} else {
			$lock = $^O eq 'linux' ? lock_file($box->path) : next;
		}
		my $s = $box->session;
		$s->command('USER alice');
		$s->send('PASS s3cret');
		Time::HiRes::sleep(0.3);
		close $lock if $lock;
		unlink $box->dotlock;
		like($s->reply('PASS'), qr/^\+OK /, $kind);
	}
};

case 'QUIT that cannot lock: one -ERR, and no message is lost [RFC 1939 6]' => sub {
	for my $kind ('dotlock', 'kernel lock') {
		my $box = box();
		my $s = $box->login(args => ['-w', 1]);
		my $lock;

		$s->command('DELE 1');
		if ($kind eq 'dotlock') {
			$box->put_file($box->dotlock, '');
		} else {
			$lock = $^O eq 'linux' ? lock_file($box->path) : next;
		}
		$s->dialog(<<~'END');
			C: QUIT
			S: -ERR *
			-- closed
			END
		is($s->wait, 0, "$kind: exit status");
		is($box->spool, FX1, "$kind: the spool");
		close $lock if $lock;
		unlink $box->dotlock;
		is($box->login->command('STAT'), '+OK 2 48', "$kind: both are there");
	}
};

case 'QUIT with nothing to do needs no lock' => sub {
	my $box = box();
	my $s = $box->login(args => ['-w', 1]);

	$box->put_file($box->dotlock, '');
	like($s->command('QUIT'), qr/^\+OK /, 'QUIT');
	is($s->slurp, '', 'the end');
};

# Giving back a large temporary copy takes the kernel longer than it takes a
# client to come again.
for my $end ('QUIT', 'a lost connection') {
	case "$end: the session lock is given back before the temporary copy" => sub {
		needs('strace');
		my $box = box();
		my $trace = $box->dir . '/strace';
		my $s = $box->session(greeting => 0, under => [ strace($trace,
		    '-e', 'trace=openat,close,write', '-s', 200) ]);

		$s->send('USER alice', 'PASS s3cret', 'RETR 1', $end eq 'QUIT' ? $end : ());
		if ($end eq 'QUIT') {
			$s->slurp;
		} else {
			$s->reply('a line') for 1 .. 4;
			$s->rest;
			$s->close;
		}
		$s->wait;
		my @calls = straced($trace);
		# where the descriptor that a call opened is closed
		my $closed = sub {
			my ($opening) = @_;
			my ($at) = grep { $calls[$_] =~ $opening } 0 .. $#calls;
			my ($fd) = $calls[$at] =~ / = (\d+)$/;
			return (grep { $calls[$_] =~ /close\($fd\)/ } $at .. $#calls)[0];
		};
		my $unlocked = $closed->(qr/"\.alice\.pop", O_RDWR\|O_CREAT\|O_NOCTTY/);
		my $given = $closed->(qr{O_TMPFILE|/popper\.\w{6}"});
		my ($hung_up) = grep { $calls[$_] =~ /close\(1\)/ } 0 .. $#calls;
		my ($said) = grep { $calls[$_] =~ /signing off/ } 0 .. $#calls;

		cmp_ok($unlocked, '<', $said, 'before the reply') if $end eq 'QUIT';
		cmp_ok($unlocked, '<', $hung_up, 'before the connection is closed');
		cmp_ok($hung_up, '<', $given, 'and the copy after that');
	};
}

# RETR may have to read the spool; it must not read a half-written one.
case 'RETR while the spool is locked: the message, or -ERR' => sub {
	my $box = box();
	my $s = $box->login(args => ['-w', 1]);

	$box->put_file($box->dotlock, '');
	my $reply = $s->command('RETR 1');
	like($reply, qr/^(\+OK|-ERR \[(IN-USE|SYS\/TEMP)\]) /, 'one of them');
	$s->rest if $reply =~ /^\+OK/;
	unlink $box->dotlock;
	like($s->text('RETR 1'), qr/\.dot\r\n\z/, 'and afterwards the message');
};

# A program that takes no kernel lock is at the spool while popper reads it: it
# writes FIRST before that, and ALL when popper has read it.
for my $what (['the first half of a rewriting', letter(1)],
    ['more than there will be', letter(1) x 3 . letter(2)]) {
	my ($title, $first) = @$what;
	case "RETR that reads $title reads again" => sub {
		needs('strace');
		my $all = letter(1) . letter(2);
		my $box = box(spool => $all);
		my $trace = $box->dir . '/strace';

		$box->login->quit;	# the state file is there
		my $s = $box->session(greeting => 0, under => [ strace($trace,
		    '-P', $box->path, '-e', 'trace=pread64',
		    '-e', 'inject=pread64:signal=SIGSTOP:when=1') ]);
		$s->send('USER alice', 'PASS s3cret');
		$s->reply('a line') for 1 .. 3;
		$box->put($first);
		$s->send('RETR 2');
		stops($trace) or die 'it does not stop';
		$box->put($all);
		$s->kill('CONT');
		like($s->reply('RETR 2'), qr/^\+OK/, 'RETR 2');
		is($s->rest, text_of(letter(2)), 'its text');
		$s->close->wait;
	};
}

# An agent has made its lock file and waits for popper's kernel lock.
for my $what ('login', 'RETR') {
	case "a lock file that comes while $what reads the spool: the reading counts" => sub {
		needs('strace');
		my $box = box();
		my $trace = $box->dir . '/strace';

		$box->login->quit if $what eq 'RETR';	# an index: the login reads nothing
		my $s = $box->session(args => ['-w', 0], greeting => 0, under => [
		    strace($trace, '-P', $box->path, '-e', 'trace=pread64',
		    '-e', 'inject=pread64:signal=STOP:when=1') ]);
		$s->send('USER alice', 'PASS s3cret', 'RETR 1');
		ok(stops($trace), 'it stops');
		$box->put_file($box->dotlock, "1\n");
		$s->kill('CONT');
		$s->reply('a line') for 1 .. 2;
		is($s->reply('PASS'), '+OK alice has 2 messages (48 octets).', 'PASS');
		is($s->reply('RETR 1'), $what eq 'RETR' ? '+OK 29 octets' : '-ERR [IN-USE]'
		    . ' The maildrop is locked by another program; try again later.', 'RETR 1');
		is($s->rest, "Subject: one\r\n\r\nline1\r\n.dot\r\n", 'its text')
		    if $what eq 'RETR';
		is(slurp($box->dotlock), "1\n", 'the lock file stays');
		$s->close->wait;
	};
}

# A session that stops whenever it has read from the spool.
sub stopping {
	my ($box, @args) = @_;
	my $trace = $box->dir . '/strace';
	my $s = $box->session(args => \@args, greeting => 0, under => [
	    strace($trace, '-P', $box->path, '-e', 'trace=pread64',
	    '-e', 'inject=pread64:signal=STOP') ]);
	my $stopped = 0;

	# whether it stops once more before it ends
	return ($s, sub {
		my $said;
		$stopped++;
		eventually {
			$said = () = (slurp($trace) // '') =~ /stopped by SIGSTOP/g;
			return $said >= $stopped || (slurp($trace) // '') =~ /\+\+\+/;
		} or die 'it neither stops nor ends';
		return $said >= $stopped;
	});
}

# What an agent does that knows the lock file alone and does not wait.
sub deliver_by_dotlock {
	my ($box, $text) = @_;

	sysopen my $lock, $box->dotlock, O_CREAT | O_EXCL | O_WRONLY or return 0;
	$box->append($text);
	unlink $box->dotlock or die "unlink: $!";
	return 1;
}

case 'mail that comes whenever the spool is read: the last try keeps it out' => sub {
	needs('strace');
	my $box = box();
	my ($s, $stops) = stopping($box, '-w', 0);
	my @came;

	$s->send('USER alice', 'PASS s3cret', 'QUIT');
	while ($stops->()) {
		push @came, deliver_by_dotlock($box, letter(scalar @came));
		$s->kill('CONT');
	}
	like("@came", qr/^1[1 ]* 0[0 ]*$/, 'who knows the lock file alone, at each read');
	my $n = 2 + grep { $_ } @came;
	like($s->slurp, qr/^\+OK alice has $n messages \(\d+ octets\)\.\r$/m, 'PASS');
	$s->wait;
	ok(!-e $box->dotlock, 'the lock file is gone');
	ok(deliver_by_dotlock($box, letter(99)), 'and mail comes in again');
};

case 'a reader waits as long as -w says, however often it must read' => sub {
	needs('strace');
	my $box = box();
	my ($s, $stops) = stopping($box, '-w', 6);

	$box->put_file($box->dotlock, '');
	$s->send('USER alice', 'PASS s3cret');
	sleep 5;
	unlink $box->dotlock or die "unlink: $!";
	ok($stops->(), 'it reads');
	$box->append(letter(3));
	$box->put_file($box->dotlock, '');
	my $since = now();
	do { $s->kill('CONT') } while ($stops->());
	like($s->slurp, qr/^-ERR \[IN-USE\] /m, 'PASS');
	cmp_ok(now() - $since, '<', 4, 'one second was left');
};

# At the Nth such call on the spool, or on the state file, QUIT has its locks, and
# somebody appends who sees none of them.
for my $case ([ 'all go', [ 'DELE 1', 'DELE 2' ], pread64 => 1, [] ],
    [ 'one goes', [ 'DELE 1' ], pread64 => 1, [ 2 ] ],
    [ 'one goes', [ 'DELE 1' ], fdatasync => 1, [ 2 ] ],
    [ 'one has been read', [ 'RETR 1' ], pread64 => 3, [ 1, 2 ] ],
    [ 'one has been read', [ 'RETR 1' ], fdatasync => 1, [ 1, 2 ] ]) {
	my ($name, $commands, $call, $n, $left) = @$case;

	case "$name, and mail comes at $call: it stays" => sub {
		needs('strace');
		my $box = box(spool => letter(1) . letter(2));
		my $trace = $box->dir . '/strace';

		$box->login->quit;
		my $s = $box->session(greeting => 0, under => [ strace($trace,
		    '-P', $call eq 'pread64' ? $box->path : $box->work,
		    '-e', "trace=$call", '-e', "inject=$call:signal=STOP:when=$n") ]);
		$s->send('USER alice', 'PASS s3cret');
		$s->reply('a line') for 1 .. 3;
		/RETR/ ? $s->text($_) : $s->command($_) for @$commands;
		utime 1, 1, $box->path;		# to be looked at again
		$s->send('QUIT');
		ok(stops($trace), 'it stops');
		$box->append(letter(3));
		$s->kill('CONT');
		like($s->slurp, qr/signing off/, 'QUIT');
		$s->wait;
		is($box->spool =~ s/^Status: RO\n//mr, join('', map { letter($_) }
		    @$left, 3), 'the spool');
	};
}

# QUIT after DELE 1, stopped while it has its locks; then SINCE is called and
# QUIT goes on.
sub stopped_quit {
	my ($box, $since, @args) = @_;
	my $trace = $box->dir . '/strace';

	$box->login->quit;
	my $s = $box->session(args => \@args, greeting => 0, under => [
	    strace($trace, '-P', $box->work, '-e', 'trace=fdatasync',
	    '-e', 'inject=fdatasync:signal=STOP:when=1') ]);
	$s->send('USER alice', 'PASS s3cret', 'DELE 1', 'QUIT');
	ok(stops($trace), 'QUIT has its locks');
	$since->();
	$s->kill('CONT');
	like($s->slurp, qr/^\+OK [^\r\n]* signing off\.\r\n\z/m, 'QUIT');
	$s->wait;
	unlike($box->spool, qr/one/, 'the message is gone');
}

case 'a name like that of a temporary file, taken by another user' => sub {
	needs('root', 'strace');
	my $box = box();

	chown 0, 0, $box->mail;
	chmod 01777, $box->mail;
	for my $name ('.alice.lk', '.alice.lock') {
		$box->put_file($box->mail . "/$name", '');
		chown 1, 1, $box->mail . "/$name";
	}
	stopped_quit($box, sub { ok(-e $box->dotlock, 'the lock file is made') });
	ok(!-e $box->dotlock, 'and removed');
	unlike($box->log, qr/cannot make/, 'nothing to complain of');
};

case 'a lock file that another program puts in the place of ours stays' => sub {
	needs('strace');
	my $box = box();
	my (@new, @was);

	stopped_quit($box, sub {
		# of the same inode number, where the file system gives it again
		my $ours = (stat $box->dotlock)[1];
		unlink $box->dotlock or die "unlink: $!";
		for my $path (map { $box->dir . "/$_" } 1 .. 100) {
			$box->put_file($path, "1\n");
			rename $path, $box->dotlock or die "rename: $!"
			    if (stat $path)[1] == $ours;
			last if -e $box->dotlock;
		}
		rename $box->dir . '/100', $box->dotlock unless -e $box->dotlock;
		@new = (stat $box->dotlock)[1, 9];
	});
	is(join(' ', (stat $box->dotlock)[1, 9]), "@new", 'as it was');
	like($box->log, qr/ lock user=alice: alice\.lock is no longer mine$/m,
	    'the log');
};

# The N-th call that this session makes so, for strace to inject something.
sub call_number {
	my ($box, $like, @commands) = @_;
	my $trace = $box->dir . '/calls';
	my $s = $box->session(greeting => 0, under => [ strace($trace) ]);

	$s->send('USER alice', 'PASS s3cret', @commands);
	$s->slurp;
	$s->wait;
	my @lines = straced($trace);
	my ($at) = grep { $lines[$_] =~ $like } 0 .. $#lines;
	unlink $trace;
	return @{ (points(@lines[0 .. $at]))[-1] };
}

case 'a lock file that a killed popper left is taken away at once' => sub {
	needs('strace');
	my @quit = ('DELE 1', 'QUIT');
	my ($call, $n) = call_number(box(), qr/pwrite64\(.*\\npopper\\n"/, @quit);
	my $box = box();
	my $s = $box->session(greeting => 0, under => [ strace($box->dir . '/kill',
	    '-e', "inject=$call:signal=KILL:when=$n") ]);
	$s->send('USER alice', 'PASS s3cret', @quit);
	$s->slurp;
	$s->wait;
	is(slurp($box->dotlock), '', 'it left one, and nothing in it');
	is($box->login(args => ['-w', 0])->command('STAT'), '+OK 2 48', 'the next login');
	ok(!-e $box->dotlock, 'it is gone');
};

# A network file system says so of a name that another host has just removed.
case 'a file that is removed elsewhere while it is looked at: tried again' => sub {
	needs('strace');
	my @quit = ('DELE 1', 'QUIT');

	for my $file ('alice.lock', 'alice') {
		for my $calls ('?newfstatat,?fstatat64', 'openat') {
			my $box = box();
			my $trace = $box->dir . '/strace';
			my $s = $box->session(greeting => 0, under => [ strace($trace,
			    '-P', $file, '-e', "trace=$calls", '-e',
			    "inject=$calls:error=ESTALE:when=1") ]);

			$s->send('USER alice', 'PASS s3cret', @quit);
			like($s->slurp, qr/^\+OK alice has 2 messages.*\n\+OK .*\n\+OK .*\n\z/m,
			    "$file, $calls");
			$s->wait;
			ok((grep { /"\Q$file\E".*\(INJECTED\)/ } straced($trace)),
			    'it was stale');
			is($box->spool, FX1 =~ s/\A.*?(?=^From carol)//msr, 'the deletion');
		}
	}
};

# A login with a stale lock file there, to which something happens at a call.
sub stale_login {
	my ($like, $what, $then) = @_;
	my $stale = sub {
		$_[0]->put_file($_[0]->dotlock, '');
		utime 1, 1, $_[0]->dotlock or die "utime: $!";
		return $_[0];
	};
	my ($call, $n) = call_number($stale->(box()), $like, 'QUIT');
	my $box = $stale->(box());
	my $trace = $box->dir . '/strace';
	my $s = $box->session(args => ['-w', 0], greeting => 0, under => [
	    strace($trace, '-e', "inject=$call:signal=$what:when=$n") ]);

	$s->send('USER alice', 'PASS s3cret');
	if ($what eq 'STOP') {
		ok(stops($trace), "it stops after $call");
		$then->($box);
		$s->kill('CONT');
	}
	$s->send('QUIT') if $what eq 'STOP';
	my (undef, undef, $reply) = split /\r\n/, $s->slurp;
	$s->wait;
	return ($box, $reply, $stale);
}

# The names in the spool directory.
sub names {
	my ($box) = @_;
	opendir my $dir, $box->mail or die 'opendir: ' . $box->mail . ": $!";
	return join ' ', sort grep { !/^\.\.?$/ } readdir $dir;
}

# The owner matters: others' files cannot always be linked.
for my $owner ($> == 0 ? ('root', 'the user') : 'the user') {
	case "a fresh lock of $owner in the place of a stale one stays" => sub {
		needs('strace');
		my @new;
		my ($box, $reply) = stale_login(qr/stat\w*\(.*"alice\.lock"/, 'STOP', sub {
			my ($box) = @_;
			unlink $box->dotlock or die "unlink: $!";
			$box->put_file($box->dotlock, "1\n");
			chown 0, 0, $box->dotlock if $owner eq 'root';
			@new = lstat $box->dotlock;
		});
		is($reply, '-ERR [IN-USE] The maildrop is locked by another program;'
		    . ' try again later.', 'PASS');
		is(join(' ', (lstat $box->dotlock)[1 .. 7, 9]), "@new[1 .. 7, 9]",
		    'the lock is as it was');
		is(names($box), '.alice.pop alice alice.lock', 'and nothing else is there');
		unlike($box->log, qr/stale/, 'nothing to complain of');
	};
}

case 'of two fresh locks the one that has the name stays' => sub {
	needs('strace');
	my ($box) = stale_login(qr/rename\w*\(.*"alice\.lock"/, 'STOP', sub {
		my ($box) = @_;
		utime time, time, glob $box->mail . '/.alice.lk.*';
		$box->put_file($box->dotlock, "2\n");
	});
	is(slurp($box->dotlock), "2\n", 'the second');
	is(names($box), '.alice.pop alice alice.lock', 'and nothing else is there');
};

case 'a popper that is killed while it removes a stale lock leaves no file for ever'
    => sub {
	needs('strace');
	my ($box, undef, $stale) = stale_login(qr/unlink\w*\(.*"\.alice\.lk\./, 'KILL');

	like(names($box), qr/^\.alice\.lk\.[0-9a-f]{16} \.alice\.pop alice$/, 'a file is left');
	$box->put_file($box->mail . "/.alice.lk$_", '')
	    for '.pop', '', '.0123456789abcdef0', 'x.0123456789abcdef';
	$stale->($box);
	$box->login->quit;
	is(names($box), '.alice.lk .alice.lk.0123456789abcdef0 .alice.lk.pop'
	    . ' .alice.lkx.0123456789abcdef .alice.pop alice', 'the next one removes that alone');
};

case 'a spool directory that allows no dotlock: the kernel lock is enough' => sub {
	needs('root');
	my $box = box();

	chown 0, 0, $box->mail;		# 0755: as a user nothing can be made here
	my $s = $box->login;
	$s->command('DELE 1');
	like($s->quit, qr/^\+OK/, 'QUIT');
	unlike($box->spool, qr/one/, 'the message is gone');
	my @said = $box->log =~ /^.*alice\.lock.*$/mg;
	is(scalar @said, 1, 'said once in the log') or diag(@said);
};

done_testing;
