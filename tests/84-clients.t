# Hostile clients: the known failures of POP3 servers, a row for each.  A row
# is what a client sends; whatever it is, the daemon answers with whole lines of
# the protocol, ends in good order, lets nobody in and leaves the mail alone.

use strict;
use warnings;

use MIME::Base64;
use Test::More;
use Popper;
use Time::HiRes qw(sleep);

my @login = ('USER alice', 'PASS s3cret');

# Only lines that a first reply may be, or the lines of a list.
sub well_formed {
	my ($said) = @_;
	return !grep { !/\A(?:\+OK|-ERR|\+ )[\x20-\x7e]*\r\n\z/ || length > 512 }
	    split /(?<=\n)/, $said;
}

# Sends octets and hears the daemon out: what it said.
sub provoke {
	my ($box, $octets, %arg) = @_;
	my $s = $box->session(args => [ '-i', 20 ], %arg);

	eval { $s->send_raw($octets) };		# it may hang up before the end
	shutdown $s->{write}, 1;
	my $said = $s->slurp;
	is($s->wait, 0, 'exit status');
	return $said;
}

# ---- before login -----------------------------------------------------------

my @long = (63, 64, 65, 128, 200, 240, 247, 248, 249, 250, 254, 255, 256, 257,
    511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 65_536);

# A row: title, [ what is sent before login ].
my @before = (
	[ 'USER with a name of every length', map { 'USER ' . 'a' x $_ } @long ],
	[ 'PASS with a word of every length', map { ('USER alice',
	    'PASS ' . 'a' x $_) } grep { $_ > 256 } @long ],
	[ 'a keyword of every length', map { 'A' x $_ } grep { $_ < 5000 } @long ],
	[ 'APOP with arguments of every length', map { (
	    'APOP ' . 'a' x $_ . ' ' . '0' x 32, 'APOP alice ' . '0' x $_) } @long ],
	[ 'AUTH with arguments of every length', map { ('AUTH ' . 'A' x $_,
	    'AUTH PLAIN ' . 'A' x (4 * $_)) } @long ],
	[ 'too many arguments', map { 'USER' . ' a' x $_ } 2 .. 120 ],
	[ 'format strings in names', map { ("USER $_", "USER alice$_", $_) }
	    '%n%n%n%n', '%s' x 40, '%x' x 60, '%99999999d', '%*.*s', '%$1n' ],
	[ 'names that are paths', map { ("USER $_") } '../alice', '/etc/passwd',
	    '.', '..', 'alice/../alice', '.alice.pop', 'alice.lock', '~alice' ],
	[ 'shell words', map { ("USER $_") } '`id`', '$(id)', '|id', ';id',
	    'a;id', "'", '"', '-f', '--' ],
	[ 'commands of other protocols', 'GET / HTTP/1.0', 'EHLO x', 'HELP',
	    'a1 LOGIN alice s3cret', 'MAIL FROM:<a>', 'SSH-2.0-x', '{', '<x/>' ],
);

