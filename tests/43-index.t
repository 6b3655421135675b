# The state file between sessions: an index, or a journal.  Whatever it holds,
# the spool is what counts.

use strict;
use warnings;

use Test::More;
use Popper;

my @letters = map { letter($_, body => alnum(90 * $_)) } 1 .. 4;
my $spool = join '', @letters;

# Why a login, with whatever is in the state file, does not show exactly what is
# in the spool; undef if it does.  A file that popper does not know may be damaged
# mail: to refuse the login, and leave it to a person, is right too.
sub wrong {
	my ($box, @expected) = @_;
	my $text = join '', @expected;
	my $s = $box->session(trace => 0, greeting => 0, args => ['-s', '-w', 1]);

	$box->{want}{$text} //= join '', map {
		my $wire = text_of($_);
		'+OK ' . length($wire) . " octets\r\n" . stuffed($wire) . ".\r\n"
	} @expected;
	my $work = slurp($box->work) // '';
	$s->send('USER alice', 'PASS s3cret',
	    (map { "RETR $_" } 1 .. @expected), 'RETR ' . (1 + @expected), 'QUIT');
	my $said = $s->slurp;
	my $status = $s->wait;
	return "wait status $status" if $status != 0;
	return 'the spool was changed' if $box->spool ne $text;
	if ($work !~ /\A\0*\z|\Apopper (?:index|journal) \d/) {
		return if slurp($box->work) eq $work
		    && $said =~ /^-ERR \[SYS\/PERM\] [^\r\n]*\.alice\.pop/m;
	}
	return 'said: ' . show($said) unless $said =~
	    /\A\+OK .*\r\n\+OK .*\r\n\+OK .*\r\n\Q$box->{want}{$text}\E-ERR .*\r\n\+OK .*\r\n\z/;
	return;
}

sub stuffed {
	my ($wire) = @_;
	return $wire =~ s/^\././gmr;
}

# A box with the index of a session that is over, and old enough for a poll to
# use it.
sub indexed_box {
	my $box = box(spool => $spool);

	Time::HiRes::sleep(0.3);
	$box->login->quit;
	return $box;
}

