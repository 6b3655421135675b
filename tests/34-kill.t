# The daemon dies in the middle of an update: no message is lost, none is
# there twice.  The update is killed at every one of its system calls, and so
# is the recovery after it.

use strict;
use warnings;

use Test::More;
use Popper;
use Time::HiRes qw(sleep);

# All calls by which the daemon could change a file.
my $calls = join ',', map { "?$_" } qw(open openat creat write writev pwrite64
    pwritev pwritev2 ftruncate fallocate fsync fdatasync sync_file_range
    copy_file_range sendfile ioctl fcntl link linkat unlink unlinkat rename
    renameat renameat2 close futimens utimensat fchmod fchown);

# What a session does, and to which letters of how many.
my %update = (
	'one of three deleted' => {
		letters => [ map { letter($_) } 1 .. 3 ],
		commands => [ 'DELE 1' ], deleted => [ 1 ],
	},
	'some deleted, some read' => {
		letters => [ map { letter($_, body => alnum(400 * $_)) } 1 .. 6 ],
		commands => [ 'RETR 1', 'DELE 2', 'RETR 4', 'DELE 5' ],
		deleted => [ 2, 5 ],
	},
	'a Status line in front of all' => {
		letters => [ map { letter($_, body => alnum(3000)) } 1 .. 3 ],
		commands => [ 'RETR 1', 'RETR 2' ], deleted => [],
	},
	'a small one in front of a large one' => {
		letters => [ letter(1), letter(2, body => alnum(200_000)), letter(3) ],
		commands => [ 'DELE 1' ], deleted => [ 1 ],
	},
	'all deleted' => {
		letters => [ map { letter($_) } 1 .. 3 ],
		commands => [ map { "DELE $_" } 1 .. 3 ], deleted => [ 1 .. 3 ],
	},
);

for my $what (sort keys %update) {
	case "kill at every system call: $what" => sub {
		needs('strace');
		my $update = $update{$what};
		my $kills = 0;

		# Past the last call of the session nothing is killed any more.
		for (my $n = 1; ; $n++) {
			my $box = box(spool => join '', @{ $update->{letters} });
			last unless killed($box, $n, $update->{commands});
			$kills++;
			still_whole($box, $update, "at call $n") or return;
			recovered($box, $update, "at call $n") or return;
		}
		cmp_ok($kills, '>', 20, 'every kill was survived');
	};

	case "kill at a system call, and again in the recovery: $what" => sub {
		needs('strace');
		my $update = $update{$what};
		my $kills = 0;

		for (my $n = 1; ; $n++) {
			my $box = box(spool => join '', @{ $update->{letters} });
			last unless killed($box, $n, $update->{commands});
			for my $m (1 + $n * 7 % 30, 1 + $n * 11 % 45) {
				killed($box, $m, []);
				$kills++;
				still_whole($box, $update, "at $n, $m") or return;
			}
			recovered($box, $update, "at calls $n and then more")
			    or return;
		}
		cmp_ok($kills, '>', 40, 'every kill was survived');
	};
}

case 'kill, then new mail, then the next session' => sub {
	needs('strace');
	my $update = $update{'some deleted, some read'};
	my $kills = 0;

	for (my $n = 1; ; $n++) {
		my $box = box(spool => join '', @{ $update->{letters} });
		last unless killed($box, $n, $update->{commands});
		$kills++;
		unlink $box->dotlock;		# as an agent does in time
		$box->deliver(letter(9)) or die 'cannot deliver';
		my %with = (%$update, letters => [ @{ $update->{letters} },
		    letter(9) ]);
		still_whole($box, \%with, "at call $n") or return;
		recovered($box, \%with, "at call $n") or return;
	}
	cmp_ok($kills, '>', 20, 'every kill was survived');
};

case 'kill at ten random moments of DELE and QUIT' => sub {
	my @letters = map { letter($_, body => alnum(50_000 + 3000 * $_)) } 1 .. 60;
	my %update = (letters => \@letters, deleted => [ 1, 7, 8, 30, 59 ]);

	for my $try (1 .. 10) {
		my $box = box(spool => join '', @letters);
		my $s = $box->login;

		$s->send((map { "DELE $_" } @{ $update{deleted} }), 'QUIT');
		sleep rand 0.02;
		$s->kill('KILL');
		$s->wait;
		still_whole($box, \%update, "try $try") or return;
		recovered($box, \%update, "try $try") or return;
	}
	pass('every kill was survived');
};

# Run a session that is killed at its Nth call; false where it came to its end.
sub killed {
	my ($box, $n, $commands) = @_;
	my $trace = $box->dir . '/strace';
	my $s = $box->session(trace => 0, greeting => 0, args => ['-w', 2],
	    under => [ strace($trace, '-e', "trace=$calls", '-e',
	    "inject=$calls:signal=KILL:when=$n") ]);

	$s->send('USER alice', 'PASS s3cret', @$commands, 'QUIT');
	$s->slurp;
	my $status = $s->wait;
	die "wait status $status\n" if $status != 0 && $status != 9;
	straced($trace);
	unlink $trace;
	return $status == 9;
}

# Nobody comes by for a week: each letter that is kept still stands, whole, in
# the spool or in the working file.
sub still_whole {
	my ($box, $update, $when) = @_;
	my $text = ($box->spool // '') . (slurp($box->work) // '');
	my %deleted = map { $_ => 1 } @{ $update->{deleted} };
	my $n = 0;

	for my $letter (@{ $update->{letters} }) {
		next if $deleted{++$n};
		my ($head, $rest) = $letter =~ /\A(.*?\n)(\n.*)\n\z/s;
		next if $text =~ /\Q$head\E(?:Status: RO\n)?\Q$rest\E/;
		return fail("$when: letter $n stands whole in one of the files");
	}
	return 1;
}

# The next session finds every kept letter once, in order, and of the deleted
# ones all or none of each.
sub recovered {
	my ($box, $update, $when) = @_;
	my %deleted = map { $_ => 1 } @{ $update->{deleted} };
	my $n = 0;
	my $expected = '\A';

	my $s = $box->login;
	my ($count) = $s->command('STAT') =~ /^\+OK (\d+) /;
	my $listed = keys %{ $s->list };
	my $reply = $s->quit;
	return fail("$when: the next QUIT: $reply") unless $reply =~ /^\+OK/;

	my $spool = $box->spool;
	for my $letter (@{ $update->{letters} }) {
		my ($head, $rest) = $letter =~ /\A(.*?\n)(\n.*)\z/s;
		$expected .= "(\Q$head\E(?:Status: RO\n)?\Q$rest\E)"
		    . ($deleted{++$n} ? '?' : '');
	}
	my @found = $spool =~ /$expected\z/;
	return fail("$when: the spool is what was kept, once and in order")
	    unless @found || ($spool eq '' && keys %deleted == $n);
	my $whole = () = $spool =~ /^From sender/mg;
	return fail("$when: $count messages shown, $whole there")
	    unless $count == $whole && $listed == $whole;
	return 1;
}

done_testing;