for my $row (@before) {
	my ($title, @lines) = @$row;
	case "before login: $title" => sub {
		my $box = box();
		my $said = '';

		# a bad line too many ends a session, so each few have their own
		while (my @some = splice @lines, 0, 8) {
			$said .= provoke($box, join '', map { "$_\r\n" } @some);
		}
		ok(well_formed($said), 'the replies') or diag(show($said));
		unlike($said, qr/messages \(/, 'nobody is let in');
		unlike($box->log, qr/ login user=/, 'nor is he in the log');
		unlike($said . $box->log, qr/0x[0-9a-f]{6}|\(nil\)|s3cret/,
		    'nothing of the memory shows');
		is($box->spool, FX1, 'the mail');
	};
}

# ---- after login ------------------------------------------------------------

my @numbers = ('0', '-1', '+1', '00', '3', '1e0', '0x1', '1.0', '2147483648',
    '4294967295', '4294967296', '4294967297', '9223372036854775807',
    '18446744073709551615', '18446744073709551616', '1' . '0' x 200, 'a', '%n',
    '1;', "1\x{b2}", '-9223372036854775808');

case 'after login: numbers that are none, for every command that takes one' => sub {
	my $box = box();

	for my $command ('LIST', 'RETR', 'DELE', 'UIDL', 'TOP') {
		my $s = $box->login;
		for my $number (@numbers) {
			my $line = "$command $number" . ($command eq 'TOP' && ' 1');
			like($s->command($line), qr/^-ERR /, show($line));
			is($s->command('STAT'), '+OK 2 48', 'the session goes on');
		}
	}
	my $s = $box->login;
	like($s->command("TOP 1 $_"), qr/^-ERR /, show("TOP 1 $_"))
	    for grep { !/^\d+\z/ } @numbers;
	is($box->spool, FX1, 'the mail');
};

case 'after login: arguments of every length, for every command' => sub {
	my $box = box();

	for my $command ('STAT', 'LIST', 'RETR', 'DELE', 'UIDL', 'TOP', 'NOOP',
	    'LAST', 'RSET', 'CAPA', 'USER', 'XTND', 'XTND XLST') {
		my $s = $box->login;
		my @some = grep { $_ < 1100 } @long;
		for my $length (@some) {
			$s->send("$command " . 'x' x $length);
			my $reply = $s->reply($command);
			# XLST may be asked for a field of any name
			$s->rest if $reply =~ /^\+OK/ && $command =~ /XLST/;
			next if $reply =~ /^-ERR/ || $command =~ /XLST/;
			fail("$command, $length octets: $reply");
		}
		is($s->command('STAT'), '+OK 2 48', "$command: alive");
	}
	is($box->spool, FX1, 'the mail');
};

# ---- octets that no command has ------------------------------------------------

case 'a NUL at any place of any command' => sub {
	my $box = box();
	my @wrong;

	for my $line (@login, 'QUIT', 'CAPA', 'AUTH PLAIN', 'APOP alice 0') {
		my @before = $line =~ /^PASS/ ? 'USER alice' : ();
		for my $at (few(3, 0 .. length $line)) {
			my $bad = $line;
			substr $bad, $at, 0, "\0";
			my $s = $box->session(trace => 0);
			$s->command($_) for @before;
			my $reply = $s->command($bad);
			push @wrong, show($bad) . ": $reply"
			    unless $reply =~ /^-ERR /;
			$s->close->wait;
		}
	}
	my $s = $box->login;
	for my $line ('DELE 1', 'RETR 1', 'STAT', 'TOP 1 1', 'UIDL 1', 'RSET') {
		for my $at (0 .. length $line) {
			my $bad = $line;
			substr $bad, $at, 0, "\0";
			my $reply = $s->command($bad);
			push @wrong, show($bad) . ": $reply"
			    unless $reply =~ /^-ERR /;
			$s->command('NOOP');
		}
	}
	is(join("\n", @wrong), '', 'an error each');
	is($s->command('STAT'), '+OK 2 48', 'and none of it was carried out');
};

case 'a line without end: no memory, no command, an end' => sub {
	for my $octet ('A', "\0", "\xff", ' ', "\r") {
		my $box = box();
		my $said = provoke($box, $octet x 3_000_000 . "\r\nUSER alice\r\n");
		ok(well_formed($said), 'the replies');
		cmp_ok(() = $said =~ /^/mg, '<=', 3, 'are few');
	}
};

case 'every octet alone, and random octets' => sub {
	my $box = box();
	my $said = '';

	srand 84;
	$said .= provoke($box, join '', map { chr($_) . "\r\n" } @$_)
	    for map { [ $_ * 8 .. $_ * 8 + 7 ] } 0 .. 31;
	$said .= provoke($box, join '', map { chr int rand 256 } 1 .. 4000)
	    for 1 .. 10;
	ok(well_formed($said), 'the replies');
	unlike($said, qr/messages \(/, 'nobody is let in');
};

# ---- slow and deaf ones --------------------------------------------------------

case 'octets that drip do not lengthen the time to log in' => sub {
	my $box = box();
	my $s = $box->session(args => [ '-l', 1 ]);
	my $end = now() + 20;

	while (now() < $end && $s->send_raw('N')) {
		sleep 0.1;
	}
	$s->slurp;
	is($s->wait, 0, 'the daemon has ended');
	like($box->log, qr/ end .*reason=timeout/, 'by the limit');
};

case 'octets that drip do not lengthen the limit of a command' => sub {
	my $box = box();
	my $s = $box->login(args => [ '-i', 1 ]);
	my $end = now() + 20;

	while (now() < $end && $s->send_raw('N')) {
		sleep 0.1;
	}
	$s->slurp;
	is($s->wait, 0, 'the daemon has ended');
	like($box->log, qr/ end .*reason=timeout/, 'by the limit');
};

case 'a client that asks for much and reads nothing' => sub {
	my $box = box(spool => letter(1, body => alnum(4_000_000)) . letter(2));
	my $s = $box->login(args => [ '-i', 1 ]);

	$s->send(('DELE 2', 'RETR 1', 'RETR 1', 'QUIT'));
	is($s->wait, 0, 'the daemon ends by itself');
	like($box->log, qr/ end .*reason=timeout/, 'by the limit');
	like($box->spool, qr/letter 2$/m, 'and nothing is deleted');
};

# The replies fill the socket, and the time to log in is over while they wait.
case 'before login a client that reads nothing has the time to log in' => sub {
	for my $first ([], [ 'USER alice' ]) {
		my $box = box();
		my $s = $box->session(args => [ '-l', 2 ]);

		$s->command($_) for @$first;
		eventually {
			my $ready = IO::Select->new($s->{write});
			$s->send_raw("CAPA\r\n" x 100) if $ready->can_write(0);
			!$ready->can_write(0.2);
		} or die 'the daemon keeps replies without end';
		is($s->wait, 0, 'the daemon ends by itself');
		my ($end) = $box->log =~ / (end user=.*) retrieved=/;
		is($end, 'end user=' . (@$first ? 'alice' : '-') .
		    ' addr=local reason=timeout', 'by the limit');
	}
};

# ---- base64 ---------------------------------------------------------------------

case 'AUTH PLAIN: responses that are none [RFC 4616 2, RFC 5034 4]' => sub {
	my $box = box();
	my $good = "\0alice\0s3cret";
	my @bad = (map({ encode_base64($_, '') } '', "\0", "\0\0", "\0\0\0",
	    "alice\0s3cret", "\0alice", "\0alice\0", "\0\0s3cret", "$good\0",
	    "$good\0x", "bob$good", "\0alice\0s3cret\n", "\0%n%n\0%n%n",
	    "\0" . 'a' x 255 . "\0" . 'b' x 255, "\0alice\0" . 'b' x 500,
	    'a' x 255 . "\0alice\0s3cret"),
	    '=', '====', 'A', 'AA', 'AAA', '=AAA', 'A=AA', 'AA=A', 'A===', '!!!!',
	    'AGFsaWNlAHMzY3JldA==' . '====', 'AGFsaWNl AHMzY3JldA==',
	    'AGFsaWNlAHMzY3JldB==', 'AGFsaWNlAHMzY3JldA', 'AGFsaWNlAHMzY3JldA=',
	    'AGFs-WNlAHMzY3JldA==', 'A' x 1024, 'A' x 1028, '*');

	for my $text (@bad) {
		my $said = provoke($box, "AUTH PLAIN\r\n$text\r\nSTAT\r\n");
		my $ok = well_formed($said) && $said !~ /messages \(/;
		ok($ok, show($text)) or diag(show($said));
	}
	like(provoke($box, "AUTH PLAIN\r\n" . encode_base64($good, '') . "\r\n"),
	    qr/has 2 messages/, 'and one that is');
};

case 'AUTH PLAIN: a response of every length, right at the front or the end' => sub {
	my $box = box();
	my $good = encode_base64("\0alice\0s3cret", '');

	for my $n (254 .. 258, 1020 .. 1032, 4090 .. 4100, 65_536) {
		for my $text ('A' x $n, substr($good . 'A' x $n, 0, $n),
		    substr('A' x $n . $good, -$n)) {
			my $said = provoke($box, "AUTH PLAIN\r\n$text\r\nSTAT\r\n");
			ok(well_formed($said) && $said !~ /messages \(/,
			    "$n octets") or diag(show($said));
		}
	}
};

case 'AUTH: mechanisms that are none, cancelled and begun again' => sub {
	my $box = box();

	for my $name ('PLAIN PLAIN PLAIN', '%n%n', 'A' x 20, 'A' x 21, '../PLAIN',
	    'plain=', "PLAIN\t", 'LOGIN', 'CRAM-MD5', '=', '*') {
		my $said = provoke($box, "AUTH $name\r\n*\r\nSTAT\r\n");
		ok(well_formed($said) && $said !~ /messages \(/, show($name))
		    or diag(show($said));
	}
	my $said = provoke($box, "AUTH PLAIN\r\n*\r\n" x 1000);
	ok(well_formed($said) && $said !~ /messages \(/, 'a thousand times')
	    or diag(show($said));
};

# ---- bombs in the mail ------------------------------------------------------------

# A line like a separator, at the edge of every buffer that it might pass.
case 'a From_ line forged at the edge of every buffer makes no message' => sub {
	my $from = "From x\@example.org Sat Jan  3 01:05:34 1996\n";
	my @wrong;

	for my $off (few(2, -50 .. -40, -8 .. 8)) {
		my $one = "${from}Subject: one\n\n";

		# long lines whose ends lie there: no line begins with it
		$one .= 'x' x ($_ + $off - length $one) . $from
		    for 512, 1024, 4096, 8192, 16_384, 65_536, 262_144;
		my $box = box(spool => "$one\n${from}Subject: two\n\ny\n\n");
		my $s = $box->login(trace => 0);
		my $n = $s->command('STAT');
		push @wrong, "$off: $n" unless $n =~ /^\+OK 2 /;
		push @wrong, "$off: text" unless $s->text('RETR 1')
		    eq wire(substr $one, length $from);
		$s->quit;
		$box->remove;
	}
	is(join("\n", @wrong), '', 'two messages, whole, wherever it lies');
};

# What tells a separator from mail text is a date; it may lie behind the edge.
case 'a From_ line behind an empty line, at the edge of every buffer: a message'
    . ' if it has a date, and text if it has none' => sub {
	my $from = "From x\@example.org Sat Jan  3 01:05:34 1996\n";
	my @text = ("From the year 1996 on it is text\n",
	    "From 01:05 on it is text\n", ">$from",
	    "from x\@example.org Sat Jan  3 01:05:34 1996\n");
	my @edges = (255, 512, 1024, 4096, 65_536, 262_144);
	my @wrong;

	# a spool, and how many messages, the first of which has so many octets
	my $try = sub {
		my ($where, $spool, $count, $size) = @_;
		my $box = box(spool => $spool);
		my $s = $box->login(trace => 0);
		my $n = $s->command('STAT');

		push @wrong, "$where: $n" unless $n =~ /^\+OK $count /;
		my $want = substr($spool, 0, $size) =~ s/\A.*\n//r =~ s/\n\z//r;
		push @wrong, "$where: text"
		    unless $s->text('RETR 1') eq wire($want);
		$s->quit;
		$box->remove;
	};
	# up to the edge, filled with long lines and an empty one
	my $filled = sub {
		my ($spool, $end) = @_;
		return $spool . 'x' x ($end - length($spool) - 2) . "\n\n";
	};

	for my $off (few(3, -48, -40, -30, -12, -6 .. 2)) {
		my $head = "${from}Subject: one\n\n";

		for my $edge (@edges) {
			my $one = $filled->($head, $edge + $off);
			$try->("$edge$off", "$one${from}two\n\n", 2, length $one);
		}
		for my $line (@text) {
			my $one = $head;
			$one = $filled->($one, $_ + $off) . $line for @edges;
			$one .= "two\n\n";
			$try->("$off: $line", $one, 1, length $one);
		}
	}
	is(join("\n", @wrong), '', 'wherever it lies');
};

case 'headers: format strings, control octets, bombs' => sub {
	my @header = ('X: ' . '%n%s%x' x 500, 'X' x 70_000 . ': y',
	    "X: \0\e[2J\x07\xff", ('X: y') x 20_000, ' ' x 70_000, 'Status: ' .
	    'R' x 9000, 'X-UIDL: ' . '%n' x 90, ':', '.', '..', '.QUIT');
	my $spool = letter(1, header => [ grep { /[^.]/ } @header ]) . letter(2);
	my $box = box(spool => $spool);
	my $s = $box->login;

	like($s->command('STAT'), qr/^\+OK 2 /, 'STAT');
	my $text = wire($spool =~ s/\AFrom .*\n//r =~ s/\nFrom .*//sr);
	is(length $s->text('RETR 1'), length $text, 'RETR: the size');
	is($s->list->{1}, length $text, 'which LIST shows');
	like($s->text('TOP 1 0'), qr/\A(?:[^\n]*\r\n)+\z/, 'TOP');
	like($s->text('XTND XLST Subject'), qr/letter 2/, 'XLST');
	like($s->text('XTND XLST X'), qr/\r\n\z/, 'XLST of the bombs');
	$s->command('DELE 2');
	$s->quit;
	like($box->spool, qr/^This is letter 1/m, 'and it is kept');
};

case 'UIDL: names keep to their characters and differ, whatever the mail says'
    . ' [RFC 1939 7]' => sub {
	my $box = box(spool => join '', (map { letter(1, header => [ "X-UIDL: $_" ]) }
	    'a' x 500, "a\tb", '%n', '"', "\xff"), letter(1) x 200);
	my $s = $box->login;
	my %uid = reverse %{ $s->uidl };

	is(scalar keys %uid, 205, 'all differ');
	ok(!(grep { !/\A[\x21-\x7e]{1,70}\z/ } keys %uid), 'all are names');
};

case 'the log: one line an event, whatever the client calls himself' => sub {
	my $box = box();

	for my $name ("a=b", 'x"user="alice', 'a\\nlogin', "\xe4\xff", '%n%n', 'a' x 64) {
		my $s = $box->session;
		$s->send("USER $name", 'PASS x y=z');
		$s->slurp;
		$s->wait;
	}
	my @lines = split /\n/, $box->log;
	ok(!(grep { /[^\x20-\x7e]/ } @lines), 'no control octets');
	my @failed = grep { /failed login/ } @lines;
	is(scalar @failed, 6, 'six refusals');
	ok(!(grep { (() = /user=/g) != 1 } @failed), 'each with one name')
	    or diag(join "\n", @failed);
};

done_testing;
