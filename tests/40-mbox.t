# What a spool may hold, and where its messages begin and end.

use strict;
use warnings;

use Test::More;
use Popper;

my $separator = "From x\@example.org Sat Jan  3 01:05:34 1996\n";
my $next = letter(2);
my $next_wire = text_of($next);

# A message of a sender's making, for the text of another.
my $plant = "From boss\@example.org Thu Nov 26 09:00:00 2026\n" .
    "Subject: wire 10000\n\nPlease pay at once.\n";

# A spool and the messages it must give; then message 1 is deleted, and what
# is left in the file must be as it was.
sub gives {
	my ($spool, @messages) = @_;
	my $box = box(spool => $spool);
	my $s = $box->login(args => ['-s']);
	my $list = $s->list;
	my $total = 0;
	$total += length for @messages;

	is($s->command('STAT'), '+OK ' . @messages . " $total", 'STAT');
	for my $n (1 .. @messages) {
		my $text = $s->text("RETR $n");
		my $want = $messages[$n - 1];

		ok($text eq $want, "RETR $n") or diag('got      ', show($text),
		    "\nexpected ", show($want));
		is($list->{$n}, length $want, "LIST $n [RFC 1939 11]");
		ok($s->text("TOP $n 4000000") eq $want, "TOP $n, all of it");
	}
	$s->quit;
	is($box->spool, $spool, 'reading changes nothing');
	return $box;
}

# Delete a message; the spool is then what is given.
sub leaves {
	my ($box, $number, $spool) = @_;
	my $s = $box->login;

	$s->command("DELE $number");
	$s->quit;
	ok($box->spool eq $spool, "DELE $number leaves the rest byte for byte")
	    or diag('got      ', show($box->spool), "\nexpected ", show($spool));
}

case 'From without a blank line before it is text' => sub {
	my $one = "${separator}Subject: a\n\nline\nFrom here on\nmore\n\n";
	my $box = gives($one . $next,
	    "Subject: a\r\n\r\nline\r\nFrom here on\r\nmore\r\n", $next_wire);
	leaves($box, 2, $one);
};

case 'From after a blank line, but with no date, is text' => sub {
	for my $line ('From here on', 'From ', 'From x', 'From time to time 12:30',
	    'From me, 1996', "From a\@b Sat Jan  3", 'From 1996 to 1997') {
		gives("${separator}Subject: a\n\nline\n\n$line\nmore\n\n$next",
		    "Subject: a\r\n\r\nline\r\n\r\n$line\r\nmore\r\n", $next_wire);
	}
};

case 'From after a blank line, with a time and a year, begins a message' => sub {
	for my $line ('From nobody Sat Jan  3 01:06:00 1996',
	    'From nobody  Sat Jan  3 01:06:00 1996',
	    'From "a b"@example.org Sat Jan  3 01:06 1996',
	    'From nobody Sat Jan  3 01:06:00 MET 1996',
	    'From nobody Sat Jan  3 01:06:00 1996 remote from host',
	    'From nobody Sat, 3 Jan 2026 01:06:00 +0100') {
		gives("${separator}Subject: a\n\nline\n\n$line\nSubject: b\n\nmore\n\n",
		    "Subject: a\r\n\r\nline\r\n", "Subject: b\r\n\r\nmore\r\n");
	}
};

case 'From after a blank line, with a date of another form' => sub {
	for my $line ('Sat Jan  3 01:06:00 96', "Sat Jan  3 01:06:00 1996\t",
	    "Sat\tJan  3\t01:06:00 1996", 'Sat Jan  3 1:06 1996 +0100',
	    'Sat Jan  3 01:06:00 1996 (MET)', '3 Jan 96 01:06 GMT',
	    'Sat Jan  3 01:06 MET DST 1996 remote from host') {
		gives("${separator}Subject: a\n\nline\n\nFrom x $line\n\nmore\n\n",
		    "Subject: a\r\n\r\nline\r\n", "\r\nmore\r\n");
	}
};

case 'From after a blank line, a time and a year: a header field must follow' => sub {
	for my $line ('sam. janv.  3 01:06:00 1996', 'at 01:06 in 1996 or so') {
		my $one = "${separator}Subject: a\n\nline\n\nFrom x $line\n";
		gives("${one}X-Y_z: b\n\nmore\n\n",
		    "Subject: a\r\n\r\nline\r\n", "X-Y_z: b\r\n\r\nmore\r\n");
		for my $next_line ('', 'more', 'see below: more', ': more',
		    'x' x 80 . ': more') {
			my $text = "$one$next_line\nend\n\n";
			gives($text . $next, text_of($text), $next_wire);
		}
	}
};

