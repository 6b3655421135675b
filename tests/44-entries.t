# A session reads those entries of the index that it needs, and an update that
# removes only the newest messages writes its head alone.  What the index then
# says is what a scan would say.

use strict;
use warnings;

use Test::More;
use Popper;

# The layout of the index, as spool/index.c has it.
my ($head, $first, $entry) = (160, 1024, 72);	# octets; $first is an offset
my $block = int(32 * 1024 / $entry);	# entries that are read at once

# The offset of the entry of message N, in a state file of either byte order, or
# in the first index of one.
sub entry_at {
	my ($n, $state) = @_;
	my ($at) = !defined $state ? $first : grep { $_ < 1 << 32 }
	    map { unpack "x136 Q$_", $state } qw(< >);

	return $at + ($n - 1) * $entry;
}

# N short letters, some of them read, some alike.
sub letters {
	my ($n) = @_;
	my @letters = map { letter($_ % 50 == 7 ? 7 : $_) } 1 .. $n;

	s/^Subject:/Status: RO\nSubject:/m for @letters[grep { $_ % 3 == 0 } 0 .. $#letters];
	return @letters;
}

# All that a session can say of a maildrop without its text, and whether it
# scanned the spool for that.
sub account_of {
	my ($box) = @_;
	my $before = length($box->log // '');
	my $s = $box->login(args => ['-d', '-s']);
	my @said = map { scalar $s->text($_) } qw(LIST UIDL);

	push @said, map { $s->command($_) } qw(STAT LAST);
	$s->quit;
	return (join("\n", @said), substr($box->log, $before) =~ /\bscan user=/ ? 1 : 0);
}

# A box with an index that the next session can use.
sub indexed_box {
	my (@letters) = @_;
	return indexed(box(spool => join '', @letters));
}

sub indexed {
	my ($box) = @_;
	$box->login(args => ['-s'])->quit;
	return $box;
}

for my $n (1, 7, $block - 1, $block, $block + 1, 2 * $block) {
	case "$n messages: the index says what the scan said" => sub {
		my $box = box(spool => join '', letters($n));
		my ($scanned) = account_of($box);
		my ($known, $scan) = account_of($box);

		is($known, $scanned, 'LIST, UIDL, STAT, LAST');
		is($scan, 0, 'without a scan');
	};
}

# [how many there are, how many of the newest go]
my @cuts = ([1, 1], [63, 1], [64, 2], [135, 8], [135, 134], [200, 199], [200, 200],
    [$block, 1], [$block + 1, 1], [$block + 1, 2]);

for my $from ('the index', 'a scan in that session') {
	for my $cut (@cuts) {
		my ($n, $k) = @$cut;

		case "$k newest of $n go, known from $from: the index is cut, and true" => sub {
			my @letters = letters($n);
			my $box = indexed_box(@letters);

			unlink $box->work if $from ne 'the index';
			my $s = $box->login(args => ['-s']);
			for my $i (reverse $n - $k + 1 .. $n) {
				$s->command("DELE $i") =~ /\A\+OK / or fail("DELE $i");
			}
			$s->quit;
			is($box->spool, join('', @letters[0 .. $n - $k - 1]), 'the spool');
			my ($known, $scan) = account_of($box);
			is($scan, 0, 'the next session needs no scan');
			my $clean = box(spool => $box->spool);
			my ($scanned) = account_of($clean);
			# what was alike keeps the number it had
			s/\.\d+$//gm for $known, $scanned;
			is($known, $scanned, 'LIST, UIDL, STAT, LAST as a scan has them');
		};
	}
}

for my $n (129, 66) {
	case "the newest of $n are taken away, one in each session" => sub {
		my @letters = letters($n);
		my $box = indexed_box(@letters);
		my $before = length $box->log;

		while (@letters > $n - 6) {
			my $s = $box->login(args => ['-d', '-s']);
			$s->text('RETR ' . @letters);
			like($s->command('DELE ' . @letters), qr/\A\+OK /, 'DELE ' . @letters);
			$s->quit;
			pop @letters;
		}
		is($box->spool, join('', @letters), 'the spool');
		unlike(substr($box->log, $before), qr/\bscan user=/, 'never a scan');
	};
}

case 'the newest are read and stay: the index has no marks in it' => sub {
	my @letters = map { s/^Subject:/Status: RO\nSubject:/mr } map { letter($_) } 1 .. 5;
	my $box = indexed_box(@letters);
	my $s = $box->login;

	$s->text('RETR 4');
	like($s->command('DELE 5'), qr/\A\+OK /, 'DELE 5');
	$s->quit;
	my ($known, $scan) = account_of($box);
	is($scan, 0, 'the next session needs no scan');
	is($box->spool, join('', @letters[0 .. 3]), 'the spool');
};

case 'DELE and RSET, then the newest' => sub {
	my @letters = letters(126);
	my $box = indexed_box(@letters);
	my $s = $box->login(args => ['-s']);

	$s->dialog(<<'END');
		C: DELE 3
		S: +OK Message 3 has been deleted.
		C: RSET
		S: +OK Maildrop has 126 messages (*
		C: DELE 126
		S: +OK Message 126 has been deleted.
END
	$s->quit;
	is($box->spool, join('', @letters[0 .. 124]), 'the spool');
	is((account_of($box))[1], 0, 'the next session needs no scan');
};

case 'an index of another version is none' => sub {
	my @letters = letters(3);
	my $box = box(spool => join '', @letters);

	$box->put_file($box->work, "popper index 1\n" . "\0" x 497 . 'x' x 168);
	my ($said, $scan) = account_of($box);
	is($scan, 1, 'the spool is scanned');
	is((account_of($box))[0], $said, 'and known from then on');
};

# Entries of an older index can come back in a crash, since none is synced.
case 'an entry of an older index is none of this one' => sub {
	my $box = indexed_box(map { letter($_) } 1 .. 5);
	my $old = slurp($box->work);

	$box->put(join '', map { letter($_) } 1, 2, 6, 4, 5);
	my ($said) = account_of(indexed($box));
	my $new = slurp($box->work);
	my ($then, $now) = map { substr $_, entry_at(3, $_), $entry } $old, $new;
	isnt(substr($now, 0, 64), substr($then, 0, 64), 'they differ');
	substr($new, entry_at(3, $new), $entry) = $then;
	$box->put_file($box->work, $new);
	my ($again, $scan) = account_of($box);
	is($scan, 1, 'the spool is scanned');
	is($again, $said, 'LIST, UIDL, STAT, LAST');
};

# Changes an octet of the entry of message N.
sub damage {
	my ($box, $n) = @_;
	my $at = entry_at($n, slurp($box->work)) + 40;

	open my $fh, '+<', $box->work or die;
	sysseek $fh, $at, 0;
	sysread $fh, my $octet, 1;
	sysseek $fh, $at, 0;
	syswrite $fh, $octet ^ "\x40";
	close $fh;
}

for my $damaged (1, 149, 252) {
	case "entry $damaged of 252 damaged during a session: a scan, and the marks stay" => sub {
		my @letters = map { letter($_) } 1 .. 252;
		my $n = @letters;
		my $box = indexed_box(@letters);
		my $s = $box->login(args => ['-d', '-s']);

		like($s->command('DELE 150'), qr/\A\+OK /, 'DELE 150');
		damage($box, $damaged);
		for my $i (1, 149, 151, $n) {
			is($s->text("RETR $i"), text_of($letters[$i - 1]),
			    "RETR $i");
		}
		is(scalar keys %{ $s->list }, $n - 1, 'LIST leaves 150 out');
		is(() = $box->log =~ /\bscan user=/g, 2, 'it was scanned again');
		$s->quit;
		is($box->spool, join('', @letters[0 .. 148, 150 .. $n - 1]), 'the spool');
		is((account_of($box))[1], 0, 'the next session needs no scan');
	};
}

my @named = map { letter($_, header => ["X-UIDL: name$_"]) } 1 .. 130;

case 'damaged, and the spool is another: what is said of UIDL is not false' => sub {
	my $box = box(spool => join '', @named);

	$box->login(args => ['-U', '-s'])->quit;
	my $s = $box->login(args => ['-U', '-s']);
	$s->dialog(<<'END');
		C: UIDL 100
		S: +OK 100 name100
END
	damage($box, 1);
	$box->put(join '', @named[1 .. $#named]);
	like($s->command('UIDL 1'), qr/^-ERR \[SYS\/TEMP\] /, 'of the damaged entry');
	like($s->command('UIDL 100'), qr/^\+OK 100 name100$/, 'of the other one');
	$s->quit;
};

case 'damaged, and mail came: no reply says that the maildrop is no mbox' => sub {
	my $box = indexed_box(@named);
	my $s = $box->login(args => ['-s']);

	like($s->command('LIST 100'), qr/^\+OK /, 'LIST 100');
	damage($box, 1);
	$box->deliver(letter(200));
	like($s->command('RETR 1'), qr/^-ERR \[SYS\/TEMP\] /, 'RETR 1');
	$s->quit;
};

case 'damaged when all of it has been read: QUIT needs it no more' => sub {
	my $box = indexed_box(@named);
	my $s = $box->login(args => ['-s']);

	is(scalar keys %{ $s->list }, 130, 'LIST');
	$s->command('DELE 130');
	damage($box, 130);
	$s->quit;
	is($box->spool, join('', @named[0 .. 128]), 'the spool');
};

for my $n (3, 130) {
	case "damaged, and the first of two duplicates is gone, of $n: a scan" => sub {
		my @letters = map { letter($_ == 2 ? 1 : $_) } 1 .. $n;
		my $box = box(spool => join '', @letters);
		my $s = $box->login(args => ['-s']);

		$s->command('DELE 1');
		$s->quit;
		indexed($box);
		damage($box, $n - 1);
		$s = $box->login(args => ['-s']);
		is(scalar keys %{ $s->list }, $n - 1, 'LIST');
		is($s->text('RETR 1'), text_of($letters[1]),
		    'RETR 1');
		$s->quit;
	};
}

# XTND BBOARDS closes the maildrop by an UPDATE.  If that fails it stays open, but
# the index may be gone.
case 'an UPDATE that failed, then RSET and the newest' => sub {
	needs('strace');
	my @letters = map { letter($_) } 1 .. 5;
	my $box = indexed_box(@letters);
	my ($boards, $news) = map { $box->dir . "/$_" } qw(boards news);

	$box->put_file($news, letter(9));
	$box->put_file($boards, "board news\nmaildrop $news\n");
	chmod 0644, $news, $boards;
	my $s = $box->login(args => ['-s', '-b', $boards], under => [ strace($box->dir . '/strace',
	    '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=ENOSPC:when=1') ]);
	$s->dialog(<<'END');
		C: DELE 2
		S: +OK Message 2 has been deleted.
		C: XTND BBOARDS news
		S: -ERR [SYS/TEMP] The maildrop could not be updated, and stays open.
		C: RSET
		S: +OK Maildrop has 5 messages (*
		C: DELE 5
		S: +OK Message 5 has been deleted.
		C: QUIT
		S: +OK *
END
	$s->close->wait;
	is($box->spool, join('', @letters[0 .. 3]), 'the newest is gone, and no other');
};

# What a session moves between it and the state file: "r offset+octets" of each
# read, "w offset+octets" of each write, without repetitions.
sub moved {
	my ($box, @commands) = @_;
	my $trace = $box->dir . '/strace';
	my $s = $box->session(greeting => 0, args => ['-s'], under => [ strace($trace,
	    '-P', $box->work, '-e', 'trace=pread64,pwrite64,read,write,ftruncate') ]);

	$s->send('USER alice', 'PASS s3cret', @commands, 'QUIT');
	$s->slurp;
	$s->wait;
	my %seen;
	return grep { !$seen{$_}++ } map {
		/p(.)\w+64\(.*, \d+, (\d+)\) = (\d+)$/ ? "$1 $2+$3" :
		    /---|\+\+\+/ ? () : $_
	} straced($trace);
}

case 'what a large maildrop costs of its index' => sub {
	needs('strace');
	my $n = 2 * $block + 1;
	my $box = indexed_box(letters($n));
	# what recovery looks at, and the head
	my @login = ("r 0+$first", "r 0+$head");
	my @all = map { 'r ' . entry_at(1 + $_ * $block) . '+' . ($_ == 2 ? 1 : $block) * $entry } 0 .. 2;
	my $one = 'r ' . entry_at($n) . "+$entry";

	is_deeply([ moved($box, 'STAT', 'LAST') ], \@login, 'STAT, LAST');
	is_deeply([ moved($box, 'LIST', 'UIDL') ], [ @login, @all ], 'LIST, UIDL');
	is_deeply([ moved($box, "RETR $n") ], [ @login, $one ], "RETR $n");
	my $last = 'r ' . entry_at($n - 1) . "+$entry";	# has it an end?
	is_deeply([ moved($box, "DELE $n") ], [ @login, $one, $last, "w 0+$first" ],
	    "DELE $n");
};

done_testing;
