# The canonical name of a client: looked up for the log when it has gone.  The
# names are those of an /etc/hosts of our own, in a mount namespace.

use strict;
use warnings;

use Test::More;
use Popper;

# A command in front of popper's that has these hosts, and takes -r away.
sub with_hosts {
	my ($box, $hosts) = @_;

	$box->put_file($box->dir . '/hosts', "127.0.0.1 localhost\n$hosts");
	$box->put_file($box->dir . '/nsswitch.conf', "hosts: files\n");
	return 'unshare', '-m', '--propagation', 'private', $^X, '-e', <<~'END', $box->dir;
		my $dir = shift;
		for ('hosts', 'nsswitch.conf') {
			system('mount', '--bind', "$dir/$_", "/etc/$_") == 0 or exit 99;
		}
		exec grep { $_ ne '-r' } @ARGV;
		END
}

# What the log has about the name of a client at 192.0.2.7.
sub named {
	my ($hosts, $no_r) = @_;
	my $box = box();
	my @under = with_hosts($box, $hosts);
	my $s;

	chmod 0755, $box->dir;
	plan skip_all => 'no mount namespace can be made'
	    if system(@under, 'true') != 0;
	$s = $box->login(over => 'pipe', under => $no_r ? [] : \@under,
	    env => { TCPREMOTEIP => '192.0.2.7' });
	is($s->command('STAT'), '+OK 2 48', 'it is served');
	$s->quit;
	like($box->log, qr/ login user=alice addr=192\.0\.2\.7 /, 'from there');
	return join '', $box->log =~ /\]: name (.*\n)/g;
}

case 'a name that leads back to the address: no warning' => sub {
	needs('root');
	is(named("192.0.2.7 client.example.org\n"),
	    "addr=192.0.2.7 name=client.example.org\n", 'a debug line');
};

case 'no name: a warning, and the session is served' => sub {
	needs('root');
	like(named(''), qr/^addr=192\.0\.2\.7 warning=none: unable to get canonical name of client: /,
	    'the warning');
};

case '-r: nothing is looked up' => sub {
	is(named("192.0.2.7 client.example.org\n", 1), '', 'nothing is said');
};

done_testing;
