#!/usr/bin/perl
# What popcard makes of mail: messages as programs of many countries write them,
# in tests/mails, next to what a person should see; and whatever Python's email
# package can make, read by both.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use File::Temp qw(tempdir);
use Service;
use Test::More;

my $MESSAGES = $ENV{POPPER_MESSAGES} // 300;	# that Python makes up
my $dir = tempdir('mime-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my @cc = split ' ', $ENV{CC} // 'cc';
my @client = grep { !m{/popcard\.c\z} } glob "$Bin/../client/*.c";
system(@cc, '-std=c11', '-O1', '-I', "$Bin/..", '-o', "$dir/mime",
    "$Bin/mime.c", @client) == 0
    or BAIL_OUT('tests/mime.c does not compile');

# What popcard makes of a file.
sub mime {
	my ($how, $file) = @_;
	return scalar qx('$dir/mime' $how <'$file');
}

subtest 'a person sees what was written, and no encoding' => sub {
	for my $mail (glob "$Bin/mails/*.eml") {
		my ($name) = $mail =~ m{([^/]+)\.eml\z};
		is(mime('text', $mail),
		    Service::read_file($mail =~ s/eml\z/txt/r), $name);
	}
};

subtest 'Python reads the same' => sub {
	my $python = Service::find('python3');
	plan skip_all => 'python3 is not installed' if !$python;

	# Those of the samples that keep to the rules: Python shows the others
	# as less than what was meant.
	my @samples = map { "$Bin/mails/$_.eml" }
	    qw(apple chinese japanese list russian);
	is(system($python, "$Bin/mime.py", $dir, $MESSAGES, @samples), 0,
	    'it makes messages') or return;
	for my $sample (@samples) {
		my ($name) = $sample =~ m{([^/]+)\.eml\z};
		is(mime('parts', $sample),
		    Service::read_file("$dir/$name.want"), $name);
	}
	for my $n (0 .. $MESSAGES - 1) {
		is(mime('parts', "$dir/$n.eml"),
		    Service::read_file("$dir/$n.want"), "message $n");
	}
};

done_testing;
