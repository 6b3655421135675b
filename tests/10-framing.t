# Lines and replies: RFC 1939 3, RFC 2449 3 and 4.

use strict;
use warnings;

use Test::More;
use Popper;

case 'greeting: one positive line of at most 512 octets [RFC 1939 4]' => sub {
	my $s = box()->session(greeting => 0);
	my $line = $s->read_line;

	like($line, qr/^\+OK [^\r\n]*\r\n\z/, 'the line');
	cmp_ok(length $line, '<=', 512, 'its length');
	unlike($line, qr/</, 'no APOP timestamp where APOP is not offered');
	$s->send('QUIT');
	like($s->slurp, qr/^\+OK [^\r\n]*\r\n\z/, 'nothing follows it unasked');
};

case 'replies: +OK or -ERR, one line, 512 octets [RFC 1939 3]' => sub {
	my $s = box()->login;

	# The library dies of a first line that has not this form.
	for my $line ('STAT', 'LIST 1', 'LIST 9', 'UIDL 1', 'NOOP', 'LAST',
	    'DELE 1', 'DELE 1', 'RSET', 'RETR 9', 'FOO', 'TOP', 'RPOP alice',
	    'X' x 40, 'XTND', 'APOP', 'AUTH FOO', '%s%n', ' STAT') {
		like($s->command($line), qr/^(\+OK|-ERR) /, $line);
	}
	$s->quit;
};

case 'replies: a space follows +OK, always [RFC 1957]' => sub {
	my $s = box()->session;

	like($s->greeting, qr/^\+OK /, 'greeting');
	for my $line ('USER alice', 'PASS s3cret', 'STAT', 'LIST 1', 'UIDL 1',
	    'NOOP', 'LAST', 'DELE 1', 'RSET') {
		like($s->command($line), qr/^\+OK /, $line);
	}
	for my $line ('CAPA', 'LIST', 'UIDL', 'RETR 1', 'TOP 1 0') {
		like(($s->text($line))[0], qr/^\+OK /, $line);
	}
	like($s->quit, qr/^\+OK /, 'QUIT');
};

case 'keywords: upper and lower case alike [RFC 1939 3]' => sub {
	for my $user ('user', 'UsEr', 'USER') {
		box()->session->dialog(<<~"END");
			C: $user alice
			S: +OK *
			C: pass s3cret
			S: +OK *
			C: sTaT
			S: +OK 2 48
			C: quit
			S: +OK *
			-- closed
			END
	}
};

case 'unknown commands: -ERR, and the session goes on [RFC 1939 3]' => sub {
	my $s = box()->session;

	$s->dialog(<<~'END');
		C: FOO
		S: -ERR *
		C: FOO bar baz
		S: -ERR *
		C: USER alice
		S: +OK *
		C: PASS s3cret
		S: +OK *
		C: FOO
		S: -ERR *
		C: STATUS
		S: -ERR *
		C: STA
		S: -ERR *
		C: STAT
		S: +OK 2 48
		END
};

