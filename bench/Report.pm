package Report;

# What was measured, as a table and as pictures.  A row is one kind of
# measurement; of its values for each server the median counts.  A goal is
# the ratio of two medians, or one median, and a limit.

use strict;
use warnings;

# What polls are to reach, one at a time and several.
my @poll_goals = (
	['of popa3d for shadow', 'popper', 'popa3d', '>=', 1.4],
	['of Debian\'s popa3d', 'popper', 'popa3d-pam', '>=', 2.3],
	['of Dovecot', 'popper', 'dovecot', '>=', 2],
	['static popper, of the floor', 'static', 'floor', '>=', 0.7]);

# Key, title, unit, whether more is better, and goals: what it is compared
# with, the two values (SERVER or ROW@SERVER; "best" is the best peer, 1 is
# one), and the limit.
my @rows = (
	['poll1', 'poll sessions, 1 at a time', '/s', 1,
	    @poll_goals],
	['poll8', 'poll sessions, 8 at a time', '/s', 1,
	    @poll_goals],
	['pollnss', "the same with this machine's NSS", '/s', 1],
	['pollx', 'the same under xinetd, 1 at a time', '/s', 1],
	['cpu', 'CPU of a poll session', 'us', 0,
	    ['of the best peer', 'popper', 'best', '<=', 0.6]],
	['instr', 'instructions of a poll session', 'M', 0,
	    ['million', 'popper', 1, '<', 0.8]],
	['poll-s', 'poll, unchanged S', 'ms', 0],
	['poll-m', 'poll, unchanged M', 'ms', 0,
	    ['of S', 'popper', 'poll-s@popper', '<=', 1.15]],
	['poll-l', 'poll, unchanged L', 'ms', 0,
	    ['of S', 'popper', 'poll-s@popper', '<=', 1.15]],
	['poll-x', 'poll, unchanged XL', 'ms', 0,
	    ['of S', 'popper', 'poll-s@popper', '<=', 1.15]],
	['stale-l', 'login and STAT, L was touched', 'ms', 0,
	    ['of the scan floor', 'popper', 'floor', '<=', 1.5]],
	['deliver', 'login and STAT, one came to L', 'ms', 0,
	    ['of Dovecot', 'popper', 'dovecot', '<=', 1]],
	['retr1', 'first RETR, message 1 of L', 'ms', 0,
	    ['of the copy floor', 'popper', 'floor', '<=', 1.3]],
	['retrnew', 'RETR of the newest of L', 'ms', 0,
	    ['of the same on S', 'popper', 'retrnewS@popper', '<=', 1.15]],
	['retrnewS', 'RETR of the newest of S', 'ms', 0],
	['retr32', 'RETR of all L, 32 in flight', 'MB/s', 1,
	    ['of the sendfile floor', 'popper', 'floor', '>=', 0.8]],
	['retr32warm', 'the same, the copy made before', 'MB/s', 1],
	['retr', 'RETR of all L, one at a time', 'ms', 0,
	    ['of the best peer', 'popper', 'best', '<=', 0.5]],
	['retrD', 'RETR of all D, one at a time', 'ms', 0],
	['top', 'TOP n 0 of all L, 32 in flight', 'ms', 0,
	    ['of the best peer', 'popper', 'best', '<', 1]],
	['list', 'LIST of L', 'ms', 0,
	    ['of the best peer', 'popper', 'best', '<', 1]],
	['uidl', 'UIDL of L', 'ms', 0,
	    ['of the best peer', 'popper', 'best', '<', 1]],
	['xlst', 'XTND XLST of one field of L', 'ms', 0,
	    ['of TOP of all', 'popper', 'top@popper', '<=', 1]],
	['newest-s', 'QUIT, newest of S deleted', 'ms', 0,
	    ['of the best peer', 'popper', 'best', '<=', 1]],
	['newest-d', 'QUIT, newest of D deleted', 'ms', 0,
	    ['of the best peer', 'popper', 'best', '<=', 1]],
	['newest-l', 'QUIT, newest of L deleted', 'ms', 0,
	    ['of the best peer', 'popper', 'best', '<=', 1],
	    ['of the same on S', 'popper', 'newest-s@popper', '<=', 1.15]],
	['all', 'QUIT, all of L deleted', 'ms', 0,
	    ['of the best peer', 'popper', 'best', '<=', 1]],
	['other', 'QUIT, every other of L deleted', 'ms', 0,
	    ['of popa3d', 'popper', 'popa3d', '<=', 1.4]],
	['private', 'private memory after login on L', 'KiB', 0,
	    ['KiB', 'popper', 1, '<', 2048]],
	['idle', 'an idle session, its processes', 'KiB', 0,
	    ['KiB', 'popper', 1, '<', 250]],
	['idleavail', 'the same by MemAvailable, client too', 'KiB', 0],
);

