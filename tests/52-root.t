# As inetd starts it: by root, for the accounts of the system.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use MIME::Base64 qw(encode_base64);
use Test::More;
use Popper;

plan skip_all => 'not root' if $> != 0;

# Accounts made here, removed at the end come what may.
my @made;
END {
	my $status = $?;
	for my $name (@made) {
		system('userdel', $name);
		unlink "/var/mail/$name";	# useradd's
	}
	$? = $status;
}

# A new account of the system, its password hashed as the system hashes.
sub account {
	my ($password) = @_;
	our $number;
	my $name = 'pt' . $$ % 100_000 . chr(ord('a') + $number++);

	system('useradd', '-M', '-d', '/nonexistent', '-s', '/bin/false', $name) == 0
	    or plan skip_all => 'useradd does not work here';
	push @made, $name;
	if (defined $password) {
		open my $chpasswd, '|-', 'chpasswd' or die "chpasswd: $!";
		print $chpasswd "$name:$password\n";
		close $chpasswd or die 'chpasswd failed';
	}
	return $name;
}

# A spool of such an account in a directory as Debian has it, 2775 root:mail.
sub system_box {
	my ($name) = @_;
	my $box = box();
	my ($uid, $mail) = ((getpwnam $name)[2], scalar getgrnam 'mail');

	unlink $box->path;
	chown 0, $mail, $box->mail or die "chown: $!";
	chmod 02775, $box->mail or die "chmod: $!";
	$box->put(FX1, $name);
	chown $uid, $mail, $box->path($name);
	chmod 0660, $box->path($name);
	return $box;
}

# A daemon that knows the accounts of the system.
sub system_session { return $_[0]->session(passwd => undef) }

# One line of /proc/PID/status, as numbers.
sub status {
	my ($pid, $field) = @_;
	my ($values) = slurp("/proc/$pid/status") =~ /^$field:[ \t]*(.*)/m;
	return join ' ', sort { $a <=> $b } split ' ', $values;
}

