# Bulletin boards: XTND BBOARDS, ARCHIVE and X-BBOARDS of RFC 1082, from a
# boards file.

use strict;
use warnings;

use Test::More;
use Popper;

# A box with boards: a folder for them, and their file, which is TEXT with
# BOARDS standing for the folder.
sub boards {
	my ($text, %arg) = @_;
	my $box = box(%arg);
	my $dir = $box->dir . '/boards';

	mkdir $dir or die "$dir: $!";
	$box->give($dir, 0755);
	if (defined $text) {
		$box->put_file("$dir/list", $text =~ s/\bBOARDS\b/$dir/gr);
		push @{ $box->{args} }, '-b', "$dir/list";
	}
	return ($box, $dir);
}

# A message to a board, which has numbered it.
sub posting {
	my ($n, $id, $date) = @_;
	return letter($n, header => [
	    defined $id ? "BBoard-ID: $id" : (),
	    defined $date ? "Date: $date" : ()]);
}

my $two = <<'END';
# What this host has to say.
board	system
alias	announce news
maildrop BOARDS/system.mbox
archive	BOARDS/archive/system.mbox
info	BOARDS/system.cnt
map	BOARDS/system.map
leader	mother
leader	father
address	system@example.org
request	system-request@example.org
incoming ux.example.org
outgoing a.example.org b.example.org
flags	0101

board	mh-users
maildrop BOARDS/mh.mbox
END

# The two of them, with messages: numbers 9 and 10, an archive up to 3, and a
# board that numbers nothing.
sub host {
	my ($box, $dir) = boards($two, @_);

	mkdir "$dir/archive" or die $!;
	$box->put_file("$dir/system.mbox",
	    posting(1, 9, 'Thu, 19 Dec 1985 10:18:57 PST')
	    . posting(2, 10, 'Fri, 20 Dec 1985 11:00:00 PST'));
	$box->put_file("$dir/archive/system.mbox",
	    join '', map { posting($_, $_) } 1 .. 3);
	$box->put_file("$dir/mh.mbox", join '', map { letter($_) } 1 .. 100);
	return ($box, $dir);
}

# The files of a folder and what is in them.
sub files {
	my ($dir) = @_;
	return { map { $_ => slurp($_) } grep { -f } glob "$dir/* $dir/.* $dir/*/*" };
}

case 'BBOARDS: a line for each board, its name and its MAXIMA [RFC 1082]' => sub {
	my ($box) = host();

	$box->login->dialog(<<~'END');
		C: XTND BBOARDS
		S: +OK XTND
		S: system 10
		S: mh-users 100
		S: .
		C: STAT
		S: +OK 2 48
		END
};

case 'BBOARDS without boards: an empty list [RFC 1082]' => sub {
	for my $text (undef, '', "# none yet\n\n  \n") {
		my ($box) = boards($text);

		$box->login->dialog(<<~'END');
			C: XTND BBOARDS
			S: +OK XTND
			S: .
			C: XTND BBOARDS system
			S: -ERR *
			C: XTND ARCHIVE system
			S: -ERR *
			C: XTND X-BBOARDS system
			S: -ERR *
			C: STAT
			S: +OK 2 48
			END
	}
};

case 'BBOARDS name: the board is the maildrop from now on [RFC 1082]' => sub {
	my ($box, $dir) = host();
	my $s = $box->login;

	$s->dialog(<<~'END');
		C: XTND BBOARDS system
		S: +OK XTND
		S: system 10
		S: .
		C: STAT
		S: +OK 2 *
		C: LIST
		S: +OK *
		S: 1 * 9
		S: 2 * 10
		S: .
		C: LIST 2
		S: +OK 2 * 10
		C: LAST
		S: +OK 0*
		C: RETR 3
		S: -ERR *
		C: XTND XLST Subject
		S: +OK *
		S: 1 Subject: letter 1
		S: 2 Subject: letter 2
		S: .
		END
	like($s->text('RETR 1'), qr/^This is letter 1\.\r$/m, 'RETR 1');
	like($s->text('TOP 2 0'), qr/^BBoard-ID: 10\r$/m, 'TOP 2 0');
	is($s->command('LAST'), '+OK 1 is the last message seen.', 'LAST');
	is(scalar keys %{ $s->uidl }, 2, 'UIDL');
	my ($n, $octets) = $s->command('STAT') =~ /^\+OK (\d+) (\d+)$/;
	my $sum = 0;
	$sum += (split)[1] for split /\r\n/, scalar $s->text('LIST');
	is($octets, $sum, 'STAT is the sum of LIST');
	$s->quit;
	is($box->spool, FX1, 'the spool is as it was');
};

