# In company: delivery agents of every locking habit and mail programs work on
# the spool while sessions fetch and delete.  At the end each letter is
# accounted for exactly once: fetched and deleted, moved by a mail program, or
# still in the spool.  COMPANY=long delivers thousands.

use strict;
use warnings;

use Fcntl qw(:DEFAULT :flock :seek);
use POSIX ();
use Test::More;
use Mail;
use Popper;
use Time::HiRes qw(sleep);

plan skip_all => 'not root' if $> != 0;
plan skip_all => 'needs Linux file locks' if $^O ne 'linux';

my $many = ($ENV{COMPANY} // '') eq 'long' ? 30 : 1;

# An account that procmail and the others find in the system's passwd.
my $name = 'pc' . $$ % 1_000_000;
system('useradd', '-M', '-d', '/nonexistent', '-s', '/bin/false', $name) == 0
    or plan skip_all => 'useradd does not work here';
my ($uid, $gid) = (getpwnam $name)[2, 3];
my $mailgid = getgrnam 'mail';

my (%pids, $main);		# the workers, by pid
$main = $$;
END {
	my $status = $?;
	if (defined $main && $$ == $main) {
		kill 'KILL', map { -$_ } keys %pids;	# what they started, too
		waitpid $_, 0 for keys %pids;
		system('userdel', $name);
		unlink "/var/mail/$name";	# useradd's
	}
	$? = $status;
}

sub program {
	my ($program) = @_;
	my ($path) = grep { -x } map { "$_/$program" } qw(/usr/bin /bin);
	return $path;
}

# ---- workers ---------------------------------------------------------------

# A process of its own, which has to end well: see gather().
sub worker {
	my ($box, $what, $code) = @_;
	my $pid = fork // die "fork: $!";

	if ($pid == 0) {
		setpgrp;
		srand $$;
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
		my $good = eval { $code->(); 1 };
		note_down($box, 'failures', "$what: $@") unless $good;
		POSIX::_exit($good ? 0 : 1);
	}
	$pids{$pid} = $what;
	return $pid;
}

# Waits for workers; true if all of them ended well and in time.
sub gather {
	my ($box, @workers) = @_;

	for my $pid (@workers) {
		my $end = now() + 240 + 20 * $many;
		my $r;
		sleep 0.02 until ($r = waitpid $pid, POSIX::WNOHANG)
		    || now() > $end;
		my $status = $?;
		my $what = delete $pids{$pid};
		if ($r == 0) {
			kill 'KILL', -$pid;
			waitpid $pid, 0;
			note_down($box, 'failures', "$what does not end\n");
		} elsif ($status & 127) {
			note_down($box, 'failures', "$what: signal $status\n");
		}
	}
	my $failures = slurp($box->dir . '/failures');
	diag($failures) if $failures ne '';
	return $failures eq '';
}

# Appends to one of the lists that a case keeps.
sub note_down {
	my ($box, $list, $text) = @_;
	open my $fh, '>>', $box->dir . "/$list" or die "$list: $!";
	syswrite $fh, $text;
}

sub noted {
	my ($box, $list) = @_;
	return split /\n/, slurp($box->dir . "/$list") // '';
}

# In the forked process: be the account, with the group of the directory.
sub become_account {
	($(, $)) = ($mailgid, "$mailgid $mailgid");
	($<, $>) = ($uid, $uid);
	die "still $<\n" if $< != $uid || $> != $uid;
}

# ---- delivery --------------------------------------------------------------

sub patiently {
	my ($what, $code) = @_;
	my $end = now() + 60;

	until ($code->()) {
		die "$what cannot be had\n" if now() > $end;
		sleep 0.005 + rand 0.02;
	}
}

sub take_dotlock {
	my ($box, $wait) = @_;
	my $lock = $box->dotlock($name);
	my $made = sub { sysopen my $fh, $lock, O_CREAT | O_EXCL | O_WRONLY };

	return $made->() unless $wait;
	patiently($lock, $made);
	return 1;
}

sub take_fcntl {
	my ($fh) = @_;
	my ($SETLKW, $WRLCK) = (7, 1);
	fcntl $fh, $SETLKW, pack 's s x![q] q q i x![q]', $WRLCK, 0, 0, 0, 0
	    or die "lock: $!\n";
}

# Writes in two halves, so that whoever does not wait sees only one of them.
sub append {
	my ($fh, $text) = @_;
	my $half = int(length($text) / 2);

	sysseek $fh, 0, SEEK_END;
	syswrite($fh, $text, $half) == $half or die "write: $!\n";
	sleep rand 0.004;
	sysseek $fh, 0, SEEK_END;
	syswrite($fh, $text, length($text), $half) // die "write: $!\n";
}

sub open_spool {
	my ($box) = @_;
	sysopen my $fh, $box->path($name), O_RDWR | O_CREAT, 0660
	    or die "spool: $!\n";
	return $fh;
}

# How the agents of the world lock: each is given the text of one letter.
my %habit = (
	'dotlock' => sub {
		my ($box, $text) = @_;
		take_dotlock($box, 1);
		append(open_spool($box), $text);
		unlink $box->dotlock($name) or die "unlock: $!\n";
	},
	'fcntl' => sub {
		my ($box, $text) = @_;
		my $fh = open_spool($box);
		take_fcntl($fh);
		append($fh, $text);
	},
	'dotlock, fcntl' => sub {
		my ($box, $text) = @_;
		take_dotlock($box, 1);
		my $fh = open_spool($box);
		take_fcntl($fh);
		append($fh, $text);
		close $fh;
		unlink $box->dotlock($name) or die "unlock: $!\n";
	},
	'fcntl, dotlock' => sub {
		my ($box, $text) = @_;
		patiently('both locks', sub {
			my $fh = open_spool($box);
			take_fcntl($fh);
			return 0 unless take_dotlock($box, 0);
			append($fh, $text);
			unlink $box->dotlock($name) or die "unlock: $!\n";
			return 1;
		});
	},
);

# Real ones: the command and what they are to be given.
my %agent = (
	'procmail' => sub {
		my ($box) = @_;
		return (Mail::entry($_[1]), program('procmail'), $box->dir . '/home/procmailrc');
	},
	'maildrop' => sub {
		my ($box) = @_;
		return (Mail::text($_[1]), program('maildrop'), '-f',
		    "$_[1]\@example.org", $box->dir . '/home/maildroprc');
	},
);

sub run_with_input {
	my ($box, $output, $input, @command) = @_;
	my $pid = open(my $pipe, '|-') // die "fork: $!\n";

	if ($pid == 0) {
		open STDOUT, '>>', $output;
		open STDERR, '>&', \*STDOUT;
		# a path that the programs' own helpers can be run from
		%ENV = (PATH => '/usr/bin:/bin', HOME => $box->dir . '/home',
		    TERM => 'dumb', LOGNAME => $name, USER => $name,
		    MAIL => $box->path($name), MAILRC => '/dev/null');
		exec { $command[0] } @command or POSIX::_exit(127);
	}
	local $SIG{PIPE} = 'IGNORE';
	print $pipe $input;
	close $pipe;
	return $?;
}

# A worker that delivers so many letters, none faster than the pause.
sub agent {
	my ($box, $how, $count, $pause) = @_;
	my $maker = $how =~ s/\W+/-/gr;

	return worker($box, $how, sub {
		become_account();
		for my $n (1 .. $count) {
			if ($habit{$how}) {
				$habit{$how}->($box, Mail::entry("$maker.$n"));
			} else {
				my @run = $agent{$how}->($box, "$maker.$n");
				my $status = run_with_input($box,
				    $box->dir . '/programs', @run);
				die "status $status\n" if $status != 0;
			}
			note_down($box, 'delivered', "$maker.$n\n");
			sleep rand 2 * $pause;
		}
	});
}

# ---- sessions --------------------------------------------------------------

# Holds the test's own lock: see the case with mail programs.
sub alone {
	my ($box, $code) = @_;
	open my $fh, '>>', $box->dir . '/alone' or die "alone: $!\n";
	flock $fh, LOCK_EX or die "flock: $!\n";
	return $code->();
}

# One session: fetches some letters and deletes them.  What was fetched, and
# whether QUIT was answered with +OK; nothing where it could not log in.
sub fetch {
	my ($box, %arg) = @_;
	my $s = $box->session(trace => 0, args => [ '-w', 20 ]);
	my @got;

	$s->command("USER $name");
	my $reply = $s->command('PASS s3cret');
	unless ($reply =~ /^\+OK/) {
		die "$reply\n" unless $reply =~ /^-ERR \[IN-USE\]/;
		$s->wait;
		return;
	}
	my ($count) = $s->command('STAT') =~ /^\+OK (\d+) /;
	my %seen;
	for (1 .. 1 + int rand 8) {
		my $n = 1 + int rand $count + 1;
		next if $n > $count || $seen{$n}++;
		$reply = $s->command("RETR $n");
		next if $reply =~ /^-ERR (\[IN-USE\]|Another program)/;
		die "RETR: $reply\n" unless $reply =~ /^\+OK/;
		my $id = Mail::identify($s->rest);
		if (rand() < 0.2) {
			sleep rand 0.02;
			next;		# read, and kept with a Status line
		}
		push @got, $id;
		$reply = $s->command("DELE $n");
		die "DELE: $reply\n" unless $reply =~ /^\+OK/;
	}
	return $arg{end}->($s, @got) if $arg{end};
	$reply = $arg{alone} ? alone($box, sub { $s->quit }) : $s->quit;
	die "QUIT: $reply\n" unless $reply =~ /^(\+OK|-ERR \[IN-USE\])/;
	return $reply =~ /^\+OK/ ? @got : ();
}

# A worker that does so until the agents are through; a few times more where the
# locks were always somebody else's.
sub client {
	my ($box, %arg) = @_;

	return worker($box, 'client', sub {
		my ($fetched, $late) = (0, 0);
		until (-e $box->dir . '/through' && ($fetched || $late++ > 9)) {
			for my $id (fetch($box, %arg)) {
				note_down($box, 'fetched', "$id\n");
				$fetched++;
			}
			sleep rand 0.06;
		}
	});
}

# Mail in a directory as Debian has it, or one where everybody may make files.
sub company_box {
	my ($mode) = @_;
	my $box = box(spool => undef, accounts => { $name => {
	    password => 's3cret', uid => $uid, gid => $gid } });

	chown 0, $mailgid, $box->mail or die "chown: $!";
	chmod $mode, $box->mail or die "chmod: $!";
	$box->put('', $name);
	chown $uid, $mailgid, $box->path($name);
	chmod 0660, $box->path($name);
	mkdir $box->dir . '/home' or die "mkdir: $!";
	chown $uid, $mailgid, $box->dir . '/home';
	for my $list (qw(delivered fetched unsure failures alone programs)) {
		open my $fh, '>', $box->dir . "/$list" or die "$list: $!";
		chmod 0666, $box->dir . "/$list";
	}
	my $rc = sub {
		my ($file, $text) = @_;
		$box->put_file($box->dir . "/$file", $text);
		chown $uid, $gid, $box->dir . "/$file";
	};
	$rc->('home/procmailrc', join '', map { "$_\n" } 'LOCKSLEEP=1', 'SHELL=/bin/sh',
	    'LOGFILE=' . $box->dir . '/programs', ':0:', $box->path($name));
	$rc->('home/maildroprc', 'DEFAULT="' . $box->path($name) . "\"\nLOCKSLEEP=1\n");
	return $box;
}

# The agents that this machine has, and their letters.  procmail sleeps whole
# seconds where it finds a lock, and would keep the others waiting.
sub agents {
	my ($box, $count, $pause, @which) = @_;
	return map { agent($box, $_, $_ eq 'procmail' ? $count / 2 : $count,
	    $pause) }
	    grep { $habit{$_} || program($_) || (diag("no $_ here"), 0) } @which;
}

sub say_through {
	my ($box) = @_;
	open my $fh, '>', $box->dir . '/through' or die "through: $!";
}

# What is left to fetch, by a session that only looks; then the sum of it all.
sub account_for {
	my ($box, @unsure) = @_;
	my $s = $box->login(user => $name);
	$s->quit;

	my %delivered = map { $_ => 1 } noted($box, 'delivered');
	my %unsure = map { $_ => 1 } @unsure;
	my (%count, %moved, @wrong);
	$count{$_}++ for noted($box, 'fetched'), Mail::in_mbox($box->spool($name));
	$moved{$_}++ for map { Mail::in_mbox(slurp($_)) }
	    glob $box->dir . '/home/moved.*[0-9]';
	my %fetched = map { $_ => 1 } noted($box, 'fetched');
	for my $id (keys %moved) {		# two may take the same away
		$count{$id} += $moved{$id} unless $fetched{$id} && $moved{$id} == 1;
	}
	for my $id (sort keys %{{ %delivered, %count }}) {
		my $n = $count{$id} // 0;
		next if $delivered{$id} && ($n == 1 || ($n < 2 && $unsure{$id}));
		push @wrong, $delivered{$id} ? "$id: $n times" : "unknown: $id";
	}
	is(join("\n", splice @wrong, 0, 9), '', 'every letter, exactly once')
	    or diag(slurp($box->dir . '/programs'),
	    map { ("$_:\n", slurp($_)) } glob $box->dir . '/home/*.said');
	ok(!-e $box->dotlock($name), 'no lock stays');
	cmp_ok(scalar noted($box, 'fetched'), '>', 0, 'letters were fetched');
	note(scalar(keys %delivered), ' letters delivered, ',
	    scalar(() = noted($box, 'fetched')), ' fetched and deleted');
}

# ---- the cases -------------------------------------------------------------

# An agent that knows one lock only and one that knows the other only tear each
# other's letters, so there are two companies.  procmail given a file of rules
# has no right to make a lock file in 2775 root:mail.
my %company = (
	'dotlock' => [ 'dotlock', 'dotlock, fcntl', 'fcntl, dotlock', 'maildrop' ],
	'fcntl' => [ 'fcntl', 'dotlock, fcntl', 'fcntl, dotlock', 'maildrop',
	    'procmail' ],
);

case 'agents of every habit deliver while two clients fetch and delete' => sub {
	for my $common (sort keys %company) {
		my $box = company_box(02775);
		my @agents = agents($box, 20 * $many, 0.02, @{ $company{$common} });
		my @clients = map { client($box) } 1 .. 2;

		my $good = gather($box, @agents);
		say_through($box);
		$good = gather($box, @clients) && $good;
		ok($good, "$common: all of them ended well");
		account_for($box);
	}
};

case 'sessions killed at any moment: the letters of those alone are in doubt'
    => sub {
	my $box = company_box(02775);
	my @agents = agents($box, 20 * $many, 0.02, @{ $company{fcntl} });
	my @clients = client($box);

	# In a killed session a letter was deleted, or it was not.
	push @clients, worker($box, 'killer', sub {
		do {
			fetch($box, end => sub {
				my ($s, @got) = @_;
				note_down($box, 'unsure', "$_\n") for @got;
				$s->send('QUIT');
				sleep rand 0.02;
				$s->kill('KILL');
				$s->wait;
				return;
			});
			sleep rand 0.1;
		} until -e $box->dir . '/through';
	});
	my $good = gather($box, @agents);
	say_through($box);
	$good = gather($box, @clients) && $good;
	ok($good, 'all of them ended well');
	cmp_ok(scalar noted($box, 'unsure'), '>', 0, 'sessions were killed');
	account_for($box, noted($box, 'unsure'));
};

# Mail programs have the mail in memory between reading and writing, and none
# of them reckons with another program that takes letters away meanwhile: they
# would bring them back.  So they take turns with QUIT here, and with nothing
# else.  And they and all agents know both locks, since mailutils knows only
# the dotlock: see the mode of the directory.
my %rewriter = (
	's-nail' => sub {
		my ($box, $to) = @_;
		return ("type 1\nmove 2 $to\nquit\n", program('s-nail'), '-n', '-S',
		    'hold', '-S', 'quiet', '-f', $box->path($name));
	},
	'mail.mailutils' => sub {
		my ($box, $to) = @_;
		return ("set hold\ntype 1\nsave 2 $to\nquit\n",
		    program('mail.mailutils'), '-n', '-f', $box->path($name));
	},
);

# Runs one of them.  Debian's mail.mailutils, and more rarely s-nail, die of a
# signal where mail arrives at the wrong moment, and their dotlock stays: it is
# the one that is still there when every agent would long have let go.
sub rewrite {
	my ($box, $program, $said, @command) = @_;
	my $lock = $box->dotlock($name);
	my $seen = sub { join ' ', (stat $lock)[1, 10] };

	my $signal = run_with_input($box, $said, @command) & 127;
	return if $signal == 0;
	note_down($box, 'programs', "$program: signal $signal\n");
	my $then = $seen->();
	sleep 5;
	unlink $lock if $then ne '' && $seen->() eq $then;
}

# Whether the letter that was moved to a file is in the spool as well.
sub in_both {
	my ($box, $to) = @_;
	my %moved = map { $_ => 1 } Mail::in_mbox(slurp($to));

	return grep { $moved{$_} } Mail::in_mbox($box->spool($name));
}

case 'mail programs rewrite the spool meanwhile' => sub {
	my $box = company_box(01777);
	my @programs = grep { program($_) || (diag("no $_ here"), 0) }
	    sort keys %rewriter;
	my @agents = agents($box, 20 * $many, 0.05, 'dotlock, fcntl', 'procmail',
	    'maildrop');
	my @clients = (client($box, alone => 1), worker($box, 'rewriter', sub {
		become_account();
		my $runs = 0;
		until (-e $box->dir . '/through' && $runs > 9) {
			my $program = $programs[$runs++ % @programs];
			my $to = $box->dir . "/home/moved.$program.$runs";
			alone($box, sub {
				rewrite($box, $program, "$to.said",
				    $rewriter{$program}->($box, $to))
				    if -s $box->path($name);
				# saved, but not deleted
				rename $to, "$to.failed" if in_both($box, $to);
			});
			sleep rand 0.1;
		}
	}));

	plan skip_all => 'no mail program here' unless @programs;
	my $good = gather($box, @agents);
	say_through($box);
	$good = gather($box, @clients) && $good;
	ok($good, 'all of them ended well');
	account_for($box);
	for my $program (@programs) {
		my @moved = glob $box->dir . "/home/moved.$program.*[0-9]";
		cmp_ok(scalar @moved, '>', 0, "$program moved letters");
	}
};

case 'locks left behind, and locks held for a while' => sub {
	my $box = company_box(02775);
	my @agents = agents($box, 15 * $many, 0.03, 'dotlock, fcntl', 'fcntl',
	    'maildrop');
	my @clients = map { client($box) } 1 .. 2;

	push @agents, worker($box, 'holder', sub {
		become_account();
		for my $round (1 .. 3 * $many) {
			take_dotlock($box, 1);
			sleep 0.3;
			unlink $box->dotlock($name);
			my $fh = open_spool($box);
			take_fcntl($fh);
			sleep 0.3;
			close $fh;

			# An agent that died long ago.  Only popper and maildrop
			# take it away; the others wait for them.
			take_dotlock($box, 1);
			utime 1, 1, $box->dotlock($name) or die "utime: $!\n";
			sleep 0.2;
		}
	});
	my $good = gather($box, @agents);
	say_through($box);
	$good = gather($box, @clients) && $good;
	ok($good, 'all of them ended well');
	account_for($box);
};

case 'a session waits in QUIT and is killed: the next one finds all' => sub {
	for my $kind ('dotlock', 'fcntl') {
		my $box = company_box(02775);
		my @ids = map { "a.$_" } 1 .. 3;
		my ($lock, $s, $reply);

		$box->put(join('', map { Mail::entry($_) } @ids), $name);
		note_down($box, 'delivered', join '', map { "$_\n" } @ids);
		$s = $box->login(user => $name);
		$s->command('DELE 1');
		if ($kind eq 'dotlock') {
			$box->put_file($box->dotlock($name), '');
		} else {
			$lock = lock_file($box->path($name)) or die 'no lock';
		}
		$s->send('QUIT');
		my $second = $box->session;
		$second->command("USER $name");
		$second->send('PASS s3cret');
		like($second->reply("PASS"), qr/^-ERR \[IN-USE\]/, "$kind: only one");
		$s->kill('KILL');
		$s->wait;
		$second = $box->session(trace => 1);
		$second->command("USER $name");
		$second->send('PASS s3cret');	# which waits as well
		sleep 0.2;
		close $lock if $lock;
		unlink $box->dotlock($name);
		like($second->reply("PASS"), qr/^\+OK \S+ has 3 /, "$kind: in, in time");
		$second->quit;
		is(join(' ', Mail::in_mbox($box->spool($name))), "@ids", "$kind: all");
		ok(!-e $box->dotlock($name), "$kind: no lock stays");
	}
};

done_testing;
