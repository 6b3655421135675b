# The daemon is killed in front of each of its system calls in turn, from
# login to exit.  Right after that every kept message stands whole in the
# spool or in the state file; then mail comes; and the next session finds
# every kept message once, the deleted ones all back or all gone (gone once
# QUIT was answered), and the new mail behind.
#
# Calls that change nothing outside are tried one in twenty: a kill in front of
# one is no other than a kill behind it.  Of the others each day has its own,
# and KILL_ALL=1 all.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;
use Popper;
use Time::HiRes qw(sleep);

my $dir = tempdir('popper-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $killat = Popper::killat($dir);

my $rarely = 20;
my $pairs = $ENV{KILL_ALL} ? 20 : 3;
my $mail = letter(77, body => "This came later.\n");
my $kills;		# in this case, so far

# marks: d deleted, r retrieved, . neither; o, O as r and . with a Status line
# before; L left over by an older popper; B left over and in the spool.
my @scenes = (
	{ name => 'the first deleted', marks => 'd..' },
	{ name => 'the middle deleted', marks => '.d.' },
	{ name => 'every other deleted', marks => 'd.d.d.d' },
	{ name => 'Status only', marks => 'rO.r', size => 900 },
	{ name => 'Status and deletions', marks => 'rd.odr', size => 400 },
	{ name => 'a Status line in front of all', marks => 'rr.', size => 3000 },
	{ name => 'blocks, not octets, are moved', marks => 'd..', size => 70_000 },
	{ name => 'CRLF', marks => 'drd.r', crlf => 1 },
	{ name => 'all deleted', marks => 'dd' },
	{ name => 'mail during the session', marks => 'd.r', arrives => 1 },
	{ name => 'left-over mail', marks => 'LB..', size => 700 },
);
my %scene = map { $_->{name} => $_ } @scenes;

# ---- a scene ---------------------------------------------------------------

sub prepare {
	my ($scene) = @_;
	my ($old, $new, $left, $back, $cut, $n) = ('', '', '', '', '', 0);
	my (@kept, @commands);

	for my $mark (split //, $scene->{marks}) {
		my %status = (r => 'RO', o => 'RO', O => 'O');
		my @is = map {
			my $text = letter(++$n, body =>
			    alnum(($scene->{size} || 120) + 37 * $n),
			    header => $_ ? ["Status: $_"] : []);
			$n--;
			$scene->{crlf} ? $text =~ s/\n/\r\n/gr : $text;
		} ($mark =~ /[oO]/ ? 'O' : undef), $status{$mark};
		$n++;
		$left .= $is[0] if $mark =~ /[LB]/;
		$old .= $is[0] if $mark ne 'L';
		$cut = $old if $mark ne 'd';	# the end goes first
		$back .= $is[1] if $mark eq 'L';
		push @kept, \@is if $mark ne 'd';
		push @commands, $mark eq 'd' ? "DELE $n" : "RETR $n"
		    if $mark =~ /[dro]/;
	}
	$n = 0;
	for my $mark (split //, $scene->{marks}) {
		$new .= $kept[$n][1] if $mark !~ /[dL]/;
		$n++ if $mark ne 'd';
	}
	return { %$scene, old => $old, cut => $cut, new => $new, left => $left,
	    back => $back,
	    kept => \@kept, commands => \@commands };
}

# The box as the scene begins.
sub fresh {
	my ($box, $scene) = @_;

	unlink $box->path, $box->work, $box->dotlock;
	$box->put($scene->{old});
	$box->put_file($box->work, $scene->{left}) if $scene->{left} ne '';
}

# One session that is killed in front of call n (0: never).  What QUIT was
# answered, and the numbers of the calls to try.
sub session {
	my ($box, $scene, $n, @commands) = @_;
	my $s = $box->session(trace => 0, args => ['-w', 3], greeting => 0,
	    under => [$killat, $n, "$dir/calls"]);
	my $said;

	if ($scene->{arrives} && @commands) {
		$s->send('USER alice', 'PASS s3cret', 'NOOP');
		for (1 .. 4) {
			my $line = $s->read_line('a reply') // last;
			$said .= $line;
		}
		unlink $box->dotlock;
		$box->deliver($mail) or die 'cannot deliver';
	} else {
		$s->send('USER alice', 'PASS s3cret');
	}
	$s->send(@commands, 'QUIT');
	$said .= $s->slurp;
	my $status = $s->wait;
	die 'wait status ' . $status if $status != 0 && $status != 137 << 8;
	$kills++ if $status != 0;
	my ($calls, @busy) = split ' ', slurp("$dir/calls");
	my %try = map { $_ => 1 } @busy, grep { $_ % $rarely == 0 } 1 .. $calls;
	return ($said =~ /^\+OK .* signing off/m ? 1 : 0,
	    sort { $a <=> $b } keys %try);
}

# ---- what must hold --------------------------------------------------------

# Every kept letter is whole in one of the two files.
sub not_whole {
	my ($box, $scene) = @_;
	my $text = ($box->spool // '') . "\0" . (slurp($box->work) // '');

	for my $i (0 .. $#{ $scene->{kept} }) {
		my ($old, $new) = @{ $scene->{kept}[$i] };
		return 'kept letter ' . ($i + 1) . ' stands nowhere'
		    if index($text, $old) < 0 && index($text, $new) < 0;
	}
	return;
}

# A session after the kill, and what it finds.
sub not_recovered {
	my ($box, $scene, $sure, $more) = @_;
	my $behind = ($scene->{arrives} ? $mail : '') . $more;
	my $s = $box->session(args => ['-w', 3]);
	my ($reply) = map { $s->command($_) } 'USER alice';

	$reply = $s->command('PASS s3cret');
	return "PASS is answered $reply" unless $reply =~ /^\+OK/;
	my ($count) = $s->command('STAT') =~ /^\+OK (\d+)/;
	$reply = $s->quit;
	return "QUIT is answered $reply" unless $reply =~ /^\+OK/;

	my $spool = $box->spool // '';
	my $there = () = $spool =~ /^From sender/mg;
	return "STAT says $count, there are $there" if $count != $there;
	# mail may have come before left-over mail was put back, or after it
	return if $spool eq $scene->{new} . $scene->{back} . $behind;
	return if $spool eq $scene->{new} . $behind . $scene->{back};
	return if !$sure && grep { $spool eq $_ . $behind } @$scene{'old', 'cut'};
	return 'the spool has ' . join ', ', $spool =~ /^Subject: ([^\r\n]*)/mg;
}

# A case dies of nothing that a kill can do.
sub tried {
	my ($where, $code) = @_;
	my $error = eval { $code->() } // $@;

	chomp $error;
	return $error eq '' ? () : "$where: $error";
}

for (map { prepare($_) } @scenes) {
	my $scene = $_;
	case "killed at each call: $scene->{name}" => sub {
		my $box = box(spool => undef);
		my @wrong;

		$kills = 0;
		fresh($box, $scene);
		my ($quit, @calls) = session($box, $scene, 0,
		    @{ $scene->{commands} });
		ok($quit, 'undisturbed it is done');
		my $behind = $scene->{arrives} ? $mail : '';
		is($box->spool, $scene->{new} . $scene->{back} . $behind,
		    'as it should be');
		@calls = few(8, @calls);
		for my $n (@calls) {
			my $more = $n % 3 ? $mail : '';

			fresh($box, $scene);
			my ($sure) = session($box, $scene, $n,
			    @{ $scene->{commands} });
			push @wrong, tried("call $n", sub {
				my $bad = not_whole($box, $scene);

				return $bad if defined $bad;
				unlink $box->dotlock;
				if ($scene->{arrives}
				    && $box->spool !~ /\Q$mail\E\z/) {
					$box->deliver($mail);
				}
				$box->deliver($more) if $more ne '';
				return not_recovered($box, $scene, $sure
				    || $scene->{left} ne '', $more);
			});
			last if @wrong > 5;
		}
		is_deeply(\@wrong, [], 'nothing is lost, nothing is there twice');
		unlike($box->log, qr/was changed since an update/,
		    'nor taken for a change by another program');
		# the index waits for the clock of the disk to tick: a write or two
		cmp_ok($kills, '>=', @calls - 3, "$kills kills");
	};
}

# A kill, then one in the recovery, then a session.
sub twice {
	my ($box, $scene, $n, $m) = @_;

	fresh($box, $scene);
	my ($sure) = session($box, $scene, $n, @{ $scene->{commands} });
	session($box, $scene, $m);
	return tried("$scene->{name}, calls $n and $m", sub {
		my $bad = not_whole($box, $scene);

		return $bad if defined $bad;
		unlink $box->dotlock;
		$box->deliver($mail);
		return not_recovered($box, $scene, $sure
		    || $scene->{left} ne '', $mail);
	});
}

case 'killed, and killed again while it recovers' => sub {
	my ($seed, $pairs_tried, @wrong) = (1, 0);

	$kills = 0;
	for my $scene (map { prepare($_) } @scenes) {
		my $box = box(spool => undef);

		fresh($box, $scene);
		my ($quit, @calls) = session($box, $scene, 0,
		    @{ $scene->{commands} });
		@calls = @calls[@calls / 3 .. $#calls];	# later ones do more
		for (1 .. $pairs) {
			my ($n, $m) = map {
				$seed = ($seed * 75 + 74) % 65537;
				$calls[$seed % @calls];
			} 1 .. 2;
			$pairs_tried++;
			push @wrong, twice($box, $scene, $n, $m);
			last if @wrong > 5;
		}
	}
	is_deeply(\@wrong, [], 'nothing is lost or doubled');
	cmp_ok($kills, '>', $pairs_tried, "$kills kills, recoveries among them");
};

case 'killed when the spool has grown, and again while it recovers' => sub {
	my $scene = prepare($scene{'Status only'});
	my $box = box(spool => undef);
	my ($quit, @calls, $grown, @wrong);

	fresh($box, $scene);
	($quit, @calls) = session($box, $scene, 0, @{ $scene->{commands} });
	for my $n (@calls[@calls / 3 .. $#calls]) {	# after login
		fresh($box, $scene);
		session($box, $scene, $n, @{ $scene->{commands} });
		$grown = $n;
		last if -s $box->path > length $scene->{old};
	}
	ok($grown < $calls[-1], 'there is such a moment');
	($quit, @calls) = session($box, $scene, 0);
	for my $m (few(3, @calls)) {
		push @wrong, twice($box, $scene, $grown, $m);
		last if @wrong > 5;
	}
	is_deeply(\@wrong, [], 'nothing is lost or doubled');
};

# ---- another program between -----------------------------------------------

# What mail readers do: read all messages, note Status: O in those that have
# none, write all back in place, cut what is left over.
sub reader {
	my ($box) = @_;
	my $text = $box->spool // return;

	$text = join '', map {
		my ($head, $body) = /\A(.*?\n)(\r?\n.*)\z/s ? ($1, $2) : ($_, '');
		my $end = $head =~ /\r\n/ ? "\r\n" : "\n";
		$head .= "Status: O$end"
		    if $body ne '' && $head !~ /^Status:/mi;
		$head . $body;
	} split /(?:(?<=\n\n)|(?<=\n\r\n))(?=From )/, $text;
	$box->put($text);
}

sub without_status { return $_[0] =~ s/^Status:[^\n]*\n//mgr }

case 'killed, then another program rewrites the spool' => sub {
	my @wrong;

	$kills = 0;
	for my $scene (map { prepare($_) } @scene{'the first deleted',
	    'Status only', 'Status and deletions', 'left-over mail'}) {
		my $box = box(spool => undef);

		fresh($box, $scene);
		my ($quit, @calls) = session($box, $scene, 0,
		    @{ $scene->{commands} });
		for my $n (few(4, grep { $_ > 20 } @calls)) {
			fresh($box, $scene);
			session($box, $scene, $n, @{ $scene->{commands} });
			unlink $box->dotlock;
			$box->deliver($mail);
			reader($box);
			push @wrong, tried("$scene->{name}, call $n", sub {
				my $s = $box->login(trace => 0);
				$s->quit;
				my $text = without_status($box->spool);
				for my $is (map { $_->[0] } @{ $scene->{kept} },
				    [$mail]) {
					my $want = without_status($is);
					return show($want) . ' is lost or torn'
					    unless $text =~ /^\Q$want\E/m;
				}
				return;
			});
			last if @wrong > 5;
		}
	}
	is_deeply(\@wrong, [], "$kills kills: nothing kept is lost or torn");
};

case 'killed at ten random moments of DELE and QUIT' => sub {
	my $scene = prepare({ marks => 'd.....dd' . '.' x 21 . 'd.' x 15,
	    size => 50_000 });
	my $box = box(spool => undef);
	my @wrong;

	for my $try (1 .. 10) {
		fresh($box, $scene);
		my $s = $box->login(trace => 0, args => ['-w', 3]);

		$s->send(@{ $scene->{commands} }, 'QUIT');
		sleep rand 0.02;
		$s->kill('KILL');
		$s->wait;
		push @wrong, tried("try $try", sub {
			return not_whole($box, $scene)
			    // not_recovered($box, $scene, 0, '');
		});
	}
	is_deeply(\@wrong, [], 'nothing is lost, nothing is there twice');
};

done_testing;
