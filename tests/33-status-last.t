# What was read already: Status lines, and LAST of RFC 1081.

use strict;
use warnings;

use Test::More;
use Popper;

case 'LAST: the highest number that RETR or DELE named [RFC 1081]' => sub {
	box(spool => join '', map { letter($_) } 1 .. 4)->login->dialog(<<~'END');
		C: LAST
		S: +OK 0*
		C: TOP 4 1
		S: +OK *
		S: *
		S: *
		S:
		S: This is letter 4.
		S: .
		C: LAST
		S: +OK 0*
		C: RETR 2
		S: +OK *
		S: *
		S: *
		S:
		S: This is letter 2.
		S: .
		C: LAST
		S: +OK 2*
		C: RETR 1
		S: +OK *
		S: *
		S: *
		S:
		S: This is letter 1.
		S: .
		C: LAST
		S: +OK 2*
		C: DELE 3
		S: +OK *
		C: LAST
		S: +OK 3*
		C: RETR 9
		S: -ERR *
		C: LAST
		S: +OK 3*
		C: RSET
		S: +OK *
		C: LAST
		S: +OK 0*
		END
};

case 'LAST: starts from what an earlier session read [RFC 1081]' => sub {
	my $box = box();
	my $s = $box->login;

	$s->text('RETR 2');
	$s->quit;
	$box->login->dialog(<<~'END');
		C: LAST
		S: +OK 2*
		C: RSET
		S: +OK *
		C: LAST
		S: +OK 2*
		END
	for (['RO', 2], ['R', 2], ['OR', 2], ['O', 0], ['', 0], ['U', 0]) {
		my ($status, $last) = @$_;
		my $box = box(spool => letter(1)
		    . letter(2, header => ["Status: $status"]) . letter(3));

		like($box->login->command('LAST'), qr/^\+OK $last\b/,
		    "Status: $status");
	}
};

case 'Status: a message that was retrieved and kept gets one line' => sub {
	my $box = box();
	my $s = $box->login;

	$s->text('RETR 1');
	$s->quit;
	my ($one, $two) = split /^(?=From carol)/m, $box->spool;
	is(() = $one =~ /^Status: RO$/mg, 1, 'one line');
	like($one, qr/\A(?:[^\n]+\n)*Status: RO\n(?:[^\n]+\n)*\n/, 'in the header');
	is($one =~ s/^Status: RO\n//mr . $two, FX1, 'and all else is as it was');
	$s = $box->login;
	is($s->list->{1}, 29 + length "Status: RO\r\n", 'it counts');
	is(length $s->text('RETR 1'), 29 + length "Status: RO\r\n", 'and is sent');
};

case 'Status: with -s no such line is written' => sub {
	my $box = box();
	my $before = $box->stat;
	my $s = $box->login(args => ['-s']);

	$s->text('RETR 1');
	$s->quit;
	is($box->spool, FX1, 'the spool');
	is($box->stat->{mtime}, $before->{mtime}, 'its time');
};

case 'Status: TOP alone reads no message' => sub {
	my $box = box();
	my $s = $box->login;

	$s->text('TOP 1 99');
	$s->quit;
	is($box->spool, FX1, 'the spool');
};

case 'Status: the line that is there is made to say it' => sub {
	for my $line ('Status: O', 'Status: U', 'Status:', 'status: O',
	    'Status: R', 'STATUS:   N') {
		my $box = box(spool => letter(1, header => [$line, 'X-Next: y'])
		    . letter(2));
		my $s = $box->login;

		$s->text('RETR 1');
		$s->quit;
		my ($one) = split /^(?=From sender2)/m, $box->spool;
		is(() = $one =~ /^status:/mgi, 1, "$line: one line");
		like($one, qr/^Status: RO$/mi, "$line: it says RO");
		is($one =~ s/^status:.*\n//mir, letter(1, header => ['X-Next: y']),
		    "$line: and nothing else changed");
		ok($box->spool =~ /\Q@{[letter(2)]}\E\z/, "$line: nor the next");
	}
};

case 'Status: a message that was read before is not written again' => sub {
	my $text = letter(1, header => ['Status: RO']) . letter(2);
	my $box = box(spool => $text);
	my $before = $box->stat;
	my $s = $box->login;

	$s->text('RETR 1');
	$s->quit;
	is($box->spool, $text, 'the spool');
	is($box->stat->{mtime}, $before->{mtime}, 'its time');
};

case 'Status: other lines of that kind are left alone' => sub {
	my @header = ('X-Status: F', 'X-Keywords: a', 'X-UID: 7', 'Statusx: 1');
	my $box = box(spool => letter(1, header => \@header,
	    body => "Status: O\n"));
	my $s = $box->login;

	$s->text('RETR 1');
	$s->quit;
	is($box->spool =~ s/^Status: RO\n//mr,
	    letter(1, header => \@header, body => "Status: O\n"), 'they are');
};

case 'Status: in a spool with CRLF line ends the new line has one too' => sub {
	my $box = box(spool => wire(FX1));
	my $s = $box->login;

	$s->text('RETR 1');
	$s->quit;
	unlike($box->spool, qr/(?<!\r)\n/, 'no bare LF');
	is($box->spool =~ s/^Status: RO\r\n//mr, wire(FX1), 'all else as it was');
	is($box->login->command('STAT'), '+OK 2 ' . (48 + length "Status: RO\r\n"),
	    'two messages still');
};

# The first line of a header tells the line ends of its message.
case 'Status: its line end, too, may be the first line\'s' => sub {
	my $box = box(spool => (letter(1) =~ s/\n/\nStatus: O\r\n/r =~
	    s/\n\z/\r\n/r) . wire(letter(2)));
	my $s = $box->login;
	my $before = $s->uidl;

	is(keys %$before, 2, 'two messages');
	$s->text('RETR 1');
	$s->quit;
	utime 1, 1, $box->path;		# and so it is scanned
	is_deeply($box->login->uidl, $before, 'they are the same');
};

case 'Status: for a message that has no body, and one that has no header' => sub {
	my $separator = "From x\@example.org Sat Jan  3 01:05:34 1996\n";
	my @spools = ([ "${separator}Subject: a\n\n" . letter(2), '' ],
	    [ "$separator\n" . letter(2), '' ],
	    [ "$separator\nbody\n\n" . letter(2), '' ],
	    [ letter(2) . "${separator}Subject: a\n", "\n" ],
	    [ letter(2) . $separator, "\n" ]);

	for my $case (@spools) {
		my ($spool, $end) = @$case;
		my $box = box(spool => $spool);
		my $s = $box->login;
		my $uid = $s->uidl;

		$s->text('RETR 1');
		$s->text('RETR 2');
		$s->quit;
		is($box->spool =~ s/^Status: RO\n//mgr, $spool . $end,
		    'but for Status lines and its end the spool is as it was');
		$s = $box->login;
		is_deeply($s->uidl, $uid, 'the same two messages');
		for my $n (1, 2) {
			is(length $s->text("RETR $n"), $s->list->{$n}, 'sizes');
		}
		like($s->command('LAST'), qr/^\+OK 2\b/, 'both are read');
	}
};

case 'Status: nothing is written for a message whose sending was cut' => sub {
	my $text = letter(1, body => alnum(4_000_000));
	my $box = box(spool => $text);
	my $s = $box->login;

	$s->send('RETR 1');
	$s->read_line;
	$s->close->wait;
	ok($box->spool eq $text, 'the spool');
};

done_testing;
