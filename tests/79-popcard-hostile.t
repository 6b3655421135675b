#!/usr/bin/perl
# popcard: mail that wants to steer the terminal, or to take time and memory.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Card;
use MIME::Base64 qw(encode_base64);
use Service;
use Test::More;

terminal_needed();

sub message {
	my ($header, $text) = @_;
	return "From x\@example.org Fri Nov 27 01:05:34 2026\n$header\n$text\n\n";
}

# What would set the title of a terminal, by two ways to begin it, and a change
# of the direction of writing; and how each encoding has it.
my $evil = "\e]0;owned\a\xc2\x9b31m\xe2\x80\xae";
my $hex = join '', map { sprintf '%%%02X', ord } split //, $evil;
my $q = '=?utf-8?q?' . ($hex =~ tr/%/=/r) . '?=';
my $b = '=?utf-8?b?' . encode_base64($evil, '') . '?=';
my $entities = '&#27;]0;owned&#7;&#x9b;31m&#x202e;';

# Nothing of it may have reached the terminal as it is.
sub harmless {
	my ($title) = @_;
	unlike(raw(), qr/\e\]|\xc2\x9b|\xe2\x80\xae|\x9b/, $title);
}

my %steering = (
    'raw, everywhere in the header' => message(join('', map {
	"$_: $evil\n" } qw(From To Cc Subject Date Reply-To Message-ID
	MIME-Version Content-Type Content-Transfer-Encoding)), "$evil\n"),
    'q words' => message("From: \"$q\" $q <$q\@x>\nTo: $q\nSubject: $q\n" .
	"Date: $q\nReply-To: $q <a\@b>\n", "text\n"),
    'b words' => message("From: $b <a\@b>\nTo: $b\nSubject: $b\n", "x\n"),
    'the name of a charset' => message("Subject: =?$evil?q?a?= =?x$evil?b?YQ=" .
	"=?=\nContent-Type: text/plain; charset=\"$evil\"\n", "text\n"),
    'the type of a part' => message("Content-Type: multipart/mixed; " .
	"boundary=b\nSubject: x\n", "--b\nContent-Type: text/$evil; name=$evil" .
	"\n\ntext\n--b\nContent-Type: $evil/x\n\ntext\n--b--\n"),
    'the name of a file' => message("Content-Type: multipart/mixed; " .
	"boundary=b\nSubject: x\n", join('', map { "--b\nContent-Disposition: " .
	    "attachment; $_\n\ntext\n" } "filename=\"$evil\"",
	    "filename*=utf-8''$hex", "filename=\"$q\"", "filename=\"$b\"",
	    "filename*0*=utf-8''" . substr($hex, 0, 15) . "; filename*1*=" .
	    substr($hex, 15)) . "--b--\n"),
    'text in base64' => message("Subject: x\nContent-Transfer-Encoding: " .
	"base64\nContent-Type: text/plain; charset=utf-8\n",
	encode_base64($evil)),
    'text in quoted-printable' => message("Subject: x\n" .
	"Content-Transfer-Encoding: quoted-printable\n" .
	"Content-Type: text/plain; charset=utf-8\n", $hex =~ tr/%/=/r . "\n"),
    'text in UTF-7, UTF-16, ISO-2022-JP' => message("Content-Type: " .
	"multipart/mixed; boundary=b\nSubject: x\n", "--b\n" .
	"Content-Type: text/plain; charset=utf-7\n\n+ABsAXQAw-;+AJs-31m\n" .
	"--b\nContent-Type: text/plain; charset=utf-16be\n" .
	"Content-Transfer-Encoding: base64\n\n" .
	encode_base64("\0\e\0]\0" . "0\0\x9b\x20\x2e") . "--b\n" .
	"Content-Type: text/plain; charset=iso-2022-jp\n\n\e\$B\e(B$evil\n" .
	"--b--\n"),
    'HTML: entities, comments, attributes' => message("Subject: x\n" .
	"Content-Type: text/html\n", "<title>$entities</title><p " .
	"title='$evil'>$entities$evil<!-- $evil --><a href=\"$entities\">" .
	"$entities</a><img alt='$entities' src='$evil'>\n"),
    'an attached message' => message("Subject: x\n" .
	"Content-Type: message/rfc822\n", "From: $q\nSubject: $b\nTo: $evil\n" .
	"Content-Type: text/html\n\n$entities\n"),
);

