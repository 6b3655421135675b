# What fails of GlusterFS in the middle of an UPDATE: a store is killed, and comes
# back; a host's client of the volume is killed.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/..", "$Bin/../../lib";
use Test::More;
use Popper;
use Site;
use Site::Update;

my $site = Site->here;

case 'a store is killed in an UPDATE, and comes back' => sub {
	my $s = stopped_update($site, 'one', 0.5);
	ok($s, 'an UPDATE stops in the middle') or return;
	ok($site->signal('c', 'KILL', 'glusterfsd.*brick'),
	    'the process of the store for the volume is killed');
	ok(resume($site, $s, 'one'), 'the UPDATE goes on');
	like($s->slurp, qr/\r\n\+OK [^\r\n]*\r\n\z/, 'QUIT is answered with +OK');
	is(found($site), 'after', 'the messages that stay, in the first store');
	isnt(found($site, 'c'), 'after', 'the third store has missed it');
	ok($site->delivered('two', 'fcntl', $user, 'new', 1),
	    'and a message that is delivered on the other host');

	$site->gluster(qw(volume start mail force));
	ok((eventually {
		$site->ask('a', qw(gluster volume heal mail));
		found($site, 'c') eq 'after new.1'
	}), 'it is back, and healed');
	is($site->spool($user, $_), $site->spool($user, 'a'),
	    "store $_ has the same text") for qw(b c);
	my ($after) = log_in_when_free($site, 'two');
	is($after->ask('STAT') =~ s/ \d+$//r, '+OK 301',
	    'a session on the other host');
	$after->ask('QUIT');
};

case 'a host whose client of the volume is killed in an UPDATE' => sub {
	my $s = stopped_update($site, 'one', 0.5);
	ok($s, 'an UPDATE stops in the middle') or return;
	ok($site->signal('one', 'KILL', 'glusterfs .*/var/mail'),
	    'the client of the volume is killed');
	my ($after, $seconds) = log_in_when_free($site, 'two');
	pass('the other host has the maildrop');
	diag(sprintf 'client killed: %.1f seconds', $seconds);
	like($after->ask('QUIT'), qr/^\+OK/, 'QUIT');
	like(found($site), qr/^(?:before|after)$/, 'each message once');
	my $text = $site->spool($user);
	resume($site, $s, 'one');
	unlike($s->slurp, qr/\r\n\+OK [^\r\n]*\r\n\z/, 'the first QUIT has not succeeded');
	is($site->spool($user), $text, 'and has changed nothing since');
	$site->mount_mail('one', $site->options);
	($after) = log_in_when_free($site, 'one');
	$after->ask('QUIT');
	is($site->spool($user), $text,
	    'the volume mounted again: all is as it was');
};

done_testing;
