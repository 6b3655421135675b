# XTND XLST: one header field of every message, in no RFC; and what XTND makes
# of words that are none of its own (RFC 1082).

use strict;
use warnings;

use Test::More;
use Popper;

# The lines of a reply to XLST, without their ends.
sub xlst {
	my ($s, $arguments) = @_;
	return split /\r\n/, scalar $s->text("XTND XLST $arguments");
}

case 'XLST: a line for every message, the field as it stands in its header' => sub {
	box()->login->dialog(<<~'END');
		C: XTND XLST Subject
		S: +OK *
		S: 1 Subject: one
		S: 2 Subject: two
		S: .
		C: XTND XLST Subject 2
		S: +OK *
		S: 2 Subject: two
		S: .
		C: XTND XLST Subject 1
		S: +OK *
		S: 1 Subject: one
		S: .
		END
};

case 'XLST: its words are of any case, the field may have its colon' => sub {
	my $s = box()->login;

	for my $line ('XTND XLST Subject', 'xtnd xlst subject',
	    'Xtnd xLsT SUBJECT', 'XTND XLST Subject:', 'XTND  XLST  Subject') {
		is($s->text($line), "1 Subject: one\r\n2 Subject: two\r\n", $line);
	}
};

case 'XLST: a message without that field has a line as well' => sub {
	box(spool => letter(1) . FX1)->login->dialog(<<~'END');
		C: XTND XLST Message-Id
		S: +OK *
		S: 1 Message-ID: <1@example.org>
		S: 2 Message-Id:
		S: 3 Message-Id:
		S: .
		C: XTND XLST Message-Id: 2
		S: +OK *
		S: 2 Message-Id:
		S: .
		END
};

case 'XLST: a deleted message has no line, the others keep their numbers' => sub {
	my $box = box(spool => join '', map { letter($_) } 1 .. 4);

	$box->login->dialog(<<~'END');
		C: DELE 1
		S: +OK *
		C: DELE 3
		S: +OK *
		C: XTND XLST Subject
		S: +OK *
		S: 2 Subject: letter 2
		S: 4 Subject: letter 4
		S: .
		C: XTND XLST Subject 3
		S: +OK *
		S: .
		C: DELE 2
		S: +OK *
		C: DELE 4
		S: +OK *
		C: XTND XLST Subject
		S: +OK *
		S: .
		C: RSET
		S: +OK *
		C: XTND XLST Subject 3
		S: +OK *
		S: 3 Subject: letter 3
		S: .
		END
};

case 'XLST: a number that is no message is an error' => sub {
	my $s = box()->login;

	for my $n (qw(0 3 9 -1 +1 x 1x 0x1 1.0 4294967297 18446744073709551617 *)) {
		like($s->command("XTND XLST Subject $n"), qr/^-ERR /,
		    "Subject $n");
	}
	is($s->command('STAT'), '+OK 2 48', 'and the session goes on');
};

case 'XLST: an empty maildrop has no lines' => sub {
	for my $spool ('', undef) {
		box(spool => $spool)->login->dialog(<<~'END');
			C: XTND XLST Subject
			S: +OK *
			S: .
			C: XTND XLST Subject 1
			S: -ERR *
			END
	}
};

case 'XLST: what is not the name of a field is an error' => sub {
	my $s = box()->login;

	for my $name (':', 'a:b', '::', "Sub\xe4ject", 'x' x 100) {
		like($s->command("XTND XLST $name"), qr/^-ERR /, show($name));
	}
	$s->dialog(<<~'END');
		C: XTND XLST
		S: -ERR *
		C: XTND XLST Subject 1 2
		S: -ERR *
		C: XTND XLST Subject 1 2 3 4 5
		S: -ERR *
		C: NOOP
		S: +OK *
		END
};

my $awkward = <<'END';
From bob@example.org Sat Jan  3 01:05:34 1996
X-Subject: not this
Subject : nor this
Subjects: nor this
 Subject: nor this, which is the line before
Subject: a folded
	field,  with
    blanks
SUBJECT: the second one is not asked for
From: bob@example.org
Empty:
Bare:x
Last: of the header

Subject: in the body
Body: only here

END

