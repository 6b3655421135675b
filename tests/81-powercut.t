# A power cut in the middle of an update.  What the update writes is recorded
# with its syncs; from the record every moment is built again as the disk may
# have it: what was written before a sync of that file is there, what came
# later is there or not, each sector of 512 bytes and each change of size for
# itself.  The next session must find the old spool or the new one, and only
# the new one once QUIT was answered.
#
# Then the same with one sync taken out of the record: that must be noticed,
# or the test could not fail.
#
# And a sync fails: what was written before it may be in the system's memory
# alone, where the next session reads it, and no later sync writes it.

use strict;
use warnings;

use Test::More;
use Popper;

my $SECTOR = 512;
my $tries = $ENV{KILL_ALL} ? 2 : 1;
my $samples = Popper::instrumented() ? 2 : 4 * $tries;	# for each call
my $countable = 3;			# so many sectors: all subsets
my $mail = letter(77, body => "This came later.\n");

my @scenes = (
	{ name => 'a small one in front of large ones', commands => ['DELE 1'],
	    letters => [ letter(1), map { letter($_, body => alnum(1500)) } 2 .. 4 ],
	    kept => [ undef, 0, 0, 0 ] },
	{ name => 'the spool grows', commands => ['RETR 1', 'RETR 3'],
	    letters => [ map { letter($_, body => alnum(700)) } 1 .. 3 ],
	    kept => [ 1, 0, 1 ] },
	{ name => 'deletions and Status',
	    commands => ['RETR 1', 'DELE 2', 'RETR 4', 'DELE 5'],
	    letters => [ map { letter($_, body => alnum(300 * $_)) } 1 .. 6 ],
	    kept => [ 1, undef, 0, 1, undef, 0 ] },
	{ name => 'left-over mail comes back', commands => [],
	    letters => [ map { letter($_, body => alnum(600)) } 1 .. 4 ],
	    left => 2, kept => [ 0, 0, 0, 0 ] },
);

# ---- the record ------------------------------------------------------------

# Bytes from what strace -xx shows of them.
sub bytes { return $_[0] =~ s/\\x([0-9a-f]{2})/chr hex $1/ger }

# The calls of one session that change or sync the spool or the state file.
sub recorded {
	my ($box, @commands) = @_;
	return session_of($box, undef, @commands, sub {
		die 'QUIT was not answered'
		    unless $_[0] =~ /signing off\.\r\n\z/;
	});
}

# The same with something that happens to a call, and a check of what is said.
sub session_of {
	my ($box, $inject, @commands) = @_;
	my $trace = $box->dir . '/strace';
	my $check = pop @commands;

	unlink $trace;
	my $s = $box->session(trace => 0, greeting => 0, under => [
	    strace($trace, '-y', '-xx', '-s', 1 << 20, '-e',
	    'trace=pwrite64,pwritev,write,writev,ftruncate,fallocate,fsync,fdatasync,'
	    . 'copy_file_range,sync_file_range',
	    defined $inject ? ('-e', "inject=$inject") : ()) ]);
	my @tape;

	$s->send('USER alice', 'PASS s3cret', @commands, 'QUIT');
	$check->($s->slurp);
	$s->wait;
	for (straced($trace)) {
		my ($call, $path, $args, $result) =
		    /^\d+ +(\w+)\(\d+<([^>]*)>,? ?(.*)\) += (-?\d+)/ or next;
		my $name = bytes($path) =~ /\/mail\/(alice|\.alice\.pop)\z/
		    ? $1 : next;
		next if $result < 0 && $call !~ /sync/;
		my $op = { file => $name eq 'alice' ? 'spool' : 'work',
		    call => $call, failed => $result < 0 };
		if ($call eq 'pwrite64') {
			my ($data, $n, $at) = $args =~ /^"(.*)", (\d+), (\d+)\z/
			    or die "cannot read: $_";
			$data = bytes($data);
			die 'strace cuts off' if length $data != $n;
			die 'a short write' if $result != $n;
			@$op{qw(do at data)} = ('write', $at, $data);
		} elsif ($call eq 'ftruncate') {
			@$op{qw(do at)} = ('size', $args);
		} elsif ($call eq 'fallocate') {
			my ($mode, $at, $n) = split /, /, $args;
			die "mode $mode" if $mode ne '0';
			@$op{qw(do at)} = ('grow', $at + $n);
		} elsif ($call =~ /^f(data)?sync\z/) {
			$op->{do} = 'sync';
		} else {
			die "this test must learn of $call";
		}
		push @tape, $op;
	}
	return @tape;
}