case 'ARCHIVE name: its older messages [RFC 1082]' => sub {
	my ($box) = host();
	my $s = $box->login;

	$s->dialog(<<~'END');
		C: XTND ARCHIVE system
		S: +OK XTND
		S: system 3
		S: .
		C: STAT
		S: +OK 3 *
		C: LIST
		S: +OK *
		S: 1 * 1
		S: 2 * 2
		S: 3 * 3
		S: .
		C: XTND BBOARDS
		S: +OK XTND
		S: system 10
		S: mh-users 100
		S: .
		C: STAT
		S: +OK 3 *
		END
};

case 'ARCHIVE of a board that has none: an error, nothing is closed' => sub {
	my ($box) = host();

	$box->login->dialog(<<~'END');
		C: DELE 1
		S: +OK *
		C: XTND ARCHIVE mh-users
		S: -ERR *
		C: XTND ARCHIVE
		S: -ERR *
		C: STAT
		S: +OK 1 19
		END
};

case 'X-BBOARDS: fourteen lines about a board, the password empty [RFC 1082]' => sub {
	my ($box, $dir) = host();

	$box->login->dialog(<<~"END");
		C: DELE 1
		S: +OK *
		C: XTND X-BBOARDS system
		S: +OK XTND
		S: system
		S: announce news
		S: $dir/system.mbox
		S: $dir/archive/system.mbox
		S: $dir/system.cnt
		S: $dir/system.map
		S:
		S: mother father
		S: system\@example.org
		S: system-request\@example.org
		S: ux.example.org
		S: a.example.org b.example.org
		S: 101 10
		S: Fri, 20 Dec 1985 11:00:00 PST
		S: .
		C: XTND X-BBOARDS mh-users
		S: +OK XTND
		S: mh-users
		S:
		S: $dir/mh.mbox
		S:
		S:
		S:
		S:
		S:
		S:
		S:
		S:
		S:
		S: 0 100
		S:
		S: .
		C: XTND X-BBOARDS nosuch
		S: -ERR *
		C: XTND X-BBOARDS
		S: -ERR *
		C: XTND X-BBOARDS system mh-users
		S: -ERR *
		C: STAT
		S: +OK 1 19
		C: RSET
		S: +OK *
		C: STAT
		S: +OK 2 48
		END
};

case 'X-BBOARDS while a board is open: that one stays open' => sub {
	my ($box) = host();
	my $s = $box->login;

	$s->text('XTND BBOARDS mh-users');
	is((split /\r\n/, $s->text('XTND X-BBOARDS system'))[12], '101 10',
	    'about the other one');
	like($s->command('STAT'), qr/^\+OK 100 /, 'STAT');
	like($s->text('RETR 100'), qr/^This is letter 100\.\r$/m, 'RETR 100');
};

case 'names: of any case, and aliases are as good [RFC 1082]' => sub {
	my ($box) = host();

	for my $name (qw(system SYSTEM System announce ANNOUNCE news News)) {
		my $s = $box->login;
		is($s->text("xtnd bboards $name"), "system 10\r\n", "bboards $name");
		is($s->text("Xtnd Archive $name"), "system 3\r\n", "Archive $name");
		like($s->text("xTND x-bBoArDs $name"), qr/\Asystem\r\n/,
		    "x-bBoArDs $name");
		$s->quit;
	}
	my $s = $box->login;
	for my $name (qw(syste systems new newsx ews mh mh-user * .. / board),
	    "syst\xe9m", 'announce,news') {
		like($s->command("XTND BBOARDS $name"), qr/^-ERR /, show($name));
	}
};

# ---- closing the user's maildrop ------------------------------------------

