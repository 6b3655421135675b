# The log as other programs read it: fail2ban with contrib/logs, from a file
# and from the journal; rsyslogd and logrotate; contrib/popstat.  The lines are
# popper's own, and the log daemons are real ones, with a /dev and a /run that
# no other process of this machine sees.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin qw($Bin);
use IO::Socket::IP;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Popper;
use Service;

# As root the whole file runs with mounts of its own.
if ($> == 0 && !$ENV{POPPER_MOUNTS} &&
    system('unshare -m true 2>/dev/null') == 0) {
	$ENV{POPPER_MOUNTS} = 'own';
	exec 'unshare', '-m', $^X, '-I', "$Bin/lib", $0, @ARGV;
}

my $contrib = abs_path("$Bin/../contrib");
my $filter = "$contrib/logs/fail2ban-filter.conf";
my $journald = '/lib/systemd/systemd-journald';

sub needs_program {
	for my $program (@_) {
		my $path = Service::find($program);
		plan skip_all => "no $program" unless defined $path;
	}
}

sub needs_mounts {
	plan skip_all => 'no mounts of its own (root can have them)'
	    unless $ENV{POPPER_MOUNTS};
}

# Whom fail2ban would count a failure of, by a file or the journal.
sub counted {
	my ($mode, $log) = @_;

	open my $out, '-|', 'fail2ban-regex', '-o', 'ip', $log,
	    "$filter\[mode=$mode]" or die "fail2ban-regex: $!";
	my @ip = map { /\S/ ? split : () } <$out>;
	close $out or die "fail2ban-regex ended with status $?\n";
	return [sort @ip];
}

# A session that a proxy opens for a client, up to its end.
sub from {
	my ($box, $addr, @lines) = @_;
	my $family = $addr =~ /:/ ? 'TCP6' : 'TCP4';
	my $to = $addr =~ /:/ ? '2001:db8::110' : '198.51.100.110';
	my $s = $box->session(greeting => 0, args => ['-H', 'on']);

	$s->send("PROXY $family $addr $to 1000 110", @lines);
	$s->slurp;
	$s->wait;
}

my @bad = map { "FOO$_" } 1 .. 51;

# What attackers and honest people do, each from an address of his own.
sub everyday {
	my ($box) = @_;

	from($box, '192.0.2.1', 'USER alice', 'PASS wrong');
	from($box, '2001:db8::1', 'USER nobody', 'PASS wrong');
	from($box, '2001:db8::1', 'AUTH PLAIN ' .
	    encode_base64("\0root\0toor", ''));
	from($box, '192.0.2.2', @bad);
	from($box, '2001:db8::2', 'USER alice', 'PASS s3cret', @bad);
	from($box, '198.51.100.1', 'USER alice', 'PASS s3cret', 'RETR 9',
	    'FOO', 'RETR 1', 'DELE 2', 'QUIT');
	from($box, '198.51.100.2', 'STAT', 'PASS', 'AUTH CRAM-MD5', 'FOO',
	    'QUIT');
	my $first = $box->login(env => { TCPREMOTEIP => '198.51.100.3' });
	from($box, '198.51.100.4', 'USER alice', 'PASS s3cret');
	$first->quit;
	$box->session(greeting => 0, args => ['-H', 'on'],
	    env => { TCPREMOTEIP => '198.51.100.5' })->close->wait;
	$box->session(env => { TCPREMOTEIP => '198.51.100.6' })->close->wait;
}

my @guessed = ('192.0.2.1', '2001:db8::1', '2001:db8::1');
my @abused = ('192.0.2.2', '2001:db8::2');

# ---- fail2ban --------------------------------------------------------------

case 'fail2ban: refused passwords count, and nothing else does' => sub {
	needs_program('fail2ban-regex');
	my $box = box();

	everyday($box);
	like($box->log, qr/ refused user=alice addr=198\.51\.100\.4: \[IN-USE\]/,
	    'an honest client is refused too');
	is_deeply(counted(login => $box->trace), \@guessed, 'guessed passwords')
	    or diag($box->log);
	is_deeply(counted(abuse => $box->trace), \@abused,
	    'too many lines that are no commands');
};

