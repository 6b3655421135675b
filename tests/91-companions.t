# rfc1081.txt and rfc1082.txt name, for each requirement, the functions that meet
# it and the tests that show it: all of these are there.

use strict;
use warnings;

use Test::More;
use Popper;
use Source qw(source_files);

my $source = join "\n", map { slurp($_) } source_files();

# The words of an item behind "by" or "seen", up to the next such word.
sub items {
	my ($text, $word) = @_;
	return map { s/\s+/ /gr } $text =~
	    /^    $word\s+((?:(?!    (?:by|seen|But)\b)(?!\d+\.).+\n)+)/mg;
}

for my $rfc (qw(rfc1081.txt rfc1082.txt)) {
	my $text = slurp($rfc);
	my (%function, %title);

	for my $by (items($text, 'by')) {
		$function{$1} = 1 while $by =~ /\b(\w+)\(\)/g;
	}
	for my $seen (items($text, 'seen')) {
		my $file;
		while ($seen =~ /(\d\d-[\w-]+\.t)|"([^"]+)"/g) {
			$file = $1, next if defined $1;
			$title{ $file // 'no file' }{$2} = 1;
		}
	}

	case "$rfc: the functions" => sub {
		cmp_ok(scalar keys %function, '>', 10, 'it names some');
		is(join(' ', grep { $source !~ /^\Q$_\E\(/m } sort keys %function), '',
		    'each of them is in the source');
	};

	case "$rfc: the tests" => sub {
		cmp_ok(scalar keys %title, '>', 3, 'it names some');
		for my $file (sort keys %title) {
			my $cases = (slurp("tests/$file") // '') =~ s/\\'/'/gr =~ s/\s+/ /gr;
			# "..." is what differs from one case to another
			my @gone = grep { grep { index($cases, $_) < 0 } split /\.\.\./, $_ }
			    sort keys %{ $title{$file} };
			is(join('; ', @gone), '', $file);
		}
	};
}

done_testing;
