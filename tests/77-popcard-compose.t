#!/usr/bin/perl
# popcard: writing a message.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Card;
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
	my ($draft) = glob "$dir/.popcard/draft.*";
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
	like($got, qr/^Content-Type: text\/plain; charset=utf-8; format=flowed$/mi,
	    'and its character set') if $locale;
};

case 'a message that cannot be sent is kept, and taken up' => sub {
	$pop->fill($mail[0]);
	Service::write_file("$pop->{dir}/fail", '75');
	started(EDITOR => "$dir/editor");
	keys_in('c');
	shows(qr/y send/, 'a message');
	keys_in('y');
	shows(qr/^ Not sent.*^\[SYS\/TEMP\].*kept in/ms, 'a reason');
	keys_in('q');
	my ($draft) = glob "$dir/.popcard/draft.*";
	like(Service::read_file($draft), qr/^\.hidden$/m, 'kept');
	unlink "$pop->{dir}/fail";
	keys_in('c');
	shows(qr/Take up the draft kept in \Q$draft\E/, 'an offer');
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
	eventually { glob "$dir/.popcard/draft.*" };
	kill 'TERM', children($pop->{server}, 'popper');
	keys_in('Enter');
	shows(qr/y send/, 'the editor ends as ever');
	keys_in('y');
	shows(qr/^status=75$/m, 'the connection is gone');
	my ($draft) = glob "$dir/.popcard/draft.*";
	shows(qr/a draft is kept in \Q$draft\E/, 'the message is not');
	unlink $draft;
} if -d "/proc/$$";

done_testing;
