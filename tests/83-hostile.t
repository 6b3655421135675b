# Hostile local users: other people's files under the names that popper uses,
# a spool that is swapped for a link at any moment.  At worst one maildrop
# cannot be served; nobody else's file is ever read or changed.

use strict;
use warnings;

use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Popper;
use Time::HiRes qw(sleep);

plan skip_all => 'not root' if $> != 0;

my ($alice, $bob, $mallory) = ($Popper::uid, $Popper::uid + 1, $Popper::uid + 2);

# What nobody may read or change: bob's, in a form that popper would serve.
my $secret = letter(77, header => [ 'X-Secret: yes' ], body => "the secret\n") x 2;

# A box whose mail directory lets everybody make files, with bob's file.
sub open_box {
	my ($mode) = @_;
	my $box = box(args => [ '-w', 0 ]);

	chown 0, 0, $box->mail or die "chown: $!";
	chmod 01777, $box->mail or die "chmod: $!";
	$box->put_file($box->dir . '/secret', $secret);
	chown $bob, $bob, $box->dir . '/secret';
	chmod $mode // 0666, $box->dir . '/secret';
	return $box;
}

# All that a change of that file would show in.
sub state_of {
	my ($box) = @_;
	my $path = $box->dir . '/secret';
	return join ' ', (stat $path)[0 .. 2, 4, 5, 7, 9], slurp($path);
}

# A session that does everything; what it said.  It must end by itself.
sub attack {
	my ($box, %arg) = @_;
	my $s = $box->session(%arg);

	$s->send('USER alice', 'PASS s3cret', 'STAT', 'UIDL', 'RETR 1', 'TOP 2 9',
	    'DELE 1', 'QUIT');
	my $said = $s->slurp;
	is($s->wait, 0, 'it ends in good order');
	return $said;
}

# ---- names that are taken ---------------------------------------------------

# Each makes a thing of mallory's at PATH.
my %thing = (
	(map { my $mode = $_; (sprintf('a file, mode %03o', $mode) => sub {
		my ($box, $path) = @_;
		open my $fh, '>', $path or die "$path: $!";
		print $fh "From m Sat Jan  3 01:05:34 1996\n\nthe secret\n";
		chmod $mode, $path;
	}) } 0, 0600, 0644, 0666, 06777),
	'a symbolic link to a file of bob\'s' => sub {
		symlink $_[0]->dir . '/secret', $_[1] or die "symlink: $!";
	},
	'a symbolic link to nothing' => sub {
		symlink $_[0]->dir . '/new', $_[1] or die "symlink: $!";
	},
	'a hard link to a file of bob\'s' => sub {
		link $_[0]->dir . '/secret', $_[1] or die "link: $!";
	},
	'a FIFO' => sub {
		POSIX::mkfifo($_[1], 0666) or die "mkfifo: $!";
		chmod 0666, $_[1];
	},
	'a directory' => sub { mkdir $_[1], 0777 or die "mkdir: $!" },
	'a socket' => sub {
		return IO::Socket::UNIX->new(Local => $_[1], Listen => 1)
		    || die "socket: $!";
	},
);

for my $thing (sort keys %thing) {
	case "$thing in the place of each name" => sub {
		for my $file ('.alice.pop', 'alice.lock', 'alice') {
			my $box = open_box();
			my $path = $box->mail . "/$file";

			unlink $path;
			my $held = $thing{$thing}->($box, $path);
			lchown($mallory, $path) unless $thing =~ /hard/;
			my ($before, @was) = (state_of($box), lstat $path);
			my $said = attack($box);
			unlike($said, qr/secret/i, "$file: nothing of it is shown");
			is(state_of($box), $before, "$file: bob's file is as it was");
			my @is = lstat $path;
			is("@is[1 .. 7]", "@was[1 .. 7]", "$file: that thing too");
			is(slurp($path), "From m Sat Jan  3 01:05:34 1996\n\n"
			    . "the secret\n", "$file: its text") if -f _ && -l _ == 0
			    && $thing =~ /file, mode/;
			ok(!-e $box->dir . '/new', "$file: no file behind a link");
			if ($file =~ /pop|^alice$/) {
				like($said, qr/^-ERR \[SYS\/PERM\]/m,
				    "$file: the login is refused");
			}
			unless ($file eq 'alice') {
				my $spool = $box->spool;
				ok($spool eq FX1 || $spool !~ /one/,
				    "$file: alice's mail is whole");
			}
		}
	};
}

