#!/usr/bin/perl
# popcard: writing a message.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Card;
use MIME::Base64 qw(encode_base64);
use Service;
use Test::More;

terminal_needed();

case 'no room for a draft: it is said, and none is kept' => sub {
	terminal();
	typed("(ulimit -f 0; exec $popcard -P 3 '$url' 3<$dir/pass); " .
	    'echo status=$?');
	shows(qr/messages, 0 flagged/, 'the list is there');
	for my $time ('the first time', 'and again') {
		keys_in('c');
		shows(qr/draft: File too large/, $time);
		is_deeply([ glob "$dir/.popcard/*" ], [], 'nothing is left');
		keys_in('j');
		shows(qr/^(?!.*too large)/s, 'read');
	}
	keys_in('q');
	shows(qr/^status=0$/m, 'and ends as ever');
	unlike(screen(), qr/is kept in/, 'without a word of a message');
};

# An editor that writes a message, and shows nothing.
Service::write_file("$dir/editor", <<'END', 0755);
#!/bin/sh
printf 'To: alice@example.org\nSubject: a message\n\nGr\303\274\303\237e\n.\n.hidden\nlast' >"$1"
END

case 'a message by XTND XMIT: edited, shown, sent' => sub {
	$pop->fill($mail[0]);
	started(VISUAL => "$dir/editor", EDITOR => 'false');
	keys_in('c');
	shows(qr/^Subject: a message.*^\.hidden$/ms, 'it is shown');
	my $draft = "$dir/.popcard/draft";
	is((stat $draft)[2] & 07777, 0600, 'its file is private');
	is((stat "$dir/.popcard")[2] & 07777, 0700,
	    'in a private directory');
	keys_in('y');
	shows(qr/^Sent\./m, 'it is sent');
	is_deeply([glob "$dir/.popcard/*"], [], 'no draft is left');
	keys_in('q');
	ended(0);
	my ($got) = (Service::messages($pop->spool))[1];
	like($got, qr/^To: alice\@example\.org\nSubject: a message\n/m,
	    'it came back: its fields');
	like($got, qr/\n\nGr\xc3\xbc\xc3\x9fe\n\.\n\.hidden\nlast\n\z/,
	    'its text, dots and all');
	like($got, qr/^Content-Type: text\/plain; charset=utf-8$/mi,
	    'and its character set') if $locale;
};

case 'a message that cannot be sent is kept, and taken up' => sub {
	$pop->fill($mail[0]);
	Service::write_file("$pop->{dir}/fail", '75');
	started(EDITOR => "$dir/editor");
	keys_in('c');
	shows(qr/y send/, 'a message');
	keys_in('y');
	shows(qr/^Not sent, kept in \Q$dir\E\/\.popcard\/draft: \[SYS\/TEMP\] /m, 'a reason');
	my $draft = "$dir/.popcard/draft";
	like(Service::read_file($draft), qr/^\.hidden$/m, 'kept');
	unlink "$pop->{dir}/fail";
	keys_in('c');
	shows(qr/Take up the draft in \Q$draft\E/, 'an offer');
	keys_in('y');
	shows(qr/y send/, 'the message again');
	keys_in('q');
	shows(qr/^Kept in/m, 'kept for later');
	keys_in('q');
	ended(0);
	shows(qr/a draft is kept in \Q$draft\E/,
	    'its place is told at the end');
	ok(-f $draft, 'and it is there');
	is($pop->spool, $mail[0], 'nothing was sent');
	unlink $draft;
};

