# Sessions that end without QUIT: nothing is removed, RFC 1939 3 and 6.

use strict;
use warnings;

use Test::More;
use Popper;

my %loss = (
	'the client hangs up' => [ lost => sub { $_[0]->close } ],
	'the client resets the connection' => [ lost => sub { $_[0]->reset } ],
	'the daemon gets SIGTERM' => [ signal => sub { $_[0]->kill('TERM') } ],
	'the daemon gets SIGHUP' => [ signal => sub { $_[0]->kill('HUP') } ],
	'the daemon gets SIGKILL' => [ undef, sub { $_[0]->kill('KILL') } ],
);

for my $what (sort keys %loss) {
	my ($reason, $happen) = @{ $loss{$what} };

	case "loss: $what, and the maildrop stays as it was [RFC 1939 6]" => sub {
		my $box = box();
		my $before = $box->stat;
		my $s = $box->login(over => 'tcp');

		$s->text('RETR 2');
		$s->command('DELE 1');
		$happen->($s);
		my $status = $s->wait;
		if (defined $reason) {
			is($status, 0, 'exit status');
			like($box->log, qr/ end user=alice .*reason=$reason/,
			    'the log knows why');
		}
		is($box->spool, FX1, 'the spool');
		is($box->stat->{mtime}, $before->{mtime}, 'its time');
		is($box->login->command('STAT'), '+OK 2 48',
		    'the next login comes at once and finds it all');
	};
}

case 'loss: a signal sends nothing to the client' => sub {
	my $s = box()->login;

	$s->kill('TERM');
	is($s->slurp, '', 'no octet');
};

