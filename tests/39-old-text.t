# What has been deleted is gone from .alice.pop as well: when a journal or mail
# of an older popper in it is done with, no byte of a message is left there.

use strict;
use warnings;

use Test::More;
use Popper;

# A message of which every line of some length can be told.
sub mail {
	my ($n, $lines) = @_;
	return letter($n, header => [ 'X-Mark: ' . 'Q' x 40 ],
	    body => join('', ('Q' x 63 . "\n") x $lines));
}

# The places in .alice.pop where there is text of a message.
sub text_in {
	my ($box) = @_;
	my $work = slurp($box->work);
	my @at;

	push @at, $-[0] while $work =~ /QQQ|From |Subject|sender|letter|example/g;
	return @at > 5 ? "@at[0 .. 4] ..." : "@at";
}

# A session, after whose login and end there must be none.
sub clean_session {
	my ($box, $title, @commands) = @_;
	my $s = $box->login(args => ['-s']);

	is(text_in($box), '', "$title: after login");
	$s->command($_) for @commands;
	$s->quit;
	is(text_in($box), '', "$title: after QUIT");
}

for (['one message', map { mail($_, 1) } 1], ['one page', mail(1, 60)],
    ['three messages', map { mail($_, 30) } 1 .. 3],
    ['many messages', map { mail($_, 2) } 1 .. 300],
    ['a large message', mail(1, 100_000)]) {
	my ($title, @mail) = @$_;

	case "left-over mail: $title" => sub {
		for my $spool (undef, '', letter(400)) {
			my $box = box(spool => $spool);

			$box->put_file($box->work, join '', @mail);
			clean_session($box, 'the spool is ' .
			    (defined $spool ? length $spool : 'missing'));
		}
	};
}

# [messages, lines of each, those that are deleted]
for ([3, 40, 1], [3, 40, 2], [100, 2, 1], [100, 2, 1, 3, 50], [100, 2, 1 .. 60],
    [100, 2, 70 .. 100], [100, 2, 1 .. 100], [700, 1, 1, 2, 650 .. 700],
    [4, 20_000, 1]) {
	my ($n, $lines, @gone) = @$_;

	case "UPDATE: $n messages of $lines lines, without the " . @gone .
	    " from $gone[0] on" => sub {
		my $box = box(spool => join '', map { mail($_, $lines) } 1 .. $n);

		clean_session($box, 'a scan');
		clean_session($box, 'DELE', map { "DELE $_" } @gone);
		clean_session($box, 'the next session');
	};
}

case 'UPDATE with unique-ids of another server (-U): they alone are in there' => sub {
	my @mail = map { mail($_, 2) =~ s/^X-Mark/X-UIDL: name$_\nX-Mark/mr } 1 .. 80;
	my $box = box(spool => join('', @mail), args => [ '-U' ]);

	clean_session($box, 'a scan');
	like(slurp($box->work), qr/name80\0/, 'the last name');
	clean_session($box, 'DELE', 'DELE 1', 'DELE 80');
	clean_session($box, 'the next session');
	unlike(slurp($box->work), qr/name(?:1|80)\0/, 'two names have gone');
};

# ---- sessions that die, and calls that fail -------------------------------

my @mail = map { mail($_, 2) } 1 .. 80;
my @commands = ('DELE 1', 'DELE 40', 'RETR 60', 'QUIT');
my $calls = 'pwrite64,fdatasync,fsync,ftruncate,fallocate';

# A session with these commands, to whose calls on the spool and the state file
# things happen; what it said, and its trace.
sub session {
	my ($box, $what, @say) = @_;
	my $trace = $box->dir . '/strace';

	unlink $trace, $box->dotlock;
	my $s = $box->session(greeting => 0, under => [ strace($trace,
	    '-P', $box->path, '-P', $box->work, '-e', "trace=$calls",
	    defined $what ? ('-e', "inject=$what") : ()) ]);
	$s->send('USER alice', 'PASS s3cret', @say);
	my $said = $s->slurp;
	$s->wait;
	my @trace = straced($trace);
	unlink $box->dotlock;
	return ($said, @trace);
}

# A box with an index, or with one and an update that was cut off (by a second
# sync that kills: then text stands in the journal alone).
sub indexed {
	my ($cut) = @_;
	my $box = box(spool => join '', @mail);

	$box->login(args => ['-s'])->quit;
	session($box, 'fdatasync:signal=KILL:when=2', @commands) if $cut;
	return $box;
}

# A kill at each of the calls; the next session clears it away.
sub killed {
	my ($box_of, @say) = @_;
	my ($said, @trace) = session($box_of->(), undef, @say);
	my ($text, @wrong) = 0;

	for my $point (few(5, points(@trace))) {
		my ($call, $n) = @$point;
		my $box = $box_of->();

		session($box, "$call:signal=KILL:when=$n", @say);
		$text++ if text_in($box) ne '';
		my $s = $box->login(args => ['-s']);
		push @wrong, "$call $n: after login" if text_in($box) ne '';
		$s->quit;
		push @wrong, "$call $n: after QUIT" if text_in($box) ne '';
		$box->remove;
	}
	cmp_ok($text, '>', 0, "$text of them leave text there");
	is(join("\n", @wrong), '', scalar(@trace) . ' calls');
}

case 'UPDATE, killed at each call: the next session clears it away' => sub {
	needs('strace', 'plain');
	killed(\&indexed, @commands);
};

case 'recovery, killed at each call: the next session clears it away' => sub {
	needs('strace', 'plain');
	killed(sub { indexed(1) }, 'QUIT');
};

case 'messages are put back from a journal' => sub {
	needs('strace', 'plain');
	killed(sub {
		my $box = indexed(1);
		$box->put(mail(99, 1));
		return $box;
	}, 'QUIT');
};

case 'UPDATE and its failures: what is done with is cleared at once' => sub {
	needs('strace', 'plain');
	my (undef, @trace) = session(indexed(), undef, @commands);
	my (%seen, @wrong);

	for my $point (few(5, points(@trace))) {
		my ($call, $n) = @$point;
		my $box = indexed();
		my ($said) = session($box, "$call:error=EIO:when=$n", @commands);
		my $end = $said =~ /nothing was removed/ ? 'nothing' :
		    $said =~ /signing off/ ? 'all' : 'cut off';

		$seen{$end}++;
		push @wrong, "$call $n, $end: at once"
		    if $end ne 'cut off' && text_in($box) ne '';
		my $s = $box->login(args => ['-s']);
		push @wrong, "$call $n, $end: after login"
		    if text_in($box) ne '';
		$s->quit;
		$box->remove;
	}
	is(join("\n", @wrong), '', scalar(@trace) . ' calls');
	is(join(' ', sort keys %seen), 'all cut off nothing',
	    'all that can come of it') or diag(explain(\%seen));
};

done_testing;