# Only where no date follows is it a file whose line ends are CRs.
case 'a From line with a CR inside, and then it is the first' => sub {
	for my $line ("From c\rd Sat Jan  3 01:06:00 1996\n",
	    "From c\rd sam. janv.  3 01:06:00 1996\n") {
		my $one = "${line}Subject: a\n\nline\n\n";
		my $box = box(spool => $next . $one);

		leaves($box, 1, $one);
		unlink $box->work;
		is($box->login->text('RETR 1'), text_of($one), 'RETR 1');
	}
};

case 'the first From line needs no date' => sub {
	gives("From x\nSubject: a\n\nb\n\n$next", "Subject: a\r\n\r\nb\r\n",
	    $next_wire);
};

case '>From is sent as it is stored' => sub {
	my $box = gives("${separator}Subject: a\n\n>From q\n>>From q\n\n>From r\n\n$next",
	    "Subject: a\r\n\r\n>From q\r\n>>From q\r\n\r\n>From r\r\n", $next_wire);
	leaves($box, 1, $next);
};

case 'CRLF line ends: one CRLF on the line, the file as it was' => sub {
	my $spool = wire(letter(1) . $next);
	my $box = gives($spool, text_of(letter(1)),
	    $next_wire);
	leaves($box, 1, wire($next));
};

case 'CRLF and LF mixed' => sub {
	my $one = "${separator}Subject: a\r\nX: y\n\r\none\r\ntwo\n\r\n";
	my $box = gives($one . $next,
	    "Subject: a\r\nX: y\r\n\r\none\r\ntwo\r\n", $next_wire);
	leaves($box, 2, $one);
};

case 'no line end at the end of the file: one is sent and counted' => sub {
	my $last = $next =~ s/\n\n\z//r;
	my $box = gives(letter(1) . $last,
	    text_of(letter(1)), $next_wire);
	leaves($box, 1, $next);
	gives($last, $next_wire);
	gives("${separator}Subject: a", "Subject: a\r\n\r\n");
};