sub index_of {
	my ($box) = @_;
	my $index = slurp($box->work);

	cmp_ok(length $index // '', '>', 0, 'there is an index') or die;
	return $index;
}

case 'an index cut anywhere is not used' => sub {
	my $box = indexed_box();
	my $index = index_of($box);
	my @wrong;

	for my $length (few(2, 0 .. 20, 63, 64, map { int(length($index) * $_ / 20) } 1 .. 19)) {
		next if $length >= length $index;
		$box->put_file($box->work, substr $index, 0, $length);
		my $why = wrong($box, @letters);
		push @wrong, "$length octets: $why" if defined $why;
	}
	is(join("\n", @wrong), '', 'the spool is shown');
};

case 'an index with a changed octet gives no false text' => sub {
	my $box = indexed_box();
	my $index = index_of($box);
	my @changes = map { my $at = int(length($index) * $_ / 30);
	    ([ $at, "\x01" ], [ $at, "\xff" ]) } 0 .. 29;
	my @wrong;

	for my $change (few(3, @changes)) {
		my ($at, $mask) = @$change;
		my $changed = $index;
		substr($changed, $at, 1) ^= $mask;
		$box->put_file($box->work, $changed);
		my $why = wrong($box, @letters);
		push @wrong, "octet $at: $why" if defined $why;
	}
	is(join("\n", @wrong), '', 'the spool is shown');
};

case 'an index with something after it, or twice' => sub {
	my $box = indexed_box();
	my $index = index_of($box);

	for my $more ("\0", 'x' x 1000, $index, "\n") {
		$box->put_file($box->work, $index . $more);
		is(wrong($box, @letters), undef, length($more) . ' octets more');
	}
};

case 'garbage instead of an index' => sub {
	my $box = box(spool => $spool);
	my ($first) = index_of(indexed_box()) =~ /\A([^\n]{0,200}\n?)/;

	for my $garbage ("\0", "\n", 'x', "\xff" x 5000, "popper\n", $first,
	    $first x 2, $first . "\0" x 4096, $first . "\xff" x 4096,
	    $first . 'A' x 100_000, "Fro", "FROM x\n") {
		$box->put_file($box->work, $garbage);
		is(wrong($box, @letters), undef, show(substr $garbage, 0, 40));
	}
};

case 'numbers of an index blown up' => sub {
	my $box = indexed_box();
	my $index = index_of($box);
	my @wrong;

	my @blows = map { my $at = 8 * $_; map { [ $at, $_ ] }
	    "\xff" x 8, "\xff" x 7 . "\x7f", "\0" x 8 } 0 .. 49;
	for my $blow (few(4, @blows)) {
		my ($at, $number) = @$blow;
		my $changed = $index;
		substr($changed, $at, 8) = $number;
		$box->put_file($box->work, $changed);
		my $why = wrong($box, @letters);
		push @wrong, "octet $at: $why" if defined $why;
	}
	is(join("\n", @wrong), '', 'the spool is shown');
};

case 'the index of another maildrop' => sub {
	my $other = box(spool => join '', map { letter($_) } 5 .. 9);

	$other->login->quit;
	my $index = index_of($other);
	my $box = box(spool => $spool);
	$box->put_file($box->work, $index);
	is(wrong($box, @letters), undef, 'the spool is shown');
};

my %change = (
	'mail was appended' => sub { $_[0]->deliver(letter(9)); @letters, letter(9) },
	'a message is replaced by one of the same size' => sub {
		my @now = (@letters[0, 1], $letters[2] =~ s/abc/xyz/gr, $letters[3]);
		$_[0]->put(join '', @now); @now },
	'messages have changed places' => sub {
		my @now = reverse @letters; $_[0]->put(join '', @now); @now },
	'messages were removed' => sub {
		$_[0]->put($letters[1]); $letters[1] },
	'it was emptied' => sub { $_[0]->put(''); () },
	'it is a new file' => sub {
		rename $_[0]->path, $_[0]->path . '.old'; $_[0]->put($spool); @letters },
	'it is a new file of the same size' => sub {
		my @now = map { s/abc/xyz/r } @letters;
		rename $_[0]->path, $_[0]->path . '.old';
		$_[0]->put(join '', @now); @now },
	'a body has got a From line' => sub {
		my $now = $spool =~ s/^Message-ID: <2\@example\.org>\n\nabcdefghijklmnopqrstuvwxyz0123456789/Message-ID: <2\@example.org>\n\n\nFrom me Jan  3 01:02 1996\n\nabcdef/mr;
		my @now = split /^(?=From \S+ )/m, $now;
		$_[0]->put($now); @now },
);

for my $what (sort keys %change) {
	for my $time ('', ', and its time was set back') {
		case "the spool changed between sessions: $what$time" => sub {
			my $box = indexed_box();
			my ($atime, $mtime) = @{ $box->stat }{qw(atime mtime)};
			my @now = $change{$what}->($box);

			Time::HiRes::utime($atime, $mtime, $box->path) if $time;
			is(wrong($box, @now), undef, 'what is shown is the new one');
			is(wrong($box, @now), undef, 'and again');
		};
	}
}

# The same size, and so soon after a session that the clock of the file system
# may not have moved.
case 'the spool changed right after a session: no stale index' => sub {
	my $box = box(spool => $spool);
	my @wrong;

	for my $try (1 .. 20) {
		my @now = map { s/abc/sprintf '%03d', $try/ger } @letters;
		$box->put(join '', @now);
		my $why = wrong($box, @now);
		push @wrong, "try $try: $why" if defined $why;
	}
	is(join("\n", @wrong), '', 'every time the new one');
};

case 'a rewrite during a session does not leave a false index behind' => sub {
	my $box = indexed_box();
	my @now = map { s/abc/xyz/gr } @letters;
	my $s = $box->login;

	$s->text('RETR 2');
	$box->put(join '', @now);
	$s->close->wait;
	is(wrong($box, @now), undef, 'the new one is shown');
	$s = $box->login(args => ['-s']);
	$s->text('RETR 2');
	$box->put($spool);
	$s->quit;
	is(wrong($box, @letters), undef, 'and after QUIT as well');
};

# Boxes as killed updates leave them, each with what its files held then.
sub killed_updates {
	my $calls = 'pwrite64,?pwritev,write,ftruncate,fdatasync,fsync';
	my @points = points(straced(update_under("trace=$calls")->dir . '/strace'));
	my (@killed, %seen);

	for my $point (@points) {
		my ($call, $n) = @$point;
		my $box = update_under("trace=$call",
		    "inject=$call:signal=KILL:when=$n");
		my ($work, $then) = (slurp($box->work) // '', $box->spool);

		unlink $box->dotlock;
		push @killed, { box => $box, journal => $work, spool => $then }
		    unless $work !~ /\Apopper journal/ || $seen{$work, $then}++;
	}
	cmp_ok(scalar @killed, '>', 2, 'journals were made');
	return @killed;
}

# A session with something to update, under strace.
sub update_under {
	my (@expressions) = @_;
	my $box = box(spool => $spool);
	my $s = $box->session(trace => 0, greeting => 0,
	    under => [ strace($box->dir . '/strace', '-P', $box->path,
	    '-P', $box->work, map { ('-e', $_) } @expressions) ]);

	$s->send('USER alice', 'PASS s3cret', 'RETR 1', 'DELE 2', 'QUIT');
	$s->slurp;
	$s->wait;
	return $box;
}

# The subjects of those of the letters that are not in the text as a whole.
sub missing {
	my ($text, @letters) = @_;

	$text =~ s/^Status: RO\n//gm;
	return join ' ', map { /^Subject: (.*)/m } grep {
		index($text, $_) < 0 } @letters;
}

# Each has a box whose files are as the kill left them, and what is in the files.
my %journal = (
	'that belongs to another spool overwrites nothing' => sub {
		my ($was) = @_;
		my @others = map { letter($_, body => alnum(500)) } 5 .. 9;

		# By way of the same file, too: then device and inode agree.
		for my $box (box(spool => ''), $was->{box}) {
			$box->put(join '', @others);
			$box->put_file($box->work, $was->{journal});
			login_and_quit($box);
			is(missing($box->spool, @others), '', 'every message is there');
		}
	},
	'that is played a second time does no harm' => sub {
		my ($was) = @_;
		my $box = $was->{box};
		my @kept = @letters[0, 2, 3];

		$box->login->quit;
		is(missing($box->spool, @kept), '', 'the recovery');
		for my $more ('', letter(9)) {
			$box->deliver($more);
			$box->put_file($box->work, $was->{journal});
			login_and_quit($box);
			is(missing($box->spool, @kept, $more), '', 'and the mail');
		}
	},
	'whose head is damaged is refused, and stays' => sub {
		my ($was) = @_;
		my $box = $was->{box};
		my $changed = $was->{journal};

		substr($changed, 40, 1) ^= "\x15";
		$box->put_file($box->work, $changed);
		like(login_and_quit($box),
		    qr/^-ERR \[SYS\/PERM\] The file \.alice\.pop or the maildrop is damaged;/m,
		    'the login');
		ok($box->spool eq $was->{spool}, 'the spool');
		ok(slurp($box->work) eq $changed, 'the journal');
	},
	'cut or changed never costs what the spool has' => sub {
		my ($was) = @_;
		my ($box, $journal) = @$was{qw(box journal)};
		my @whole = grep { missing($was->{spool}, $_) eq '' } @letters[0, 2, 3];
		my @wrong;

		for my $at (few(2, map { int(length($journal) * $_ / 8) } 0 .. 7)) {
			my $cut = substr $journal, 0, $at;
			my $changed = $journal;
			substr($changed, $at, 1) ^= "\x15";
			for my $forged ($cut, $changed) {
				$box->put($was->{spool});
				$box->put_file($box->work, $forged);
				login_and_quit($box);
				my $text = $box->spool . (slurp($box->work) // '');
				my $lost = missing($text, @whole);
				push @wrong, ($forged eq $cut ? 'cut' : 'changed')
				    . " at $at: lost $lost" if $lost ne '';
			}
		}
		is(join("\n", @wrong), '', 'nothing is lost');
	},
);

# What such a session said; it ends in good order.
sub login_and_quit {
	my ($box) = @_;
	my $s = $box->session(trace => 0, args => ['-w', 1]);

	$s->send('USER alice', 'PASS s3cret', 'QUIT');
	my $said = $s->slurp;
	my $status = $s->wait;
	die "wait status $status\n" if $status != 0;
	return $said;
}

case 'journals of updates that were killed' => sub {
	needs('strace');
	my @killed = killed_updates();

	for my $title (sort keys %journal) {
		subtest "a journal $title" => sub {
			for my $was (@killed) {
				$was->{box}->put($was->{spool});
				$was->{box}->put_file($was->{box}->work, $was->{journal});
				$journal{$title}->($was);
			}
		};
	}
};

done_testing;
