package Card;

# popcard in a real terminal (tmux), and popper serving it under a super-server.
# The manual is at the end.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IPC::Open2 qw(open2);
use POSIX ();
use Service;
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw($dir $popcard $locale @mail $pop $port $url
    terminal_needed terminal tmux keys_in typed screen shows case eventually
    capture_pane raw children popcard_pid run started ended server);
my $here = dirname(abs_path(__FILE__));

my $PATIENCE = $ENV{POPPER_PATIENCE} // 30;	# seconds a screen may take
our $dir = tempdir('popcard-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;

# The client: $POPCARD, or the one that make left here, or a fresh one.
our $popcard = $ENV{POPCARD} // "$here/../../client/popcard";
if (!-x $popcard) {
	my @cc = split ' ', $ENV{CC} // 'cc';
	$popcard = "$dir/popcard";
	system(@cc, '-std=c11', '-O1', '-o', $popcard,
	    glob("$here/../../client/*.c")) == 0
	    or BAIL_OUT('popcard does not compile');
}
$popcard = abs_path($popcard);

#
# The terminal: a tmux server of our own, with a shell in it.
#
my $tmux = Service::find('tmux');
our ($locale) = grep { /^(?:C|en_US)\.utf-?8$/i }
    split /\n/, `locale -a 2>/dev/null`;
my ($tmux_pid, $to_tmux, $from_tmux);
my $terminals = 0;
my ($seen, $written) = ('', -1);	# the screen, and how much made it so
my $owner = $$;
my @servers;

# The whole file needs a terminal, or it is skipped.
sub terminal_needed {
	plan skip_all => 'tmux is not installed' if !$tmux;
}

# A command for tmux, in its control mode: what it prints, undef if it fails.
sub tmux {
	my ($number, $said) = (undef, '');

	print $to_tmux join(' ', map { "'" . s/'/'\\''/gr . "'" } @_), "\n";
	while (defined(my $line = <$from_tmux>)) {
		if (!defined $number) {
			($number) = $line =~ /^%begin \d+ (\d+) 1$/;
		} elsif ($line =~ /^%(end|error) \d+ $number 1$/) {
			return $1 eq 'end' ? $said : undef;
		} else {
			$said .= $line;
		}
	}
	return undef;
}

# Its end, and that of all in it.
sub end_terminal {
	return if !defined $tmux_pid;
	tmux('kill-server');
	1 while <$from_tmux>;		# it ends when all it said is read
	close $_ for $to_tmux, $from_tmux;
	waitpid $tmux_pid, 0;
	undef $tmux_pid;
}

END {
	if ($owner == $$) {
		local $?;
		end_terminal();
		for (@servers) {
			kill 'TERM', $_;
			waitpid $_, 0;
		}
	}
}

# What the function returns as soon as it is true, within our patience.
sub eventually(&) {
	my ($code) = @_;
	for (1 .. $PATIENCE * 20) {
		my $value = $code->();
		return $value if $value;
		sleep 0.05;
	}
	return undef;
}

# A fresh terminal, 80x24, whose raw output is kept in $dir/raw.
sub terminal {
	my (%env) = @_;
	end_terminal();
	unlink "$dir/raw";
	$written = -1;
	system 'rm', '-rf', "$dir/tmp";
	mkdir "$dir/tmp";
	$tmux_pid = open2($from_tmux, $to_tmux, $tmux, '-S',
	    "$dir/tmux" . ++$terminals, '-f', '/dev/null', '-u', '-C',
	    qw(new-session -f no-output -x 80 -y 24), 'env', '-i',
	    "PATH=$ENV{PATH}", 'TERM=screen', 'PS1=$ ', "TMPDIR=$dir/tmp",
	    "HOME=$dir", $locale ? "LC_ALL=$locale" : (),
	    (map { "$_=$env{$_}" } keys %env), 'sh');
	my $said;		# commands that come too early are errors
	do { $said = <$from_tmux> }
	    until !defined $said || $said =~ /^%session-changed /;
	defined tmux('pipe-pane', "cat >$dir/raw")
	    or die "tmux does not start\n";
	eventually { screen() =~ /^\$/m } or die "no shell\n";
}

sub keys_in { tmux('send-keys', @_); }
sub typed { keys_in('-l', @_); keys_in('Enter') }

# What is shown, in UTF-8; with -e its attributes as well.
sub capture_pane { return tmux('capture-pane', '-p', @_) }

sub screen {
	my $text = capture_pane();
	utf8::decode($text);
	return $text;
}

# All that was ever written to the terminal.
sub raw { return Service::read_file("$dir/raw") // '' }

# The screen must come to show this.  It is looked at again when more has been
# written to the terminal, and else once a second.
sub shows {
	my ($what, $title) = @_;
	my $tries = 0;
	return pass($title) if eventually {
		my $now = -s "$dir/raw" // 0;
		if ($now != $written || ++$tries % 20 == 0) {
			$written = $now;
			$seen = screen();
		}
		$seen =~ $what
	};
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
	my ($pane) = tmux('list-panes', '-F', '#{pane_pid}') =~ /(\d+)/;
	return (children($pane, 'popcard'))[0];
}

#
# The servers
#
our @mail = map { join "\n", @$_, '' } (
    ['From bob@example.org Sat Jan  3 01:05:34 1996',
	'From: Bob <bob@example.org>', 'To: alice@example.org',
	'Date: Sat, 3 Jan 1996 01:05:34 +0000', 'Subject: one', '',
	'line1', '.dot', ''],
    ['From carol@example.org Sun Jan  4 01:06:00 1996',
	'Received: from nowhere',
	'Content-Type: text/plain; charset=utf-8', 'Subject: colours', ' in many',
	" lines \e[31mred\e]0;owned\a", 'From: Carol', '',
	"esc \e[2J\e]0;owned\a csi \x9b31m end",
	"bidi \xe2\x80\xae umlaut \xc3\xa4 cjk \xe4\xb8\xad\xe6\x96\x87 nul \0 end",
	'word ' x 40 . 'last', (map { "row $_" } 1 .. 60), ''],
    ['From dave@example.org Mon Jan  5 01:06:00 1996',
	'From: dave@example.org', 'Subject: three', '', 'x', '']);

# A sender whom the system knows: see XMIT in 72-xmit.t.
our $pop = Service->new(spool => join('', @mail), uid => (getpwnam 'nobody')[2]);

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
our $port = $pop->{port};
our $url = "pop://alice;AUTH=*\@127.0.0.1:$port";
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

# Start popcard in a fresh terminal; its status is shown where it ends, and the
# terminal's modes are kept.
sub run {
	my ($args, %env) = @_;
	Service::write_file("$dir/run", <<"END");
trap : INT QUIT
cd $dir/tmp
stty -g >$dir/before
$popcard $args
echo status=\$?
stty -g >$dir/after
END
	unlink "$dir/after";
	terminal(%env);
	typed("sh $dir/run");
}

# The same, with alice's mail, until the list is there.
sub started {
	run("-P 3 '$url' 3<$dir/pass", @_);
	shows(qr/messages, 0 flagged/, 'the list is there');
}

# It ends by itself, or has ended, and the terminal is as it was.
sub ended {
	my ($status) = @_;
	shows(qr/^(?:\$ )?status=$status$/m, "it ends with status $status");
	eventually { length(Service::read_file("$dir/after") // '') };
	is(Service::read_file("$dir/after"),
	    Service::read_file("$dir/before"),
	    'the terminal is as it was');
}

1;

__END__

=head1 NAME

Card - popcard in a terminal, for the tests

=head1 SYNOPSIS

	use Card;
	terminal_needed();
	case 'the list' => sub {
		$pop->fill(join '', @mail);
		started(EDITOR => 'ed');
		keys_in('j', 'Enter');
		shows(qr/^From: Carol/m, 'a message');
		keys_in('q', 'q');
		ended(0);
	};
	done_testing;

=head1 WHAT IT GIVES

C<$pop> is a Service that has the three messages of C<@mail>, two boards and a
stand-in for sendmail that delivers to the spool; C<$port> and C<$url> lead to
it.  C<server(REPLIES)> makes a server out of a table of replies, for what popper
does not do; its port.  C<$popcard> is the client, C<$dir> a directory for
files, and C<$locale> a UTF-8 locale if there is one.

C<started(ENV)> runs popcard in a fresh terminal of 80x24 on alice's mail,
C<run(ARGUMENTS, ENV)> on anything, both in the directory
F<$dir/tmp>, which is empty then; C<terminal(ENV)> gives a shell.  C<keys_in>
presses keys by tmux's names, C<typed> types a line, C<tmux> is any other command
of it.  C<screen> is what is shown (C<capture_pane> what
tmux says of it), C<shows(REGEX, TITLE)> waits for it, C<raw>
is all that was written.  C<ended(STATUS)> waits for the end of popcard.

=cut
