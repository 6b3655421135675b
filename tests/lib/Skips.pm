package Skips;

# For prove --harness Skips: after the summary, a list of what was skipped and
# why, which prove by itself shows only with -v.

use strict;
use warnings;

use parent 'TAP::Harness';

sub new {
	my ($class, @args) = @_;
	my $self = $class->SUPER::new(@args);

	$self->callback(made_parser => sub {
		my ($parser, $job) = @_;
		my ($file) = ref $job ? @$job : $job;
		$self->{popper_skips}{$file} //= [];
		$parser->callback(ALL => sub { $self->look($file, @_) });
	});
	return $self;
}

# A whole file, a case or a test of a case: each says so in its own line.
sub look {
	my ($self, $file, $result) = @_;
	my $line = $result->raw;

	push @{ $self->{popper_skips}{$file} }, $1
	    if $line =~ /^(?:\s*ok\b.*?|1\.\.0\s*)# *skip\w*\s*(.*)/i;
}

# The reasons, each with the files that have it and how often.
sub reasons {
	my ($self) = @_;
	my %reason;

	for my $file (sort keys %{ $self->{popper_skips} }) {
		my %times;
		$times{ $_ eq '' ? 'no reason given' : $_ }++
		    for @{ $self->{popper_skips}{$file} };
		push @{ $reason{$_} }, $times{$_} > 1 ? "$file ($times{$_})" : $file
		    for keys %times;
	}
	return \%reason;
}

sub runtests {
	my ($self, @tests) = @_;
	my $aggregate = $self->SUPER::runtests(@tests);
	my $reasons = $self->reasons;

	print %$reasons ? "Skipped:\n" : "Nothing was skipped.\n";
	print "    $_: @{ $reasons->{$_} }\n" for sort keys %$reasons;
	return $aggregate;
}

1;
