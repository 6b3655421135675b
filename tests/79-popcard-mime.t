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
	    ['a line too long to be sent', "Subject: s\n\n$long\n",
		"Subject: s\ntext/plain \n$long|\n"],
	    ['a long name of a field', "X-A-Field-With-A-Very-Long-Name: ü\n\n",
		"text/plain \n\n"]) {
		my ($name, $draft, $want) = @$_;
		Service::write_file("$dir/draft", $draft);
		my $sent = mime('send', "$dir/draft");
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
