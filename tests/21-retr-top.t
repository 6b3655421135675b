# The text of messages: RETR and TOP, RFC 1939 5, 7 and 11.

use strict;
use warnings;

use Test::More;
use Popper;

case 'RETR: the whole message, dots stuffed [RFC 1939 3, 5]' => sub {
	box()->login->dialog(<<~'END');
		C: RETR 1
		S: +OK *
		S: Subject: one
		S:
		S: line1
		S: ..dot
		S: .
		C: RETR 2
		S: +OK *
		S: Subject: two
		S:
		S: x
		S: .
		C: STAT
		S: +OK 2 48
		END
};

case 'RETR: content octets equal the announced size [RFC 1939 5, 11]' => sub {
	my $s = box()->login;

	for (1, 2) {
		my $size = $s->list->{$_};
		my ($first, $text) = $s->text("RETR $_");

		is(length $text, $size, "message $_");
		like($first, qr/^\+OK $size octets/, 'the reply says so');
	}
};

case 'RETR: the separator line belongs to the mbox, not to the message' => sub {
	my $s = box()->login;

	unlike($s->text("RETR $_"), qr/^From /m, "message $_") for 1, 2;
	like($s->text('RETR 2'), qr/\r\nx\r\n\z/, 'nor does the blank line after it');
};

case 'RETR: any message, in any order, any number of times' => sub {
	my @letters = map { letter($_, body => alnum(700 * $_)) } 1 .. 9;
	my $s = box(spool => join '', @letters)->login;

	for my $n (5, 9, 1, 1, 4, 6, 2, 9, 8, 3, 7, 5) {
		is($s->text("RETR $n"), expected($letters[$n - 1]), "RETR $n");
	}
	for my $n (9, 1, 5) {
		is($s->text("TOP $n 99999"), expected($letters[$n - 1]),
		    "TOP $n 99999");
	}
};

case 'RETR: lines of dots come through [RFC 1939 3]' => sub {
	my $body = ".\n..\n...\n.\n\n.x\n..x\nx.\n. \n.\n";
	my $s = box(spool => letter(1, body => $body) . letter(2))->login;

	is($s->text('RETR 1'), expected(letter(1, body => $body)), 'unstuffed');
	$s->send('RETR 1');
	my $raw = '';
	$raw .= $s->read_line // die until $raw =~ /^\.\r\n\z/m;
	like($raw, qr/\r\n\r\n\.\.\r\n\.\.\.\r\n\.\.\.\.\r\n\.\.\r\n\r\n\.\.x\r\n\.\.\.x\r\nx\.\r\n\.\. \r\n\.\.\r\n\.\r\n\z/,
	    'and as they go over the line');
};

case 'RETR: line ends, lone CRs and dots where a piece of the text may end' => sub {
	for my $edge (4096, 8192, 32_768, 36_864) {
		for my $what ("\n.\n", "\r\n.\r\n", "\r.\n", "\r\r\n", "\n..\n\n.") {
			my $body = join '', map {
				my $at = $edge - 300 + 8 * $_;
				('a' x $at) . $what . "\n";
			} 0 .. 40;
			my $text = box(spool => letter(1, body => $body))->login
			    ->text('RETR 1');
			my $want = wire($body);
			is(index($text, $want), length($text) - length $want,
			    "$edge: " . show($what)) or return;
		}
	}
};

case 'TOP: header, blank line, and that many lines of the body [RFC 1939 7]' => sub {
	box()->login->dialog(<<~'END');
		C: TOP 1 0
		S: +OK *
		S: Subject: one
		S:
		S: .
		C: TOP 1 1
		S: +OK *
		S: Subject: one
		S:
		S: line1
		S: .
		C: TOP 1 2
		S: +OK *
		S: Subject: one
		S:
		S: line1
		S: ..dot
		S: .
		C: TOP 1 99
		S: +OK *
		S: Subject: one
		S:
		S: line1
		S: ..dot
		S: .
		END
};

case 'TOP: needs both numbers, and neither below zero [RFC 1939 7]' => sub {
	my $s = box()->login;

	like($s->command($_), qr/^-ERR /, $_)
	    for 'TOP', 'TOP 1', 'TOP 1 -1', 'TOP 1 x', 'TOP 9 1', 'TOP x 1',
	    'TOP 1 1x', 'TOP 1 +1', 'TOP -1 1', 'TOP 0 0', 'TOP 1 1.5',
	    'TOP 1 0x10';
	is($s->command('STAT'), '+OK 2 48', 'the session goes on');
};

case 'TOP: a huge number of lines is the whole message or an error' => sub {
	my $s = box()->login;
	my $whole = $s->text('RETR 1');

	is($s->text("TOP 1 $_"), $whole, "TOP 1 $_") for 4294967295, 2147483647;
	for ('4294967296', '4294967297', '18446744073709551616', '9' x 60) {
		my $first = $s->command("TOP 1 $_");

		if ($first =~ /^-ERR/) {
			pass("TOP 1 $_: refused");
			next;
		}
		is($s->rest, $whole, "TOP 1 $_");
	}
	is($s->command('STAT'), '+OK 2 48', 'the session goes on');
};

case 'TOP: every number of lines is a prefix of RETR' => sub {
	my $body = join '', map { "$_\n" . ('' , "\n", ".\n")[$_ % 3] } 1 .. 40;
	my $s = box(spool => letter(1, body => $body) . letter(2))->login;
	my $whole = $s->text('RETR 1');
	my ($head, $rest) = $whole =~ /^(.*?\r\n\r\n)(.*)\z/s;
	my @lines = $rest =~ /(.*?\r\n)/gs;

	my @wrong = grep {
		$s->text("TOP 1 $_") ne join '', $head,
		    grep { defined } @lines[0 .. ($_ > @lines ? @lines : $_) - 1]
	} 0 .. @lines + 3;
	is_deeply(\@wrong, [], 'none differs');
};

case 'TOP before RETR, and RETR before TOP, say the same' => sub {
	my $box = box();
	my $s = $box->login;
	my @first = (scalar $s->text('TOP 2 5'), scalar $s->text('RETR 1'));

	$s->quit;
	$s = $box->login(args => ['-s']);
	is($s->text('RETR 1') =~ s/Status: RO\r\n//r, $first[1], 'RETR 1');
	is($s->text('TOP 2 5'), $first[0], 'TOP 2 5');
};

# What RETR must say of a letter.
sub expected {
	my ($letter) = @_;

	$letter =~ s/\AFrom .*\n//;
	$letter =~ s/\n\z//;
	return wire($letter);
}

done_testing;