case 'opening a board removes what was deleted from the maildrop [RFC 1082]' => sub {
	my ($box) = host();
	my $s = $box->login;

	$s->text('RETR 2');
	$s->command('DELE 1');
	$s->text('XTND BBOARDS system');
	is($box->spool, (FX1 =~ s/\A.*(?=From carol)//sr)
	    =~ s/^(Subject: two\n)/$1Status: RO\n/mr, 'the update is made');
	my $other = $box->login;
	is($other->command('STAT'), '+OK 1 31', 'the lock is given back');
	$other->quit;
	$s->quit;
	like($box->log, qr/ board user=alice name=system messages=2$/m, 'the log');
};

case 'and is no session of the maildrop any more' => sub {
	my ($box) = host();
	my $s = $box->login;

	$s->text('XTND BBOARDS system');
	ok($box->deliver(letter(3)), 'a delivery');
	my $other = $box->login;
	$other->command('DELE 2');
	$other->quit;
	like($s->text('RETR 2'), qr/^This is letter 2\.\r$/m, 'the board is there');
	$s->command('DELE 1');
	$s->quit;
	is(() = $box->spool =~ /^From /mg, 2, 'the spool is the others\'');
};

case 'a mistyped name closes nothing' => sub {
	my ($box) = host();
	my $s = $box->login;

	$s->dialog(<<~'END');
		C: DELE 1
		S: +OK *
		C: XTND BBOARDS sytsem
		S: -ERR *
		C: XTND ARCHIVE sytsem
		S: -ERR *
		C: XTND BBOARDS system mh-users
		S: -ERR *
		C: STAT
		S: +OK 1 19
		C: RSET
		S: +OK *
		C: STAT
		S: +OK 2 48
		END
	is($box->spool, FX1, 'the spool is as it was');
	like($box->session->command('USER alice'), qr/^\+OK /, 'another session');
	my $other = $box->session;
	$other->command('USER alice');
	like($other->command('PASS s3cret'), qr/^-ERR \[IN-USE\]/, 'has to wait');

	$s->text('XTND BBOARDS system');
	$s->dialog(<<~'END');
		C: XTND BBOARDS sytsem
		S: -ERR *
		C: STAT
		S: +OK 2 *
		C: LIST 1
		S: +OK 1 * 9
		END
};

case 'a maildrop that cannot be updated stays open, and its marks too' => sub {
	my ($box) = host();
	my $s = $box->login(args => ['-w', 0]);

	$s->command('DELE 1');
	open my $lock, '>', $box->dotlock or die $!;
	print $lock "1\n";
	close $lock;
	like($s->command('XTND BBOARDS system'), qr/^-ERR /, 'said');
	is($s->command('STAT'), '+OK 1 19', 'STAT');
	is($box->spool, FX1, 'the spool is as it was');
	unlink $box->dotlock;
	is($s->text('XTND BBOARDS system'), "system 10\r\n", 'later it works');
	unlike($box->spool, qr/Subject: one/, 'with the update');
};

case 'the connection is lost with a board open: what was updated stays so' => sub {
	my ($box, $dir) = host();
	my $s = $box->login;
	my $before = files($dir);

	$s->command('DELE 1');
	$s->text('XTND BBOARDS system');
	$s->command('DELE 1');
	$s->close->wait;
	unlike($box->spool, qr/Subject: one/, 'the maildrop');
	is_deeply(files($dir), $before, 'the boards');
	like($box->log, qr/ end user=alice .*reason=lost /, 'reason=lost');
};

# ---- boards are read only -------------------------------------------------

case 'DELE on a board changes nothing [RFC 1082]' => sub {
	my ($box, $dir) = host();
	my $before = files($dir);
	my $s = $box->login;

	$s->text('XTND BBOARDS system');
	my $stat = $s->command('STAT');
	my $list = $s->text('LIST');
	like($s->command("DELE $_"), qr/^\+OK/, "DELE $_") for 1, 2, 1;
	like($s->command('DELE 3'), qr/^-ERR /, 'DELE 3: there is none');
	is($s->command('STAT'), $stat, 'STAT');
	is($s->text('LIST'), $list, 'LIST');
	like($s->text('RETR 1'), qr/^This is letter 1\.\r$/m, 'RETR 1');
	like($s->command('RSET'), qr/^\+OK/, 'RSET');
	is($s->command('STAT'), $stat, 'STAT');
	is($s->text('XTND BBOARDS mh-users'), "mh-users 100\r\n", 'another board');
	is($s->text('XTND BBOARDS system'), "system 10\r\n", 'and back');
	is($s->command('STAT'), $stat, 'STAT');
	$s->command('DELE 1');
	$s->quit;
	is_deeply(files($dir), $before, 'no file is changed, none has come');
};

case 'a board is read where nothing may be written' => sub {
	needs('root');
	my ($box, $dir) = host();

	chown 0, 0, $_ or die $! for glob "$dir/*";
	chmod 0444, $_ or die $! for grep { -f } glob "$dir/*";
	chmod 0555, $dir;
	chown 0, 0, $dir;
	my $s = $box->login;
	is($s->text('XTND BBOARDS'), "system 10\r\nmh-users 100\r\n", 'the list');
	is($s->text('XTND BBOARDS system'), "system 10\r\n", 'opened');
	like($s->text('RETR 2'), qr/^This is letter 2\.\r$/m, 'RETR 2');
	$s->quit;
};

case 'many sessions may read a board at a time [RFC 1082]' => sub {
	my ($box) = boards($two, accounts => { alice => 's3cret', bob => 's3cret',
	    carol => 's3cret' });
	$box->put_file($box->dir . '/boards/system.mbox', posting(1, 5));
	my @s = map { $box->login(user => $_) } qw(alice bob carol);

	is($_->text('XTND BBOARDS system'), "system 5\r\n", 'opened') for @s;
	like($_->text('RETR 1'), qr/^This is letter 1\.\r$/m, 'RETR 1') for @s;
};

case 'messages that come to a board show when it is opened again' => sub {
	my ($box, $dir) = host();
	my $s = $box->login;

	$s->text('XTND BBOARDS system');
	open my $fh, '>>', "$dir/system.mbox" or die $!;
	print $fh posting(3, 11);
	close $fh;
	like($s->command('STAT'), qr/^\+OK 2 /, 'STAT');
	like($s->text('RETR 2'), qr/^This is letter 2\.\r$/m, 'RETR 2');
	like($s->command('RETR 3'), qr/^-ERR /, 'RETR 3');
	is($s->text('XTND BBOARDS system'), "system 11\r\n", 'again');
	like($s->text('RETR 3'), qr/^This is letter 3\.\r$/m, 'RETR 3');
	is($s->text('XTND BBOARDS'), "system 11\r\nmh-users 100\r\n", 'the list');
};

# ---- MAXIMA ---------------------------------------------------------------

case 'MAXIMA: the number that the board gave to each message [RFC 1082]' => sub {
	my ($box, $dir) = boards("board b\nmaildrop BOARDS/b.mbox\n");
	my @id = (7, 12, undef, 'x', -3, '0', ' 99 ', '4294967296', '0015', '12x',
	    4294967295);
	my @want = (7, 12, 3, 4, 5, 6, 99, 8, 15, 10, 4294967295);

	$box->put_file("$dir/b.mbox", join '', map { posting($_ + 1, $id[$_]) }
	    0 .. $#id);
	my $s = $box->login;
	is($s->text('XTND BBOARDS b'), "b 4294967295\r\n", 'the highest');
	is_deeply([map { (split)[2] } split /\r\n/, scalar $s->text('LIST')],
	    \@want, 'LIST');
	is((split ' ', $s->command('LIST ' . ($_ + 1)))[3], $want[$_],
	    'LIST ' . ($_ + 1)) for 0 .. $#want;
	is((split /\r\n/, $s->text('XTND X-BBOARDS b'))[12], '0 4294967295',
	    'X-BBOARDS');
};

case 'MAXIMA is the highest number, in whatever order they stand' => sub {
	my ($box, $dir) = boards("board b\nmaildrop BOARDS/b.mbox\n");

	$box->put_file("$dir/b.mbox", posting(1, 30) . posting(2, 700)
	    . posting(3, 31));
	is($box->login->text('XTND BBOARDS'), "b 700\r\n", 'the list');
};

case 'a board that is empty' => sub {
	my ($box, $dir) = boards("board b\nmaildrop BOARDS/b.mbox\n");

	$box->put_file("$dir/b.mbox", '');
	$box->login->dialog(<<~'END');
		C: XTND BBOARDS
		S: +OK XTND
		S: b 0
		S: .
		C: XTND BBOARDS b
		S: +OK XTND
		S: b 0
		S: .
		C: STAT
		S: +OK 0 0
		C: LIST
		S: +OK *
		S: .
		C: XTND XLST Subject
		S: +OK *
		S: .
		C: RETR 1
		S: -ERR *
		C: QUIT
		S: +OK *
		-- closed
		END
};

case 'the date is that of the newest message, as it stands there' => sub {
	my ($box, $dir) = boards("board b\nmaildrop BOARDS/b.mbox\n");
	my $date = sub {
		$box->put_file("$dir/b.mbox", join '', @_);
		my $text = box_information($box);
		return (split /\r\n/, $text, -1)[13];
	};

	is($date->(posting(1, 1, 'A') . posting(2, 2, 'B')), 'B', 'the last one');
	is($date->(posting(1, 1, 'A') . posting(2, 2)), 'A', 'that has one');
	is($date->(posting(1, 1, "Fri, 20 Dec 1985\n\t11:00:00 PST")),
	    'Fri, 20 Dec 1985 11:00:00 PST', 'a folded one');
	is($date->(posting(1, 1, "\n\tFri, 20 Dec 1985\n 11:00:00 PST")),
	    'Fri, 20 Dec 1985 11:00:00 PST', 'one that begins on the next line');
	is($date->(letter(1, body => "Date: X\n")), '', 'not out of a body');
	is($date->(letter(1)), '', 'none at all');
	unlike($date->(posting(1, 1, "a\0b\rc\x1b")), qr/[\0-\x1f]/, 'no controls');
	cmp_ok(length $date->(posting(1, 1, 'x' x 5000)), '<', 512, 'a long one');
	is($date->(posting(1, 1, '.')), '.', 'one that is a dot ends no reply');
};

sub box_information { return scalar $_[0]->login->text('XTND X-BBOARDS b') }

case 'a hundred thousand messages' => sub {
	my ($box, $dir) = boards("board b\nmaildrop BOARDS/b.mbox\n");
	my $count = 100_000;

	$box->put_file("$dir/b.mbox", join '', map { posting($_, $_ + 7) }
	    1 .. $count);
	my $s = $box->login;
	is($s->text('XTND BBOARDS b'), 'b ' . ($count + 7) . "\r\n", 'opened');
	my @list = split /\r\n/, scalar $s->text('LIST');
	is(scalar @list, $count, 'LIST');
	is((split ' ', $list[-1])[2], $count + 7, 'its last line');
	like($s->text("RETR $count"), qr/^This is letter $count\.\r$/m, 'RETR');
	SKIP: {
		skip('an instrumented build, or no /proc', 1)
		    if Popper::instrumented() || !-r "/proc/$$/status";
		cmp_ok(memory($s->pid) * 1024 / $count, '<',
		    80 + 2 * 1024 * 1024 / $count, 'octets of memory for each');
	}
};

# ---- boards that are not for everybody, and broken ones -------------------

# Boards that cannot be read, by name; each made at PATH.
my %broken = (
	'missing' => sub { },
	'not-mbox' => sub { $_[0]->put_file($_[1], "no mbox\n") },
	'directory' => sub { mkdir $_[1] or die $!; $_[0]->give($_[1], 0755) },
	'symlink' => sub { symlink "$_[1]-target", $_[1] or die $!;
	    $_[0]->put_file("$_[1]-target", posting(1, 5)) },
	'symlink-to-spool' => sub { symlink $_[0]->path, $_[1] or die $! },
	'second-link' => sub { $_[0]->put_file($_[1], posting(1, 5));
	    link $_[1], "$_[1]-link" or die $! },
	'fifo' => sub { POSIX::mkfifo($_[1], 0644) or die $! },
	'socket' => sub { our @sockets; push @sockets, IO::Socket::UNIX->new(
	    Local => $_[1], Listen => 1) || die $! },
);

use IO::Socket::UNIX;
use POSIX ();

for my $name (sort keys %broken) {
	case "a board that is broken ($name): not listed, an error to open" => sub {
		my ($box, $dir) = boards("board $name\nmaildrop BOARDS/$name\n"
		    . "archive BOARDS/$name\n$two");

		$broken{$name}->($box, "$dir/$name");
		$box->put_file("$dir/system.mbox", posting(1, 10));
		$box->put_file("$dir/mh.mbox", posting(1, 100));
		my $s = $box->login(args => ['-w', 1]);
		$s->command('DELE 1');
		$s->dialog(<<~"END");
			C: XTND BBOARDS
			S: +OK XTND
			S: system 10
			S: mh-users 100
			S: .
			C: XTND BBOARDS $name
			S: -ERR *
			C: XTND ARCHIVE $name
			S: -ERR *
			C: XTND X-BBOARDS $name
			S: -ERR *
			C: STAT
			S: +OK 1 19
			C: XTND BBOARDS system
			S: +OK XTND
			S: system 10
			S: .
			C: XTND BBOARDS $name
			S: -ERR *
			C: STAT
			S: +OK 1 *
			C: LIST 1
			S: +OK 1 * 10
			C: QUIT
			S: +OK *
			-- closed
			END
	};
}

case 'a board without a maildrop: not listed, an error to open' => sub {
	my ($box) = boards("board b\nalias x\nleader bob\n");

	$box->login->dialog(<<~'END');
		C: XTND BBOARDS
		S: +OK XTND
		S: .
		C: XTND BBOARDS b
		S: -ERR *
		C: XTND ARCHIVE x
		S: -ERR *
		C: XTND X-BBOARDS b
		S: -ERR *
		C: STAT
		S: +OK 2 48
		END
};

case 'a board that the user may not read is as if it did not exist' => sub {
	needs('root');
	my ($box, $dir) = host();

	chown 0, 0, "$dir/system.mbox";
	chmod 0600, "$dir/system.mbox";
	my $s = $box->login;
	is($s->text('XTND BBOARDS'), "mh-users 100\r\n", 'the list');
	my $none = $s->command('XTND BBOARDS nosuch');
	for my $command ('BBOARDS system', 'BBOARDS announce', 'X-BBOARDS system') {
		is($s->command("XTND $command"), $none, $command);
	}
	$s->quit;

	chown 0, $Popper::gid, "$dir/system.mbox";
	chmod 0640, "$dir/system.mbox";
	is($box->login->text('XTND BBOARDS'), "system 10\r\nmh-users 100\r\n",
	    'one for the group of the user is there');

	chmod 0644, "$dir/system.mbox";
	chown 0, 0, $dir;
	chmod 0700, $dir;
	my $list = $box->dir . '/list';
	rename "$dir/list", $list;
	$box->{args} = ['-b', $list];
	is($box->login->text('XTND BBOARDS'), '', 'in a folder that is closed: none');
};

case 'a user who owns nothing cannot read the private board either' => sub {
	needs('user');
	my ($box, $dir) = host();

	chmod 0, "$dir/system.mbox";
	my $s = $box->login;
	is($s->text('XTND BBOARDS'), "mh-users 100\r\n", 'the list');
	is($s->command('XTND BBOARDS system'), $s->command('XTND BBOARDS nosuch'),
	    'opened');
};

case 'a board that another program has locked: an error, later it opens' => sub {
	my ($box, $dir) = host();
	my $s = $box->login(args => ['-w', 0]);

	open my $fh, '>', "$dir/system.mbox.lock" or die $!;
	close $fh;
	$s->command('DELE 1');
	like($s->command('XTND BBOARDS system'), qr/^-ERR /, 'by its lock file');
	is($s->command('STAT'), '+OK 1 19', 'nothing is closed');
	unlink "$dir/system.mbox.lock";
	my $lock = lock_file("$dir/system.mbox");
	like($s->command('XTND BBOARDS system'), qr/^-ERR /, 'by fcntl(2)');
	close $lock;
	is($s->text('XTND BBOARDS system'), "system 10\r\n", 'then it opens');
};

case 'a lock file that was left behind does not keep readers from a board' => sub {
	my ($box, $dir) = host();
	my $lock = "$dir/system.mbox.lock";

	for my $minutes (-6, 6) {
		$box->put_file($lock, '');
		utime((time + 60 * $minutes) x 2, $lock) or die "utime: $!";
		my $s = $box->login(args => ['-w', 0]);
		is($s->text('XTND BBOARDS system'), "system 10\r\n", "dated $minutes minutes");
		ok(-e $lock, 'it is not for them to remove');
		$s->quit;
	}
};

# Stopped while it reads the board.
for (['a lock file comes', 10, sub { $_[0]->put_file("$_[1]/system.mbox.lock", '') }],
    ['a message comes', 11, sub { $_[0]->append(posting(3, 11), '../boards/system.mbox') }]) {
	my ($what, $maxima, $do) = @$_;

	case "$what while a board is read: it opens" => sub {
		needs('strace');
		my ($box, $dir) = host();
		my $trace = $box->dir . '/strace';
		my $s = $box->login(args => ['-w', 0], under => [ strace($trace,
		    '-P', "$dir/system.mbox", '-e', 'trace=pread64',
		    '-e', 'inject=pread64:signal=STOP:when=1') ]);

		$s->send('XTND BBOARDS system');
		ok(stops($trace), 'it stops');
		$do->($box, $dir);
		$s->kill('CONT');
		is($s->reply('BBOARDS'), '+OK XTND', 'the reply');
		is($s->rest, "system $maxima\r\n", 'the board');
		is(scalar(() = $s->text('LIST') =~ /\n/g), $maxima - 8, 'LIST');
		$s->close->wait;
	};
}

# ---- the boards file ------------------------------------------------------

case 'the boards file: blanks, comments and line ends are free' => sub {
	my ($box, $dir) = boards(<<"END");
# a comment

   # another
	board	 one  \t
  maildrop\tBOARDS/one
\t
board two\r
maildrop BOARDS/two\r
# in between
alias zwei\r
board three
maildrop BOARDS/three
END
	$box->put_file("$dir/$_", posting(1, 1)) for qw(one two three);
	my $s = $box->login;
	is($s->text('XTND BBOARDS'), "one 1\r\ntwo 1\r\nthree 1\r\n", 'the list');
	is($s->text('XTND BBOARDS zwei'), "two 1\r\n", 'an alias');
	open my $fh, '>>', "$dir/list" or die $!;
	print $fh "alias no-line-end";
	close $fh;
	is($s->text('XTND BBOARDS no-line-end'), "three 1\r\n", 'a last line');
};

case 'the boards file: aliases and leaders may come several times' => sub {
	my ($box, $dir) = boards("board b\nalias a1 a2\nalias a3\nleader l1\n"
	    . "leader l2 l3\nmaildrop BOARDS/b\nalias a4\n");

	$box->put_file("$dir/b", posting(1, 1));
	my $s = $box->login;
	is($s->text("XTND BBOARDS $_"), "b 1\r\n", $_) for qw(a1 a2 a3 a4);
	my @lines = split /\r\n/, $s->text('XTND X-BBOARDS b');
	is($lines[1], 'a1 a2 a3 a4', 'aliases');
	is($lines[7], 'l1 l2 l3', 'leaders');
};

case 'the boards file: the first of two boards with one name is the one' => sub {
	my ($box, $dir) = boards("board b\nmaildrop BOARDS/1\nboard B\n"
	    . "maildrop BOARDS/2\nboard c\nalias b\nmaildrop BOARDS/2\n");

	$box->put_file("$dir/$_", posting(1, $_)) for 1, 2;
	is($box->login->text('XTND BBOARDS b'), "b 1\r\n", 'BBOARDS b');
};

my $good = "board good\nmaildrop BOARDS/good\n";
my @nonsense = (
	['a word of its own', "colour blue\n"],
	['a line before any board', "maildrop BOARDS/x\n", 'first'],
	['a board without a name', "board\n"],
	['a name that begins with a digit', "board 1st\n"],
	['a name with a blank', "board a b\n"],
	['a name with other characters', "board a_b\n"],
	['a maildrop that is no full path', "board x\nmaildrop x.mbox\n"],
	['an archive that is no full path', "board x\narchive ../x\n"],
	['two maildrops', "board x\nmaildrop /x\nmaildrop /y\n"],
	['flags that are no octal number', "board x\nflags 9\n"],
	['flags of none', "board x\nflags\n"],
	['flags below zero', "board x\nflags -1\n"],
	['flags with a sign', "board x\nflags +7\n"],
	['a line without end', 'board x' . 'x' x 3000 . "\n"],
	['a value too long', "board x\nalias " . 'x ' x 400 . "\n"],
	['octets', "\xff\xfe\0\1\2\n"],
	['a message', FX1],
);

case 'the boards file: a line of nonsense is an error, not the end' => sub {
	for (@nonsense) {
		my ($what, $text, $first) = @$_;
		my ($box, $dir) = boards($first ? $text . $good : $good . $text);

		$box->put_file("$dir/good", posting(1, 1));
		my $s = $box->login;
		$s->command('DELE 1');
		like($s->command("XTND $_"), qr/^-ERR \[SYS\/PERM\] /, "$what: $_")
		    for 'BBOARDS', 'BBOARDS nosuch', 'X-BBOARDS nosuch';
		is($s->command('STAT'), '+OK 1 19', 'the session goes on');
		$s->quit;
		like($box->log, qr/ boards file=\S+ line=\d+: not understood$/m,
		    'the log knows the line');
		unlike($box->log, qr/[^\n\x20-\x7e]/, 'in printable octets');
	}
};

case 'the boards file: the log names the line' => sub {
	my ($box, $dir) = boards("# one\n\n$good\nboard x\ncolour blue\n");

	$box->put_file("$dir/good", posting(1, 1));
	my $s = $box->login;
	like($s->command('XTND BBOARDS'), qr/^-ERR /, 'an error');
	like($box->log, qr/ boards file=\Q$dir\E\/list line=7: not understood$/m,
	    'line 7') or diag($box->log);
};

# Stopped where the first board is opened, before the file is read to its end.
case 'the boards file: nonsense that comes while it is read is an error' => sub {
	needs('strace');
	my $good = "board a\nmaildrop BOARDS/a\nboard b\n" . "#x\n" x 3000;
	my ($box, $dir) = boards($good);
	my $trace = $box->dir . '/strace';

	$box->put_file("$dir/a", letter(1));
	$box->login->quit;		# .alice.pop is made only once
	my $s = $box->login(under => [ strace($trace) ]);
	$s->send('XTND BBOARDS', 'QUIT');
	$s->slurp;
	$s->wait;
	my @lines = straced($trace);
	my ($open) = grep { $lines[$_] =~ /openat\(.*, "a"/ } 0 .. $#lines;
	my ($call, $n) = @{ (points(@lines[0 .. $open]))[-1] };

	unlink $trace;
	$s = $box->login(under => [ strace($trace, '-e',
	    "inject=$call:signal=STOP:when=$n") ]);
	$s->send('XTND BBOARDS', 'STAT', 'QUIT');
	ok(stops($trace), "stopped after $call");
	$box->put_file("$dir/list", slurp("$dir/list") =~ s/#x\n\z/x\n/r);
	$s->kill('CONT');
	like($s->slurp, qr/\A-ERR \[SYS\/PERM\] [^\r]*\r\n\+OK 2 48\r\n\+OK/,
	    'a whole -ERR, and the session goes on');
	is($s->wait, 0, 'exit status');
};

case 'a boards file that cannot be read: an error, not the end' => sub {
	my ($box, $dir) = boards('');
	my @cannot = ("$dir/nothing", $dir, "$dir/nothing/below");

	if ($> == 0) {
		$box->put_file("$dir/closed", $good);
		chown 0, 0, "$dir/closed";
		push @cannot, "$dir/closed";
	}
	for my $file (@cannot) {
		my $s = $box->login(args => ['-b', $file]);
		like($s->command("XTND $_"), qr/^-ERR \[SYS\/(?:PERM|TEMP)\] /, "$file: $_")
		    for 'BBOARDS', 'BBOARDS good', 'ARCHIVE good', 'X-BBOARDS good';
		is($s->command('STAT'), '+OK 2 48', 'the session goes on');
		$s->quit;
	}
};

case 'a board whose value begins with a dot, and long values' => sub {
	my ($box, $dir) = boards("board b\nmaildrop BOARDS/b\nalias .dot\n"
	    . 'leader ' . 'x' x 500 . "\naddress a\xe9b\n");

	$box->put_file("$dir/b", posting(1, 1));
	my $s = $box->login;
	my $text = $s->text('XTND X-BBOARDS b');
	my @lines = split /\r\n/, $text, -1;
	is($lines[1], '.dot', 'the dot is stuffed');
	is($lines[7], 'x' x 500, 'a long one is whole');
	is(scalar @lines, 15, 'fourteen lines');
	unlike($text =~ s/\r\n//gr, qr/[^\x20-\x7e]/, 'of printable octets');
};

case 'XMIT goes on while a board is open' => sub {
	my ($box) = host();
	my $s = $box->login(args => ['-M', -x '/bin/true' ? '/bin/true' :
	    '/usr/bin/true']);

	$s->text('XTND BBOARDS system');
	$s->dialog(<<~'END');
		C: XTND XMIT
		S: +OK *
		C: To: system@example.org
		C:
		C: .
		S: +OK *
		C: LIST 1
		S: +OK 1 * 9
		END
};

done_testing;
