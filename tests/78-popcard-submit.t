#!/usr/bin/perl
# popcard -s, in the place of sendmail.

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
# In sendmail's place
#
my $message = "To: bob\@example.org\nSubject: h\n\ntext\n";

# A message is sent; the stand-in has put what it got into the spool.
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
	sends('with sendmail\'s options', {}, $message,
	    [qw(-oem -oi -f me@example.org -F Me -B 8BITMIME -N never -t)],
	    $message);
	sends('the recipient as an argument', {}, $message,
	    ['-oi', '--', 'bob@EXAMPLE.org'], $message);
	sends('dots and line ends', {},
	    "To: b\r\n\r\n.\n..\n.x\r\n\n.\nlast", [],
	    "To: b\n\n.\n..\n.x\n\n.\nlast\n");
	sends('an mbox line in front', {}, "From b Mon\n$message", [], $message);
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
	is((submit({}, "Resent-To: x\n$message", 'x'))[0], 65,
	    'a resent message is refused');
	is((submit({}, "Subject: x\n\nTo: body\n", '-t'))[0], 65,
	    'no recipient: refused');
};

case '-s: where the account comes from' => sub {
	my %none = (POPCARD_URL => undef);
	sends('a URL as an argument', \%none, $message, [$url], $message);
	for ("pop://alice\@127.0.0.1:$port", "POP://alice\@127.0.0.1:$port/",
	    "pop://%61lic%65;auth=*\@127.0.0.1:$port") {
		sends($_, { POPCARD_URL => $_ }, $message);
	}
	for ('', 'alice@host', 'http://host', 'pop://', 'pop://@', 'pop://a@',
	    'pop://a;AUTH=+APOP@host', 'pop://a;AUTH=@host', 'pop://a;x@host',
	    'pop://a:secret@host', 'pop://a%0d%0aDELE%201@host', 'pop://a%@h',
	    'pop://a%4@h', 'pop://%00@h', 'pop://a@h:0', 'pop://a@h:65536',
	    'pop://a@h:x', 'pop://a@h:', 'pop://a@h:99999999999999999999',
	    'pop://a@[::1', 'pop://a@[]', 'pop://a@[::1]x', 'pop://a@h/inbox',
	    'pop://' . 'a' x 249 . '@h', 'pop://a@' . 'h' x 256) {
		my ($status, $said) = submit({ POPCARD_URL => $_ }, $message);
		is($status, 64, "not a URL of ours: '$_'");
	}
	is((submit(\%none, $message))[0], 64, 'none: wrong usage');
	chmod 0640, "$dir/pass";
	my ($status, $said) = submit({}, $message);
	is($status, 77, 'a password file that others may read: refused');
	like($said, qr/0600/, 'with a reason');
	chmod 0600, "$dir/pass";
	symlink "$dir/pass", "$dir/link";
	is((submit({ POPCARD_PASSFILE => "$dir/link" }, $message))[0], 77,
	    'a symbolic link: refused');
	is((submit({ POPCARD_PASSFILE => undef }, $message))[0], 64,
	    'no password: wrong usage');
	Service::write_file("$dir/bad", "s3cret\tQUIT\n", 0600);
	is((submit({ POPCARD_PASSFILE => "$dir/bad" }, $message))[0], 77,
	    'a password with a control character: refused');
	open my $fd, '<', "$dir/pass" or die;
	my $n = fileno $fd;
	fcntl $fd, F_SETFD, 0;		# open in the child, too
	sends('a password from a descriptor', { POPCARD_PASSFILE => undef },
	    $message, ['-P', $n], $message);
};

case '-s: usage' => sub {
	is((submit({}, $message, "-\e[31m"))[1], 'popcard: an option is not known ' .
	    "or lacks its argument\n", 'no option is shown as it is');
	is((submit({}, $message, @$_))[0], 64, join(' ', @$_) =~ s/\n/ LF /r)
	    for ['-bs'], ['-bd'], ['-Z'], ['-P', 'x'], ['-P', '0'],
	    ['-P', '2'], ['-t', 'bob'], ['-f'], ["a\nb"];
};

case '-s: sendmail\'s exit codes for what goes wrong' => sub {
	my %exit = (69 => 69, 75 => 75, 67 => 69, 1 => 69);
	for my $code (sort keys %exit) {
		Service::write_file("$pop->{dir}/fail", $code);
		my ($status, $said) = submit({}, $message);
		is($status, $exit{$code}, "the server's sendmail says $code");
		like($said, qr/^popcard: not sent: /, 'and popcard so');
	}
	unlink "$pop->{dir}/fail";
	$pop->fill($mail[0]);
	my $other = $pop->login;
	is((submit({}, $message))[0], 75, 'the maildrop is in use: try later');
	$other->ask('QUIT');
	is((submit({ POPCARD_PASSFILE => undef }, $message, '-P', '9'))[0], 77,
	    'a descriptor that is not open');
	Service::write_file("$dir/wrong", "wrong\n", 0600);
	is((submit({ POPCARD_PASSFILE => "$dir/wrong" }, $message))[0], 77,
	    'a wrong password');
	my $free = Service::free_port();
	is((submit({ POPCARD_URL => "pop://a\@127.0.0.1:$free" }, $message))[0],
	    75, 'nobody answers');
	is((submit({ POPCARD_URL => 'pop://a@[1:2:3]' },
	    $message))[0], 68, 'no such host');
	is($pop->spool, $mail[0], 'and nothing was sent');

	my %ok = ('USER .*' => "+OK\r\n", 'PASS .*' => "+OK\r\n");
	my @bad = (
	    ['no XTND', 69],
	    ['a greeting that is none', 76, greeting => "220 smtp\r\n"],
	    ['lost before the message', 75, 'XTND XMIT' => undef],
	    ['lost inside the message', 75, 'XTND XMIT' => "+OK\r\n",
		'Subject: h' => undef],
	    ['lost after the message: perhaps sent', 74,
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
	my $server = Service::spawn("$dir/six",
	    Service::program('superserver'), '-6', $p, $pop->{popper}, @args);
	eventually { length(Service::read_file("$dir/six") // '') };
	case '-s: IPv6' => sub {
		sends("[::1]:$p", { POPCARD_URL => "pop://alice\@[::1]:$p" },
		    $message, [], $message);
	};
	Service::end($server);
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
