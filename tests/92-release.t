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

done_testing;
