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
	['of Dovecot', 'popper', 'dovecot', '>=', 2]);

# What RETR is to reach of the cost model.
sub retr_goals {
	my ($limit) = @_;
	return (['of the model', 'popper', 'floor', '>=', $limit],
	    ['static, of the model', 'static', 'floor', '>=', $limit]);
}

# Key, title, unit, whether more is better, and goals: what it is compared
# with, the two values (SERVER or ROW@SERVER; "best" is the best peer, 1 is
# one), and the limit.
my @rows = (
	['poll1', 'poll sessions, 1 at a time', '/s', 1, @poll_goals],
	['poll8', 'poll sessions, 8 at a time', '/s', 1, @poll_goals,
	    ['of the floor', 'popper', 'floor', '>=', 0.6],
	    ['static, of the floor', 'static', 'floor', '>=', 0.7]],
	['pollfiles1', 'accounts in files alone, 1', '/s', 1],
	['pollfiles8', 'accounts in files alone, 8', '/s', 1],
	['pollxinetd', 'under xinetd, 1 at a time', '/s', 1],
	['pollsystemd', 'systemd-socket-activate, 1', '/s', 1],
	(map { ["at-$_", "poll sessions, $_ of 256 at a time", '/s', 1] }
	    1, 2, 4, 8, 16),
	['cpu', 'CPU of a poll session', 'us', 0,
	    ['of the best peer', 'popper', 'best', '<=', 0.6]],
	# valgrind counts twice what comes before fork(2)
	['instr', 'instructions of a poll session', 'M', 0],
	['calls', 'system calls of a poll session', '', 0,
	    ['calls', 'popper', 1, '<', 170]],
	['poll-s', 'poll, unchanged S', 'ms', 0],
	(map { ["poll-$_->[0]", "poll, unchanged $_->[1]", 'ms', 0,
	    ['of S', 'popper', 'poll-s@popper', '<=', 1.15]] }
	    ['m', 'M'], ['l', 'L'], ['x', 'XL']),
	['stale-s', 'login and STAT, S was touched', 'ms', 0],
	['stale-m', 'login and STAT, M was touched', 'ms', 0],
	['stale-l', 'login and STAT, L was touched', 'ms', 0,
	    ['of the scan floor', 'popper', 'floor', '<=', 1.5]],
	['deliver', 'login and STAT, one came to L', 'ms', 0,
	    ['of Dovecot', 'popper', 'dovecot', '<=', 1]],
	['retr1', 'first RETR, message 1 of L', 'ms', 0,
	    ['of the copy floor', 'popper', 'floor', '<=', 1.3]],
	['retrnew', 'RETR of the newest of L', 'ms', 0,
	    ['of the same on S', 'popper', 'retrnewS@popper', '<=', 1.15]],
	['retrnewS', 'RETR of the newest of S', 'ms', 0],
	['retrM', 'RETR of all M, 32 in flight', 'MB/s', 1, retr_goals(0.8)],
	['retrMcpu', 'CPU of that session', 'ms', 0,
	    ['of the model', 'popper', 'floor', '<=', 1.5]],
	['retr32', 'RETR of all L, 32 in flight', 'MB/s', 1, retr_goals(0.7)],
	['retr32warm', 'the same, the copy made before', 'MB/s', 1],
	['retrD', 'RETR of all D, one at a time', 'MB/s', 1, retr_goals(0.9)],
	['retr', 'RETR of all L, one at a time', 'ms', 0,
	    ['of the best peer', 'popper', 'best', '<=', 0.5]],
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
	['other-m', 'QUIT, every other of M deleted', 'ms', 0,
	    ['of popa3d', 'popper', 'popa3d', '<=', 1.3]],
	['other-l', 'QUIT, every other of L deleted', 'ms', 0,
	    ['of popa3d', 'popper', 'popa3d', '<=', 1.3]],
	['first-l', 'QUIT, the first of L deleted', 'ms', 0,
	    ['of popa3d', 'popper', 'popa3d', '<=', 2.2]],
	['private', 'private memory after login on L', 'KiB', 0,
	    ['KiB', 'popper', 1, '<', 2048]],
	['idle', 'an idle session, its processes', 'KiB', 0,
	    ['KiB', 'popper', 1, '<=', 240]],
	['idleavail', 'the same by MemAvailable, client too', 'KiB', 0],
);

my @columns = qw(popper before static popa3d popa3d-pam dovecot floor);
# Each stands for the least there is to do for its row.
my %floor = map { $_ => 1 } qw(floor scan copy model purge);
my @other_floors = qw(convert sendfile);

