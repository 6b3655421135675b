# The index of a maildrop with many messages stands in pages, of which a session
# reads those it needs, and an update that only takes the newest messages away
# writes no more than it must.  What it then says is what a scan would say.

use strict;
use warnings;

use Test::More;
use Popper;

my $page = 63;			# messages in a page, as pop_index.c has it

# So many short letters, some of them read, some alike.
sub letters {
	my ($n) = @_;
	my @letters = map { letter($_ % 50 == 7 ? 7 : $_) } 1 .. $n;

	s/^Subject:/Status: RO\nSubject:/m for @letters[grep { $_ % 3 == 0 } 0 .. $#letters];
	return @letters;
}

# All that a session can say of a maildrop without its text, and whether it had
# to scan it for that.
sub account_of {
	my ($box) = @_;
	my $before = length($box->log // '');
	my $s = $box->login(args => ['-d', '-s']);
	my @said = map { scalar $s->text($_) } qw(LIST UIDL);

	push @said, map { $s->command($_) } qw(STAT LAST);
	$s->quit;
	return (join("\n", @said), substr($box->log, $before) =~ /\bscan user=/ ? 1 : 0);
}

# An index that a session can use, and has not made.
sub indexed_box {
	my (@letters) = @_;
	my $box = box(spool => join '', @letters);

	$box->login(args => ['-s'])->quit;
	return $box;
}

for my $n (1, $page - 1, $page, $page + 1, 2 * $page, 3 * $page + 5) {
	case "$n messages: the index says what the scan said" => sub {
		my $box = box(spool => join '', letters($n));
		my ($scanned) = account_of($box);
		my ($known, $scan) = account_of($box);

		is($known, $scanned, 'LIST, UIDL, STAT, LAST');
		is($scan, 0, 'without a scan');
	};
}

# [how many there are, how many of the newest go]
my @cuts = ([1, 1], [$page, 1], [$page + 1, 1], [$page + 1, 2],
    [2 * $page, $page], [2 * $page + 9, 8], [2 * $page + 9, 9],
    [2 * $page + 9, $page + 8], [200, 199], [200, 200]);

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

case 'the newest are taken away again and again' => sub {
	my @letters = letters(2 * $page + 3);
	my $box = indexed_box(@letters);
	my $before = length $box->log;

	while (@letters > $page - 3) {
		my $s = $box->login(args => ['-d', '-s']);
		$s->text('RETR ' . @letters);
		like($s->command('DELE ' . @letters), qr/\A\+OK /, 'DELE ' . @letters);
		$s->quit;
		pop @letters;
	}
	is($box->spool, join('', @letters), 'the spool');
	unlike(substr($box->log, $before), qr/\bscan user=/, 'never a scan');
};

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
	my @letters = letters(2 * $page);
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
	is($box->spool, join('', @letters[0 .. 2 * $page - 2]), 'the spool');
	is((account_of($box))[1], 0, 'the next session needs no scan');
};

# Flips an octet of the working file near its end, or anywhere.
sub damage {
	my ($box, $at) = @_;

	open my $fh, '+<', $box->work or die;
	sysseek $fh, $at, 0;
	sysread $fh, my $octet, 1;
	sysseek $fh, $at, 0;
	syswrite $fh, $octet ^ "\x40";
	close $fh;
}

for my $where (['the page of the newest', 0.99], ['a page before it', 0.4],
    ['the first page', 0.2]) {
	my ($name, $part) = @$where;

	case "damaged during a session, $name: a scan, and the marks stay" => sub {
		my @letters = map { letter($_) } 1 .. 4 * $page;
		my $n = @letters;
		my $box = indexed_box(@letters);
		my $s = $box->login(args => ['-d', '-s']);

		like($s->command('DELE 150'), qr/\A\+OK /, 'DELE 150');
		damage($box, int($part * -s $box->work));
		for my $i (1, 149, 151, $n) {
			is($s->text("RETR $i"), wire($letters[$i - 1] =~ s/\AFrom .*\n//r =~ s/\n\z//r),
			    "RETR $i");
		}
		is(scalar keys %{ $s->list }, $n - 1, 'LIST leaves 150 out');
		is(() = $box->log =~ /\bscan user=/g, 2, 'it was scanned again');
		$s->quit;
		is($box->spool, join('', @letters[0 .. 148, 150 .. $n - 1]), 'the spool');
		is((account_of($box))[1], 0, 'the next session needs no scan');
	};
}

case 'a message of a large maildrop costs one page of the index' => sub {
	needs('strace');
	my @letters = letters(20 * $page);
	my $box = indexed_box(@letters);
	my $trace = $box->dir . '/strace';
	my $s = $box->session(under => [ strace($trace, '-P', $box->work,
	    '-e', 'trace=pread64,pwrite64,read,write') ]);

	$s->send('USER alice', 'PASS s3cret', 'RETR ' . @letters, 'DELE ' . @letters,
	    'QUIT');
	$s->slurp;
	$s->wait;
	my $octets = 0;
	$octets += $_ for map { /= (\d+)$/ ? $1 : () } straced($trace);
	cmp_ok($octets, '>', 0, 'the index was read');
	cmp_ok($octets, '<', 5 * 4096, 'and less than five pages of it moved') or
	    diag(join "\n", straced($trace));
};

done_testing;