# ---- the disk --------------------------------------------------------------

sub write_part {
	my ($file, $at, $data) = @_;

	$$file .= "\0" x ($at - length $$file) if $at > length $$file;
	substr($$file, $at, length $data) = $data;
}

sub apply {
	my ($disk, $op) = @_;
	my $file = \$disk->{$op->{file}};
	my $n = length $$file;

	if ($op->{do} eq 'write') {
		write_part($file, $op->{at}, $op->{data});
	} elsif ($op->{do} eq 'size' && $op->{at} < $n) {
		substr($$file, $op->{at}) = '';
	} elsif ($op->{do} ne 'sync' && $op->{at} > $n) {
		$$file .= "\0" x ($op->{at} - $n);
	}
}

# The calls before call n, in pieces and in their order; those that are marked as
# open are on the disk or not.  The first sync after a call decides.
sub in_front_of {
	my ($tape, $n) = @_;
	my (%next, @synced, @pieces);

	for my $i (reverse 0 .. $n - 1) {
		my $op = $tape->[$i];
		$next{$op->{file}} = !$op->{failed} if $op->{do} eq 'sync';
		$synced[$i] = $next{$op->{file}};
	}
	for my $i (0 .. $n - 1) {
		my $op = $tape->[$i];
		if ($synced[$i]) {
			push @pieces, $op;
		} elsif ($op->{do} eq 'write') {
			my ($at, $data) = @$op{qw(at data)};
			while (length $data) {
				my $some = $SECTOR - $at % $SECTOR;
				push @pieces, { %$op, open => 1, at => $at,
				    data => substr $data, 0, $some, '' };
				$at += $some;
			}
		} elsif ($op->{do} ne 'sync') {
			push @pieces, { %$op, open => 1 };
		}
	}
	return @pieces;
}

# The states to try there: all, where they are few.
sub states {
	my ($base, $tape, $n, $random, $most) = @_;
	my @pieces = in_front_of($tape, $n);
	my $open = grep { $_->{open} } @pieces;
	my $all = $open <= $countable;
	my (@states, %seen);

	for my $k (0 .. ($all ? 2 ** $open : $most) - 1) {
		my %is = %$base;
		my $share = $random->(100);
		my $i = 0;
		for my $op (@pieces) {
			apply(\%is, $op) if !$op->{open} ||
			    ($all ? $k >> $i++ & 1 : $random->(100) < $share);
		}
		push @states, \%is unless $seen{"$is{spool}\0\0$is{work}"}++;
	}
	return @states;
}

# The same numbers in every run.
sub dice {
	my ($seed) = @_;
	return sub {
		$seed = ($seed * 1103515245 + 12345) % (1 << 31);
		return ($seed >> 8) % $_[0];
	};
}

# ---- a scene ---------------------------------------------------------------

