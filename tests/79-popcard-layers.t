#!/usr/bin/perl
# popcard is built in layers: an object calls its own layer's lower neighbours,
# the layers below and libc, never a layer above. Proved from the symbols of the
# objects.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use File::Temp qw(tempdir);
use Service;
use Test::More;

plan skip_all => 'nm is not installed' if !Service::find('nm');

# From the bottom to the top.  What stands in one row do not know each other.
my @layers = (
    [qw(term)],			# the terminal
    [qw(text)],			# growing texts, dates, charsets
    [qw(view)],			# cards
    [qw(field)],
    [qw(html)],
    [qw(mime)],
    [qw(draft)],
    [qw(pop)],			# the wire
    [qw(maildrop)],		# what the server holds
    [qw(cards)],		# messages, drafts, lists
    [qw(popcard)],		# account, options, boards, main
);
# Those that know formats and no terminal.
my @formats = qw(text field html mime draft);
my %level = map { my $n = $_; map { $_ => $n } @{ $layers[$n] } } 0 .. $#layers;

my $dir = tempdir('popcard-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my @cc = (split(' ', $ENV{CC} // 'cc'), '-std=c11');

# The objects as make builds them: each by its name, with the functions that it
# has (T) and needs (U).
sub objects {
	my (@path) = @_;
	my ($o, @objects);
	for my $line (split /\n/, qx{nm -P @path}) {
		if ($line =~ m{([^/]+)\.o:\z}) {
			push @objects, $o = { name => $1, T => [], U => [] };
		} elsif ($line =~ /^(\w+) ([TU])\b/) {
			push @{ $o->{$2} }, $1;
		}
	}
	return @objects;
}

# The calls that do not go down, as "caller calls callee in object".
sub upward {
	my ($level, @objects) = @_;
	my %home = map { my $o = $_; map { $_ => $o->{name} } @{ $o->{T} } }
	    @objects;
	my @up;
	for my $o (@objects) {
		for my $callee (grep { defined $home{$_} } @{ $o->{U} }) {
			push @up, "$o->{name} calls $callee in $home{$callee}"
			    if $level->{$home{$callee}} >= $level->{$o->{name}};
		}
	}
	return @up;
}

# The headers of its own that a text includes.
sub included { return join ' ', $_[0] =~ /^#include "([^"]+)"/mg }

my @files = map { m{([^/]+)\.c\z} } glob "$Bin/../client/*.c";
my @paths = map { "$Bin/../client/$_.o" } @files;
system('make', '-s', '-C', "$Bin/..", 'client/popcard') == 0
    or BAIL_OUT('popcard does not compile');
my @objects = objects(@paths);

is_deeply([sort @files], [sort keys %level], 'each file has its layer');
is_deeply([map { $_->{name} } @objects], \@files, 'nm reads each object');

is_deeply([upward(\%level, @objects)], [], 'calls go down only');

subtest 'a call that goes up is found' => sub {
	for my $callee ('high', 'side') {
		my %text = (low => "void $callee(void); void low(void){$callee();}",
		    $callee => "void $callee(void); void $callee(void){}");
		for my $name (keys %text) {
			Service::write_file("$dir/$name.c", "$text{$name}\n");
			system(@cc, '-c', '-o', "$dir/$name.o", "$dir/$name.c");
		}
		my @two = objects(map { "$dir/$_.o" } 'low', $callee);
		is_deeply([upward({ low => 1, high => 2, side => 1 }, @two)],
		    ["low calls $callee in $callee"], "to $callee");
		is_deeply([upward({ low => 3, high => 2, side => 2 }, @two)],
		    [], 'and the same call down is not');
	}
};

subtest 'the formats know no terminal' => sub {
	my %format = map { $_ => 1 } @formats;
	for my $name (@files) {
		is(included(Service::read_file("$Bin/../client/$name.c")),
		    $format{$name} ? 'mime.h' : 'popcard.h', $name);
	}
	is(included(Service::read_file("$Bin/../client/mime.h")), '', 'mime.h');
};

subtest 'the rest is libc' => sub {
	my $rc = system @cc, '-o', "$dir/popcard", @paths;
	is($rc, 0, 'it links with libc alone');
};

# What changes at file scope: the terminal, which signals and exits give back, and
# main()'s one session.
sub changing {
	my %found;
	for my $line (split /\n/, qx{objdump -t @_}) {
		$found{ $1 =~ s/\.\d+\z//r } = 1
		    if $line =~ /\bO\s+\.(?:bss|data(?:\.rel)?(?:\.local)?)\s+\w+\s+(\S+)/;
	}
	return join ' ', sort keys %found;
}

is(changing(@paths), 'session term', 'one session, one terminal');

subtest 'data at file scope are found' => sub {
	Service::write_file("$dir/data.c", "int one = 1;\nint f(void);\n" .
	    "int f(void) { static int two; return two += one; }\n");
	system(@cc, '-c', '-o', "$dir/data.o", "$dir/data.c");
	is(changing("$dir/data.o"), 'one two', 'shared, and of a function');
};

subtest 'static functions have names of their own' => sub {
	my %seen;
	for my $name (@files) {
		my $text = Service::read_file("$Bin/../client/$name.c");
		push @{ $seen{$_} }, $name for $text =~ /^static [^;={]*\n(\w+)\(/mg;
	}
	cmp_ok(keys %seen, '>', 80, 'they are found');
	is_deeply([grep { @{ $seen{$_} } > 1 } sort keys %seen], [],
	    'no name is used in two files');
};

done_testing;
