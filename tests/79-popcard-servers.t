#!/usr/bin/perl
# popcard and the boards of popper, and what other servers do to it.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Card;
use Service;
use Test::More;

terminal_needed();

case 'a server without XTND: TOP takes the place of XLST' => sub {
	my $p = server('USER .*' => "+OK\r\n", 'PASS .*' => "+OK\r\n",
	    STAT => "+OK 2 80\r\n",
	    LIST => "+OK\r\n1 40\r\n2 40\r\n.\r\n",
	    'TOP 1 0' => "+OK\r\nSubject: first\r\nFrom: a\r\n\r\n.\r\n",
	    'TOP 2 0' => "+OK\r\nsubject: se\r\n cond\r\n\r\n.\r\n",
	    QUIT => "+OK\r\n");
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/^>      1 .* a  +first$/m, 'a message');
	shows(qr/^       2 .* se cond$/m, 'another, unfolded');
	keys_in('b');
	shows(qr/^unknown command$/m, 'no boards: its words');
	keys_in('q');
	ended(0);
};

my %ok = ('USER .*' => "+OK\r\n", 'PASS .*' => "+OK\r\n",
    STAT => "+OK 1 40\r\n", LIST => "+OK\r\n1 40\r\n.\r\n",
    QUIT => "+OK\r\n");
my @bad = (
    ['a greeting that is none', 76, greeting => "220 smtp\r\n"],
    ['a reply without an end', 76, greeting => '+OK ' . 'x' x 9000],
    ['a greeting that refuses', 75, greeting => "-ERR busy\r\n"],
    ['an escape in a refusal', 77, %ok,
	'PASS .*' => "-ERR no \e]0;owned\a\r\n"],
    ['it hangs up', 75, %ok, 'PASS .*' => undef],
    ['STAT without numbers', 76, %ok, STAT => "+OK many\r\n"],
    ['STAT beyond all measure', 76, %ok,
	STAT => "+OK 99999999999999999999 1\r\n"],
    ['it hangs up inside the list', 75, %ok, LIST => undef]);
for my $bad (@bad) {
	my ($title, $status, %reply) = @$bad;
	case "bad servers: $title" => sub {
		my $p = server(%reply);
		run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
		ended($status);
		unlike(raw(), qr/\e\]0;owned/,
		    'no escape comes through');
	};
}

case 'bad servers: lines of listings that make no sense' => sub {
	my $p = server(%ok, STAT => "+OK 2 80\r\n",
	    LIST => "+OK\r\n0 1\r\n3 1\r\n-1 5\r\n1 40\r\n2x 4\r\n" .
		"2\r\n" . 'x' x 100000 . "\r\n.\r\n",
	    'XTND XLST .*' => "+OK\r\n0 Subject: a\r\n3 Subject: b\r\n" .
		"1 Subject: good \e[31m\r\n2 Subjectx: c\r\n" .
		"18446744073709551617 Subject: d\r\n\r\n" .
		"2 Subject: " . 'long ' x 20000 . "\r\n.\r\n",
	    'RETR 1' => "+OK\r\nSubject: good\r\n\r\n..a\r\n\r\r\n" .
		"b\rc\r\n.\r\n");
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/^>      1 .* good  \[31m$/m, 'one line is taken');
	shows(qr/^       2 .* long long/m, 'and one that is cut');
	keys_in('Enter');
	shows(qr/^Subject: good\s+^\.a\n\nb\^Mc\n/m,
	    'dots, CRs and empty lines of a text');
	keys_in('q', 'q');
	ended(0);
};

case 'runs of blanks and tabs are as good as one blank' => sub {
	my $p = server(%ok, STAT => "+OK\t 2 \t80\t \r\n",
	    LIST => "+OK\r\n1\t 40\t\r\n \t2   1200 \t\r\n.\r\n",
	    'XTND XLST Subject' =>
		"+OK\r\n\t1 \t Subject: one\r\n2\tSubject:\ttwo\r\n.\r\n",
	    'XTND XLST .*' => "+OK\r\n.\r\n",
	    'XTND BBOARDS' => "+OK\r\n news\t  7\t\r\nold \t8\r\n.\r\n");
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/^>      1 +40 +one\n {7}2 +1200 +two$/m, 'the list');
	keys_in('b');
	shows(qr/^> news +7\n  old +8$/m, 'the boards');
	keys_in('q', 'q');
	ended(0);
};

case 'bad servers: NULs, and lines that are nearly the end' => sub {
	my $p = server(%ok, STAT => "+OK 2 80\0\r\n",
	    LIST => "+OK\0no\r\n1 40\0\r\n\0\r\n2 40\r\n.\r\n",
	    UIDL => "+OK\r\n1 \0\r\n2 a\r\n.\r\n",
	    'XTND XLST Subject' => "+OK\r\n1 Subject: \0\r\n" .
		"2 Subject: two\0\r\n.\r\n",
	    'XTND XLST .*' => "+OK\n.\n",
	    'RETR 2' => "+OK\r\nSubject: two\r\n\r\n.\0\r\n..\r\n. \r\n\r.\r\n" .
		"\0.\r\n.\r\r\nend\r\n.\r\n");
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/^>      1 .*\n       2 .* two$/m, 'the list');
	keys_in('j', 'Enter');
	shows(qr/^Subject: two\n\n\^\@\n\.\n\n\^M\.\n\^\@\.\n\nend$/m,
	    'each line as it is');
	keys_in('q', 'q');
	ended(0);
};

