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
    [qw(text)],			# growing texts
    [qw(charset date body)],	# the formats of mail
    [qw(safe)],			# text made safe for the terminal
    [qw(view dial)],		# cards; the connection
    [qw(field)],
    [qw(address html)],
    [qw(mime)],
    [qw(draft)],
    [qw(pop)],			# the wire
    [qw(account)],		# URL and password
    [qw(maildrop submit)],	# what the server holds; popcard -s
    [qw(fetch)],		# transfers
    [qw(compose save)],		# messages to be sent, and to files
    [qw(message)],		# the cards
    [qw(list)],
    [qw(boards)],
    [qw(popcard)],		# main
);
# Those that know formats and no terminal.
my @formats = qw(text charset date body field address html mime
    draft);
my %level = map { my $n = $_; map { $_ => $n } @{ $layers[$n] } } 0 .. $#layers;

my $dir = tempdir('popcard-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my @cc = (split(' ', $ENV{CC} // 'cc'), '-std=c11', '-I', "$Bin/../client");

sub object {
	my ($name, $source) = @_;
	system(@cc, '-c', '-o', "$dir/$name.o", $source) == 0
	    or BAIL_OUT("$source does not compile");
	return { name => $name, map { $_->[0] => $_->[1] }
	    map { [$_, [symbols($name, $_)]] } qw(U T t) };
}

# The symbols of a kind: undefined, of a function, of a static function.
sub symbols {
	my ($name, $kind) = @_;
	return map { / \Q$kind\E (\w+)$/ ? $1 : () } `nm $dir/$name.o`;
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
my @objects = map { object($_, "$Bin/../client/$_.c") } @files;

is_deeply([sort @files], [sort keys %level], 'each file has its layer');

is_deeply([upward(\%level, @objects)], [], 'calls go down only');

subtest 'a call that goes up is found' => sub {
	for ([low => 'high', 'void high(void); void low(void){high();}'],
	    [low => 'side', 'void side(void); void low(void){side();}']) {
		my ($name, $callee, $text) = @$_;
		Service::write_file("$dir/$name.c", "$text\n");
		Service::write_file("$dir/$callee.c",
		    "void $callee(void); void $callee(void){}\n");
		my @two = map { object($_, "$dir/$_.c") } $name, $callee;
		is_deeply([upward({ low => 1, high => 2, side => 1 }, @two)],
		    ["$name calls $callee in $callee"], "to $callee");
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
	my $rc = system @cc, '-o', "$dir/popcard", map { "$dir/$_.o" } @files;
	is($rc, 0, 'it links with libc alone');
};

subtest 'static functions have names of their own' => sub {
	my %seen;
	push @{ $seen{$_->[1]} }, $_->[0]
	    for map { my $o = $_; map { [$o->{name}, $_] } @{ $o->{t} } }
	    @objects;
	is_deeply([grep { @{ $seen{$_} } > 1 } sort keys %seen], [],
	    'no name is used in two files');
};

done_testing;
