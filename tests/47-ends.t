# A spool that does not end in an empty line: what comes next does not run into
# its last message, and UPDATE leaves it with one.

use strict;
use warnings;

use Test::More;
use Popper;

my ($one, $two, $three) = map { letter($_) } 1 .. 3;

# Such ends: of the last line, no line end, or no empty line after it.
my %end = (
	'no line end' => $one =~ s/\n\n\z//r,
	'a line end, but no empty line' => $one =~ s/\n\z//r,
	'no end of a header' => "From x\@example.org Sat Jan  3 01:05:34 1996\n" .
	    "Subject: a",
);

# What a message of such an end is when it has one.
sub whole { return $_[0] =~ s/\n*\z/\n\n/r }

# What RETR sends of one: where there is no body, an empty line ends the header.
sub sent { return text_of($_[0]) =~ s/\A[^\n]*\n\z/$&\r\n/r }

# What RETR must send of a spool's messages.
sub shown {
	my ($s, @messages) = @_;
	my $n = 0;

	is_deeply([ map { scalar $s->text("RETR $_") } sort { $a <=> $b }
	    keys %{ $s->list } ], [ map { sent($_) } @messages ],
	    scalar @messages . ' messages');
}

for my $end (sort keys %end) {
	my $last = $end{$end};

	case "$end, and then mail: two messages, at each session" => sub {
		my $box = box(spool => $last);

		$box->login->quit;
		$box->append($two);
		for (1, 2) {
			my $s = $box->login(args => ['-s']);
			shown($s, whole($last), $two);
			$s->quit;
		}
		# the known end is not forgotten when more comes
		$box->append($three);
		my $s = $box->login(args => ['-s']);
		shown($s, whole($last), $two, $three);
		$s->quit;
		is($box->spool, $last . $two . $three, 'the spool');
	};

	for my $gone (1 .. 3) {
		case "$end, and then mail, and DELE $gone" => sub {
			my $box = box(spool => $last);
			my @messages = (whole($last), $two, $three);

			$box->login->quit;
			$box->append($two);
			$box->append($three);
			my $s = $box->login(args => ['-s']);
			my $uid = $s->uidl;
			$s->command("DELE $gone");
			$s->quit;
			splice @messages, $gone - 1, 1;
			is($box->spool, join('', @messages), 'the others, each with an end');
			# as any program reads it
			unlink $box->work;
			$s = $box->login(args => ['-s']);
			shown($s, @messages);
			is_deeply([ sort values %{ $s->uidl } ], [ sort map { $uid->{$_} }
			    grep { $_ != $gone } 1 .. 3 ], 'under their names');
		};
	}

	case "$end, and mail comes during the session: DELE 1" => sub {
		my $box = box(spool => $last);
		my $s = $box->login;

		$s->command('DELE 1');
		$box->append($two);
		$s->quit;
		is($box->spool, $two, 'the new one stays, and it alone');
	};

	case "$end, and mail comes during the session: RETR 1" => sub {
		my $box = box(spool => $last);
		my $s = $box->login(args => ['-s']);

		$box->append($two);
		is(scalar $s->text('RETR 1'), sent(whole($last)), 'RETR 1');
		$s->quit;
		is($box->spool, $last . $two, 'the spool');
		shown($box->login(args => ['-s']), whole($last), $two);
	};

	case "$end: UPDATE leaves an empty line" => sub {
		my $box = box(spool => $two . $last);
		my $s = $box->login(args => ['-s']);

		$s->command('DELE 1');
		$s->quit;
		is($box->spool, whole($last), 'the spool');
		$box->append($three);
		shown($box->login, whole($last), $three);
	};

	case "$end of what is left when the newest is deleted" => sub {
		my $box = box(spool => $last);

		$box->login->quit;
		$box->append($two);
		my $s = $box->login(args => ['-s']);
		$s->command('DELE 2');
		$s->quit;
		is($box->spool, whole($last), 'the spool');
	};

	case "$end, and no room for one: DELE and Status are done without" => sub {
		needs('root');
		my $box = box(spool => $two . $last);

		$box->mount(64) or plan skip_all => 'no file system of its own';
		my $s = $box->login;
		$s->text('RETR 1');
		my $fill = $box->mail . '/fill';
		system("head -c 100000 /dev/zero >$fill 2>/dev/null");
		$s->command('DELE 1');
		like($s->quit, qr/^\+OK/, 'QUIT');
		shown($box->login(args => ['-s']), whole($last));
	};
}

# It ends the header, and no message begins after it.
case 'an empty line with a CR at the end of a header with LF: mail, and DELE' => sub {
	my $last = "From x\@example.org Sat Jan  3 01:05:34 1996\nSubject: a\n\r\n";
	my $box = box(spool => $last);

	$box->login->quit;
	$box->append($two);
	$box->append($three);
	my $s = $box->login(args => ['-s']);
	shown($s, "$last\n", $two, $three);
	$s->command('DELE 2');
	$s->quit;
	is($box->spool, "$last\n$three", 'the others, each with an end');
	unlink $box->work;
	shown($box->login, "$last\n", $three);
};

