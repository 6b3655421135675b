#!/usr/bin/perl
# The house is built as DESIGN says: a file includes only headers that its folder
# may know, and an object needs only functions of such folders.
use strict;
use warnings;
use Cwd qw(abs_path);
use FindBin qw($Bin);
use lib "$Bin/lib";
use Source qw(source_files);
use Test::More;
use Popper qw(slurp);

# Which folders each may know, from the table in DESIGN.
sub table {
	my ($text) = slurp('doc/DESIGN') =~ /^    folder +knows.*\n((?:    .+\n)+)/m;
	my %may;
	for my $line (split /\n/, $text) {
		my ($folder, @words) = split ' ', $line;
		next if $folder !~ /^(?:lib|login|net|mbox|spool|top|xtnd|check)\z/;
		$may{$folder} = { $folder => 1 };
		for my $word (@words) {
			last if $word !~ /^(?:-|lib|login|net|mbox|spool|top|xtnd|check)\z/;
			$may{$folder}{$word} = 1 if $word ne '-';
		}
	}
	return \%may;
}

sub folder_of {
	my ($path) = @_;
	return $path =~ m{^(\w+)/} ? $1 : 'top';
}

# The include lines that a folder may not have, as "file: header".
sub wrong_includes {
	my ($may, $text_of) = @_;
	my @wrong;
	for my $file (sort keys %$text_of) {
		while ($text_of->{$file} =~ /^#include "(.+?)"/mg) {
			push @wrong, "$file: $1"
			    if !$may->{ folder_of($file) }{ folder_of($1) };
		}
	}
	return join "\n", @wrong;
}

# The functions that a folder may not call, as "object: name (its object)".
sub wrong_calls {
	my ($may, $symbols_of) = @_;
	my (%owner, @wrong);
	for my $object (keys %$symbols_of) {
		$owner{$_} = $object for @{ $symbols_of->{$object}{defined} };
	}
	for my $object (sort keys %$symbols_of) {
		for my $name (sort @{ $symbols_of->{$object}{undefined} }) {
			my $where = $owner{$name} // next;	# libc's
			push @wrong, "$object: $name ($where)"
			    if !$may->{ folder_of($object) }{ folder_of($where) };
		}
	}
	return join "\n", @wrong;
}

# The functions that each object has and needs; nm names an object before those.
sub symbols {
	my (@objects) = @_;
	my (%of, $object);
	for my $line (split /\n/, qx{nm -P @objects}) {
		if ($line =~ /^(\S+):\z/) {
			$object = $1;
			$of{$object} = { defined => [], undefined => [] };
			next;
		}
		my ($name, $type) = split ' ', $line;
		push @{ $of{$object}{undefined} }, $name if $type eq 'U';
		push @{ $of{$object}{defined} }, $name if $type =~ /^[A-TV-Z]\z/;
	}
	return %of;
}

my $may = table();
my @files = source_files();
# Each folder has one header for others; spool has one more for itself.
my @headers = ('spool/journal.h', 'popper.h', map { "$_/$_.h" } grep { $_ ne 'top' } keys %$may);

is(join(' ', sort keys %$may), join(' ', sort { $a cmp $b }
    keys %{ { map { folder_of($_) => 1 } @files } }), 'the table has each folder');
is(join(' ', sort grep { !m{^(?:bench|client|contrib|tests)/} } glob('*.h */*.h')),
    join(' ', sort @headers), 'each folder has one header, of its name');

my %text_of = map { $_ => slurp($_) } @files, @headers;
is(wrong_includes($may, \%text_of), '', 'include lines go down');
is(join(' ', grep { folder_of($_) ne 'top' && !/^(?:xtnd|check)/ &&
    $text_of{$_} =~ /"popper\.h"/ } sort keys %text_of), '',
    'nothing below the top includes popper.h');
is(join(' ', grep { folder_of($_) ne 'spool' &&
    $text_of{$_} =~ m{"spool/journal\.h"} } sort keys %text_of), '',
    'what is private to spool stays there');
is(join(' ', grep { $_ ne 'popper.c' && folder_of($_) eq 'top' &&
    $text_of{$_} =~ m{"(?:xtnd|check)/} } sort keys %text_of), '',
    'only popper.c knows what is above the top');

my @objects = map { s/c\z/o/r } @files;
my %symbols_of = symbols(@objects);
is(join(' ', sort keys %symbols_of), join(' ', sort @objects), 'nm reads each object');
cmp_ok(scalar(map { @{ $_->{defined} } } values %symbols_of), '>', 100,
    'the objects are there');
is(wrong_calls($may, \%symbols_of), '', 'calls go down');

# Nor do any two objects need each other, in a folder or over several.
sub circles {
	my ($symbols_of) = @_;
	my (%owner, %needs, %seen, @found);
	for my $object (keys %$symbols_of) {
		$owner{$_} = $object for @{ $symbols_of->{$object}{defined} };
	}
	for my $object (keys %$symbols_of) {
		for my $name (@{ $symbols_of->{$object}{undefined} }) {
			my $where = $owner{$name} // next;
			$needs{$object}{$where} = 1 if $where ne $object;
		}
	}
	my $visit;
	$visit = sub {
		my ($object, @way) = @_;
		my ($begin) = grep { $way[$_] eq $object } 0 .. $#way;
		if (defined $begin) {
			push @found, join ' > ', @way[$begin .. $#way], $object;
			return;
		}
		return if $seen{$object}++;
		$visit->($_, @way, $object) for sort keys %{ $needs{$object} };
	};
	$visit->($_) for sort keys %$symbols_of;
	return join "\n", @found;
}
is(circles(\%symbols_of), '', 'no circle of objects');

# set*id(2) is login's alone.
is(join(' ', grep { !m{^login/} && grep { /^(?:set\w*[ug]id|(?:set|init)groups)\z/ }
    @{ $symbols_of{$_}{undefined} } } sort keys %symbols_of), '',
    'only login sets a uid or a gid');

# Nothing but a signal's flag changes at file scope.
my %changes;
for my $line (split /\n/, qx{objdump -t @objects}) {
	$changes{ $1 =~ s/\.\d+\z//r } = 1
	    if $line =~ /\bO\s+\.(?:bss|data)\s+\w+\s+(\S+)/;
}
is(join(' ', sort keys %changes), 'session stop', 'one session, one signal flag');

# The tests above would notice.
my %up = (%text_of, 'lib/text.c' => "#include \"net/net.h\"\n");
is(wrong_includes($may, \%up), 'lib/text.c: net/net.h',
    'an include that goes up is found');
my %call = (%symbols_of, 'mbox/scan.o' => { defined => [],
    undefined => [ 'lock_spool', 'memcpy' ] });
like(wrong_calls($may, \%call), qr{^mbox/scan\.o: lock_spool \(spool/lock\.o\)$}m,
    'a call that goes up is found');

my %circle = (%symbols_of, 'lib/text.o' => { defined => [ 'text_of' ],
    undefined => [ 'log_notice' ] }, 'lib/log.o' => { defined => [ 'log_notice' ],
    undefined => [ 'text_of' ] });
like(circles(\%circle), qr{^(?:lib/text\.o > lib/log\.o > lib/text|lib/log\.o > lib/text\.o > lib/log)\.o$}m,
    'a circle is found');

# A file that is easy to read has an end.
is(join(' ', grep { ($text_of{$_} =~ tr/\n//) > 500 } sort keys %text_of), '',
    'no file has more than 500 lines');

done_testing();
