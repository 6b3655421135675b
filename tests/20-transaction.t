# STAT, LIST, DELE, RSET, NOOP: RFC 1939 5.

use strict;
use warnings;

use Test::More;
use Popper;

# Arguments that are no number of a message here, in every form.
our @no_message = ('0', '3', '-1', '+1', 'x', '1x', 'x1', '0x1', '1.0', '1e0',
    '01x', '1,2', '99999999999999999999', '4294967297', '18446744073709551617',
    '-18446744073709551615', '2147483648', '9' x 200, '%d', '*');

case 'STAT: count and octets [RFC 1939 5]' => sub {
	box()->login->dialog(<<~'END');
		C: STAT
		S: +OK 2 48
		END
};

case 'LIST: a line for every message, with its size [RFC 1939 5]' => sub {
	box()->login->dialog(<<~'END');
		C: LIST
		S: +OK *
		S: 1 29
		S: 2 19
		S: .
		C: LIST 1
		S: +OK 1 29
		C: LIST 2
		S: +OK 2 19
		END
};

for my $command (qw(LIST RETR DELE UIDL TOP)) {
	case "$command: a number that is no message is an error [RFC 1939 5]" => sub {
		my $s = box()->login;
		my $more = $command eq 'TOP' ? ' 1' : '';

		like($s->command("$command $_$more"), qr/^-ERR /,
		    "$command $_$more") for @no_message;
		is($s->command('STAT'), '+OK 2 48', 'nothing is changed');
	};
}

case 'DELE: a deleted message is there no longer [RFC 1939 5]' => sub {
	box()->login->dialog(<<~'END');
		C: DELE 2
		S: +OK *
		C: STAT
		S: +OK 1 29
		C: LIST
		S: +OK *
		S: 1 29
		S: .
		C: UIDL
		S: +OK *
		S: 1 *
		S: .
		C: LIST 2
		S: -ERR *
		C: RETR 2
		S: -ERR *
		C: TOP 2 0
		S: -ERR *
		C: UIDL 2
		S: -ERR *
		C: DELE 2
		S: -ERR *
		C: STAT
		S: +OK 1 29
		END
};

case 'numbers: they stay what they were, whatever is deleted [RFC 1939 5]' => sub {
	my $box = box(spool => join '', map { letter($_) } 1 .. 5);
	my $s = $box->login;
	my $uid = $s->uidl;

	$s->dialog("C: DELE $_\nS: +OK *\n") for 1, 3, 4;
	is_deeply([ sort keys %{ $s->list } ], [2, 5], 'LIST');
	is_deeply($s->uidl, { 2 => $uid->{2}, 5 => $uid->{5} }, 'UIDL');
	like($s->text("RETR $_"), qr/^This is letter $_\.\r$/m, "RETR $_")
	    for 2, 5;
	like($s->command('RETR 6'), qr/^-ERR /, 'no other number is taken');
};

case 'RSET: no message is marked any more [RFC 1939 5]' => sub {
	my $box = box();

	$box->login->dialog(<<~'END');
		C: DELE 1
		S: +OK *
		C: DELE 2
		S: +OK *
		C: STAT
		S: +OK 0 0
		C: LIST
		S: +OK *
		S: .
		C: RSET
		S: +OK *
		C: STAT
		S: +OK 2 48
		C: DELE 2
		S: +OK *
		C: RSET
		S: +OK *
		C: LIST
		S: +OK *
		S: 1 29
		S: 2 19
		S: .
		C: QUIT
		S: +OK *
		-- closed
		END
	is($box->spool, FX1, 'and QUIT removes none');
};

case 'NOOP: +OK and nothing else [RFC 1939 5]' => sub {
	my $s = box()->login;

	$s->send('NOOP');
	is($s->read_line, "+OK \r\n", 'with its blank, for old clients');
	$s->dialog("C: NOOP x\nS: -ERR *\n");
};

case 'an empty maildrop: lists without lines [RFC 1939 5]' => sub {
	for my $spool ('', undef) {
		my $box = box(spool => $spool);

		$box->login->dialog(<<~'END');
			C: STAT
			S: +OK 0 0
			C: LIST
			S: +OK *
			S: .
			C: UIDL
			S: +OK *
			S: .
			C: RETR 1
			S: -ERR *
			C: TOP 1 0
			S: -ERR *
			C: DELE 1
			S: -ERR *
			C: RSET
			S: +OK *
			C: LAST
			S: +OK 0*
			C: QUIT
			S: +OK *
			-- closed
			END
		is($box->spool, $spool, 'the spool is as it was');
	}
};

case 'mail that comes in does not show before the next login [RFC 1939 4]' => sub {
	my $box = box();
	my $s = $box->login;
	my $uid = $s->uidl;

	ok($box->deliver(letter(3)), 'a delivery');
	is($s->command('STAT'), '+OK 2 48', 'STAT');
	is_deeply($s->list, { 1 => 29, 2 => 19 }, 'LIST');
	like($s->text('RETR 1'), qr/line1/, 'RETR 1');
	ok($box->deliver(letter(4)), 'another one');
	like($s->text('RETR 2'), qr/two\r\n\r\nx\r\n\z/, 'RETR 2 ends where it did');
	is($s->command('STAT'), '+OK 2 48', 'STAT');
	is_deeply($s->uidl, $uid, 'UIDL');
	like($s->command('RETR 3'), qr/^-ERR /, 'RETR 3');
	$s->quit;
	like($box->login->command('STAT'), qr/^\+OK 4 /, 'now it shows');
};

case 'STAT is the sum of LIST, at every moment' => sub {
	my $box = box(spool => join '', map {
	    letter($_, body => alnum(100 * $_)) } 1 .. 12);
	my $s = $box->login;

	for my $line ('NOOP', 'DELE 3', 'DELE 12', 'RETR 5', 'DELE 1', 'RSET',
	    'DELE 7', 'TOP 2 1') {
		$line =~ /^(RETR|TOP)/ ? $s->text($line) : $s->command($line);
		my $list = $s->list;
		my $sum = 0;
		$sum += $_ for values %$list;
		is($s->command('STAT'), "+OK " . keys(%$list) . " $sum",
		    "after $line");
	}
};

done_testing;