case 'no blank line at the end of the file' => sub {
	gives($next =~ s/\n\z//r, $next_wire);
};

case 'a lone CR is no empty line where lines end in LF' => sub {
	my $one = "${separator}Subject: a\n\nNice weather.\n\r\n$plant\n";
	leaves(gives($one . $next, text_of($one), $next_wire), 1, $next);

	$one = "${separator}Subject: a\n\r\n$plant\n";	# nor after the header
	leaves(gives($one . $next, text_of($one), $next_wire), 1, $next);

	$one = "${separator}Subject: a\n\nNice weather.\n\r\n";	# nor at the end
	gives($one, text_of("$one\n"));
};

case 'an empty line with a CR is one where lines end in CRLF' => sub {
	for my $from ($separator, wire($separator)) {
		my $one = $from . wire("Subject: a\n\nb\n\n");
		leaves(gives($one . $next, wire("Subject: a\n\nb\n"),
		    $next_wire), 1, $next);
	}
};

case 'a carriage return inside a line stays' => sub {
	my $one = "${separator}Subject: a\n\nb\rc\n\rd\ne\r\r\n\n";
	my $box = gives($one . $next,
	    "Subject: a\r\n\r\nb\rc\r\n\rd\r\ne\r\r\n", $next_wire);
	leaves($box, 2, $one);
};

# Spools as other programs wrote them, and the subjects of their messages.
my %spools = (
	'body-sentence' => 'one two', 'crlf-file' => 'one two',
	'double-from' => 'one two', 'forge-dovecot-lda' => 'hello',
	'forge-procmail' => 'hello', 'from-2digit-year' => 'one two',
	'from-bare' => 'one', 'from-comma-date' => 'one two',
	'from-epoch' => 'one', 'from-gmail-takeout' => 'one two',
	'from-locale' => 'one two', 'from-quoted' => 'one two',
	'from-remote' => 'one two', 'from-then-blank' => '- two',
	'from-trailing-tab' => 'one two', 'from-zone-parens' => 'one two',
	'noblank-between' => 'one', 'nofrom-second' => 'one two',
	'procmail-cl' => 'plain withcl withbigcl plainY',
	'pseudo-std' => 'one two', 'status-headeronly' => 'one',
	'truncated-prev' => 'one',
);

case 'spools of other programs: their messages' => sub {
	my @files = map { m{/(\w[^/]*)\.mbox\z} } glob 'tests/spools/*.mbox';

	is_deeply([ sort @files ], [ sort keys %spools, 'cr-only', 'nofrom-first' ],
	    'all files are known');
	for my $name (sort keys %spools) {
		my $s = box(spool => Popper::slurp("tests/spools/$name.mbox"))->login;
		my @subjects;
		for my $n (1 .. scalar keys %{ $s->list }) {
			my ($head) = $s->text("TOP $n 0") =~ /\A(.*?)^\r\n/ms;
			push @subjects, $head =~ /^Subject: ([^\r]*)/m ? $1 : '-';
		}
		is("@subjects", $spools{$name}, $name);
		$s->quit;
	}
};

case 'lines of any length, with dots and From where a buffer might end' => sub {
	for my $size (510, 1022, 1023, 1024, 2046, 4095, 4096, 8191, 65535, 65536,
	    131072) {
		my $line = 'x' x $size . '.' . 'y' x 500 . 'From z' . 'z' x 3000;
		my $one = "${separator}Subject: a\n\n$line\n.\n.$line\n\n";
		my $box = box(spool => $one . $next);
		my $s = $box->login(args => ['-s']);

		is(scalar keys %{ $s->list }, 2, "$size: two messages");
		ok($s->text('RETR 1') eq
		    "Subject: a\r\n\r\n$line\r\n.\r\n.$line\r\n", 'the first');
		is($s->list->{1}, length $s->text('RETR 1'), 'its size');
		is($s->text('RETR 2'), $next_wire, 'the second');
		$s->quit;
	}
};

case 'separators where a block of a reader might end' => sub {
	my @sizes = map { my $block = $_; map { $block + $_ } -7 .. 7 }
	    4096, 8192, 32768, 65536, 131072, 262144, 1048576;
	my @wrong;

	for my $size (few(4, @sizes)) {
		my $head = "${separator}Subject: a\n\n";
		my $one = $head . alnum($size - length($head) - 1) . "\n";
		my $box = box(spool => $one . $next);
		my $s = $box->login(trace => 0, args => ['-s']);
		push @wrong, $size unless $s->text('RETR 2') eq $next_wire
		    && $s->list->{1} == length $s->text('RETR 1');
		$s->command('DELE 1');
		$s->quit;
		push @wrong, "$size DELE" if $box->spool ne $next;
		$box->remove;
	}
	is_deeply(\@wrong, [], 'none is missed');
};

case 'NUL octets are octets' => sub {
	my $one = "${separator}Subject: a\0b\n\nbefore\0after\n\0\n\0.\nend\n\n";
	my $box = gives($one . $next,
	    "Subject: a\0b\r\n\r\nbefore\0after\r\n\0\r\n\0.\r\nend\r\n", $next_wire);
	leaves($box, 2, $one);
	leaves(box(spool => $next . $one), 1, $one);
};

case 'all 256 octets' => sub {
	my $all = join '', map { chr } grep { $_ != 10 && $_ != 13 } 0 .. 255;
	my $one = "${separator}Subject: $all\n\n$all\n$all\n\n";
	my $box = gives($one . $next, "Subject: $all\r\n\r\n$all\r\n$all\r\n",
	    $next_wire);
	leaves($box, 2, $one);
};

case 'a message without a body does not run into the next' => sub {
	my $box = gives("${separator}Subject: a\n\n$next", "Subject: a\r\n\r\n",
	    $next_wire);
	leaves($box, 1, $next);
	$box = gives("${separator}Subject: a\n\n\n$next", "Subject: a\r\n\r\n",
	    $next_wire);
	leaves($box, 2, "${separator}Subject: a\n\n\n");
};

case 'empty lines at the end of a message: one of them is not its own' => sub {
	gives("${separator}Subject: a\n\nb\n\n\n\n$next",
	    "Subject: a\r\n\r\nb\r\n\r\n\r\n", $next_wire);
};

case 'a message without a header' => sub {
	my $s = box(spool => "$separator\nbody\n\n$next")->login(args => ['-s']);
	my $text = $s->text('RETR 1');

	is($text, "\r\nbody\r\n", 'RETR 1');
	is($s->list->{1}, length $text, 'LIST 1');
	is($s->text('TOP 1 0'), "\r\n", 'TOP 1 0');
	is($s->text('RETR 2'), $next_wire, 'RETR 2');
};

case 'a separator with nothing after it' => sub {
	for my $empty ($separator =~ s/\n//r, $separator, "$separator\n",
	    "$separator\n\n") {
		my $box = box(spool => "$next$empty");
		my $s = $box->login(args => ['-s']);

		is(scalar keys %{ $s->list }, 2, 'two messages');
		is($s->text('RETR 1'), $next_wire, 'the first');
		is(length $s->text('RETR 2'), $s->list->{2}, 'the empty one: size');
		like($s->text('RETR 2'), qr/\A(\r\n)*\z/, 'and text');
		is($s->text('TOP 2 9'), $s->text('RETR 2'), 'by TOP as well');
		$s->quit;
		leaves($box, 2, $next);
		# an empty line ends its header, and it needs no other
		leaves(box(spool => "$next$empty"), 1,
		    $empty =~ /\n\n/ ? $empty : "$separator\n");
	}
};

case 'empty lines before the first message' => sub {
	for my $blank ("\n", "\n\n\n", "\r\n") {
		my $s = box(spool => $blank . FX1)->login(args => ['-s']);

		is($s->command('STAT'), '+OK 2 48', 'STAT');
		like($s->text('RETR 1'), qr/\ASubject: one\r\n/, 'RETR 1');
	}
};

sub planted {
	my ($body, @header) = @_;
	return letter(1, header => \@header, body => $body);
}

case 'Content-Length that proves itself: no message begins in the text' => sub {
	my $body = "Nice weather.\n\n$plant";
	my $n = length $body;

	for my $value ($n, $n + 1, "  $n\t") {	# with the empty line, or without
		my $one = planted($body, "Content-Length: $value");
		leaves(gives($one . $next, text_of($one), $next_wire), 1, $next);
		leaves(gives($next . $one, $next_wire, text_of($one)), 1, $one);
	}
	my $one = planted($body, "content-length: $n") =~ s/\n\z//r;
	gives($one, wire($one =~ s/\A.*\n//r));
};

case 'Content-Length of a message larger than any buffer' => sub {
	my $body = "first\n\n$plant\n" . alnum(600_000);
	my $one = planted($body, 'Content-Length: ' . length $body);

	leaves(gives($one . $next, text_of($one), $next_wire), 1, $next);
	leaves(gives($next . $one . $next, $next_wire, text_of($one), $next_wire),
	    2, $next . $next);
};

case 'Content-Length twice: one of them may be right' => sub {
	my $body = "Nice weather.\n\n$plant";

	for my $wrong (0, 3, 1_000_000) {
		my @fields = map { "Content-Length: $_" } $wrong, length $body;
		for my $header (\@fields, [ reverse @fields ]) {
			my $one = planted($body, @$header);
			gives($one . $next, text_of($one), $next_wire);
		}
	}
};

case 'Content-Length that does not prove itself changes nothing' => sub {
	my $body = "Nice weather.\n";
	my $rest = length "\n$plant";

	for my $length (0, 1, 5, length($body) - 1, length($body) + $rest - 1,
	    length($body) + $rest + 2, 999_999, -1, '99999999999999999999',
	    '9223372036854775807', '12a', '') {
		my $one = planted($body, "Content-Length: $length");
		my $box = gives("$one$plant\n$next", text_of($one),
		    text_of("$plant\n"), $next_wire);
		leaves($box, 1, "$plant\n$next");
	}
};

# It can take beginnings away, but none comes from it: an agent that quotes From
# lines quotes those after an empty line.
case 'Content-Length does not make a From line begin a message' => sub {
	my $body = "Nice weather.\n${plant}more\n";
	my $one = planted($body, 'Content-Length: ' . length "Nice weather.\n");

	gives($one . $next, text_of($one), $next_wire);
};

case 'a header line of a megabyte' => sub {
	my $long = 'x' x 1_000_000;
	my $one = "${separator}X-Long: $long\nSubject: a\n\nb\n\n";
	my $s = box(spool => $one . $next)->login;

	ok($s->text('TOP 1 0') eq "X-Long: $long\r\nSubject: a\r\n\r\n", 'TOP 1 0');
	ok($s->text('RETR 1') eq "X-Long: $long\r\nSubject: a\r\n\r\nb\r\n", 'RETR 1');
	is($s->text('RETR 2'), $next_wire, 'RETR 2');
};

case 'a header of many thousand lines, and one that never ends' => sub {
	my $lines = join '', map { "X-$_: y\n" } 1 .. 30_000;
	my $s = box(spool => "${separator}$lines\nb\n\n$next")->login(args => ['-s']);

	ok($s->text('TOP 1 0') eq wire("$lines\n"), 'TOP 1 0');
	is($s->list->{1}, length(wire("$lines\nb\n")), 'LIST 1');
	$s->quit;
	$s = box(spool => "${separator}$lines")->login;
	is($s->list->{1}, length $s->text('RETR 1'), 'without an end: size');
};

case 'the message in which IMAP servers keep their data is not shown' => sub {
	my $pseudo = <<~'END';
		From MAILER-DAEMON Sat Jan  3 01:00:00 1996
		Date: 03 Jan 1996 01:00:00 +0000
		From: Mail System Internal Data <MAILER-DAEMON@example.org>
		Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA
		Message-ID: <820630800@example.org>
		X-IMAP: 0820630800 0000000002
		Status: RO

		This text is part of the internal format of your mail folder, and is not
		a real message.  It is created automatically by the mail system software.
		If deleted, important folder data will be lost, and it will be re-created
		with the data reset to initial values.

		END
	my $box = box(spool => $pseudo . FX1);
	$box->login->dialog(<<~'END');
		C: STAT
		S: +OK 2 48
		C: LIST
		S: +OK *
		S: 1 29
		S: 2 19
		S: .
		C: TOP 1 0
		S: +OK *
		S: Subject: one
		S:
		S: .
		C: RETR 3
		S: -ERR *
		C: LAST
		S: +OK 0*
		C: DELE 1
		S: +OK *
		C: QUIT
		S: +OK *
		-- closed
		END
	my ($two) = FX1 =~ /^(From carol.*)/ms;
	is($box->spool, $pseudo . $two, 'it is still the first in the file');
	my $s = $box->login;
	$s->dialog("C: STAT\nS: +OK 1 19\nC: DELE 1\nS: +OK *\n");
	$s->quit;
	is($box->spool, $pseudo, 'and all that is left in the end');
	is($box->login->command('STAT'), '+OK 0 0', 'which is nothing to show');
};

case 'a message that was mailed is shown, whatever it looks like' => sub {
	my $folder = "From MAILER-DAEMON Sat Jan  3 01:00:00 1996\n%s" .
	    "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n" .
	    "X-IMAP: 0820630800 0000000002\n\n%s\n";

	for my $trace ("Received: from x\n", "Return-Path: <>\n",
	    "Delivered-To: alice\n") {
		is(box(spool => sprintf($folder, $trace, "text\n") . FX1)
		    ->login->command('STAT') =~ s/^(\+OK \d+) .*/$1/r, '+OK 3',
		    $trace =~ s/:.*//sr);
	}
	is(box(spool => sprintf($folder, '', alnum(9000)) . FX1)
	    ->login->command('STAT') =~ s/^(\+OK \d+) .*/$1/r, '+OK 3', 'large');
	is(box(spool => sprintf($folder, '', alnum(7000)) . FX1)
	    ->login->command('STAT') =~ s/^(\+OK \d+) .*/$1/r, '+OK 2',
	    'but folder data with the names of many flags is not');
};

case 'a message that was shown is shown when it is the first' => sub {
	my $folder = "From MAILER-DAEMON Sat Jan  3 01:00:00 1996\n" .
	    "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n" .
	    "X-IMAP: 0820630800 0000000002\n\ntext\n\n";
	my $box = box(spool => letter(1) . $folder . $next);
	my $s = $box->login(args => ['-s']);

	is(scalar keys %{ $s->list }, 3, 'not first in the file');
	$s->command('DELE 1');
	$s->quit;
	$box->append(letter(3));
	$s = $box->login(args => ['-s']);
	is_deeply([ map { scalar $s->text("RETR $_") } 1 .. 3 ],
	    [ map { text_of($_) } $folder, $next, letter(3) ], 'all three');
};

case 'a message that only resembles it is shown' => sub {
	my $s = box(spool => letter(1, header =>
	    [ 'From: Mail System Internal Data <x@example.org>' ]) . $next)->login;
	like($s->command('STAT'), qr/^\+OK 2 /, 'first in the file');
	$s = box(spool => $next . "From MAILER-DAEMON Sat Jan  3 01:00:00 1996\n"
	    . "From: Mail System Internal Data <MAILER-DAEMON\@example.org>\n"
	    . "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
	    . "X-IMAP: 0820630800 0000000002\n\ntext\n\n")->login;
	like($s->command('STAT'), qr/^\+OK 2 /, 'not first in the file');
};

done_testing;