for my $title (sort keys %steering) {
	case "nothing steers the terminal: $title" => sub {
		$pop->fill($steering{$title});
		started(EDITOR => 'true');
		keys_in('Enter');
		shows(qr/^ alice: message 1/m, 'the message');
		keys_in('h');
		shows(qr/^ alice: message 1/m, 'its header');
		keys_in('w');
		shows(qr/^ alice: message 1/m, 'as it came');
		for my $key ('r', 'f') {
			keys_in($key);
			shows(qr/^ your message/m, "a draft by $key");
			keys_in('d');
			shows(qr/^ alice: message 1/m, 'discarded');
		}
		keys_in('s');
		shows(qr/^Save/m, 'saving');
		keys_in('Enter');
		shows(qr/^Saved?(?: as)?: /m, 'a name for a file');
		keys_in('C-u', 'Enter', 'q');
		shows(qr/messages, 0 flagged/, 'the list');
		keys_in('/', 'z', 'Enter');
		shows(qr/^Not found: z$/m, 'a search');
		keys_in('x');
		ended(0);
		harmless('none of it reached the terminal');
	};
}

# What would be a field of its own in the answer: line ends encoded, and bare.
case 'no field of a message makes another one in its answer' => sub {
	my $line = "\r\nBcc: eve\@example.org\r\n\r\nx";
	my $word = '=?utf-8?b?' . encode_base64($line, '') . '?=';
	my $bare = "a\rBcc: eve\@example.org";
	$pop->fill(message("From: $word <a\@b>\nSubject: $word $bare\n" .
	    "Reply-To: $word <a\@b>, \"$bare\" <c\@d>\nMessage-ID: <$bare>\n" .
	    "References: <1\@x> <$word> <$bare>\nDate: $word $bare\n",
	    "text\n"));
	Service::write_file("$dir/answer", "#!/bin/sh\ncp \"\$1\" $dir/seen\n",
	    0755);
	started(EDITOR => "$dir/answer");
	keys_in('Enter');
	for my $key ('r', 'f') {
		keys_in($key);
		shows(qr/^ your message/m, 'a draft');
		my $seen = Service::read_file("$dir/seen");
		my ($head, $text) = split /\n\n/, $seen, 2;
		unlike($head, qr/[\r\0]|^(?!(?:To|Subject|In-Reply-To|References): )/m,
		    "$key: the fields that it should have, a line each");
		unlike($text, qr/\r|^Bcc/m, "$key: nor does its text");
		keys_in('d');
		shows(qr/^ alice: message 1/m, 'discarded');
	}
	keys_in('q', 'x');
	ended(0);
};

sub nested {
	my ($depth) = @_;
	return join '', map { "Content-Type: multipart/mixed; boundary=b$_\n\n" .
	    "--b$_\n" } 1 .. $depth;
}

