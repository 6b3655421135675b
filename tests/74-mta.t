# The whole way round: a letter goes in by XTND XMIT, through the sendmail
# command of a real mail program, and is fetched by popper.
#
# Each of them runs in a world of its own: see tests/lib/World.pm.
# Some deliver by themselves, the others hand over to a host that takes mail by
# SMTP, which is a few lines below.

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();
use Test::More;
use Popper;
use World;

# ---- the programs ---------------------------------------------------------

my %mta = (
	dma => {
		prepare => <<'END',
chmod 2755 /usr/sbin/dma
chgrp mail /usr/lib/dma/dma-mbox-create && chmod 4754 /usr/lib/dma/dma-mbox-create
install -d -o root -g mail -m 2770 /var/spool/dma
echo 'MAILNAME popper.test' >/etc/dma/dma.conf
END
		sendmail => '/usr/sbin/dma',
	},
	'exim4-daemon-light' => {
		accounts => { 'Debian-exim' => 54401 },
		prepare => <<'END',
chmod 4755 /usr/sbin/exim4
install -d -o Debian-exim -g Debian-exim -m 2750 /var/spool/exim4 /var/log/exim4
mkdir -p /etc/exim4
cat >/etc/exim4/exim4.conf <<'X'
primary_hostname = popper.test
qualify_domain = popper.test
domainlist local_domains = popper.test
keep_environment =
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
begin routers
local:
  driver = accept
  domains = +local_domains
  check_local_user
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  file = /var/mail/$local_part_data
  home_directory = /
  group = mail
  mode = 0660
  delivery_date_add
  envelope_to_add
  return_path_add
X
END
		sendmail => '/usr/sbin/exim4',
	},
	opensmtpd => {
		accounts => { opensmtpd => 54402, opensmtpq => 54403 },
		prepare => <<'END',
chgrp opensmtpq /usr/sbin/smtpctl && chmod 2755 /usr/sbin/smtpctl
chgrp mail /usr/libexec/opensmtpd/mail.local
chmod 2755 /usr/libexec/opensmtpd/mail.local
echo popper.test >/etc/mailname
cat >/etc/smtpd.conf <<'X'
action "here" mbox
match from local for local action "here"
match from local for domain "popper.test" action "here"
X
install -d -m 711 /run/opensmtpd
/usr/sbin/smtpd
END
		socket => '/run/smtpd.sock',
		sendmail => '/usr/sbin/sendmail',
	},
	postfix => {
		accounts => { postfix => 54404, postdrop => 54405 },
		prepare => <<'END',
chgrp postdrop /usr/sbin/postdrop /usr/sbin/postqueue
chmod 2755 /usr/sbin/postdrop /usr/sbin/postqueue
install -d /var/spool/postfix
install -d -o postfix /var/lib/postfix
cat >/etc/postfix/main.cf <<'X'
compatibility_level = 3.6
myhostname = popper.test
mydestination = popper.test localhost
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
alias_maps = texthash:/etc/aliases
local_recipient_maps =
biff = no
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = /var/lib/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = /var/log/postfix.log
X
cat >/etc/postfix/master.cf <<'X'
postlog   unix-dgram n - n - 1 postlogd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
local     unix - n n - - local
error     unix - - n - - error
retry     unix - - n - - error
X
install -d /var/spool/boards
install -m 644 -o nobody /dev/null /var/spool/boards/news.mbox
echo 'news /var/spool/boards/news.mbox' >/etc/aliases
printf 'board news\nmaildrop /var/spool/boards/news.mbox\n' >/etc/boards
/usr/sbin/postfix start
END
		board => 'news',
		sendmail => '/usr/sbin/sendmail',
	},
	msmtp => {
		sink => 1,
		prepare => <<'END',
printf 'account default\nhost 127.0.0.1\nport %s\nfrom alice@popper.test\n' "$PORT" >/etc/msmtprc
END
		sendmail => '/usr/bin/msmtp',
	},
	nullmailer => {
		sink => 1,
		prepare => <<'END',
chown mail:mail /usr/sbin/nullmailer-queue && chmod 6755 /usr/sbin/nullmailer-queue
mkdir -p /etc/nullmailer
echo "127.0.0.1 smtp --port=$PORT" >/etc/nullmailer/remotes
echo popper.test | tee /etc/nullmailer/me /etc/nullmailer/defaultdomain >/etc/mailname
chown -R mail:mail /etc/nullmailer
for d in . queue tmp failed; do install -d -o mail -g mail /var/spool/nullmailer/$d; done
mkfifo -m 622 /var/spool/nullmailer/trigger
chown mail:mail /var/spool/nullmailer/trigger
setpriv --reuid mail --regid mail --clear-groups /usr/sbin/nullmailer-send &
END
		sendmail => '/usr/sbin/sendmail',
	},
);

