#!/usr/bin/perl
# popcard: which account a URL means, and where its password comes from.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Fcntl qw(F_SETFD);
use IO::Socket::IP;
use Card;
use POSIX ();
use Service;
use Test::More;

# Run popcard without a terminal: exit status, what it said.
sub attempt {
	my ($env, @args) = @_;
	my %env = (POPCARD_URL => $url, POPCARD_PASSFILE => "$dir/pass",
	    %$env);
	defined(my $pid = fork) or die "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$dir/out";
		open STDERR, '>&', \*STDOUT;
		%ENV = (PATH => $ENV{PATH},
		    map { $_ => $env{$_} } grep { defined $env{$_} } keys %env);
		exec { $popcard } 'popcard', @args or POSIX::_exit(127);
	}
	waitpid $pid, 0;
	return ($? & 127 ? "signal $?" : $? >> 8,
	    Service::read_file("$dir/out"));
}

# The server lets it in; all that is missing is the terminal.
sub logs_in {
	my ($title, $env, @args) = @_;
	is_deeply([attempt($env, @args)], [69,
	    "popcard: this needs a terminal with ANSI sequences\n"], $title);
}

sub refuses {
	my ($status, $why, $title, $env, @args) = @_;
	my ($got, $said) = attempt($env, @args);
	is($got, $status, $title);
	like($said, $why, "$title: why");
}

case 'URLs' => sub {
	logs_in('an argument', { POPCARD_URL => undef }, $url);
	logs_in($_, { POPCARD_URL => $_ }) for "pop://alice\@127.0.0.1:$port",
	    "POP://alice\@127.0.0.1:$port/",
	    "pop://%61lic%65;auth=*\@127.0.0.1:$port";
	refuses(64, qr/^popcard: POPCARD_URL: .*/, "not a URL of ours: '$_'",
	    { POPCARD_URL => $_ })
	    for '', 'alice@host', 'http://host', 'pop://', 'pop://@', 'pop://a@',
	    'pop://a;AUTH=+APOP@host', 'pop://a;AUTH=@host', 'pop://a;x@host',
	    'pop://a:secret@host', 'pop://a%0d%0aDELE%201@host', 'pop://a%@h',
	    'pop://a%4@h', 'pop://%00@h', 'pop://a@h:0', 'pop://a@h:65536',
	    'pop://a@h:x', 'pop://a@h:', 'pop://a@h:99999999999999999999',
	    'pop://a@[::1', 'pop://a@[]', 'pop://a@[::1]x', 'pop://a@h/inbox',
	    'pop://' . 'a' x 249 . '@h', 'pop://a@' . 'h' x 256;
	refuses(64, qr/^usage: /, 'an option that there is not', {}, "-\e[31m");
};

case 'the file with the password' => sub {
	chmod 0640, "$dir/pass";
	refuses(77, qr/0600/, 'one that others may read', {});
	chmod 0600, "$dir/pass";
	symlink "$dir/pass", "$dir/link";
	refuses(77, qr/^popcard: the password: /, 'a symbolic link',
	    { POPCARD_PASSFILE => "$dir/link" });
	Service::write_file("$dir/bad", "s3cret\tQUIT\n", 0600);
	refuses(77, qr/control character/, 'a control character in it',
	    { POPCARD_PASSFILE => "$dir/bad" });
	Service::write_file("$dir/wrong", "wrong\n", 0600);
	refuses(77, qr/\[AUTH\]/, 'a wrong password',
	    { POPCARD_PASSFILE => "$dir/wrong" });
};

case 'a descriptor with the password' => sub {
	my %none = (POPCARD_PASSFILE => undef);
	open my $fd, '<', "$dir/pass" or die;
	fcntl $fd, F_SETFD, 0;		# open in the child, too
	logs_in('an open one', \%none, '-P', fileno $fd);
	refuses(77, qr/^popcard: the password: /, 'one that is not open', \%none,
	    '-P', '9');
	refuses(64, qr/^usage: /, "-P $_", \%none, '-P', $_) for 'x', '0', '2';
};

case 'exit codes for what goes wrong' => sub {
	$pop->fill($mail[0]);
	my $other = $pop->login;
	refuses(75, qr/IN-USE/, 'the maildrop is in use', {});
	$other->ask('QUIT');
	my $free = Service::free_port();
	refuses(75, qr/refused/, 'nobody answers',
	    { POPCARD_URL => "pop://a\@127.0.0.1:$free" });
	refuses(68, qr/./, 'no such host', { POPCARD_URL => 'pop://a@[1:2:3]' });
};

SKIP: {
	my $six = IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
	skip 'no IPv6 on the loopback', 1 if !$six;
	my $p = $six->sockport;
	close $six;
	my ($name, @args) = $pop->command;
	my $server = Service::spawn("$dir/six",
	    Service::program('superserver'), '-6', $p, $pop->{popper}, @args);
	eventually { length(Service::read_file("$dir/six") // '') };
	case 'IPv6' => sub {
		logs_in("[::1]:$p", { POPCARD_URL => "pop://alice\@[::1]:$p" });
	};
	Service::end($server);
}

done_testing;