# A spool with CRLF, cut off within a line end, or within that of the header.
for my $cut (1, 3, length "\nThis is letter 1.\r\n\r\n") {
	case "a CR at the end, $cut bytes before there were more" => sub {
		my $last = substr wire($one), 0, -$cut;
		my $box = box(spool => $two . $last);
		my $s = $box->login;
		my $text = $s->text('RETR 2');
		my @was = ($s->list->{2}, $s->uidl->{2});

		is($text, $last =~ s/\A.*\n//r . "\n", 'RETR sends its LF');
		is($was[0], length $text, 'LIST counts it');
		$s->command('DELE 1');
		$s->quit;
		my $status = $last =~ /\n\r\n/ ? "Status: RO\r\n" : '';
		is($box->spool, $last =~ s/\n\K(?=\r\n)/$status/r . "\n\n", 'the spool');
		for my $index ('by the index', 'by a scan') {
			$s = $box->login(args => ['-s']);
			is($s->list->{1}, $was[0] + length $status, "octets, $index");
			is($s->uidl->{1}, $was[1], "unique-id, $index");
			is(scalar $s->text('RETR 1'), $text =~ s/\n\K(?=\r\n)/$status/r,
			    "text, $index");
			$s->quit;
			unlink $box->work;
		}
	};
}

# The end of a session's spool is no boundary where the text goes on otherwise.
case 'a line that goes on where the file ended' => sub {
	my $box = box(spool => $one . ($two =~ s/\n\n\z//r));

	$box->login->quit;
	$box->append(" and more\n\n");
	shown($box->login, $one, $two =~ s/\n\n\z/ and more\n\n/r);
};

# Another program removes the last message.  Then mail comes with From_ lines
# where no agent quotes them, and one is where the spool ended.
case 'a From_ line in a text where the file ended before it was rewritten' => sub {
	my $box = box(spool => $one . $two);
	my $line = "From eve\@example.org Sat Jan  3 01:06:00 1996\n";
	my $room = length($two) - length letter(3, body => "\n");
	my $mail = letter(3, body => 'p' x (($room + 1) % length $line) . "\n" .
	    $line x 30);

	$box->login->quit;
	$box->put($one);
	$box->append($mail);
	is(substr($box->spool, length $one . $two, length $line), $line,
	    'the place');
	shown($box->login, $one, $mail);
};

# The same, and a message claims to end there.
case 'a claim that leads to where the file ended before it was rewritten' => sub {
	my $long = letter(2, body => alnum(2000));
	my $spool = $one . letter(3, header => [ 'Content-Length: 0000' ], body => "x\n");
	my $four = letter(4, body => alnum(4000));
	my $claim = sprintf '%04d', length($one . $long) - length($spool) + 3;
	my $claims = substr $spool =~ s/: 0000/: $claim/r, length $one;
	my $box = box(spool => $one . $long);

	$box->login->quit;
	$box->put($one);
	$box->append($claims . $four);
	shown($box->login, $one, $claims, $four);
};

case 'a From_ line where the file ended before it was rewritten in the session' => sub {
	my $line = "From eve\@example.org Sat Jan  3 01:06:00 1996\n";
	my $rest = length($one) - length letter(3, body => "\n");
	my $mail = letter(3, body => 'p' x (($rest + 1) % length $line) . "\n" . $line x 30);
	my $box = box(spool => $one . $two);
	my $s = $box->login;

	$box->put($two . $mail);
	is(substr($box->spool, length $one . $two, length $line), $line,
	    'the place');
	is(scalar $s->text('RETR 2'), text_of($two), 'RETR 2');
	$s->quit;
	shown($box->login, $two =~ s/\n\n/\nStatus: RO\n\n/r, $mail);
};

# QUIT knows which messages there will be, and the next scan finds these: a
# Content-Length that was wrong may lead to a From_ line now, by what is gone.
case 'a claim that QUIT makes come true' => sub {
	my $four = letter(4);
	my $gone = letter(2, body => "A longer one than the next.\n");
	my $claims = letter(1, body => "x\n",
	    header => [ 'Content-Length: ' . length "x\n\n$two" ]);
	my $box = box(spool => $claims . $gone . $two . $three);
	my $s = $box->login(args => ['-s']);
	my @uid = @{ $s->uidl }{1, 3, 4};

	shown($s, $claims, $gone, $two, $three);
	$s->command('DELE 2');
	$s->quit;
	$box->append($four);
	$s = $box->login(args => ['-s']);
	shown($s, $claims, $two, $three, $four);
	is_deeply([ @{ $s->uidl }{1 .. 3} ], \@uid, 'under their names');
};

case 'a claim that QUIT makes wrong, by a line end' => sub {
	my $body = "Nice weather.\n\nFrom boss\@example.org Sat Jan  3 01:06:00 1996\n"
	    . "Subject: wire 10000\n\nPlease pay at once.";
	my $claims = letter(1, header => [ 'Content-Length: ' . length $body ],
	    body => $body) =~ s/\n\z//r;
	my $box = box(spool => $two . $claims);
	my $s = $box->login(args => ['-s']);

	shown($s, $two, whole($claims));
	$s->command('DELE 1');
	$s->quit;
	is($box->spool, whole($claims), 'the spool');
	$box->append($three);
	shown($box->login(args => ['-s']), whole($claims), $three);
};

done_testing;
