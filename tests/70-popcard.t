#!/usr/bin/perl
# popcard: logging in, the list, deleting, and the terminal given back.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Card;
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
for (["'pop://ali%9b31mce\@h%9b5n%c2%9b'", 'ali\x9B31mce at h\x9B5n<U+009B>'],
    ["-u \"`printf 'a\\033[31mb'`\" \"`printf 'h\\033c\\201'`\"",
	'a^[[31mb at h^[c\x81']) {
	my ($args, $shown) = @$_;

	case "the question for the password: $shown" => sub {
		run($args);
		shows(qr/^Password of \Q$shown\E:/m, 'it is safe');
		unlike(raw(),
		    qr/\x9b|\x81|\e\[31m|\ec/, 'no control comes through');
		typed('x');
		shows(qr/^popcard: h.*^status=68$/ms, 'no such host');
		unlike(raw(),
		    qr/\x9b|\x81|\e\[31m|\ec/, 'nor with that');
	};
}

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

case 'a password that is too long: never half of it' => sub {
	run("-u alice -p $port 127.0.0.1");
	shows(qr/^Password/m, 'a question');
	typed('s3cret' . 'x' x 300);
	shows(qr/too long a one\s+^status=77$/m, 'refused');
};

case 'the list: number, date, size, sender, subject' => sub {
	$pop->fill(join '', @mail);
	started();
	shows(qr/^ alice at 127\.0\.0\.1: 3 messages, 0 marked/m,
	    'a title');
	shows(qr/^>\s+1 3 Jan 1996\s+\d+  Bob <bob\@example\.org\s+one/m,
	    'the first');
	shows(qr/^ \s+2\s+\S+  Carol\s+colours in many/m,
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
		shows(qr/messages, 0 marked/, "gone by $key");
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
	shows(qr/2 marked.*^ D\s+1 .*^ D\s+2 /ms, 'two marks');
	keys_in('Home', 'u');
	shows(qr/1 marked.*^  \s+1 .*^.D\s+2 /ms, 'one taken off');
	keys_in('q');
	shows(qr/Delete the 1 marked/, 'a question');
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
		shows(qr/1 marked/, 'a mark');
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
	shows(qr/messages, 0 marked/, 'the list is there');
	keys_in('C-z');
	shows(qr/Stopped/, 'the shell says so');
	typed("stty -g >$dir/after; echo status=stopped");
	ended('stopped');
	typed('fg; echo status=$?');
	shows(qr/3 messages, 0 marked/, 'the card is back');
	keys_in('q');
	shows(qr/^status=0$/m, 'and ends as ever');
};

done_testing;