case 'nothing but unknown commands: the session is ended, the mail is left' => sub {
	my $box = box();
	my $s = $box->login;
	my $replies = 0;

	$s->command('DELE 1');
	while ($replies < 10_000) {
		$s->send('FOO') or last;
		last unless ($s->read_line // '') =~ /^-ERR /;
		$replies++;
	}
	cmp_ok($replies, '>=', 10, 'some are forgiven');
	cmp_ok($replies, '<', 10_000, 'but not all');
	is($s->wait, 0, 'exit status');
	is($box->spool, FX1, 'the spool');
};

case 'an empty line: one -ERR [RFC 1939 3]' => sub {
	my $s = box()->session;

	$s->send('', 'CAPA');
	like($s->reply('an empty line'), qr/^-ERR /, 'before login');
	like($s->reply('CAPA'), qr/^\+OK /, 'one reply only');
	$s = box()->login;
	$s->dialog(<<~'END');
		C:
		C: STAT
		S: -ERR *
		S: +OK 2 48
		END
	$s->send_raw("   \r\nSTAT\r\n");
	like($s->reply('blanks'), qr/^-ERR /, 'a line of blanks');
	is($s->reply('STAT'), '+OK 2 48', 'one reply only');
};

case 'arguments: too many or too few of them are an error [RFC 1939 3]' => sub {
	my $s = box()->session;

	$s->dialog(<<~'END');
		C: USER
		S: -ERR *
		C: USER alice s3cret
		S: -ERR *
		C: CAPA x
		S: -ERR *
		C: QUIT now
		S: -ERR *
		C: USER alice
		S: +OK *
		C: PASS s3cret
		S: +OK *
		C: STAT x
		S: -ERR *
		C: LIST 1 2
		S: -ERR *
		C: UIDL 1 2
		S: -ERR *
		C: RETR
		S: -ERR *
		C: RETR 1 2
		S: -ERR *
		C: DELE
		S: -ERR *
		C: DELE 1 2
		S: -ERR *
		C: RSET 1
		S: -ERR *
		C: LAST 1
		S: -ERR *
		C: NOOP x
		S: -ERR *
		C: XTND
		S: -ERR *
		C: XTND FOO
		S: -ERR *
		C: TOP 1 2 3
		S: -ERR *
		C: QUIT now
		S: -ERR *
		C: STAT
		S: +OK 2 48
		END
};

case 'length: a line of 255 octets is taken whole [RFC 2449 4]' => sub {
	my $long = join '', map { chr 33 + $_ % 90 } 1 .. 255 - length "PASS \r\n";
	my $box = box(accounts => { alice => $long });
	my $s = $box->session;

	$s->dialog("C: USER alice\nS: +OK *\n");
	is(length "PASS $long\r\n", 255, 'the line with the password');
	like($s->command("PASS $long"), qr/^\+OK /, 'is understood');
};

case 'length: too long a line is one -ERR, and nothing of it a command [RFC 2449 4]'
    => sub {
	for my $octets (300, 600, 1030, 2100, 5000, 70_000) {
		my $s = box()->session;

		$s->send('X' x ($octets - 2), 'CAPA', 'USER alice',
		    'PASS s3cret', 'STAT');
		like($s->reply($octets), qr/^-ERR /, "$octets octets: refused");
		like($s->reply('CAPA'), qr/^\+OK /, 'the next line counts');
		$s->rest;
		$s->reply('USER');
		like($s->reply('PASS'), qr/^\+OK /, 'and so do the others');
		is($s->reply('STAT'), '+OK 2 48', 'in order');
	}
};

case 'length: an endless line costs no memory' => sub {
	needs('proc', 'plain');
	my $s = box()->session;
	my $before = memory($s->pid);

	$s->send_raw('A' x 1_000_000) for 1 .. 16;
	$s->send('', 'USER alice');
	like($s->reply('the line'), qr/^-ERR /, 'one -ERR');
	like($s->reply('USER'), qr/^\+OK /, 'then the next command');
	cmp_ok(memory($s->pid) - $before, '<', 512, 'kilobytes more');
};

case 'line ends: LF alone is good enough' => sub {
	my $s = box()->session;

	$s->send_raw("USER alice\nPASS s3cret\nSTAT\nQUIT\n");
	like($s->slurp, qr/^(\+OK [^\r\n]+\r\n){4}\z/, 'four replies');
};

case 'control octets: one -ERR, no harm [RFC 2449 3]' => sub {
	my $box = box();

	for my $octet (grep { !/[\n\r\t]/ } map { chr } 0 .. 31, 127) {
		my $name = sprintf '%02x', ord $octet;
		my $s = $box->login;

		$s->send_raw("ST${octet}AT\r\nNOOP$octet\r\nLIST ${octet}1\r\n"
		    . "RETR 1$octet\r\nSTAT\r\n");
		my @replies = map { $s->reply($name) } 1 .. 5;
		is_deeply([ map { substr $_, 0, 4 } @replies ],
		    [ ('-ERR') x 4, '+OK ' ], "octet $name");
		$s->quit;
	}
	my $s = $box->login;
	$s->send_raw("ST\rAT\r\nSTAT\r\n");
	like($s->reply('CR'), qr/^-ERR /, 'a CR inside the line');
	is($s->reply('STAT'), '+OK 2 48', 'one reply only');
	$s->quit;
	unlike($box->log, qr/[^\x0a\x20-\x7e]/, 'the log stays printable');
};

case 'control octets: not in a name or a password either' => sub {
	for my $line ("USER al\0ice", "USER alice\0", "\0USER alice",
	    "USER alice\e[2J") {
		my $s = box()->session;

		like($s->command($line), qr/^-ERR /, show($line));
		$s->dialog("C: USER alice\nS: +OK *\nC: PASS s3cret\nS: +OK *\n");
	}
	for my $line ("PASS s3cret\0", "PASS s3cret\0x", "PASS \0") {
		my $s = box()->session;

		$s->command('USER alice');
		like($s->command($line), qr/^-ERR /, show($line));
	}
};

case '8-bit octets: one reply, no harm' => sub {
	my $s = box()->session;

	for my $line ("\xd6\xc4\xdc", "CAP\xe4", "\xff" x 200,
	    join '', map { chr } 128 .. 255) {
		like($s->command($line), qr/^-ERR /, 'before login');
	}
	like($s->command("USER j\xf6rg"), qr/^(\+OK|-ERR) /, 'in a name');
	$s = box()->login;
	like($s->command($_), qr/^-ERR /, 'after login')
	    for "STAT\xa0", "\xa0STAT", "RETR \xb9", "RETR 1\xa0";
	is($s->command('STAT'), '+OK 2 48', 'the session goes on');
	$s->quit;
	unlike($s->box->log, qr/[^\x0a\x20-\x7e]/, 'the log stays printable');
};

case 'an unfinished last line is no command' => sub {
	my $box = box();
	my $s = $box->login;

	$s->dialog("C: DELE 1\nS: +OK *\n");
	$s->send_raw('QUIT');
	shutdown $s->{write}, 1;
	is($s->slurp, '', 'no reply');
	is($s->wait, 0, 'a lost session, no fault');
	is($box->spool, FX1, 'no update');
};

case 'PIPELINING: many commands in one segment, replies in order [RFC 2449 6.6]'
    => sub {
	my $s = box()->login;

	$s->dialog(<<~'END');
		C: STAT
		C: LIST
		C: NOOP
		C: RETR 2
		C: FOO
		C: STAT
		S: +OK 2 48
		S: +OK *
		S: 1 29
		S: 2 19
		S: .
		S: +OK *
		S: +OK *
		S: Subject: two
		S:
		S: x
		S: .
		S: -ERR *
		S: +OK 2 48
		END
};

case 'PIPELINING: a whole session in one segment' => sub {
	my $box = box();
	my $s = $box->session;

	$s->dialog(<<~'END');
		C: USER alice
		C: PASS s3cret
		C: LIST
		C: DELE 1
		C: QUIT
		S: +OK *
		S: +OK *
		S: +OK *
		S: 1 29
		S: 2 19
		S: .
		S: +OK *
		S: +OK *
		-- closed
		END
	unlike($box->spool, qr/one/, 'the last command took effect too');
};

case 'PIPELINING: ten thousand commands ahead of their replies' => sub {
	my $s = box()->login;

	for (1 .. 10) {
		$s->send_raw("NOOP\r\n" x 1000);
		is(scalar(grep { $s->reply('NOOP') eq '+OK ' } 1 .. 1000), 1000,
		    'a thousand replies');
	}
	is($s->command('STAT'), '+OK 2 48', 'and the session goes on');
};

case 'commands that come octet by octet are the same commands' => sub {
	my $s = box()->login;

	for my $octet (split //, "STAT\r\nLIST 1\r\nNOOP\r\n") {
		$s->send_raw($octet);
		Time::HiRes::sleep(0.002);
	}
	is($s->reply('STAT'), '+OK 2 48', 'STAT');
	is($s->reply('LIST 1'), '+OK 1 29', 'LIST 1');
	is($s->reply('NOOP'), '+OK ', 'NOOP');
};

case 'response codes: a text in brackets is a known code [RFC 2449 6.4]' => sub {
	my $box = box(accounts => {
		alice => 's3cret', '[bob]' => 'x', eve => { hash => '!' } });
	my @replies;

	for my $user ('alice', '[bob]', 'eve', '[AUTH', 'nobody') {
		my $s = $box->session;

		push @replies, $s->command('RPOP [x]'), $s->command('[FOO]'),
		    $s->command("USER $user"), $s->command('PASS wrong');
	}
	my $first = $box->login;
	my $s = $box->session;
	push @replies, $s->command('USER alice'), $s->command('PASS s3cret');
	push @replies, map { $first->command($_) } 'RETR 9', 'XTND [X]', '[', '';
	for (@replies) {
		next unless /^(?:\+OK|-ERR) \[/;
		like($_, qr/^-ERR \[(AUTH|IN-USE|SYS\/TEMP|SYS\/PERM)\] /, $_);
	}
	cmp_ok(scalar(grep { /\[AUTH\]/ } @replies), '>=', 5, 'codes were seen');
	cmp_ok(scalar(grep { /\[IN-USE\]/ } @replies), '==', 1, 'IN-USE too');
};

case 'CAPA: before and after login [RFC 2449 5]' => sub {
	my $s = box()->session;
	my $before = $s->text('CAPA');

	$s->dialog("C: USER alice\nS: +OK *\nC: PASS s3cret\nS: +OK *\n");
	my $after = $s->text('CAPA');
	for my $text ($before, $after) {
		for my $tag (qw(TOP USER UIDL PIPELINING RESP-CODES)) {
			like($text, qr/^$tag\r$/m, $tag);
		}
		ok(!(grep { length > 510 || /^[.]/ || !/^[!-~]+( [!-~]+)*$/ }
		    split /\r\n/, $text), 'lines of the form of RFC 2449 3');
		unlike($text, qr/^STLS/m, 'no STLS without a helper for it');
	}
};

# Simple clients read a multi-line reply up to the first full stop.
case 'multi-line replies: their first lines, none of which has a full stop' => sub {
	my $box = box();
	my ($mbox, $boards) = ($box->dir . '/news', $box->dir . '/boards');

	$box->put_file($mbox, FX1);
	$box->put_file($boards, "board news\nmaildrop $mbox\narchive $mbox\n");
	my $s = $box->session(args => [ '-b', $boards ]);
	my @first;
	my $walk = sub { push @first, map { "$_: " . ($s->text($_))[0] } @_ };

	$walk->('CAPA', 'AUTH');
	$s->command($_) for 'USER alice', 'PASS s3cret';
	$walk->('CAPA', 'LIST', 'UIDL', 'RETR 1', 'TOP 1 0',
	    'XTND XLST Subject', 'XTND XLST Subject 1', 'XTND BBOARDS',
	    'XTND X-BBOARDS news', 'XTND BBOARDS news', 'XTND ARCHIVE news',
	    'LIST');
	$s->quit;
	is(join("\n", @first), <<~'END' =~ s/\n\z//r, 'all of them');
		CAPA: +OK Capabilities follow
		AUTH: +OK Mechanisms follow
		CAPA: +OK Capabilities follow
		LIST: +OK 2 messages (48 octets)
		UIDL: +OK 2 messages (48 octets)
		RETR 1: +OK 29 octets
		TOP 1 0: +OK Top of message follows
		XTND XLST Subject: +OK xlst command accepted; headers coming
		XTND XLST Subject 1: +OK xlst command accepted; headers coming
		XTND BBOARDS: +OK XTND
		XTND X-BBOARDS news: +OK XTND
		XTND BBOARDS news: +OK XTND
		XTND ARCHIVE news: +OK XTND
		LIST: +OK 2 messages (48 octets)
		END
};

case 'the daemon speaks over a pipe as well as over a socket' => sub {
	for my $way (qw(pipe tcp)) {
		my $s = box()->login(over => $way);

		is($s->command('STAT'), '+OK 2 48', $way);
		like($s->text('RETR 1'), qr/\.dot\r\n\z/, 'a message');
		$s->quit;
	}
};

done_testing;
