# Two hosts, one store: a session is the only one of its user, on whatever host;
# what it leaves is there for the next one on the other.

use strict;
use warnings;

use FindBin qw($Bin);
use lib $Bin, "$Bin/../lib";
use Test::More;
use Popper;
use Site;
use Mail;

my $site = Site->here;
my @ids = map { "m.$_" } 1 .. 20;
my $text = join '', map { Mail::entry($_) } @ids;

case 'a second session is told IN-USE, on this host and the other' => sub {
	$site->put('user1', $text);
	for my $host (@Site::poppers) {
		my $s = $site->session($host, 'user1');

		for my $other (@Site::poppers) {
			like(Site::log_in($site->connect($other), 'user1'),
			    qr/^-ERR \[IN-USE\]/, "a session on $host, a login on $other");
		}
		like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
	}
};

case 'the same through HAProxy, which spreads the connections' => sub {
	my $s = $site->client;
	like(Site::log_in($s, 'user1'), qr/^\+OK/, 'a session on ' . Site::at_host($s));
	my @others = map { $site->client } 1 .. 4;
	my %at = map { Site::at_host($_) => 1 } @others;

	is(join(' ', sort keys %at), 'one two', 'connections on both hosts');
	like(Site::log_in($_, 'user1'), qr/^-ERR \[IN-USE\]/, 'IN-USE on ' .
	    Site::at_host($_)) for @others;
	like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
};

case 'when a connection breaks, the other host has the maildrop at once' => sub {
	my $s = $site->session('one', 'user1');
	my $other;

	close $s->{socket};
	ok(eventually { $other = eval { $site->session('two', 'user1') } },
	    'a session on the other host');
	is($other->ask('STAT') =~ s/ \d+$//r, '+OK 20', 'with all messages');
	$other->ask('QUIT');
};

case 'the index that one host has written serves the other' => sub {
	$site->put('user2', $text);
	sleep 1;			# the clock has to move on
	$site->session('one', 'user2')->ask('QUIT');
	my $scans = $site->scans;
	for my $turn (1 .. 4) {
		for my $host (reverse @Site::poppers) {
			my $s = $site->session($host, 'user2');
			is($s->ask('STAT') =~ s/ \d+$//r, '+OK 20', "STAT on $host");
			like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
		}
	}
	is($site->scans - $scans, 0, 'no scan in 8 polls on two hosts in turn');
};

case 'a message delivered on one host is there on the other at once' => sub {
	my @habits = ('fcntl', 'dotlock', 'dotlock,fcntl', 'fcntl,dotlock',
	    'procmail', 'maildrop');
	my @have = @ids;

	$site->put('user3', $text);
	for my $turn (0 .. $#habits) {
		my ($here, $there) = @Site::poppers[$turn % 2, 1 - $turn % 2];
		my $s = $site->session($there, 'user3');

		push @have, "new$turn.1";
		ok($site->delivered($here, $habits[$turn], 'user3', "new$turn", 1),
		    "$habits[$turn] on $here, during a session on $there");
		like($s->ask('DELE 1'), qr/^\+OK/, 'DELE');
		shift @have;
		like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
		$s = $site->session($there, 'user3');
		my ($n) = $s->ask('STAT') =~ /^\+OK (\d+) /;
		$s->ask("RETR $n");
		is(Mail::identify($s->text), "new$turn.1", 'the next session has it');
		$s->ask('QUIT');
		is(join(' ', Mail::in_mbox($site->spool('user3'))), "@have",
		    'and every other message but the deleted one');
	}
};

# What popper -n -S says on both hosts at once.
sub compared {
	my %said = map { $_ => $site->file($_, 'compared') } @Site::poppers;
	my @pids = map { $site->start($_, $said{$_}, $Popper::binary, '-n', '-S') }
	    @Site::poppers;

	waitpid $_, 0 for @pids;
	return map { join '', grep { /  hosts: / } split /^/, Popper::slurp($said{$_}) }
	    @Site::poppers;
}

case 'popper -n -S: the hosts see the same' => sub {
	my $same = 'ok    hosts: each has seen at once what the other changed, here and on';

	is_deeply([ compared() ], [ "$same two\n", "$same one\n" ], 'both say so');
};

case 'popper -n -S: not with the defaults of the store' => sub {
	$site->forget;
	my @said = compared();
	$site->ask_again;
	like($_, qr/^FAIL  hosts: /, 'FAIL') for @said;
	like(join('', @said), qr/still sees the old/, 'and one says what it saw');
};

case 'without -S there is no login' => sub {
	like(scalar $site->ask('one', 'sh', '-c', "printf '%s\\r\\n' 'USER user4' 'PASS s3cret' QUIT | " .
	    "$Popper::binary -P always"), qr/^-ERR \[SYS\/PERM\] The spool is on a network/m,
	    'the reply');
};

done_testing;
