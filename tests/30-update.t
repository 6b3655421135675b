# What QUIT makes of the spool: RFC 1939 6.

use strict;
use warnings;

use Test::More;
use Popper;

# Of the choices of messages, tests/unit/engine.c tries all, over files; here one in
# some goes through whole sessions.

case 'QUIT: deleted messages go, the others stay as they were [RFC 1939 6]' => sub {
	my $box = box();

	$box->login->dialog(<<~'END');
		C: DELE 1
		S: +OK *
		C: QUIT
		S: +OK *
		-- closed
		END
	is($box->spool, (FX1 =~ /^(From carol.*)/ms)[0], 'message 2, byte for byte');
	$box->login->dialog(<<~'END');
		C: LIST
		S: +OK *
		S: 1 19
		S: .
		END
};

case 'QUIT: every choice of six messages deletes just these' => sub {
	my @letters = map { letter($_, body => alnum(37 * $_ ** 3)) } 1 .. 6;
	my $box = box(spool => '');
	my @wrong;

	for my $choice (few(2, 0 .. 2 ** 6 - 1)) {
		my @deleted = grep { $choice >> $_ & 1 } 0 .. 5;
		my @kept = grep { !($choice >> $_ & 1) } 0 .. 5;

		$box->put(join '', @letters);
		my $s = $box->login;
		$s->send((map { 'DELE ' . ($_ + 1) } @deleted), 'QUIT');
		push @wrong, $choice if $s->slurp =~ /^-ERR/m
		    || $box->spool ne join '', @letters[@kept];
	}
	is_deeply(\@wrong, [], 'none went wrong');
};

case 'QUIT: the same with Status lines that make the spool grow' => sub {
	my @letters = map { letter($_, body => alnum(11 * $_ ** 3)) } 1 .. 4;
	my @read = map { s/\n\n/\nStatus: RO\n\n/r } @letters;
	my $box = box(spool => '');
	my @wrong;

	# Two bits for a message: left alone, retrieved, deleted, both.
	for my $choice (few(4, 0 .. 4 ** 4 - 1)) {
		my @does = map { $choice >> 2 * $_ & 3 } 0 .. 3;

		$box->put(join '', @letters);
		my $s = $box->login(trace => 0);
		$s->send((map { 'RETR ' . ($_ + 1) } grep { $does[$_] & 1 } 0 .. 3),
		    (map { 'DELE ' . ($_ + 1) } grep { $does[$_] & 2 } 0 .. 3),
		    'QUIT');
		push @wrong, $choice if $s->slurp =~ /^-ERR/m
		    || status_last($box->spool) ne join '', map {
			$does[$_] & 2 ? () :
			$does[$_] & 1 ? $read[$_] : $letters[$_]
		    } 0 .. 3;
	}
	is_deeply(\@wrong, [], 'none went wrong');
};

case 'QUIT: all deleted leaves an empty file, not none' => sub {
	my $box = box();

	$box->login->dialog(<<~'END');
		C: DELE 1
		C: DELE 2
		C: QUIT
		S: +OK *
		S: +OK *
		S: +OK *
		-- closed
		END
	is($box->spool, '', 'the spool');
	is($box->login->command('STAT'), '+OK 0 0', 'the next login');
};

case 'QUIT: owner, group, mode and inode of the spool stay' => sub {
	for my $mode (0600, 0660, 0640) {
		my $box = box();

		chmod $mode, $box->path;
		my $before = $box->stat;
		my $s = $box->login;
		$s->command('DELE 1');
		$s->text('RETR 2');
		$s->quit;
		my $after = $box->stat;
		is($after->{$_}, $before->{$_}, $_) for qw(dev ino mode uid gid nlink);
		unlike($box->spool, qr/one/, 'though it was changed');
	}
};

case 'QUIT: with nothing to do the spool is not written' => sub {
	my %session = (
		'nothing' => [],
		'lists' => [ 'LIST', 'UIDL', 'STAT', 'LAST', 'TOP 1 1' ],
		'DELE and RSET' => [ 'DELE 1', 'RSET' ],
	);

	for my $what (sort keys %session) {
		my $box = box();
		my $before = $box->stat;
		my $s = $box->login;

		$s->send(@{ $session{$what} });
		$s->send('QUIT');
		unlike($s->slurp, qr/^-ERR/m, $what);
		my $after = $box->stat;
		is($after->{$_}, $before->{$_}, $_) for qw(mtime ctime ino size);
		is($box->spool, FX1, 'the spool');
	}
};

case 'QUIT: no lock, no file but the state file is left' => sub {
	my $box = box();
	my $s = $box->login;

	$s->text('RETR 1');
	$s->command('DELE 1');
	$s->quit;
	opendir my $dir, $box->mail or die $!;
	is_deeply([ sort grep { !/^\.\.?$/ } readdir $dir ],
	    [ '.alice.pop', 'alice' ], 'files beside the spool');
	my ($mode, $nlink, $uid, $gid) = (stat $box->work)[2 .. 5];
	is($mode & 07777, 0600, 'the state file: mode');
	is($uid, $Popper::uid, 'owner');
	is($nlink, 1, 'links');
};

case 'mail that came during the session follows what is kept' => sub {
	for my $deleted ([1], [2], [], [1, 2]) {
		my $box = box();
		my @old = split /^(?=From )/m, FX1;
		my $s = $box->login;

		$s->command("DELE $_") for @$deleted;
		ok($box->deliver(letter(3)), 'a delivery');
		ok($box->deliver(letter(4)), 'another one');
		$s->quit;
		$old[$_ - 1] = '' for @$deleted;
		is($box->spool, join('', @old, letter(3), letter(4)),
		    'deleted: ' . (join(', ', @$deleted) || 'none'));
	}
};