case 'XLST: the field of that very name, the first one, in the header alone' => sub {
	my $s = box(spool => $awkward)->login;

	is_deeply([xlst($s, 'Subject')], ['1 Subject: a folded field, with blanks'],
	    'its folded lines are one');
	is_deeply([xlst($s, 'Sub')], ['1 Sub:'], 'a part of a name is none');
	is_deeply([xlst($s, 'Body')], ['1 Body:'], 'nothing from the body');
	is_deeply([xlst($s, 'From')], ['1 From: bob@example.org'],
	    'the line before the header is not a field');
	is_deeply([xlst($s, 'Empty')], ['1 Empty:'], 'an empty one');
	is_deeply([xlst($s, 'Bare')], ['1 Bare:x'], 'one without a blank');
	is_deeply([xlst($s, 'Last')], ['1 Last: of the header'], 'the last one');
};

case 'XLST: one line each, whatever is in the field' => sub {
	my $box = box(spool => join '', map { letter($_->[0], header => [$_->[1]]) }
	    [1, "X-F: a\0b\rc\x1b\x7fd"], [2, "X-F: \xe4\xff\xc3\xa4"],
	    [3, 'X-F: ' . 'long ' x 10_000], [4, "X-F:\n \n\t\n ."],
	    [5, "X-F: cr\r"], [6, "X-F: one\r\n two\r"]);
	my $s = $box->login;
	my $text = $s->text('XTND XLST X-F');
	my @lines = split /\r\n/, $text;

	is(scalar @lines, 6, 'a line for each of them');
	unlike($text =~ s/\r\n//gr, qr/[\0-\x1f\x7f]/, 'no control octets');
	is($lines[0], '1 X-F: a b c d', 'they are blanks');
	is($lines[1], "2 X-F: \xe4\xff\xc3\xa4", 'eight bits stay');
	like($lines[2], qr/^3 X-F: long (?:long ?)+\z/, 'a long one is cut');
	cmp_ok(length $lines[2], '<', 1000, 'to the length of a line in mail');
	is($lines[3], '4 X-F: .', 'a fold of blanks alone');
	is($lines[4], '5 X-F: cr', 'a line end of CRLF');
	is($lines[5], '6 X-F: one two', 'and a fold of that kind');
};

case 'XLST: headers that do not end, or are none' => sub {
	my $from = "From x\@example.org Sat Jan  3 01:05:34 1996\n";
	my $s = box(spool => $from . "Subject: no body\n\n" . $from
	    . "\nSubject: no header\n\n" . $from . "Subject: no end")->login;

	is_deeply([xlst($s, 'Subject')], ['1 Subject: no body', '2 Subject:',
	    '3 Subject: no end'], 'Subject');
	is_deeply([xlst($s, 'To')], ['1 To:', '2 To:', '3 To:'], 'To');
};

case 'XLST: a header of megabytes' => sub {
	my $s = box(spool => letter(1, header => [map { "X-$_: " . 'x' x 1000 }
	    1 .. 3000]) . letter(2))->login;

	is_deeply([xlst($s, 'Subject')], ['1 Subject: letter 1',
	    '2 Subject: letter 2'], 'a field at its begin');
	is_deeply([map { s/x+/x/r } xlst($s, 'X-2')], ['1 X-2: x', '2 X-2:'],
	    'a long one');
};

case 'XLST: data of an IMAP server are not a message' => sub {
	my $hidden = <<'END';
From MAILER-DAEMON Sat Jan  3 01:05:34 1996
Date: 03 Jan 1996 01:05:34 +0000
From: Mail System Internal Data <MAILER-DAEMON@example.org>
Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA
X-IMAP: 0820000000 0000000002

This text is part of the internal format of your mail folder.

END
	my $s = box(spool => $hidden . FX1)->login;

	is_deeply([xlst($s, 'Subject')], ['1 Subject: one', '2 Subject: two'],
	    'Subject');
	is_deeply([xlst($s, 'Subject 1')], ['1 Subject: one'], 'Subject 1');
	like($s->command('XTND XLST Subject 3'), qr/^-ERR /, 'Subject 3');
};

case 'a maildrop that cannot be read any more: the log has the cause' => sub {
	my $box = box();

	# from an index nothing is read at the login
	(eventually {
		my $before = length($box->log // '');
		$box->login->quit;
		substr($box->log, $before) !~ / scan /;
	}) or die 'there is no index';
	my $s = $box->login;
	truncate $box->work, 0 or die "truncate: $!";
	$box->put("no mbox\n");
	for my $command ('LIST', 'XTND XLST Subject') {
		my $before = length $box->log;
		is($s->command($command), '-ERR [SYS/TEMP] The maildrop cannot be read now.',
		    $command);
		like(substr($box->log, $before), qr/ table: cannot read the maildrop again user=alice: ./,
		    'the log');
	}
};

case 'XLST changes nothing: no Status, not LAST, no mark' => sub {
	my $box = box();
	my $s = $box->login;

	xlst($s, 'Subject');
	xlst($s, 'Subject 2');
	$s->dialog(<<~'END');
		C: LAST
		S: +OK 0*
		C: STAT
		S: +OK 2 48
		C: QUIT
		S: +OK *
		-- closed
		END
	is($box->spool, FX1, 'the spool');
};

case 'XLST: mail that comes in does not show before the next login' => sub {
	my $box = box();
	my $s = $box->login;

	$s->list;
	ok($box->deliver(letter(3)), 'a delivery');
	is_deeply([xlst($s, 'Subject')], ['1 Subject: one', '2 Subject: two'],
	    'Subject');
	like($s->command('XTND XLST Subject 3'), qr/^-ERR /, 'Subject 3');
};

case 'XLST: a message that another program has removed has no line' => sub {
	my $box = box(spool => join '', map { letter($_) } 1 .. 5);
	my $s = $box->login;

	$s->list;
	$box->put(join '', map { letter($_) } 2, 3, 5);
	is_deeply([xlst($s, 'Subject')], ['2 Subject: letter 2',
	    '3 Subject: letter 3', '5 Subject: letter 5'], "time $_") for 1, 2;
	for (1, 2) {
		$s->send('XTND XLST Subject 4');
		my $reply = $s->reply('XLST');
		unlike($reply =~ /^\+OK/ ? $s->rest : '', qr/\w/,
		    'nor does it have another one\'s');
	}
};

case 'XLST: a hundred thousand messages, all of them right' => sub {
	my $count = 100_000;
	my $s = box(spool => join '', map { letter($_) } 1 .. $count)->login;
	my $want = join '', map { "$_ Subject: letter $_\r\n" } 1 .. $count;

	ok($s->text('XTND XLST Subject') eq $want, 'Subject');
	is($s->text("XTND XLST Subject $count"),
	    "$count Subject: letter $count\r\n", 'the last one');
};

# Reads of the temporary copy, which has no name, out of a trace.
sub copy_reads {
	my $octets = 0;
	my $calls = 0;

	for (@_) {
		next unless /\b(?:pread64|read|preadv)\(\d+<(.*?)(?:>|>\(deleted\)), .* = (\d+)$/;
		my ($path, $n) = ($1, $2);
		next unless /\(deleted\)/ || $path =~ m{/#\d+$};
		$octets += $n;
		$calls++;
	}
	return ($calls, $octets);
}

case 'XLST reads headers, and no bodies' => sub {
	needs('strace', 'plain');
	my @messages = map { letter($_, body => alnum(300_000)) } 1 .. 40;
	my $box = box(spool => join '', @messages);
	my $trace = $box->dir . '/strace';
	my $s = $box->login(under => [ strace($trace, '-y', '-e',
	    'trace=?read,?pread64,?preadv') ]);

	is(scalar xlst($s, 'Subject'), 40, 'a line for each of them');
	$s->quit;
	my ($calls, $octets) = copy_reads(straced($trace));
	cmp_ok($calls, '>=', 40, 'the copy was seen being read');
	cmp_ok($octets, '<', 40 * 200, 'octets read of it');
};

case 'XTND: other words, and none, are errors [RFC 1082]' => sub {
	my $box = box();

	$box->login->dialog(<<~'END');
		C: XTND
		S: -ERR *
		C: XTND FOO
		S: -ERR *
		C: XTND FOO BAR
		S: -ERR *
		C: XTND XLSTX Subject
		S: -ERR *
		C: XTND X Subject
		S: -ERR *
		C: XTND a b c d e f
		S: -ERR *
		C: DELE 1
		S: +OK *
		C: XTND BBOARD
		S: -ERR *
		C: STAT
		S: +OK 1 19
		END
};

case 'XTND: not before login [RFC 1082]' => sub {
	box()->session->dialog(<<~'END');
		C: XTND XLST Subject
		S: -ERR *
		C: XTND BBOARDS
		S: -ERR *
		C: XTND XMIT
		S: -ERR *
		C: USER alice
		S: +OK *
		C: PASS s3cret
		S: +OK *
		C: XTND XLST Subject 1
		S: +OK *
		S: 1 Subject: one
		S: .
		END
};

case 'CAPA: what XTND has here [RFC 2449 6]' => sub {
	my $s = box()->login;

	like($s->text('CAPA'), qr/^X-XTND XMIT XLST BBOARDS\r$/m, 'all of it');
	$s = box(args => ['-x'])->login;
	like($s->text('CAPA'), qr/^X-XTND XLST BBOARDS\r$/m, 'with -x no XMIT');
};

done_testing;
