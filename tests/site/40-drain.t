# A host is taken out and back by HAProxy's runtime socket, as for maintenance:
# its sessions end by themselves, new ones go to the other host, and none fails.

use strict;
use warnings;

use FindBin qw($Bin);
use lib $Bin, "$Bin/../lib";
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);
use Popper;
use Site;
use Mail;

my $site = Site->here;
my $dir = $site->file('front');
my $CLIENTS = 4;

# A command to HAProxy; what it says.
sub haproxy {
	my ($command) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => "$dir/haproxy/socket")
	    or die "HAProxy's socket: $!\n";

	print $socket "$command\n";
	$socket->shutdown(1);
	local $/;
	return <$socket> // '';
}

# Connections to a host that HAProxy has now.
sub connections {
	my ($host) = @_;
	my ($line) = grep { /^popper,$host,/ } split /\n/, haproxy('show stat');
	return (split /,/, $line)[4];
}

# Sessions of a user, one after another, until told to stop; each has its host
# noted, or why it failed.
sub sessions {
	my ($user) = @_;
	my $pid = fork // die "fork: $!";

	if ($pid == 0) {
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
		open my $list, '>', "$dir/sessions.$user" or POSIX::_exit(1);
		$list->autoflush(1);
		until (-e "$dir/enough") {
			my $host = eval { one_session($user) };
			print $list $host // "failed: $@", "\n";
		}
		POSIX::_exit(0);
	}
	return $pid;
}

sub one_session {
	my ($user) = @_;
	my $s = $site->client;

	for my $line ("USER $user", 'PASS s3cret', 'RETR 1') {
		my $reply = $s->ask($line);
		die "$line: $reply" unless $reply =~ /^\+OK/;
	}
	Mail::identify($s->text =~ s/^Status: .*\n//mr) eq 'm.1' or die 'not m.1';
	$s->ask('QUIT') =~ /^\+OK/ or die 'QUIT';
	return Site::at_host($s);
}

# The hosts of all sessions of the clients since the last look.
sub hosts_since {
	our %seen;
	my %host;

	for my $user (map { "user$_" } 1 .. $CLIENTS) {
		my @lines = split /\n/, slurp("$dir/sessions.$user") // '';
		$host{$_}++ for @lines[($seen{$user} // 0) .. $#lines];
		$seen{$user} = @lines;
	}
	return join ' ', sort keys %host;
}

case 'a host is drained, restarted and taken back without a failed session' => sub {
	unlink "$dir/enough", glob "$dir/sessions.*";
	$site->put("user$_", Mail::entry('m.1')) for 1 .. $CLIENTS + 1;
	my $open;
	eventually {
		$open = $site->client;
		Site::at_host($open) eq 'one';
	};
	like(Site::log_in($open, 'user' . ($CLIENTS + 1)), qr/^\+OK/,
	    'a session on one that stays open');
	my @clients = map { sessions("user$_") } 1 .. $CLIENTS;
	sleep 3;
	is(hosts_since(), 'one two', 'sessions on both hosts');

	haproxy('set server popper/one state drain');
	ok((eventually { connections('one') == 1 }), 'drained: all end but the open one');
	hosts_since();
	sleep 3;
	is(hosts_since(), 'two', 'the new ones are on two');
	like($open->ask('RETR 1'), qr/^\+OK/, 'the open session goes on');
	$open->text;
	like($open->ask('QUIT'), qr/^\+OK/, 'to its end');
	close $open->{socket};
	ok((eventually { connections('one') == 0 }), 'and the host is free');

	haproxy('set server popper/one state maint');
	$site->signal('one', 'TERM', 'inetd -i');
	$site->mount_mail('one', $site->options);
	$site->serve('one');
	haproxy('set server popper/one state ready');
	ok((eventually { hosts_since() =~ /one/ }), 'it is back, and gets sessions');
	open my $fh, '>', "$dir/enough" or die "enough: $!";
	waitpid $_, 0 for @clients;
	my @all = map { split /\n/, slurp($_) } glob "$dir/sessions.*";
	is(join("\n", grep { !/^(?:one|two)$/ } @all), '', @all . ' sessions, none failed');
};

done_testing;
