# What breaks on one host in the middle of an UPDATE, the next session on the
# other puts right: popper killed; a store killed, and back; a host whose client
# of the volume dies, and one that loses its network.

use strict;
use warnings;

use FindBin qw($Bin);
use lib $Bin, "$Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep);
use Popper;
use Site;
use Mail;

my $site = Site->here;
my $killat = Popper::killat($site->file('front'));
my $user = 'user1';

# What stays of a maildrop: each second message goes.
my @old = map { "old.$_" } 1 .. 12;
my @stay = @old[grep { $_ % 2 } 0 .. $#old];
my @deletions = map { 'DELE ' . (2 * $_ - 1) } 1 .. @old / 2;

# A large maildrop, so that an UPDATE has many steps; text as that of others.
my @many = map { "many.$_" } 1 .. 600;
my @many_stay = @many[grep { $_ % 2 } 0 .. $#many];
my @many_deletions = map { 'DELE ' . (2 * $_ - 1) } 1 .. @many / 2;

sub mbox { return join '', map { Mail::entry($_) } @_ }

# popper on this host under such words, as far as its QUIT.
sub update {
	my ($host, $deletions, @under) = @_;
	my $s = $site->box->session(passwd => undef, trace => 0, greeting => 0,
	    args => [ qw(-S -P always) ], under => [ $site->inside($host), @under ]);

	$s->send("USER $user", 'PASS s3cret', @$deletions, 'QUIT');
	return $s;
}

# A session that stops in its UPDATE, when it has made this part of its writes;
# undef if it does not.  It has an index, so it writes nothing before.
sub stopped_update {
	my ($host, $part) = @_;
	my $trace = $site->file('front', 'strace');
	my $session = sub {
		$site->put($user, mbox(@many), $host);
		$site->session($host, $user)->ask('QUIT');
		return update($host, \@many_deletions, Popper::strace($trace,
		    qw(-e trace=pwrite64), @_));
	};
	our $writes //= do {
		$session->()->slurp;
		grep { /pwrite64/ } straced($trace);
	};
	unlink $trace;
	my $s = $session->('-e', 'inject=pwrite64:signal=SIGSTOP:when=' .
	    int($writes * $part));
	return stops($trace) ? $s : undef;
}

# Lets it go on: popper itself, and nsenter, which has stopped like its child.
sub resume {
	my ($s, $host) = @_;
	my ($pid) = $site->processes($host, qr/^\S*popper -r /);

	return eventually {
		kill 'CONT', $pid, $s->pid;
		(slurp($site->file('front', 'strace')) // '') =~ /--- SIGCONT/
	};
}

# Logs in on a host, again while the maildrop is in use there; the session and
# the seconds that it took.
sub log_in_when_free {
	my ($host) = @_;
	my $begin = now();
	my $s;

	while (1) {
		$s = $site->connect($host);
		my $reply = Site::log_in($s, $user);
		last if $reply =~ /^\+OK/;
		die "$reply\n" unless $reply =~ /^-ERR \[(?:IN-USE|SYS\/TEMP)\]/;
		die "in use for ever: $reply\n" if now() - $begin > 200;
		sleep 0.2;
	}
	return ($s, now() - $begin);
}

sub names { return join ' ', Mail::in_mbox($site->spool($user, @_)) }

# The names in the spool are those before the UPDATE or those after it, and some
# new ones; each once.
sub before_or_after {
	my ($before, $after, $new, $title) = @_;
	my $is = names();

	my ($old, $done) = map { join ' ', @$_, @$new } $before, $after;
	ok($is eq $old || $is eq $done, $title) or diag("is: $is");
}

case 'popper is killed in an UPDATE on one host; recovery on the other' => sub {
	my $calls = $site->file('front', 'calls');
	my $file = sub { $site->put($user, mbox(@old)); update(@_)->slurp };

	$file->('one', \@deletions, $killat, 0, $calls);
	eventually { -s $calls };
	is(names(), "@stay", 'undisturbed');
	my (undef, @busy) = split ' ', slurp($calls);
	@busy = @busy[@busy / 3 .. $#busy];	# after the login
	@busy = few(2, @busy);
	cmp_ok(scalar @busy, '>', 5, 'places to be killed at');
	my @wrong;
	for my $n (@busy) {
		my ($here, $there) = @Site::poppers[$n % 2, 1 - $n % 2];

		$file->($here, \@deletions, $killat, $n, $calls);
		my ($s) = log_in_when_free($there);
		$s->ask('QUIT');
		my $is = names();
		push @wrong, "call $n on $here: $is" if $is ne "@old" && $is ne "@stay";
	}
	is(join("\n", @wrong), '', 'each message that stays is there once, killed at '
	    . @busy . ' calls');
};

case 'a store is killed in an UPDATE, and comes back' => sub {
	my $s = stopped_update('one', 0.5);
	ok($s, 'an UPDATE stops in the middle') or return;
	my @brick = $site->processes('c', qr/glusterfsd.*brick/);
	is(scalar @brick, 1, 'the store has a process for the volume');
	kill 'KILL', @brick;
	ok(resume($s, 'one'), 'the store is killed, and the UPDATE goes on');
	like($s->slurp, qr/\r\n\+OK [^\r\n]*\r\n\z/, 'QUIT is answered with +OK');
	is(names(), "@many_stay", 'the messages that stay, in the first store');
	isnt(names('c'), "@many_stay", 'the third store has missed it');
	ok($site->delivered('two', 'fcntl', $user, 'new', 1),
	    'and a message that is delivered on the other host');

	$site->gluster(qw(volume start mail force));
	ok((eventually {
		$site->ask('a', qw(gluster volume heal mail));
		names('c') eq "@many_stay new.1"
	}), 'it is back, and healed');
	is($site->spool($user, $_), $site->spool($user, 'a'),
	    "store $_ has the same text") for qw(b c);
	my ($after) = log_in_when_free('two');
	is($after->ask('STAT') =~ s/ \d+$//r, '+OK ' . (@many_stay + 1),
	    'a session on the other host');
	$after->ask('QUIT');
};

case 'a host whose client of the volume is killed in an UPDATE' => sub {
	my $s = stopped_update('one', 0.5);
	ok($s, 'an UPDATE stops in the middle') or return;
	kill 'KILL', $site->processes('one', qr/glusterfs .*\/var\/mail/);
	my ($after, $seconds) = log_in_when_free('two');
	pass('the other host has the maildrop');
	diag(sprintf 'client killed: %.1f seconds', $seconds);
	like($after->ask('QUIT'), qr/^\+OK/, 'QUIT');
	before_or_after(\@many, \@many_stay, [], 'each message once');
	my $text = $site->spool($user);
	resume($s, 'one');
	unlike($s->slurp, qr/\r\n\+OK [^\r\n]*\r\n\z/, 'the first QUIT has not succeeded');
	is($site->spool($user), $text, 'and has changed nothing since');
	$site->mount_mail('one', $Site::mount);
	($after) = log_in_when_free('one');
	$after->ask('QUIT');
	is($site->spool($user), $text, 'the volume mounted again: all is as it was');
};

case 'a host that loses its network in an UPDATE, and gets it back' => sub {
	my $s = stopped_update('one', 0.3);
	ok($s, 'an UPDATE stops in the middle') or return;
	$site->must('one', qw(ip link set eth0 down));
	my ($after, $seconds) = log_in_when_free('two');
	pass('the other host has the maildrop');
	diag(sprintf 'network gone: %.1f seconds', $seconds);
	like($after->ask('QUIT'), qr/^\+OK/, 'QUIT');
	ok($site->delivered('two', 'dotlock,fcntl', $user, 'new', 1),
	    'a message is delivered there');
	before_or_after(\@many, \@many_stay, ['new.1'], 'each message once');

	my $text = $site->spool($user);
	$site->must('one', qw(ip link set eth0 up));
	$site->must('one', 'sh', '-c', ': >/var/mail/probe && rm /var/mail/probe');
	ok(resume($s, 'one'), 'the network is back, and the first session goes on');
	unlike($s->slurp, qr/\r\n\+OK [^\r\n]*\r\n\z/,
	    'its QUIT does not succeed: the lock is lost');
	is($site->spool($user), $text, 'and changes nothing');
	($after) = log_in_when_free('one');
	$after->ask('QUIT');
	is($site->spool($user), $text, 'nor does the next session there');
};

done_testing;
