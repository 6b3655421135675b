# UPDATE where only the newest messages go: the spool is cut, and the index with
# it.  Whatever fails or dies meanwhile, what the next session says is what the
# spool holds.

use strict;
use warnings;

use Test::More;
use Popper;

my @letters = map { letter($_) } 1 .. 130;
my @dele = map { "DELE $_" } 126 .. 130;
my ($all, $cut) = map { join '', @letters[0 .. $_ - 1] } 130, 125;

# That session, with what is to happen to one of its calls; what it said.
sub session {
	my (@what) = @_;
	my $box = box(spool => $all);

	$box->login(args => ['-s'])->quit;
	my $s = $box->session(trace => 0, greeting => 0, args => ['-s'],
	    under => [ strace($box->dir . '/strace', '-P', $box->path, '-P', $box->work,
	    '-e', 'trace=pwrite64,pread64,ftruncate,fsync,fdatasync,utimensat,fstat,?newfstatat',
	    map { ('-e', $_) } @what) ]);
	$s->send('USER alice', 'PASS s3cret', @dele, 'QUIT');
	my $said = $s->slurp;
	$s->wait;
	return ($box, $said);
}

# What is not as it should be after it.
sub wrong {
	my ($box, $said) = @_;
	my %gone = map { $_ => 1 } $said =~ /^\+OK Message (\d+) has been deleted/mg;
	my @left = grep { !$gone{$_} } 1 .. 130;
	my $done = join '', map { $letters[$_ - 1] } @left;
	my $spool = $box->spool;

	# a session that was killed may not have said all
	return 'the spool' unless grep { $spool eq $_ } $done, $cut, $all;
	return '+OK, and not done' if $spool ne $done && $said =~ /signing off/;
	return '"nothing was removed", and it was' if $spool ne $all &&
	    $said =~ /nothing was removed/;
	unlink $box->dotlock;
	@left = $spool eq $all ? (1 .. 130) : (1 .. 125) if $spool ne $done;
	my $s = $box->login(args => ['-s', '-w', 1]);
	return 'LIST' unless keys %{ $s->list } == @left;
	return 'RETR' unless $s->text('RETR ' . @left) eq
	    text_of($letters[$left[-1] - 1]);
	$s->quit;
	return;
}

for my $what ('signal=KILL', 'error=EIO', 'error=ENOSPC') {
	case "$what at each call" => sub {
		needs('strace', 'plain');
		my ($first) = session();
		my @points = points(straced($first->dir . '/strace'));
		my @wrong;

		is($first->spool, $cut, 'undisturbed');
		for my $point (few(3, @points)) {
			my ($call, $n) = @$point;
			my ($box, $said) = session("inject=$call:$what:when=$n");
			my $why = eval { wrong($box, $said) } // ($@ || undef);
			push @wrong, "$call $n: $why" if defined $why;
			$box->remove;
		}
		is(join("\n", @wrong), '', scalar(@points) . ' calls');
	};
}

case 'the page to be cut is damaged: a twin keeps its number' => sub {
	my @alike = map { letter($_ == 2 ? 1 : $_) } 1 .. 130;
	my $box = box(spool => join '', @alike);
	my $s = $box->login(args => ['-s']);

	$s->command('DELE 1');
	$s->quit;
	$s = $box->login(args => ['-s']);
	my $told = $s->uidl->{1};
	like($told, qr/\.2\z/, 'the second of two');
	$s->command('DELE 129');
	open my $fh, '+<', $box->work or die;
	sysseek $fh, 1024 + 2 * 4096 + 80, 0;
	syswrite $fh, 'damaged!';
	close $fh;
	$s->quit;
	is($box->spool, join('', @alike[1 .. 128]), 'the spool');
	is($box->login(args => ['-s'])->uidl->{1}, $told, 'its unique-id');
};

# Somebody writes without a lock that popper can see; it stops behind the Nth
# time that it looks whether it has locked the right spool, or sets the times of
# a file, of the dotlock after each step and of the spool at the end.
for my $case ([ 'the newest goes', 3, '?newfstatat', 4 ],
    [ 'the newest goes', 3, 'utimensat', 1 ], [ 'another one goes', 2, 'utimensat', 1 ],
    [ 'another one goes', 2, 'utimensat', 2 ]) {
	my ($name, $dele, $call, $n) = @$case;

	case "mail comes while $name ($call $n): a twin keeps its number" => sub {
		needs('strace');
		my $box = box(spool => join '', map { letter($_) } 1, 1, 2, 3);
		my $trace = $box->dir . '/strace';
		my $s = $box->login;

		my $told = $s->uidl->{2};
		$s->command('DELE 1');
		$s->quit;
		$s = $box->session(greeting => 0, under => [ strace($trace,
		    $call ne 'utimensat' ? ('-P', $box->path) : (), '-e', "trace=$call", '-e',
		    "inject=$call:signal=STOP:when=$n") ]);
		$s->send('USER alice', 'PASS s3cret', "DELE $dele", 'QUIT');
		ok(stops($trace), 'it stops');
		$box->append(letter(4));
		$s->kill('CONT');
		like($s->slurp, qr/signing off/, 'QUIT');
		$s->wait;
		is($box->spool, join('', map { letter($_) } 1, $dele == 3 ? 2 : 3, 4),
		    'the spool');
		is($box->login->uidl->{1}, $told, 'its unique-id');
	};
}

# Shells say "new mail" of a spool that was written after it was read.
for my $case ([ 'all that stay have been read', 1, 0 ],
    [ 'one of the first page has not', 0, 5 ],
    [ 'one of the page that is cut has not', 0, 90 ]) {
	my ($name, $read, $unread) = @$case;

	case "$name: the times of the spool" => sub {
		my @marked = map { letter($_, $_ <= 100 && $_ != $unread ?
		    (header => ['Status: RO']) : ()) } 1 .. 130;
		my $box = box(spool => join '', @marked);

		$box->login(args => ['-s'])->quit;
		my $s = $box->login(args => ['-s']);
		$s->command("DELE $_") for 101 .. 130;
		$s->quit;
		my $st = $box->stat;		# before it is read here
		is($box->spool, join('', @marked[0 .. 99]), 'the spool');
		is($st->{atime} >= $st->{mtime} ? 1 : 0, $read, 'read since it was written');
	};
}

# To a message in LF, an empty line in CRLF is text.
case 'the newest goes, and what ends the one before is no empty line' => sub {
	my $one = letter(1) =~ s/\n\z/\r\n/r;
	my $box = box(spool => $one);

	$box->login(args => ['-s'])->quit;
	$box->deliver(letter(2));
	my $s = $box->login(args => ['-s']);
	$s->command('DELE 2');
	$s->quit;
	is($box->spool, "$one\n", 'it gets one');
};

done_testing;
