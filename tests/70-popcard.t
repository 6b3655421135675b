#!/usr/bin/perl
# popcard in a real terminal (tmux): keys go in, the screen is read back, and
# popper serves it under a super-server. What popper would never say, a few
# lines of Perl say instead.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin qw($Bin);
use lib "$Bin/lib";
use File::Temp qw(tempdir);
use Fcntl qw(F_SETFD);
use IO::Socket::INET;
use IO::Socket::IP;
use POSIX qw(WNOHANG);
use Service;
use Test::More;
use Time::HiRes qw(sleep);

my $PATIENCE = $ENV{POPPER_PATIENCE} // 30;	# seconds a screen may take
my $dir = tempdir('popcard-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;

# The client: $POPCARD, or the one that make left here, or a fresh one.
my $popcard = $ENV{POPCARD} // "$Bin/../client/popcard";
if (!-x $popcard) {
	my @cc = split ' ', $ENV{CC} // 'cc';
	$popcard = "$dir/popcard";
	system(@cc, '-std=c11', '-O1', '-o', $popcard,
	    glob("$Bin/../client/*.c")) == 0
	    or BAIL_OUT('popcard does not compile');
}
$popcard = abs_path($popcard);

#
# The terminal: a tmux server of our own, with a shell in it.
#
my $tmux = Service::find('tmux');
my ($locale) = grep { /^(?:C|en_US)\.utf-?8$/i }
    split /\n/, `locale -a 2>/dev/null`;
my @tmux;
my $terminals = 0;
my $owner = $$;
my @servers;

sub tmux { return system(@tmux, @_) == 0 }

END {
	if ($owner == $$) {
		local $?;
		tmux('kill-server') if @tmux;
		for (@servers) {
			kill 'TERM', $_;
			waitpid $_, 0;
		}
	}
}

# A fresh terminal, 80x24, whose raw output is kept in $dir/raw.
sub terminal {
	my (%env) = @_;
	tmux('kill-server') if @tmux;
	@tmux = ($tmux, '-S', "$dir/tmux" . ++$terminals, '-f', '/dev/null',
	    '-u');
	unlink "$dir/raw";
	system 'rm', '-rf', "$dir/tmp";
	mkdir "$dir/tmp";
	tmux(qw(new-session -d -x 80 -y 24), 'env', '-i', "PATH=$ENV{PATH}",
	    'TERM=screen', 'PS1=$ ', "TMPDIR=$dir/tmp", "HOME=$dir",
	    $locale ? "LC_ALL=$locale" : (),
	    (map { "$_=$env{$_}" } keys %env), 'sh')
	    or die "tmux does not start\n";
	tmux('pipe-pane', "cat >$dir/raw");
}

sub keys_in { tmux('send-keys', @_); }
sub typed { keys_in('-l', @_); keys_in('Enter') }

sub screen {
	my $text = `@tmux capture-pane -p`;
	utf8::decode($text);
	return $text;
}

# The screen must come to show this, within our patience.
sub shows {
	my ($what, $title) = @_;
	my $seen = '';
	for (1 .. $PATIENCE * 20) {
		$seen = screen();
		return pass($title) if $seen =~ $what;
		sleep 0.05;
	}
	fail($title);
	diag("wanted $what on this screen:\n$seen");
	die "there is no point in going on\n";
}

# A case on its own: dying fails it, and only it.
sub case {
	my ($title, $code) = @_;
	subtest $title => sub {
		eval { $code->(); 1 } or fail("went through: $@");
	};
}

# The children of a process and theirs, by name.
sub children {
	my ($parent, $name) = @_;
	my @found;
	for my $stat (glob '/proc/[0-9]*/stat') {
		my ($pid, $its) = (Service::read_file($stat) // '') =~
		    /^(\d+) \((.*)\) \S $parent / or next;
		push @found, $its eq $name ? $pid : (), children($pid, $name);
	}
	return @found;
}

sub popcard_pid {
	my ($pane) = `@tmux list-panes -F '#{pane_pid}'` =~ /(\d+)/;
	return (children($pane, 'popcard'))[0];
}

#
# The servers
#
my @mail = map { join "\n", @$_, '' } (
    ['From bob@example.org Sat Jan  3 01:05:34 1996',
	'From: Bob <bob@example.org>', 'To: alice@example.org',
	'Date: Sat, 3 Jan 1996 01:05:34 +0000', 'Subject: one', '',
	'line1', '.dot', ''],
    ['From carol@example.org Sun Jan  4 01:06:00 1996',
	'Received: from nowhere', 'Subject: colours', ' in many',
	" lines \e[31mred\e]0;owned\a", 'From: Carol', '',
	"esc \e[2J\e]0;owned\a csi \x9b31m end",
	"bidi \xe2\x80\xae umlaut \xc3\xa4 cjk \xe4\xb8\xad\xe6\x96\x87 nul \0 end",
	'word ' x 40 . 'last', (map { "row $_" } 1 .. 60), ''],
    ['From dave@example.org Mon Jan  5 01:06:00 1996',
	'From: dave@example.org', 'Subject: three', '', 'x', '']);

# A sender whom the system knows: see XMIT in 72-xmit.t.
my $pop = Service->new(spool => join('', @mail), uid => (getpwnam 'nobody')[2]);

# A stand-in for sendmail: to whom it may concern, back into the spool; with a
# file "fail" beside it, it exits with what stands there.
my $sendmail = "$pop->{dir}/sendmail";
my $spool = $pop->spool_file;
Service::write_file($sendmail, <<"END", 0755);
#!/bin/sh
test -f $pop->{dir}/fail && { cat >/dev/null; exit `cat $pop->{dir}/fail`; }
{ echo "From alice Tue Jan  6 01:06:00 1996"; cat; echo; } >>$spool
END

# Two boards, one with an archive.
my @board = map { "$pop->{dir}/$_" } qw(news news.old system);
Service::write_file($board[0], $mail[0] .
    $mail[2] =~ s/^Subject/BBoard-ID: 117\nSubject/mr, 0644);
Service::write_file($board[1], $mail[2], 0644);
Service::write_file($board[2], '', 0644);
Service::write_file("$pop->{dir}/boards", boards_file(), 0644);

$pop->{args} = ['-s', '-M', $sendmail, '-b', "$pop->{dir}/boards"];
$pop->start('superserver');
my $port = $pop->{port};
my $url = "pop://alice;AUTH=*\@127.0.0.1:$port";
Service::write_file("$dir/pass", "s3cret\n", 0600);

sub boards_file {
	return <<"END";
board news
maildrop $board[0]
archive $board[1]
address news\@example.org
leader bob

board system
maildrop $board[2]
END
}

# A server for one thing popper does not do: replies by command, which is given
# as it is or as a pattern (the longer goes first). A reply of undef hangs up, a
# function makes one of the command.
sub server {
	my (%reply) = @_;
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
	    Listen => 5) or die "listen: $!";
	defined(my $pid = fork) or die "fork: $!";
	if ($pid) {
		push @servers, $pid;
		return $listener->sockport;
	}
	$SIG{TERM} = 'DEFAULT';
	while (my $s = $listener->accept) {
		my $say = $reply{greeting} // "+OK\r\n";
		while (1) {
			defined $say or last;
			print $s $say;
			my $line = <$s> // last;
			$line =~ s/\r\n\z//;
			my ($rule) = ((grep { $line eq $_ } keys %reply),
			    sort { length $b <=> length $a }
			    grep { $line =~ /^$_$/i } keys %reply);
			$say = defined $rule ? $reply{$rule}
			    : "-ERR unknown command\r\n";
			$say = $say->($s, $line) if ref $say;
			last if $line eq 'QUIT';
		}
		close $s;
	}
	POSIX::_exit(0);
}

# Run popcard -s in an environment of its own: exit status, what it said.
sub submit {
	my ($env, $input, @args) = @_;
	my %env = (POPCARD_URL => $url, POPCARD_PASSFILE => "$dir/pass",
	    %$env);
	Service::write_file("$dir/in", $input);
	defined(my $pid = fork) or die "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', "$dir/in";
		open STDOUT, '>', "$dir/out";
		open STDERR, '>&', \*STDOUT;
		%ENV = (PATH => $ENV{PATH},
		    map { $_ => $env{$_} } grep { defined $env{$_} } keys %env);
		exec { $popcard } 'popcard', '-s', @args or
		    POSIX::_exit(127);
	}
	waitpid $pid, 0;
	return ($? & 127 ? "signal $?" : $? >> 8,
	    Service::read_file("$dir/out"));
}