case 'the place of a message is told without controls' => sub {
	my $odd = "$dir/\e[31m\x9b32m";
	$pop->fill($mail[0]);
	mkdir $odd or die "mkdir: $!";
	Service::write_file("$dir/odd", "HOME='$odd'; export HOME\n" .
	    "exec $popcard -P 3 '$url' 3<$dir/pass\n");
	terminal(EDITOR => "$dir/editor");
	typed("sh $dir/odd; echo status=\$?");
	shows(qr/messages, 0 flagged/, 'the list is there');
	keys_in('c');
	shows(qr/y send/, 'a message');
	keys_in('q', 'q');
	shows(qr/^status=0$/m, 'it ends');
	shows(qr/^popcard: a draft is kept in [^ ]*\Q^[[31m\x9B32m\E/m,
	    'the place');
	unlike(raw(), qr/\e\[31m|\x9b/,
	    'and no control');
	system 'rm', '-rf', $odd;
};

case 'a connection lost under the editor keeps the message' => sub {
	$pop->fill($mail[0]);
	Service::write_file("$dir/slow",
	    "#!/bin/sh\n$dir/editor \"\$1\"\nread x\n", 0755);
	started(EDITOR => "$dir/slow");
	keys_in('c');
	eventually { -f "$dir/.popcard/draft" };
	kill 'TERM', children($pop->{server}, 'popper');
	keys_in('Enter');
	shows(qr/y send/, 'the editor ends as ever');
	keys_in('y');
	shows(qr/^status=75$/m, 'the connection is gone');
	my $draft = "$dir/.popcard/draft";
	shows(qr/a draft is kept in \Q$draft\E/, 'the message is not');
	unlink $draft;
} if -d "/proc/$$";

for (['before the message', 75, 'XTND XMIT' => undef],
    ['after the message: perhaps it was sent', 74, 'XTND XMIT' => "+OK\r\n",
	'.' => undef, '.*' => '']) {
	my ($title, $status, %reply) = @$_;

	case "a connection lost $title" => sub {
		my $p = server('USER .*' => "+OK\r\n", 'PASS .*' => "+OK\r\n",
		    STAT => "+OK 0 0\r\n", %reply);
		run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass",
		    EDITOR => "$dir/editor");
		shows(qr/0 messages/, 'the list');
		keys_in('c');
		shows(qr/y send/, 'a message');
		keys_in('y');
		ended($status);
		my $draft = "$dir/.popcard/draft";
		shows(qr/a draft is kept in \Q$draft\E/, 'it is kept');
		unlink $draft;
	};
}

# An editor that keeps what it gets in $dir/seen and changes nothing, or writes
# a line of text below it.
Service::write_file("$dir/look", "#!/bin/sh\ncat \"\$1\" >$dir/seen\n" .
    "echo mine >>\"\$1\"\n", 0755);

my $asked = "From x\@example.org Fri Nov 27 01:05:34 2026\n" .
    "From: =?utf-8?q?Ren=C3=A9?= <rene\@example.org>\n" .
    "Subject: =?utf-8?q?Fr=C3=BChst=C3=BCck?=\nMessage-ID: <2\@example.org>\n" .
    "References: <1\@example.org>\nDate: Fri, 27 Nov 2026 01:05:34 +0000\n" .
    "Content-Type: text/plain; charset=iso-8859-1\n\nWann f\xe4ngt es an?\n\n";

case 'reply: quoted, and in its thread' => sub {
	$pop->fill($asked);
	started(EDITOR => "$dir/look");
	keys_in('Enter', 'r');
	shows(qr/^ your message/m, 'a draft');
	is(Service::read_file("$dir/seen"), "To: Ren\xc3\xa9 <rene\@example.org>\n" .
	    "Subject: Re: Fr\xc3\xbchst\xc3\xbcck\n" .
	    "In-Reply-To: <2\@example.org>\n" .
	    "References: <1\@example.org> <2\@example.org>\n\n" .
	    "Ren\xc3\xa9 wrote:\n" .
	    "> Wann f\xc3\xa4ngt es an?\n", 'what is answered') if $locale;
	keys_in('y');
	shows(qr/^Sent\./m, 'sent');
	keys_in('q', 'q');
	ended(0);
	my ($sent) = (Service::messages($pop->spool))[1];
	unlike($sent =~ s/\n\n.*//sr, qr/[^\x00-\x7f]/, 'its header is ASCII');
	like($sent, qr/^Subject: =\?utf-8\?/mi, 'an encoded word') if $locale;
	like($sent, qr/^In-Reply-To: <2\@example\.org>$/m, 'the answered one');
	like($sent, qr/^Message-ID: <\S+>$/m, 'a name of its own');
	like($sent, qr/^Date: \w+, +\d+ \w+ \d{4} \d\d:\d\d:\d\d [-+]\d{4}$/m,
	    'a date');
	like($sent, qr/^mine$/m, 'the text');
};

# A message with a file, and an editor that addresses it and adds a line.
my $octets = join '', map { chr } 0 .. 255;
my $report = "From: bob\@example.org\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n" .
    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n" .
    "--b\nContent-Type: text/plain; charset=utf-8\n\nHerzliche Gr\xc3\xbc\xc3" .
    "\x9fe\n--b\nContent-Type: application/pdf\n" .
    "Content-Disposition: attachment; filename=report.pdf\n" .
    "Content-Transfer-Encoding: base64\n\n" . encode_base64($octets) .
    "--b--\n";
Service::write_file("$dir/address", "#!/bin/sh\ncp \"\$1\" $dir/seen\n" .
    "sed -i 's/^To: \$/To: carol\@example.org/' \"\$1\"\n" .
    "echo 'see below' >>\"\$1\"\n", 0755);

case 'forward: the message as it came, with its files' => sub {
	$pop->fill("From x\@example.org Fri Nov 27 01:05:34 2026\n$report\n");
	started(EDITOR => "$dir/address");
	keys_in('Enter', 'f');
	shows(qr/^ your message, with the one that it forwards.*^see below$/ms,
	    'a draft, and what is attached to it');
	is(Service::read_file("$dir/seen"), "To: \nSubject: Fwd: Gr\xc3\xbc" .
	    "\xc3\x9fe\n\n", 'what is edited');
	keys_in('q', 'q', 'x');
	ended(0);
	run("-P 3 '$url' 3<$dir/pass", EDITOR => 'true');
	shows(qr/^Take up the draft/m, 'it is offered at the next start');
	keys_in('y');
	shows(qr/^ your message, with the one that it forwards$/m,
	    'with its message');
	keys_in('y');
	shows(qr/^Sent\./m, 'sent');
	is_deeply([glob "$dir/.popcard/*"], [], 'no file is left');
	keys_in('x');
	ended(0);
	my ($sent) = (Service::messages($pop->spool))[1];
	my ($boundary) = $sent =~ /^Content-Type: multipart\/mixed; boundary="(.*)"$/m;
	my ($text, $attached) = (split /^--\Q$boundary\E(?:--)?\n/m, $sent)[1, 2];
	like($text, qr/\n\nsee below\n\n\z/, 'the text');
	is($attached, "Content-Type: message/rfc822\n" .
	    "Content-Disposition: attachment\n" .
	    "Content-Transfer-Encoding: 8bit\n\n$report\n", 'the message');
	started();
	keys_in('End', 'Enter');
	shows(qr{^\[1\] message/rfc822, .*\n\[2\] report\.pdf, .* 256 octets$}m,
	    'its file arrives');
	keys_in('s', 'BSpace', '2', 'Enter', 'Enter');
	shows(qr/^Saved: report\.pdf/m, 'and is saved');
	is(Service::read_file("$dir/tmp/report.pdf"), $octets, 'as it was');
	keys_in('q', 'x');
	ended(0);
};

case 'forward: a draft that is discarded' => sub {
	$pop->fill($asked);
	started(EDITOR => 'true');
	keys_in('Enter', 'f');
	shows(qr/^ your message.*^Subject: Fwd: /ms, 'a draft');
	keys_in('d', 'q', 'x');
	ended(0);
	is_deeply([glob "$dir/.popcard/*"], [], 'no file is left');
};

case 'a draft that was kept is offered at the next start' => sub {
	$pop->fill($mail[0]);
	started(EDITOR => "$dir/editor");
	keys_in('c');
	shows(qr/y send/, 'a message');
	keys_in('q', 'q');
	ended(0);
	my $draft = "$dir/.popcard/draft";
	for my $answer ('n', 'Escape') {
		run("-P 3 '$url' 3<$dir/pass", EDITOR => 'true');
		shows(qr/^Take up the draft in \Q$draft\E\? \(y\)es, \(d\)iscard, \(n\)o$/m,
		    'it is offered');
		keys_in($answer);
		shows(qr/messages, 0 flagged/, "$answer: the list");
		keys_in('x');
		ended(0);
		ok(-f $draft, 'it is still there');
	}
	run("-P 3 '$url' 3<$dir/pass", EDITOR => 'true');
	shows(qr/^Take up/m, 'offered again');
	keys_in('y');
	shows(qr/^ your message.*^\.hidden$/ms, 'it is there');
	keys_in('y');
	shows(qr/^Sent\./m, 'it is sent');
	keys_in('q');
	ended(0);
	ok(!-e $draft, 'and gone');
	# what is no draft is not taken for one
	symlink '/etc/passwd', $draft;
	Service::write_file("$dir/.popcard/x", 'x');
	started();
	keys_in('c');
	shows(qr/^No room for a draft: File exists$/m, 'nor replaced by one');
	keys_in('q');
	ended(0);
	ok(-l $draft, 'it is as it was');
	unlink $draft, "$dir/.popcard/x";
};

case 'a draft is not replaced by another one: it is kept, or discarded' => sub {
	my $draft = "$dir/.popcard/draft";
	$pop->fill($mail[0]);
	started(EDITOR => "$dir/editor");
	keys_in('c');
	shows(qr/y send/, 'a message');
	keys_in('q', 'c');
	shows(qr/^Take up the draft in /m, 'it is offered before the next');
	keys_in('n', 'j');
	shows(qr/^ alice at.*\n\n\z/ms, 'no, and there is no other one');
	like(Service::read_file($draft), qr/^\.hidden$/m, 'it is as it was');
	keys_in('Enter', 'r');
	shows(qr/^Take up the draft in /m, 'before an answer, too');
	keys_in('d');
	shows(qr/^ your message/m, 'it is discarded, and there is another one');
	keys_in('d', 'q', 'q');
	ended(0);
	ok(!-e $draft, 'and that is gone, too');
};

case 'a draft that popcard could not give up: killed under the editor' => sub {
	$pop->fill($mail[0]);
	Service::write_file("$dir/slow", "#!/bin/sh\n$dir/editor \"\$1\"\n" .
	    "echo editing\nread x\n", 0755);
	started(EDITOR => "$dir/slow");
	keys_in('c');
	shows(qr/^editing$/m, 'the editor');
	kill 'KILL', popcard_pid();
	shows(qr/^Killed|status=137/m, 'the end');
	run("-P 3 '$url' 3<$dir/pass", EDITOR => 'true');
	shows(qr/^Take up the draft/m, 'it is offered');
	keys_in('y');
	shows(qr/^\.hidden$/m, 'all of it');
	keys_in('d', 'x');
	ended(0);
} if -d "/proc/$$";

done_testing;
