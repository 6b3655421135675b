# A session is killed, and what it wrote last may be in the memory of the
# system only.  The next session goes on from there: it has to put that on the
# disk before it does what relies on it, or a power cut takes it away.

use strict;
use warnings;

use Test::More;
use Popper;

needs('strace', 'plain');

# Kills an update at the call N of that name, then traces a session that logs
# in and leaves; what it wrote and synced, one word an event.
sub recovery {
	my ($call, $n) = @_;
	my $box = box(spool => letter(1) . join '', map {
	    letter($_, body => alnum(1500)) } 2 .. 4);
	my $trace = $box->dir . '/strace';

	$box->login->quit;
	my $s = $box->session(trace => 0, under => [ strace($trace, '-e',
	    "inject=$call:signal=KILL:when=$n") ]);
	$s->send('USER alice', 'PASS s3cret', 'DELE 1', 'QUIT');
	$s->slurp;
	is($s->wait & 127, 9, 'an update is killed');
	straced($trace);
	unlink $trace;

	$s = $box->session(under => [ strace($trace, '-y', '-e',
	    'trace=pwrite64,copy_file_range,ftruncate,fsync,fdatasync') ]);
	$s->send('USER alice', 'PASS s3cret', 'QUIT');
	like($s->slurp, qr/has 3 messages/, 'the next session finishes it');
	is($s->wait, 0, 'in good order');
	# the last path of a call is of the file that it writes
	return map { my ($call, $file) =
	    /^\d+ +(\w+)\(.*\/mail\/(alice|\.alice\.pop)>/;
	    !defined $call ? () : ($call =~ /sync/ ? 'sync ' : 'change ')
	    . ($file eq 'alice' ? 'spool' : 'work') } straced($trace);
}

# What the kill came before, and what has to be synced before what is changed.
for (['the journal was synced', 'fdatasync', 'work', 'spool'],
    ['the new size was synced', 'fsync', 'spool', 'work']) {
	my ($when, $call, $synced, $changed) = @$_;

	case "killed before $when: the $synced is synced before the $changed is"
	    . ' changed' => sub {
		my @did = recovery($call, 1);
		# what the state file has already is written again first
		shift @did while $changed eq 'work' && @did && $did[0] =~ /work\z/;
		my ($first) = grep { $did[$_] eq "change $changed" } 0 .. $#did;

		ok(defined $first, "the $changed is changed") or return;
		ok((grep { $_ eq "sync $synced" } @did[0 .. $first - 1]),
		    "the $synced is synced before") or diag(join "\n", @did);
	};
}

done_testing;
