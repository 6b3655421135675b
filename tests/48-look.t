# UPDATE looks before it writes: a spool that changed although its time stamp did
# not is not cut by an old table.

use strict;
use warnings;

use IPC::Open2;
use Test::More;
use Time::HiRes qw(sleep);
use Popper;

# Messages whose sum is the same size, in another order of lengths.
my @before = map { letter($_, body => alnum(100 * $_)) } 1 .. 4;
my @after = (letter(9, body => alnum(300)), @before[1, 2]);
my $missing = length(join '', @before) - length(join '', @after);
push @after, letter(8, body => 'x' x ($missing - length letter(8, body => "\n"))
    . "\n");

# A program that has the spool mapped, and writes through its mapping: the time
# stamp tells only of the first time.
sub mapped {
	my ($box) = @_;
	my $pid = open2(my $out, my $in, 'python3', '-c', <<'END', $box->path);
import mmap, sys
f = open(sys.argv[1], 'r+b')
m = mmap.mmap(f.fileno(), 0)
m[0:1] = m[0:1]
print('mapped', flush=True)
n = int(sys.stdin.buffer.readline())
text = sys.stdin.buffer.read(n)
m[:] = text
print('written', flush=True)
END
	defined readline $out or die 'no python3 with mmap';
	return sub {
		my ($text) = @_;
		print $in length $text, "\n", $text;
		close $in;
		readline $out;
		waitpid $pid, 0;
	};
}

# A session whose spool is changed, once the table is made, behind its stamp.
# Skips the case where the stamp does tell.
sub session {
	my ($box, @args) = @_;
	my $write = mapped($box);
	my $s = $box->login(args => ['-s', @args]);
	my $was = $box->stat;

	$write->(join '', @after);
	my $is = $box->stat;
	delete $_->{atime} for $was, $is;
	is_deeply($is, $was, 'the stamp does not tell');
	return $s;
}

sub needs_python { system('python3 -c "import mmap" 2>/dev/null') == 0
    or plan skip_all => 'no python3' }

case 'a message that is not there any more is not deleted' => sub {
	needs_python();
	my $box = box(spool => join '', @before);
	my $s = session($box);

	$s->command('DELE 1');
	$s->quit;
	is($box->spool, join('', @after), 'the spool');
};

case 'messages that have moved are deleted where they are' => sub {
	needs_python();
	for my $gone (2, 3) {
		my $box = box(spool => join '', @before);
		my $s = session($box);

		$s->command("DELE $gone");
		$s->quit;
		is($box->spool, join('', @after[grep { $_ != $gone - 1 } 0 .. 3]),
		    "DELE $gone");
	}
};

case 'nor is the end cut off by an old table' => sub {
	needs_python();
	my $box = box(spool => join '', @before);
	my $s = session($box);

	$s->command('DELE 4');
	$s->command('DELE 3');
	$s->quit;
	is($box->spool, join('', @after[0, 1, 3]), 'the spool');
};

case 'RETR sends what it names' => sub {
	needs_python();
	for my $n (2, 3) {
		my $s = session(box(spool => join '', @before));
		is(scalar $s->text("RETR $n"), text_of($before[$n - 1]), "RETR $n");
	}
	my $s = session(box(spool => join '', @before));
	is($s->command('RETR 1'), '-ERR Another program has removed message 1.',
	    'RETR 1');
};

# Where file times are whole seconds a change in the second of the scan does not
# show.
case 'a change within the second of the scan' => sub {
	needs('root');
	my $box = box(spool => join '', @before);
	my ($was, $is, $s);

	$box->mount(8192, 'mkfs.ext4 -F -I 128')
	    or plan skip_all => 'no ext4 of its own';
	for (1 .. 20) {
		my $now = Time::HiRes::time();
		sleep 1.05 - ($now - int $now);
		$box->put(join '', @before);
		$s = $box->login(args => ['-s']);
		$was = $box->stat;
		$box->put(join '', @after);
		$is = $box->stat;
		delete $_->{atime} for $was, $is;
		last if join(' ', %$was{sort keys %$was}) eq
		    join(' ', %$is{sort keys %$is});
		$s->quit;
		$s = undef;
	}
	ok(defined $s, 'such a second was found') or return;
	$s->command('DELE 1');
	$s->command('DELE 2');
	$s->quit;
	is($box->spool, join('', @after[0, 2, 3]), 'the spool');
};

# Of a board no time tells more; it has no session lock.
case 'a board that changes within the second in which it was opened' => sub {
	needs('root');
	my $box = box();
	my @m = map { letter($_) } 1 .. 4;

	$box->mount(8192, 'mkfs.ext4 -F -I 128')
	    or plan skip_all => 'no ext4 of its own';
	my $board = $box->mail . '/board';
	my $list = $box->dir . '/list';
	$box->put_file($list, "board news\nmaildrop $board\n");
	my $now = Time::HiRes::time();
	sleep 1.05 - ($now - int $now);
	$box->put_file($board, join '', @m);
	my $s = $box->login(args => ['-b', $list]);
	$s->text('XTND BBOARDS news');
	is(scalar $s->text('RETR 4'), text_of($m[3]), 'RETR 4');
	open my $file, '+<', $board or die "$board: $!";
	print $file join '', @m[0, 2, 1, 3];
	close $file or die "$board: $!";
	is(scalar $s->text("RETR $_"), text_of($m[$_ - 1]), "RETR $_") for 1, 2;
};

done_testing;