case 'mail that came after a delivery without a last line end stays apart' => sub {
	my $spool = FX1;
	chop $spool for 1 .. 2;		# "x" ends the file
	my $box = box(spool => $spool);
	my $s = $box->login;

	is($s->command('STAT'), '+OK 2 48', 'two messages');
	$s->command('DELE 1');
	$box->deliver("\n\n" . letter(3));
	$s->quit;
	$s = $box->login;
	like($s->command('STAT'), qr/^\+OK 2 /, 'two are left');
	like($s->text('RETR 1'), qr/two\r\n\r\nx\r\n\z/, 'the old one');
	like($s->text('RETR 2'), qr/This is letter 3\.\r\n\z/, 'the new one');
};

case 'a spool that a mail program rewrote: only the marked message goes' => sub {
	my @letters = map { letter($_, body => alnum(100 * $_)) } 1 .. 5;
	my %rewrite = (
		'message 1 removed' => [ 1 .. 4 ],
		'message 1 removed, another added' => [ 1 .. 4, 'new' ],
		'the marked one removed' => [ 0, 1, 3, 4 ],
		'the order turned round' => [ reverse 0 .. 4 ],
		'one put in front' => [ 'new', 0 .. 4 ],
		'all others removed' => [ 2 ],
	);

	for my $what (sort keys %rewrite) {
		for my $flags ('', "Status: RO\nX-Status: F\n") {
			my $box = box(spool => join '', @letters);
			my $s = $box->login;
			my @now = map {
				$_ eq 'new' ? letter(9) :
				$letters[$_] =~ s/^\n/$flags\n/mr
			} @{ $rewrite{$what} };

			$s->command('DELE 3');
			$box->put(join '', @now);
			$s->quit;
			is($box->spool, join('', grep { !/^Subject: letter 3$/m } @now),
			    $flags ? "$what, flags changed" : $what);
		}
	}
};

case 'a spool rewritten before RETR: never the text of another message' => sub {
	my @letters = map { letter($_, body => alnum(100 * $_)) } 1 .. 4;

	for my $read (0, 1) {
		my $box = box(spool => join '', @letters);
		my $s = $box->login;

		$s->text('RETR 4') if $read;
		$box->put(join '', @letters[2, 3, 1]);
		for my $n (1 .. 4) {
			my $first = $s->command("RETR $n");
			my $text = $first =~ /^\+OK/ ? $s->rest : '';

			like("$first\n$text", $first =~ /^\+OK/ ?
			    qr/^Subject: letter $n\r$/m : qr/^-ERR /,
			    "RETR $n: itself, or -ERR");
		}
		unlike($s->quit, qr/^-ERR/, 'QUIT');
		is(without_status($box->spool), join('', @letters[2, 3, 1]),
		    'the spool keeps its new order');
	}
};

case 'a spool emptied by a mail program: QUIT brings nothing back' => sub {
	for my $how (sub { $_[0]->put('') }, sub { unlink $_[0]->path }) {
		my $box = box();
		my $s = $box->login;

		$s->text('RETR 1');
		$s->command('DELE 2');
		$how->($box);
		$s->send('QUIT');
		like($s->slurp, qr/\A(\+OK|-ERR) [^\r\n]*\r\n\z/, 'one reply');
		ok(!length($box->spool // ''), 'still no mail');
		is($s->wait, 0, 'exit status');
	}
};

case 'a spool replaced by another file: that one is changed, or none' => sub {
	my @letters = map { letter($_) } 1 .. 3;
	my $box = box(spool => join '', @letters);
	my $s = $box->login;

	$s->command('DELE 2');
	rename $box->path, $box->path . '.old' or die $!;
	$box->put(join '', @letters, letter(4));
	my $reply = $s->command('QUIT');
	is(slurp($box->path . '.old'), join('', @letters), 'the old file');
	is($box->spool, join('', $reply =~ /^\+OK/ ? @letters[0, 2] : @letters,
	    letter(4)), 'the new file, as the reply says');
};

case 'deleting a large message at the front moves the rest whole' => sub {
	my @letters = (letter(1, body => alnum(3_000_000)),
	    map { letter($_, body => alnum(40_000 + 997 * $_)) } 2 .. 60);
	my $box = box(spool => join '', @letters);
	my $s = $box->login;

	$s->command("DELE $_") for 1, 7, 30, 31;
	$s->quit;
	@letters[0, 6, 29, 30] = ('') x 4;
	ok($box->spool eq join('', @letters), 'byte for byte');
};

case 'deleting a small message in front of a large one' => sub {
	my @letters = (letter(1), letter(2, body => alnum(9_000_000)), letter(3));
	my $box = box(spool => join '', @letters);
	my $s = $box->login;

	$s->command('DELE 1');
	$s->quit;
	ok($box->spool eq join('', @letters[1, 2]), 'byte for byte');
};

# A Status line may stand anywhere in a header: compare with it at the end.
sub status_last {
	my ($spool) = @_;

	return join '', map {
		s/^Status: RO\n//m ? s/\n\n/\nStatus: RO\n\n/r : $_
	} split /^(?=From sender)/m, $spool;
}

sub without_status {
	my ($spool) = @_;
	return $spool =~ s/^Status: RO\n//gmr;
}

done_testing;
