# What a release says of itself: one licence, one version number.

use strict;
use warnings;

use Test::More;
use Popper;

my $licence = slurp('COPYING');

case 'one licence' => sub {
	my ($head, $terms) = $licence =~ /\A(Copyright [^\n]*)\n\n(.*)\z/s;

	is($head, 'Copyright (c) 2026 the popper authors', 'whose work it is');
	like($terms, qr/^Permission to use, copy, modify, and.or distribute/,
	    'the terms are those of the ISC licence');
	is(slurp('debian/copyright') =~ s/.*^License: ISC\n//msr =~
	    s/^ \.?//gmr, $terms, 'debian/copyright has the same terms');
};

case 'one version' => sub {
	my @defined = slurp('popper.h') =~ /^#define POPPER_VERSION\s+"(.*?)"/mg;
	my $version = $defined[0] // 'none';
	my ($package) = slurp('debian/changelog') =~ /\Apopper \((.*?)\) /;
	my ($changes) = slurp('CHANGES') =~ /^(\d\S*)/m;
	my @tags = split ' ', qx(git tag --points-at HEAD 2>/dev/null);

	is(scalar @defined, 1, 'it is set in one place');
	like(qx($Popper::binary -V), qr/\Apopper \Q$version\E\n/, 'popper -V');
	is(qx(client/popcard -V), "popcard $version\n", 'popcard -V');
	is($package, $version, 'debian/changelog');
	is($changes, $version, 'the first of CHANGES');
	is(join(' ', grep { $_ ne "v$version" } @tags), '', 'a tag of this commit');
};

done_testing;
