#!/usr/bin/perl
# The manual and the program say the same: every option, every reply and every
# line of the log stands in both, in the same words.
use strict;
use warnings;
use Test::More;

sub slurp {
	my ($file) = @_;
	open my $f, '<', $file or die "$file: $!";
	local $/;
	return scalar <$f>;
}

# The format strings that the source gives to its functions for replies and
# for the log; where one takes parts from elsewhere, they are written out.
sub texts_of_source {
	my %text;
	for my $file (glob '*.c') {
		my $source = slurp($file);
		$source =~ s{/\*.*?\*/}{}gs;
		while ($source =~ /\b(pop_log|pop_warn|pop_ok|pop_err|pop_printf|say_trouble)
		    \(p,\s*(?:LV_\w+\b[^,]*,\s*)?
		    ((?:"(?:[^"\\]|\\.)*"|POPPER_VERSION|\s)+)/gx) {
			my ($function, $parts) = ($1, $2);
			$parts =~ s/POPPER_VERSION/"%s"/g;
			my $text = join '', $parts =~ /"((?:[^"\\]|\\.)*)"/g;
			$text =~ s/\\(.)/$1/g;
			next if $function eq 'pop_printf' && $text !~ /^(?:-ERR|\+OK)/;
			next if $text eq '%s' && $function eq 'pop_warn';
			$text = '' if $text eq '%s' && $function eq 'pop_ok';
			$text = "+OK $text"  if $function eq 'pop_ok';
			$text = "-ERR $text" if $function eq 'pop_err';
			$text .= ' user=%s: %s'
			    if $function =~ /^(?:pop_warn|say_trouble)$/;
			$text{$text} = "$file, $function";
		}
	}
	# what the pattern above sees of functions that pass a text on
	delete @text{'-ERR %s', '%s user=%s: %s', '-ERR ', '%s user=%s: not an mbox'};
	my ($table) = slurp('pop_xmit.c') =~ /texts\[\] = \{(.*?)\n\t\};/s;
	while ($table =~ /\{ \d+, ((?:"[^"]*"\s*)+)\}/g) {
		$text{ '-ERR ' . join '', $1 =~ /"([^"]*)"/g } = 'pop_xmit.c, texts';
	}
	for my $passed ('login: spool', 'copy') {
		$text{"$passed user=%s: not an mbox"} = 'pop_dropcopy.c';
	}
	my %parts = (
		'+OK popper %s at %s ready.%s%s' =>
		    [ '+OK popper %s at %s ready.', '+OK popper %s at %s ready. %s' ],
		'-ERR [AUTH] Passwords are not taken on this connection%s.' => [
			'-ERR [AUTH] Passwords are not taken on this connection.',
			'-ERR [AUTH] Passwords are not taken on this connection; use STLS first.'
		],
		'-ERR Too %s arguments for the %s command.' => [
			'-ERR Too few arguments for the %s command.',
			'-ERR Too many arguments for the %s command.'
		],
		'-ERR Too %s arguments for the XTND %s command.' => [
			'-ERR Too few arguments for the XTND %s command.',
			'-ERR Too many arguments for the XTND %s command.'
		],
	);
	for my $whole (keys %parts) {
		ok(delete $text{$whole}, "the source still has: $whole");
		$text{$_} = 'written out' for @{ $parts{$whole} };
	}
	$text{'-ERR TLS is active already.'} = 'pop_tls.c';
	$text{'-ERR TLS is not offered here.'} = 'pop_tls.c';
	$text{'+OK XTND'} = 'pop_board.c';
	$text{'+OK %s %s'} = 'pop_list.c';
	return \%text;
}

my $page = slurp('popper.8');
my %manual;
while ($page =~ /^\.It Li "(.*)"$/mg) {
	my $text = $1;
	$text =~ s/\\&//g;
	$text =~ s/\\\(dq/"/g;
	$text =~ s/\\e/\\/g;
	$manual{$text} = 0;
}

my $source = texts_of_source();
for my $text (sort keys %$source) {
	my $pattern = join '', map { /^%/ ? '[A-Za-z]+' : quotemeta }
	    split /(%[-.*\dzl]*[a-z])/, $text;
	my @found = grep { /^$pattern$/ } keys %manual;
	ok(scalar @found, "in the manual: $text ($source->{$text})");
	$manual{$_}++ for @found;
}
ok($manual{$_}, "in the source: $_") for sort keys %manual;

my ($letters) = slurp('popper.c') =~ /getopt\(argc, argv, "([^"]+)"/;
my %option = map { $_ => 1 } $letters =~ /([A-Za-z])/g;
my ($usage) = slurp('popper.c') =~ /"(usage: popper .*?)\);/s;
for my $o (sort keys %option) {
	like($page, qr/^\.It Fl $o\b/m, "-$o has its place in the manual");
	like($usage, qr/\[-[A-Za-z]*$o|\[-$o /, "-$o is in the usage line");
}
while ($page =~ /^\.It Fl (\w)\b/mg) {
	ok($option{$1}, "-$1 of the manual is an option");
}

done_testing();
