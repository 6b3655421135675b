# What breaks on one host in the middle of an UPDATE, the next session on the
# other puts right: popper is killed; a host loses its network.  Failures of the
# stores are in the folders of their names.

use strict;
use warnings;

use FindBin qw($Bin);
use lib $Bin, "$Bin/../lib";
use Test::More;
use Popper;
use Site;
use Site::Update;

my $site = Site->here;
# What UPDATE does to files.
my $calls = join ',', qw(openat pwrite64 ftruncate fallocate fsync fdatasync
    utimensat unlinkat renameat linkat fcntl close);

case 'popper is killed in an UPDATE on one host; recovery on the other' => sub {
	my $trace = $site->file('front', 'strace');
	my $session = sub {
		my ($host, @how) = @_;
		$site->put($user, mbox(@old));
		unlink $trace;
		update($site, $host, \@deletions, strace($trace, @how))->slurp;
		return straced($trace);
	};

	my @places = Popper::points($session->('one', '-e', "trace=$calls"));
	is(names($site), "@stay", 'undisturbed');
	@places = @places[@places / 3 .. $#places];	# after the login
	@places = few($site->is_slow ? 8 : 2, @places);
	cmp_ok(scalar @places, '>', 5, 'places to be killed at');
	my (@wrong, $killed);
	for my $n (0 .. $#places) {
		my ($call, $count) = @{ $places[$n] };
		my ($here, $there) = @Site::poppers[$n % 2, 1 - $n % 2];

		$killed += grep { /killed by SIGKILL/ } $session->($here, '-e',
		    "trace=$call", '-e', "inject=$call:signal=KILL:when=$count");
		my ($s) = log_in_when_free($site, $there);
		$s->ask('QUIT');
		my $is = names($site);
		push @wrong, "$call $count on $here: $is"
		    if $is ne "@old" && $is ne "@stay";
	}
	is($killed, scalar @places, 'killed at each of ' . @places);
	is(join("\n", @wrong), '', 'each message that stays is there once');
};

case 'a host that loses its network in an UPDATE, and gets it back' => sub {
	my $s = stopped_update($site, 'one', 0.3);
	ok($s, 'an UPDATE stops in the middle') or return;
	$site->unplug('one');
	my ($after, $seconds) = log_in_when_free($site, 'two');
	pass('the other host has the maildrop');
	diag(sprintf 'network gone: %.1f seconds', $seconds);
	like($after->ask('QUIT'), qr/^\+OK/, 'QUIT');
	ok($site->delivered('two', 'dotlock,fcntl', $user, 'new', 1),
	    'a message is delivered there');
	like(found($site), qr/^(?:before|after) new\.1$/, 'each message once');

	my $text = $site->spool($user);
	$site->plug('one');
	$site->must('one', 'sh', '-c', ': >/var/mail/probe && rm /var/mail/probe');
	ok(resume($site, $s, 'one'),
	    'the network is back, and the first session goes on');
	unlike($s->slurp, qr/\r\n\+OK [^\r\n]*\r\n\z/,
	    'its QUIT does not succeed: the lock is lost');
	is($site->spool($user), $text, 'and changes nothing');
	($after) = log_in_when_free($site, 'one');
	$after->ask('QUIT');
	is($site->spool($user), $text, 'nor does the next session there');
};

done_testing;
