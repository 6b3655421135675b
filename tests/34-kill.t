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
		my @points = points_of($update);
		my ($kills, @wrong) = 0;

		for my $point (@points) {
			my $box = box(spool => join '', @{ $update->{letters} });
			killed($box, $point, $update->{commands}) or next;
			$kills++;
			push @wrong, map { "@$point: $_" } wrong($box, $update);
			$box->remove;
		}
		is(join("\n", @wrong), '', 'every kill was survived');
		# the index waits for the clock of the disk to tick: a write or two
		cmp_ok($kills, '>=', @points - 3, 'of as many as there are calls');
	};

	case "kill at a system call, and again in the recovery: $what" => sub {
		needs('strace');
		my $update = $update{$what};
		my @points = points_of($update);
		my @again = grep { $_->[0] =~ /write|truncate|sync|link/ } @points;
		my ($kills, $i, @wrong) = (0, 0);

		for my $point (@points) {
			my $box = box(spool => join '', @{ $update->{letters} });
			my $when = "@$point";

			killed($box, $point, $update->{commands}) or next;
			for (1 .. 2) {
				my $next = $again[$i++ * 7 % @again];
				$when .= ", @$next";
				$kills += killed($box, $next, []);
			}
			push @wrong, map { "$when: $_" } wrong($box, $update);
			$box->remove;
		}
		is(join("\n", @wrong), '', 'every kill was survived');
		cmp_ok($kills, '>', 0, 'recoveries were killed');
	};
}

case 'kill, then new mail, then the next session' => sub {
	needs('strace');
	my $update = $update{'some deleted, some read'};
	my %with = (%$update, letters => [ @{ $update->{letters} }, letter(9) ]);
	my @wrong;

	for my $point (points_of($update)) {
		my $box = box(spool => join '', @{ $update->{letters} });

		killed($box, $point, $update->{commands}) or next;
		unlink $box->dotlock;		# as an agent does in time
		$box->deliver(letter(9)) or die 'cannot deliver';
		push @wrong, map { "@$point: $_" } wrong($box, \%with);
		push @wrong, "@$point: taken for somebody else's change"
		    if $box->log =~ /was changed since an update/;
		$box->remove;
	}
	is(join("\n", @wrong), '', 'every kill was survived');
};

case 'kill at ten random moments of DELE and QUIT' => sub {
	my @letters = map { letter($_, body => alnum(50_000 + 3000 * $_)) } 1 .. 60;
	my %update = (letters => \@letters, deleted => [ 1, 7, 8, 30, 59 ]);
	my @wrong;

	for my $try (1 .. 10) {
		my $box = box(spool => join '', @letters);
		my $s = $box->login;

		$s->send((map { "DELE $_" } @{ $update{deleted} }), 'QUIT');
		sleep rand 0.02;
		$s->kill('KILL');
		$s->wait;
		push @wrong, map { "try $try: $_" } wrong($box, \%update);
		$box->remove;
	}
	is(join("\n", @wrong), '', 'every kill was survived');
};

# All system calls of an undisturbed session, from its start on.
sub points_of {
	my ($update) = @_;
	my $box = box(spool => join '', @{ $update->{letters} });
	my $trace = $box->dir . '/strace';

	traced($box, [ "trace=$calls" ], $update->{commands}) == 0
	    or die 'the session ends badly';
	return points(straced($trace));
}

# Run a session that is killed at that call; false where it came to its end.
sub killed {
	my ($box, $point, $commands) = @_;
	my ($call, $n) = @$point;
	my $status = traced($box, [ "trace=$call",
	    "inject=$call:signal=KILL:when=$n" ], $commands);

	die "wait status $status\n" if $status != 0 && $status != 9;
	return $status == 9;
}

sub traced {
	my ($box, $expressions, $commands) = @_;
	my $trace = $box->dir . '/strace';
	my $s = $box->session(trace => 0, greeting => 0, args => ['-w', 2],
	    under => [ strace($trace, map { ('-e', $_) } @$expressions) ]);

	$s->send('USER alice', 'PASS s3cret', @$commands, 'QUIT');
	$s->slurp;
	my $status = $s->wait;
	straced($trace);
	return $status;
}

# What is wrong after a kill, if anything is.
sub wrong {
	my ($box, $update) = @_;
	my @wrong = not_whole($box, $update);
	my $error = eval { not_recovered($box, $update) } // $@;

	push @wrong, $error =~ s/\n.*//sr if $error ne '';
	return @wrong;
}

# Nobody comes by for a week: each letter that is kept still stands, whole, in
# the spool or in the working file.
sub not_whole {
	my ($box, $update) = @_;
	my $text = ($box->spool // '') . (slurp($box->work) // '');
	my %deleted = map { $_ => 1 } @{ $update->{deleted} };
	my $n = 0;
	my @lost;

	for my $letter (@{ $update->{letters} }) {
		next if $deleted{++$n};
		my ($head, $rest) = $letter =~ /\A(.*?\n)(\n.*)\n\z/s;
		push @lost, "letter $n stands nowhere"
		    unless $text =~ /\Q$head\E(?:Status: RO\n)?\Q$rest\E/;
	}
	return @lost;
}

# The next session finds every kept letter once, in order, and of the deleted
# ones all or nothing of each.
sub not_recovered {
	my ($box, $update) = @_;
	my %deleted = map { $_ => 1 } @{ $update->{deleted} };
	my $expected = '';
	my $n = 0;

	my $s = $box->login;
	my ($count) = $s->command('STAT') =~ /^\+OK (\d+) /;
	my $listed = keys %{ $s->list };
	my $reply = $s->quit;
	return "the next QUIT says $reply" unless $reply =~ /^\+OK/;

	for my $letter (@{ $update->{letters} }) {
		my ($head, $rest) = $letter =~ /\A(.*?\n)(\n.*)\z/s;
		$expected .= "(\Q$head\E(?:Status: RO\n)?\Q$rest\E)"
		    . ($deleted{++$n} ? '?' : '');
	}
	my $spool = $box->spool;
	return 'the spool has ' . join ', ', $spool =~ /^Subject: (.*)/mg
	    unless $spool =~ /\A$expected\z/;
	my $there = () = $spool =~ /^From sender/mg;
	return "$count and $listed messages are shown, $there are there"
	    if $count != $there || $listed != $there;
	return '';
}

done_testing;