sub new {
	my ($class, %arg) = @_;
	return bless { peers => $arg{peers}, value => {}, failed => {},
	    syncs => {}, notes => [] }, $class;
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

sub syncs {
	my ($self, $row, $name, $n) = @_;
	$self->{syncs}{$row}{$name} = $n if defined $n;
}

sub note {
	my ($self, $text) = @_;
	push @{ $self->{notes} }, $text;
}

sub median {
	my ($self, $row, $name) = @_;
	my $of = $self->{value}{$row} or return undef;
	my @sorted = sort { $a <=> $b } @{ $of->{$name} // [] };
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

	return if !defined $self->median($row->[0], 'popper');
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

# What else a row has: other floors, and syncs.
sub remarks {
	my ($self, $key) = @_;
	my @floors = map { my $x = $self->median($key, $_);
	    defined $x ? "$_ " . number($x) : () } @other_floors;
	my $syncs = $self->{syncs}{$key} // {};
	my @syncs = map { defined $syncs->{$_} ? "$_ $syncs->{$_}" : () }
	    @columns;
	return ((@floors ? 'other floors: ' . join ', ', @floors : ()),
	    (@syncs ? 'syncs in a session: ' . join ', ', @syncs : ()));
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
	chomp(my ($commit) = lines("$dir/commit"));
	my ($load) = split ' ', (lines('/proc/loadavg'))[0];
	return sprintf <<"END", $run{quick} ? 'quick' : 'full', $run{seconds};
bench/run, %s: %.0f seconds, commit $commit, load average at its end $load.
Debian $debian, Linux $kernel, $cores x $model.

Spools:
$spools
Medians, in turns, over loopback; all under openbsd-inetd, but Dovecot with its
own master, processes that wait, warm indexes and a cache of passwords.
Accounts have DES hashes and are looked up as Debian does ("files systemd").
"static" is popper with musl; "before", if it is there, popper at an earlier
commit; "popa3d" is built for shadow passwords, "popa3d-pam" is Debian's.  The
floor of polls has canned replies; that of RETR is the cost model of
bench/floor.c.  No syslogd listens.  "wrong": an answer was not what it had to be;
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
	my @shown = grep { my $name = $_;
	    grep { defined $self->median($_->[0], $name) } @rows } @columns;
	my $text = sprintf('%-36s %-4s', '', '') .
	    join('', map { sprintf ' %10s', $_ } @shown) . "\n";
	my ($met, $missed) = (0, 0);
	my %seen;

	for my $row ($self->rows) {
		my ($key, $title, $unit) = @$row;
		$text .= sprintf('%-36s %-4s', $title, $unit) . join('', map {
		    sprintf ' %10s', $self->cell($key, $_) } @shown) . "\n";
		for my $goal ($self->goals($row)) {
			my ($what, $ok) = @$goal;
			$text .= sprintf "    %-60s %s\n", $what, !defined $ok
			    ? '' : $ok ? 'met' : 'MISSED';
			$met += $ok ? 1 : 0;
			$missed += defined $ok && !$ok ? 1 : 0;
		}
		$text .= "    $_\n" for $self->remarks($key);
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

# Puts the report of the last run into the page that has one, between its first
# line and that of the goals; and the curves next to it.
sub publish {
	my ($from, $doc) = @_;
	my ($report) = join('', lines("$from/report.txt")) =~
	    /^(bench\/run, \w+: .*?^goals: .*?\n)/ms
	    or die "no report in $from\n";
	my $page = join '', lines("$doc/PERFORMANCE");
	$page =~ s/^bench\/run, \w+: .*?^goals: .*?\n/$report/ms
	    or die "$doc/PERFORMANCE has no report\n";
	save("$doc/PERFORMANCE", $page);
	save("$doc/growth.svg", join '', lines("$from/growth.svg"));
}

# ---- pictures -------------------------------------------------------------

# Colours for a light page and for a dark one.
my %color = (popper => '#1b6ca8', before => '#7a5ea8', static => '#4fa3d9',
    popa3d => '#b5651d', 'popa3d-pam' => '#d39b62', dovecot => '#5c8a2e',
    floor => '#777777');
my %dark = (popper => '#5cb0f0', before => '#b49be0', static => '#9ad0f5',
    popa3d => '#e89a50', 'popa3d-pam' => '#f0c090', dovecot => '#9cc96b',
    floor => '#a0a0a0');

sub escape {
	my ($s) = @_;
	my %as = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;');
	$s =~ s/([&<>])/$as{$1}/g;
	return $s;
}

sub label {
	my ($x, $y, $text, %o) = @_;
	return sprintf "<text x='%.1f' y='%.1f' text-anchor='%s' class='%s'>" .
	    "%s</text>\n", $x, $y, $o{anchor} // 'start', $o{class} // 'text',
	    escape($text);
}

# A picture with its title, what it shows in words, and both colour schemes.
sub picture {
	my ($width, $height, $title, $text, $body) = @_;
	my $style = sub {
		my ($ground, $ink, $grid, $of) = @_;
		return ".ground { fill: $ground }\n.text, .head { fill: $ink }\n" .
		    ".grid { stroke: $grid }\n" . join '', map {
		    ".$_ { fill: $of->{$_}; stroke: $of->{$_} }\n" .
		    "text.$_ { stroke: none }\n" } sort keys %$of;
	};
	return "<svg xmlns='http://www.w3.org/2000/svg' width='$width' " .
	    "height='$height' viewBox='0 0 $width $height' " .
	    "font-family='sans-serif' font-size='12' role='img' " .
	    "aria-labelledby='title desc'>\n" .
	    "<title id='title'>" . escape($title) . "</title>\n" .
	    "<desc id='desc'>" . escape($text) . "</desc>\n<style>\n" .
	    ".head { font-weight: bold }\npolyline { fill: none !important; " .
	    "stroke-width: 2 }\n" .
	    $style->('#ffffff', '#222222', '#dddddd', \%color) .
	    "\@media (prefers-color-scheme: dark) {\n" .
	    $style->('#16181c', '#e6e6e6', '#3a3d44', \%dark) . "}\n</style>\n" .
	    "<rect width='100%' height='100%' class='ground'/>\n$body</svg>\n";
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
		    'less') . ' is better)', class => 'head');
		my $side = $y;
		for my $goal ($self->goals($row)) {
			my ($what, $ok) = @$goal;
			$side += 15;
			$body .= label(560, $side, $what . (!defined $ok ? '' :
			    $ok ? ' - met' : ' - MISSED'));
		}
		for my $name (@have) {
			my $x = $self->median($key, $name);
			my $part = $most > 0 && $x > 0 ? $x / $most : 0;
			$y += 15;
			$body .= label(90, $y, $name, anchor => 'end');
			$body .= sprintf "<rect x='96' y='%d' width='%.1f' " .
			    "height='10' class='%s'/>\n", $y - 9,
			    1 + 380 * $part, $name;
			$body .= label(101 + 380 * $part, $y, number($x));
		}
		$y = $side if $side > $y;
		$y += 26;
	}
	return picture(900, $y, 'What bench/run has measured',
	    'A bar for each server and row of bench/report.txt.', $body);
}

sub log10 { return log($_[0]) / log 10 }

sub short {
	my ($x) = @_;
	return $x >= 1e6 ? $x / 1e6 . 'M' : $x >= 1e4 ? $x / 1e3 . 'k' : $x;
}

# Lines through points, with both axes in powers of ten; line: server => points,
# each a place, a value, and the title of its row in the table.
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
	my $px = sub { $left + 50 + 250 * (log10($_[0]) - $x0) / ($x1 - $x0) };
	my $py = sub { 300 - 240 * (log10($_[0]) - $y0) / ($y1 - $y0) };
	my $body = label($left + 50, 25, $title, class => 'head') .
	    label($left + 50, 42, 'both axes: logarithmic') .
	    label($left + 175, 338, $across, anchor => 'middle');

	for my $e ($y0 .. $y1) {
		my $y = $py->(10 ** $e);
		$body .= sprintf("<path d='M%.1f %.1fh250' class='grid'/>\n",
		    $left + 50, $y) . label($left + 45, $y + 4, short(10 ** $e),
		    anchor => 'end');
	}
	my (%seen, $last);
	for my $x (sort { $a <=> $b } grep { !$seen{$_}++ } map { $_->[0] }
	    @points) {
		# no number runs into the one before it
		next if defined $last && $px->($x) - $px->($last) < 30;
		$last = $x;
		$body .= label($px->($x), 318, short($x), anchor => 'middle');
	}
	my $y = 60;
	for my $name (grep { $line{$_} && @{ $line{$_} } } @columns) {
		my @at = map { [$px->($_->[0]), $py->($_->[1]), @$_[1, 2]] }
		    sort { $a->[0] <=> $b->[0] } @{ $line{$name} };
		$body .= "<polyline class='$name' points='" . join(' ', map {
		    sprintf '%.1f,%.1f', @$_[0, 1] } @at) . "'/>\n";
		$body .= sprintf "<circle cx='%.1f' cy='%.1f' r='3' " .
		    "class='%s'><title>%s; %s: %s</title></circle>\n",
		    @$_[0, 1], $name, escape($_->[3]), $name, number($_->[2])
		    for @at;
		$body .= label($left + 308, $y += 16, $name, class => $name);
	}
	return $body;
}

sub growth {
	my ($self, $spool) = @_;
	my %title = map { $_->[0] => $_->[1] } @rows;
	my $series = sub {
		my ($row, @at) = @_;	# [part of the key, place]
		my %line;
		for my $at (@at) {
			my ($key, $x) = ("$row-$at->[0]", $at->[1]);
			my $of = $self->{value}{$key} // next;
			push @{ $line{$_} }, [$x, $self->median($key, $_),
			    $title{$key}] for keys %$of;
		}
		return %line;
	};
	return picture(1200, 352, 'How the cost of a session grows',
	    'Three charts with logarithmic axes: milliseconds of a poll of an ' .
	    'unchanged maildrop by the number of its messages; milliseconds of ' .
	    'a login after the spool was touched by its bytes; poll sessions a ' .
	    'second by how many come at a time.  doc/PERFORMANCE has the ' .
	    'numbers in its table.',
	    chart(0, 'poll of an unchanged maildrop, ms', 'messages',
	    $series->('poll', map { [$_, $spool->{$_}[0]] } qw(s m l x))) .
	    chart(400, 'login, the spool was touched, ms', 'bytes',
	    $series->('stale', map { [$_, $spool->{$_}[1]] } qw(s m l))) .
	    chart(800, 'poll sessions a second', 'sessions at a time',
	    $series->('at', map { [$_, $_] } 1, 2, 4, 8, 16)));
}

1;
