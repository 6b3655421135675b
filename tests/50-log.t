# What the log says, and what it must not say.

use strict;
use warnings;

use Test::More;
use Popper;

case 'a session: one login line, one end line, with user and counts' => sub {
	my $box = box();
	my $s = $box->login(over => 'tcp');

	$s->text('RETR 1');
	$s->command('DELE 1');
	$s->quit;
	my $log = $box->log;
	is(() = $log =~ / login user=alice addr=127\.0\.0\.1 messages=2 octets=48 ms=\d+$/mg,
	    1, 'login') or diag($log);
	is(() = $log =~ / end user=alice addr=127\.0\.0\.1 reason=quit retrieved=1 sent=29 deleted=1 left=1 seconds=\d+/mg,
	    1, 'end') or diag($log);
	like($log, qr/ start addr=127\.0\.0\.1 version=\S+/, 'start');
};

case 'a session without login has an end line as well' => sub {
	my $box = box();

	$box->session(over => 'tcp')->quit;
	like($box->log, qr/ end .*addr=127\.0\.0\.1 reason=quit/, 'QUIT');
	$box = box();
	$box->session(over => 'tcp')->close->wait;
	like($box->log, qr/ end .*addr=127\.0\.0\.1 reason=lost/, 'lost');
};

case 'a failed login: one line, with user, address and reason' => sub {
	my $box = box(accounts => { alice => 's3cret',
	    locked => { hash => '!' . Popper::Box::hash('s3cret') } });

	for (['alice', 'password'], ['nobody', 'unknown'], ['locked', 'locked']) {
		my ($user, $reason) = @$_;
		my $s = $box->session(over => 'tcp');

		$s->send("USER $user", 'PASS wrong');
		$s->slurp;
		$s->wait;
		is(() = $box->log =~ / failed login user=$user addr=127\.0\.0\.1 reason=$reason$/mg,
		    1, "$user: $reason") or diag($box->log);
	}
	unlike($box->log, qr/ login user=alice addr=\S+ messages/, 'no login line');
};

case 'passwords are never in the log, nor is mail' => sub {
	my $box = box(spool => letter(1, header => [ 'X-Head: magicword' ],
	    body => "swordfish\n"));
	my @hiding = ('PASS s3cret', 'pass s3cret', 'PAS s3cret', 'PASSS s3cret',
	    ' PASS s3cret', "PASS\ts3cret", 'PASS:s3cret', 'USER alice s3cret',
	    'APOP alice s3cret', 'AUTH PLAIN s3cret', 'AUTH s3cret', 'RPOP s3cret',
	    "PASS s3cret\0", 'PASS s3cret' . 'x' x 400);

	for my $line (@hiding) {
		my $s = $box->session(args => ['-d']);
		$s->send($line, 'USER alice', $line, 'PASS s3cret', $line,
		    'RETR 1', 'TOP 1 1', 'QUIT');
		$s->slurp;
		$s->wait;
	}
	my $s = $box->login(args => ['-d']);
	$s->text('RETR 1');
	$s->quit;
	my $log = $box->log;
	is(join('', $log =~ /^.*s3cret.*\n/mg), '', 'no password');
	is(join('', $log =~ /^.*czNjcmV0.*\n/mg), '', 'nor its base64 form');
	is(join('', $log =~ /^.*(?:swordfish|magicword).*\n/mg), '', 'no mail');
	is(join('', $log =~ /^.*\$5\$.*\n/mg), '', 'no hash');
	like($log, qr/ login user=alice/, 'though there is a log');
};

