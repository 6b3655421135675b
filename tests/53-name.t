# The canonical name of a client: looked up for the log when it has gone.  The
# names are those of an /etc/hosts of our own, in a mount namespace, or of a name
# server that never answers.

use strict;
use warnings;

use IO::Socket::INET;
use Test::More;
use Popper;

my $DEAD = '127.9.9.9';		# where the name server does not answer

# A command in front of popper's that has these hosts, or asks the dead server
# where they are undef, and takes -r away.
sub with_hosts {
	my ($box, $hosts) = @_;
	my $dns = defined $hosts ? '' : ' dns';

	$box->put_file($box->dir . '/hosts', "127.0.0.1 localhost\n"
	    . ($hosts // ''));
	$box->put_file($box->dir . '/nsswitch.conf', "hosts: files$dns\n");
	$box->put_file($box->dir . '/resolv.conf', "nameserver $DEAD\n");
	# the account must be able to read them
	chmod 0644, map { $box->dir . "/$_" } qw(hosts nsswitch.conf resolv.conf);
	return 'unshare', '-m', '--propagation', 'private', $^X, '-e', <<~'END', $box->dir;
		my $dir = shift;
		for ('hosts', 'nsswitch.conf', 'resolv.conf') {
			system('mount', '--bind', "$dir/$_", "/etc/$_") == 0 or exit 99;
		}
		exec grep { $_ ne '-r' } @ARGV;
		END
}

# A session of a client at 192.0.2.7, in TRANSACTION.
sub client {
	my ($box, $hosts, $no_r) = @_;
	my @under = with_hosts($box, $hosts);
	my $s;

	chmod 0755, $box->dir;
	plan skip_all => 'no mount namespace can be made'
	    if system(@under, 'true') != 0;
	$s = $box->login(over => 'pipe', under => $no_r ? [] : \@under,
	    env => { TCPREMOTEIP => '192.0.2.7' });
	is($s->command('STAT'), '+OK 2 48', 'it is served');
	return $s;
}

# What the log has about its name.
sub said {
	my ($box) = @_;
	like($box->log, qr/ login user=alice addr=192\.0\.2\.7 /, 'from there');
	return join '', $box->log =~ /\]: name (.*\n)/g;
}

sub named {
	my ($hosts, $no_r) = @_;
	my $box = box();

	client($box, $hosts, $no_r)->quit;
	return said($box);
}

case 'a name that leads back to the address: no warning' => sub {
	needs('root');
	is(named("192.0.2.7 client.example.org\n"),
	    "addr=192.0.2.7 name=client.example.org\n", 'a debug line');
};

case 'no name: a warning, and the session is served' => sub {
	needs('root');
	# a resolver that nobody answers may wait for more than the two seconds
	like(named(''), qr/^addr=192\.0\.2\.7 warning=(?:none: unable to get canonical name of client: |timeout: )/,
	    'the warning');
};

# The resolver itself waits for 10 seconds or more.
case 'a dead name server: asked for two seconds, and that is said' => sub {
	needs('root');
	my $server = IO::Socket::INET->new(LocalAddr => $DEAD, LocalPort => 53,
	    Proto => 'udp') or plan skip_all => "no port 53 at $DEAD: $@";
	my $box = box();
	my $s = client($box, undef);
	my $start = now();

	$s->quit;
	cmp_ok(now() - $start, '<', 5, 'the process has ended');
	is(said($box), "addr=192.0.2.7 warning=timeout: no answer about the "
	    . "client's name in 2 seconds\n", 'the warning');
	$server->blocking(0);
	ok(defined $server->recv(my $question, 512), 'it was asked');
};

case 'a dead name server: SIGTERM is not kept waiting' => sub {
	needs('root');
	my $server = IO::Socket::INET->new(LocalAddr => $DEAD, LocalPort => 53,
	    Proto => 'udp') or plan skip_all => "no port 53 at $DEAD: $@";
	my $box = box();
	my $s = client($box, undef);

	$s->kill('TERM');
	$s->slurp;
	is($s->wait, 0, 'exit status');
	is(said($box), '', 'nobody is asked');
};

case '-r: nothing is looked up' => sub {
	is(named("192.0.2.7 client.example.org\n", 1), '', 'nothing is said');
};

done_testing;
