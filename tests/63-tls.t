# STLS, done by a parent with the interface of UCSPI-TLS: RFC 2595 4, RFC 8314.

use strict;
use warnings;

use FindBin qw($Bin);
use Test::More;
use Popper;
use Service;
use Tls;

Tls::needed();
my $tls = Tls->new;

# A session under the parent; one under TLS; one that has also logged in.
sub offered {
	my ($box, $options, %arg) = @_;
	return $box->session(over => 'tcp', under => [$tls->parent(@$options)],
	    %arg);
}

sub secured {
	my ($box, $options, %arg) = @_;
	my $s = offered($box, $options, %arg);
	my $reply = $s->command('STLS');

	die "STLS was answered: $reply\n" unless $reply =~ /^\+OK/;
	$tls->secure($s) or die 'no TLS: ' .
	    IO::Socket::SSL::errstr() . "\n";
	return $s;
}

sub log_in {
	my ($s, $user, $password) = @_;
	$s->command('USER ' . ($user // 'alice'));
	my $reply = $s->command('PASS ' . ($password // 's3cret'));
	die "PASS was answered: $reply\n" unless $reply =~ /^\+OK/;
	return $s;
}

# What the log says of the client's handshake.
my $FAILED = qr/ tls addr=\S+: the handshake failed$/m;
my $DONE = qr/ tls addr=\S+ protocol=TLSv1\.[23]$/m;

my @MANNERS = (['-m', 's6'], ['-m', 'sslserver']);

for my $options (@MANNERS, ['-b', 1]) {
	case "STLS (@$options): a handshake, and POP3 goes on under TLS [RFC 2595 4]"
	    => sub {
		my $box = box(spool => FX1 . letter(3, body =>
		    alnum(3_000_000)), args => ['-P', 'tls']);
		my $s = secured($box, $options);

		$s->dialog(<<~'DIALOG');
			C: STLS
			S: -ERR *
			C: USER alice
			S: +OK *
			C: PASS s3cret
			S: +OK *
			C: STLS
			S: -ERR *
			C: DELE 1
			C: STAT
			S: +OK *
			S: +OK *
			DIALOG
		is(length $s->text('RETR 3'), $s->list->{3}, 'a large message');
		$s->quit;
		unlike($box->spool, qr/^Subject: one$/m, 'the update is done');
		like($box->log, $DONE, 'the log: protocol');
		like($box->log, qr/ tls addr=\S+ cipher=\S+$/m, 'and cipher');
	};

	case "STLS (@$options): a client that does not want it does without"
	    => sub {
		my $box = box();

		my $s = log_in(offered($box, $options));
		is($s->command('STAT'), '+OK 2 48', 'a login from this machine');
		unlike($s->text('CAPA'), qr/^STLS/m, 'after it no STLS in CAPA');
		like($s->command('STLS'), qr/^-ERR/, 'nor by command');
		$s->quit;
		$s = offered($box, $options);
		like($s->command('QUIT'), qr/^\+OK/, 'QUIT');
		is($s->slurp, '', 'the end');
		is($s->wait, 0, 'exit status');
	};
}

# Here the parent answers in one write with what the client said first.
case 'STLS: the three descriptors may be one' => sub {
	my $s = secured(box(), ['-1']);

	is(log_in($s)->command('STAT'), '+OK 2 48', 'POP3 goes on');
	$s->quit;
};

case 'STLS: a login without it is refused where it is on offer, at once and for any name [RFC 8314 4.1]'
    => sub {
	my $box = box();
	my %said;

	for my $line ('USER alice', 'USER nobody', 'USER root',
	    'AUTH PLAIN AGFsaWNlAHMzY3JldA==', 'AUTH PLAIN AHgAeQ==',
	    'AUTH PLAIN') {
		my $s = offered($box, [], over => 'socket',
		    env => { TCPREMOTEIP => '192.0.2.7' });
		$said{$s->command($line)}++;
		$s->dialog("C: PASS s3cret\nS: -ERR *\nC: STAT\nS: -ERR *\n");
		next if keys %said > 1 || $line !~ /alice/;
		like($s->command('STLS'), qr/^\+OK/, "STLS after $line");
		ok($tls->secure($s), 'a handshake');
		is(log_in($s)->command('STAT'), '+OK 2 48', 'and a login');
	}
	is(scalar keys %said, 1, 'one reply') or diag(explain(\%said));
	like((keys %said)[0], qr/^-ERR \[AUTH\] .*STLS/, 'which says what to do');
};

# What CAPA has to say, worked out from what there is: every policy, with TLS
# to come, there by STLS, there from the start, or not at all, for clients near
# and far.  What is said must be what happens.
my @always = qw(TOP UIDL PIPELINING RESP-CODES AUTH-RESP-CODE);
push @always, 'EXPIRE NEVER', 'X-XTND XMIT XLST BBOARDS';

for my $kind ('no TLS', 'STLS', '-T') {
	case "CAPA says what is possible: $kind [RFC 2449 5, RFC 8314 4]"
	    => sub {
		my $box = box();
		capabilities($box, $kind, $_, 'local'),
		    capabilities($box, $kind, $_, '192.0.2.7')
		    for qw(default never tls local always);
	};
}

sub capabilities {
	my ($box, $kind, $policy, $peer) = @_;
	my %arg = (over => 'socket', env => { TCPREMOTEIP => $peer },
	    args => [$policy eq 'default' ? () : ('-P', $policy),
	    $kind eq '-T' ? '-T' : ()]);
	my $s = $kind eq 'STLS' ? offered($box, [], %arg) :
	    $box->session(%arg);
	my %may = (never => 0, always => 1);

	if ($kind eq 'STLS') {
		@may{qw(tls local)} = (0, $peer eq 'local');
		$may{default} = $may{local};
		possible($s, "$policy, $peer", $may{$policy}, $peer eq 'local',
		    'STLS');
		like($s->command('STLS'), qr/^\+OK/, 'STLS');
		$tls->secure($s) or die 'no TLS';
	}
	my $active = $kind ne 'no TLS';
	@may{qw(tls local)} = ($active, $active || $peer eq 'local');
	$may{default} = $active ? $may{local} : $may{always};
	my $private = $active || $peer eq 'local';
	possible($s, "$policy, $peer" . ($active ? ', TLS' : ''),
	    $may{$policy}, $private);
	like($s->command('STLS'), qr/^-ERR/, 'STLS');
	return unless $may{$policy};
	log_in($s);
	is_deeply([grep { !/^IMPLEMENTATION / } capa($s)], [sort @always,
	    'USER', $private ? 'SASL PLAIN' : ()], 'CAPA after login');
}

# Before login: what CAPA says, and what happens.  Where passwords are taken,
# SASL PLAIN is offered if they cross no network in the clear (RFC 4616 4).
sub possible {
	my ($s, $what, $may, $private, @stls) = @_;
	my @want = sort @always, @stls, $may ? 'USER' : (),
	    $may && $private ? 'SASL PLAIN' : ();

	is_deeply([capa($s)], \@want, "$what: CAPA");
	is($s->text('AUTH'), $may ? "PLAIN\r\n" : '', 'AUTH');
	$s->dialog('C: AUTH PLAIN' . "\n" . ($may ?
	    "S: + \nC: *\nS: -ERR Auth*\n" : "S: -ERR [AUTH] *\n"));
	like($s->command('AUTH PLAIN !'), $may ? qr/^-ERR [^[]/ :
	    qr/^-ERR \[AUTH\]/, 'AUTH PLAIN with a response');
	like($s->command('USER alice'), $may ? qr/^\+OK/ : qr/^-ERR \[AUTH\]/,
	    'USER');
	is_deeply([capa($s)], \@want, 'CAPA again');
}

sub capa {
	my ($s) = @_;
	return sort split /\r\n/, scalar $s->text('CAPA');
}

case 'STLS: what was said before it is forgotten [RFC 2595 4]' => sub {
	my $box = box();
	my $s = offered($box, []);

	$s->dialog("C: USER alice\nS: +OK *\nC: STLS\nS: +OK *\n");
	$tls->secure($s);
	$s->dialog(<<~'DIALOG');
		C: PASS s3cret
		S: -ERR *
		C: CAPA
		S: +OK *
		DIALOG
	$s->rest;
	is(log_in($s)->command('STAT'), '+OK 2 48', 'a login from the start');
};

# Somebody on the way adds commands to the client's, in the hope that they are
# carried out as if they had come under TLS.
my @TAILS = ('NOOP', 'CAPA', "USER alice\r\nPASS s3cret",
    'AUTH PLAIN AGFsaWNlAHMzY3JldA==', 'QUIT', 'x', "\026\003\001");

for my $options (@MANNERS) {
	for my $tail (@TAILS[0 .. ($options->[1] eq 's6' ? $#TAILS : 1)]) {
		case 'STLS: ' . show($tail) . " in one segment with it is not "
		    . "carried out (@$options) [RFC 2595 4]" => sub {
			my $box = box();
			my $s = offered($box, $options);

			$s->send_raw("STLS\r\n$tail" .
			    ($tail =~ /\026/ ? '' : "\r\n"));
			like($s->slurp, qr/\A-ERR [^\r\n]*\r\n\z/,
			    'one refusal, and the end');
			is($s->wait, 0, 'exit status');
			unlike($box->log, qr/ login user=/, 'no login');
			unlike($box->log, qr/protocol=/, 'no TLS');
		};
	}

	case "STLS: what comes in the clear after its +OK is no command (@$options)"
	    => sub {
		my $box = box();
		my $s = offered($box, $options);

		like($s->command('STLS'), qr/^\+OK/, 'STLS');
		$s->send('USER alice', 'PASS s3cret', 'STAT');
		unlike($s->slurp, qr/\+OK|-ERR/, 'no reply');
		is($s->wait, 0, 'exit status');
		like($box->log, $FAILED, 'the log');
		unlike($box->log, qr/ login user=/, 'no login');
	};
}

my @bad_fds = ([], [''], ['x'], ['-1'], ['3x'], [' 3'], ['0'], ['1'], ['2'],
    ['63'], ['99999999999999999999']);
for my $name (qw(SSLCTLFD SSLREADFD SSLWRITEFD)) {
	case "STLS: not on offer where $name names no descriptor [RFC 8314 4]"
	    => sub {
		my $box = box();

		for my $bad (@bad_fds) {
			my %env = (SSLCTLFD => 3, SSLREADFD => 4,
			    SSLWRITEFD => 5);
			delete $env{$name};
			$env{$name} = $bad->[0] if @$bad;
			my $s = with_fds($box, %env);
			my $what = show($bad->[0] // '(not set)');
			unlike($s->text('CAPA'), qr/^STLS/m, "$what: CAPA");
			like($s->command('STLS'), qr/^-ERR/, 'STLS');
			is(log_in($s)->command('STAT'), '+OK 2 48',
			    'all else is as without');
			$s->quit;
		}
		my $s = with_fds($box, SSLCTLFD => 3, SSLREADFD => 4,
		    SSLWRITEFD => 5);
		like($s->text('CAPA'), qr/^STLS/m, 'CAPA where all three do');
	};
}

# A session with something open as descriptors 3, 4 and 5.
sub with_fds {
	my ($box, %env) = @_;
	return $box->session(env => \%env, under => ['/bin/sh', '-c',
	    'exec "$@" 3</dev/null 4</dev/null 5</dev/null', 'sh']);
}

case 'STLS: not on offer by a descriptor that is too high to wait for' => sub {
	plan skip_all => 'no descriptor 1024 here'
	    if system('ulimit -n 1025 2>/dev/null') != 0;
	my $box = box(args => ['-l', 1]);
	my $dup = 'use POSIX "dup2"; dup2(0, 1024); exec @ARGV';
	my $s = $box->session(under => ['/bin/sh', '-c',
	    'ulimit -n 1025; exec "$@"', 'sh', $^X, '-e', $dup], env => {
	    map { $_ => 1024 } qw(SSLCTLFD SSLREADFD SSLWRITEFD) });

	unlike($s->text('CAPA'), qr/^STLS/m, 'CAPA');
	like($s->command('STLS'), qr/^-ERR/, 'STLS');
	is(log_in($s)->command('STAT'), '+OK 2 48', 'all else is as without');
};

case 'STLS: its descriptors stay closed in a program that popper starts' => sub {
	needs('proc');
	my $box = box();
	my $list = $box->dir . '/list';

	Service::write_file("$list.sh", "#!/bin/sh\ncat >/dev/null\n" .
	    "ls -l /proc/\$\$/fd >$list.new\nmv $list.new $list\n", 0755);
	$box->give($box->dir, 0755);
	for my $make (sub { with_fds($box, SSLCTLFD => 3, SSLREADFD => 4,
	    SSLWRITEFD => 5, @_) }, sub { secured($box, []) }) {
		unlink $list;
		$box->{args} = ['-M', "$list.sh"];
		my $s = log_in($make->());
		like($s->command('XTND XMIT'), qr/^\+OK/, 'XTND XMIT');
		$s->send('To: x@example.org', '', 'text', '.');
		like($s->reply('the mail'), qr/^\+OK/, 'is taken');
		my $fds = slurp($list) // '';
		like($fds, qr/ 0 -> /, 'the program was run');
		unlike($fds, qr/ [3-8] -> (?!\S*list)/, 'with 0, 1 and 2');
	}
};

# A parent that is gone at the start ends the program with it, or leaves it to
# go on without TLS.
my @STEPS = qw(start command hello handshake answer answered data);

for my $options (@MANNERS) {
	for my $step (@STEPS) {
		next if $step eq 'start' && "@$options" =~ /sslserver/;
		case "STLS: the parent dies at \"$step\" (@$options): no way back into the clear"
		    => sub {
			my $box = box();
			dead_end($box, offered($box, [@$options, '-d', $step]),
			    $step);
		};
	}
}
for my $step (@STEPS[1 .. 4]) {
	case "STLS: the parent hangs at \"$step\": the time to log in ends it"
	    => sub {
		my $box = box(args => ['-l', 1]);
		dead_end($box, offered($box, ['-k', 1, '-h', $step]), $step);
	};
}

# STLS is answered, then whatever is tried nobody logs in, and the next
# session is as good as any.
sub dead_end {
	my ($box, $s, $step) = @_;

	like($s->command('STLS'), qr/^\+OK/, 'STLS');
	$tls->secure($s);
	$s->send('USER alice', 'PASS s3cret', 'STAT');
	unlike($s->slurp, qr/messages|\+OK \d/, 'no login, but the end');
	is($s->wait, 0, 'exit status');
	like($box->log, $step =~ /answered|data/ ? $DONE : $FAILED, 'the log');
	like($box->log, qr/ end user=\S+ addr=\S+ reason=(?!quit|auth)/,
	    'the end');
	unlike($box->log, qr/ login user=/, 'no login');
	is($box->spool, FX1, 'the mail');
	is($box->login(args => ['-l', 60])->command('STAT'), '+OK 2 48',
	    'the next session');
}

# The client's half of the handshake: nothing, a beginning, nonsense.
my $HELLO = "\026\003\001\002\000\001\000\001\374\003\003";
for my $what ('', $HELLO, "\025\003\001\000\002\002\050", "\0" x 1000) {
	case 'STLS: a client that sends ' . (show(substr $what, 0, 20) ||
	    'nothing') . ' and waits' => sub {
		my $box = box(args => ['-l', 1]);
		my $s = offered($box, ['-k', 1]);

		like($s->command('STLS'), qr/^\+OK/, 'STLS');
		$s->send_raw($what);
		unlike($s->slurp, qr/\+OK|-ERR/, 'no reply, but the end');
		is($s->wait, 0, 'exit status');
		like($box->log, $FAILED, 'the log');
		is($box->login(args => ['-l', 60])->command('STAT'),
		    '+OK 2 48', 'the next session');
	};
}

# The answer to 'Y' is input like any other.
for my $answer ('\0\0', 'SSL_TLS_SNI_SERVERNAME\0\0', 'X=' . 'y' x 4000 . '\0\0',
    'SSL_PROTOCOL=\0SSL_CIPHER\0\0', '=\0==\0\0',
    'SSL_PROTOCOL=a\n' . 'x login user="root" b\0\0') {
	case 'STLS: the parent answers ' . show(substr $answer, 0, 50) => sub {
		my $box = box();

		is(log_in(secured($box, ['-a', $answer]))->command('STAT'),
		    '+OK 2 48', 'POP3 goes on');
		unlike($box->log, qr/^x| login user="?root/m,
		    'the log has no line of his');
		is(scalar(grep { !/^\w{3} [ \d]\d [\d:]{8} popper\[\d+\]: / }
		    split /\n/, $box->log), 0, 'and whole lines');
	};
}
case 'STLS: an answer without end is no answer' => sub {
	my $box = box(args => ['-l', 1]);

	for my $answer ('x' x 5000, 'x\0' x 3000, '', 'SSL_PROTOCOL=TLSv1.3\0') {
		my $s = offered($box, ['-a', $answer]);
		$s->command('STLS');
		$tls->secure($s);
		$s->send('USER alice', 'PASS s3cret');
		unlike($s->slurp, qr/\+OK/, length($answer) . ' octets');
		is($s->wait, 0, 'exit status');
	}
	unlike($box->log, qr/ login user=/, 'no login');
};

case 'STLS: the line is lost under TLS: no update' => sub {
	for my $how (qw(close reset)) {
		my $box = box();
		my $s = log_in(secured($box, []));

		$s->command('DELE 1');
		if ($how eq 'close') {
			$s->close;
		} else {
			# as Session does it, on the socket below
			$s->{read}->close(SSL_no_shutdown => 1);
			delete @$s{qw(read write)};
		}
		is($s->wait, 0, "$how: exit status");
		like($box->log, qr/ end .* reason=lost /, 'the log');
		is($box->spool, FX1, 'the mail');
	}
};

case 'STLS: two users, one right after the other and at the same time' => sub {
	my $box = box(accounts => { alice => 's3cret', bob => 'b0b' });
	my @user = (['alice', 's3cret', 'one'], ['bob', 'b0b', 'letter 7']);

	$box->put(letter(7), 'bob');
	for my $user (@user, reverse @user) {
		my $s = log_in(secured($box, []), @$user[0, 1]);
		like($s->text('RETR 1'), qr/^Subject: $user->[2]\r$/m,
		    "$user->[0] has his own mail");
		$s->quit;
	}
	my @s = map { secured($box, []) } @user, @user;
	log_in($s[$_], @{ $user[$_] }[0, 1]) for 0, 1;
	for (2, 3) {
		$s[$_]->command("USER $user[$_ - 2][0]");
		like($s[$_]->command("PASS $user[$_ - 2][1]"),
		    qr/^-ERR \[IN-USE\]/, 'locked under TLS as without');
	}
	like($s[$_]->text('RETR 1'), qr/^Subject: $user[$_][2]\r$/m,
	    "$user[$_][0] at the same time") for 1, 0;
};

# Behind a super-server, for programs that know nothing of this test; without
# TLS no password would be taken.
subtest 'STLS: real clients' => sub {
	my $wrapper = $tls->dir . '/popper';
	Service::write_file($wrapper, "#!/bin/sh\nexec " . join(' ',
	    map { "'$_'" } $tls->parent, $Popper::binary) . " \"\$@\"\n", 0755);
	my $pop = Service->new(spool => FX1, popper => $wrapper,
	    args => ['-P', 'tls']);
	my $port = $pop->start('superserver');

	$tls->fetch_with_clients($pop, port => $port, tls => 0);
	$pop->remove;
};

done_testing;