case 'fail2ban: every reason for refusing a password counts' => sub {
	needs_program('fail2ban-regex');
	my $hash = Popper::Box::hash('s3cret');
	my $box = box(accounts => { alice => 's3cret', bob => 's3cret',
	    carol => 's3cret', empty => { hash => '' },
	    locked => { hash => "!$hash" }, odd => { hash => '$nohash$' },
	    toor => { hash => $hash, uid => 0 } });
	my %list = (secrets => "bob:x\n", deny => "carol\n");

	for my $name (keys %list) {
		$box->put_file($box->dir . "/$name", $list{$name});
		chown $>, -1, $box->dir . "/$name";
		push @{ $box->{args} }, $name eq 'deny' ? '-N' : '-a',
		    $box->dir . "/$name";
	}
	my %want = (alice => 'password', nobody => 'unknown', bob => 'apop',
	    empty => 'empty', locked => 'locked', odd => 'hash',
	    toor => 'root', carol => 'denied');
	from($box, '192.0.2.1', "USER $_", 'PASS wrong') for sort keys %want;
	from($box, '192.0.2.1', "APOP alice x");
	from($box, '192.0.2.1', "APOP bob x");
	from($box, '192.0.2.1', 'AUTH PLAIN ' .
	    encode_base64("bob\0alice\0s3cret", ''));
	is_deeply([sort $box->log =~ / failed login .* reason=(\w+)$/mg],
	    [sort values %want, qw(nosecret digest proxy)], 'the reasons');
	is(scalar @{ counted(login => $box->trace) }, 3 + keys %want,
	    'all of them');
};

case 'fail2ban: the address of a socket, IPv4 and IPv6' => sub {
	needs_program('fail2ban-regex');
	my $box = box();
	my @have;

	for my $addr ('127.0.0.1', '::1') {
		my $l = IO::Socket::IP->new(Listen => 1, LocalHost => $addr)
		    or next;
		my $c = IO::Socket::IP->new(PeerHost => $addr,
		    PeerPort => $l->sockport) or die "connect: $@";
		my $peer = $l->accept or die "accept: $!";
		# popper asks who is at the other end of descriptor 0
		no warnings 'redefine';
		local *Popper::Session::wire_up = sub {
			my ($self) = @_;
			@$self{qw(read write)} = ($c, $c);
			$c->autoflush(1);
			$c->blocking(0);
			open my $out, '>&', $peer or die "dup: $!";
			return ($peer, $out);
		};
		my $s = $box->session;
		$s->send('USER alice', 'PASS wrong');
		$s->slurp;
		$s->wait;
		push @have, $addr;
	}
	is_deeply(counted(login => $box->trace), [sort @have], "@have");
};

# The names come to the log by USER, where a blank ends them, and by AUTH,
# where they may hold any octet; the commands come as answers to them.
case 'fail2ban: no name and no command puts another address in' => sub {
	needs_program('fail2ban-regex');
	my $real = '192.0.2.66';
	my $lie = 'addr=1.2.3.4 reason=password';
	my $line = "popper[1]: failed login user=x $lie";
	my @names = ("x $lie", "x\" $lie", "x\\x20$lie", "x\t$lie", "x=$lie",
	    "x\r\nNov 24 04:00:00 host $line", "x\nNov 24 04:00:00 $line",
	    "x\r$line", "\xa0$lie", "\xe2\x80\xa8$line", 'addr=1.2.3.4',
	    'x: too many lines that are no commands', '1.2.3.4',
	    '2026-11-24T04:00:00', 'Nov 24 04:00:00 1.2.3.4', '',
	    'x' x 63 . " $lie", 'x' x 200 . " $lie", '%n%s%1$n',
	    '<F-USER>', '[1.2.3.4]', "\0$lie", "x#012$line", "x#033[A$line");
	my $box = box();

	my $n = 0;
	for my $name (@names) {
		$n++;
		from($box, $real, "USER $name", 'PASS wrong', 'QUIT');
		from($box, $real, 'AUTH PLAIN ' .
		    encode_base64("\0$name\0wrong", ''), 'QUIT');
		from($box, $real, $name, "USER $name $lie", "PASS $name",
		    "APOP $name $lie", "AUTH $name", "XTND $name", 'QUIT');
	}
	from($box, $real, map { "$lie: too many lines that are no commands" }
	    1 .. 51);
	for my $mode ('login', 'abuse') {
		my $ip = counted($mode => $box->trace);
		ok(@$ip > 0, "$mode: " . @$ip . " lines of $n names count");
		is_deeply([grep { $_ ne $real } @$ip], [],
		    'with the real address, each of them');
	}
	is(() = $box->log =~ / failed login /g,
	    @{ counted(login => $box->trace) }, 'and no failure is hidden');
};