# What takes time or memory, and what is to be seen of it.
my @bombs = (
    ['20,000 multiparts in each other', message("Subject: x\nMIME-Version: " .
	"1.0\nContent-Type: multipart/mixed; boundary=b\n", "--b\n" .
	nested(20_000) . "\ntext\n")],
    ['20,000 messages in each other', message('', join '', map {
	"Subject: $_\nContent-Type: message/rfc822\n\n" } 1 .. 20_000)],
    ['100,000 parts', message("Subject: x\n" .
	"Content-Type: multipart/mixed; boundary=b\n", "--b\n\nthe first\n" .
	"--b\n\nx\n" x 100_000 . "--b--\n"), qr/^the first$/m],
    ['a boundary in each line, never the right one', message("Subject: x\n" .
	"Content-Type: multipart/mixed; boundary=" . 'b' x 60 . "\n",
	('--' . 'b' x 59 . "\n") x 50_000)],
    ['a header without an end', "From x\@y Fri Nov 27 01:05:34 2026\n" .
	"Subject: the end\n" . "X-Endless: yes\n" x 300_000, qr/^Subject: the end$/m],
    ['one field without an end', "From x\@y Fri Nov 27 01:05:34 2026\n" .
	"Subject: long\n" . " and longer\n" x 300_000 . "\ntext\n\n",
	qr/^Subject: long and longer/m],
    ['encoded words without an end', message("Subject: =?utf-8?q?a?=\n" .
	" =?utf-8?q?b?=\n" x 200_000, "text\n"), qr/^Subject: abbbbb/m],
    ['parameters without an end', message("Subject: x\nContent-Type: " .
	"text/plain" . join('', map { ";\n a*$_*=x" } 0 .. 100_000) . "\n",
	"text\n"), qr/^text$/m],
    ['a megabyte of entities', message("Subject: x\nContent-Type: " .
	"text/html\n", '&amp;' x 200_000 . '<p>&' x 50_000 . "\n"),
	qr/^&&&&/m],
    ['a million tags', message("Subject: x\nContent-Type: text/html\n",
	'<ul><a href=x>' x 300_000 . '<' x 100_000 . "\n")],
    ['HTML: quotes, numbers and comments without an end', message("Subject: x\n" .
	"Content-Type: text/html\n", "<p>the first</p>" .
	join('', map { "$_\0" x 100_000 } '<a href="', '&#12', '<!--', '</',
	'<pre ', '&a')), qr/^the first$/m],
    ['a line of two million characters, and accents without an end',
	message("Subject: x\nContent-Type: text/plain; charset=utf-8\n",
	"\xe4\xb8\xad" x 1_000_000 . "a" . "\xcc\x81" x 500_000 . "\n" .
	"end\n"), qr/^\x{4e2d}{40}$/m],
    ['boundaries that begin with each other', message("Subject: x\n" .
	"Content-Type: multipart/mixed; boundary=b\n", ("--b\nContent-Type: " .
	"multipart/mixed; boundary=b--\n\n--b--\n\nin\n--b----\n") x 20_000 .
	"--b\nContent-Type: multipart/mixed; boundary=\"" . '-' x 200 .
	"\"\n\n" . '-' x 202 . "\n" . '-' x 60 . "\n")],
    ['charsets that are not what they say', message("Content-Type: " .
	"multipart/mixed; boundary=b\nSubject: x\n", join('', map { "--b\n" .
	    "Content-Type: text/plain; charset=$_\n\n\xff\xfe\x00\x80 $_\n" }
	    qw(utf-8 us-ascii iso-2022-jp utf-16 utf-7 gb18030 none x)) .
	"--b--\n"), qr/ utf-8$/m]);

for my $bomb (@bombs) {
	my ($title, $mail, $shown) = @$bomb;

	case "it costs no more than it weighs: $title" => sub {
		$pop->fill($mail);
		started(EDITOR => 'true');
		keys_in('Enter');
		shows($shown // qr/^ alice: message 1/m, 'it is shown');
		keys_in('End', 'w', 'End', 'w');
		shows(qr/^ alice: message 1/m, 'and as it came');
		keys_in('r');
		shows(qr/^ your message/m, 'and answered');
		keys_in('d');
		shows(qr/^ alice: message 1/m, 'the message again');
		my ($peak) = Service::read_file('/proc/' .
		    (popcard_pid() // 'self') . '/status') =~ /^VmHWM:\s+(\d+)/m;
		cmp_ok($peak // 0, '<', 100 << 10, ($peak // 0) . ' KB of memory');
		keys_in('q', 'x');
		ended(0);
	};
}

done_testing;
