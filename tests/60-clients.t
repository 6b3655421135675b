#!/usr/bin/perl
# Real clients fetch and delete real mail from popper under a super-server.
# What arrives is held byte for byte against the spool (line ends LF), less
# what the client itself is known to add, and what is left in the spool
# afterwards against what the client said it deletes.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use List::Util qw(first sum);
use Net::POP3;
use POSIX qw(WNOHANG);
use Service;
use Test::More;
use Time::HiRes qw(sleep);

# The demo's dozen, and a long one with 8-bit text, dots and long lines.
my $mbox = Service::read_file("$Bin/demo.mbox") . join "\n",
    'From walrus@shore.example Sun Mar  9 06:00:00 2025',
    'Return-Path: <walrus@shore.example>',
    'From: The Walrus <walrus@shore.example>',
    'To: alice@wonderland.example',
    'Subject: Of many things',
    'Date: Sun, 9 Mar 2025 06:00:00 +0000',
    'Message-ID: <many-things@shore.example>',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=iso-8859-1',
    'Content-Transfer-Encoding: 8bit',
    '',
    (map { '.' x ($_ % 4) . " $_ shoes, ships, sealing wax, caf\xe9 " .
	'x' x ($_ * 7 % 900) } 1 .. 500), '', '';
my @piece = Service::pieces($mbox);
my @message = Service::messages($mbox);
my $count = @message;

my $pop = Service->new(spool => $mbox);
my $kind = first { Service::program($_) && eval { $pop->start($_) } }
    qw(inetd xinetd systemd tcpserver superserver);
defined $kind or die("no super-server could be started: $@");
my ($port, $user, $password) = @$pop{qw(port user password)};
note "popper on port $port by ", Service::program($kind);

# Clients run as an ordinary user with a home of their own.
my ($uid, $gid) = $> == 0 ? (getpwnam 'nobody')[2, 3] : ($>, $) + 0);
my $home = "$pop->{dir}/home";

# A fresh home and a fresh spool; configuration files are given as
# name => text, readable by their owner alone.
sub prepare {
	my (%file) = @_;
	$pop->fill($mbox);
	system 'rm', '-rf', $home;
	for my $dir ($home, "$home/got", "$home/Mail", "$home/Mail/inbox") {
		mkdir $dir or die "$dir: $!";
		chown $uid, $gid, $dir;
	}
	# keeps each message it is given in a file got/1, got/2 ...
	$file{deliver} = "#!/bin/sh\nn=\$(ls '$home/got' | wc -l)\n" .
	    "exec cat >'$home/got/'\$((n + 1))\n";
	for my $name (keys %file) {
		Service::write_file("$home/$name", $file{$name}, 0600);
		chown $uid, $gid, "$home/$name";
	}
	chmod 0700, "$home/deliver";
}

# Run a client to its end; its exit status, 0 for success.
sub run {
	my (@command) = @_;
	defined(my $pid = fork) or die "fork: $!";
	if ($pid == 0) {
		POSIX::setsid();
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$pop->{dir}/output";
		open STDERR, '>&', \*STDOUT;
		chdir $home;
		if ($> == 0) {
			$) = "$gid $gid";
			POSIX::setgid($gid);
			POSIX::setuid($uid);
		}
		%ENV = (PATH => $ENV{PATH}, HOME => $home, TERM => 'xterm',
		    LANG => 'C.UTF-8', USER => (getpwuid $>)[0] // 'nobody');
		exec { $command[0] } @command or POSIX::_exit(127);
	}
	for (1 .. 12000) {
		if (waitpid($pid, WNOHANG) != 0) {
			note said() if $? != 0;
			return $?;
		}
		sleep 0.01;
	}
	kill 'KILL', -$pid;
	waitpid $pid, 0;
	diag "$command[0] hangs: ", said();
	return -1;
}

