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

case 'a client that stops reading: no memory, then the time-out [RFC 1939 3]' => sub {
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
