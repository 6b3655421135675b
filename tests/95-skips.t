# make check ends with a list of what was skipped, and why.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;

my $dir = tempdir('popper-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);

sub write_test {
	my ($name, $code) = @_;

	open my $file, '>', "$dir/$name" or die "$name: $!";
	print $file "use Test::More;\n$code\n";
	close $file or die "$name: $!";
}

# What prove says after its own last line.
sub list {
	my (@tests) = @_;
	local $ENV{PERL5LIB} = 'tests/lib';
	my $said = qx(prove --harness Skips -j2 @{[ map { "$dir/$_" } @tests ]} 2>&1);

	return $said =~ s/.*^Result: PASS\n//msr =~ s{\Q$dir\E/}{}gr;
}

write_test('all.t', 'plan skip_all => "not root";');
write_test('some.t', <<'END');
subtest one => sub { plan skip_all => 'no hare' };
subtest two => sub { SKIP: { skip 'no tea', 1 } ok 1; };
SKIP: { skip 'no tea', 2 }
ok 1, 'skip is only a word here';
done_testing;
END
write_test('none.t', 'ok 1, "all of it"; done_testing;');

is(list(qw(all.t none.t some.t)), <<'END', 'each reason, with its files');
Skipped:
    no hare: some.t
    no tea: some.t (3)
    not root: all.t
END
is(list('none.t'), "Nothing was skipped.\n", 'where there is nothing');

my ($prove) = qx(make -n check) =~ /^(.*prove .*)$/m;
like($prove, qr/--harness Skips /, 'make check uses it');

done_testing;
