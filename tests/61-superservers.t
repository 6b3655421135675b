#!/usr/bin/perl
# popper under the super-servers that run it in earnest, set up by the recipes
# of contrib/superservers: each takes it as it is, one process a connection on
# descriptors 0 and 1, and a session there reads, deletes and ends as it does
# anywhere.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Service;
use Test::More;

my $mbox = <<'END';
From bob@example.org Sat Jan  3 01:05:34 1996
Subject: one

line1
.dot

From carol@example.org Sat Jan  3 01:06:00 1996
Subject: two

x

END
my @piece = Service::pieces($mbox);
my @message = Service::messages($mbox);

# A subtest that fails, and lets the others go on, when its code dies.
sub case {
	my ($title, $code) = @_;
	subtest $title => sub {
		eval { $code->(); 1 } or fail("goes through: $@");
	};
}

# inetd.conf has pop3 by its name and POP's older port by its number; where
# those cannot be had, two others.
sub inetd_ports {
	my @want = ((getservbyname('pop3', 'tcp'))[0] // 110, 109);
	my $ok = $> == 0 && Service::can_listen(110) &&
	    Service::can_listen(109);
	return $ok ? @want : (Service::free_port(), Service::free_port());
}

# One session on this port: login, RETR, DELE, QUIT, and the spool then.
sub session {
	my ($pop, $port) = @_;
	$pop->fill($mbox);
	my $s = $pop->connect($port) or die "connect: $!";
	like $s->line, qr/^\+OK /, 'greeting';
	like $s->ask("USER $pop->{user}"), qr/^\+OK /, 'USER';
	like $s->ask("PASS $pop->{password}"), qr/^\+OK /, 'PASS';
	is $s->ask('STAT'), '+OK 2 48', 'STAT';
	like $s->ask('RETR 1'), qr/^\+OK /, 'RETR 1';
	is $s->text, $message[0], 'the text of message 1';
	like $s->ask('DELE 1'), qr/^\+OK /, 'DELE 1';
	like $s->ask('QUIT'), qr/^\+OK /, 'QUIT';
	is $s->rest, '', 'nothing after that but the end';
	is $pop->spool, $piece[1], 'message 2 is left, to the byte';
}

for my $kind (Service::known) {
	SKIP: {
		my $program = Service::program($kind);
		skip "$kind is not installed", 1 if !defined $program;
		my $pop = Service->new(spool => $mbox);
		my @port = $kind eq 'inetd' ? inetd_ports() :
		    (Service::free_port());
		my $name = $program =~ s|.*/||r;
		eval { $pop->start($kind, @port) } or do {
			fail "$name starts popper";
			diag $@;
			next;
		};
		for my $port (map { Service::number($_) } @port) {
			case "$name, port $port" => sub {
				session($pop, $port);
			};
		}
		# two at once are two processes, and only one has the maildrop
		case "$name: two connections at once" => sub {
			$pop->fill($mbox);
			my $one = $pop->login;
			my $two = $pop->connect;
			like $two->line, qr/^\+OK /, 'the second is greeted';
			$two->ask("USER $pop->{user}");
			like $two->ask("PASS $pop->{password}"),
			    qr/^-ERR \[IN-USE\] /,
			    'the maildrop is in use [RFC 2449 8.1.2]';
			is $one->ask('STAT'), '+OK 2 48', 'the first goes on';
			like $one->ask('QUIT'), qr/^\+OK /, 'to its QUIT';
			close $two->{socket};
		};
		case "$name: a connection that is cut" => sub {
			$pop->fill($mbox);
			my $one = $pop->login;
			like $one->ask('DELE 1'), qr/^\+OK /, 'DELE 1';
			close $one->{socket};
			my $two;
			for (1 .. 600) {	# until the lock is free again
				$two = eval { $pop->login } and last;
				select undef, undef, undef, 0.05;
			}
			ok defined $two, 'the next login gets in' or return;
			is $two->ask('STAT'), '+OK 2 48',
			    'nothing was deleted [RFC 1939 6]';
			like $two->ask('QUIT'), qr/^\+OK /, 'QUIT';
			is $pop->spool, $mbox, 'the spool is as it was';
		};
		$pop->stop;
	}
}

# launchd is not to be had here: its recipe can only be read.
SKIP: {
	skip 'no python3', 1 if !Service::find('python3');
	case 'launchd.plist' => sub {
		my $keys = qx(python3 -c 'import plistlib; d = plistlib.load(
		    open("$Bin/../contrib/superservers/launchd.plist", "rb"))
print(d["Program"], d["inetdCompatibility"], d["Sockets"])');
		is $keys, "/usr/local/sbin/popper {'Wait': False} " .
		    "{'Listeners': {'SockServiceName': 'pop3'}}\n",
		    'a property list; popper, one for each connection';
	};
}

# The stand-in listens on IPv6 too: popper does not care.
SKIP: {
	require IO::Socket::IP;
	IO::Socket::IP->new(LocalHost => '::1', Listen => 1)
	    or skip 'no IPv6 loopback here', 1;
	case 'over IPv6' => sub {
		my $pop = Service->new(spool => $mbox);
		my ($argv0, @args) = $pop->command;
		my $pid = open my $out, '-|', "$Bin/superserver", '-6', 0,
		    $pop->{popper}, @args or die "superserver: $!";
		chomp(my $port = <$out>);
		my $socket = IO::Socket::IP->new(PeerHost => '::1',
		    PeerPort => $port);
		my $s = bless { socket => $socket }, 'Service::Talk';
		like $s->line, qr/^\+OK /, 'greeting';
		like $s->ask("USER $pop->{user}"), qr/^\+OK /, 'USER';
		like $s->ask("PASS $pop->{password}"), qr/^\+OK /, 'PASS';
		like $s->ask('QUIT'), qr/^\+OK /, 'QUIT';
		kill 'TERM', $pid;
		close $out;
	};
}

done_testing;
