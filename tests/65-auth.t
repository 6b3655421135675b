# Who gets in by what: AUTH (RFC 5034, RFC 4616), APOP (RFC 1939 7), lists of
# users, programs with the interface of checkpassword, PAM by one of them.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use FindBin qw($Bin);
use MIME::Base64 qw(encode_base64);
use Test::More;
use Popper;
use Service;

sub b64 { return encode_base64(join("\0", @_), '') }

# What is logged of refused logins: the reasons, in order.
sub reasons { return $_[0]->log =~ / failed login user=\S+ addr=\S+ reason=(\S+)$/mg }

# A file in the box, for root or whoever tests.
sub file {
	my ($box, $name, $text, $mode) = @_;
	Service::write_file($box->dir . "/$name", $text, $mode // 0600);
	chmod $mode // 0600, $box->dir . "/$name";
	return $box->dir . "/$name";
}

# ---- AUTH -------------------------------------------------------------------

my $RIGHT = b64('', 'alice', 's3cret');

case 'AUTH PLAIN: with the response at once [RFC 5034 4, RFC 4616 2]' => sub {
	my $box = box();

	for my $line ("AUTH PLAIN $RIGHT", "auth plain $RIGHT",
	    'AUTH PLAIN ' . b64('alice', 'alice', 's3cret')) {
		$box->session->dialog(<<~"END");
			C: $line
			S: +OK *
			C: STAT
			S: +OK 2 48
			C: QUIT
			S: +OK *
			-- closed
			END
	}
	unlike($box->log, qr/\Q$RIGHT\E|s3cret/, 'the log has no password');
};

case 'AUTH PLAIN: the response after an empty challenge [RFC 5034 4]' => sub {
	my $box = box();
	$box->session->dialog(<<~"END");
		C: AUTH PLAIN
		S: +\x20
		C: $RIGHT
		S: +OK *
		C: STAT
		S: +OK 2 48
		END
	$box->session->dialog(<<~"END");
		C: AUTH PLAIN
		C: $RIGHT
		C: STAT
		S: +\x20
		S: +OK *
		S: +OK 2 48
		END
	unlike($box->log, qr/\Q$RIGHT\E|s3cret/, 'the log has no password');
};

case 'AUTH: a cancelled one changes nothing [RFC 5034 4]' => sub {
	my $box = box();
	$box->session->dialog(<<~"END");
		C: AUTH PLAIN
		S: +\x20
		C: *
		S: -ERR *
		C: AUTH PLAIN
		S: +\x20
		C: *
		S: -ERR *
		C: USER alice
		S: +OK *
		C: AUTH PLAIN
		S: +\x20
		C: *
		S: -ERR *
		C: PASS s3cret
		S: +OK *
		END
	is_deeply([reasons($box)], [], 'and is no failed login');
};

case 'AUTH: what is not base64 is refused, and changes nothing [RFC 5034 4]'
    => sub {
	my $s = box()->session;

	for my $bad ('=AAA', 'AAA=BBB', '!!!!', '=', '====', 'AAA', 'A',
	    substr($RIGHT, 0, -1), "$RIGHT=", "$RIGHT====", 'AAAA*',
	    "\xc3\xa9AA") {
		like($s->command("AUTH PLAIN $bad"), qr/^-ERR [^[]/,
		    show($bad) . ' at once');
		$s->dialog("C: AUTH PLAIN\nS: + \nC: $bad\nS: -ERR *\n");
	}
	$s->dialog("C: AUTH PLAIN\nS: + \nC: \nS: -ERR *\n");
	$s->dialog("C: AUTH PLAIN\nS: + \nC: a\x01b\nS: -ERR *\n");
	like($s->command("AUTH PLAIN $RIGHT"), qr/^\+OK/, 'then the right one');
};

case 'AUTH PLAIN: messages of another form are refused [RFC 4616 2]' => sub {
	my $s = box()->session;

	for my $bad ([''], ['alice'], ['alice', 's3cret'], ['', '', 's3cret'],
	    ['', 'alice', ''], ['', '', ''], ['', 'alice', 's3', 'cret'],
	    ['', 'alice', 's3cret', ''], ["", "al\nice", 's3cret'],
	    ["", "alice", "s3cret\r"], ["\x7f", "alice", 's3cret']) {
		like($s->command('AUTH PLAIN ' . (b64(@$bad) || '=')),
		    qr/^-ERR [^[]/, show(join '|', @$bad));
	}
	like($s->command("AUTH PLAIN $RIGHT"), qr/^\+OK/, 'then the right one');
};

case 'AUTH PLAIN: wrong passwords and other users\' maildrops [RFC 3206 5]'
    => sub {
	my $box = box(accounts => { alice => 's3cret', bob => 'b0b' });
	my %said;

	for (['', 'alice', 'wrong', 'password'], ['', 'nobody', 'x', 'unknown'],
	    ['bob', 'alice', 's3cret', 'proxy'], ['', 'bob', 's3cret', 'password'],
	    ['alice', 'bob', 'b0b', 'proxy']) {
		my ($reason, @response) = (pop @$_, @$_);
		my $s = $box->session;
		my $reply = $s->command('AUTH PLAIN ' . b64(@response));
		is($s->slurp, '', 'the end');
		is((reasons($box))[-1], $reason, "the log: $reason");
		$reply =~ s/$response[1]/NAME/;
		$said{$reply}++;
	}
	is(scalar keys %said, 1, 'one text') or diag(explain(\%said));
	like((keys %said)[0], qr/^-ERR \[AUTH\]/, 'with its code');
};

case 'AUTH PLAIN: responses of 767 octets are read, longer ones refused [RFC 4616 2]'
    => sub {
	my $long = 'x' x 255;
	my $box = box(accounts => { alice => $long });
	my $s = $box->session;

	for my $octets (1028, 2000, 5000, 100_000) {
		$s->dialog("C: AUTH PLAIN\nS: + \n");
		$s->send('A' x $octets);
		like($s->reply('the response'), qr/^-ERR [^[]/,
		    "$octets octets");
	}
	$s->dialog("C: AUTH PLAIN\nS: + \nC: " . b64($long, $long, $long)
	    . "\nS: -ERR [AUTH] *\n-- closed\n");
	$box->session->dialog("C: AUTH PLAIN\nS: + \nC: "
	    . b64('', 'alice', $long) . "\nS: +OK *\n");
	is_deeply([reasons($box)], ['unknown'], 'the log');
};

case 'AUTH: other mechanisms, and other times [RFC 5034 4]' => sub {
	my $s = box()->session;

	for my $mechanism (qw(FOOBAR LOGIN CRAM-MD5 EXTERNAL PLAI PLAINX)) {
		like($s->command("AUTH $mechanism"), qr/^-ERR [^[]/,
		    $mechanism);
	}
	like($s->command("AUTH PLAIN $RIGHT x"), qr/^-ERR/, 'a word too many');
	is($s->text('AUTH'), "PLAIN\r\n", 'AUTH alone lists what there is');
	$s->command('USER alice');
	is($s->text('AUTH'), "PLAIN\r\n", 'also after USER');
	like($s->command('AUTH FOOBAR'), qr/^-ERR [^[]/, 'FOOBAR after USER');
	like($s->command('PASS'), qr/^-ERR Too few/, 'then PASS may come');
	like($s->command("AUTH PLAIN $RIGHT"), qr/^\+OK/, 'AUTH after USER');
	like($s->command("AUTH PLAIN $RIGHT"), qr/^-ERR/, 'a second one');
	like($s->command('AUTH'), qr/^-ERR/, 'AUTH alone after login');
	is($s->command('STAT'), '+OK 2 48', 'the session goes on');
};

case 'AUTH: lines of up to 255 octets, and longer ones [RFC 2449 4]' => sub {
	my $box = box(accounts => { alice => 'x' x 173 });
	my $response = b64('', 'alice', 'x' x 173);
	my $line = "AUTH PLAIN $response";

	is(length $line, 251, 'a line that fits');
	like($box->session->command($line), qr/^\+OK/, 'is taken');
	my $s = $box->session;
	like($s->command("AUTH PLAIN  \x20\x20$response"), qr/^-ERR [^[]/,
	    'one of 256 octets is not');
	like($s->command('CAPA'), qr/^\+OK/, 'and the session goes on');
};

case 'AUTH: a client that goes away, or is silent, after the challenge' => sub {
	my $box = box();
	my $s = $box->session;

	$s->dialog("C: AUTH PLAIN\nS: + \n");
	$s->send_raw($RIGHT);
	$s->close;
	is($s->wait, 0, 'exit status');
	like($box->log, qr/ end user=- .* reason=lost /, 'lost');
	$s = $box->session(args => ['-l', 1]);
	$s->dialog("C: AUTH PLAIN\nS: + \n-- closed\n");
	is($s->wait, 0, 'exit status');
	like($box->log, qr/ end user=- .* reason=timeout /, 'time-out');
	unlike($box->log, qr/ login user=/, 'no login');
};

# ---- APOP -------------------------------------------------------------------

sub secrets {
	my ($box, $text) = @_;
	return ('-a', file($box, 'secrets', $text // "# comment\n\nbob:x\n" .
	    "alice:tanstaaf\nlong:" . 'y' x 300 . "\nempty:\nghost:boo\n"));
}

sub stamp { return $_[0]->greeting =~ /(<[^<>\s]+@[^<>\s]+>)\z/ ? $1 : undef }

my %apop = (accounts => { alice => 's3cret', empty => 'e', other => 'o' });

case 'APOP: by the digest of the greeting\'s timestamp and the secret [RFC 1939 7]'
    => sub {
	my $box = box(%apop);
	my $s = $box->session(args => [secrets($box)]);

	$s->dialog('C: APOP alice ' . md5_hex(stamp($s) . 'tanstaaf') .
	    "\nS: +OK *\nC: STAT\nS: +OK 2 48\n");
	unlike($box->log, qr/tanstaaf/, 'the log has no secret');
};

# A session on a machine of that name.
sub session_at {
	my ($box, $name, @args) = @_;
	return $box->session(args => \@args, under => [ 'unshare', '--uts', $^X,
	    '-e', <<~'END', $name ]);
		my $name = shift;
		open my $file, '>', '/proc/sys/kernel/hostname' or die $!;
		print $file "$name\n" or die $!;
		close $file or die $!;
		exec @ARGV;
		END
}

case 'APOP: the host\'s name as the domain of a msg-id [RFC 1939 7, RFC 822 6.1]'
    => sub {
	needs('root');
	plan skip_all => 'no UTS namespace can be made'
	    if system('unshare --uts true 2>/dev/null') != 0;
	my $box = box(%apop);
	my @args = secrets($box);

	for (['mail.example.org', 'mail.example.org'], ["bj\xf6rn", 'bjrn'],
	    ["\xe4\xb8\xad.example", 'example'], ["\xff\x80", 'localhost'],
	    ['', 'localhost'], ['(none)', 'localhost'], ['...', 'localhost'],
	    ['.a..b.', 'a.b'], ['a b', 'ab'], ['a<b>@c', 'abc'],
	    ["a\x7f\tb_-9", 'ab_-9'], ['m' x 64, 'm' x 64]) {
		my ($name, $host) = @$_;
		my $s = session_at($box, $name, @args);
		my $title = "'" . show($name) . "'";

		like($s->greeting, qr/^\+OK popper \d+\.\d+ at \Q$host\E ready\. <\d+\.\d+\.\d+\@\Q$host\E>\z/,
		    "$title: the greeting");
		like($s->command('APOP alice ' . md5_hex(stamp($s) . 'tanstaaf')),
		    qr/^\+OK /, "$title: the login");
		is($s->quit, "+OK popper at $host signing off.", "$title: QUIT");
	}
};

case 'APOP: no two greetings have one timestamp [RFC 1939 7]' => sub {
	my $box = box(%apop);
	my @s = map { $box->session(args => [secrets($box)]) } 1 .. 5;
	my %stamp = map { stamp($_) => 1 } @s;

	is(scalar keys %stamp, 5, 'five');
	like($s[1]->command('APOP alice ' . md5_hex(stamp($s[0]) . 'tanstaaf')),
	    qr/^-ERR \[AUTH\]/, 'and one is of no use for another');
};

case 'APOP: what does not fit is refused in the words for passwords [RFC 3206 5]'
    => sub {
	my $box = box(%apop);
	my @args = secrets($box);
	my %said;

	for (['alice', 'wrong', 'digest'], ['alice', '', 'digest'],
	    ['other', 'tanstaaf', 'nosecret'], ['empty', '', 'nosecret'],
	    ['nobody', 'tanstaaf', 'unknown'], ['ghost', 'boo', 'unknown'],
	    ['#', 'comment', 'unknown']) {
		my ($user, $secret, $reason) = @$_;
		my $s = $box->session(args => \@args);
		my $reply = $s->command("APOP $user " .
		    md5_hex(stamp($s) . $secret));
		is($s->slurp, '', "$user, '$secret'");
		is((reasons($box))[-1], $reason, $reason);
		$reply =~ s/"\Q$user\E"/NAME/;
		$said{$reply}++;
	}
	is(scalar keys %said, 1, 'one text') or diag(explain(\%said));
	like((keys %said)[0], qr/^-ERR \[AUTH\]/, 'with its code');

	for my $change (sub { uc }, sub { substr $_[0], 0, 31 },
	    sub { "$_[0]0" }, sub { 'x' x 32 }, sub { '0' }) {
		my $s = $box->session(args => \@args);
		local $_ = md5_hex(stamp($s) . 'tanstaaf');
		my $digest = $change->($_);
		like($s->command("APOP alice $digest"),
		    $digest eq $_ ? qr/^\+OK/ : qr/^-ERR \[AUTH\]/, $digest);
	}
};

case 'APOP: its users send no password in the clear [RFC 1939 13]' => sub {
	my $box = box(%apop);
	my @args = secrets($box);
	my $s = $box->session(args => \@args);

	$s->dialog("C: USER alice\nS: +OK *\nC: PASS s3cret\nS: -ERR [AUTH] *\n");
	$s = $box->session(args => \@args);
	$s->dialog("C: AUTH PLAIN $RIGHT\nS: -ERR [AUTH] *\n-- closed\n");
	is_deeply([reasons($box)], ['apop', 'apop'], 'the log');
	is($box->login(args => [@args, '-T'])->command('STAT'), '+OK 2 48',
	    'under TLS they may');
	$box->put(FX1, 'other');
	is($box->login(args => \@args, user => 'other', password => 'o')->
	    command('STAT'), '+OK 2 48', 'and others may anyhow');
};

case 'APOP: a secrets file that others could read or write is not used' => sub {
	my $box = box(%apop);
	my ($option, $path) = secrets($box);
	my $n = 0;

	my $refused = sub {
		my ($what) = @_;
		for my $try (sub { 'APOP alice ' . md5_hex(stamp($_[0]) .
		    'tanstaaf') }, sub { "AUTH PLAIN $RIGHT" }) {
			my $s = $box->session(args => [$option, $path]);
			like($s->command($try->($s)), qr/^-ERR \[SYS\/PERM\]/,
			    $what);
			is($s->slurp, '', 'the end');
			is($s->wait, 0, 'exit status');
			$n++;
		}
	};
	for my $mode (0640, 0604, 0620, 0602, 0660) {
		chmod $mode, $path;
		$refused->(sprintf 'mode %04o', $mode);
	}
	chmod 0600, $path;
	if ($> == 0) {
		chown $Popper::uid, -1, $path;
		$refused->('the account is its owner');
		chown 0, -1, $path;
	}
	rename $path, "$path.x";
	mkdir $path;
	$refused->('a directory');
	rmdir $path;
	$refused->('no file');
	rename "$path.x", $path;
	is(scalar(() = $box->log =~ / login: cannot check accounts: \Q$path\E user=\S+: /g),
	    $n, 'one line in the log for each');
	my $s = $box->session(args => [$option, $path]);
	like($s->command('APOP alice ' . md5_hex(stamp($s) . 'tanstaaf')),
	    qr/^\+OK/, 'mode 0600 is well');
};

case 'APOP: needs its two words, and to come first' => sub {
	my $box = box(%apop);
	my $s = $box->session(args => [secrets($box)]);

	like($s->command($_), qr/^-ERR [^[]/, $_)
	    for 'APOP', 'APOP alice', 'APOP alice x y';
	$s->command('USER alice');
	like($s->command('APOP alice x'), qr/^-ERR [^[]/, 'after USER');
	my $long = 'APOP ' . 'n' x 200 . ' x';
	$s = $box->session(args => [secrets($box)]);
	like($s->command($long), qr/^-ERR \[AUTH\]/, 'a name of 200 octets');
};

# ---- who may ----------------------------------------------------------------

case 'lists of users: -A lets in whom it has, -N all but those it has, -u by number'
    => sub {
	my $box = box(accounts => { alice => 's3cret', bob => 's3cret' });
	my $two = file($box, 'two', "# alice is not here\n\nbob\ncarol:x\n");
	my $one = file($box, 'one', "alice\nal\n", 0644);
	my $none = file($box, 'none', '');

	for ([['-A', $one], 1], [['-A', $two], 'notallowed'],
	    [['-A', $none], 'notallowed'], [['-N', $one], 'denied'],
	    [['-N', $two], 1], [['-N', $none], 1],
	    [['-A', $one, '-N', $one], 'denied'],
	    [['-A', $one, '-N', $two], 1],
	    [['-u', $Popper::uid], 1], [['-u', $Popper::uid + 1], 'uid']) {
		my ($args, $want) = @$_;
		my $what = join(' ', @$args) =~ s{\S*/}{}gr;
		for my $password ('s3cret', 'wrong') {
			my $s = $box->session(args => $args);
			$s->command('USER alice');
			my $reply = $s->command("PASS $password");
			if ($want eq '1') {
				like($reply, $password eq 's3cret' ? qr/^\+OK/
				    : qr/^-ERR \[AUTH\]/, "$what, $password");
				next;
			}
			is($reply, '-ERR [AUTH] Password supplied for ' .
			    '"alice" is incorrect.', "$what, $password");
			is((reasons($box))[-1], $want, "the log: $want");
		}
	}
};

case 'lists of users: a file that others write, or that is missing, lets nobody in'
    => sub {
	my $box = box();
	my $list = file($box, 'list', "alice\n");

	for my $option ('-A', '-N') {
		for my $how (sub { chmod 0620, $list }, sub { chmod 0602, $list },
		    sub { chmod 0600, $list; rename $list, "$list.x" }) {
			$how->();
			for my $user ('alice', 'nobody-has-it', '../alice') {
				my $s = $box->session(args => [$option, $list]);
				$s->send("USER $user", 'PASS s3cret');
				like($s->slurp,
				    qr/^-ERR \[SYS\/PERM\] [^\r\n]*\r\n\z/m,
				    "$option, $user");
			}
		}
		rename "$list.x", $list;
	}
};

case 'bad commands: in the end the line closes' => sub {
	for my $login (0, 1) {
		my $box = box();
		my $s = $login ? $box->login(args => ['-f', 60]) :
		    $box->session;
		my $n = 0;

		$s->send(map { "BAD$_" } 1 .. 100);
		my @said = split /\r\n/, $s->slurp;
		is(scalar(grep { !/^-ERR / } @said), 0, 'nothing but -ERR');
		cmp_ok(scalar @said, '<', 100, scalar(@said) . ' replies' .
		    ($login ? ' after login, and no delay' : ''));
		is($s->wait, 0, 'exit status');
		like($box->log, qr/ end .* reason=error /, 'the log');
	}
};

case 'commands that are refused before login: in the end the line closes' => sub {
	for my $refused ('STAT', 'AUTH FOO', 'AUTH', 'APOP alice x',
	    "AUTH PLAIN\r\n*") {
		my $box = box();
		my $s = $box->session;

		$s->send(($refused) x 200);
		$s->slurp;
		is($s->wait, 0, show($refused) . ': exit status');
		like($box->log, qr/ end .* reason=error /, 'the log');
		cmp_ok(scalar(() = $box->log =~ / refused /g), '<', 60,
		    'has a line for each, and they are few');
	}
};

# A clock that ran on proves it: the reply cannot have come before.
case 'bad commands: before login each takes longer, a signal ends the wait' => sub {
	my $box = box();
	my $s = $box->session(args => ['-f', 1]);
	my $start = now();

	$s->command("BAD$_") for 1 .. 5;
	cmp_ok(now() - $start, '>=', 1, 'the fifth');
	$s->send('BAD6');
	$s->kill('TERM');
	$s->slurp;
	is($s->wait, 0, 'exit status');
	like($box->log, qr/ end .* reason=signal /, 'the log');
	like($s = $box->login->command('STAT'), qr/^\+OK/,
	    'nobody else waits');
};

# Without an end at the time to log in these would take 46 delays.
case 'bad commands: sent all at once they do not lengthen the time to log in' => sub {
	my $box = box();
	my $s = $box->session(args => ['-f', 60, '-l', 1]);

	$s->send(('BAD') x 50);
	is($s->slurp, '', 'the end, without a word');
	is($s->wait, 0, 'exit status');
	like($box->log, qr/ end .* reason=timeout .* seconds=[1-9]$/m, 'the log');
};

# ---- checkpassword ----------------------------------------------------------

# A program that keeps what it was given, and then does as the words of sh say.
sub checker {
	my ($box, $words) = @_;
	my $dir = $box->dir;
	my $path = file($box, 'checker', <<"END", 0755);
#!/bin/sh
cat <&3 >'$dir/given.new'
echo "\$*" >'$dir/words'
(ls -l /proc/\$\$/fd && tr '\\0' '\\n' </proc/\$\$/environ) >'$dir/seen' 2>/dev/null
echo \$\$ >'$dir/pid'
echo noise; echo noise >&2
mv '$dir/given.new' '$dir/given'
$words
END
	return ('-c', $path);
}

case 'checkpassword: exit 0 is right, 1 is wrong; USER and PASS, and AUTH' => sub {
	my $box = box(accounts => { alice => { hash => '*' } });
	my @args = checker($box, "tr '\\0' '\\n' <'" . $box->dir .
	    "/given' | sed -n 2p | grep -qx 'p w' && exec \"\$@\"; exit 1");

	is($box->login(args => \@args, password => 'p w')->command('STAT'),
	    '+OK 2 48', 'PASS');
	like($box->session(args => \@args)->command('AUTH PLAIN ' .
	    b64('', 'alice', 'p w')), qr/^\+OK/, 'AUTH');
	for my $wrong ("USER alice\r\nPASS wrong", 'AUTH PLAIN ' .
	    b64('', 'alice', 'wrong')) {
		my $s = $box->session(args => \@args);
		$s->send($wrong);
		like($s->slurp, qr/^-ERR \[AUTH\] [^\r\n]*\r\n\z/m, 'wrong');
	}
	is_deeply([reasons($box)], ['password', 'password'], 'the log');
};

case 'checkpassword: it sees name, password and time on descriptor 3, and little else'
    => sub {
	needs('proc');
	my $box = box(accounts => { alice => { hash => '*' } });
	my $s = $box->login(args => [checker($box, 'exit 0')],
	    password => 'p w', env => { LEAK => 'leaked' });
	my ($given, $seen) = map { slurp($box->dir . "/$_") } 'given', 'seen';

	like($given, qr/\Aalice\0p w\0Y\d{9,}\0\z/, 'three strings');
	like(slurp($box->dir . '/words'), qr{^/\S+$}m, 'a program to run');
	my %fd = $seen =~ /(\d+) -> (.*)/g;
	is($fd{$_}, '/dev/null', "descriptor $_") for 0, 1, 2;
	like($fd{3}, qr/^pipe:/, 'descriptor 3');
	delete @fd{0 .. 3};
	delete $fd{$_} for grep { $fd{$_} =~ m{/checker$} } keys %fd;
	is_deeply(\%fd, {}, 'and no other') or diag($seen);
	unlike($seen, qr/leak|SSL|REMOTE/i, 'an environment of popper\'s own');
	like($seen, qr/^PATH=/m, 'with a PATH');
	unlike($box->log, qr/p w/, 'the log has no password');
};

# It is asked all the same: its time must not tell who there is.
case 'checkpassword: whoever may not log in anyhow is refused as ever' => sub {
	my $box = box(accounts => { alice => 's3cret', root => {
	    password => 's3cret', uid => 0 } });
	my $deny = file($box, 'deny', "alice\n");

	for (['exit 0', 'denied', 'root', 'unknown', 'unknown'],
	    ['exit 1', 'denied', 'root', 'unknown', 'unknown']) {
		my ($words, @reason) = @$_;
		my @args = (checker($box, $words), '-N', $deny);
		for my $user ('alice', 'root', 'nobody', 'n' x 100) {
			unlink $box->dir . '/given';
			my $s = $box->session(args => \@args);
			$s->send("USER $user", 'PASS s3cret');
			like($s->slurp, qr/^-ERR \[AUTH\] [^\r\n]*\r\n\z/m,
			    substr($user, 0, 10) . ", $words");
			is((reasons($box))[-1], shift @reason, 'the log');
			ok(-e $box->dir . '/given', 'it was asked');
		}
	}
};

# The one reply, the one line, and the next session, which is none the worse.
my $temp = '-ERR [SYS/TEMP] Accounts cannot be looked up now.';
my $perm = '-ERR [SYS/PERM] Accounts cannot be looked up; tell the administrator.';
my %trouble = (
	'exits with 111' => [ 'exit 111', $temp, 'exit status 111' ],
	'exits with 3' => [ 'exit 3', $temp, 'exit status 3' ],
	'exits with 75' => [ 'exit 75', $temp, 'exit status 75' ],
	'is misused' => [ 'exit 2', $perm, 'exit status 2' ],
	'is not configured' => [ 'exit 78', $perm, 'exit status 78' ],
	'crashes' => [ 'kill -SEGV $$', $temp, 'signal 11' ],
	'is killed' => [ 'kill -KILL $$', $temp, 'signal 9' ],
	'cannot run what it should' => [ 'exec /nonexistent/program', $perm,
	    'exit status 127' ],
);
for my $what (sort keys %trouble) {
	case "checkpassword: a program that $what: trouble, and not the user's [RFC 3206 4]"
	    => sub {
		my $box = box();
		my ($words, $reply, $cause) = @{ $trouble{$what} };
		in_trouble($box, (checker($box, $words))[1], $reply, $cause);
	};
}

case 'checkpassword: a program that is not there, or cannot be run [RFC 3206 4]'
    => sub {
	my $box = box();
	in_trouble($box, $box->dir . '/nothing', $perm, 'No such file or directory');
	in_trouble($box, file($box, 'noexec', "#!/bin/sh\nexit 0\n"), $perm,
	    'Permission denied');
	in_trouble($box, file($box, 'noshell', "#!/nonexistent\n", 0755), $perm,
	    'No such file or directory');
	in_trouble($box, file($box, 'noformat', "exit 0\n", 0755), $perm,
	    'Exec format error');
	in_trouble($box, $box->dir, $perm, 'Permission denied');
};

case 'checkpassword: one that does not end is killed when the login time is over'
    => sub {
	my $box = box();
	in_trouble($box, (checker($box, 'exec sleep 60'))[1], $temp,
	    'Connection timed out', '-l', 2);
};

sub in_trouble {
	my ($box, $program, $reply, $cause, @args) = @_;
	my $s = $box->session(args => ['-c', $program, @args]);

	$s->send('USER alice');
	is($s->reply('USER'), '+OK Password required for alice.', 'USER');
	$s->send('PASS s3cret');
	is($s->slurp, "$reply\r\n", 'one reply, and the end');
	is($s->wait, 0, 'exit status');
	is(join('', ($box->log =~ /: (login: .*\n)/g)[-1]),
	    "login: cannot check accounts: $program user=alice: $cause\n", 'the log');
	unlike($box->log, qr/ login user=/, 'no login');
	is_deeply([reasons($box)], [], 'and no failed one');
	is($box->login(trace => 0)->command('STAT'), '+OK 2 48',
	    'the next session');
}

case 'checkpassword: it is asked about passwords of every length' => sub {
	my $box = box();
	my @args = checker($box, 'exit 1');

	for my $length (1, 255, 600, 760) {
		my $password = 'p' x $length;
		my $s = $box->session(args => \@args);
		$s->send('AUTH PLAIN', b64('', 'alice', $password));
		like($s->slurp, qr/^-ERR \[AUTH\] /m, "$length octets");
		like(slurp($box->dir . '/given'), qr/\Aalice\0$password\0Y/,
		    'it sees all of them');
	}
};

case 'checkpassword: a slow one is waited for' => sub {
	my $box = box();
	is($box->login(args => [checker($box, 'sleep 1.2; exit 0')])->
	    command('STAT'), '+OK 2 48', 'a login');
};

case 'checkpassword: a signal ends the wait for it' => sub {
	my $box = box();
	my $s = $box->session(args => [checker($box, 'exec sleep 60')]);

	$s->send('USER alice', 'PASS s3cret');
	ok((eventually { -e $box->dir . '/given' }), 'it is run');
	$s->kill('TERM');
	unlike($s->slurp, qr/messages/, 'no login');
	is($s->wait, 0, 'exit status');
	kill 'KILL', map { /^(\d+)$/ } slurp($box->dir . '/pid') // '';
	unlike($box->log, qr/ login user=/, 'the log');
	is($box->login->command('STAT'), '+OK 2 48', 'the next session');
};

# ---- PAM --------------------------------------------------------------------

my @services;
END { unlink map { "/etc/pam.d/$_" } @services }

# A service of PAM, and a program that asks it.
sub pam {
	my ($box, $text) = @_;
	my $name = "popper-test-$$-" . @services;

	push @services, $name;
	Service::write_file("/etc/pam.d/$name", $text, 0644);
	return ('-c', file($box, $name, "#!/bin/sh\nexec $^X " .
	    "'$Bin/../contrib/checkpassword-pam' -s $name \"\$@\"\n", 0755));
}

sub pam_has {
	my ($module) = @_;
	return scalar grep { -e "$_/security/$module" } glob(
	    '/lib /lib/*-linux-gnu* /usr/lib /usr/lib/*-linux-gnu* /lib64');
}

# What PASS comes to: '+OK', or the code of the refusal.
sub outcome {
	my ($box, $password, @args) = @_;
	my $s = $box->session(args => \@args);
	$s->command('USER alice');
	return $s->command("PASS $password") =~ /^(\+OK|-ERR \[\S+\])/ && $1;
}

case 'PAM, by contrib/checkpassword-pam' => sub {
	needs('root');
	plan skip_all => 'libauthen-pam-perl is not installed'
	    unless eval { require Authen::PAM; 1 };
	my $box = box(accounts => { alice => { hash => '*' } });
	my @permit = pam($box, <<~'END');
		auth	required	pam_permit.so
		account	required	pam_permit.so
		END
	is(outcome($box, 'anything', @permit), '+OK', 'pam_permit');

	my @deny = pam($box, <<~'END');
		auth	required	pam_deny.so
		account	required	pam_permit.so
		END
	is(outcome($box, 'anything', @deny), '-ERR [AUTH]', 'pam_deny');

	$box->session(args => \@permit)->dialog("C: AUTH PLAIN\nS: + \nC: " .
	    b64('', 'alice', 'x' x 600) . "\nS: -ERR [AUTH] *\n-- closed\n");

	my @closed = pam($box, <<~'END');
		auth	required	pam_permit.so
		account	required	pam_deny.so
		END
	is(outcome($box, 'anything', @closed), '-ERR [AUTH]',
	    'the right password of a closed account');

	my @broken = pam($box, <<~'END');
		auth	required	pam_no_such_module.so
		account	required	pam_permit.so
		END
	is(outcome($box, 'anything', @broken), '-ERR [SYS/TEMP]',
	    'a module that is not there');

	SKIP: {
		skip('libpam-pwdfile is not installed', 4)
		    unless pam_has('pam_pwdfile.so');
		my $list = file($box, 'list', 'alice:' .
		    Popper::Box::hash('p w') . "\n");
		my @pwdfile = pam($box, <<~"END");
			auth	required	pam_pwdfile.so pwdfile=$list
			account	required	pam_permit.so
			END
		is(outcome($box, 'p w', @pwdfile), '+OK', 'a file: right');
		is(outcome($box, $_, @pwdfile), '-ERR [AUTH]', "wrong: '$_'")
		    for 'p', 'p w ', "p w\xff";
	}
	my @own = reasons($box);
	is(scalar(grep { $_ ne 'password' } @own), 0, 'the log');
};

done_testing;
