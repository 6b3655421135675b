# Messages with the same From line, header and size: their bodies tell them apart,
# never their place.  No unique-id comes to mean another message.

use strict;
use warnings;

use Test::More;
use Popper;

needs('plain');

my @dup = map { letter(1, body => "$_ does it\n") } 'Ann', 'Bob', 'Cyd';
my $other = letter(2);

# Which unique-id each text has.
sub names {
	my ($box) = @_;
	my $s = $box->login(args => ['-s']);
	my $uidl = $s->uidl;
	my %name = map { $uidl->{$_} => scalar $s->text("RETR $_") } keys %$uidl;

	$s->quit;
	return \%name;
}

# No name may stand for another text than before; how many are as they were.
sub compare {
	my ($before, $after, $what) = @_;
	my @wrong = grep { exists $before->{$_} && $before->{$_} ne $after->{$_} }
	    keys %$after;

	is_deeply(\@wrong, [], $what);
	return grep { exists $before->{$_} } keys %$after;
}

# Another program removes a message, by a new file.
sub rewrite {
	my ($box, @messages) = @_;

	unlink $box->path or die $!;
	$box->put(join '', @messages);
}

case 'fetched and deleted, and another program has removed it: the other stays' =>
sub {
	for my $n (0, 1) {
		my $box = box(spool => join '', @dup[0, 1]);
		my $s = $box->login(args => ['-s']);

		$s->text('RETR ' . ($n + 1));
		$s->command('DELE ' . ($n + 1));
		rewrite($box, $dup[1 - $n]);
		$s->quit;
		is($box->spool, $dup[1 - $n], 'the one that was never fetched');
	}
};

case 'they changed places during the session: the right one goes' => sub {
	my $box = box(spool => join '', @dup);
	my $s = $box->login(args => ['-s']);

	$s->command('DELE 1');
	rewrite($box, @dup[1, 2, 0]);
	$s->quit;
	is($box->spool, join('', @dup[1, 2]), 'the spool');
};

case 'one comes while the other is fetched and deleted' => sub {
	my $box = box(spool => $other . $dup[0]);
	my $s = $box->login(args => ['-s']);

	$s->text('RETR 2');
	$s->command('DELE 2');
	$box->deliver($dup[1]);
	$s->quit;
	is($box->spool, $other . $dup[1], 'the new one stays');
};

case 'one comes in the place of the other, which was fetched and deleted' => sub {
	my $box = box(spool => $other . $dup[0]);
	my $s = $box->login(args => ['-s']);

	$s->text('RETR 2');
	$s->command('DELE 2');
	rewrite($box, $other, $dup[1]);
	$s->quit;
	is($box->spool, $other . $dup[1], 'the new one stays');
};

case 'not fetched, but deleted, and now there are two: both stay' => sub {
	my $box = box(spool => $dup[0]);
	my $s = $box->login(args => ['-s']);

	$s->command('DELE 1');
	$box->deliver($dup[1]);
	$s->quit;
	is($box->spool, join('', @dup[0, 1]), 'the spool');
};

case 'equal to the last byte: one goes for each that is deleted' => sub {
	my $box = box(spool => $dup[0] x 3);
	my $s = $box->login(args => ['-s']);

	$s->command('DELE 1');
	$s->command('DELE 3');
	$box->deliver($other);
	$s->quit;
	is($box->spool, $dup[0] . $other, 'the spool');
};

case 'equal to the last byte, and another program has removed one: it stays' => sub {
	my $box = box(spool => $dup[0] x 2 . $other);
	my $s = $box->login(args => ['-s']);

	$s->text('RETR 1');
	$s->command('DELE 1');
	rewrite($box, $dup[0], $other);
	$s->quit;
	is($box->spool, $dup[0] . $other, 'the spool');
};

case 'between sessions another program removes one: none inherits its name' => sub {
	for my $gone (0 .. 2) {
		my @left = @dup[grep { $_ != $gone } 0 .. 2];
		my $box = box(spool => join '', @dup);
		my $before = names($box);

		rewrite($box, @left);
		is(compare($before, names($box), "without $gone"), 2,
		    'the others have theirs');
		rewrite($box, reverse @left);
		is(compare($before, names($box), 'in another order'), 2,
		    'the others have theirs');
		rewrite($box, $left[1]);
		is(compare($before, names($box), 'one alone'), 1, 'it has its name');
	}
};

case 'between sessions one comes in the place of the other' => sub {
	my $box = box(spool => join '', @dup[0, 1]);
	my $before = names($box);

	rewrite($box, @dup[2, 1]);
	is(compare($before, names($box), 'their names'), 1, 'one is as it was');
};

case 'between sessions a second one comes: a new name for each' => sub {
	my $box = box(spool => $dup[0]);
	my $before = names($box);

	rewrite($box, @dup[1, 2]);
	is(compare($before, names($box), 'neither is the first'), 0, 'none');
};

