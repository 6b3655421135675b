# A lock file that a host has just made is there for a session on the other, which
# has looked for one before; with the options of doc/SCALING, not without them.
# A login need not rely on them: it opens the directory, which asks the server.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/..", "$Bin/../../lib";
use Test::More;
use Popper;
use Site;
use Mail;

my $site = Site->here;
my $lock = '/var/mail/user5.lock';
my $locked = qr/^-ERR \[IN-USE\] The maildrop is locked by another program/;

sub make_lock {
	my ($host) = @_;
	$site->must($host, qw(perl -MFcntl -e), 'sysopen my $fh, $ARGV[0],
	    O_CREAT | O_EXCL | O_WRONLY or die', $lock);
}

# popper on this host, which does not wait for locks, as far as its reply to PASS.
sub login {
	my ($host) = @_;
	my $s = $site->box->session(passwd => undef, trace => 0,
	    args => [ qw(-S -P always -w 0) ], under => [ $site->inside($host) ]);

	$s->command('USER user5');
	return ($s, $s->command('PASS s3cret'));
}

# The replies to a login, and to RETR in a session that has looked for the lock
# file before, on a host while the other one has it.
sub replies_under_lock {
	my ($host, $other) = @_;

	$site->put('user5', Mail::entry('m.1'), $other);
	my ($s) = login($host);
	make_lock($other);
	my $retr = $s->command('RETR 1');
	$s->send('QUIT');
	$s->slurp;
	(undef, my $login) = login($host);
	$site->must($other, 'rm', $lock);
	return ($login, $retr);
}

case 'a lock file of the other host is seen at once' => sub {
	for ([ @Site::poppers ], [ reverse @Site::poppers ]) {
		my ($login, $retr) = replies_under_lock(@$_);

		like($login, $locked, "login on $_->[0]");
		like($retr, qr/^-ERR/, 'RETR');
		my ($s, $reply) = login($_->[0]);
		like($reply, qr/^\+OK/, 'login when that has gone');
		$s->send('QUIT');
		$s->slurp;
	}
};

case 'with the defaults of NFS a session remembers that there was none' => sub {
	$site->forget;
	my ($login, $retr) = replies_under_lock(@Site::poppers);
	$site->ask_again;
	like($login, $locked, 'login');
	like($retr, qr/^\+OK/, 'RETR');
};

done_testing;
