#!/usr/bin/perl
# popcard: a transfer that Escape cancels, and what a new session keeps.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Card;
use Service;
use Test::More;

terminal_needed();

# A helper that passes on what comes, but stops while the file "stop" is there
# and 100,000 octets have come.
my $stop = "$dir/stop";
Service::write_file("$dir/relay", "#!$^X\n" . <<'END', 0755);
use IO::Select;
use IO::Socket::INET;
my ($host, $port, $stop) = @ARGV;
my $s = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die;
my $select = IO::Select->new($s, \*STDIN);
my $moved = 0;
while (1) {
	for my $from ($select->can_read) {
		sysread $from, my $text, 4096 or exit 0;
		my $to = $from == $s ? \*STDOUT : $s;
		while (length $text) {
			my $n = syswrite $to, $text or exit 0;
			substr $text, 0, $n, '';
			$moved += $n;
		}
	}
	select undef, undef, undef, 0.05 while $moved > 100_000 && -e $stop;
}
END

my $large = join "\n", 'From eve@example.org Tue Jan  6 01:06:00 1996',
    'From: eve@example.org', 'Subject: large', '', ('x' x 70) x 20_000, '', '';

sub slow {
	my (@env) = @_;
	run("-P 3 -u alice -p $port -e '$dir/relay %h %p $stop' 127.0.0.1 " .
	    "3<$dir/pass", @env);
	shows(qr/messages, 0 flagged/, 'the list');
}

case 'a message on its way: the flags and the place are kept' => sub {
	Service::write_file($stop, '');
	$pop->fill(join '', @mail, $large);
	slow();
	keys_in('d', 'End', 'Enter');
	shows(qr/^receiving message 4: .* of 1440K  \(Escape: cancel\)$/m,
	    'it is on its way');
	# other mail comes in the meantime, and some goes
	$pop->fill(join '', $mail[1], $mail[0], $mail[2], $large, $mail[1] =~
	    s/many/new/r);
	keys_in('Escape');
	shows(qr/^Cancelled\.$/m, 'cancelled');
	shows(qr/5 messages, 1 flagged/, 'a new list with the flag');
	shows(qr/^ DN +2 .* one$/m, 'on its message');
	shows(qr/^> N +4 .* large$/m, 'the current message is the same');
	unlink $stop;
	keys_in('Enter');
	shows(qr/^Subject: large\n\nx{70}$/m, 'now it comes');
	keys_in('q', 'q', 'y');
	ended(0);
	is($pop->spool, join('', $mail[1], $mail[2], $large, $mail[1] =~
	    s/many/new/r), 'the flagged message is deleted');
};

case 'arrow keys, and keys typed ahead, cancel nothing' => sub {
	Service::write_file($stop, '');
	$pop->fill($mail[0] . $large);
	slow();
	keys_in('End', 'Enter');
	shows(qr/^receiving message 2: [1-9]/m, 'it is on its way');
	keys_in('Down', 'Up', 'PageDown', 'h');
	unlink $stop;
	shows(qr/^From: eve.*^x{70}$/ms, 'it comes');
	keys_in('q', 'q');
	ended(0);
};

case 'a message being sent: nothing is sent, the draft is kept' => sub {
	Service::write_file($stop, '');
	Service::write_file("$dir/long", "#!/bin/sh\n" .
	    "{ printf 'To: bob\\n\\n'; yes | head -n 2000000; } >\"\$1\"\n",
	    0755);
	$pop->fill(join '', @mail);
	slow(EDITOR => "$dir/long");
	keys_in('d', 'c');
	shows(qr/y send/, 'a message');
	keys_in('y');
	shows(qr/^sending: .* of .*  \(Escape: cancel\)$/m, 'on its way');
	keys_in('Escape');
	shows(qr/^Cancelled\.$/m, 'cancelled');
	unlink $stop;
	shows(qr/3 messages, 1 flagged.*^ D. +1 /ms, 'the flag is there');
	keys_in('x');
	ended(0);
	is($pop->spool, join('', @mail), 'nothing was sent');
	ok(unlink("$dir/.popcard/draft"), 'the draft is there');
};