# chown(2) follows links; chown(1) -h does not.
sub lchown {
	my ($uid, $path) = @_;
	system('chown', '-h', "$uid:$uid", $path) == 0 or die 'chown';
}

# A trace file may stand where others can make files.  popper does not serve
# without the trace that it was told to write.
case 'each of them in the place of the trace file' => sub {
	for my $thing (sort keys %thing) {
		my $box = open_box();
		my $path = $box->mail . '/log';

		my $held = $thing{$thing}->($box, $path);
		lchown($mallory, $path) unless $thing =~ /hard/;
		my ($before, @was) = (state_of($box), lstat $path);
		my $s = $box->session(trace => 0, greeting => 0,
		    args => [ '-t', $path ]);
		is($s->slurp, '', "$thing: nobody is served");
		isnt($s->wait, 0, "$thing: that is an error");
		is(state_of($box), $before, "$thing: bob's file is as it was");
		my @is = lstat $path;
		is("@is[1 .. 7]", "@was[1 .. 7]", "$thing: that thing too");
		ok(!-e $box->dir . '/new', "$thing: no file behind a link");
	}
};

# Who may write such a file says who may log in.
case 'a file of accounts, names or secrets that is another user\'s' => sub {
	my %text = ('-p' => undef, '-A' => "alice\n", '-N' => "carol\n",
	    '-a' => "carol:tanstaaf\n");
	my %made = (
		'a file of mallory\'s' => sub { chown $mallory, $mallory, $_[0] },
		'a link to one' => sub {
			rename $_[0], "$_[0].his" or die "rename: $!";
			chown $mallory, $mallory, "$_[0].his";
			symlink "$_[0].his", $_[0] or die "symlink: $!";
		},
		'root\'s, writable by all' => sub { chmod 0666, $_[0] },
		'root\'s, writable by its group' => sub { chmod 0660, $_[0] },
	);

	for my $option (sort keys %text) {
		for my $how ('nothing odd', sort keys %made) {
			my $box = open_box();
			my $path = $box->mail . '/list';

			$box->put_file($path, $text{$option} // slurp($box->passwd));
			chown 0, 0, $path or die "chown: $!";
			$made{$how}->($path) if $made{$how};
			my $s = $box->session(args => [ $option, $path ],
			    $option eq '-p' ? (passwd => undef) : ());
			$s->command('USER alice');
			like($s->command('PASS s3cret'), $made{$how} ?
			    qr/^-ERR \[SYS\/(TEMP|PERM)\]/ : qr/^\+OK/,
			    "$option: $how");
		}
	}
};

# root makes .alice.pop where it is missing and gives it away; what stood there
# before must not be given to anybody.
case 'a file of root\'s in the place of .alice.pop is not given away' => sub {
	for my $how ('with text', 'a symbolic link', 'a hard link') {
		my $box = open_box(0600);
		my $roots = $box->dir . '/roots';

		open my $fh, '>', $roots or die "$roots: $!";
		print $fh "the secret\n" if $how eq 'with text';
		close $fh;
		chmod 0600, $roots;
		$how eq 'a symbolic link' ? symlink($roots, $box->work) :
		    $how eq 'a hard link' ? link($roots, $box->work) :
		    rename($roots, $box->work);
		my $path = $how eq 'with text' ? $box->work : $roots;
		my $said = attack($box);
		like($said, qr/^-ERR \[SYS\/PERM\]/m, "$how: refused");
		my ($mode, $owner) = (stat $path)[2, 4];
		is($owner, 0, "$how: it is still root's");
		is($mode & 07777, 0600, "$how: its mode");
	}
};

# ---- a spool that is swapped ------------------------------------------------

# strace stops the session after one call, the spool is swapped for a link to
# bob's file (which alice may read and write), and the session goes on.
case 'the spool becomes a link to a file of bob\'s after any system call' => sub {
	needs('strace', 'plain');
	my $trace = sub { $_[0]->dir . '/strace' };
	my $start = sub {
		my ($box, @options) = @_;
		my $s = $box->session(trace => 0,
		    under => [ strace($trace->($box), '-e', 'trace=?openat,'
		    . '?newfstatat,?fstat,?fcntl,?pread64,?pwrite64,?ftruncate,'
		    . '?linkat,?unlinkat,?fdatasync,?fsync,?ioctl,?fallocate,'
		    . '?utimensat,?close,?setuid', @options) ]);
		$s->send('USER alice', 'PASS s3cret', 'RETR 1', 'DELE 1', 'RETR 2',
		    'QUIT');
		return $s;
	};
	my $box = open_box();
	my $s = $start->($box);
	$s->slurp;
	$s->wait;
	my @lines = straced($trace->($box));
	my ($login) = grep { $lines[$_] =~ /setuid\($alice\)/ } 0 .. $#lines;
	my @points = points(@lines);
	my $before = points(@lines[0 .. $login]);
	my ($swaps, @wrong) = 0;

	@points = few(3, @points[$before .. $#points]);
	for my $point (@points) {
		my $box = open_box();
		my $was = state_of($box);
		my ($call, $n) = @$point;
		my $s = $start->($box, '-e', "inject=$call:signal=STOP:when=$n");
		if (stops($trace->($box))) {
			rename $box->path, $box->path . '.was' or die "rename: $!";
			symlink $box->dir . '/secret', $box->path;
			$swaps++;
			goes_on($s, $trace->($box));
		}
		my $said = $s->slurp;
		$s->wait;
		push @wrong, "@$point: bob's file is changed"
		    if state_of($box) ne $was;
		push @wrong, "@$point: bob's file is shown" if $said =~ /secret/;
		my $left = slurp($box->path . '.was') // slurp($box->path);
		push @wrong, "@$point: alice's letter is lost"
		    unless $left =~ /Subject: two/;
		$box->remove;
	}
	is(join("\n", @wrong), '', 'nothing of bob\'s is touched');
	cmp_ok($swaps, '>', @points / 2, "it was swapped at most calls: $swaps");
};

# ---- who popper is after login ---------------------------------------------

# The calls of a session in 2775 root:mail, as lines of a trace.
sub traced_session {
	my ($box, @commands) = @_;
	my $trace = $box->dir . '/strace';
	my $mail = getgrnam 'mail';

	chown 0, $mail, $box->mail or die "chown: $!";
	chmod 02775, $box->mail or die "chmod: $!";
	my $s = $box->session(under => [ strace($trace) ]);
	$s->send('USER alice', 'PASS s3cret', @commands, 'QUIT');
	$s->slurp;
	$s->wait;
	return straced($trace);
}

case 'after login no call runs as root, and none as the spool\'s group but those '
    . 'that make and remove the lock' => sub {
	needs('strace', 'plain');
	my $mail = getgrnam 'mail';
	my %work = (
		'an update' => sub { box() },
		'a stale lock' => sub {
			my $box = box();
			$box->put_file($box->dotlock, '');
			chown 0, 0, $box->dotlock;
			utime 1, 1, $box->dotlock;
			return $box;
		},
		'a recovery' => sub {
			my $box = box(spool => undef);
			$box->put_file($box->work, FX1);
			return $box;
		},
	);

	for my $what (sort keys %work) {
		my $box = $work{$what}->();
		my @lines = traced_session($box, 'RETR 1', 'RETR 2', 'DELE 1');
		my ($user, $group, $pairs, @wrong) = (0, 0, 0);

		for (@lines) {
			my ($call, $args, $value) =
			    /^\d+ +(\w+)\((.*)\) += (-?\d+)/ or next;
			if ($call eq 'setuid' && $value == 0) {
				$user = 1;
				push @wrong, $_ if $args ne $alice;
			} elsif (!$user) {
				next;
			} elsif ($call =~ /^set(re|res)?[ug]id$|^setgroups$/) {
				next if $value == -1;	# the proof that it cannot
				my ($gid) = $args =~ /^-1, (\d+), -1$/;
				push @wrong, $_ unless $call eq 'setresgid'
				    && defined $gid;
				$group = ($gid // -1) == $mail;
				$pairs += $group;
			} elsif ($group) {
				# the lock, a spool that is missing
				next if $call =~ /^(close|pwrite64|getpid)$/;
				# one that is removed has another name for a moment,
				# and such names are looked for
				next if $what eq 'a stale lock' && ($call =~ /^(fstat|
				    newfstatat|fcntl|getdents64|brk|mmap|munmap)$/x
				    || $call =~ /^(renameat|unlinkat)$/
				    && $args =~ /"\.alice\.lk\.[0-9a-f]{16}"/
				    || $call eq 'openat' && $args =~ /"\.", O_RDONLY/);
				next if $call =~ /^(openat|unlinkat)$/
				    && $args =~ /"alice\.lock"/;
				next if $call eq 'openat' && $args =~ /"alice",
				    [ ]O_WRONLY\|O_CREAT\|O_EXCL/x;
				push @wrong, $_;
			}
		}
		ok($user, "$what: it becomes alice");
		cmp_ok($pairs, '>', 0, "$what: the group is used");
		is($group + 0, 0, "$what: and given back");
		is(join('', @wrong), '', "$what: for nothing else");
		ok((grep { /setgroups\(1, \[$Popper::gid\]\) += 0/ } @lines),
		    "$what: the groups are the account's own");
		ok((grep { /(setuid|setresuid)\(.*\b0\b.* = -1 EPERM/ } @lines),
		    "$what: and the way back is tried, and closed");
		like($box->spool, qr/two/, "$what: the mail is there");
	}
};

# ---- what an owner can forge ------------------------------------------------

# The sums of index and journal guard against torn writes and not against
# their owner: tests/fuzz makes files that add up.  Here: whatever stands in
# the file, and whoever wrote it, another's maildrop is as it was.
case 'an index and a journal forged by their owner' => sub {
	my $box = box(accounts => { alice => 's3cret', bob => { password => 'b0b',
	    uid => $bob, gid => $bob } });
	$box->put($secret, 'bob');
	chown $bob, $bob, $box->path('bob');
	my $s = $box->login(user => 'bob', password => 'b0b');
	$s->text('RETR 1');
	$s->quit;
	my @bobs = ($box->path('bob'), $box->work('bob'));
	my @was = map { join ' ', (stat)[1 .. 7], slurp($_) } @bobs;
	my $index = slurp($box->work('bob'));
	my @forged = ($index, "popper index 2\n" . "\xff" x 4096,
	    "popper journal 2\n" . "\xff" x 8192, "popper journal 2\n" . "\0" x 8192,
	    $index =~ s/index/journal/r, substr($index, 0, 100), FX1 . $secret);
	srand 42;
	for (1 .. 20) {
		my $copy = $index;
		substr $copy, int(rand 512), 1, chr int rand 256;
		push @forged, $copy;
	}

	for my $n (0 .. $#forged) {
		unlink $box->work;
		$box->put(FX1);
		$box->put_file($box->work, $forged[$n]);
		my $s = $box->session(args => [ '-w', 0 ]);
		$s->send('USER alice', 'PASS s3cret', 'STAT', 'LIST', 'UIDL',
		    'RETR 1', 'RETR 2', 'TOP 1 1', 'DELE 1', 'QUIT');
		my $said = $s->slurp;
		my $good = $s->wait == 0;
		# Mail in the file itself is its owner's to put there.
		$good &&= $said !~ /secret/ if $forged[$n] !~ /^From /;
		$good &&= $box->spool =~ /Subject: two/;
		ok($good, "forged file $n") or diag($said);
		is_deeply([ map { join ' ', (stat)[1 .. 7], slurp($_) } @bobs ],
		    \@was, 'and nothing of bob\'s') or last;
	}
};

done_testing;