# RFC 2449 has no room for control octets, but a log must stand anything.
case 'names from outside are cleaned: one line each, and no forged field' => sub {
	for my $name ('a%n%s%s', 'a=b', 'x" y="z', 'a\\b', "a\xff\xfe",
	    "a\rb%n", "a\e[2J", 'a' x 200, '%p%p%p', 'x reason=quit') {
		my $box = box();
		my $s = $box->session;
		my $user = $name =~ s/ .*//r;

		$s->send("USER $name", 'PASS wrong', 'QUIT');
		$s->slurp;
		is($s->wait, 0, show($name) . ': exit status');
		my $log = $box->log;
		unlike($log, qr/[^\n\x20-\x7e]/, 'only printable octets');
		unlike($log, qr/user=\Q$user\E /, 'not as it came')
		    if $user =~ /[^!-~]|["=\\]/;
		unlike($log, qr/y="z/, 'no forged field');
		ok(!(grep { !/^.+ popper\[\d+\]: / } split /\n/, $log),
		    'each line is one of ours');
	}
};

# Commands by the hundred, each with a reply of one line.
sub flood {
	my ($s, $line, $n) = @_;

	for (1 .. $n / 100) {
		$s->send(($line) x 100);
		$s->reply($line) for 1 .. 100;
	}
}

# The lines of a log, without date and process, that match.
sub lines {
	my ($box, $pattern) = @_;
	return grep { /$pattern/ } $box->log =~ /\]: (.*)/g;
}

case 'a flood of refusals: a hundred lines, and how many there would have been' => sub {
	my $box = box();
	my $s = $box->login(args => ['-M', '/nonexistent/mail']);

	flood($s, 'RETR 99', 2000);
	$s->command('XTND XMIT');
	$s->quit;
	my @refused = lines($box, qr/^refused /);
	is(scalar @refused, 100, 'a hundred');
	is($_, 'refused user=alice addr=local: Message 99 does not exist.',
	    'each as any') for $refused[0], $refused[-1];
	is_deeply([ lines($box, qr/^xmit/) ],
	    [ 'xmit: /nonexistent/mail user=alice: No such file or directory' ],
	    'a line of another kind is there');
	is_deeply([ map { s/ retrieved=.*//r } (lines($box, qr/./))[-2, -1] ],
	    [ 'log user=alice addr=local: 1901 lines left out',
	    'end user=alice addr=local reason=quit' ], 'the last two lines');
};

case 'a flood of warnings takes no room from others' => sub {
	my $box = box();
	my $s = $box->login(args => ['-M', '/nonexistent/mail', '-b',
	    '/nonexistent/boards']);

	flood($s, 'XTND XMIT', 500);
	$s->command('XTND BBOARDS');
	$s->quit;
	is(scalar(lines($box, qr/^xmit: /)), 100, 'a hundred of them');
	is_deeply([ lines($box, qr/^boards/) ], [ 'boards '
	    . 'file=/nonexistent/boards user=alice: No such file or directory' ],
	    'the other warning');
	is_deeply([ lines($box, qr/left out/) ],
	    [ 'log user=alice addr=local: 801 lines left out' ],
	    'what is not said');
};

case 'the trace file: ten thousand debug lines of one kind' => sub {
	my $box = box();
	my $s = $box->login;

	flood($s, 'NOOP', 12_000);
	$s->quit;
	is(scalar(lines($box, qr/^command /)), 10_000, 'so many of them');
	is_deeply([ map { s/ retrieved=.*//r } (lines($box, qr/./))[-2, -1] ],
	    [ 'log user=alice addr=local: 2003 debug lines left out',
	    'end user=alice addr=local reason=quit' ], 'the last two lines');
};

case 'before login no line is left out' => sub {
	my $box = box();
	my $s = $box->session(args => ['-f', 0]);

	$s->send(('FOO') x 60);
	$s->slurp;
	$s->wait;
	is(scalar(lines($box, qr/^refused user=- addr=local: unknown command$/)),
	    51, 'each refusal');
	is(scalar(lines($box, qr/^refused .*: too many lines that are no commands$/)),
	    1, 'and the last one');
	is_deeply([ lines($box, qr/left out/) ], [], 'and nothing is missing');
};

case 'the trace file: made for its owner alone, appended to' => sub {
	my $box = box();

	$box->login->quit;
	is((stat $box->trace)[2] & 07777, 0600, 'its mode');
	my $before = $box->log;
	$box->login->quit;
	is(substr($box->log, 0, length $before), $before, 'the old lines stay');
	is(() = $box->log =~ / end user=alice/g, 2, 'the new ones follow');
	ok(!(grep { !/^.+ popper\[\d+\]: / } split /\n/, $box->log),
	    'date, name and process stand before each');
};

# ulimit counts in 512 bytes.
case 'the trace file: no room for a line, and so for none after it' => sub {
	my $box = box(spool => letter(1));

	$box->login->quit;		# makes it
	open my $trace, '>>', $box->trace or die "trace: $!";
	print $trace 'x' x ((1 << 20) - 21 - -s $box->trace), "\n";
	close $trace or die "trace: $!";
	my $before = slurp($box->trace);
	my $s = $box->session(under => [ 'sh', '-c',
	    'ulimit -f 2048 && exec "$0" "$@"' ]);
	eventually { -s $box->trace > length $before };
	like(substr(slurp($box->trace), length $before),
	    qr/\A\w{3} [ \d]\d [\d:]{8} popp\z/, 'a line as far as it went');
	truncate $box->trace, length $before or die "trace: $!";
	is($s->command('USER alice'), '+OK Password required for alice.',
	    'the session goes on');
	is($s->command('NOOP'), '-ERR The NOOP command is not possible now.',
	    'and refuses, as it would log');
	$s->quit;
	is(slurp($box->trace), $before, 'no line although there is room again');
};

case 'descriptors that are closed at the start: no file takes their place' => sub {
	my $box = box();
	my @close = ('/bin/sh', '-c', 'exec "$@" 2>&-', 'sh');

	my $s = $box->login(under => \@close);
	like($s->quit, qr/^\+OK/, '2: a session');
	like($box->log, qr/ end user=alice .* reason=quit /, 'which the log has to the end');
	my $before = $box->log;
	$close[2] = 'exec "$@" 1>&-';
	$s = $box->session(under => \@close, greeting => 0);
	is($s->slurp, '', '1: none');
	is($s->wait >> 8, 1, 'exit status');
	is($box->log, $before, 'and no reply in the log');
};

case 'more descriptors than can be waited for: a failure with its cause' => sub {
	my $box = box();
	my $open = 'use POSIX "dup2"; dup2(0, $_) for 3 .. 1023; exec @ARGV';
	my @under = ('/bin/sh', '-ec', 'ulimit -n 1100; exec "$@"', 'sh', $^X, '-e',
	    $open, '--');

	plan skip_all => 'no descriptor 1024 here'
	    if system("@under[0, 1] 'ulimit -n 1100' 2>/dev/null") != 0;
	my $s = $box->session(under => \@under);
	$s->command('USER alice');
	is($s->command('PASS s3cret'), '-ERR [SYS/TEMP] Accounts cannot be looked up now.',
	    'the reply');
	is($s->wait, 0, 'exit status');
	like($box->log, qr/ cannot check accounts: .* user=alice: (?:Too many open|No) file.*$/m,
	    'the log');
};

case 'bad usage: exit status 64 and a word about it' => sub {
	my $box = box();

	for my $args ('-Z', '-i', '-i x', '-i -1', '-w 1x', 'extra',
	    '-f 99999999999999999999') {
		my $said = qx{'$Popper::binary' -p '@{[$box->passwd]}' $args </dev/null 2>&1 >'@{[$box->dir]}/out'};
		is($? >> 8, 64, "popper $args: exit status");
		like($said, qr/\Ausage: popper [^\0]+\n\z/, 'what was meant');
		is(slurp($box->dir . '/out'), '', 'and none to the client');
	}
};

case 'descriptor 2 stays silent, whatever happens' => sub {
	my $box = box(spool => "no mbox\n");

	# The library fails the test for any word there.
	for my $lines (['USER alice', 'PASS s3cret'], ['USER alice', 'PASS x'],
	    ['FOO', 'QUIT']) {
		my $s = $box->session(args => ['-d', '-w', 1]);
		$s->send(@$lines, 'QUIT');
		$s->slurp;
		is($s->wait, 0, "@$lines");
	}
	my $s = box(args => ['-t', '/nonexistent/trace'])->session(
	    greeting => 0, trace => 0);
	$s->send('QUIT');
	$s->slurp;
	$s->wait;
	pass('a trace file that cannot be opened');
};

# The address that a parent tells: the environment, what the log has, and
# whether it is this machine's, from which -P local takes passwords.
for (['192.0.2.1', '192.0.2.1', 0], ['::ffff:192.0.2.1', '192.0.2.1', 0],
    ['::FFFF:c000:201', '192.0.2.1', 0],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1', 0],
    ['2001:DB8:0::1', '2001:db8::1', 0], ['::fffe:127.0.0.1', '::fffe:7f00:1', 0],
    ['127.0.0.1', '127.0.0.1', 1], ['127.255.0.3', '127.255.0.3', 1],
    ['128.0.0.1', '128.0.0.1', 0], ['::1', '::1', 1],
    ['0:0:0:0:0:0:0:1', '::1', 1], ['::ffff:127.0.0.1', '127.0.0.1', 1],
    ['::ffff:7f12:3456', '127.18.52.86', 1], ['::2', '::2', 0],
    ['127.example.org', '127.example.org', 0], ['127.', '127.', 0],
    ["::1\n", '::1\x0a', 0], ['fe80::1%eth0', 'fe80::1%eth0', 0]) {
	my ($env, $addr, $may) = @$_;

	case 'the client is ' . show($env) => sub {
		my %way = (
			TCPREMOTEIP => [over => 'pipe', args => ['-P', 'local']],
			REMOTE_HOST => [over => 'pipe', args => ['-P', 'local']],
			'REMOTE_HOST, stunnel' => [over => 'tcp',
			    args => ['-T', '-P', 'local']],
		);
		for my $way (sort keys %way) {
			my $box = box();
			my $s = $box->session(@{ $way{$way} },
			    env => { $way =~ s/,.*//r => $env });
			like($s->command('USER alice'), $may || $way =~ /,/ ?
			    qr/^\+OK / : qr/^-ERR \[AUTH\] /, "$way: USER");
			$s->quit;
			is_deeply([$box->log =~ / start addr=(\S+) /g], [$addr],
			    "$way: the log");
		}
	};
}

done_testing;