# The program in a world of its own: the box and the namespace.  The case is
# skipped where there can be none.
sub set_up {
	my ($name, %more) = @_;

	needs('root', 'proc');
	plan skip_all => "$name is not unpacked (tests/install-mtas)"
	    unless have($name);
	my ($box, $init, $said) = world($name, %{ $mta{$name} }, %more);
	plan skip_all => 'no namespace can be made here: '
	    . show($said =~ s/\n/; /gr)
	    if !defined $init && $said =~ /unshare:|mount:/;
	ok(defined $init, 'it is set up') or die $said;
	return ($box, $init);
}

# ---- sessions -------------------------------------------------------------

sub login_inside {
	my ($box, $init, @args) = @_;
	return $box->login(passwd => undef, args => \@args,
	    under => [ inside($init) ]);
}

# ---- a host that takes mail by SMTP ---------------------------------------

# Puts all that comes into alice's spool.  Returns the port that it listens on
# and what to call once the box is there.
sub sink {
	my $door = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1')
	    or die "listen: $@";
	return ($door->sockport, sub {
		my ($box) = @_;
		my $pid = fork // die "fork: $!";

		if ($pid == 0) {
			$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
			while (my $s = $door->accept) {
				eval { smtp($s, $box) };
				close $s;
			}
			POSIX::_exit(0);
		}
		running($pid);
		close $door;
	});
}

sub smtp {
	my ($s, $box) = @_;
	my ($from, @to);

	$s->autoflush(1);
	print $s "220 popper.test\r\n";
	while (defined(my $line = <$s>)) {
		if ($line =~ /^(?:EHLO|HELO|NOOP|RSET)/i) {
			print $s "250 popper.test\r\n";
		} elsif ($line =~ /^MAIL FROM:\s*<(.*?)>/i) {
			($from, @to) = ($1);
			print $s "250 ok\r\n";
		} elsif ($line =~ /^RCPT TO:\s*<(.*?)>/i) {
			push @to, $1;
			print $s "250 ok\r\n";
		} elsif ($line =~ /^DATA/i) {
			my $text = '';

			print $s "354 go\r\n";
			while (defined($line = <$s>) && $line ne ".\r\n") {
				$line =~ s/^\.//;
				$line =~ s/\r\n\z/\n/;
				$text .= $line =~ s/^(>*From )/>$1/r;
			}
			return unless defined $line;
			if (!-e $box->path) {
				$box->put('');
			}
			select undef, undef, undef, 0.05 until $box->deliver(
			    "From $from Sat Jan  3 01:05:34 1996\n"
			    . "Delivered-To: @to\n$text\n");
			print $s "250 ok\r\n";
		} elsif ($line =~ /^QUIT/i) {
			print $s "221 bye\r\n";
			return;
		} else {
			print $s "502 no\r\n";
		}
	}
}

# ---- the way round --------------------------------------------------------

my @header = ('From: alice@popper.test', 'To: alice@popper.test',
    'Subject: all the way round');
my @body = ('Hello,', '', '.', '..', '.dot', 'From here on', 'a' . ' b' x 300,
    "\xfc\xdf in eight bits", '', '-bs', 'good bye');

sub submit {
	my ($s, $text) = @_;
	my $prompt = $s->command('XTND XMIT');

	die "XTND XMIT was answered: $prompt\n" unless $prompt =~ /^\+OK/;
	$s->send((map { s/^\./../r } split /\n/, $text, -1), '.');
	return $s->reply('the letter');
}