case 'loss: the client goes in the middle of a message' => sub {
	for my $way (qw(close reset)) {
		my $text = letter(1, body => alnum(5_000_000)) . letter(2);
		my $box = box(spool => $text);
		my $s = $box->login(over => 'tcp');

		$s->command('DELE 2');
		$s->send('RETR 1');
		$s->read_line;
		$s->$way;
		is($s->wait, 0, "exit status after $way");
		is($box->spool eq $text, 1, 'the spool');
		like($box->log, qr/reason=lost .*retrieved=0/, 'not retrieved');
		is($box->login->command('LAST') =~ s/ is.*//r, '+OK 0', 'LAST');
	}
};

case 'loss: QUIT is done even when nobody waits for its reply [RFC 1939 6]' => sub {
	my $box = box();
	my $s = $box->login;

	$s->send('DELE 1', 'QUIT');
	$s->close;
	is($s->wait, 0, 'exit status');
	unlike($box->spool, qr/one/, 'the message is gone');
};

case 'idle: over the limit the line closes without a word [RFC 1939 3]' => sub {
	my $box = box();
	my $s = $box->login(args => ['-i', 2]);

	$s->command('DELE 1');
	is($s->slurp, '', 'nothing is sent');
	is($s->wait, 0, 'exit status');
	is($box->spool, FX1, 'nothing is removed');
	like($box->log, qr/ end user=alice .*reason=timeout/, 'the log knows why');
};

case 'idle: the limit is not shorter than it says, and a command renews it' => sub {
	my $s = box()->login(args => ['-i', 2]);
	my $start = now();

	while (now() - $start < 3) {
		is($s->command('NOOP'), '+OK ', 'still there');
		Time::HiRes::sleep(0.6);
	}
	my $last = now();
	$s->command('NOOP');
	is($s->slurp, '', 'then closed');
	cmp_ok(now() - $last, '>=', 2, 'not before two seconds');
};

case 'idle: half a command does not renew it' => sub {
	my $s = box()->login(args => ['-i', 2]);
	my $start = now();

	while (now() - $start < $Popper::patience) {
		$s->send_raw('x') or last;
		Time::HiRes::sleep(0.5);
	}
	cmp_ok(now() - $start, '<', $Popper::patience, 'the daemon hung up');
};

case 'a client that vanishes: the kernel asks for it, and ends it in two minutes' => sub {
	plan skip_all => 'options of Linux' if $^O ne 'linux';
	my $wire_up = \&Popper::Session::wire_up;
	my $socket;

	no warnings 'redefine';
	local *Popper::Session::wire_up = sub {
		my ($in, $out) = $wire_up->(@_);
		open $socket, '<&', $in or die "dup: $!";
		return ($in, $out);
	};
	my $s = box()->login(over => 'tcp');
	my %is = map { $_->[0] => unpack 'i', getsockopt $socket, $_->[1], $_->[2] }
	    ([ SO_KEEPALIVE => Socket::SOL_SOCKET(), Socket::SO_KEEPALIVE() ],
	    [ TCP_KEEPIDLE => Socket::IPPROTO_TCP(), Socket::TCP_KEEPIDLE() ],
	    [ TCP_KEEPINTVL => Socket::IPPROTO_TCP(), Socket::TCP_KEEPINTVL() ],
	    [ TCP_KEEPCNT => Socket::IPPROTO_TCP(), Socket::TCP_KEEPCNT() ]);

	is_deeply(\%is, { SO_KEEPALIVE => 1, TCP_KEEPIDLE => 60,
	    TCP_KEEPINTVL => 15, TCP_KEEPCNT => 4 }, 'asked after 60 seconds');
	CORE::close $socket;
	$s->quit;
};

# A session that sends NOOP under strace; with a place and an error its lines of
# the log, without them the place: how many such calls there are up to that one.
sub noop {
	my ($call, $n, $errno) = @_;
	my $box = box();
	my $trace = $box->dir . '/strace';
	my $s = $box->login(over => 'tcp', under => [ strace($trace, '-e',
	    "trace=$call", $n ? ('-e', "inject=$call:error=$errno:when=$n") : ()) ]);

	$s->send('NOOP');
	$s->reply('NOOP') unless $n;
	$s->close unless $n;
	$s->wait;
	return join '', $box->log =~ /\]: (?=end|connection)(.* reason=\w+|.*\n)/g
	    if $n;
	my @calls = grep { /\b$call\(/ } straced($trace);
	my ($at) = grep { $calls[$_] =~ /$call\((?:0, "NOOP|1, "\+OK \\r)/ } 0 .. $#calls;
	return $at + 1;
}

# What the kernel then says of the socket, by a call that strace makes fail.
case 'a client that vanishes: the connection is lost, and nothing is wrong here'
    => sub {
	needs('strace', 'plain');
	for my $call ('read', 'write') {
		my $n = noop($call);

		for my $errno ('ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH',
		    'ECONNRESET') {
			is(noop($call, $n, $errno),
			    'end user=alice addr=127.0.0.1 reason=lost',
			    "$call: $errno");
		}
		is(noop($call, $n, 'EIO'), 'connection user=alice: Input/output '
		    . "error\nend user=alice addr=127.0.0.1 reason=error",
		    "$call: another error");
	}
};

case 'a client that stops reading: no memory, then the time-out [RFC 1939 3]' => sub {
	needs('native');
	my $box = box(spool => letter(1, body => alnum(30_000_000)));
	my $s = $box->login(args => ['-i', 2]);

	$s->send('RETR 1');
	$s->read_line;
	unless (Popper::instrumented() || !-r "/proc/$$/status") {
		my $most = 0;
		for (1 .. 10) {
			Time::HiRes::sleep(0.1);
			my $now = memory($s->pid);
			$most = $now if $now > $most;
		}
		cmp_ok($most, '<', 4096, 'kilobytes of its own, meanwhile');
	}
	is($s->wait, 0, 'it ends by itself');
	like($box->log, qr/ end user=alice .*reason=timeout/, 'the log knows why');
};

case 'a client that never reads its replies' => sub {
	my $box = box();
	my $s = $box->login(args => ['-i', 2]);

	# The socket takes no more at some point; then the daemon must go.
	eventually {
		my $ready = IO::Select->new($s->{write});
		$s->send_raw("LIST\r\n" x 100) if $ready->can_write(0);
		!$ready->can_write(0.2);
	} or die 'the daemon keeps replies without end';
	is($s->wait, 0, 'it ends by itself');
	is($box->spool, FX1, 'the spool');
};

done_testing;
