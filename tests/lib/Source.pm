package Source;
# The daemon's own source, for tests that read it.
use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(source_files);

# The C files that the Makefile builds popper from; none may be missing there or
# be left out.
sub source_files {
	my @built = split ' ', qx{make -s sources};
	my @there = grep { !m{^(?:bench|client|contrib|tests)/} } glob '*.c */*.c';
	die "no source here\n" if !@built;
	die "make builds @built, here are @there\n"
	    if join(' ', sort @built) ne join(' ', sort @there);
	return @built;
}

1;