my @columns = qw(popper static popa3d popa3d-pam dovecot mailutils solid
    floor);
# Each stands for the least there is to do for its row.
my %floor = map { $_ => 1 } qw(floor scan copy sendfile purge);

sub new {
	my ($class, %arg) = @_;
	return bless { peers => $arg{peers}, value => {}, failed => {},
	    notes => [] }, $class;
}

sub add {
	my ($self, $row, $name, $value) = @_;
	$name = 'floor' if $floor{$name};
	push @{ $self->{value}{$row}{$name} }, $value;
}

sub failed {
	my ($self, $row, $name, $why) = @_;
	$self->{failed}{$row}{$name} = $why;
	delete $self->{value}{$row}{$name};
}

sub note {
	my ($self, $text) = @_;
	push @{ $self->{notes} }, $text;
}

sub median {
	my ($self, $row, $name) = @_;
	my @sorted = sort { $a <=> $b } @{ $self->{value}{$row}{$name} // [] };
	return undef unless @sorted;
	return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

# The value that a goal names, for its row.
sub named {
	my ($self, $row, $what) = @_;
	return 1 if $what eq '1';
	return $self->median($1, $2) if $what =~ /(.+)@(.+)/;
	return $self->median($row->[0], $what) if $what ne 'best';
	my @all = sort { $a <=> $b } grep { defined } map {
	    $self->median($row->[0], $_) } @{ $self->{peers} };
	return $all[$row->[3] ? -1 : 0];
}

# [text, whether it is met (undef: cannot be told)] for each goal of a row.
sub goals {
	my ($self, $row) = @_;
	my @told;

	for my $goal (@$row[4 .. $#$row]) {
		my ($what, $over, $under, $how, $limit) = @$goal;
		my $a = $self->named($row, $over);
		my $b = $self->named($row, $under);
		my $text = "goal: $how $limit $what";
		if (!defined $a || !defined $b) {
			push @told, ["$text: not measured", undef];
			next;
		}
		my $x = $a / $b;
		my $met = $how eq '>=' ? $x >= $limit : $how eq '<=' ?
		    $x <= $limit : $x < $limit;
		push @told, [sprintf('%s: %s', $text, number($x)), $met];
	}
	return @told;
}

sub number {
	my ($x) = @_;
	return $x >= 100 ? sprintf('%.0f', $x) : $x >= 10 ? sprintf('%.1f', $x)
	    : sprintf('%.2f', $x);
}

sub cell {
	my ($self, $row, $name) = @_;
	my $x = $self->median($row, $name);
	return number($x) if defined $x;
	my $why = $self->{failed}{$row}{$name} // return '-';
	return $why =~ /^over (\d+)/ ? ">$1 s" : 'wrong';
}

sub rows {
	my ($self) = @_;
	return grep { $self->{value}{$_->[0]} } @rows;
}

sub write {
	my ($self, $dir, %run) = @_;
	my $text = $self->heading($dir, %run) . $self->table;

	save("$dir/report.txt", $text);
	save("$dir/report.svg", $self->bars);
	save("$dir/growth.svg", $self->growth($run{spool}));
	print "\n$text";
}

sub save {
	my ($path, $text) = @_;
	open my $f, '>', $path or die "$path: $!\n";
	print $f $text;
	close $f or die "$path: $!\n";
}

sub heading {
	my ($self, $dir, %run) = @_;
	my ($model) = join('', lines('/proc/cpuinfo')) =~
	    /^model name\s*:\s*(.*)/m;
	my $cores = grep { /^processor/ } lines('/proc/cpuinfo');
	my $spools = join '', map { sprintf "    %-3s %7d messages, %d MB\n",
	    $_ eq 'x' ? 'XL' : uc, $run{spool}{$_}[0],
	    $run{spool}{$_}[1] / 1e6 } qw(s m l d x);
	my ($debian) = lines('/etc/debian_version');
	my ($kernel) = lines('/proc/sys/kernel/osrelease');
	$spools =~ s/, 0 MB/, 0.5 MB/;
	chomp($debian, $kernel);
	chomp(my $commit = `git -C $dir describe --always --dirty 2>/dev/null`);
	return sprintf <<"END", $run{quick} ? 'quick' : 'full', $run{seconds};
bench/run, %s: %.0f seconds, commit $commit.
Debian $debian, Linux $kernel, $cores x $model.

Spools:
$spools
Medians, in turns, over loopback; floor, popper, popa3d, mailutils and solid
under openbsd-inetd; Dovecot with its own master, processes that wait, warm
indexes and a cache of passwords.  All accounts have DES hashes and are looked
up in /etc alone.  "popa3d" is built for shadow passwords, "popa3d-pam" is
Debian's.  No syslogd listens.  "wrong": an answer was not what it had to be;
">N s": that long was not waited for.

END
}

sub lines {
	my ($path) = @_;
	open my $f, '<', $path or return '';
	return <$f>;
}

sub table {
	my ($self) = @_;
	my $text = sprintf("%-36s %-5s", '', '') .
	    join('', map { sprintf ' %10s', $_ } @columns) . "\n";
	my ($met, $missed) = (0, 0);
	my %seen;

	for my $row ($self->rows) {
		my ($key, $title, $unit) = @$row;
		$text .= sprintf("%-36s %-5s", $title, $unit) . join('', map {
		    sprintf ' %10s', $self->cell($key, $_) } @columns) . "\n";
		for my $goal ($self->goals($row)) {
			my ($what, $ok) = @$goal;
			$text .= sprintf "    %-60s %s\n", $what, !defined $ok
			    ? '' : $ok ? 'met' : 'MISSED';
			$met += $ok ? 1 : 0;
			$missed += defined $ok && !$ok ? 1 : 0;
		}
	}
	$text .= "\ngoals: $met met, $missed missed\n";
	for my $key (map { $_->[0] } @rows) {
		for my $name (sort keys %{ $self->{failed}{$key} }) {
			my $why = "$name: $self->{failed}{$key}{$name}";
			$text .= "    $why ($key)\n" unless $seen{$why}++;
		}
	}
	$text .= join '', map { "    $_\n" } @{ $self->{notes} };
	return $text;
}

# ---- pictures -------------------------------------------------------------

my %color = (popper => '#1b6ca8', static => '#4fa3d9', popa3d => '#b5651d',
    'popa3d-pam' => '#d39b62', dovecot => '#6a8f3c', mailutils => '#8c6bb1',
    solid => '#999999', floor => '#333333');

sub escape {
	my ($s) = @_;
	my %as = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;');
	$s =~ s/([&<>])/$as{$1}/g;
	return $s;
}

sub label {
	my ($x, $y, $text, %o) = @_;
	return sprintf "<text x='%.1f' y='%.1f' text-anchor='%s' fill='%s'%s>" .
	    "%s</text>\n", $x, $y, $o{anchor} // 'start', $o{fill} // '#222',
	    $o{bold} ? " font-weight='bold'" : '', escape($text);
}

sub picture {
	my ($width, $height, $body) = @_;
	return "<svg xmlns='http://www.w3.org/2000/svg' width='$width' " .
	    "height='$height' viewBox='0 0 $width $height' " .
	    "font-family='sans-serif' font-size='11'>\n" .
	    "<rect width='100%' height='100%' fill='white'/>\n$body</svg>\n";
}

# For each row a bar for each server, and whether its goals are met.
sub bars {
	my ($self) = @_;
	my ($body, $y) = ('', 20);

	for my $row ($self->rows) {
		my ($key, $title, $unit, $more) = @$row;
		my @have = grep { defined $self->median($key, $_) } @columns;
		my ($most) = sort { $b <=> $a } map {
		    $self->median($key, $_) } @have;
		$body .= label(10, $y, "$title, $unit (" . ($more ? 'more' :
		    'less') . ' is better)', bold => 1);
		my $side = $y;
		for my $goal ($self->goals($row)) {
			my ($what, $ok) = @$goal;
			$side += 14;
			$body .= label(560, $side, $what . (!defined $ok ? '' :
			    $ok ? ' - met' : ' - missed'), fill => !defined $ok
			    ? '#777' : $ok ? '#2a7d2a' : '#b22222');
		}
		for my $name (@have) {
			my $x = $self->median($key, $name);
			my $part = $most > 0 && $x > 0 ? $x / $most : 0;
			$y += 14;
			$body .= label(90, $y, $name, anchor => 'end');
			$body .= sprintf "<rect x='96' y='%d' width='%.1f' " .
			    "height='10' fill='%s'/>\n", $y - 9,
			    1 + 380 * $part, $color{$name};
			$body .= label(101 + 380 * $part, $y, number($x));
		}
		$y = $side if $side > $y;
		$y += 26;
	}
	return picture(860, $y, $body);
}

sub log10 { return log($_[0]) / log 10 }

# Lines through points, both ways in powers of ten.
sub chart {
	my ($left, $title, $across, %line) = @_;
	my @points = map { @$_ } values %line;
	return label($left, 20, "$title: not measured") unless @points;
	my ($x0, $x1) = (sort { $a <=> $b } map { log10($_->[0]) }
	    @points)[0, -1];
	my ($y0, $y1) = (sort { $a <=> $b } map { log10($_->[1]) }
	    @points)[0, -1];
	($x0, $x1) = ($x0 - 0.1, $x1 + 0.1);
	($y0, $y1) = (POSIX::floor($y0), POSIX::ceil($y1 + 0.01));
	my $px = sub { $left + 45 + 270 * (log10($_[0]) - $x0) / ($x1 - $x0) };
	my $py = sub { 300 - 250 * (log10($_[0]) - $y0) / ($y1 - $y0) };
	my $body = label($left + 45, 25, $title, bold => 1) .
	    label($left + 180, 335, $across, anchor => 'middle');

	for my $e ($y0 .. $y1) {
		my $y = $py->(10 ** $e);
		$body .= sprintf("<path d='M%.1f %.1fh270' stroke='#ddd'/>\n",
		    $left + 45, $y) . label($left + 41, $y + 4, 10 ** $e,
		    anchor => 'end');
	}
	my (%seen, $last);
	for my $x (sort { $a <=> $b } grep { !$seen{$_}++ } map { $_->[0] }
	    @points) {
		# no number runs into the one before it
		next if defined $last && $px->($x) - $px->($last) < 30;
		$last = $x;
		$body .= label($px->($x), 316, $x >= 1e6 ? $x / 1e6 . 'M' :
		    $x >= 1e4 ? $x / 1e3 . 'k' : $x, anchor => 'middle');
	}
	my $y = 48;
	for my $name (grep { $line{$_} && @{ $line{$_} } } @columns) {
		my @at = map { [$px->($_->[0]), $py->($_->[1])] }
		    sort { $a->[0] <=> $b->[0] } @{ $line{$name} };
		$body .= "<polyline fill='none' stroke-width='2' " .
		    "stroke='$color{$name}' points='" . join(' ', map {
		    sprintf '%.1f,%.1f', @$_ } @at) . "'/>\n";
		$body .= sprintf "<circle cx='%.1f' cy='%.1f' r='3' " .
		    "fill='$color{$name}'/>\n", @$_ for @at;
		$body .= label($left + 325, $y += 15, $name,
		    fill => $color{$name});
	}
	return $body;
}

sub growth {
	my ($self, $spool) = @_;
	my $series = sub {
		my ($row, @at) = @_;	# [part of the key, place]
		my %line;
		for my $at (@at) {
			my ($part, $x) = @$at;
			my $of = $self->{value}{"$row-$part"} // next;
			push @{ $line{$_} }, [$x, $self->median("$row-$part",
			    $_)] for keys %$of;
		}
		return %line;
	};
	return picture(1200, 350, chart(0, 'poll of an unchanged maildrop, ms',
	    'messages', $series->('poll', map { [$_, $spool->{$_}[0]] }
	    qw(s m l x))) . chart(400, 'login, the spool was touched, ms',
	    'bytes', $series->('stale', map { [$_, $spool->{$_}[1]] }
	    qw(s m d l))) . chart(800, 'poll sessions a second',
	    'sessions at a time', $series->('at', map { [$_, $_] }
	    1, 2, 4, 8, 16)));
}

1;
