#!/usr/bin/perl
# popcard: reading a message.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Card;
use Encode qw(encode);
use MIME::Base64 qw(encode_base64);
use MIME::QuotedPrint qw(encode_qp);
use Service;
use Test::More;

terminal_needed();

# Header fields and a text as a piece of an mbox.
sub message {
	my ($header, $text) = @_;
	return "From x\@example.org Fri Nov 27 01:05:34 2026\n$header\n$text\n";
}

case 'a message: fields first, folded, nothing that steers' => sub {
	started();
	keys_in('j', 'Enter');
	shows(qr/^From: Carol\s*^Subject: colours in many/m,
	    'the fields in their order');
	my $seen = screen();
	unlike($seen, qr/^Received/m, 'the rest of the header is not');
	like($seen, qr/\^\[\[2J\^\[\]0;owned\^G csi \\x9B31m end/,
	    'escape sequences are spelt out');
	like($seen, qr/<U\+202E>/, 'a change of direction too')
	    if $locale;
	like($seen, qr/umlaut \x{e4} cjk \x{4e2d}\x{6587}/,
	    'other characters are themselves') if $locale;
	like($seen, qr/nul \^\@ end/, 'text goes on after a NUL');
	like($seen, qr/^(?:(?:word ?)+\n){2}(?:word )+last$/m,
	    'a long line is folded at a space');
	keys_in('Space');
	shows(qr/^row 20$/m, 'the next page');
	keys_in('End');
	shows(qr/^row 60$/m, 'the end');
	keys_in('h');
	shows(qr/^Received: from nowhere/m, 'the whole header');
	my $raw = raw();
	unlike($raw, qr/\e\]0;owned|\e\[31m|\x9b31m|\xe2\x80\xae/,
	    'none of it reached the terminal as it was');
	keys_in('n');
	shows(qr/message 3 .*^x$/ms, 'the next message');
	keys_in('p', 'p');
	shows(qr/message 1 .*^\.dot$/ms, 'and back to the first');
	keys_in('q', 'x');
	ended(0);
};

case 'a long message: a row tells how far it has come' => sub {
	my $line = 'All work and no play makes Jack a dull boy. ' x 20;
	$pop->fill($mail[0] . join "\n",
	    'From jack@example.org Sat Jan  3 01:05:34 1996',
	    'From: jack@example.org', 'Subject: book', '',
	    ($line) x 9000, 'the end', '', '');
	started();
	keys_in('j', 'Enter');
	shows(qr/^All work/m, 'it is here');
	my $raw = raw();
	like($raw, qr/receiving message 2: \d+K of 7[89]\d\dK/,
	    'its beginning');
	like($raw, qr/receiving message 2: [67]\d\d\dK of 7[89]\d\dK/,
	    'and most of it');
	keys_in('End');
	shows(qr/^the end$/m, 'to the end');
	keys_in('q', 'q');
	ended(0);
	$pop->fill(join '', @mail);
};

case 'a line without an end: by rows, and back' => sub {
	my $line = join '', map { sprintf '%09d ', $_ } 1 .. 30_000;
	$pop->fill(message("Subject: long\n", "$line\n"));
	started();
	keys_in('Enter');
	shows(qr/^Subject: long\n\n0{8}1 /m, 'its beginning');
	keys_in('End');
	shows(qr/ 000030000\n space/m, 'its end');
	shows(qr/ 100%$/m, 'all of it');
	keys_in('k', 'j');
	shows(qr/ 000030000\n space/m, 'up and down');
	keys_in('Home', 'PageDown', 'PageDown', 'j');
	shows(qr/\n000000345 /, 'down from the beginning');
	keys_in('PageUp', 'PageUp', 'k');
	shows(qr/^Subject: long\n\n0{8}1 /m, 'and up again');
	keys_in('q', 'x');
	ended(0);
	$pop->fill(join '', @mail);
};

my ($german, $japanese, $russian) = ("Gr\x{fc}\x{df}e aus K\x{f6}ln",
    "\x{4f1a}\x{8b70}\x{306e}\x{304a}\x{77e5}\x{3089}\x{305b}",
    "\x{41e}\x{442}\x{447}\x{451}\x{442}");
my @three = (
    message('From: =?iso-8859-1?q?J=FCrgen?= <j@example.org>' . "\n" .
	"Subject: =?iso-8859-1?q?Gr=FC=DFe_aus_K=F6ln?=\n" .
	"Content-Type: text/plain; charset=iso-8859-15\n" .
	"Content-Transfer-Encoding: quoted-printable\n",
	encode_qp(encode('iso-8859-15', "Das kostet 12 \x{20ac}.\n\n" .
	"Sch\x{f6}ne $german\n"))),
    message("From: taro\@example.jp\nSubject: =?ISO-2022-JP?B?" .
	encode_base64(encode('iso-2022-jp', $japanese), '') . "?=\n" .
	"Content-Type: text/plain; charset=ISO-2022-JP\n",
	encode('iso-2022-jp', "$japanese\n\x{91d1}\x{66dc}\x{65e5}\n")),
    message("From: =?koi8-r?B?" . encode_base64(encode('koi8-r',
	"\x{418}\x{432}\x{430}\x{43d}"), '') . "?= <i\@example.ru>\n" .
	"Subject: =?utf-8?B?" . encode_base64(encode('utf-8', $russian), '') .
	"?=\nContent-Type: text/plain; charset=koi8-r\n" .
	"Content-Transfer-Encoding: base64\n",
	encode_base64(encode('koi8-r', "$russian\n\x{433}\x{43e}\x{442}\n"))));

# The lines of a text on the screen, between the line that matches and the end.
sub text_lines {
	my ($seen, $head, $end) = @_;
	my ($text) = $seen =~ /$head(.*?)$end/s or return [];
	return [grep { length } map { s/^\s+|\s+$//gr } split /\n/, $text];
}

case 'three languages: no encoding is seen' => sub {
	$pop->fill(join '', @three);
	started();
	shows(qr/^> N +1 .* J\x{fc}rgen +$german$/m, 'German in the list');
	shows(qr/^  N +2 .* taro\@example\.jp +$japanese$/m, 'Japanese');
	shows(qr/^  N +3 .* \x{418}\x{432}\x{430}\x{43d} +$russian$/m, 'Russian');
	keys_in('Enter');
	shows(qr/^From: J\x{fc}rgen <j\@example\.org>\nSubject: $german\n\n/m,
	    'its fields');
	shows(qr/^Das kostet 12 \x{20ac}\.\n\nSch\x{f6}ne $german\n/m,
	    'its text');
	keys_in('n');
	shows(qr/^Subject: $japanese\n\n$japanese\n\x{91d1}\x{66dc}\x{65e5}\n/m,
	    'the second');
	keys_in('n');
	shows(qr/^Subject: $russian\n\n$russian\n\x{433}\x{43e}\x{442}\n/m,
	    'the third');
	keys_in('q', 'x');
	ended(0);
} if $locale;

case 'characters that the locale lacks are spelt' => sub {
	$pop->fill($three[0]);
	started(LC_ALL => 'C');
	shows(qr/^> N +1 .* J<U\+00FC>rgen +Gr<U\+00FC><U\+00DF>e aus K</m,
	    'in the list');
	keys_in('Enter');
	shows(qr/^Das kostet 12 <U\+20AC>\.$/m, 'in the text');
	keys_in('q', 'x');
	ended(0);
};

SKIP: {
	my $alpine = Service::find('alpine');
	skip 'alpine is not installed', 1 if !$alpine || !$locale;
	case 'three languages: the lines that alpine shows' => sub {
		my (@alpine, @popcard);
		Service::write_file("$dir/mbox", join '', @three);
		Service::write_file("$dir/pinerc", "last-version-used=6.26\n" .
		    "user-domain=example.org\nnntp-server=\n" .
		    "feature-list=quit-without-confirm\n");
		mkdir "$dir/mail";
		terminal();
		typed("$alpine -p $dir/pinerc -i -f $dir/mbox");
		shows(qr/MESSAGE INDEX/, 'alpine is there');
		for my $n (1 .. 3) {
			keys_in('j', $n, 'Enter', 'Enter');
			shows(qr/MESSAGE TEXT .*Message $n of 3/, "message $n");
			shows(qr/^Subject: /m, 'with its subject');
			push @alpine, text_lines(screen(), qr/^Subject: [^\n]+\n/m,
			    qr/^ +\[|^\? Help/m);
			keys_in('<');
			shows(qr/MESSAGE INDEX/, 'back');
		}
		keys_in('q');
		$pop->fill(join '', @three);
		started();
		keys_in('Enter');
		for my $n (1 .. 3) {
			shows(qr/: message $n .*^Subject: /ms, "popcard: $n");
			push @popcard, text_lines(screen(), qr/^Subject: [^\n]+\n/m,
			    qr/^ space/m);
			keys_in('n');
		}
		keys_in('x');
		ended(0);
		is_deeply(\@popcard, \@alpine, 'the same texts');
		is(scalar @{ $popcard[2] }, 2, 'and not nothing');
	};
}

# A message with a text and these files, each a name as the header has it and
# its octets.
sub with_files {
	my (@file) = @_;
	my $text = "--b\nContent-Type: text/plain\n\nsee the files\n";
	while (my ($name, $octets) = splice @file, 0, 2) {
		$text .= "--b\nContent-Type: application/octet-stream\n" .
		    "Content-Disposition: attachment; $name\n" .
		    "Content-Transfer-Encoding: base64\n\n" .
		    encode_base64($octets);
	}
	return message("From: x\@y\nSubject: files\nMIME-Version: 1.0\n" .
	    "Content-Type: multipart/mixed; boundary=b\n", "$text--b--\n");
}

my $octets = join '', map { chr } 0 .. 255;

case 'files: listed, and saved as they are' => sub {
	my $mail = with_files('filename="a file.bin"' => $octets,
	    "filename*=utf-8''%C3%BCber.txt" => "text\n");
	$pop->fill($mail);
	started();
	keys_in('Enter');
	shows(qr/^\[1\] a file\.bin, application\/octet-stream, 256 octets$/m,
	    'name, type and size');
	shows(qr/^\[2\] \x{fc}ber\.txt, .*, 5 octets\n\nsee the files$/m,
	    'and the second') if $locale;
	keys_in('s');
	shows(qr/^Save which file \(1-2; 0: the message\)\? 1_$/m, 'which one?');
	keys_in('Enter');
	shows(qr/^Save as: a file\.bin_$/m, 'its name is offered');
	keys_in('Enter');
	shows(qr/^Saved: a file\.bin, 256 octets$/m, 'saved');
	is(Service::read_file("$dir/tmp/a file.bin"), $octets, 'as it is');
	is((stat "$dir/tmp/a file.bin")[2] & 07777, 0600, 'for the user alone');
	keys_in('s', 'BSpace', '2', 'Enter', 'C-u');
	typed("$dir/tmp/mine");
	shows(qr/^Saved: .*mine, 5 octets$/m, 'the other one, at another place');
	keys_in('s', 'BSpace', '0', 'Enter');
	shows(qr/^Save as: message-1\.eml_$/m, 'the message');
	keys_in('Enter');
	shows(qr/^Saved: message-1\.eml/m, 'saved');
	is(Service::read_file("$dir/tmp/message-1.eml"),
	    (Service::messages($mail))[0], 'as it came');
	for (['3', 'There is no file'], ['x', 'There is no file']) {
		keys_in('s', 'BSpace', $_->[0], 'Enter');
		shows(qr/^$_->[1]/m, "no file $_->[0]");
	}
	keys_in('s', 'Escape', 's', 'Enter', 'Escape', 'q', 'x');
	ended(0);
	is(join(' ', sort map { s{.*/}{}r } glob "$dir/tmp/*"),
	    'a file.bin message-1.eml mine', 'nothing else was written');
};

case 'a file that exists: only if the user agrees' => sub {
	$pop->fill(with_files('filename=f' => 'new'));
	started();
	Service::write_file("$dir/tmp/f", 'as it was');
	keys_in('Enter', 's', 'Enter', 'Enter');
	shows(qr/^f exists\. Replace it\? \(y\)es, \(n\)o$/m,
	    'a question');
	keys_in('n', 's', 'Enter', 'Enter', 'Escape', 'j');
	shows(qr/\n\n\z/, 'no');
	is(Service::read_file("$dir/tmp/f"), 'as it was', 'it is');
	keys_in('s', 'Enter', 'Enter', 'y');
	shows(qr/^Saved: f, 3 octets$/m, 'yes');
	is(Service::read_file("$dir/tmp/f"), 'new', 'it is replaced');
	symlink 'f', "$dir/tmp/link";
	for (['/dev/tty', 'File exists'], ["$dir/tmp", 'File exists'],
	    ["$dir/tmp/link", 'File exists'],
	    ["$dir/no/such", 'No such file']) {
		my ($path, $why) = @$_;
		keys_in('s', 'Enter', 'C-u');
		typed($path);
		shows(qr/^Not saved: \Q$path\E: $why/m, $path);
	}
	is(Service::read_file("$dir/tmp/f"), 'new', 'and not by way of a link');
	keys_in('q', 'x');
	ended(0);
};

case 'a disk that is full: no half of a file' => sub {
	$pop->fill(with_files('filename=f' => 'x' x 100_000));
	terminal();
	typed("cd $dir/tmp; (ulimit -f 10; exec $popcard -P 3 '$url' " .
	    "3<$dir/pass); echo status=\$?");
	shows(qr/messages, 0 flagged/, 'the list');
	keys_in('Enter', 's', 'Enter', 'Enter');
	shows(qr/^Not saved: f: File too large$/m, 'it is said');
	ok(!-e "$dir/tmp/f", 'nothing is left');
	keys_in('q', 'x');
};

my %offered = ('../../etc/passwd' => '_._.._etc_passwd', '.bashrc' => '_bashrc',
    '-rf' => '_rf', '~/x' => '__x', '/etc/motd' => '_etc_motd',
    'a\\\\b' => 'a_b', '' => 'file-1', ' x' => 'x',
    "b\e[31mc" => 'b [31mc', "d\x07\x7fe" => 'd  e',
    'x' x 300 => 'x' x 69,	# its end, as much as fits
    $locale ? ("f\xe2\x80\xaetxt.exe" => 'f<U+202E>txt.exe') : ());
case 'names of files: what is offered does no harm' => sub {
	for my $name (sort keys %offered) {
		$pop->fill(with_files("filename=\"$name\"" => 'x'));
		started();
		keys_in('Enter', 's', 'Enter');
		shows(qr/^Save as: /m, 'a name');
		my ($got) = screen() =~ /^Save as: (.*)_$/m;
		is($got, $offered{$name}, "\Q$name");
		keys_in('Escape', 'q', 'x');
		ended(0);
	}
};

done_testing;