sub begin {
	my ($scene) = @_;
	my $box = box(spool => undef);
	my $left = $scene->{left} // 0;
	my @letters = @{ $scene->{letters} };
	my $n = 0;

	my @new = map {
		my $status = $scene->{kept}[$n++];
		!defined $status ? '' : !$status ? $_ :
		    s/\n\n/\nStatus: RO\n\n/r;
	} @letters;
	$scene->{back} = join '', @new[0 .. $left - 1];
	$scene->{there} = join '', @new[$left .. $#new];
	$scene->{new} = $scene->{there} . $scene->{back};
	$scene->{old} = join '', @letters[$left .. $#letters];
	$box->put($scene->{old});
	if ($left > 0) {
		$box->put_file($box->work, join '', @letters[0 .. $left - 1]);
	} else {
		$box->login->quit;	# from here on there is an index
	}
	my %base = (spool => $box->spool, work => slurp($box->work));
	my @tape = recorded($box, @{ $scene->{commands} });
	is($box->spool, $scene->{new}, 'undisturbed: the new spool');
	my %now = %base;
	apply(\%now, $_) for @tape;
	is($now{spool}, $scene->{new}, 'the record makes the new spool');
	return ($box, \%base, @tape);
}

# What the next session makes of a state, if that is wrong.
sub wrong {
	my ($box, $scene, $state, $sure, $more) = @_;

	unlink $box->dotlock;
	$box->put($state->{spool} . $more);
	$box->put_file($box->work, $state->{work});
	my $s = $box->session(trace => 0);
	$s->command('USER alice');
	my $reply = $s->command('PASS s3cret');
	return "PASS is answered $reply" unless $reply =~ /^\+OK/;
	$s->quit;
	my $spool = $box->spool;
	return if $spool eq $scene->{new} . $more;
	# the power may fail while the spool grows, and mail come after that
	return if $spool =~ /\A\Q$scene->{there}\E[\0\n]*\Q$more$scene->{back}\E\z/;
	return if !$sure && $spool eq $scene->{old} . $more;
	return 'the spool has ' . join ', ', $spool =~ /^Subject: (.*)/mg;
}

# Power cuts in front of every call (from one on) and behind the last: what went
# wrong first, and how many states were tried.
sub cut {
	my ($box, $scene, $base, $tape, $seed, $from) = @_;
	my $random = dice($seed);
	my $tried = 0;

	# the last calls first: a missing sync shows there
	for my $n (reverse $from // 0 .. @$tape) {
		for my $state (states($base, $tape, $n, $random,
		    defined $from ? $tries : $samples)) {
			my $sure = ($n == @$tape && !defined $from)
			    || $scene->{left};
			my $more = $random->(3) == 0 ? $mail : '';
			my $bad = eval {
				wrong($box, $scene, $state, $sure, $more);
			} // $@;
			$tried++;
			return ("call $n: $bad", $tried) if $bad ne '';
		}
	}
	return ('', $tried);
}

my $tried = 0;

for my $scene (@scenes) {
	case "the power fails: $scene->{name}" => sub {
		needs('strace');
		my ($box, $base, @tape) = begin($scene);

		my ($bad, $states) = cut($box, $scene, $base, \@tape, 1);
		is($bad, '', 'all of it is old, or all of it new');
		cmp_ok($states, '>', @tape / 2, "$states states of the disk");
	};
}

# One sync after the other fails.  The next session goes on, and the power fails
# while it does or after it.
for my $scene (few(4, @scenes)) {
	case "a sync fails, then the power: $scene->{name}" => sub {
		needs('strace', 'plain');
		my ($box, $base, @tape) = begin($scene);
		my (%nth, @wrong);
		my $tried = 0;

		my @syncs = map { [ $_->{call}, ++$nth{ $_->{call} } ] }
		    grep { $_->{do} eq 'sync' } @tape;
		for my $sync (few(2, @syncs)) {
			my ($call, $n) = @$sync;
			my $said;

			$box->put($base->{spool});
			$box->put_file($box->work, $base->{work});
			my @both = session_of($box, "$call:error=EIO:when=$n",
			    @{ $scene->{commands} }, sub { $said = $_[0] });
			push @wrong, "$call $n: said $said"
			    unless $said =~ /^-ERR \[SYS\/TEMP\] [^\r]*\r\n\z/m;
			my $from = @both;
			push @both, session_of($box, undef, sub { $said = $_[0] });
			push @wrong, "then: said $said"
			    unless $said =~ /signing off\.\r\n\z/;
			my ($bad, $states) = cut($box, $scene, $base, \@both, $n, $from);
			push @wrong, "$call $n, then $bad" if $bad ne '';
			$tried += $states;
		}
		is(join("\n", @wrong), '', 'all of it is old, or all of it new');
		cmp_ok($tried, '>', 30, "$tried states of the disk");
	};
}

# One sync after the other is left out.  A state that shows it comes up by
# chance, so there are several tries; each of these scenes needs all its syncs
# but is only held to the number that no chance can hide.
case 'a sync less, and the power fails: that is noticed' => sub {
	needs('strace', 'plain');

	for my $scene (@scenes[0, 1]) {
		my ($box, $base, @tape) = begin($scene);
		my @syncs = grep { $tape[$_]{do} eq 'sync' } 0 .. $#tape;
		my @noticed;

		for my $k (0 .. $#syncs) {
			my @less = @tape;
			splice @less, $syncs[$k], 1;
			for my $seed (1 .. 2 * $tries) {
				my ($bad) = cut($box, $scene, $base, \@less,
				    $seed);
				next if $bad eq '';
				push @noticed, $k + 1;
				last;
			}
		}
		cmp_ok(@noticed, '>=', @syncs / 2, "$scene->{name}: of "
		    . @syncs . " syncs, missed are @noticed");
	}
};

done_testing;