# A server whose second session has another list: see PASS.
sub shifting {
	my ($uidl, $next) = @_;
	my $session = 0;
	return server('USER .*' => "+OK\r\n",
	    'PASS .*' => sub { $session++; "+OK\r\n" },
	    STAT => sub { $session == 1 ? "+OK 3 60\r\n" : "+OK 4 80\r\n" },
	    LIST => sub { "+OK\r\n" . join('', map { "$_ 20\r\n" }
		1 .. $session + 2) . ".\r\n" },
	    UIDL => sub { $session == 1 ? $uidl : $next },
	    'XTND XLST Subject' => sub { "+OK\r\n" . join('', map {
		"$_ Subject: s$session-$_\r\n" } 1 .. $session + 2) .
		".\r\n" },
	    'XTND XLST .*' => "+OK\r\n.\r\n",
	    'RETR .*' => sub {
		    my ($s) = @_;
		    print $s "+OK\r\nSubject: x\r\n";
		    readline $s;
		    return undef;
	    }, QUIT => "+OK\r\n");
}

sub cancel {
	my ($at) = @_;
	run("-P 3 -u x -p $at 127.0.0.1 3<$dir/pass");
	shows(qr/3 messages/, 'the list');
	keys_in('d', 'd', 'Enter');
	shows(qr/^receiving message 3/m, 'a message');
	keys_in('Escape');
}

case 'flags follow the UIDs, not the numbers' => sub {
	cancel(shifting("+OK\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n",
	    "+OK\r\n1 c\r\n2 new\r\n3 b\r\n4 a\r\n.\r\n"));
	shows(qr/2 flagged\n>  +1 .*\n   +2 .*\n D +3 .*\n D +4 /,
	    'all moved');
	keys_in('x');
	ended(0);
};

case 'a UID that two messages share: both have their flags' => sub {
	cancel(shifting("+OK\r\n1 a\r\n2 a\r\n3 c\r\n.\r\n",
	    "+OK\r\n1 a\r\n2 a\r\n3 d\r\n4 c\r\n.\r\n"));
	shows(qr/2 flagged\n D +1 .*\n D +2 .*\n   +3 .*\n>  +4 /,
	    'at their places');
	keys_in('x');
	ended(0);
};

for (['a server without UIDL', "-ERR\r\n", "-ERR\r\n"],
    ['messages that are gone', "+OK\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n",
	"+OK\r\n1 c\r\n2 d\r\n3 e\r\n4 f\r\n.\r\n"]) {
	my ($title, @uidl) = @$_;

	case "$title: no message is guessed at" => sub {
		cancel(shifting(@uidl));
		shows(qr/4 messages, 0 flagged/, 'no flag');
		shows(qr/^Cancelled\. 2 flags are lost/m, 'and it is said');
		keys_in('q');
		ended(0);
	};
}

case 'a board is open again after it' => sub {
	my $session = 0;
	my %reply = (STAT => "+OK 1 40\r\n", LIST => "+OK\r\n1 40\r\n.\r\n");
	my $p = server('USER .*' => "+OK\r\n",
	    'PASS .*' => sub { $session++; "+OK\r\n" }, %reply,
	    'XTND BBOARDS' => "+OK\r\nnews 7\r\n.\r\n",
	    'XTND ARCHIVE news' => "+OK\r\nnews 7\r\n.\r\n",
	    'RETR 1' => sub { $session == 1 and readline $_[0] and undef;
		"+OK\r\nSubject: session $session\r\n\r\n.\r\n" },
	    QUIT => "+OK\r\n");
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/1 messages/, 'the list');
	keys_in('b', 'a');
	shows(qr/^ board news/m, 'the archive');
	keys_in('Enter');
	shows(qr/^receiving message 1/m, 'a message');
	keys_in('Escape');
	shows(qr/^Cancelled\.$/m, 'cancelled');
	shows(qr/^ board news/m, 'the board is there');
	keys_in('Enter');
	shows(qr/^Subject: session 2$/m, 'and its message comes');
	keys_in('q', 'q', 'q', 'q');
	ended(0);
};

done_testing;
