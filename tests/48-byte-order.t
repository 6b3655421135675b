# A spool and its state file move between two builds of popper (POPPER, and
# POPPER_OTHER: see "make check-foreign").  One of the same byte order goes on
# where the other was.  One of the other order makes the index anew; it refuses
# a maildrop whose update was interrupted, and changes nothing.

use strict;
use warnings;

use Cwd qw(abs_path);
use Test::More;
use Popper;

plan skip_all => 'POPPER_OTHER names no second build'
    unless defined $ENV{POPPER_OTHER};
plan skip_all => 'strace cannot trace here' unless Popper::can_trace();

my %build = (POPPER => $Popper::binary, POPPER_OTHER => abs_path($ENV{POPPER_OTHER}));
my @letters = map { letter($_, body => alnum(90 * $_)) } 1 .. 4;
my $calls = 'pwrite64,ftruncate,fsync,fdatasync';

# Runs the code with that build as the daemon.
sub with {
	my ($name, $code) = @_;
	local $Popper::binary = $build{$name};
	return $code->();
}

# A session of that build that deletes the second message; it is killed before
# the N-th such call, if one is given.  An emulator makes the same calls on these
# two files, so strace can be used with it here.
sub update {
	my ($name, $box, $call, $n) = @_;
	my $trace = $box->dir . '/strace';

	with($name, sub {
		my $s = $box->session(greeting => 0, under => [ strace($trace,
		    '-P', $box->path, '-P', $box->work, '-e', "trace=$calls",
		    defined $call ? ('-e', "inject=$call:signal=KILL:when=$n") : ()) ]);
		$s->send('USER alice', 'PASS s3cret', 'RETR 1', 'DELE 2', 'QUIT');
		$s->slurp;
		$s->wait;
	});
	my @trace = straced($trace);
	unlink $box->dotlock, $trace;
	return points(@trace);
}

# Boxes in which that build was killed with a journal, no two alike.
sub killed {
	my ($name) = @_;
	my (@boxes, %seen);

	for my $point (update($name, box(spool => join '', @letters))) {
		my $box = box(spool => join '', @letters);
		update($name, $box, @$point);
		my $work = slurp($box->work) // '';
		push @boxes, $box if $work =~ /\Apopper journal/
		    && !$seen{$box->spool . $work}++;
	}
	cmp_ok(scalar @boxes, '>', 2, 'updates that were killed with a journal');
	return @boxes;
}

# What a session of that build says to STAT, and has in the log.
sub session {
	my ($name, $box) = @_;

	return with($name, sub {
		my $s = $box->session(args => ['-s', '-w', 1]);
		$s->send('USER alice', 'PASS s3cret', 'STAT', 'QUIT');
		my $said = $s->slurp;
		is($s->wait, 0, 'exit status');
		return $said;
	});
}

# A machine's byte order is in the numbers of its index: the size of the spool,
# 8 bytes, is less than 65536.
sub order {
	my ($name) = @_;
	my $box = box(spool => join '', @letters);

	with($name, sub { $box->login(args => ['-s'])->quit });
	my $size = unpack 'x40 a8', slurp($box->work);
	return $size eq pack('Q<', -s $box->path) ? 'little' :
	    $size eq pack('Q>', -s $box->path) ? 'big' : die 'no index';
}

my $alike = order('POPPER') eq order('POPPER_OTHER');
my $kind = $alike ? 'the same byte order' : 'the other byte order';

for my $pair ([qw(POPPER POPPER_OTHER)], [qw(POPPER_OTHER POPPER)]) {
	my ($from, $to) = @$pair;

	case "the index of $from, read by $to of $kind" => sub {
		my $box = box(spool => join '', @letters);

		with($from, sub { $box->login(args => ['-s'])->quit });
		Time::HiRes::sleep(0.3);	# old enough to be used
		my $index = slurp($box->work);
		my $told = with($from, sub { $box->login(args => ['-s'])->uidl });
		is(slurp($box->work), $index, "$from has used it");
		with($to, sub {
			my $s = $box->login(args => ['-s']);
			is_deeply($s->uidl, $told, 'the same unique-ids');
			is($s->text("RETR $_"), text_of($letters[$_ - 1]),
			    "message $_") for 1 .. 4;
			$s->quit;
		});
		is($box->spool, join('', @letters), 'the spool is as it was');
		is(slurp($box->work) eq $index ? 'used' : 'made anew',
		    $alike ? 'used' : 'made anew', 'the index');
	};

	case "a journal of $from, read by $to of $kind" => sub {
		for my $box (killed($from)) {
			my ($spool, $work) = ($box->spool, slurp($box->work));
			my $said = session($to, $box);

			if (!$alike) {
				like($said, qr/^-ERR \[SYS\/PERM\] The file \.alice\.pop /m,
				    "$to refuses");
				ok($box->spool eq $spool, 'and leaves the spool');
				ok(slurp($box->work) eq $work, 'and the journal');
				$said = session($from, $box);
			}
			like($said, qr/^\+OK [34] \d+\r$/m, 'then the maildrop opens');
			my $text = $box->spool =~ s/^Status: RO\n//gmr;
			ok($text eq join('', @letters) ||
			    $text eq join('', @letters[0, 2, 3]),
			    'done or not begun: ' . join ', ',
			    $text =~ /^Subject: (.*)/mg);
		}
	};
}

done_testing;