sub said { return Service::read_file("$pop->{dir}/output") // '' }

# What the deliver script was given, in order, and away with it.
sub got { return take(map { "$home/got/$_" } 1 .. 99) }

sub take {
	my @text;
	for my $file (@_) {
		push @text, Service::read_file($file) if -e $file;
		unlink $file;
	}
	return @text;
}

# The size of a message as it is sent.
sub octets { return length $message[$_[0] - 1] =~ s/\n/\r\n/gr }

# Are these messages those with these numbers?  A client may be allowed some
# header fields of its own.
sub arrived {
	my ($got, $want, $title, $own) = @_;
	my @got = map {
		my ($head, $body) = /\A(.*?\n)(\n.*)\z/s ? ($1, $2) : ($_, '');
		$head =~ s/^(?:$own):.*\n//mg if defined $own;
		$head . $body;
	} @$got;
	my $n = first {
		!defined $got[$_] || $got[$_] ne $message[$want->[$_] - 1]
	} 0 .. $#$want;
	my $ok = ok !defined $n && @got == @$want, $title;
	diag scalar @got, ' messages instead of ', scalar @$want
	    if @got != @$want;
	is $got[$n], $message[$want->[$n] - 1], "message $want->[$n]"
	    if defined $n;
	return $ok;
}

# Are all messages but these still in the spool, and nothing else?
sub left_without {
	my ($deleted, $title) = @_;
	my %gone = map { $_ => 1 } @$deleted;
	my $want = join '', @piece[grep { !$gone{$_ + 1} } 0 .. $#piece];
	my $spool = $pop->spool;
	ok $spool eq $want, $title or
	    diag length $spool, ' octets are left instead of ', length $want;
}

# One client: its programs, where one is missing the reason to skip it, and
# what it has to do, which gets the programs' paths.
sub client {
	my ($name, $programs, $code) = @_;
	my @path = map { Service::find($_) } @$programs;
	my $missing = first { !defined Service::find($_) } @$programs;
	SKIP: {
		skip "$name: $missing is not installed", 1 if defined $missing;
		# a death inside is this client's failure, not the others'
		subtest $name => sub {
			eval { $code->(@path); 1 } or fail("goes through: $@");
		};
	}
}

my @all = (1 .. $count);

client 'Net::POP3' => [], sub {
	prepare();
	my $c = Net::POP3->new('127.0.0.1', Port => $port, Timeout => 60);
	is $c->login($user, $password), $count, 'login: the message count';
	is_deeply [$c->popstat], [$count, sum(map { octets($_) } @all)],
	    'popstat: count and octets';
	is_deeply $c->list, { map { $_ => octets($_) } @all },
	    'list: the sizes';
	my $uids = $c->uidl;
	is keys %{{ reverse %$uids }}, $count, 'uidl: as many, all different';
	arrived([map { join '', @{$c->get($_)} } @all], \@all,
	    'get: every message');
	is join('', @{$c->top(1, 2)}), $message[0] =~ s/^Charles\n//mr =~
	    s/late\.\n\K\n//r, 'top: header and two lines';
	is $c->last, $count, 'last: all have been seen';
	ok $c->delete($_), "delete $_" for 2, 9;
	$c->reset;
	ok $c->delete(3), 'delete 3 after a reset';
	ok $c->quit, 'quit';
	left_without([3], 'message 3 is gone and nothing else');
};

client 'curl' => ['curl'], sub {
	my ($curl) = @_;
	my @curl = ($curl, '-qsS', '--noproxy', '*', '-u', "$user:$password");
	my $url = "pop3://127.0.0.1:$port";
	prepare();
	is run(@curl, "$url/"), 0, 'list';
	is said(), join('', map { "$_ " . octets($_) . "\r\n" } @all),
	    'the list has every number and size';
	is run(@curl, '-o', "$home/got/#1", "$url/[1-$count]"), 0,
	    'fetch all in one session';
	arrived([map { s/\r\n/\n/gr } got()], \@all, 'every message');
	left_without([], 'and nothing is gone');
	is run(@curl, '-l', '-X', 'DELE', "$url/{2,7,$count}"), 0,
	    "DELE 2, 7 and $count";
	left_without([2, 7, $count], 'these are gone and nothing else');
};

client 'fetchmail' => ['fetchmail'], sub {
	my ($fetchmail) = @_;
	# "invisible" and "no rewrite" turn off what fetchmail would add
	prepare('.fetchmailrc' => <<"END");
set invisible
poll 127.0.0.1 protocol pop3 service $port auth password
	user "$user" password "$password" no rewrite fetchall
	sslproto '' mda "$home/deliver"
END
	is run($fetchmail, '--keep'), 0, 'fetch and keep';
	arrived([got()], \@all, 'every message');
	left_without([], 'and nothing is gone');
	is run($fetchmail, '--nokeep', '--fetchlimit', 4) >> 8, 13,
	    'fetch four and delete them (13: there are more)';
	arrived([got()], [1 .. 4], 'the four');
	left_without([1 .. 4], 'are gone and nothing else');
	is run($fetchmail, '--nokeep'), 0, 'fetch and delete';
	arrived([got()], [5 .. $count], 'the others');
	is $pop->spool, '', 'and the spool is empty';
};

client 'mpop' => ['mpop'], sub {
	my ($mpop) = @_;
	my @short = grep { octets($_) < 450 } @all;
	prepare('.mpoprc' => <<"END");
account default
host 127.0.0.1
port $port
user $user
password $password
auth user
tls off
received_header off
uidls_file $home/uidls
delivery mda $home/deliver
END
	is run($mpop, '-q', '--keep=on'), 0, 'fetch and keep';
	arrived([got()], \@all, 'every message');
	left_without([], 'and nothing is gone');
	is run($mpop, '-q', '--keep=on'), 0, 'fetch what is new';
	arrived([got()], [], 'nothing: the UIDs are the same as before');
	is run($mpop, '-q', '--keep=off', '--only-new=off', '--skipsize=450'),
	    0, 'fetch and delete what is short';
	arrived([got()], \@short, 'the short ones');
	left_without(\@short, 'are gone and nothing else');
};

# getmail6 misses the end of a program that ends before it waits for it, and
# then waits for minutes.
client 'getmail6' => ['getmail'], sub {
	my ($getmail) = @_;
	prepare(getmailrc => <<"END");
[retriever]
type = SimplePOP3Retriever
server = 127.0.0.1
port = $port
username = $user
password = $password
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "sleep 0.3; exec $home/deliver")
[options]
verbose = 0
delivered_to = false
received = false
END
	my @getmail = ($getmail, '-g', $home, '-r', 'getmailrc');
	is run(@getmail, '--dont-delete'), 0, 'fetch and keep';
	arrived([got()], \@all, 'every message');
	left_without([], 'and nothing is gone');
	is run(@getmail, '--dont-delete', '--new'), 0, 'fetch what is new';
	arrived([got()], [], 'nothing: the UIDs are the same as before');
	Service::write_file("$home/getmailrc", Service::read_file(
	    "$home/getmailrc") . "max_messages_per_session = 5\n", 0600);
	is run(@getmail, '--all', '--delete'), 0,
	    'fetch five and delete them';
	arrived([got()], [1 .. 5], 'the five');
	left_without([1 .. 5], 'are gone and nothing else');
};

client 'nmh inc' => ['inc'], sub {
	my ($inc) = @_;
	prepare('.mh_profile' => "Path: Mail\n",
	    '.netrc' => "machine 127.0.0.1 login $user password $password\n");
	my @inc = ($inc, '-silent', '-host', '127.0.0.1', '-port', $port,
	    '-user', $user);
	my @file = map { "$home/Mail/inbox/$_" } 1 .. 99;
	is run(@inc, '-notruncate'), 0, 'inc and keep';
	arrived([take(@file)], \@all, 'every message');
	left_without([], 'and nothing is gone');
	is run(@inc, '-truncate'), 0, 'inc and delete';
	arrived([take(@file)], \@all, 'every message');
	is $pop->spool, '', 'and the spool is empty';
};

# mutt wants a terminal: script(1) is one.  In a mailbox it adds the fields
# Content-Length and Lines, and Status for what has been read.
my $mutt = first { defined Service::find($_) } qw(mutt neomutt);
client $mutt // 'mutt' => [$mutt // 'mutt', 'script'], sub {
	my ($program, $script) = @_;
	prepare('.muttrc' => <<"END");
set pop_pass = "$password"
set ssl_starttls = no ssl_force_tls = no
set quit = yes delete = yes mbox_type = mbox copy = no
unset confirmappend confirmcreate mark_old wait_key
END
	my $keys = '<tag-pattern>.<enter><tag-prefix><copy-message>kept<enter>'
	    . join('', map { "<jump>$_<enter><delete-message>" } 3, 7, 12)
	    . '<quit>';
	is run($script, '-qec', "$program -F .muttrc -e 'push \"$keys\"' " .
	    "-f pop://$user\@127.0.0.1:$port/", '/dev/null'), 0,
	    'copy all, delete 3, 7 and 12, quit';
	my $kept = Service::read_file("$home/kept") // '';
	arrived([Service::messages($kept)], \@all, 'every message',
	    'Content-Length|Lines|Status');
	left_without([3, 7, 12], 'three are gone and nothing else');
};

$pop->stop;
done_testing;
