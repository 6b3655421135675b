# doc/PERFORMANCE and its curves, doc/growth.svg, say the same: they are of one run
# of bench/run, which nobody has edited.

use strict;
use warnings;

use Test::More;
use Popper;

my $page = slurp('doc/PERFORMANCE');
my $svg = slurp('doc/growth.svg');

# The table: title of a row => server => number, as text.
my ($table) = $page =~ /^(bench\/run, \w+: .*?^goals: .*?\n)/ms or die 'no table';
my ($heading) = $table =~ /^( {40} .+)$/m or die 'no heading';
my @servers = split ' ', $heading;
my %value;
while ($table =~ /^(\S.{35}).{5}((?: +(?:[-\d.]+|>\d+ s|wrong))+)$/mg) {
	my ($title, $cells) = ($1, $2);
	my @cells = $cells =~ /(.{11})/g;

	$title =~ s/ +\z//;
	$value{$title}{ $servers[$_] } = $cells[$_] =~ s/^ +//r for 0 .. $#servers;
}

# The curves: each point has its row, server and number as its title.
my @points = $svg =~ /<circle [^>]*><title>(.*?)<\/title>/g;
my @wrong = grep {
	my ($row, $server, $number) = /^(.+); (\S+): (\S+)\z/ or die $_;
	($value{$row}{$server} // 'nothing') ne $number;
} @points;
is_deeply(\@wrong, [], 'each point of the curves is in the table');
my %of = map { /; popper: / ? (s/;.*//r => 1) : () } @points;
is_deeply([ sort keys %of ], [ sort grep {
    /^poll, unchanged|touched$|of 256 at a time$/ } keys %value ],
    'and each row of the table that grows is in the curves');

my ($met, $missed) = $table =~ /^goals: (\d+) met, (\d+) missed/m;
is(() = $table =~ /^    goal: .* met$/mg, $met, 'goals that are met');
is(() = $table =~ /^    goal: .* MISSED$/mg, $missed, 'goals that are missed');

# What a picture on a page of its own, or for a person who does not see it, needs.
like($svg, qr/aria-labelledby='title desc'.*<title id='title'>\w.*<desc id='desc'>\w/s,
    'a title and a description');
like($svg, qr/\@media \(prefers-color-scheme: dark\)/, 'colours for a dark page');
is(() = $svg =~ />both axes: logarithmic</g, 3, 'each chart names its scale');

done_testing;