case 'after login the process is the account, and cannot go back' => sub {
	needs('proc');
	my $box = box();

	is(status($box->session->pid, 'Uid'), '0 0 0 0', 'before login: root');
	my $s = $box->login;
	is(status($s->pid, 'Uid'), join(' ', ($Popper::uid) x 4), 'uids');
	is(status($s->pid, 'Gid'), join(' ', ($Popper::gid) x 4), 'gids');
	is(status($s->pid, 'Groups') =~ s/\b$Popper::gid\b//r, '', 'no other group');
	like(slurp('/proc/' . $s->pid . '/status'), qr/^CapEff:\s+0+$/m,
	    'no capability');
	$s->text('RETR 1');
	$s->command('DELE 1');
	$s->quit;
};

case 'after login files of root are closed' => sub {
	needs('proc');
	my $s = box()->login;
	my $dir = '/proc/' . $s->pid . '/fd';
	my %open = map { (readlink("$dir/$_") // '') => 1 } map { s{.*/}{}r } glob "$dir/*";

	ok(!(grep { m{passwd|shadow} } keys %open), 'no password file')
	    or diag(join "\n", keys %open);
};

# Those of the texts that are somewhere in the memory of a process.
sub in_memory {
	my ($pid, @texts) = @_;
	my $all = join '|', map { quotemeta } @texts;
	my %found;

	open my $mem, '<:raw', "/proc/$pid/mem" or die "/proc/$pid/mem: $!";
	for (split /\n/, slurp("/proc/$pid/maps")) {
		my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) r/ or next;
		no warnings 'portable';		# numbers of 64 bits
		sysseek $mem, hex $from, 0 or next;
		my $n = sysread $mem, my $bytes, hex($to) - hex $from;
		$found{$1}++ while $n && $bytes =~ /($all)/g;
	}
	return join ' ', sort keys %found;
}

# The commands that log alice in, by the stamp of the greeting, and how they are
# sent: all at once, or octet by octet.
my %entrance = (
	'USER and PASS' => sub { "USER alice\r\nPASS the-password\r\n" },
	'AUTH PLAIN' => sub { 'AUTH PLAIN ' .
	    encode_base64("\0alice\0the-password", '') . "\r\n" },
	'APOP' => sub { 'APOP alice ' . md5_hex("$_[0]the-secret") . "\r\n" },
);

for my $way (sort keys %entrance) {
	for my $at_once (1, 0) {
		case "after a login by $way" . ($at_once ? '' : ', octet by octet,') .
		    ' no hash, secret or password is left in memory' => sub {
			needs('proc', 'plain');
			my $box = box(accounts => { alice => 'the-password',
			    map { ("other$_" => "the-password-of-$_") } 10 .. 99 });
			my @hashes = map { (split /:/)[1] } split /\n/, slurp($box->passwd);
			my $secrets = $box->dir . '/secrets';

			$box->put_file($secrets, join '', map { "$_\n" }
			    (map { "other$_:the-secret-of-$_" } 10 .. 99), 'alice:the-secret');
			chown 0, 0, $secrets;
			my $s = $box->session(args => $way eq 'APOP' ? ['-a', $secrets] : []);
			my ($stamp) = $s->greeting =~ /(<.*>)/;
			my ($known) = $s->greeting =~ /(popper \S+ at)/;
			my $line = $entrance{$way}->($stamp);
			my $base64 = encode_base64("\0alice\0the-password", '');

			for ($at_once ? $line : split //, $line) {
				$s->send_raw($_);
				select undef, undef, undef, 0.002 unless $at_once;
			}
			ok((eventually { $box->log =~ / login user=alice / }), 'a login');
			is(in_memory($s->pid, $known), $known,
			    'memory can be searched');
			is(in_memory($s->pid, 'the-password', 'the-secret', $base64, @hashes),
			    '', 'nothing is found');
		};
	}
}

case 'after a login to an account of the system no line of shadow is in memory' => sub {
	needs('proc', 'plain');
	my @names = map { account("the-password-of-$_") } 1 .. 3;
	my $box = system_box($names[1]);
	my $s = system_session($box);
	my @hashes = grep { length > 5 } map { (split /:/)[1] } split /\n/,
	    slurp('/etc/shadow');

	cmp_ok(scalar @hashes, '>=', 3, 'there are hashes');
	$s->command("USER $names[1]");
	like($s->command('PASS the-password-of-2'), qr/^\+OK/, 'a login');
	is(in_memory($s->pid, 'the-password', @hashes), '', 'nothing is found');
	is(in_memory($s->pid, $names[1]), $names[1], 'but the name');
};

case 'an account of the system, by its password' => sub {
	my $name = account('s3cret');
	my $box = system_box($name);
	my $before = $box->stat($name);
	my $s = system_session($box);

	$s->dialog(<<~"END");
		C: USER $name
		S: +OK *
		C: PASS s3cret
		S: +OK *
		C: STAT
		S: +OK 2 48
		C: DELE 1
		S: +OK *
		END
	my ($uid, $gid) = (getpwnam $name)[2, 3];
	my $mail = getgrnam 'mail';
	is(status($s->pid, 'Uid'), join(' ', ($uid) x 4), 'uids');
	my ($real, $effective, $saved) = split ' ',
	    (slurp('/proc/' . $s->pid . '/status') =~ /^Gid:\s+(.*)/m)[0];
	is("$real $effective", "$gid $gid", 'gids');
	is($saved, $mail, 'the group of the directory is kept for dotlocks');
	$s->quit;
	unlike($box->spool($name), qr/one/, 'the message is gone');
	my $after = $box->stat($name);
	is($after->{$_}, $before->{$_}, "the spool: $_") for qw(ino mode uid gid);
	my ($mode, $owner) = (stat $box->work($name))[2, 4];
	is($mode & 07777, 0600, 'the state file: mode');
	is($owner, $uid, 'owner');
	ok(!-e $box->dotlock($name), 'no dotlock stays');

	$s = system_session($box);
	$s->send("USER $name", 'PASS wrong');
	like($s->slurp, qr/^-ERR \[AUTH\] [^\r\n]*\r\n\z/m, 'a wrong password');
};

case 'in 2775 root:mail the update makes a dotlock' => sub {
	needs('strace', 'plain');
	my $name = account('s3cret');
	my $box = system_box($name);
	my $trace = $box->dir . '/strace';
	my $s = $box->session(passwd => undef, under => [ strace($trace, '-e',
	    'trace=openat,?unlink,unlinkat') ]);

	$s->send("USER $name", 'PASS s3cret', 'DELE 1', 'QUIT');
	$s->slurp;
	$s->wait;
	my @lines = straced($trace);
	is(scalar(grep { /openat\(.*"\Q$name.lock\E", \S*O_EXCL.* = \d+$/ } @lines),
	    1, 'made');
	is(scalar(grep { /unlink(at)?\(.*"\Q$name.lock\E".* = 0$/ } @lines), 1,
	    'and removed');
	ok(!-e $box->dotlock($name), 'it is gone');
};

# A new account of the system that is in the group as well.
sub member {
	my ($group) = @_;
	my $name = account('s3cret');
	system('usermod', '-aG', $group, $name) == 0 or die 'usermod failed';
	return $name;
}

# Logs in; the group numbers of the process, its own one left out.
sub groups_of {
	my ($s, $name) = @_;

	$s->command("USER $name");
	is($s->command('PASS s3cret'), "+OK $name has 2 messages (48 octets).", 'a login');
	my $own = (getpwnam $name)[3];
	return join ' ', grep { $_ != $own } split ' ', status($s->pid, 'Groups');
}

case 'an account of the system has its other groups where there are boards, and nowhere else'
    => sub {
	needs('proc');
	my ($group, $outsider) = (scalar getgrnam('audio'), account('s3cret'));
	my $name = member('audio');
	my $box = system_box($name);
	my $boards = $box->dir . '/boards';

	$box->put_file("$boards.mbox", FX1);
	chown 0, $group, "$boards.mbox";
	chmod 0640, "$boards.mbox";
	$box->put_file($boards, "board sounds\nmaildrop $boards.mbox\n");
	chmod 0644, $boards;
	my $s = system_session($box);
	is(groups_of($s, $name), '', 'without -b: none');
	$s->quit;
	$s = $box->session(passwd => undef, args => ['-b', $boards]);
	is(groups_of($s, $name), $group, 'with -b: that of the board');
	is($s->text('XTND BBOARDS'), "sounds 2\r\n", 'which it can read');
	$s->quit;

	$box->put(FX1, $outsider);
	chown +(getpwnam $outsider)[2], 0, $box->path($outsider);
	$s = $box->session(passwd => undef, args => ['-b', $boards]);
	is(groups_of($s, $outsider), '', 'another account');
	is($s->text('XTND BBOARDS'), '', 'does not see it');
};

case 'and where only a group can enter the spool directory' => sub {
	needs('proc');
	my $name = member('audio');
	my $box = system_box($name);
	my $group = getgrnam 'audio';

	chown 0, $group, $box->mail;
	chmod 02770, $box->mail;
	my $s = system_session($box);
	is(groups_of($s, $name), $group, 'the group');
	$s->command('DELE 1');
	is($s->quit, '+OK popper at ' . ($s->greeting =~ /at (\S+)/)[0] .
	    ' signing off.', 'an update');
};

case 'the mail program of an account of the system has its own group only' => sub {
	needs('proc');
	my $name = member('audio');
	my $box = system_box($name);
	my $mta = $box->dir . '/mta';

	mkdir "$mta.out" or die $!;
	chmod 01777, "$mta.out";
	$box->put_file($mta, "#!/bin/sh\ncat /proc/self/status - >$mta.out/run\n");
	chmod 0755, $mta;
	my $s = $box->session(passwd => undef, args => ['-M', $mta]);
	is(groups_of($s, $name), '', 'the session has no other');
	$s->dialog(<<~'END');
		C: XTND XMIT
		S: +OK Start sending the message.
		C: To: bob@example.org
		C: .
		S: +OK Message sent.
		END
	my ($uid, $gid) = (getpwnam $name)[2, 3];
	my %is = slurp("$mta.out/run") =~ /^(\w+):[ \t]*(.*?) *$/mg;
	is($is{Uid}, join("\t", ($uid) x 4), 'uids');
	is($is{Gid}, join("\t", ($gid) x 4), 'gids');
	is($is{Groups}, $gid, 'groups');
	is($is{To}, 'bob@example.org', 'it has the message');
};

# Debian asks systemd for groups as well: that alone was 170 system calls.
case 'a poll of an account of the system takes less than 170 system calls' => sub {
	needs('strace', 'plain');
	my $name = account('s3cret');
	my $box = system_box($name);
	my $nss = $box->dir . '/nsswitch.conf';
	my @under = ('unshare', '-m', '--propagation', 'private', $^X, '-e', <<~'END', $nss);
		system('mount', '--bind', shift, '/etc/nsswitch.conf') == 0 or exit 99;
		exec @ARGV;
		END

	$box->put_file($nss, join '', map { "$_: files systemd\n" } qw(passwd group shadow));
	chmod 0644, $nss;
	plan skip_all => 'no mount namespace can be made' if system(@under, 'true') != 0;
	my ($calls, $said);
	for ('the first login makes the index', 'this one counts') {
		my $s = $box->session(passwd => undef, trace => 0, under => [ @under,
		    strace($box->dir . '/strace', '-f', '-c') ]);
		$s->send("USER $name", 'PASS s3cret', 'STAT', 'QUIT');
		$said = $s->slurp;
		$s->wait;
		eventually {
			($calls) = (slurp($box->dir . '/strace') // '') =~
			    /^(?: *[\d.]+){3} +(\d+) +\d* +total$/m;
		};
		rename $box->dir . '/strace', $box->dir . '/before';
	}
	like($said, qr/^\+OK 2 48\r$/m, 'STAT');
	cmp_ok($calls, '<', 170, 'calls');
	note("$calls calls");
};

my %closed = (
	'locked' => [ sub { system 'usermod', '-L', $_[0] }, 's3cret' ],
	'expired' => [ sub { system 'chage', '-E', '1', $_[0] }, 's3cret' ],
	'with a password that is too old' => [ sub {
		system 'chage', '-d', '2020-01-01', '-M', '10', '-I', '5', $_[0]
	}, 's3cret' ],
	'that must change its password' => [ sub {
		system 'chage', '-d', '0', $_[0] }, 's3cret' ],
	'without any password' => [ sub {
		system "passwd -q -d $_[0] >/dev/null 2>&1" }, ' ' ],
	'never given one' => [ sub { 0 }, '!' ],
);

for my $what (sort keys %closed) {
	case "an account $what: refused [RFC 3206 5]" => sub {
		my ($close, $password) = @{ $closed{$what} };
		my $name = account($password eq 's3cret' ? $password : undef);
		my $box = system_box($name);

		$close->($name) == 0 or plan skip_all => 'cannot be made here';
		my $s = system_session($box);
		$s->send("USER $name", "PASS $password");
		like($s->slurp, qr/^-ERR \[AUTH\] [^\r\n]*\r\n\z/m, 'PASS');
		is($s->wait, 0, 'exit status');
		like($box->log, qr/ failed login user=$name /, 'the log');
		unlike($box->log, qr/reason=password$/m, 'knows why');
	};
}

# .alice.pop as root has made it, before it is given to alice.
sub half_made {
	my ($box) = @_;
	$box->put_file($box->work, '');
	chown 0, 0, $box->work or die "chown: $!";
}

case 'two first sessions of an account: the other one gives .alice.pop to her'
    . ' when this one has just seen that it is root\'s' => sub {
	needs('strace');
	my $trace = sub { $_[0]->dir . '/strace' };
	my $start = sub {
		my ($box, @options) = @_;
		half_made($box);
		my $s = $box->session(under => [ strace($trace->($box), @options) ]);
		$s->send('USER alice', 'PASS s3cret', 'STAT', 'QUIT');
		return $s;
	};
	my $box = box();
	my $s = $start->($box);
	$s->slurp;
	$s->wait;
	my @lines = straced($trace->($box));
	my ($look) = grep { $lines[$_] =~ /stat\w*\(.*"\.alice\.pop"/ } 0 .. $#lines;
	my ($call, $n) = @{ (points(@lines[0 .. $look]))[-1] };

	$box = box();
	$s = $start->($box, '-e', "inject=$call:signal=STOP:when=$n");
	ok(stops($trace->($box)), "stopped behind $call");
	$box->give($box->work, 0600);
	goes_on($s, $trace->($box));
	like($s->slurp, qr/^\+OK 2 \d+\r\n/m, 'it is served');
	$s->wait;
};

# A file of accounts in which alice's maildrop is there.
sub maildrop {
	my ($box, $path) = @_;
	my $file = $box->dir . '/passwd.mbox';

	$box->put_file($file, slurp($box->passwd) =~ s{/nonexistent}{mbox=$path}r);
	chown 0, 0, $file or die "chown: $!";
	return $file;
}

case 'a maildrop behind a user\'s own directory or a link: root makes nothing where'
    . ' her link leads, and keeps no group of it' => sub {
	needs('proc');
	my $box = box();
	my ($home, $etc) = ($box->dir . '/home', $box->dir . '/etc');

	mkdir $_ or die "$_: $!" for $home, $etc;
	$box->give($home, 0755);
	symlink $etc, "$home/Mail" or die "symlink: $!";
	chown 0, scalar getgrnam('mail'), $etc or die "chown: $!";
	chmod 02775, $etc or die "chmod: $!";
	symlink "$home/Mail", $box->dir . '/link' or die "symlink: $!";
	for my $way ("$home/Mail", $box->dir . '/link') {
		my $s = $box->session(passwd => maildrop($box, "$way/inbox"));
		$s->send('USER alice', 'PASS s3cret');
		like($s->slurp, qr/^-ERR \[SYS\/PERM\] [^\r\n]*\r\n\z/m, 'no login');
		is_deeply([glob "$etc/.inbox* $etc/*"], [], 'nothing is made');
	}
	$box->give($etc, 02775);
	my $s = $box->login(passwd => maildrop($box, "$home/Mail/inbox"));
	is(status($s->pid, 'Gid'), join(' ', ($Popper::gid) x 4),
	    'where she may make it herself she does, with her own group');
	ok(-e "$etc/.inbox.pop", '.inbox.pop is there');
};

case 'an account whose group is number 0' => sub {
	my $box = box(accounts => { alice => { password => 's3cret', gid => 0 } });
	my $s = $box->login;

	is(status($s->pid, 'Uid'), join(' ', ($Popper::uid) x 4), 'uids');
	is(status($s->pid, 'Gid'), '0 0 0 0', 'gids');
};

case 'a maildrop behind directories of root\'s: root makes .inbox.pop' => sub {
	my $box = box();
	my $dir = $box->dir . '/org';

	mkdir $dir or die "$dir: $!";
	my $s = $box->login(passwd => maildrop($box, "$dir/inbox"));
	is($s->command('STAT'), '+OK 0 0', 'a login');
	is((stat "$dir/.inbox.pop")[4], $Popper::uid, 'it is the user\'s');
};

# What stands on the way to a maildrop in $dir: how it is made there, the path of
# its directory, and whether root opens it.
my %way = (
	'a directory of root\'s that its group may write to, at the end' => [ sub {
		make_dir("$_[0]/end", 02775);
	}, 'end', 1 ],
	'a directory of root\'s that its group may write to, before the end' => [ sub {
		make_dir("$_[0]/staff", 02775);
		make_dir("$_[0]/staff/end", 02775);
	}, 'staff/end', 0 ],
	'one that anybody may write to, with the sticky bit' => [ sub {
		make_dir("$_[0]/tmp", 01777);
		make_dir("$_[0]/tmp/end", 02775);
	}, 'tmp/end', 1 ],
	'one that anybody may write to, without' => [ sub {
		make_dir("$_[0]/tmp", 0777);
		make_dir("$_[0]/tmp/end", 02775);
	}, 'tmp/end', 0 ],
	'a directory of another user' => [ sub {
		make_dir("$_[0]/home", 0755);
		make_dir("$_[0]/home/end", 02775);
		chown 4711, 4711, "$_[0]/home";
	}, 'home/end', 0 ],
	'symbolic links of root\'s' => [ sub {
		make_dir("$_[0]/end", 02775);
		make_dir("$_[0]/var", 0755);
		symlink 'var/there', "$_[0]/link";
		symlink '../var/../end', "$_[0]/var/there";
	}, 'link//', 1 ],
	'a symbolic link of another user' => [ sub {
		make_dir("$_[0]/end", 02775);
		make_dir("$_[0]/tmp", 01777);
		symlink '../end', "$_[0]/tmp/link";
		system('chown', '-h', 4711, "$_[0]/tmp/link") == 0 or die 'chown';
	}, 'tmp/link', 0 ],
	'a symbolic link that anybody may replace' => [ sub {
		make_dir("$_[0]/end", 02775);
		make_dir("$_[0]/tmp", 0777);
		symlink '../end', "$_[0]/tmp/link";
	}, 'tmp/link', 0 ],
	'symbolic links in a ring' => [ sub {
		make_dir("$_[0]/end", 02775);
		symlink 'b', "$_[0]/a";
		symlink 'a', "$_[0]/b";
	}, 'a', 0 ],
);

# A directory of root's and of a group that the account is not in.
sub make_dir {
	my ($path, $mode) = @_;

	mkdir $path or die "$path: $!";
	chown 0, scalar getgrnam('mail'), $path or die "$path: $!";
	chmod $mode, $path or die "$path: $!";
}

for my $what (sort keys %way) {
	my ($make, $path, $roots) = @{ $way{$what} };
	my $mail = getgrnam 'mail';

	case "on the way to a maildrop of mbox=, or to the spool directory: $what" => sub {
		needs('proc');
		for my $option ('-p', '-m') {
			my $box = box();
			my $dir = $box->dir;
			$make->($dir);
			my $s = $box->session($option eq '-m' ? (args => ['-m', "$dir/$path"])
			    : (passwd => maildrop($box, "$dir/$path/alice")));

			$s->command('USER alice');
			my $reply = $s->command('PASS s3cret');
			if ($roots) {
				is($reply, '+OK alice has 0 messages (0 octets).',
				    "$option: served");
				is(status($s->pid, 'Gid'), join(' ', sort { $a <=> $b }
				    $mail, ($Popper::gid) x 3), "$option: group of the directory");
				is((stat "$dir/$path/.alice.pop")[4], $Popper::uid,
				    "$option: root has made the state file");
			} else {
				like($reply, qr/^-ERR \[SYS\/PERM\] The (file|spool) /, "$option: refused");
				is(join(' ', glob "$dir/*/.alice.pop $dir/*/*/.alice.pop"), '',
				    "$option: nothing is made");
			}
		}
	};
}

case 'behind a directory that a group may write to, another is put in the place of one'
    . ' after each system call: root makes nothing there' => sub {
	needs('strace', 'plain');
	my $start = sub {
		my (@options) = @_;
		my $box = box();
		my $dir = $box->dir;

		make_dir("$dir/etc", 02775);
		make_dir("$dir/staff", 02775);
		make_dir("$dir/staff/org", 0755);
		my $s = $box->session(passwd => maildrop($box, "$dir/staff/org/eve"),
		    under => [ strace("$dir/strace", @options) ]);
		$s->send('USER alice', 'PASS s3cret', 'QUIT');
		return ($box, $s);
	};
	my ($box, $s) = $start->();
	like($s->slurp, qr/^-ERR \[SYS\/PERM\]/m, 'root leaves it to the user, who may not');
	$s->wait;
	my @lines = straced($box->dir . '/strace');
	my ($user) = grep { $lines[$_] =~ /read\(0, "USER/ } 0 .. $#lines;
	my ($left) = grep { $lines[$_] =~ /setuid\($Popper::uid\)/ } 0 .. $#lines;
	my $before = points(@lines[0 .. $user - 1]);
	my @points = points(@lines[0 .. $left]);
	my $swaps = 0;
	my @made;

	for my $point (@points[$before .. $#points]) {
		my ($call, $n) = @$point;
		($box, $s) = $start->('-e', "inject=$call:signal=STOP:when=$n");
		my $dir = $box->dir;
		if (stops("$dir/strace")) {
			rename "$dir/staff/org", "$dir/staff/was" or die "rename: $!";
			symlink "$dir/etc", "$dir/staff/org" or die "symlink: $!";
			$swaps++;
			goes_on($s, "$dir/strace");
		}
		$s->slurp;
		$s->wait;
		push @made, "@$point: $_" for glob "$dir/etc/.eve* $dir/etc/*";
		$box->remove;
	}
	is(join("\n", @made), '', 'nothing is made');
	cmp_ok($swaps, '>', 10, 'it was swapped');
	note("$swaps swaps");
};

case 'a root who is nobody where the spools are: the user makes .alice.pop' => sub {
	needs('strace');
	for my $call ('fchown', 'openat') {
		my $box = box();
		my $trace = $box->dir . '/strace';
		my $s = $box->session(under => [ strace($trace, '-e',
		    "inject=$call:error=EPERM" . ($call eq 'openat' ?
		    ':when=' . make_count($box) : '')) ]);

		$s->send('USER alice', 'PASS s3cret', 'QUIT');
		like($s->slurp, qr/^\+OK alice has 2 messages/m, "no $call");
		$s->wait;
		is((stat $box->work)[4], $Popper::uid, 'it is the user\'s');
		is($box->login->command('STAT'), '+OK 2 48', 'the next session');
	}
};

# Which of a session's calls of openat makes .alice.pop.
sub make_count {
	my ($box) = @_;
	my $trace = $box->dir . '/first';
	my $s = $box->session(under => [ strace($trace) ]);

	$s->send('USER alice', 'PASS s3cret', 'QUIT');
	$s->slurp;
	$s->wait;
	my @lines = straced($trace);
	my ($made) = grep { $lines[$_] =~ /openat\(.*"\.alice\.pop".*O_EXCL/ }
	    0 .. $#lines;
	unlink $box->work;
	return (points(@lines[0 .. $made]))[-1]->[1];
}

case 'root may not log in, whatever the password' => sub {
	my $box = box(accounts => { root => { password => 's3cret', uid => 0, gid => 0 },
	    toor => { password => 's3cret', uid => 0 } });

	for my $user (qw(root toor)) {
		$box->put(FX1, $user);
		chown 0, 0, $box->path($user);
		my $s = $box->session;
		$s->send("USER $user", 'PASS s3cret');
		like($s->slurp, qr/^-ERR \[AUTH\] [^\r\n]*\r\n\z/m, $user);
	}
};

case 'the temporary copy is nobody else\'s' => sub {
	needs('proc');
	my $s = box()->login;

	$s->text('RETR 1');
	my $dir = '/proc/' . $s->pid . '/fd';
	my @copies = grep { /\(deleted\)|memfd/ } map { readlink } glob "$dir/*";
	for my $fd (glob "$dir/*") {
		next unless (readlink($fd) // '') =~ /\(deleted\)|memfd/;
		my ($mode, $nlink, $uid) = (stat $fd)[2 .. 4];
		is($nlink, 0, 'it has no name');
		is($uid, $Popper::uid, 'it belongs to the account');
		is($mode & 077, 0, 'and is closed to others');
	}
	cmp_ok(scalar @copies, '>', 0, 'there is one');
};

done_testing;
