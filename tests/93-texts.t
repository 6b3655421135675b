# README leads to every page, and what it and the pages name is there.

use strict;
use warnings;

use Test::More;
use Popper;

my @pages = grep { !/\.svg\z|capture\z/ } glob 'doc/*';
my @texts = ('README', 'CONTRIBUTING', 'CHANGES', @pages);

case 'README names each page, manual and picture' => sub {
	my $readme = slurp('README');
	my @manuals = map { m{(\w[\w-]*)\.([1578])\z} ? "$1($2)" : () } glob 'man/*';

	cmp_ok(scalar @pages, '>', 10, 'there are pages');
	is(join(' ', grep { index($readme, $_) < 0 } @pages, @manuals,
	    'popcard(1)', 'man popper', 'doc/popper.svg'), '', 'none is left out');
};

case 'what a text names is there' => sub {
	my @gone;

	for my $text (@texts) {
		my $words = slurp($text);
		while ($words =~ m{(?<![\w/.@-])((?:doc|tests|contrib|man|check|spool|\.ci)/[\w./@-]*\w)}g) {
			my $name = $1;
			push @gone, "$text: $name" if !-e $name &&
			    !glob("$name*") && $name !~ m{^doc/popper/|^spool/alice};
		}
	}
	is(join("\n", @gone), '', 'each path');
};

case 'the package has every page' => sub {
	my %packed = map { $_ => 1 } split /\n/, slurp('debian/docs');

	is(join(' ', grep { !$packed{$_} } 'README', 'CHANGES', @pages,
	    glob 'doc/*.svg'), '', 'debian/docs');
	is(join(' ', grep { !-e } keys %packed), '', 'and nothing else');
};

case 'what users read has 80 columns' => sub {
	my @long;

	for my $text (grep { !/DESIGN|PERFORMANCE/ } @texts) {
		push @long, map { "$text: $_" } grep { length > 80 }
		    split /\n/, slurp($text);
	}
	is(join("\n", @long), '', 'no line is longer');
};

case 'a text shows the version of today' => sub {
	my ($version) = qx($Popper::binary -V) =~ /\Apopper (\S+)/;

	for my $text (grep { $_ ne 'CHANGES' } @texts) {
		my %named = map { $_ => 1 }
		    slurp($text) =~ /(?:\+OK popper |version=|popper_)(\d[\d.]*\d)/g;
		is(join(' ', grep { $_ ne $version } keys %named), '', $text);
	}
};

done_testing;
