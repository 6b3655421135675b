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
my @client = map { s/c\z/o/r } grep { !m{/popcard\.c\z} } glob "$Bin/../client/*.c";
system('make', '-s', '-C', "$Bin/..", 'client/popcard') == 0 &&
    system(@cc, '-std=c11', '-I', "$Bin/..", '-o', "$dir/mime", "$Bin/mime.c", @client) == 0
    or BAIL_OUT('tests/mime.c does not compile');

# What popcard makes of files, by their names without folder and "eml".
sub mime {
	my ($how, @files) = @_;
	my %got;

	for my $file (@files) {
		my ($name) = $file =~ m{([^/]+?)(?:\.eml)?\z};
		my $copy = "$dir/$name.$how";
		Service::write_file($copy, Service::read_file($file));
		$got{$name} = $copy;
	}
	system("$dir/mime", $how, values %got) == 0 or die "mime: $?";
	return map { $_ => Service::read_file("$got{$_}.got") } keys %got;
}

subtest 'a person sees what was written, and no encoding' => sub {
	my %got = mime('text', glob "$Bin/mails/*.eml");
	is($got{$_}, Service::read_file("$Bin/mails/$_.txt"), $_)
	    for sort keys %got;
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
	my %got = mime('parts', @samples, map { "$dir/$_.eml" } 0 .. $MESSAGES - 1);
	is($got{$_}, Service::read_file("$dir/$_.want"), "message $_") for sort keys %got;
};

# A draft, and what Python reads in its message: the text is one line, in which
# each of its own ends in "|".
my $letter = <<'EOF';
To: Jürgen Müller <juergen@example.org>, "Doe, Jane" <jane@example.org>,
 "Чайковский, Пётр Ильич" <petr@example.org>, plain@example.org
Subject: Grüße aus Köln, und ein langer Betreff mit vielen Zeichen: 日本語もある

Hallo,

From the beginning: dies ist ein Absatz, der länger ist als eine Zeile sein darf, und deshalb umbrochen wird.
> zitiert
--
Käthe
EOF
my $read = <<'EOF';
To: Jürgen Müller <juergen@example.org>, "Doe, Jane" <jane@example.org>, "Чайковский, Пётр Ильич" <petr@example.org>, plain@example.org
Subject: Grüße aus Köln, und ein langer Betreff mit vielen Zeichen: 日本語もある
text/plain 
Hallo,||From the beginning: dies ist ein Absatz, der länger ist als eine Zeile sein|darf, und deshalb umbrochen wird.|> zitiert|--|Käthe|
EOF

subtest 'Python reads what is sent' => sub {
	my $python = Service::find('python3');
	plan skip_all => 'python3 is not installed' if !$python;

	my $long = 'ü' x 1000;
	for (['text', $letter, $read],
	    ['a word too long to be sent', "Subject: s\n\n$long\n",
		"Subject: s\ntext/plain \n" . join('|', 'ü' x 499, 'ü' x 499,
		'üü', "\n")],
	    ['a long name of a field', "X-A-Field-With-A-Very-Long-Name: ü\n\n",
		"text/plain \n\n"]) {
		my ($name, $draft, $want) = @$_;
		Service::write_file("$dir/draft", $draft);
		my %sent = mime('send', "$dir/draft");
		my $sent = $sent{draft};
		Service::write_file("$dir/sent.eml", $sent);
		is(system($python, "$Bin/mime.py", $dir, 0, "$dir/sent.eml"), 0,
		    "$name: Python reads it");
		my $got = Service::read_file("$dir/sent.want");
		ok($got =~ s/^Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} [+-]\d{4}\n//m,
		    "$name: the date");
		is($got, $want, "$name: as it was written");
		my ($head, $body) = split /\n\n/, $sent, 2;
		like($head, qr/^Message-ID: <[\w.]+\@[\w.-]+>$/m,
		    "$name: the Message-ID");
		unlike($head, qr/[^\x20-\x7e\n]|^.{77}/m,
		    "$name: a header in ASCII and short lines");
		unlike($body, qr/^.{999}/m, "$name: no line is too long");
	}
};

done_testing;
