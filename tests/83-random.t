# At random: sessions that fetch and delete are killed in front of a random
# system call, most of them while they change the spool, or a call fails; then
# mail is delivered, and the spool perhaps rewritten, in place or by a new file,
# by a small mail program or by s-nail.  After each session every message is
# whole and there once, none comes back after a QUIT that was answered with +OK,
# and no unique-id has named two messages.  RANDOM_SECONDS is for how long,
# RANDOM_SEED where to begin.
#
# A program that rewrites the spool before popper has repaired it takes what it
# finds: a message twice, or with old text after it.  That stays, next to the
# whole one, which must be there all the same; such a maildrop is left then.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;
use Popper;

my $dir = tempdir('popper-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $killat = Popper::killat($dir);

my $seconds = $ENV{RANDOM_SECONDS} || 8;
my $seed = $ENV{RANDOM_SEED} || 1;
my ($snail) = grep { -x } '/usr/bin/s-nail';
my $traces = Popper::can_trace();
my (%did, $made, $large);

sub pick { return $_[int rand @_] }

# A message that its number tells, of a random size.  Some are so large that
# what stays moves in several windows.
sub new_message {
	my $n = ++$made;
	return ($n, Popper::letter($n, body => "This is $n.\n" . alnum(1 + int(
	    rand() < $large ? rand 1_500_000 : rand() < 0.1 ? rand 90_000 :
	    rand 900)), header => rand() < 0.3
	    ? [ pick('Status: O', 'Status: RO', 'Status:') ] : []));
}

sub without_status { return $_[0] =~ s/^X?-?Status:[^\n]*\n//mgr =~ s/\n+\z//r }

# The numbers of the messages in an mbox; what is not whole is "torn".
sub messages_in {
	my ($box, $is) = @_;
	my %is = map { without_status($is->{$_}) => $_ } keys %$is;

	return map { $is{ without_status($_) } // 'torn: ' . show($_) }
	    split /(?<=\n)(?=From sender)/, $box->spool // '';
}

# ---- what works on the spool -----------------------------------------------

# Delivery: the dotlock, the kernel's lock, or both.
sub arrive {
	my ($box, $is) = @_;
	my ($n, $text) = new_message();
	my $habit = pick('dotlock', 'fcntl', 'both');
	my $lock;

	unlink $box->dotlock;		# of a session that was killed
	$box->put_file($box->dotlock, '') if $habit ne 'fcntl';
	$lock = lock_file($box->path) // die 'no lock' if $habit ne 'dotlock';
	$box->append($text);
	unlink $box->dotlock;
	$is->{$n} = $text;
	$did{"delivered by $habit"}++;
}

# A mail program that reads all, notes Status: O, leaves one out, and writes all
# in place or to a new file.
sub rewrite {
	my ($box, $is, $removed) = @_;
	my @text = split /(?<=\n\n)(?=From sender)/, $box->spool // '';

	if (@text > 3 && rand() < 0.5) {
		my ($text) = splice @text, int rand @text, 1;
		for my $n (keys %$is) {
			$removed->{$n} = 1 if without_status($text) =~
			    /^\QThis is $n.\E$/m;
		}
	}
	for (@text) {
		s/\n\n/\nStatus: O\n\n/ unless /\A.*?^Status:.*?\n\n/ms;
	}
	if (rand() < 0.5) {
		$box->put(join '', @text);
		$did{'rewritten in place'}++;
	} else {
		$box->put_file($box->path . '.new', join '', @text);
		rename $box->path . '.new', $box->path or die "rename: $!";
		$did{'rewritten by a new file'}++;
	}
}

sub read_by_snail {
	my ($box) = @_;

	open my $pipe, '|-', "MAILRC=/dev/null HOME=$dir $snail -n -S hold "
	    . '-S quiet -f ' . $box->path . " >$dir/said 2>&1" or die "s-nail: $!";
	print $pipe "type 1\nquit\n";
	close $pipe;
	unlink $box->dotlock;
	$did{'rewritten by s-nail'}++;
}

# A session, which a kill, a call that fails, or nothing ends.  The numbers
# that it deleted, and whether QUIT was answered with +OK.
sub session {
	my ($box, $calls) = @_;
	my $how = pick('kill', 'kill', $traces ? 'fail' : 'kill', 'none');
	my $trace = $box->dir . '/strace';
	my $call = pick(qw(pwrite64 fdatasync fsync ftruncate pread64));
	my @under = $how eq 'kill' ?
	    ($killat, rand() < 0.3 ? 1 + int rand $$calls :
	    '+' . (1 + int rand($large && rand() < 0.5 ? 150 : 30)),
	    "$dir/calls") :
	    $how eq 'fail' ? strace($trace, '-P', $box->path, '-P',
	    $box->work, '-e', "trace=$call",
	    '-e', "inject=$call:error=" . pick('EIO', 'ENOSPC') . ':when='
	    . (1 + int rand 12)) : ($killat, 0, "$dir/calls");
	my $s = $box->session(trace => 0, args => [ '-w', 3 ], greeting => 0,
	    under => \@under);
	my @marks = map { rand() < 0.4 ? 'DELE' : 'RETR' } 1 .. 40;
	my @lines = map { "$marks[$_ - 1] $_" } grep { rand() < 0.5 } 1 .. 12;

	$s->send('USER alice', 'PASS s3cret', 'UIDL', @lines, 'QUIT');
	my $said = $s->slurp;
	$s->wait;
	$$calls = (split ' ', slurp("$dir/calls"))[0] || $$calls
	    if $how eq 'none';
	$did{"session: $how"}++;
	return ($said, grep { /^DELE/ } @lines);
}

# ---- what must hold --------------------------------------------------------

# A session in peace: UIDL beside the messages.
sub look {
	my ($box, $is, $uid_of) = @_;
	my $s = $box->login(trace => 0, args => [ '-w', 3 ]);
	my $uidl = $s->uidl;
	my @there = messages_in($box, $is);
	my @wrong;

	push @wrong, 'UIDL has ' . keys(%$uidl) . ', the spool ' . @there
	    if keys %$uidl != @there;
	for my $i (1 .. @there) {
		my $n = $there[$i - 1];
		my $uid = $uidl->{$i} // next;
		push @wrong, "$uid named $uid_of->{$uid}, and names $n"
		    if ($uid_of->{$uid} //= $n) ne $n;
	}
	$s->command('QUIT');
	$s->wait;
	return (\@there, @wrong);
}

# Some rounds with one maildrop.  What is wrong in the end, or nothing.
sub rounds {
	my ($box) = @_;
	my ($calls, %is, %removed, %uid_of, %maybe, @there, @wrong) = (150);

	arrive($box, \%is) for 1 .. 2 + rand 8;
	@there = sort { $a <=> $b } keys %is;
	for (1 .. 6) {
		my @before = @there;
		my ($said, @deleted) = session($box, \$calls);
		my @gone = grep { defined } map { $before[(split)[1] - 1] } @deleted;
		my $sure = $said =~ /^\+OK .* signing off/m;

		$removed{$_} = $sure ? 1 : $removed{$_} // 0 for @gone;
		my ($rewritten, %left_out);
		unlink $box->dotlock;
		arrive($box, \%is) if rand() < 0.5;
		if (rand() < 0.3) {
			$rewritten = !$sure;
			rewrite($box, \%is, \%left_out);
		} elsif ($snail && rand() < 0.2) {
			$rewritten = !$sure;
			read_by_snail($box);
		}
		(my $there, @wrong) = look($box, \%is, \%uid_of);
		my @torn = grep { /^torn: / } @$there;
		@there = grep { !/^torn: / } @$there;
		push @wrong, @torn unless $rewritten;
		my (%times, $twice);
		$times{$_}++ for @there;
		for my $n (sort keys %is) {
			my $times = delete $times{$n} // 0;
			my $may_go = $left_out{$n} || exists $removed{$n};
			$twice = 1 if $times > 1;
			push @wrong, "$n is there $times times"
			    if ($times > 1 && !$rewritten)
			    || ($times == 0 && !$may_go);
			push @wrong, "$n is back"
			    if $times && $removed{$n} && !$left_out{$n};
			delete $is{$n}, $removed{$n} = 1 if !$times;
			delete $removed{$n} if $times && !$removed{$n};
		}
		push @wrong, keys %times;
		$did{'rewritten before it was repaired'}++ if @torn || $twice;
		last if @wrong || @torn || $twice;
	}
	return @wrong;
}

case "at random, $seconds seconds from seed $seed on" => sub {
	my $end = now() + $seconds;
	my ($wrong, $n) = (0, 0);

	until (now() > $end || $wrong) {
		my $box = box(spool => '');
		my $this = $seed + $n++;
		srand $this;
		$made = 0;
		$large = $this % 8 == 0 ? 0.3 : 0;
		my @wrong = eval { rounds($box) };
		push @wrong, $@ if $@;
		if (@wrong) {
			$wrong++;
			diag("seed $this:\n", map { "$_\n" } @wrong);
		}
		Popper::clear();
	}
	is($wrong, 0, "$n maildrops: all whole, once, and of one name");
	cmp_ok($did{'session: kill'}, '>', 0, 'sessions were killed');
	note(map { "$_: $did{$_}\n" } sort keys %did);
};

done_testing;
