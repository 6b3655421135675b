# Each allocation of memory in turn fails, one in three on each day.  A session
# that cannot go on says so or ends; what it sends is never another text than the
# message's, and the mail is what the reply to QUIT says.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;
use Popper;

plan skip_all => 'a popper that a sanitizer watches has its own memory' if Popper::instrumented();
my $dir = tempdir('popper-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;
my $nomem = "$dir/nomem.so";
(my $source = __FILE__) =~ s/[^\/]*\z/nomem.c/;
my $cc = $ENV{CC} || 'cc';
plan skip_all => "cannot compile $source"
    if system("$cc -std=c11 -shared -fPIC -o $nomem $source >$dir/cc 2>&1") != 0;

my @letters = map { letter($_, body => alnum(50 * $_ % 700)) } 1 .. 80;

# What is done to the maildrop before the session's RETRs, and who is left then.
my %scene = (
	'from a scan' => { before => sub { unlink $_[0]->work } },
	'from the index' => {},
	'mail came' => { meanwhile => sub { $_[0]->deliver(letter(99)) } },
	'another program took the second letter' => { meanwhile => sub {
		$_[0]->put(join '', @letters[0, 2 .. $#letters]) } },
	'left over by an older popper' => { before => sub {
		$_[0]->put_file($_[0]->work, $letters[0]) } },
);

# The session whose N-th allocation fails: whether there was one, and what is
# wrong, if anything is.
sub session {
	my ($scene, $n) = @_;
	my $box = box(spool => join '', @letters);
	my $mark = $box->mail . '/mark';

	$box->login(args => ['-s'])->quit;
	$scene->{before}->($box) if $scene->{before};
	my $s = $box->session(trace => 0, greeting => 0, args => ['-s', '-w', 1], under => [ 'env',
	    "LD_PRELOAD=$nomem", "NOMEM_AT=$n", "NOMEM_MARK=$mark" ]);
	my $wrong = eval { talk($box, $s, $scene) } // ($@ || undef);
	my $failed = unlink $mark;
	$s->close;
	$wrong //= 'wait status' if $s->wait & 127;
	$wrong //= eval { after($box, $s, $scene) } // ($@ || undef);
	$box->remove;
	return ($failed, $wrong);
}

sub talk {
	my ($box, $s, $scene) = @_;

	$s->read_line;
	for my $line ('USER alice', 'PASS s3cret', 'DELE 3') {
		$s->send($line);
		return unless ($s->read_line // '') =~ /^(?:\+OK|-ERR) /;
	}
	$scene->{meanwhile}->($box) if $scene->{meanwhile};
	for my $i (60, 1, 70) {
		$s->send("RETR $i");
		next if ($s->read_line // return) =~ /^-ERR /;
		my $got = eval { $s->rest };
		return unless defined $got;	# cut off, and no dot
		return "RETR $i" if $got ne text_of($letters[$i - 1]);
	}
	$s->send('QUIT');
	$s->{said} = $s->read_line // '';
	return;
}

# Every letter but the third is there, once; and the third as QUIT said.
sub after {
	my ($box, $s, $scene) = @_;
	my $next = $box->login(args => ['-s']);

	$next->quit;
	my $spool = $box->spool;
	for my $i (1 .. @letters) {
		my $letter = $letters[$i - 1];
		my $times = () = $spool =~ /\Q$letter\E/g;
		next if $i == 2 && $scene->{meanwhile};
		next if $i == 3;
		return "letter $i is there $times times" if $times != 1;
	}
	return 'letter 3 is gone' if index($spool, $letters[2]) < 0 &&
	    ($s->{said} // '') =~ /^-ERR .*nothing was removed/;
	return;
}

for my $name (sort keys %scene) {
	case "$name: no memory" => sub {
		my ($last, @wrong) = 0;

		for my $n (few(3, 1 .. 200)) {
			my ($failed, $wrong) = session($scene{$name}, $n);
			push @wrong, "allocation $n: $wrong" if defined $wrong;
			last unless $failed;
			$last = $n;
		}
		is(join("\n", @wrong), '', "of $last allocations");
		cmp_ok($last, '>', 5, 'there are such');
	};
}

done_testing;
