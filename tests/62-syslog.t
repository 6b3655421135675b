#!/usr/bin/perl
# What popper tells syslog(3): facility local0, a line for the login, one for
# the end and one for a login that failed at priority notice, the rest with -d
# at priority debug.  The test is the log daemon itself: it listens on
# /dev/log, which it makes and removes, so it needs root and a machine where
# nobody else does that.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use IO::Socket::INET;
use IO::Socket::UNIX;
use Service;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(sleep);

my $LOG = '/dev/log';
plan skip_all => "only root can listen on $LOG" if $> != 0;
# What nobody listens on is left of a test that was killed.
unlink $LOG if -S $LOG && !-l $LOG &&
    !IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $LOG);
plan skip_all => "there is a log daemon on $LOG" if -e $LOG || -l $LOG;

use constant { NOTICE => 16 << 3 | 5, DEBUG => 16 << 3 | 7 };	# of local0

my $mbox = <<'END';
From bob@example.org Sat Jan  3 01:05:34 1996
Subject: one

line1
.dot

From carol@example.org Sat Jan  3 01:06:00 1996
Subject: two

x

END

my $pop = Service->new(spool => $mbox);
my $file = "$pop->{dir}/syslog";
my $test = $$;

my $device = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $LOG)
    or plan skip_all => "$LOG: $!";
chmod 0666, $LOG;

# The log daemon: writes down each datagram as one line, other octets than
# printable ones as in the log's own hand, so that none can hide.
Service::write_file($file, '');
defined(my $daemon = fork) or die "fork: $!";
if ($daemon == 0) {
	$SIG{TERM} = 'DEFAULT';
	open my $out, '>>', $file or die "$file: $!";
	$out->autoflush(1);
	while (defined $device->recv(my $line, 65536)) {
		$line =~ s/[\n\0]\z//;	# some C libraries end it so
		$line =~ s/([^\x20-\x7e])/sprintf '{%02x}', ord $1/ge;
		print $out "$line\n";
	}
	POSIX::_exit(0);
}
END {
	if (defined $daemon && $$ == $test) {
		local $?;
		Service::end($daemon);
		unlink $LOG;
	}
}

# The priority, name, process id and text of a line of the protocol.
sub parse {
	my ($line) = @_;
	return $line =~ /\A<(\d+)>\w{3} [ \d]\d [\d:]{8} (\S+)\[(\d+)\]: (.*)\z/;
}

# What has been logged since the last call, without what other processes of
# this machine say.  The daemon gets one more line from here, and what it has
# read before that is all there is.
my ($calls, $seen) = (0, 0);
sub logged {
	my ($pid) = @_;
	my $marker = 'marker ' . ++$calls;
	my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $LOG)
	    or die "$LOG: $!";
	$s->send($marker);
	my $text;
	for (1 .. 3000) {
		$text = substr Service::read_file($file), $seen;
		last if $text =~ /^\Q$marker\E\n/m;
		sleep 0.01;
	}
	$text =~ s/^\Q$marker\E\n//m or die "the log daemon hangs\n";
	$seen += length("$marker\n") + length $text;
	# a line that is none is kept where popper may have written it; other
	# programs speak of files, /tmp/popper-XXXX/...
	return grep {
		my (undef, undef, $by) = parse($_);
		defined $by ? $by == $pid : m{(?<![/\w])popper(?![-\w])};
	} split /\n/, $text;
}

# One session over TCP, so that there is an address to log: sends the
# commands, reads a reply to each, ends, and returns popper's process id.
sub session {
	my ($args, @command) = @_;
	$pop->fill($mbox);
	my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
	    or die "listen: $!";
	$pop->{port} = $l->sockport;
	my $s = $pop->connect or die "connect: $!";
	my $client = $l->accept or die "accept: $!";
	my ($argv0, @args) = $pop->command;
	defined(my $pid = fork) or die "fork: $!";
	if ($pid == 0) {
		open STDIN, '<&', $client;
		open STDOUT, '>&', $client;
		exec { $pop->{popper} } $argv0, @args, @$args
		    or POSIX::_exit(127);
	}
	close $client;
	$s->line;
	for (@command) {
		my $reply = $s->ask($_);
		$s->text if /^RETR/ && $reply =~ /^\+OK/;
	}
	close $s->{socket};
	waitpid $pid, 0;
	is $? >> 8, 0, 'popper ends with status 0' if $? != 0;
	return $pid;
}