case 'fail2ban: it takes the jails' => sub {
	needs_program('fail2ban-client');
	my $box = box();
	my $etc = $box->dir . '/etc';

	system('cp', '-R', '/etc/fail2ban', $etc) == 0 or die 'cp';
	unlink glob "$etc/jail.d/* $etc/jail.local";
	system('cp', $filter, "$etc/filter.d/popper.conf") == 0 or die 'cp';
	my $jail = slurp("$contrib/logs/fail2ban-jail.conf");
	my $log = $box->trace;
	is($jail =~ s{^logpath  = \K/var/log/popper$}{$log}mg, 2, 'both read one file');
	$box->put_file($log, '');
	$box->put_file("$etc/jail.d/popper.conf", $jail);
	my $said = qx{fail2ban-client -c '$etc' -d 2>&1};
	is($?, 0, 'exit status') or diag($said);
	for (['popper', 'failed login'], ['popper-abuse', 'too many lines']) {
		my ($name, $words) = @$_;
		like($said, qr/\['start', '$name'\]/, "$name starts");
		like($said, qr/\['set', '$name', 'addfailregex', .*$words/,
		    'with its pattern');
		like($said, qr/'addlogpath', '\Q$log\E'|'$name', '\Q$log\E'/,
		    'and its file');
	}
};

# ---- log daemons -----------------------------------------------------------

# A /run that is empty and a /dev that has a few devices and no log, for this
# process and its children alone.
sub own_places {
	our $done;
	return if $done++;
	for my $mount ('/mnt', '/run') {
		system('mount', '-t', 'tmpfs', '-o', 'mode=755', 'popper',
		    $mount) == 0 or die "mount $mount";
	}
	for my $device (qw(null zero full random urandom)) {
		Service::write_file("/mnt/$device", '');
		system('mount', '--bind', "/dev/$device", "/mnt/$device") == 0
		    or die "mount $device";
	}
	system('mount', '--rbind', '/mnt', '/dev') == 0 or die 'mount /dev';
}

my $daemon;
my $test = $$;

sub start_daemon {
	my ($log, @command) = @_;

	defined($daemon = fork) or die "fork: $!";
	if ($daemon == 0) {
		open STDOUT, '>', $log;
		open STDERR, '>&', \*STDOUT;
		exec { $command[0] } @command or POSIX::_exit(127);
	}
}

sub stop_daemon {
	Service::end($daemon) if defined $daemon;
	undef $daemon;
	unlink '/dev/log' if -l '/dev/log' || -S '/dev/log';
}

END {
	if ($$ == $test && defined $daemon) {
		local $?;
		stop_daemon();
	}
}

# rsyslogd with one of our files, its paths below the box's; what that one
# does not keep to itself goes into $dir/all.
sub start_rsyslogd {
	my ($box, $file) = @_;
	my $dir = $box->dir;
	my $rules = slurp("$contrib/logs/$file");

	is($rules =~ s{^([^#\n]*["\t])/var/log/popper("|$)}{$1$dir/popper$2}mg, 1,
	    "$file names /var/log/popper once");
	$box->put_file("$dir/rules.conf", $rules);
	$box->put_file("$dir/rsyslog.conf", <<"END");
global(workDirectory="$dir")
module(load="imuxsock" SysSock.Name="/dev/log")
\$IncludeConfig $dir/rules.conf
*.*	$dir/all
END
	start_daemon("$dir/rsyslogd.said", Service::find('rsyslogd'), '-n',
	    '-i', "$dir/rsyslogd.pid", '-f', "$dir/rsyslog.conf");
	(eventually { -S '/dev/log' })
	    or die 'rsyslogd: ' . slurp("$dir/rsyslogd.said");
}

# Has the box log something, the last of it to be seen in what $all returns.
sub log_all {
	my ($box, $all) = @_;

	everyday($box);
	from($box, '198.51.100.9', 'USER lastman', 'QUIT');
	(eventually { ($all->() // '') =~ / end user=lastman / })
	    or die "the log daemon has not written all\n";
}

# What popper said, without dates and hosts, and without debug lines.
sub texts {
	my ($log) = @_;
	return [sort grep { !/^(?:command|scan|copy) / }
	    $log =~ /popper\[\d+\]: (.*)/g];
}

case 'rsyslogd: all of popper\'s lines, in a file of their own' => sub {
	needs_mounts();
	needs_program('rsyslogd', 'fail2ban-regex');
	own_places();
	my $box = box();
	my ($file, $all) = map { $box->dir . "/$_" } 'popper', 'all';

	start_rsyslogd($box, 'rsyslog.conf');
	log_all($box, sub { slurp($file) });
	system('logger', '-p', 'user.notice', 'another program') == 0
	    or die 'logger';
	ok((eventually { (slurp($all) // '') =~ /another program/ }),
	    'others are still logged');
	stop_daemon();

	my $log = slurp($file);
	is_deeply(texts($log), texts($box->log), 'line for line what it said');
	is((stat $file)[2] & 07777, 0640, 'the mode of the file');
	unlike(slurp($all), qr/popper\[/, 'and it is not logged twice');
	like($log, qr/\A\d{4}-\d\d-\d\dT[\d:]+\.\d{3}/, 'fractions of seconds');
	is_deeply(counted(login => $file), \@guessed,
	    'fail2ban: guessed passwords');
	is_deeply(counted(abuse => $file), \@abused, 'fail2ban: abuse');
	popstat_knows($file);
};

case 'an old syslog.conf: the same' => sub {
	needs_mounts();
	needs_program('rsyslogd', 'fail2ban-regex');
	own_places();
	my $box = box();
	my $file = $box->dir . '/popper';

	start_rsyslogd($box, 'syslog.conf');
	log_all($box, sub { slurp($file) });
	stop_daemon();
	is_deeply(texts(slurp($file)), texts($box->log), 'line for line');
	is_deeply(counted(login => $file), \@guessed, 'fail2ban');
};

case 'the journal: fail2ban and popstat read it' => sub {
	needs_mounts();
	needs_program('journalctl', 'fail2ban-regex');
	plan skip_all => "no $journald" unless -x $journald;
	my ($python) = slurp(Service::find('fail2ban-regex')) =~ /^#! *(\S+)/;
	plan skip_all => "$python has no module systemd"
	    if system("$python -c 'import systemd.journal' 2>/dev/null") != 0;
	own_places();
	my $box = box();
	my ($journal, $said) = ('/run/log/journal', $box->dir . '/journald');

	for my $dir ('log', 'log/journal', 'systemd', 'systemd/journal') {
		mkdir "/run/$dir" or die "/run/$dir: $!";
	}
	start_daemon($said, $journald);
	(eventually { -S '/run/systemd/journal/dev-log' })
	    or plan skip_all => "$journald does not run here";
	symlink '/run/systemd/journal/dev-log', '/dev/log'
	    or die "/dev/log: $!";
	my $read = sub {
		return scalar qx{journalctl -q -D $journal -t popper -o $_[0]};
	};
	log_all($box, sub { $read->('short') });

	# anybody may call his program popper, but not be root
	open my $forger, '|-', 'setpriv', '--reuid', $Popper::uid, '--regid',
	    $Popper::gid, '--clear-groups', 'logger', '-t', 'popper', '-p',
	    'local0.notice' or die "setpriv: $!";
	print $forger "failed login user=x addr=1.2.3.4 reason=password\n";
	close $forger or die "logger: $?";
	ok((eventually { $read->('short') =~ /addr=1\.2\.3\.4/ }),
	    'somebody else logs a line of this form');

	my $journal_of = "systemd-journal[journalpath=$journal]";
	is_deeply(counted(login => $journal_of), \@guessed,
	    'fail2ban: guessed passwords, and not the forged one');
	is_deeply(counted(abuse => $journal_of), [$abused[0]],
	    'fail2ban: abuse, by those who have not logged in');
	for my $format (qw(short short-precise short-iso)) {
		$box->put_file("$said.$format",
		    $read->($format) =~ s/.*1\.2\.3\.4.*\n//r);
		popstat_knows("$said.$format");
	}
	stop_daemon();
};

case 'logrotate: the file moves on, and rsyslogd is told' => sub {
	needs_program('logrotate');
	my $box = box();
	my $dir = $box->dir;
	my $rules = slurp("$contrib/logs/logrotate.conf");

	is($rules =~ s{^/var/log/popper}{$dir/popper}mg, 1,
	    'it names /var/log/popper once');
	is($rules =~ s{^\t\t\[ ! -x (\S+) \] \|\|\n\t\t\1$}{\t\techo told >>$dir/told}mg,
	    1, "and Debian's way to tell rsyslogd, where it is there");
	my @owner = $> == 0 ? qw(root adm) : (scalar getpwuid($>), scalar getgrgid($)));
	is($rules =~ s{create 0640 \Kroot adm$}{@owner}mg, 1, 'and a new file');
	Service::write_file("$dir/rotate.conf", $rules, 0600);
	my $logrotate = Service::find('logrotate');
	my $run = sub {
		return scalar qx{$logrotate $_[0] -s $dir/state $dir/rotate.conf 2>&1};
	};

	my $said = $run->('-d');
	is($?, 0, 'logrotate -d: a file that is not there yet is all right');
	unlike($said, qr/^error/m, 'and so is the rest') or diag($said);
	for my $round (1 .. 2) {
		Service::write_file("$dir/popper", "round $round\n", 0640);
		is($run->('-f'), '', 'it rotates without a word');
	}
	my ($mode, $uid, $gid) = (stat "$dir/popper")[2, 4, 5];
	is(sprintf('%o %s %s', $mode & 07777, scalar getpwuid $uid,
	    scalar getgrgid $gid), "640 @owner",
	    'there is a new file at once, or fail2ban would not start');
	ok(-z "$dir/popper", 'and it is empty');
	is(slurp("$dir/popper.1"), "round 2\n", 'the last one, as it was');
	ok(-s "$dir/popper.2.gz", 'the one before, packed');
	is(slurp("$dir/told"), "told\n" x 2, 'rsyslogd is told each time');
};

# ---- popstat ---------------------------------------------------------------

sub popstat {
	my (@args) = @_;

	open my $out, '-|', $^X, "$contrib/popstat", @args
	    or die "popstat: $!";
	my $text = join '', <$out>;
	close $out or die "popstat ended with status $?\n";
	return $text;
}

# The lines of a table, with one blank between the columns.
sub rows_of {
	my ($text, $title) = @_;
	my ($table) = $text =~ /^\Q$title\E\n((?:    .*\n)+)/m
	    or return "no table $title in:\n$text";
	return $table =~ s/^ +//mgr =~ s/ +/ /gr;
}

# What it makes of log_all(), whatever stands before the lines.
sub popstat_knows {
	my ($file) = @_;
	my $text = popstat($file);

	is(rows_of($text, 'Sum'), <<'END', 'popstat: the sum');
sessions that ended 11
logins 3
users 1
messages retrieved 1
octets sent 29
messages deleted 1
letters taken for sendmail 0
of these sent 0
END
	is(rows_of($text, 'How sessions ended'), <<'END', 'how they ended');
sessions reason
4 quit
3 auth
3 error
1 lost
END
	is(rows_of($text, 'Failed logins'), <<'END', 'failures by address');
failures address names reasons
2 2001:db8::1 2 unknown 2
1 192.0.2.1 1 password 1
END
	is(rows_of($text, 'Busiest users'), <<'END', 'the busiest user');
user sessions retrieved octets deleted
alice 3 1 29 1
END
	my @slow = split /\n/, rows_of($text, 'Slowest logins');
	is(@slow, 4, 'as many slow logins as logins');
	like($slow[1], qr/^\d+\.\d{3} .*\d\d:\d\d:\d\d.* alice \d \d+$/,
	    'when, who and how much');
	unlike($text, qr/cut short/, 'every line is known');
}

case 'popstat: the trace file, with its debug lines' => sub {
	my $box = box();

	log_all($box, sub { $box->log });
	popstat_knows($box->trace);
};

case 'popstat: ms= tells how long a login took; else the dates do' => sub {
	my $box = box();
	my $log = $box->dir . '/log';
	my @s = map { "popper[$_]" } 1 .. 3;

	$box->put_file($log, <<"END");
Nov 24 23:59:58 host $s[0]: start addr=192.0.2.1 version=2.0
Nov 25 00:00:01 host $s[0]: login user=al addr=192.0.2.1 messages=1 octets=5
Nov 25 00:00:01 $s[0]: start addr=192.0.2.1 version=2.0
Nov 25 00:00:02 $s[0]: login user=bo addr=192.0.2.1 messages=1 octets=5 ms=31500
2026-11-24T04:00:00.250000+01:00 host $s[1]: start addr=::1 version=2.0
2026-11-24T04:00:00.375000+01:00 host $s[1]: login user=cy addr=::1 messages=1 octets=5
Nov 24 04:00:00 host $s[2]: login user=dee addr=::1 messages=1 octets=5
END
	is(rows_of(popstat($log), 'Slowest logins'), <<'END', 'the longest first');
seconds at user messages octets
31.500 Nov 25 00:00:02 bo 1 5
3.000 Nov 25 00:00:01 al 1 5
0.125 2026-11-24T04:00:00.375000+01:00 cy 1 5
END
	my $text = popstat('-n', 1, $log);
	is(scalar(() = rows_of($text, 'Slowest logins') =~ /\n/g), 2,
	    '-n: the rows of a table');
	unlike($text, qr/[ \t]$/m, 'no blanks at the ends of lines');
};

case 'popstat: what is no line of popper\'s, and what is half of one' => sub {
	my $box = box();
	my $log = $box->dir . '/log';
	my $at = 'Nov 24 04:00:00 host';
	my $end = 'end user=al addr=::1 reason=quit retrieved=1 sent=5 ' .
	    'deleted=0 left=1 seconds=0';

	$box->put_file($log, join "\n", "\xff\0\e[2J", '', 'x' x 100000,
	    "$at sshd[1]: $end", "$at sshd[1]: popper[1]: $end",
	    "$at popper[1]: $end", "$at popper[2]: $end and more",
	    "$at popper[3]: end user=al addr=::1 reas",
	    "$at popper[4]: failed login user=x\e[2J addr=::1 reason=password",
	    "$at popper[5]: lock user=al: spool stays locked",
	    "$at popper[6]: command user=al XTND X-BBOARDS",
	    "$at popper[6]: board user=al name=news messages=3",
	    "$at popper[6]: board user=al: Input/output error",
	    map { "$at popper[6]: refused user=al addr=::1: Message $_ does " .
	    'not exist.' } 7, 8);
	my $text = popstat($log);
	like(rows_of($text, 'Sum'), qr/^sessions that ended 1$/m, 'one session');
	like($text, qr/^Lines .* cut short or unknown: 2$/m, 'two half lines');
	is(rows_of($text, 'Other lines, for a look at the log'),
	    "lines first word\n1 board\n1 lock\n", 'trouble is named');
	like(rows_of($text, 'Refused'), qr/^2 Message N does not exist\.$/m,
	    'answers are counted, whatever number is in them');
	unlike($text, qr/[^\n\x20-\x7e]/, 'nothing odd reaches the terminal');
	like(popstat('/dev/null'), qr/^There are no lines/, 'an empty log');
	like(popstat('--help'), qr/\Ausage: popstat .*-n, --rows/s, '--help');
	system("$^X '$contrib/popstat' -q >/dev/null 2>&1");
	is($? >> 8, 64, 'bad usage: status 64');
	system("$^X '$contrib/popstat' /nonexistent >/dev/null 2>&1");
	is($? >> 8, 1, 'a file that cannot be read: status 1');
};

done_testing;