for my $name (sort keys %mta) {
	case "a letter through $name, and back" => sub {
		my $is = $mta{$name};
		my ($port, $open) = $is->{sink} ? sink() : ();
		my ($box, $init) = set_up($name, port => $port);
		$open->($box) if $open;

		eventually { -S "/proc/$init/root$is->{socket}" } if $is->{socket};
		my $s = login_inside($box, $init, '-M', $is->{sendmail});
		is($s->command('STAT'), '+OK 0 0', 'an empty maildrop');
		like(submit($s, join "\n", @header, '', @body), qr/^\+OK /, 'sent')
		    or diag($box->log);
		is($s->command('STAT'), '+OK 0 0', 'mail comes with the next login');
		like(submit($s, "To: alice\@popper.test\nSubject: second\n\nx"),
		    qr/^\+OK /, 'another one');
		$s->quit;

		ok((eventually {
			-e $box->path && 2 == (() = ($box->spool // '') =~ /^From \S+ +\w{3} \w{3} /mg)
		}), 'they are in the spool') or trouble($box, $init);
		$s = login_inside($box, $init);
		my ($n) = grep { $s->text("TOP $_ 0") =~ /^Subject: all the way/m }
		    sort keys %{ $s->list };
		ok(defined $n, 'popper lists it') or return;
		my $text = $s->text("RETR $n");
		my ($head, $body) = split /\r\n\r\n/, $text, 2;
		like($head, qr/^\Q$_\E\r?$/mi, $_) for @header;
		my @got = split /\r\n/, $body;
		s/^>From /From /, s/\s+$// for @got;
		is_deeply(\@got, [map { s/\s+$//r } @body], 'its text');
		$s->command("DELE $n");
		$s->quit;
		like($box->spool, qr/^Subject: second$/m, 'the other one is left');
		unlike($box->spool, qr/all the way/, 'alone');

		board($box, $init, $is) if $is->{board};
		$s = login_inside($box, $init, '-M', $is->{sendmail});
		my $reply = submit($s, "Subject: to nobody\n\nx");
		like($reply, qr/^-ERR /, 'a letter to nobody');
		is($s->command('NOOP'), '+OK ', 'the session goes on');
		$s->quit;
	};
	end_all();
}

# Two that ask the system for the sender's name, and fail with a status that says
# nothing of it.
for my $name ('exim4-daemon-light', 'postfix') {
	case "$name: a user whom the system does not know" => sub {
		my $is = $mta{$name};
		my ($box, $init) = set_up($name);
		$box->accounts({ carl => { password => 's3cret',
		    uid => $Popper::uid + 6, gid => $Popper::gid } });
		my $s = $box->login(user => 'carl', args => ['-M', $is->{sendmail}],
		    under => [ inside($init) ]);
		is(submit($s, join "\n", @header, '', @body), '-ERR [SYS/PERM] The mail '
		    . 'service does not know you; tell the administrator.', 'why');
		$s->quit;
	};
	end_all();
}

# Users without an account of the system: doc/ACCOUNTS as it stands, from the
# accounts to delivery and back by popper.
my $accounts = slurp('doc/ACCOUNTS');

# The indented lines after the paragraph with these words, without the indent.
sub lines_after {
	my ($words, $page) = @_;
	my ($lines) = ($page // $accounts) =~ /\Q$words\E(?:.+\n)*\n((?:    .*\n|\n)+)/
	    or die "no page has anything after \"$words\"\n";
	return $lines =~ s/^    //mgr =~ s/\n+\z/\n/r;
}

sub virtual_accounts {
	my $hash = Popper::Box::hash('s3cret');
	my $line = lines_after('what the user types as the user') =~
	    s/:\$6\$\.\.\.:/:$hash:/r;
	return 'mount -t tmpfs -o mode=755 popper /srv' . "\n"
	    . lines_after('All maildrops belong to one user')
	    . "umask 077; cat >/etc/popper.passwd <<'X'\n${line}X\numask 022\n";
}

my %virtual = (
	postfix => sub {
		my ($prepare) = @_;
		my $main = lines_after('With Postfix, in /etc/postfix/main.cf');
		my $table = lines_after("/etc/postfix/virtual, one line for each user");
		# Debian's master.cf has the agent
		my $agent = 'virtual   unix - n n - - virtual';
		return $prepare =~ s{^/usr/sbin/postfix start}{
cat >>/etc/postfix/main.cf <<'X'
${main}X
echo '$agent' >>/etc/postfix/master.cf
cat >/etc/postfix/virtual <<'X'
${table}X
/usr/sbin/postfix start}mr;
	},
	'exim4-daemon-light' => sub {
		my ($prepare) = @_;
		my ($router, $transport) = lines_after('With Exim, as the first router')
		    =~ /\A(virtual_popper:.*)\n(virtual_mbox:.*)\z/s or die 'no recipe';
		my ($table) = $accounts =~ /virtual\.example\.net has one line\s+"(.*?)"/
		    or die 'no table';
		return $prepare =~ s/(begin routers\n)/$1$router/r
		    =~ s/(begin transports\n)/$1$transport/r
		    . "echo '$table' >/etc/exim4/virtual.example.net\n";
	},
);

for my $name (sort keys %virtual) {
	case "$name: virtual users, as doc/ACCOUNTS has them" => sub {
		my $is = $mta{$name};
		my ($box, $init) = set_up($name, prepare => virtual_accounts()
		    . $virtual{$name}->($is->{prepare}));
		my $user = 'alice@example.net';
		my $spool = "/proc/$init/root/srv/mail/example.net/alice";
		my $log_in = sub {
			return $box->login(user => $user, passwd => '/etc/popper.passwd',
			    args => ['-x'], under => [ inside($init) ]);
		};

		is($log_in->()->command('STAT'), '+OK 0 0', 'an empty maildrop');
		for my $n (1, 2) {
			open my $to, '|-', inside($init), $is->{sendmail}, '-i', $user
			    or die "sendmail: $!";
			print $to "To: $user\nSubject: number $n\n\nHello.\n";
			ok(close $to, "message $n is taken");
			ok((eventually { (slurp($spool) // '') =~ /^Subject: number $n$/m }),
			    'and delivered') or trouble($box, $init);
		}
		is((stat $spool)[4], 5000, 'the spool is of the one user');
		my $s = $log_in->();
		my @text = map { scalar $s->text("RETR $_") } 1, 2;
		is(join(' ', sort map { /^Subject: (.*?)\r$/m } @text),
		    'number 1 number 2', 'popper has both');
		my ($first) = grep { $text[$_ - 1] =~ /number 1/ } 1, 2;
		$s->command("DELE $first");
		$s->quit;
		like(slurp($spool), qr/^Subject: number 2$/m, 'one is left');
		unlike(slurp($spool), qr/number 1/, 'alone');
		ok(!-e "$spool.lock", 'no lock file is left');
	};
	end_all();
}

# Spool directories in levels: doc/SCALING as it stands here, for users of the
# system.  The names try what a second letter can be.
my $scaling = slurp('doc/SCALING');
my @few = qw(a a.b a-b al);

my @levels = (
	{ pattern => '/var/mail/%', directories => 'name, /var/mail/a/alice:',
	    'exim4-daemon-light' => 'in the transport that delivers', postfix => 'and in /etc/maildroprc:',
	    alice => 'a/alice' },
	{ pattern => '/var/mail/%/%', directories => 'one, -m /var/mail/%/% finds alice',
	    'exim4-daemon-light' => 'For Exim,', postfix => 'for maildrop, in /etc/maildroprc:',
	    alice => 'a/l/alice' },
);

my %leveled = (
	postfix => sub {
		my ($prepare, $filter) = @_;
		my $main = lines_after('In /etc/postfix/main.cf:', $scaling);
		# maildrop wants homes
		return $prepare =~ s{^/usr/sbin/postfix start}{
sed -i 's,^\\([^:]*\\)\\(:.*\\):/nonexistent:/bin/sh,\\1\\2:/run/home/\\1:/bin/sh,' /etc/passwd
for user in alice @few; do install -d -o "\$user" "/run/home/\$user"; done
cat >>/etc/postfix/main.cf <<'X'
${main}X
cat >/etc/maildroprc <<'X'
${filter}X
/usr/sbin/postfix start}mr;
	},
	'exim4-daemon-light' => sub {
		my ($prepare, $line) = @_;
		return $prepare =~ s{^  file = .*}{$line =~ s/^/  /mgr}mer;
	},
);

# Adds them to the system, with the password of alice.
sub more_users {
	return join '', map {
		my $uid = 54411 + $_;
		"echo '$few[$_]:x:$uid:$uid\::/nonexistent:/bin/sh' >>/etc/passwd\n" .
		"sed -n 's/^alice:/$few[$_]:/p' /etc/shadow >/etc/one\n" .
		"cat /etc/one >>/etc/shadow\n";
	} 0 .. $#few;
}

for my $name (sort keys %leveled) {
	for my $level (@levels) {
		case "$name: delivery to $level->{pattern}, as doc/SCALING has it" => sub {
			needs('root', 'proc');
			my $is = $mta{$name};
			plan skip_all => "$name is not unpacked (tests/install-mtas)"
			    unless have($name);
			plan skip_all => 'maildrop is not installed'
			    if $name eq 'postfix' && !-x '/usr/bin/maildrop';
			my $recipe = lines_after($level->{$name}, $scaling);
			my ($box, $init, $said) = world($name, %$is,
			    prepare => more_users() . lines_after($level->{directories}, $scaling) .
			    $leveled{$name}->($is->{prepare}, $recipe));
			plan skip_all => 'no namespace can be made here: '
			    . show($said =~ s/\n/; /gr)
			    if !defined $init && $said =~ /unshare:|mount:/;
			ok(defined $init, 'it is set up') or do {
				diag($said);
				return;
			};
			deliver_in_levels($box, $init, $is->{sendmail}, $level);
		};
		end_all();
	}
}

sub deliver_in_levels {
	my ($box, $init, $sendmail, $level) = @_;
	my @m = (-m => $level->{pattern});
	my ($alice) = $box->mail . "/$level->{alice}";
	my $said = sub {
		return join '', grep { /^\S+ +(?:maildrop|spool)/ } split /^/m,
		    qx(@{[ inside($init) ]} $Popper::binary -n -x @m);
	};

	is(login_inside($box, $init, @m)->command('STAT'), '+OK 0 0', 'an empty maildrop');
	for my $user ('alice', @few) {
		open my $to, '|-', inside($init), $sendmail, '-i', "$user\@popper.test"
		    or die "sendmail: $!";
		print $to "To: $user\nSubject: to $user\n\nHello.\n";
		ok(close $to, "a message to $user is taken");
	}
	ok((eventually { $said->() =~ /^ok    maildrops: 5$/m }), 'each is where popper looks')
	    or do { diag($said->()); trouble($box, $init) };
	unlike($said->(), qr/^(?:FAIL|warn)/m, 'and as it should be');
	my $s = login_inside($box, $init, @m);
	like($s->text('RETR 1'), qr/^Subject: to alice\r$/m, 'popper has the message');
	$s->command('DELE 1');
	$s->quit;
	is(slurp($alice), '', 'and deletes it');
	my ($dir, $file) = $alice =~ m{(.*)/(.*)};
	is(join(' ', map { s{.*/}{}r } grep { /alice/ } glob "$dir/.??* $dir/*"),
	    ".$file.pop $file", 'the state file is there, and no lock file');
	is(join(' ', grep { -f } glob $box->mail . '/{.,}*'), '', 'no file outside the levels');
}

# A letter to a board, which is read as one.
sub board {
	my ($box, $init, $is) = @_;
	my $s = login_inside($box, $init, '-M', $is->{sendmail}, '-b', '/etc/boards');

	is($s->text('XTND BBOARDS'), "$is->{board} 0\r\n", 'a board, empty');
	like(submit($s, "To: $is->{board}\@popper.test\nSubject: to all\n\nx"),
	    qr/^\+OK /, 'a letter to it');
	ok((eventually {
		$s->text('XTND BBOARDS') eq "$is->{board} 1\r\n"
	}), 'the board has it') or trouble($box, $init);
	$s->text("XTND BBOARDS $is->{board}");
	like($s->text('RETR 1'), qr/^Subject: to all\r$/m, 'and shows it');
	$s->quit;
}

sub trouble {
	my ($box, $init) = @_;
	diag($box->log);
	diag($box->spool // 'no spool');
	diag(map { "$_:\n" . (slurp($_) // '') } grep { -f }
	    map { glob "/proc/$init/root/$_" } 'var/log/*', 'var/log/*/*');
	diag(map { "$_\n" } glob "/proc/$init/root/var/spool/*/*");
}

done_testing;