# The texts at this priority.
sub at {
	my ($priority, @line) = @_;
	return map { $_->[3] } grep { $_->[0] == $priority }
	    map { [parse($_)] } @line;
}

# A subtest that fails, and lets the others go on, when its code dies.
sub case {
	my ($title, $code) = @_;
	subtest $title => sub {
		eval { $code->(); 1 } or fail("goes through: $@");
	};
}

my @in = ('USER alice', 'PASS s3cret');

case 'a session: local0.notice, one login line, one end line' => sub {
	my $pid = session([], @in, 'RETR 1', 'DELE 2', 'QUIT');
	my @line = logged($pid);
	my @text = at(NOTICE, @line);
	is @text, @line, 'every line is at local0.notice' or diag @line;
	is_deeply [map { join ' ', (parse($_))[1, 2] } @line],
	    [("popper $pid") x @line], 'from popper, with its process id';
	is_deeply [map { s/ ms=\K\d+\z/N/r } grep { /^login / } @text],
	    ['login user=alice addr=127.0.0.1 messages=2 octets=48 ms=N'],
	    'the login line';
	my @end = grep { /^end / } @text;
	is @end, 1, 'one end line';
	is $end[0] =~ s/seconds=\K\d+\z/N/r, 'end user=alice ' .
	    'addr=127.0.0.1 reason=quit retrieved=1 sent=29 deleted=1 ' .
	    'left=1 seconds=N', 'who, from where, why, and what was done';
};

case 'a lost connection: reason=lost, nothing deleted' => sub {
	my $pid = session([], @in, 'DELE 1');
	my @end = grep { /^end / } at(NOTICE, logged($pid));
	is @end, 1, 'one end line';
	like $end[0], qr/^end user=alice addr=127\.0\.0\.1 reason=lost /,
	    'the reason';
	like $end[0], qr/ deleted=0 left=2 /, 'and the maildrop as it was';
};

case '-d: debug lines at local0.debug, no secret in them' => sub {
	my @line = logged(session(['-d'], @in, 'RETR 1', 'QUIT'));
	my @notice = at(NOTICE, @line);
	my @debug = at(DEBUG, @line);
	ok @debug > 0, 'there are some';
	is @notice + @debug, @line, 'and nothing else but local0.notice'
	    or diag @line;
	is_deeply [map { /^(login|end) / ? $1 : () } @notice],
	    ['login', 'end'], 'login and end are still at notice';
	is_deeply [grep { /s3cret/ } @line], [], 'the password is nowhere';
	is_deeply [grep { /line1|\.dot/ } @line], [], 'nor is mail text';
};

case 'options that popper does not know: a line, where nothing else would tell' => sub {
	my (undef, @args) = $pop->command;
	defined(my $pid = fork) or die "fork: $!";
	if ($pid == 0) {
		open STDERR, '>', '/dev/null';
		exec { $pop->{popper} } 'popper', @args, '-P', 'locla'
		    or POSIX::_exit(127);
	}
	waitpid $pid, 0;
	is $? >> 8, 64, 'the status';
	is_deeply [at(NOTICE, logged($pid))], ['usage: wrong options, no session'],
	    'the log';
};

for (['alice', 'password'], ['nobody-here', 'unknown']) {
	my ($user, $reason) = @$_;
	case "a failed login: one line, reason=$reason" => sub {
		my @line = logged(session([], "USER $user",
		    'PASS dormouse'));
		my @text = at(NOTICE, @line);
		is_deeply [grep { /login/ } @text], ["failed login " .
		    "user=$user addr=127.0.0.1 reason=$reason"],
		    'user and address';
		is_deeply [grep { /dormouse/ } @line], [],
		    'the password tried is nowhere';
	};
}

# A name chosen to look like another field, or like another line.
case 'a name from outside cannot forge a field' => sub {
	my $pid = session([], 'USER bob"addr=192.0.2.1\\' . "\xe9%s%n",
	    'PASS x');
	my @text = grep { /login/ } at(NOTICE, logged($pid));
	is @text, 1, 'one line';
	is lc $text[0], 'failed login ' .
	    'user=bob\x22addr\x3d192.0.2.1\x5c\xe9%s%n ' .
	    'addr=127.0.0.1 reason=unknown', 'quote, =, \\ and 8-bit as \xHH';
};

done_testing;