# QUIT gives the last message its line end.
for my $when ('between sessions', 'in mid-session') {
	case "$when mail comes after one that had no line end: the names" => sub {
		my $one = letter(1);
		my $box = box(spool => letter(2) . $one . $one =~ s/\n+\z//r);
		my $s = $box->login;
		my $before = $s->uidl;

		$s->command('DELE 1');
		$s->quit;
		$s = $box->login;
		$s->list;
		$box->append(letter(3));
		is(scalar $s->text('RETR 2'), text_of($one), 'RETR')
		    if $when eq 'in mid-session';
		$s->quit;
		my $after = $box->login->uidl;
		is_deeply([ @$after{1, 2} ], [ @$before{2, 3} ], 'as they were');
	};
}

# A session that deletes one is killed at each call that changes something.
my @calls = qw(pwrite64 fdatasync fsync ftruncate fallocate);

for my $case ([ 1 ], [ 3 ], [ 1, 3 ], [ 4 ]) {
	case "DELE @$case, killed at each call: the names" => sub {
		needs('strace');
		my $run = sub {
			my ($box, @options) = @_;
			my $trace = $box->dir . '/strace';
			my $s = $box->session(greeting => 0, trace => 0, args => ['-s'],
			    under => [ strace($trace, '-P', $box->path, '-P', $box->work,
			    '-e', 'trace=' . join(',', @calls), @options) ]);
			$s->send('USER alice', 'PASS s3cret', (map { "DELE $_" } @$case),
			    'QUIT');
			$s->slurp;
			$s->wait;
			return straced($trace);
		};
		my $new = sub {
			my $box = box(spool => join '', @dup, $other);
			return ($box, names($box));
		};
		my ($box) = $new->();
		my @points = points($run->($box));
		cmp_ok(scalar @points, '>', 2, scalar @points . ' calls');
		for my $point (few(8, @points)) {
			my ($call, $n) = @$point;
			my ($box, $before) = $new->();

			$run->($box, '-e', "inject=$call:signal=KILL:when=$n");
			unlink $box->dotlock;
			my $after = names($box);
			is(compare($before, $after, "killed at $call $n"),
			    scalar keys %$after, 'each has the name it had');
		}
	};
}

case 'an index that cannot be written: the names' => sub {
	needs('strace');
	my $box = box(spool => join '', @dup);
	my $s = $box->login(args => ['-s']);
	$s->command('DELE 1');
	$s->quit;
	my $before = names($box);

	for my $n (1 .. 6) {
		$box->deliver(letter(10 + $n));
		my $s = $box->session(greeting => 0, under => [ strace('/dev/null',
		    '-P', $box->work, '-e', 'trace=pwrite64',
		    '-e', "inject=pwrite64:error=ENOSPC:when=$n") ]);
		$s->send('USER alice', 'PASS s3cret', 'QUIT');
		$s->slurp;
		$s->wait;
		my $after = names($box);
		is(compare($before, $after, "no room at write $n"), 1 + $n,
		    'all have their names');
		$before = $after;
	}
};

# A box with three duplicates of which the first is gone, other letters, and a
# valid index; on a disk of so many kilobytes, if any.
sub numbered {
	my ($kilobytes, @numbers) = @_;
	my $box = box(spool => join '', @dup, map { letter($_) } @numbers);

	$box->mount($kilobytes) or plan skip_all => 'no tmpfs can be mounted'
	    if $kilobytes;
	my $s = $box->login(args => ['-s']);

	$s->command('DELE 1');
	$s->quit;
	return $box;
}

# What cannot be read may be there.
for my $case (['a login after new mail', 1, 'UIDL'], ['UIDL', 0, 'UIDL'],
    ['QUIT in the middle', 0, 'DELE 3'], ['QUIT of the newest', 0, 'DELE 4']) {
	my ($what, $new, $command) = @$case;

	case "$what, and each read of the state file fails: the names" => sub {
		needs('strace');
		for my $n (1 .. 12) {
			my $box = numbered(0, 2, 3);
			my $before = names($box);

			$box->append(letter(5)) if $new;
			my $s = $box->session(greeting => 0, trace => 0, args => ['-s'],
			    under => [ strace('/dev/null', '-P', $box->work, '-e',
			    'trace=pread64', '-e', "inject=pread64:error=EIO:when=$n") ]);
			$s->send('USER alice', 'PASS s3cret', $command, 'QUIT');
			$s->slurp;
			$s->wait;
			my $after = names($box);
			is(compare($before, $after, "read $n"),
			    keys(%$after) - $new, 'each has its name');
		}
	};
}

# Some 40 messages fill a page of the state file.
case 'a full disk, new mail, and no one deletes anything: the names' => sub {
	needs('root');
	for my $n (38 .. 44) {
		my $box = numbered(1024, 2 .. $n);

		$box->append(letter(100));
		my $before = names($box);

		$box->append(letter(101));
		$box->fill;
		names($box);
		my $after = names($box);
		is(compare($before, $after, "$n messages"), $n + 2,
		    'each has its name');
	}
};

# Status lines are not worth the index.
case 'a full disk, nothing is deleted, and QUIT is killed: the names' => sub {
	needs('root', 'strace');
	for my $n (3 .. 8) {
		my $box = numbered(1024, 2 .. 41);
		my $before = names($box);

		$box->fill;
		my $s = $box->session(greeting => 0, trace => 0, under => [ strace(
		    '/dev/null', '-P', $box->work, '-e', 'trace=pwrite64', '-e',
		    "inject=pwrite64:signal=KILL:when=$n") ]);
		$s->send('USER alice', 'PASS s3cret', 'RETR 1', 'RETR 2', 'QUIT');
		$s->slurp;
		$s->wait;
		unlink $box->dotlock;
		$box->free;
		my $after = names($box);
		s/^Status: RO\r\n//m for values %$after;
		is(compare($before, $after, "killed at write $n"), 42,
		    'each has its name');
	}
};

done_testing;
