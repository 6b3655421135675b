# An UPDATE is killed, mail comes or another program writes the spool, and then the
# disk is full to its last block.  The next session finishes what was begun in the
# room that the update has reserved: logging in and deleting is how a user makes
# room.

use strict;
use warnings;

use Test::More;
use Popper;

needs('root', 'strace', 'plain');

my @letters = (letter(1), map { letter($_, body => alnum(3000 * $_)) } 2 .. 5);
my $mail = letter(77, body => alnum(20_000));

# A session that is killed at its Nth call of that name, if any; its trace.
sub killed {
	my ($box, $call, $n, @commands) = @_;
	my $trace = $box->dir . '/strace';

	unlink $trace, $box->dotlock;
	my $s = $box->session(trace => 0, greeting => 0, under => [ strace($trace,
	    '-P', $box->path, '-P', $box->work, '-e',
	    'trace=pwrite64,fdatasync,fsync,ftruncate,fallocate',
	    defined $call ? ('-e', "inject=$call:signal=KILL:when=$n") : ()) ]);
	$s->send('USER alice', 'PASS s3cret', @commands, 'QUIT');
	$s->slurp;
	$s->wait;
	unlink $box->dotlock;
	return straced($trace);
}

sub small_disk {
	my $box = box(spool => join '', @letters);

	$box->mount(1024) or plan skip_all => 'no tmpfs can be mounted here';
	$box->login->quit;
	return $box;
}

# The messages of a spool, in an order of their own.
sub sorted { return join '', sort split /(?=^From sender)/m, $_[0] }

# What is wrong with a session on the full disk, and with the maildrop that it finds,
# which must be one of these; it deletes the last message.
sub wrong {
	my ($box, @true) = @_;
	my $s = $box->session(args => ['-s', '-w', 1]);

	$s->command('USER alice');
	my $reply = $s->command('PASS s3cret');
	return "PASS: $reply" unless $reply =~ /^\+OK/;
	my $spool = $box->spool;
	return 'the spool has ' . join ', ', $spool =~ /^Subject: (.*)$/mg
	    unless grep { $spool eq $_ } @true;
	my $last = keys %{ $s->list };
	return "LIST: $last" if $last != (() = $spool =~ /^From sender/mg);
	$s->command("DELE $last");
	$reply = $s->quit;
	return "QUIT: $reply" unless $reply =~ /^\+OK/;
	return $box->spool eq $spool =~ s/.*\K^From sender.*//msr ? () : 'what is left';
}

my %update = (
	'the first goes' => [ [ 'DELE 1' ], join('', @letters[1 .. 4]) ],
	'a large one goes' => [ [ 'DELE 4' ], join('', @letters[0 .. 2, 4]) ],
	'Status' => [ [ 'RETR 2', 'RETR 4' ], join('', map { /letter [24]\n/ ?
	    s/\n\n/\nStatus: RO\n\n/r : $_ } @letters) ],
);

for my $name (sort keys %update) {
	my ($commands, $done) = @{ $update{$name} };

	case "$name, mail comes, the disk is full" => sub {
		my $box = small_disk();
		my @points = points(killed($box, undef, 0, @$commands));
		my @wrong;

		is($box->spool, $done, 'undisturbed');
		$box->remove;
		for my $point (few(6, @points)) {
			my ($call, $n) = @$point;
			$box = small_disk();
			killed($box, $call, $n, @$commands);
			$box->append($mail);
			$box->fill;
			my $why = eval { wrong($box, $done . $mail,
			    join('', @letters) . $mail) } // ($@ || undef);
			push @wrong, "$call $n: $why" if defined $why;
			$box->remove;
		}
		is(join("\n", @wrong), '', scalar(@points) . ' calls');
	};
}

# Letters stand in the journal alone, as in 38-put-back.t; here they may come back
# behind the others.
case 'another program wrote the spool, the disk is full: mail is put back' => sub {
	my @wrong;

	for my $n (few(2, 2 .. 6)) {
		my $box = small_disk();

		killed($box, 'fdatasync', $n, 'DELE 1');
		my @lost = grep { index($box->spool, $_) < 0 } @letters[1 .. 4];
		$box->put(letter(9));
		$box->fill;
		my $s = $box->session(args => ['-s', '-w', 1]);
		$s->command('USER alice');
		my $reply = $s->command('PASS s3cret');
		push @wrong, "$n: $reply" unless $reply =~ /^\+OK/;
		$s->quit;
		my $spool = $box->spool;
		for my $letter (@lost, letter(9)) {
			push @wrong, "$n: " . ($letter =~ /^Subject: (.*)/m)[0] . ' is lost'
			    unless grep { $_ eq $letter } split /(?=^From sender)/m, $spool;
		}
		note("$n: " . join ', ', $spool =~ /^Subject: (.*)$/mg);
		$box->remove;
	}
	is(join("\n", @wrong), '', 'all are there');
};

done_testing;
