# What fails of NFS in the middle of an UPDATE: a host is switched off; the server
# is, and both come back.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/..", "$Bin/../../lib";
use Test::More;
use Popper;
use Site;
use Site::Update;

my $site = Site->here;

case 'a host is switched off in an UPDATE, and comes back' => sub {
	my $s = stopped_update($site, 'one', 0.5);
	ok($s, 'an UPDATE stops in the middle') or return;
	$site->switch_off('one');
	my ($after, $seconds) = log_in_when_free($site, 'two');
	pass('the other host has the maildrop');
	diag(sprintf 'host off: %.1f seconds', $seconds);
	like($after->ask('QUIT'), qr/^\+OK/, 'QUIT');
	like(found($site), qr/^(?:before|after)$/, 'each message once');

	my $text = $site->spool($user);
	$site->boot('one');
	$site->booted('one');
	$site->mount_mail('one', $site->options);
	$site->serve('one');
	my $again;
	ok((eventually { $again = eval { $site->session('one', $user) } }),
	    'a session on the host, when that is back');
	like($again->ask('QUIT'), qr/^\+OK/, 'QUIT');
	is($site->spool($user), $text, 'all is as it was');
};

case 'the server is switched off in an UPDATE, and comes back' => sub {
	my $s = stopped_update($site, 'one', 0.5);
	ok($s, 'an UPDATE stops in the middle') or return;
	$site->switch_off('a');
	ok(resume($site, $s, 'one'), 'the server is off, and the UPDATE goes on');
	$site->boot('a');
	$site->store;
	my $begin = now();
	like($s->slurp, qr/\r\n\+OK [^\r\n]*\r\n\z/, 'QUIT is answered with +OK');
	diag(sprintf 'the server is back: %.1f seconds', now() - $begin);
	is(found($site), 'after', 'the messages that stay');
	ok($site->delivered('two', 'fcntl', $user, 'new', 1),
	    'a message is delivered on the other host');
	my ($after) = log_in_when_free($site, 'two');
	is($after->ask('STAT') =~ s/ \d+$//r, '+OK 301',
	    'a session there');
	$after->ask('QUIT');
	is(found($site), 'after new.1', 'and all messages');
};

done_testing;
