# TLS by stunnel, with the recipes of contrib/stunnel as they are, apart from
# paths and ports: RFC 8314 3.1, RFC 2595 4.

use strict;
use warnings;

use FindBin qw($Bin);
use IO::Socket::INET;
use Test::More;
use Popper;
use Service;
use Tls;

Tls::needed();
my $stunnel = Service::find('stunnel4') // Service::find('stunnel')
    // plan skip_all => 'stunnel is not installed';
my $tls = Tls->new;

# Files in place of those the recipes name, and what popper needs for them.
sub recipe {
	my ($name, $pop, %port) = @_;
	my $text = Service::read_file("$Bin/../contrib/stunnel/$name")
	    // die "no recipe $name\n";
	my ($popper, @args) = ($pop->{popper}, $pop->command);
	my $args = join ' ', @args[1 .. $#args];

	s/^execArgs = .*\K/ $args/m, s/^exec = \K.*/$popper/m,
	    s/^cert = \K.*/$tls->cert/me, s/^key = \K.*/$tls->key/me,
	    s/^accept = \K.*/127.0.0.1:$port{accept}/m,
	    s/^connect = \K.*/127.0.0.1:$port{connect}/m for $text;
	$text =~ s/^set[ug]id = .*\n//mg if $> != 0;
	my $file = "$pop->{dir}/$name";
	Service::write_file($file, $text);
	return $file;
}

# A maildrop, and stunnel in front of it by a recipe; all gone when the
# object is.
sub front {
	my ($name, %connect) = @_;
	my $pop = Service->new(spool => FX1, args => []);
	$pop->{args} = ['-t', "$pop->{dir}/trace"];
	my $port = Service::free_port();
	my $file = recipe($name, $pop, accept => $port, %connect);
	my $pid = Service::spawn("$pop->{dir}/stunnel.out", $stunnel, $file);

	$pop->{server} = $pid;		# stop() ends it
	eventually { my $s = talk($port) and 1 }
	    or die 'stunnel does not serve: ',
	    Service::read_file("$pop->{dir}/stunnel.out"), "\n";
	eventually { sessions_over($pop) };
	unlink "$pop->{dir}/trace";
	return ($pop, $port, $pid);
}

# A TCP connection; one under TLS, both as a Service::Talk.
sub talk {
	my ($port, $from) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	    PeerPort => $port, LocalAddr => $from // '127.0.0.1',
	    Timeout => 10) or return undef;
	return bless { socket => $socket }, 'Service::Talk';
}

sub secured {
	my ($port, $from) = @_;
	my $s = talk($port, $from) or die "connect: $!\n";
	IO::Socket::SSL->start_SSL($s->{socket}, $tls->trust)
	    or die 'no TLS: ' . IO::Socket::SSL::errstr() . "\n";
	return $s;
}

sub log_in {
	my ($s) = @_;
	like($s->line, qr/^\+OK popper .* ready\.$/, 'the greeting');
	$s->ask('USER alice');
	like($s->ask('PASS s3cret'), qr/^\+OK/, 'a login');
	return $s;
}