case 'bad servers: a maildrop without end costs no more than a large one' => sub {
	my $list = join '', map { "$_ 1000\r\n" } 1 .. 150_000;
	my $p = server(%ok, STAT => "+OK 400000 400000000\r\n",
	    LIST => "+OK\r\n$list.\r\n", 'XTND XLST .*' => sub {
		my ($field) = $_[1] =~ /(\w+)\z/;
		my $value = 'x' x 250;
		return "+OK\r\n" . $list =~ s/ 1000/ $field: $value/gr .
		    ".\r\n";
	    });
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/^ x at 127\.0\.0\.1: 99999 messages, 0 flagged/m,
	    'there is an end');
	shows(qr/^There are 400000 messages: these are the first 99999\.$/m,
	    'and it is said');
	my ($rss) = Service::read_file('/proc/' . popcard_pid() .
	    '/status') =~ /^RssAnon:\s+(\d+)/m;
	cmp_ok($rss, '<', 56 << 10, "$rss KB of memory");
	keys_in('End');
	shows(qr/^> N99999 +1000  x{18}  x{36}$/m,
	    'the last of them');
	keys_in('d', 'q', 'n');
	ended(0);
} if -d "/proc/$$";

case 'a list that takes its time: it is said' => sub {
	my $p = server(%ok, LIST => sub { readline $_[0]; return "+OK\r\n.\r\n" });
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/^reading the list$/m, 'what is going on');
	keys_in('C-c');
	ended(130);
};

case 'bad servers: a list without end' => sub {
	my $p = server(%ok, LIST => sub {
		my ($s) = @_;
		local $SIG{PIPE} = 'IGNORE';
		my $much = 'x' x (1 << 20);
		print $s "+OK\r\n";
		1 while print $s $much;
		return undef;
	});
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/^popcard: 127\.0\.0\.1: a reply has no end$/m, 'it is said');
	ended(76);
};

# 68 MB, of which 64 MiB are read.
case 'a message that is too large: its beginning, which is not sent on' => sub {
	my $line = 'x' x 998 . "\r\n";
	my $p = server(%ok, 'RETR 1' => sub {
		my ($s) = @_;
		print $s "+OK\r\nSubject: large\r\n\r\nthe beginning\r\n";
		print $s $line x 1000 for 1 .. 68;
		return "the end\r\n.\r\n";
	});
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/1 messages/, 'the list');
	keys_in('Enter');
	shows(qr/^Subject: large\n\nthe beginning\n.*^The message is too large: this is its beginning\.$/ms,
	    'its beginning, and it is said');
	keys_in('f');
	shows(qr/^The message is too large to be forwarded\.$/m, 'no draft of it');
	ok(!-e "$dir/.popcard/draft", 'nor a file');
	keys_in('End');
	shows(qr/^x+\n space/m, 'and no end');
	keys_in('q', 'q');
	ended(0);
};

case 'a server without XLST: long headers are read as well' => sub {
	my $p = server(%ok, STAT => "+OK 2 80\r\n",
	    LIST => "+OK\r\n1 40\r\n2 40\r\n.\r\n",
	    'TOP .*' => "+OK\r\n" . "X: long\r\n" x 10000 .
		"Subject: long\r\n\r\n.\r\n");
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/^>      1 .* long\n {7}2 .* long$/m, 'both stand there');
	unlike(screen(), qr/null/, 'and nothing else');
	keys_in('q');
	ended(0);
};

case 'boards: listed, read, their archive, and back' => sub {
	$pop->fill(join '', @mail);
	started();
	keys_in('j', 'd', 'b');
	shows(qr/^> news +117\n  system +\d+$/ms, 'two boards');
	keys_in('Enter');
	shows(qr/Delete the 1 flagged/, 'what of the marks?');
	keys_in('c');
	shows(qr/^> news +117$/m, 'back, nothing done');
	keys_in('Enter', 'n');
	shows(qr/^ board news .*2 messages/m, 'the board');
	shows(qr/^ +117 .*three$/m, 'a message with its own number');
	keys_in('d');
	keys_in('Home', 'd', 'x', 'End');
	shows(qr/^> {4}117 .*three$/m, 'which cannot be deleted');
	keys_in('Home', 'Enter');
	shows(qr/^\.dot$/m, 'but read');
	keys_in('q', 'q', 'a');
	shows(qr/^ board news .*1 messages/m, 'the archive');
	keys_in('Escape');
	shows(qr/^ boards at .*^> news /ms, 'left by Escape');
	keys_in('j', 'Enter');
	shows(qr/^ board system .*0 messages/m, 'an empty board');
	keys_in('Enter', 'd', 'q', 'q');
	shows(qr/^ alice at .*3 messages, 0 flagged/m,
	    'back in the maildrop, the marks dropped');
	keys_in('d', 'b', 'Enter', 'y');
	shows(qr/^ board news/m, 'with them settled');
	keys_in('q', 'q');
	shows(qr/^ alice at .*2 messages, 0 flagged/m,
	    'the update is made');
	keys_in('q');
	ended(0);
	is($pop->spool, $mail[1] . $mail[2], 'as it was flagged');
};

done_testing;
