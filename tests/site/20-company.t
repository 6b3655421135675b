# In company: agents of every locking habit deliver on both hosts, while clients
# fetch and delete through HAProxy, by sessions on both hosts.  At the end each
# message is accounted for exactly once.  MESSAGES (2000) is how many at least.

use strict;
use warnings;

use FindBin qw($Bin);
use lib $Bin, "$Bin/../lib";
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);
use Popper;
use Site;
use Mail;

my $site = Site->here;
my $messages = $ENV{MESSAGES} // 2000;
my $dir = $site->file('front');

# Agents that know only one lock, and not the same one, tear each other's
# messages; so there are two companies.  Each has two users, and the agents that
# are on one host for the first are on the other for the second.
my @both = ('dotlock,fcntl', 'fcntl,dotlock', 'maildrop', 'procmail');
my %company = (user1 => [ 'dotlock', @both ], user2 => [ 'dotlock', @both ],
    user3 => [ 'fcntl', @both ], user4 => [ 'fcntl', @both ]);

# These sleep whole seconds where they find a lock, so they get fewer messages.
my %slow = (maildrop => 1, procmail => 1);
my ($many, $few) = (POSIX::ceil($messages / 13), POSIX::ceil($messages / 50));

# The agents: each its user, host, habit and number of messages.
my @agents;
for my $user (sort keys %company) {
	my @hosts = @Site::poppers[$user =~ /[13]/ ? (0, 1) : (1, 0)];
	my $n = 0;

	for my $habit (@{ $company{$user} }) {
		my $host = $hosts[$n++ % 2];
		push @agents, { user => $user, host => $host, habit => $habit,
		    maker => "$user-$host-$habit" =~ tr/,/-/r,
		    count => $slow{$habit} ? $few : $many };
	}
}

sub list {
	my ($name) = @_;
	return split /\n/, slurp("$dir/$name") // '';
}

sub note_down {
	my ($list, $text) = @_;
	open my $fh, '>>', "$dir/$list" or die "$list: $!";
	syswrite $fh, "$text\n";
}

# One session: fetches some messages and deletes them; leaves a few of those it
# has fetched, which get a Status line.  Nothing if it cannot log in now: another
# session or program has the maildrop, or, hardly ever, the store does not answer.
sub fetch {
	my ($user) = @_;
	my $s = $site->client;
	my $reply = Site::log_in($s, $user);
	my @got;

	if ($reply !~ /^\+OK/) {
		note_down('temporary', $reply) if $reply =~ m{^-ERR \[SYS/TEMP\]};
		die "login: $reply\n"
		    unless $reply =~ m{^-ERR \[(?:IN-USE|SYS/TEMP)\]};
		return;
	}
	my ($count) = $s->ask('STAT') =~ /^\+OK (\d+) /;
	for my $n (1 .. ($count < 20 ? $count : 20)) {
		$reply = $s->ask("RETR $n");
		next if $reply =~ /^-ERR (?:\[IN-USE\]|Another program)/;
		die "RETR: $reply\n" unless $reply =~ /^\+OK/;
		my $id = Mail::identify($s->text =~ s/^Status: .*\n//mr);
		next if rand() < 0.2;
		$reply = $s->ask("DELE $n");
		die "DELE: $reply\n" unless $reply =~ /^\+OK/;
		push @got, $id;
	}
	$reply = $s->ask('QUIT');
	die "QUIT: $reply\n" unless $reply =~ /^(?:\+OK|-ERR \[IN-USE\])/;
	return if $reply !~ /^\+OK/;
	note_down("fetched.$user", join "\n", @got) if @got;
	note_down('hosts', Site::at_host($s));
}

# A client, until the agents are through.
sub client {
	my ($user) = @_;
	my $pid = fork // die "fork: $!";

	if ($pid == 0) {
		srand $$;
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
		my $good = eval {
			until (-e "$dir/through") {
				fetch($user);
				sleep rand 0.2;
			}
			1;
		};
		note_down('failures', "client of $user: $@") unless $good;
		POSIX::_exit(0);
	}
	return $pid;
}

case @agents . ' agents on two hosts deliver while clients fetch and delete' => sub {
	my @clients;

	unlink map { "$dir/$_" } qw(through failures temporary hosts), map { "fetched.$_" }
	    keys %company;
	$site->put($_, '') for keys %company;
	$_->{pid} = $site->deliver(@$_{qw(host habit user maker count)}) for @agents;
	push @clients, map { client($_) } (sort keys %company) x 2;
	for (@agents) {
		waitpid $_->{pid}, 0;
		is($?, 0, "$_->{maker} delivers $_->{count}")
		    or diag(slurp($site->file("delivered.$_->{maker}")));
	}
	open my $fh, '>', "$dir/through" or die "through: $!";
	waitpid $_, 0 for @clients;
	is(join("\n", list('failures')), '', 'the clients go through');
	cmp_ok(scalar(list('temporary')), '<', 4, 'and hardly ever in vain');
	my %host = map { $_ => 1 } list('hosts');
	is(join(' ', sort keys %host), 'one two', 'by sessions on both hosts');

	my ($delivered, $fetched) = (0, 0);
	for my $user (sort keys %company) {
		my @delivered = map {
			my $agent = $_;
			map { "$agent->{maker}.$_" } 1 .. $agent->{count}
		} grep { $_->{user} eq $user } @agents;
		my @fetched = list("fetched.$user");
		my (%count, @wrong);

		$count{$_}++ for @fetched, Mail::in_mbox($site->spool($user)
		    =~ s/^Status: .*\n//gmr);
		my %known = map { $_ => 1 } @delivered;
		push @wrong, map { "$_: " . ($count{$_} // 0) . ' times' }
		    grep { ($count{$_} // 0) != 1 } @delivered;
		push @wrong, map { "unknown: $_" } grep { !$known{$_} } keys %count;
		is(join("\n", splice @wrong, 0, 9), '', "$user: every message, "
		    . 'exactly once: ' . @delivered . ' delivered, ' . @fetched
		    . ' fetched and deleted');
		my ($store, @copies) = $site->stores;
		is($site->spool($user, $_), $site->spool($user), "store $_ agrees")
		    for @copies;
		$delivered += @delivered;
		$fetched += @fetched;
	}
	cmp_ok($delivered, '>=', $messages, 'messages in all');
	cmp_ok($fetched, '>', 0, 'messages were fetched and deleted');
};

done_testing;