sub trace { return Service::read_file("$_[0]{dir}/trace") // '' }

# Has every session in the trace come to its end?
sub sessions_over {
	my $trace = trace(@_);
	return (() = $trace =~ / start /g) == (() = $trace =~ / end /g);
}

# What the server's certificate says it is; nothing while the server, at that
# very moment, is taking a new one.
sub unit {
	my ($port) = @_;
	my $s = eval { secured($port) } or return '';
	return $s->{socket}->peer_certificate('subject') =~ m{OU=(\w+)} ?
	    $1 : '';
}

case 'pop3s: real clients over TLS from the first octet [RFC 8314 3.1]' => sub {
	my ($pop, $port) = front('popper-pop3s.conf');
	$tls->fetch_with_clients($pop, port => $port, tls => 1);
	$pop->remove;
};

case 'pop3s: the greeting comes under TLS, STLS is not on offer [RFC 8314 3.1, RFC 2595 4]'
    => sub {
	my ($pop, $port) = front('popper-pop3s.conf');

	my $s = talk($port);
	$s->{socket}->print("CAPA\r\nUSER alice\r\n");
	unlike($s->rest, qr/\+OK|-ERR/, 'nothing in the clear');
	unlike(trace($pop), qr/ start /, 'and no popper is run');

	$s = secured($port, '127.0.0.2');
	like($s->line, qr/^\+OK/, 'a greeting');
	like($s->ask('CAPA'), qr/^\+OK/, 'CAPA');
	my $capa = $s->text;
	unlike($capa, qr/^STLS/m, 'without STLS');
	like($capa, qr/^USER\n(.*\n)*SASL PLAIN\n/m, 'with USER and SASL');
	like($s->ask('STLS'), qr/^-ERR/, 'STLS');
	like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
	is($s->rest, '', 'the end');
	eventually { trace($pop) =~ / end / };
	like(trace($pop), qr/ start addr=127\.0\.0\.2 /,
	    'the log has the address of the client');

	$s = talk($port);
	ok(!IO::Socket::SSL->start_SSL($s->{socket}, $tls->trust,
	    SSL_version => 'TLSv1_1', SSL_cipher_list => 'ALL:@SECLEVEL=0'),
	    'TLS 1.1 is refused [RFC 8314 4]');
	$pop->remove;
};

# As they are written, but for the port: on all addresses of the machine.
for my $name (qw(popper-pop3s.conf popper-proxy.conf popper-stls.conf)) {
	case "$name: clients come by IPv6 and by IPv4" => sub {
		require IO::Socket::IP;
		plan skip_all => 'no IPv6 loopback here' unless
		    IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
		my ($host) = slurp("$Bin/../contrib/stunnel/$name") =~
		    /^accept = (.*:)?\d+$/m;
		my $port = Service::free_port();
		my $where = ($host // '') . $port;
		my $pop = Service->new(spool => FX1, args => []);
		my $file = recipe($name, $pop, accept => $port, connect => 9);

		Service::write_file($file,
		    slurp($file) =~ s/^accept = .*/accept = $where/mr);
		$pop->{server} = Service::spawn("$pop->{dir}/stunnel.out",
		    $stunnel, $file);
		for my $address ('::1', '127.0.0.1') {
			ok((eventually { IO::Socket::IP->new(PeerHost => $address,
			    PeerPort => $port) }), $address);
		}
		$pop->remove;
	};
}

case 'pop3s: a new certificate is taken without a session lost' => sub {
	my ($pop, $port, $pid) = front('popper-pop3s.conf');
	eventually { unit($port) ne '' };	# it listens before it knows HUP
	$tls->certify('old');
	kill 'HUP', $pid;
	ok((eventually { unit($port) eq 'old' }), 'before');

	my $s = log_in(secured($port));
	$tls->certify('new');
	is(unit($port), 'old', 'still the old one');
	kill 'HUP', $pid;
	ok((eventually { unit($port) eq 'new' }), 'the new one');
	like($s->ask('RETR 1'), qr/^\+OK/, 'the session goes on');
	like($s->text, qr/^Subject: one$/m, 'with its mail');
	like($s->ask('DELE 1'), qr/^\+OK/, 'DELE');
	like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
	unlike($pop->spool, qr/^Subject: one$/m, 'the update is done');
	$pop->remove;
};

case 'pop3s: a client that stops in the handshake holds up nobody' => sub {
	my ($pop, $port) = front('popper-pop3s.conf');
	my @idle = map { talk($port) } 1 .. 5;

	$_->{socket}->print("\026\003\001\002\000\001") for @idle[0 .. 2];
	my $s = log_in(secured($port));
	is($s->ask('STAT'), '+OK 2 48', 'another session');
	is((() = trace($pop) =~ / start /g), 1, 'popper is run once');
	$pop->remove;
};

case 'inetd: one stunnel for each connection' => sub {
	my $pop = Service->new(spool => FX1, args => []);
	my $out = "$pop->{dir}/superserver.out";

	$pop->{args} = ['-t', "$pop->{dir}/trace"];
	$pop->{server} = Service::spawn($out, $^X, "$Bin/superserver", 0,
	    $stunnel, recipe('popper-inetd.conf', $pop));
	my ($port) = eventually { (slurp($out) // '') =~ /^(\d+)$/m && $1 };
	for (1, 2) {
		my $s = log_in(secured($port, '127.0.0.2'));
		is($s->ask('STAT'), '+OK 2 48', 'STAT');
		like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
		is($s->rest, '', 'the end');
	}
	eventually { sessions_over($pop) };
	like(trace($pop), qr/ start addr=127\.0\.0\.2 /, 'the address');
	$pop->remove;
};

case 'STLS by stunnel: real clients [RFC 2595 4]' => sub {
	my ($pop, $port) = front('popper-stls.conf');
	$tls->fetch_with_clients($pop, port => $port, tls => 0);
	$pop->remove;
};

case 'STLS by stunnel: nobody logs in without, nor by what came before it' => sub {
	my ($pop, $port) = front('popper-stls.conf');

	for my $lines ("USER alice\r\nPASS s3cret\r\nSTAT\r\n",
	    "AUTH PLAIN AGFsaWNlAHMzY3JldA==\r\nSTAT\r\n",
	    "CAPA\r\nUSER alice\r\nPASS s3cret\r\n",
	    "STLS\r\nUSER alice\r\nPASS s3cret\r\nSTAT\r\n") {
		my $s = talk($port);
		like($s->line, qr/^\+OK/, 'the greeting');
		$s->{socket}->print($lines);
		unlike($s->rest, qr/messages|password/i, show($lines));
	}
	my $s = talk($port, '127.0.0.2');
	$s->line;
	like($s->ask('STLS'), qr/^\+OK/, 'STLS');
	ok(IO::Socket::SSL->start_SSL($s->{socket}, $tls->trust), 'TLS');
	like($s->ask('USER alice'), qr/^\+OK/, 'USER');
	like($s->ask('PASS s3cret'), qr/^\+OK/, 'a login');
	is((() = trace($pop) =~ / login user=/g), 1, 'the only one');
	like(trace($pop), qr/ login user=alice addr=127\.0\.0\.2 /,
	    'the address');
	$pop->remove;
};

case 'PROXY: stunnel is an ordinary user, and popper is told the address' => sub {
	plan skip_all => 'no user stunnel4' if $> == 0 &&
	    !defined getpwnam 'stunnel4';
	my $back = Service->new(spool => FX1, args => []);
	my $out = "$back->{dir}/superserver.out";
	$back->{args} = ['-T', '-H', 'on', '-t', "$back->{dir}/trace"];
	my (undef, @args) = $back->command;
	$back->{server} = Service::spawn($out, $^X, "$Bin/superserver", 0,
	    $back->{popper}, @args);
	my ($inner) = eventually { (slurp($out) // '') =~ /^(\d+)$/m && $1 };
	my ($pop, $port, $pid) = front('popper-proxy.conf',
	    connect => $inner);

	if ($> == 0) {
		my ($uid) = slurp("/proc/$pid/status") =~ /^Uid:\s+(\d+)/m;
		is($uid, scalar getpwnam 'stunnel4', 'whose process it is');
	}
	my $s = log_in(secured($port, '127.0.0.2'));
	is($s->ask('STAT'), '+OK 2 48', 'STAT');
	$s->ask('QUIT');
	like(trace($back), qr/ login user=alice addr=127\.0\.0\.2 /,
	    'the address');
	$s = talk($inner);
	$s->{socket}->print("USER alice\r\n");
	is($s->rest, '', 'without the header nobody is served');
	$_->remove for $pop, $back;
};

done_testing;
