#!/usr/bin/perl
# popcard: logging in, the list, deleting, and the terminal given back.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Card;
use POSIX ();
use Service;
use Test::More;

terminal_needed();

case 'the password is asked for and not shown' => sub {
	run("-u alice -p $port 127.0.0.1");
	shows(qr/^Password of alice at 127\.0\.0\.1:/m, 'a question');
	typed('s3cret');
	shows(qr/^>.*Bob.*\bone$/m, 'the list');
	unlike(raw(), qr/s3cret/,
	    'the password was never on the screen');
	keys_in('q');
	ended(0);
};

# What is a control in the name of an account or a host is spelt out.
case 'the question for the password is safe' => sub {
	run("-p $port -u \"`printf 'a\\033[31mb\\233'`\" 127.0.0.1");
	shows(qr/^Password of \Qa^[[31mb\x9B at 127.0.0.1:\E/m, 'the question');
	unlike(raw(), qr/\x9b|\e\[31m/, 'no control comes through');
};

for (["'pop://alice\@h%9b5n%c2%9b'", 'h\x9B5n<U+009B>'],
    ["\"`printf 'h\\033c\\201'`\"", 'h^[c\x81']) {
	my ($args, $shown) = @$_;

	case "the server is tried before the password is asked: $shown" => sub {
		run($args);
		shows(qr/^popcard: \Q$shown\E: .*^status=68$/ms, 'no such host');
		unlike(raw(), qr/\x9b|\x81|\ec/, 'no control comes through');
		unlike(raw(), qr/^Password/m, 'and no question');
	};
}

case '-h and -V' => sub {
	run('-h');
	shows(qr/^usage: popcard \[-hV\].*^status=0$/ms, 'usage');
	run('-V');
	shows(qr/^popcard \d+\.\d+\nstatus=0$/m, 'the version');
	run('-Z');
	shows(qr/^usage: .*^status=64$/ms, 'an unknown option');
};

case 'a control as such in a URL: it is not valid' => sub {
	run("'pop://%1b[31m\@127.0.0.1'");
	shows(qr/^popcard: pop:.*is not valid\nstatus=64$/m, 'refused');
};

case 'a wrong password: the server\'s words, status 77' => sub {
	run("-u alice -p $port 127.0.0.1");
	shows(qr/^Password/m, 'a question');
	typed('wrong');
	shows(qr/\[AUTH\].*^status=77$/ms, 'refused');
};

case 'Escape at the question for the password: none is sent' => sub {
	run("-u alice -p $port 127.0.0.1");
	shows(qr/^Password/m, 'a question');
	keys_in('-l', 's3cret');
	keys_in('Escape');
	shows(qr/^popcard: the password: there was none.*^status=77$/ms, 'the end');
};

case 'a password that is too long: never half of it' => sub {
	run("-u alice -p $port 127.0.0.1");
	shows(qr/^Password/m, 'a question');
	typed('s3cret' . 'x' x 300);
	shows(qr/too long\s+^status=77$/m, 'refused');
};

case 'the list: number, date, size, sender, subject' => sub {
	$pop->fill(join '', @mail);
	started();
	shows(qr/^ alice at 127\.0\.0\.1: 3 messages, 0 flagged/m,
	    'a title');
	shows(qr/^> N    1    1996   119  Bob {15}  one$/m,
	    'the first');
	shows(qr/^  N    2           886  Carol {13}  colours in many lines/m,
	    'the second, its subject unfolded');
	keys_in('q');
	ended(0);
};

case 'the card with the keys: left as any other' => sub {
	started();
	for my $key ('q', 'Left', 'Escape', 'Enter', 'Space') {
		keys_in('?');
		shows(qr/^ popcard: the keys/m, 'it is there');
		keys_in($key);
		shows(qr/messages, 0 flagged/, "gone by $key");
	}
	keys_in('q');
	ended(0);
};

case 'the cards follow the size of the terminal' => sub {
	started();
	keys_in('j', 'Enter');
	shows(qr/^(?:word ){15}word\nword/m, 'folded for 80 columns');
	tmux(qw(resize-window -x 43 -y 12));
	shows(qr/^(?:word ){7}word\nword/m, 'then for 43');
	my @rows = split /\n/, screen();
	is(scalar @rows, 11, 'twelve rows, the last one empty');
	tmux(qw(resize-window -x 20 -y 5));
	shows(qr/^ space/m, 'very small');
	tmux(qw(resize-window -x 100 -y 40));
	shows(qr/^(?:word ){19}word\nword/m, 'and large');
	keys_in('q', 'x');
	ended(0);
};

case 'delete, undelete, quit with update' => sub {
	$pop->fill(join '', @mail);
	started();
	keys_in('d', 'd');
	shows(qr/2 flagged.*^ DN +1 .*^ DN +2 /ms, 'two flags');
	keys_in('Home', 'u');
	shows(qr/1 flagged.*^  N +1 .*^.DN +2 /ms, 'one taken off');
	keys_in('q');
	shows(qr/Delete the 1 flagged/, 'a question');
	keys_in('c');
	keys_in('q', 'y');
	ended(0);
	like(screen(), qr/^1 deleted, 2 left$/m, 'so it says');
	is($pop->spool, $mail[0] . $mail[2],
	    'exactly that message is gone');
};

case 'quit without update deletes nothing' => sub {
	my @way = (['x'], ['q', 'n']);
	for my $way (@way) {
		$pop->fill(join '', @mail);
		started();
		keys_in('d', @$way);
		ended(0);
		unlike(screen(), qr/deleted/, 'none is said to be');
		is($pop->spool, join('', @mail), "by @$way");
	}
};

case 'every deadly signal restores the terminal' => sub {
	my %signal = (HUP => 129, INT => 130, QUIT => 131, TERM => 143,
	    ABRT => 134, SEGV => 139, USR1 => 138, XCPU => 152);
	for my $name (sort keys %signal) {
		$pop->fill(join '', @mail);
		started();
		keys_in('d');
		shows(qr/1 flagged/, 'a flag');
		if ($name eq 'INT') {
			keys_in('C-c');
		} elsif (my $pid = popcard_pid()) {
			kill $name, $pid;
		}
		ended($signal{$name});
		is($pop->spool, join('', @mail), "$name: all is there");
	}
} if -d "/proc/$$";

case 'stopped by ^Z and continued' => sub {
	# by the shell itself: a script would only be in the way
	terminal();
	unlink "$dir/after";
	typed("stty -g >$dir/before; $popcard -P 3 '$url' 3<$dir/pass");
	shows(qr/messages, 0 flagged/, 'the list is there');
	keys_in('C-z');
	shows(qr/Stopped/, 'the shell says so');
	typed("stty -g >$dir/after; echo status=stopped");
	ended('stopped');
	typed('fg; echo status=$?');
	shows(qr/3 messages, 0 flagged/, 'the card is back');
	keys_in('q');
	shows(qr/^status=0$/m, 'and ends as ever');
};

# A message of a year ago, or of so many days.
sub message {
	my ($subject, %o) = @_;
	my $date = POSIX::strftime('%a, %d %b %Y %H:%M:%S +0000',
	    gmtime(time - 86400 * ($o{days} // 800)));
	return join "\n", 'From bob@example.org Sat Jan  3 01:05:34 1996',
	    'From: ' . ($o{from} // 'Bob <bob@example.org>'),
	    "Subject: $subject", "Date: $date",
	    (defined $o{status} ? "Status: $o{status}" : ()), '', 'text', '', '';
}

case 'dates are short, and in the time of the terminal' => sub {
	my @days = (0, 40, 800);
	my $text = join '', map { message('x', days => $_) } @days;
	# three hours east of Greenwich; the date of now is asked for once more
	# where the day, or the year, ends in between
	my $expected = sub {
		my @now = gmtime(time + 3 * 3600);
		return map { my @then = gmtime(time - $_ * 86400 + 3 * 3600);
			POSIX::strftime($then[5] != $now[5] ? '%Y' : $_ == 0
			    ? '%H:' : '%e %b', @then) } @days;
	};
	$pop->fill($text);
	started(TZ => 'EAT-3');
	ok((eventually {
		my ($today, $month, $year) = $expected->();
		screen() =~ /^> N +1 +$today\d\d  .*\n  N +2 +$month  .*\n/m &&
		    screen() =~ /^  N +3 +$year  /m;
	}), 'the time, the day, the year') or diag(screen());
	keys_in('q');
	ended(0);
};

case 'unread: no R in Status' => sub {
	$pop->fill(message('a', status => 'O') . message('b', status => 'RO') .
	    message('c'));
	started();
	shows(qr/^> N +1 .*\n   +2 .*\n  N +3 /m, 'the second was read');
	keys_in('Enter', 'q');
	shows(qr/^>  +1 .*\n   +2 .*\n  N +3 /m, 'and now the first');
	keys_in('q');
	ended(0);
};

case 'unread: what is above LAST, if no message has a Status' => sub {
	my $p = server('USER .*' => "+OK\r\n", 'PASS .*' => "+OK\r\n",
	    STAT => "+OK 3 60\r\n", LAST => "+OK 2\r\n", QUIT => "+OK\r\n",
	    LIST => "+OK\r\n1 20\r\n2 20\r\n3 20\r\n.\r\n",
	    'XTND XLST .*' => "+OK\r\n.\r\n");
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/^>  +1 .*\n   +2 .*\n  N +3 /m, 'the third');
	keys_in('q');
	ended(0);
};

case 'unread: by TOP; nothing is said if nothing is known' => sub {
	my $p = server('USER .*' => "+OK\r\n", 'PASS .*' => "+OK\r\n",
	    STAT => "+OK 3 60\r\n", QUIT => "+OK\r\n",
	    LIST => "+OK\r\n1 20\r\n2 20\r\n3 20\r\n.\r\n",
	    'TOP 1 0' => "+OK\r\nStatus: O\r\n\r\n.\r\n",
	    'TOP 2 0' => "+OK\r\nStatus: RO\r\n\r\n.\r\n",
	    'TOP 3 0' => "+OK\r\n\r\n.\r\n");
	run("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
	shows(qr/^> N +1 .*\n   +2 .*\n   +3 /m, 'the first');
	keys_in('q');
	ended(0);
};

case 'the sender grows with the terminal' => sub {
	my $name = join ' ', map { "name$_" } 1 .. 9;
	$pop->fill(message('the subject', from => "$name <a\@b>"));
	started();
	shows(qr/\d  name1 name2 name3 {2,}the subject$/m, '18 of 80 columns');
	tmux(qw(resize-window -x 140 -y 24));
	shows(qr/\d  \Q@{[substr $name, 0, 38]}\E {2,}the subject$/m, '38 of 140');
	tmux(qw(resize-window -x 250 -y 24));
	shows(qr/\d  \Q@{[substr $name, 0, 40]}\E {2,}the subject$/m, 'at most 40');
	keys_in('q');
	ended(0);
};

case 'search: in sender and subject, in small and capital letters' => sub {
	$pop->fill(message('one') . message('=?utf-8?q?Gr=C3=BC=C3=9Fe?=') .
	    message('three', from => '"Ren=?utf-8?q?=C3=A9?=" <r@b>') .
	    message('=?utf-8?q?GR=C3=9CSSE?=', from => 'Zo <ones@b>'));
	started();
	keys_in('/');
	shows(qr/^Search: _$/m, 'a question');
	keys_in('O', 'N', 'e', 'Enter');
	shows(qr/^> N +1 .*one$/m, 'only the first: the name is shown, not the address');
	keys_in('/', 'C-u', 'R', 'E', 'N', 'Enter');
	shows(qr/^> N +3 .*three$/m, 'a sender');
	keys_in('/', 'C-u');
	shows(qr/^Search: _$/m, 'an empty line');
	tmux('send-keys', '-l', "gr\xc3\xbc");
	keys_in('Enter');
	shows(qr/^> N +4 /m, 'beyond ASCII');
	keys_in('n');
	shows(qr/^> N +2 /m, 'the next one');
	keys_in('/', 'C-u', 'x', 'y', 'z', 'BSpace', 'Enter');
	shows(qr/^Not found: xy$/m, 'nothing');
	keys_in('/', 'a', 'Escape');
	shows(qr/^> N +2 /m, 'Escape: no search');
	keys_in('q');
	ended(0);
} if $locale;

case 'a list on a screen that changes: the same message, the same place' => sub {
	$pop->fill(join '', map { message("no $_.") } 1 .. 60);
	started();
	keys_in('PageDown', 'j', 'j');
	shows(qr/^> N +24 /m, 'in the middle');
	my $before = screen() =~ s/\n+\z/\n/r;
	tmux(qw(resize-window -x 60 -y 8));
	shows(qr/^> N +24 /m, 'small');
	tmux(qw(resize-window -x 80 -y 24));
	shows(qr/^\Q$before\E/, 'as it was');
	keys_in('End');
	shows(qr/^> N +60 .*\n space|^> N +60 /m, 'the end');
	tmux(qw(resize-window -x 80 -y 50));
	shows(qr/ N +14 .*^> N +60 /ms, 'no row is left empty');
	shows(qr/ flagged +100%$/m, 'all of it');
	keys_in('Home');
	shows(qr/ flagged +78%$/m, 'how far it goes');
	keys_in('q');
	ended(0);
};

case 'a name for a server, and a number too large' => sub {
	run("-P 3 -u alice -p 999999 127.0.0.1 3<$dir/pass");
	shows(qr/^usage.*^status=64$/ms, 'refused');
};

done_testing;
