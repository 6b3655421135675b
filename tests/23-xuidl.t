# Unique-ids of another server, kept by option -U: RFC 1939 7, UIDL.

use strict;
use warnings;

use Test::More;
use Popper;

# A letter that another server has named.
sub named {
	my ($n, @names) = @_;
	return letter($n, header => [ map { "X-UIDL: $_" } @names ]);
}

# The names that UIDL gives, in order.
sub uids {
	my ($box, @args) = @_;
	my $s = $box->login(args => [ '-U', @args ]);
	my $uid = $s->uidl;

	$s->quit;
	return map { $uid->{$_} } sort { $a <=> $b } keys %$uid;
}

my $own = qr/^[0-9a-f]{32}(\.\d+)?\z/;

case '-U: X-UIDL names its message; others have names of popper\'s' => sub {
	my $box = box(spool => named(1, 'old.1') . letter(2) .
	    named(3, '"#$%&\'()!~') . named(4, 'x' x 70));
	my @uid = uids($box);

	is($uid[0], 'old.1', 'the first');
	like($uid[1], $own, 'the second, without one');
	is($uid[2], '"#$%&\'()!~', 'the third');
	is($uid[3], 'x' x 70, 'the fourth, of the greatest length');
	is_deeply([ uids($box) ], \@uid, 'the same from the index');
	my $s = $box->login(args => [ '-U' ]);
	is($s->command('UIDL 1'), '+OK 1 old.1', 'asked for one by one');
	$s->quit;
	isnt($box->login->uidl->{1}, 'old.1', 'without -U it counts for nothing');
	is_deeply([ uids($box) ], \@uid, 'and with it again');
};

case '-U: the names outlast deletions, Status lines and a lost index' => sub {
	my $box = box(spool => join '', map { named($_, "n$_") } 1 .. 4);
	my $s = $box->login(args => [ '-U' ]);

	$s->command('DELE 2');
	$s->text('RETR 3');
	$s->quit;
	like($box->spool, qr/^Status: RO$/m, 'a Status line is written');
	is("@{[ uids($box) ]}", 'n1 n3 n4', 'the names of the others');
	unlink $box->work or die $!;
	is("@{[ uids($box) ]}", 'n1 n3 n4', 'without .alice.pop');
	$box->deliver(named(5, 'n5'));
	is("@{[ uids($box) ]}", 'n1 n3 n4 n5', 'after a delivery');
};

case '-U: a name that two messages have is nobody\'s' => sub {
	my @uid = uids(box(spool => named(1, 'same') . named(2, 'good') .
	    named(3, 'same')));

	like($uid[0], $own, 'the first');
	is($uid[1], 'good', 'another is not touched');
	like($uid[2], $own, 'the third');
};

case '-U: a forged X-UIDL cannot take the name of a message without one' => sub {
	my $theirs = box(spool => letter(1))->login->uidl->{1};
	my @uid = uids(box(spool => named(2, $theirs) . letter(1)));

	is($uid[1], $theirs, 'it has its name');
	like($uid[0], $own, 'the forger has one');
	isnt($uid[0], $uid[1], 'of his own');
	@uid = uids(box(spool => named(2, 'f' x 32) . letter(1)));
	is($uid[0], 'f' x 32, 'the form alone is no reason');
};

case '-U: what is no unique-id does not count' => sub {
	for my $bad ('', 'y' x 71, 'a b', "a\tb", "a\x7f", "\xe4") {
		my ($uid) = uids(box(spool => named(1, $bad)));
		like($uid, $own, 'X-UIDL: ' . show($bad));
	}
	for my $blanks ('  ', "\t", "\t \t") {
		is((uids(box(spool => named(1, "${blanks}blanks$blanks"))))[0],
		    'blanks', show($blanks) . ' around it does not matter');
	}
	is((uids(box(spool => letter(1, header => [ "X-UIDL:\tblanks" ]))))[0],
	    'blanks', 'a tab in the place of the blank');
	is((uids(box(spool => named(1, 'one', 'two'))))[0], 'one',
	    'the first of two counts');
};

case '-U: an index with forged or torn names is made again' => sub {
	my $box = box(spool => named(1, 'n1') . named(2, 'n2'));

	uids($box);
	my $index = slurp($box->work);
	my $at = index $index, 'n2';
	cmp_ok($at, '>', 0, 'the name is in there');
	for my $damage ("n1\0", "\n\0\0") {
		my $bad = $index;
		substr $bad, $at, 3, $damage;
		$box->put_file($box->work, $bad);
		is("@{[ uids($box) ]}", 'n1 n2', 'with ' . show($damage));
	}
	$box->put_file($box->work, substr $index, 0, $at);
	is("@{[ uids($box) ]}", 'n1 n2', 'cut off');
};

case '-U: a poll of an unchanged spool reads nothing of it' => sub {
	needs('strace');
	my $box = box(spool => named(1, 'n1') . letter(2));

	uids($box);
	my $log = $box->dir . '/strace';
	my $s = $box->login(args => [ '-U' ], under => [ strace($log, '-y',
	    '-e', 'trace=read,pread64') ]);
	is($s->uidl->{1}, 'n1', 'the name');
	$s->quit;
	my ($spool, $index) = ($box->path, $box->work);
	like(slurp($log), qr/<\Q$index\E>/, 'the index is read');
	unlike(slurp($log), qr/<\Q$spool\E>/, 'the spool is not');
};

done_testing;
