# The units of contrib/systemd: systemd understands every line of them, and
# finds them shut in as far as doc/SETUP says.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;
use Popper;

my ($analyze) = grep { -x } map { "$_/systemd-analyze" } qw(/usr/bin /bin);
plan skip_all => 'no systemd-analyze here' unless $analyze;

my $dir = tempdir('popper-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);

# A copy of them all, whose programs are there on every machine.
for my $unit (glob 'contrib/systemd/*') {
	my ($name) = $unit =~ m{([^/]+)\z};
	open my $fh, '>', "$dir/$name" or die "$name: $!";
	print $fh slurp($unit) =~ s{^ExecStart=\S+}{ExecStart=/bin/true}mr;
	close $fh or die "$name: $!";
}

for my $unit (qw(popper popper-pop3s)) {
	case "$unit.socket and $unit\@.service: no line that systemd knows not" => sub {
		my $said = qx($analyze verify --man=no $dir/$unit.socket $dir/$unit\@.service 2>&1);

		# what it says of the machine's own units is not about ours
		is(join('', grep { /popper/ } split /^/m, $said), '', 'nothing to say');
	};

	case "$unit\@.service: the figure of systemd-analyze is that of doc/SETUP, or better" => sub {
		my ($figure) = slurp('doc/SETUP') =~
		    /"systemd-analyze security" gives them (\d\.\d)/;
		my $said = qx($analyze security --offline=true $dir/$unit\@.service 2>&1);
		my ($now) = $said =~ /Overall exposure level for \Q$unit\E\@\S+: (\d+\.\d)/;

		cmp_ok($now // 10, '<=', $figure, "at most $figure") or diag($said);
	};
}

done_testing;