#
# In the terminal
#
SKIP: {
	skip 'tmux is not installed', 1 if !$tmux;

	# Start popcard in a fresh terminal; where it ends its status is shown,
	# and the terminal's modes are kept.
	my $run = sub {
		my ($args, %env) = @_;
		Service::write_file("$dir/run", <<"END");
trap : INT QUIT
stty -g >$dir/before
$popcard $args
echo status=\$?
stty -g >$dir/after
END
		unlink "$dir/after";
		terminal(%env);
		typed("sh $dir/run");
	};
	my $started = sub {
		$run->("-P 3 '$url' 3<$dir/pass", @_);
		shows(qr/messages, 0 marked/, 'the list is there');
	};
	my $ended = sub {
		my ($status) = @_;
		shows(qr/^(?:\$ )?status=$status$/m, "it ends with status $status");
		for (1 .. 100) {
			last if length(Service::read_file("$dir/after") // '');
			sleep 0.05;
		}
		is(Service::read_file("$dir/after"),
		    Service::read_file("$dir/before"),
		    'the terminal is as it was');
	};

	case 'the password is asked for and not shown' => sub {
		$run->("-u alice -p $port 127.0.0.1");
		shows(qr/^Password of alice at 127\.0\.0\.1:/m, 'a question');
		typed('s3cret');
		shows(qr/^>.*Bob.*\bone$/m, 'the list');
		unlike(Service::read_file("$dir/raw"), qr/s3cret/,
		    'the password was never on the screen');
		keys_in('q');
		$ended->(0);
	};

	# What is a control in the name of an account or a host is spelt out.
	for (["'pop://ali%9b31mce\@h%9b5n%c2%9b'", 'ali\x9B31mce at h\x9B5n<U+009B>'],
	    ["-u \"`printf 'a\\033[31mb'`\" \"`printf 'h\\033c\\201'`\"",
		'a^[[31mb at h^[c\x81']) {
		my ($args, $shown) = @$_;

		case "the question for the password: $shown" => sub {
			$run->($args);
			shows(qr/^Password of \Q$shown\E:/m, 'it is safe');
			unlike(Service::read_file("$dir/raw"),
			    qr/\x9b|\x81|\e\[31m|\ec/, 'no control comes through');
			typed('x');
			shows(qr/^popcard: h.*^status=68$/ms, 'no such host');
			unlike(Service::read_file("$dir/raw"),
			    qr/\x9b|\x81|\e\[31m|\ec/, 'nor with that');
		};
	}

	case 'a control as such in a URL: it is not valid' => sub {
		$run->("'pop://%1b[31m\@127.0.0.1'");
		shows(qr/^popcard: pop:.*is not valid\nstatus=64$/m, 'refused');
	};

	case 'a wrong password: the server\'s words, status 77' => sub {
		$run->("-u alice -p $port 127.0.0.1");
		shows(qr/^Password/m, 'a question');
		typed('wrong');
		shows(qr/\[AUTH\].*^status=77$/ms, 'refused');
	};

	case 'a password that is too long: never half of it' => sub {
		$run->("-u alice -p $port 127.0.0.1");
		shows(qr/^Password/m, 'a question');
		typed('s3cret' . 'x' x 300);
		shows(qr/too long a one\s+^status=77$/m, 'refused');
	};

	case 'the list: number, date, size, sender, subject' => sub {
		$pop->fill(join '', @mail);
		$started->();
		shows(qr/^ alice at 127\.0\.0\.1: 3 messages, 0 marked/m,
		    'a title');
		shows(qr/^>\s+1 3 Jan 1996\s+\d+  Bob <bob\@example\.org\s+one/m,
		    'the first');
		shows(qr/^ \s+2\s+\S+  Carol\s+colours in many/m,
		    'the second, its subject unfolded');
		keys_in('q');
		$ended->(0);
	};

	case 'the card with the keys: left as any other' => sub {
		$started->();
		for my $key ('q', 'Left', 'Escape', 'Enter', 'Space') {
			keys_in('?');
			shows(qr/^ popcard: the keys/m, 'it is there');
			keys_in($key);
			shows(qr/messages, 0 marked/, "gone by $key");
		}
		keys_in('q');
		$ended->(0);
	};

	case 'a message: fields first, folded, nothing that steers' => sub {
		$started->();
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
		like($seen, qr/nul \^\@ end/, 'text goes on behind a NUL');
		like($seen, qr/^(?:(?:word ?)+\n){2}(?:word )+last$/m,
		    'a long line is folded at a space');
		keys_in('Space');
		shows(qr/^row 20$/m, 'the next page');
		keys_in('End');
		shows(qr/^row 60$/m, 'the end');
		keys_in('h');
		shows(qr/^Received: from nowhere/m, 'the whole header');
		my $raw = Service::read_file("$dir/raw");
		unlike($raw, qr/\e\]0;owned|\e\[31m|\x9b31m|\xe2\x80\xae/,
		    'none of it reached the terminal as it was');
		keys_in('n');
		shows(qr/message 3 .*^x$/ms, 'the next message');
		keys_in('p', 'p');
		shows(qr/message 1 .*^\.dot$/ms, 'and back to the first');
		keys_in('q', 'x');
		$ended->(0);
	};

	case 'the cards follow the size of the terminal' => sub {
		$started->();
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
		$ended->(0);
	};

	case 'delete, undelete, quit with update' => sub {
		$pop->fill(join '', @mail);
		$started->();
		keys_in('d', 'd');
		shows(qr/2 marked.*^ D\s+1 .*^ D\s+2 /ms, 'two marks');
		keys_in('Home', 'u');
		shows(qr/1 marked.*^  \s+1 .*^.D\s+2 /ms, 'one taken off');
		keys_in('q');
		shows(qr/Delete the 1 marked/, 'a question');
		keys_in('c');
		keys_in('q', 'y');
		$ended->(0);
		like(screen(), qr/^1 deleted, 2 left$/m, 'so it says');
		is($pop->spool, $mail[0] . $mail[2],
		    'exactly that message is gone');
	};

	case 'quit without update deletes nothing' => sub {
		my @way = (['x'], ['q', 'n']);
		for my $way (@way) {
			$pop->fill(join '', @mail);
			$started->();
			keys_in('d', @$way);
			$ended->(0);
			unlike(screen(), qr/deleted/, 'none is said to be');
			is($pop->spool, join('', @mail), "by @$way");
		}
	};

	case 'every deadly signal restores the terminal' => sub {
		my %signal = (HUP => 129, INT => 130, QUIT => 131, TERM => 143,
		    ABRT => 134, SEGV => 139, USR1 => 138, XCPU => 152);
		for my $name (sort keys %signal) {
			$pop->fill(join '', @mail);
			$started->();
			keys_in('d');
			shows(qr/1 marked/, 'a mark');
			if ($name eq 'INT') {
				keys_in('C-c');
			} elsif (my $pid = popcard_pid()) {
				kill $name, $pid;
			}
			$ended->($signal{$name});
			is($pop->spool, join('', @mail), "$name: all is there");
		}
	} if -d "/proc/$$";

	case 'no room for a draft: it is said, and none is kept' => sub {
		terminal();
		typed("(ulimit -f 0; exec $popcard -P 3 '$url' 3<$dir/pass); " .
		    'echo status=$?');
		shows(qr/messages, 0 marked/, 'the list is there');
		for my $time ('the first time', 'and again') {
			keys_in('c');
			shows(qr/draft: File too large/, $time);
			is_deeply([ glob "$dir/tmp/*" ], [], 'nothing is left');
			keys_in('j');
			shows(qr/^(?!.*too large)/s, 'read');
		}
		keys_in('q');
		shows(qr/^status=0$/m, 'and ends as ever');
		unlike(screen(), qr/is kept in/, 'without a word of a letter');
	};

	case 'stopped by ^Z and continued' => sub {
		# by the shell itself: a script would only be in the way
		terminal();
		unlink "$dir/after";
		typed("stty -g >$dir/before; $popcard -P 3 '$url' 3<$dir/pass");
		shows(qr/messages, 0 marked/, 'the list is there');
		keys_in('C-z');
		shows(qr/Stopped/, 'the shell says so');
		typed("stty -g >$dir/after; echo status=stopped");
		$ended->('stopped');
		typed('fg; echo status=$?');
		shows(qr/3 messages, 0 marked/, 'the card is back');
		keys_in('q');
		shows(qr/^status=0$/m, 'and ends as ever');
	};

	case 'a long message: a row tells how far it has come' => sub {
		my $line = 'All work and no play makes Jack a dull boy. ' x 20;
		$pop->fill($mail[0] . join "\n",
		    'From jack@example.org Sat Jan  3 01:05:34 1996',
		    'From: jack@example.org', 'Subject: book', '',
		    ($line) x 9000, 'the end', '', '');
		$started->();
		keys_in('j', 'Enter');
		shows(qr/^All work/m, 'it is here');
		my $raw = Service::read_file("$dir/raw");
		like($raw, qr/receiving message 2: \d+K of 7\.9M/,
		    'its beginning');
		like($raw, qr/receiving message 2: [67]\.\dM of 7\.9M/,
		    'and most of it');
		keys_in('End');
		shows(qr/^the end$/m, 'to the end');
		keys_in('q', 'q');
		$ended->(0);
		$pop->fill(join '', @mail);
	};

	case 'a server without XTND: TOP takes the place of XLST' => sub {
		my $p = server('USER .*' => "+OK\r\n", 'PASS .*' => "+OK\r\n",
		    STAT => "+OK 2 80\r\n",
		    LIST => "+OK\r\n1 40\r\n2 40\r\n.\r\n",
		    'TOP 1 0' => "+OK\r\nSubject: first\r\nFrom: a\r\n\r\n.\r\n",
		    'TOP 2 0' => "+OK\r\nsubject: se\r\n cond\r\n\r\n.\r\n",
		    QUIT => "+OK\r\n");
		$run->("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
		shows(qr/^>     1 .* a  +first$/m, 'a message');
		shows(qr/^      2 .* se cond$/m, 'another, unfolded');
		keys_in('b');
		shows(qr/^unknown command$/m, 'no boards: its words');
		keys_in('q');
		$ended->(0);
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
			$run->("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
			$ended->($status);
			unlike(Service::read_file("$dir/raw"), qr/\e\]0;owned/,
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
		$run->("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
		shows(qr/^>     1 .* good \^\[\[31m$/m, 'one line is taken');
		shows(qr/^      2 .* long long/m, 'and one that is cut');
		keys_in('Enter');
		shows(qr/^Subject: good\s+^\.a\n\^M\nb\^Mc\n/m,
		    'dots, CRs and empty lines of a text');
		keys_in('q', 'q');
		$ended->(0);
	};

	case 'runs of blanks and tabs are as good as one blank' => sub {
		my $p = server(%ok, STAT => "+OK\t 2 \t80\t \r\n",
		    LIST => "+OK\r\n1\t 40\t\r\n \t2   1200 \t\r\n.\r\n",
		    'XTND XLST Subject' =>
			"+OK\r\n\t1 \t Subject: one\r\n2\tSubject:\ttwo\r\n.\r\n",
		    'XTND XLST .*' => "+OK\r\n.\r\n",
		    'XTND BBOARDS' => "+OK\r\n news\t  7\t\r\nold \t8\r\n.\r\n");
		$run->("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
		shows(qr/^>     1 +40 +one\n {6}2 +1\.2K +two$/m, 'the list');
		keys_in('b');
		shows(qr/^> news +7\n  old +8$/m, 'the boards');
		keys_in('q', 'q');
		$ended->(0);
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
		$run->("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
		shows(qr/^ x at 127\.0\.0\.1: 99999 messages, 0 marked/m,
		    'there is an end');
		shows(qr/^There are 400000 messages: these are the first 99999\.$/m,
		    'and it is said');
		my ($rss) = Service::read_file('/proc/' . popcard_pid() .
		    '/status') =~ /^RssAnon:\s+(\d+)/m;
		cmp_ok($rss, '<', 56 << 10, "$rss KB of memory");
		keys_in('End');
		shows(qr/^> 99999 x{11}  1\.0K  x{20}  x{31}$/m,
		    'the last of them');
		keys_in('d', 'q', 'n');
		$ended->(0);
	} if -d "/proc/$$";

	case 'bad servers: a list without end' => sub {
		my $p = server(%ok, LIST => sub {
			my ($s) = @_;
			local $SIG{PIPE} = 'IGNORE';
			my $much = 'x' x (1 << 20);
			print $s "+OK\r\n";
			1 while print $s $much;
			return undef;
		});
		$run->("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
		shows(qr/^popcard: 127\.0\.0\.1: a reply has no end$/m, 'it is said');
		$ended->(76);
	};

	case 'a server without XLST: long headers are read as well' => sub {
		my $p = server(%ok, STAT => "+OK 2 80\r\n",
		    LIST => "+OK\r\n1 40\r\n2 40\r\n.\r\n",
		    'TOP .*' => "+OK\r\n" . "X: long\r\n" x 10000 .
			"Subject: long\r\n\r\n.\r\n");
		$run->("-P 3 -u x -p $p 127.0.0.1 3<$dir/pass");
		shows(qr/^>     1 .* long\n {6}2 .* long$/m, 'both stand there');
		unlike(screen(), qr/null/, 'and nothing else');
		keys_in('q');
		$ended->(0);
	};

	case 'boards: listed, read, their archive, and back' => sub {
		$pop->fill(join '', @mail);
		$started->();
		keys_in('j', 'd', 'b');
		shows(qr/^> news +117\n  system +\d+$/ms, 'two boards');
		keys_in('i');
		shows(qr/^leaders +bob\n.*^address +news\@example.org$/ms,
		    'what is known of the first');
		keys_in('q', 'Enter');
		shows(qr/Delete the 1 marked/, 'what of the marks?');
		keys_in('c');
		shows(qr/^> news +117$/m, 'back, nothing done');
		keys_in('Enter', 'n');
		shows(qr/^ board news .*2 messages/m, 'the board');
		shows(qr/^ +117 .*three$/m, 'a message with its own number');
		keys_in('d');
		shows(qr/A board is read-only/, 'which cannot be deleted');
		keys_in('Enter');
		shows(qr/^\.dot$/m, 'but read');
		keys_in('q', 'q', 'a');
		shows(qr/^ board news .*1 messages/m, 'the archive');
		keys_in('q', 'j', 'Enter');
		shows(qr/^ board system .*0 messages/m, 'an empty board');
		keys_in('Enter', 'd', 'q', 'q');
		shows(qr/^ alice at .*3 messages, 0 marked/m,
		    'back in the maildrop, the marks dropped');
		keys_in('d', 'b', 'Enter', 'y');
		shows(qr/^ board news/m, 'with them settled');
		keys_in('q', 'q');
		shows(qr/^ alice at .*2 messages, 0 marked/m,
		    'the update is made');
		keys_in('q');
		$ended->(0);
		is($pop->spool, $mail[1] . $mail[2], 'as it was marked');
	};

	# An editor that writes a letter, and shows nothing.
	Service::write_file("$dir/editor", <<'END', 0755);
#!/bin/sh
printf 'To: alice@example.org\nSubject: a letter\n\nGr\303\274\303\237e\n.\n.hidden\nlast' >"$1"
END

	case 'a letter by XTND XMIT: edited, shown, sent' => sub {
		$pop->fill($mail[0]);
		$started->(VISUAL => "$dir/editor", EDITOR => 'false');
		keys_in('c');
		shows(qr/^Subject: a letter.*^\.hidden$/ms, 'it is shown');
		my ($draft) = glob "$dir/tmp/popcard.*/draft";
		is((stat $draft)[2] & 07777, 0600, 'its file is private');
		is((stat $draft =~ s/.draft$//r)[2] & 07777, 0700,
		    'in a private directory');
		keys_in('y');
		shows(qr/^Sent\./m, 'it is sent');
		is_deeply([glob "$dir/tmp/*"], [], 'no draft is left');
		keys_in('q');
		$ended->(0);
		my ($got) = (Service::messages($pop->spool))[1];
		like($got, qr/^To: alice\@example\.org\nSubject: a letter\n/m,
		    'it came back: its fields');
		like($got, qr/\n\nGr\xc3\xbc\xc3\x9fe\n\.\n\.hidden\nlast\n\z/,
		    'its text, dots and all');
		like($got, qr/^Content-Type: text\/plain; charset=utf-8$/mi,
		    'and its character set') if $locale;
	};

	case 'a letter that cannot be sent is kept, and taken up' => sub {
		$pop->fill($mail[0]);
		Service::write_file("$pop->{dir}/fail", '75');
		$started->(EDITOR => "$dir/editor");
		keys_in('c');
		shows(qr/y send/, 'a letter');
		keys_in('y');
		shows(qr/^ Not sent.*^\[SYS\/TEMP\].*kept in/ms, 'a reason');
		keys_in('q');
		my ($draft) = glob "$dir/tmp/popcard.*/draft";
		like(Service::read_file($draft), qr/^\.hidden$/m, 'kept');
		unlink "$pop->{dir}/fail";
		keys_in('c');
		shows(qr/Take up the letter kept in \Q$draft\E/, 'an offer');
		keys_in('y');
		shows(qr/y send/, 'the letter again');
		keys_in('q');
		shows(qr/^Kept in/m, 'kept for later');
		keys_in('q');
		$ended->(0);
		shows(qr/a letter is kept in \Q$draft\E/,
		    'its place is told at the end');
		ok(-f $draft, 'and it is there');
		is($pop->spool, $mail[0], 'nothing was sent');
		unlink $draft;
	};

	case 'the place of a letter is told without controls' => sub {
		my $odd = "$dir/\e[31m\x9b32m";
		$pop->fill($mail[0]);
		mkdir $odd or die "mkdir: $!";
		Service::write_file("$dir/odd", "TMPDIR='$odd'; export TMPDIR\n" .
		    "exec $popcard -P 3 '$url' 3<$dir/pass\n");
		terminal(EDITOR => "$dir/editor");
		typed("sh $dir/odd; echo status=\$?");
		shows(qr/messages, 0 marked/, 'the list is there');
		keys_in('c');
		shows(qr/y send/, 'a letter');
		keys_in('q', 'q');
		shows(qr/^status=0$/m, 'it ends');
		shows(qr/^popcard: a letter is kept in [^ ]*\Q^[[31m\x9B32m\E/m,
		    'the place');
		unlike(Service::read_file("$dir/raw"), qr/\e\[31m|\x9b/,
		    'and no control');
		system 'rm', '-rf', $odd;
	};

	case 'a connection lost under the editor keeps the letter' => sub {
		$pop->fill($mail[0]);
		Service::write_file("$dir/slow",
		    "#!/bin/sh\n$dir/editor \"\$1\"\nread x\n", 0755);
		$started->(EDITOR => "$dir/slow");
		keys_in('c');
		for (1 .. $PATIENCE * 20) {
			last if glob "$dir/tmp/popcard.*/draft";
			sleep 0.05;
		}
		kill 'TERM', children($pop->{server}, 'popper');
		keys_in('Enter');
		shows(qr/y send/, 'the editor ends as ever');
		keys_in('y');
		shows(qr/^status=75$/m, 'the connection is gone');
		my ($draft) = glob "$dir/tmp/popcard.*/draft";
		shows(qr/a letter is kept in \Q$draft\E/, 'the letter is not');
		unlink $draft;
	} if -d "/proc/$$";
}

#
# In sendmail's place
#
my $letter = "To: bob\@example.org\nSubject: h\n\ntext\n";

# A letter goes out; what the stand-in got is what came into the spool.
sub sends {
	my ($title, $env, $input, $args, $expected) = @_;
	$pop->fill('');
	my ($status, $said) = submit($env, $input, @$args);
	is($status, 0, "$title: sent") or diag($said);
	is($said, '', "$title: without a word");
	is((Service::messages($pop->spool))[0], $expected,
	    "$title: as it should be") if defined $expected;
}

case '-s: a message from standard input' => sub {
	sends('with sendmail\'s options', {}, $letter,
	    [qw(-oem -oi -f me@example.org -F Me -B 8BITMIME -N never -t)],
	    $letter);
	sends('the recipient as an argument', {}, $letter,
	    ['-oi', '--', 'bob@EXAMPLE.org'], $letter);
	sends('dots and line ends', {},
	    "To: b\r\n\r\n.\n..\n.x\r\n\n.\nlast", [],
	    "To: b\n\n.\n..\n.x\n\n.\nlast\n");
	sends('an mbox line in front', {}, "From b Mon\n$letter", [], $letter);
	sends('no header at all', {}, "hello\n", ['b'],
	    "Bcc: b\n\nhello\n");
	sends('nothing at all', {}, '', ['b'], "Bcc: b\n\n");
	my $long = "To: b\n\n" . join '', map { ".$_ " . 'x' x ($_ % 999) .
	    "\n" } 1 .. 3000;
	sends('a long one', {}, $long, [], $long);
};

case '-s: recipients that the header lacks go into Bcc' => sub {
	my $head = "To: \"Doe, (x) <a\@b>\" <bob\@c>, group: carl (his\n" .
	    " comment, too), <\@r1,\@r2:dora\@c>;\nCc: eve\@c\n\n";
	sends('one is missing', {}, $head, [qw(bob@c CARL dora@c eve@c fred@c)],
	    "Bcc: fred\@c\n$head");
	for my $args (['bob@c', 'carl', 'dora@c'], ['nobody']) {
		my ($status, $said) = submit({}, $head, @$args);
		is($status, 65, "others than @$args are named: refused");
		like($said, qr/the header names \S+, the arguments do not/,
		    'with a reason');
	}
	is((submit({}, "Resent-To: x\n$letter", 'x'))[0], 65,
	    'a resent message is refused');
	is((submit({}, "Subject: x\n\nTo: body\n", '-t'))[0], 65,
	    'nobody named: refused');
};

case '-s: where the account comes from' => sub {
	my %none = (POPCARD_URL => undef);
	sends('a URL as an argument', \%none, $letter, [$url], $letter);
	for ("pop://alice\@127.0.0.1:$port", "POP://alice\@127.0.0.1:$port/",
	    "pop://%61lic%65;auth=*\@127.0.0.1:$port") {
		sends($_, { POPCARD_URL => $_ }, $letter);
	}
	for ('', 'alice@host', 'http://host', 'pop://', 'pop://@', 'pop://a@',
	    'pop://a;AUTH=+APOP@host', 'pop://a;AUTH=@host', 'pop://a;x@host',
	    'pop://a:secret@host', 'pop://a%0d%0aDELE%201@host', 'pop://a%@h',
	    'pop://a%4@h', 'pop://%00@h', 'pop://a@h:0', 'pop://a@h:65536',
	    'pop://a@h:x', 'pop://a@h:', 'pop://a@h:99999999999999999999',
	    'pop://a@[::1', 'pop://a@[]', 'pop://a@[::1]x', 'pop://a@h/inbox',
	    'pop://' . 'a' x 249 . '@h', 'pop://a@' . 'h' x 256) {
		my ($status, $said) = submit({ POPCARD_URL => $_ }, $letter);
		is($status, 64, "not a URL of ours: '$_'");
	}
	is((submit(\%none, $letter))[0], 64, 'none: wrong usage');
	chmod 0640, "$dir/pass";
	my ($status, $said) = submit({}, $letter);
	is($status, 77, 'a password file that others may read: refused');
	like($said, qr/0600/, 'with a reason');
	chmod 0600, "$dir/pass";
	symlink "$dir/pass", "$dir/link";
	is((submit({ POPCARD_PASSFILE => "$dir/link" }, $letter))[0], 77,
	    'a symbolic link: refused');
	is((submit({ POPCARD_PASSFILE => undef }, $letter))[0], 64,
	    'no password: wrong usage');
	Service::write_file("$dir/bad", "s3cret\tQUIT\n", 0600);
	is((submit({ POPCARD_PASSFILE => "$dir/bad" }, $letter))[0], 77,
	    'a password with a control character: refused');
	open my $fd, '<', "$dir/pass" or die;
	my $n = fileno $fd;
	fcntl $fd, F_SETFD, 0;		# open in the child, too
	sends('a password from a descriptor', { POPCARD_PASSFILE => undef },
	    $letter, ['-P', $n], $letter);
};

case '-s: usage' => sub {
	is((submit({}, $letter, "-\e[31m"))[1], 'popcard: an option is not known ' .
	    "or lacks its argument\n", 'no option is shown as it is');
	is((submit({}, $letter, @$_))[0], 64, join(' ', @$_) =~ s/\n/ LF /r)
	    for ['-bs'], ['-bd'], ['-Z'], ['-P', 'x'], ['-P', '0'],
	    ['-P', '2'], ['-t', 'bob'], ['-f'], ["a\nb"];
};

case '-s: sendmail\'s exit codes for what goes wrong' => sub {
	my %exit = (69 => 69, 75 => 75, 67 => 69, 1 => 69);
	for my $code (sort keys %exit) {
		Service::write_file("$pop->{dir}/fail", $code);
		my ($status, $said) = submit({}, $letter);
		is($status, $exit{$code}, "the server's sendmail says $code");
		like($said, qr/^popcard: not sent: /, 'and popcard so');
	}
	unlink "$pop->{dir}/fail";
	$pop->fill($mail[0]);
	my $other = $pop->login;
	is((submit({}, $letter))[0], 75, 'the maildrop is in use: try later');
	$other->ask('QUIT');
	is((submit({ POPCARD_PASSFILE => undef }, $letter, '-P', '9'))[0], 77,
	    'a descriptor that is not open');
	Service::write_file("$dir/wrong", "wrong\n", 0600);
	is((submit({ POPCARD_PASSFILE => "$dir/wrong" }, $letter))[0], 77,
	    'a wrong password');
	my $free = Service::free_port();
	is((submit({ POPCARD_URL => "pop://a\@127.0.0.1:$free" }, $letter))[0],
	    75, 'nobody answers');
	is((submit({ POPCARD_URL => 'pop://a@[1:2:3]' },
	    $letter))[0], 68, 'no such host');
	is($pop->spool, $mail[0], 'and nothing was sent');

	my %ok = ('USER .*' => "+OK\r\n", 'PASS .*' => "+OK\r\n");
	my @bad = (
	    ['no XTND', 69],
	    ['a greeting that is none', 76, greeting => "220 smtp\r\n"],
	    ['lost before the parcel', 75, 'XTND XMIT' => undef],
	    ['lost inside the parcel', 75, 'XTND XMIT' => "+OK\r\n",
		'Subject: h' => undef],
	    ['lost behind the parcel: perhaps sent', 74,
		'XTND XMIT' => "+OK\r\n", '.' => undef, '.*' => '']);
	for (@bad) {
		my ($title, $status, %reply) = @$_;
		my $p = server(%ok, %reply);
		my ($got, $said) = submit({
		    POPCARD_URL => "pop://a\@127.0.0.1:$p" }, "Subject: h\n" .
		    "To: b\n\n" . 'line' x 5_000_000 . "\n");
		is($got, $status, $title) or diag($said);
	}
};

SKIP: {
	my $six = IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
	skip 'no IPv6 on the loopback', 1 if !$six;
	my $p = $six->sockport;
	close $six;
	my ($name, @args) = $pop->command;
	push @servers, Service::spawn("$dir/six",
	    Service::program('superserver'), '-6', $p, $pop->{popper}, @args);
	for (1 .. 200) {
		last if length(Service::read_file("$dir/six") // '');
		sleep 0.05;
	}
	case '-s: IPv6' => sub {
		sends("[::1]:$p", { POPCARD_URL => "pop://alice\@[::1]:$p" },
		    $letter, [], $letter);
	};
}

SKIP: {
	my $mutt = Service::find('mutt') // skip 'mutt is not installed', 1;
	case 'mutt sends through popcard -s' => sub {
		$pop->fill('');
		Service::write_file("$dir/body", "hello\n.\n");
		my $rc = system 'env', "HOME=$dir", "POPCARD_URL=$url",
		    "POPCARD_PASSFILE=$dir/pass", 'sh', '-c', '"$@" <"$0"',
		    "$dir/body", $mutt, '-n', '-F', '/dev/null', '-e',
		    "set sendmail='$popcard -s' copy=no from=me\@example.org",
		    '-s', 'by mutt', '-b', 'hidden@example.org', '--',
		    'bob@example.org';
		is($rc, 0, 'mutt is content');
		my ($got) = Service::messages($pop->spool);
		like($got, qr/^To: bob\@example\.org$/m, 'the recipient');
		like($got, qr/^Bcc: hidden\@example\.org$/m, 'the hidden one');
		like($got, qr/^Subject: by mutt$/m, 'the subject');
		like($got, qr/\n\nhello\n\.\n\z/, 'the text');
	};
}

SKIP: {
	my $send = Service::find('send') // skip 'nmh is not installed', 1;
	case 'nmh sends through popcard under the name sendmail' => sub {
		$pop->fill('');
		mkdir "$dir/Mail";
		Service::write_file("$dir/.mh_profile", "Path: Mail\n");
		symlink $popcard, "$dir/sendmail";
		Service::write_file("$dir/draft", "To: bob\@example.org\n" .
		    "From: me\@example.org\nSubject: by nmh\n\nhello\n.\n");
		my $out = `cd $dir && HOME=$dir POPCARD_URL='$url' \\
		    POPCARD_PASSFILE=$dir/pass $send -mts sendmail/pipe \\
		    -sendmail $dir/sendmail $dir/draft 2>&1`;
		is($?, 0, 'send is content') or diag($out);
		my ($got) = Service::messages($pop->spool);
		like($got, qr/^To: bob\@example\.org$/m, 'the recipient');
		like($got, qr/^Subject: by nmh$/m, 'the subject');
		like($got, qr/\n\nhello\n\.\n\z/, 'the text');
	};
}

done_testing;
