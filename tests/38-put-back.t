# An UPDATE was killed while letters stood in its journal alone, and then another
# program wrote the spool anew.  The next session puts those letters back.  That
# may fail or be killed at each of its calls as well: the letters are still there
# for the session after it.

use strict;
use warnings;

use Test::More;
use Popper;

needs('strace', 'plain');

my @letters = (letter(1), map { letter($_, body => alnum(3000)) } 2, 3);
my $want = letter(5) . $letters[1] . $letters[2];

# A session without Status lines, in which things happen to its calls on the
# spool and the state file; its trace.
sub session {
	my ($box, $calls, $what, @commands) = @_;
	my $trace = $box->dir . '/strace';

	unlink $trace, $box->dotlock;
	my $s = $box->session(trace => 0, greeting => 0, args => ['-s'],
	    under => [ strace($trace, '-P', $box->path, '-P', $box->work,
	    '-e', "trace=$calls", defined $what ? ('-e', $what) : ()) ]);
	$s->send('USER alice', 'PASS s3cret', @commands, 'QUIT');
	$s->slurp;
	$s->wait;
	return straced($trace);
}

# A box whose update was killed at that sync, and its journal.
sub cut_off {
	my ($sync) = @_;
	my $box = box(spool => join '', @letters);

	$box->login(args => ['-s'])->quit;
	session($box, 'fdatasync', "inject=fdatasync:signal=KILL:when=$sync", 'DELE 1');
	return ($box, slurp($box->work));
}

# The spool is written anew while the journal has the letters; what came of it
# when such a thing happened to the session that puts them back.
sub put_back {
	my ($box, $journal, $what) = @_;

	$box->put(letter(5));
	$box->put_file($box->work, $journal);
	my @calls = session($box, 'pread64,fstat,pwrite64,fdatasync,fsync,ftruncate,fallocate', $what);
	unlink $box->dotlock;
	$box->login(args => ['-s'])->quit;
	return ($box->spool, @calls);
}

for my $what ('signal=KILL', 'error=ENOSPC', 'error=EIO') {
	case "$what at each call" => sub {
		# behind the sync of the journal and in front of that of the spool
		my @box = cut_off(2);
		my ($spool, @calls) = put_back(@box);
		my @wrong;

		is($spool, $want, 'undisturbed');
		for my $point (few(4, points(@calls))) {
			my ($call, $n) = @$point;
			($spool) = put_back(@box, "inject=$call:$what:when=$n");
			push @wrong, "$call $n: " . join ', ',
			    $spool =~ /^Subject: (.*)$/mg if $spool ne $want;
		}
		is(join("\n", @wrong), '', scalar(@calls) . ' calls');
	};
}

# Everything stands where it shall, but the spool was not cut: another program
# takes what is left of the old text for more of the message before it.
case 'written anew before it was cut' => sub {
	my @letters = map { letter($_, body => alnum(1000 * $_)) } 1 .. 4;
	my $box = box(spool => join '', @letters);
	my $trace = $box->dir . '/strace';
	my $s = $box->session(trace => 0, greeting => 0, under => [ strace($trace,
	    '-P', $box->path, '-e', 'trace=ftruncate', '-e',
	    'inject=ftruncate:signal=KILL:when=2') ]);

	$s->send('USER alice', 'PASS s3cret', 'DELE 1', 'DELE 4', 'QUIT');
	$s->slurp;
	$s->wait;
	straced($trace);
	unlink $box->dotlock;
	my $seen = $box->spool;
	is(substr($seen, 0, length "$letters[1]$letters[2]"), "$letters[1]$letters[2]",
	    'all is moved');
	$box->put(substr $seen, 0, index $seen, 'From sender4@');
	$box->login->quit;
	ok((grep { $_ eq $letters[2] } split /(?=^From sender)/m, $box->spool),
	    'the last message that stays is there as it was');
};

# The texts of two steps, each with one of two messages that are alike: a journal
# has room for one of them at a time.
case 'twins' => sub {
	my @twins = map { letter(2, body => alnum(9 << 20)) } 1, 2;
	my $box = box(spool => join '', letter(1), @twins);

	$box->login(args => ['-s'])->quit;
	# the journal with its first text, the first step, and the second text
	session($box, 'fdatasync', 'inject=fdatasync:signal=KILL:when=4', 'DELE 1');
	$box->put($twins[0]);
	unlink $box->dotlock;
	$box->login(args => ['-s'])->quit;
	ok($box->spool eq join('', @twins), 'both are there');
};

# Where the spool cannot grow they stay in the journal, and that has an end.
case 'no room in the spool, again and again' => sub {
	my ($box) = cut_off(2);
	my (@sizes, $trace);

	$box->put(letter(5));
	for (1 .. 12) {
		$trace = $box->dir . '/strace';
		unlink $trace, $box->dotlock;
		my $s = $box->session(trace => 0, greeting => 0, under => [ strace($trace,
		    '-P', $box->path, '-e', 'trace=pwrite64', '-e',
		    'inject=pwrite64:error=ENOSPC') ]);
		$s->send('USER alice', 'PASS s3cret', 'QUIT');
		$s->slurp;
		$s->wait;
		push @sizes, -s $box->work;
	}
	cmp_ok($sizes[-1], '<=', $sizes[3], "the state file stays as it is: @sizes");
	$box->login(args => ['-s'])->quit;
	is($box->spool, $want, 'and then there is room');
};

# Mail came behind an update that was cut off, and moves up when that is done, by
# a journal that follows the one in force.  The Nth read fails, alone or with all
# after it.
for my $all ('', '+') {
	case $all ? 'nothing can be read any more' : 'something cannot be read once' => sub {
		my ($box, $journal) = cut_off(1);
		my $spool = $box->spool;
		my ($last, @wrong) = 0;

		for my $n (few(3, 1 .. 200)) {
			$box->put($spool);
			$box->put_file($box->work, $journal);
			unlink $box->dotlock;
			$box->deliver(letter(5));
			my $hit = grep { /INJECTED/ } session($box, 'pread64',
			    "inject=pread64:error=EIO:when=$n$all");
			unlink $box->dotlock;
			$box->login(args => ['-s'])->quit;
			push @wrong, $n
			    if $box->spool ne $letters[1] . $letters[2] . letter(5);
			last unless $hit;
			$last = $n;
		}
		is("@wrong", '', "of $last reads");
		cmp_ok($last, '>', 8, 'there are such');
	};
}

done_testing;
