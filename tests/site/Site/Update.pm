# UPDATEs on a host of the site that are broken off: what they begin with, how
# they stop, and what the next session may find.

package Site::Update;

use strict;
use warnings;

use Exporter qw(import);
use Time::HiRes qw(sleep);
use Popper qw(eventually now slurp stops strace straced);
use Site;
use Mail;

our @EXPORT = qw($user @old @stay @deletions mbox update stopped_update resume
    log_in_when_free names found);

our $user = 'user1';

# What stays of a maildrop: each second message goes.
our @old = map { "old.$_" } 1 .. 12;
our @stay = @old[grep { $_ % 2 } 0 .. $#old];
our @deletions = map { 'DELE ' . (2 * $_ - 1) } 1 .. @old / 2;

# A large maildrop, so that an UPDATE has many steps; text as that of others.
our @many = map { "many.$_" } 1 .. 600;
our @many_stay = @many[grep { $_ % 2 } 0 .. $#many];
our @many_deletions = map { 'DELE ' . (2 * $_ - 1) } 1 .. @many / 2;

sub mbox { return join '', map { Mail::entry($_) } @_ }

# popper on this host under such words, as far as its QUIT.
sub update {
	my ($site, $host, $deletions, @under) = @_;
	my $s = $site->box->session(passwd => undef, trace => 0, greeting => 0,
	    args => [ qw(-S -P always -t), $site->file('front', 'trace') ],
	    under => [ $site->inside($host), @under ]);

	$s->send("USER $user", 'PASS s3cret', @$deletions, 'QUIT');
	return $s;
}

# A session that stops in its UPDATE, when it has made this part of its writes;
# undef if it does not.  It has an index, so it writes nothing before.
sub stopped_update {
	my ($site, $host, $part) = @_;
	my $trace = $site->file('front', 'strace');
	my $session = sub {
		$site->put($user, mbox(@many), $host);
		$site->session($host, $user)->ask('QUIT');
		return update($site, $host, \@many_deletions, strace($trace,
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

# Lets it go on: popper itself, and the program that has brought it into its host,
# if that has stopped like popper.
sub resume {
	my ($site, $s, $host) = @_;

	return eventually {
		$site->signal($host, 'CONT', '^[^ ]*popper -r ');
		kill 'CONT', $s->pid;
		(slurp($site->file('front', 'strace')) // '') =~ /--- SIGCONT/
	};
}

# Logs in on a host, again while the maildrop is in use there; the session and
# the seconds that it took.
sub log_in_when_free {
	my ($site, $host) = @_;
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

sub names {
	my ($site, @store) = @_;
	return join ' ', Mail::in_mbox($site->spool($user, @store));
}

# What the spool of a large maildrop has: "before" or "after" for the messages
# before the UPDATE or after it, and then the names of new ones.
sub found {
	my ($site, @store) = @_;
	my $is = names($site, @store);

	$is =~ s/^\Q@many\E(?= |$)/before/ || $is =~ s/^\Q@many_stay\E(?= |$)/after/;
	return $is;
}

1;
