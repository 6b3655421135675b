# The mail is on file systems that are not as those of a Unix machine are: see
# the head of odd/oddfs.c.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib", "$Bin/odd";
use Odd;
use Popper;
use Test::More;

plan skip_all => Odd::missing() if Odd::missing();

# What does no harm, so that all of it can come together.
my @harmless = qw(seconds short noreserve delay=600 names=1 nolink noctime modes
    inodes bare);
my @large = map { letter($_, body => alnum(200_000 + $_)) } 1 .. 5;

# One case on such a file system.
sub odd_case {
	my ($title, $oddities, $code) = @_;

	case "@$oddities: $title" => sub {
		my $odd = Odd->new(@$oddities);
		local $ENV{POPPER_SPOOLS} = $odd->path;

		eval { $code->($odd); 1 } or do {
			fail('the case ran to its end');
			diag($@);
			diag($_->log // '') for grep { defined } @Popper::boxes;
		};
		Popper::clear();
		$odd->remove;
	};
}

# The lines of the log that no session on another file system has.
sub complaints {
	my ($box) = @_;
	return join '', grep { !/\]: (?:start|login|end|scan|copy|command)\b/ }
	    split /^/, $box->log;
}

# Sessions as every day has them; mail comes at night.
sub day {
	my ($odd) = @_;
	my $box = box(spool => join '', @large);
	my $s = $box->login;
	my @seen = @large;

	for my $n (1 .. 5) {
		ok(scalar $s->text("RETR $n") eq text_of($large[$n - 1]), "RETR $n");
	}
	$s->command("DELE $_") for 2, 5;
	ok($box->deliver($large[0] =~ s/letter 1/letter 6/r), 'mail comes');
	is($s->quit, '+OK popper at ' . ($s->greeting =~ /at (\S+)/)[0] . ' signing off.', 'QUIT');
	splice @seen, 1, 1;
	splice @seen, 3, 1;
	s/^\n/Status: RO\n\n/m for @seen;
	push @seen, $large[0] =~ s/letter 1/letter 6/r;
	ok($box->spool eq join('', @seen), 'the spool');
	$s = $box->login;
	is_deeply($s->list, { map { $_ + 1 => length text_of($seen[$_]) } 0 .. 3 },
	    'the next session');
	$s->command('DELE 1');
	$s->quit;
	ok($box->spool eq join('', @seen[1 .. 3]), 'the spool');
	is(complaints($box), '', 'nothing was odd to popper');
	is(join(' ', map { s{.*/}{}r } glob $box->mail . '/{.??,}*'), '.alice.pop alice',
	    'and nothing else is there');
}

for my $oddities ([], (map { [ $_ ] } @harmless), \@harmless) {
	odd_case 'a day with mail', $oddities, \&day;
}

# How a login ends that waits a second for locks.
sub login_within {
	my ($box) = @_;
	my $s = $box->session(args => ['-w', 1]);

	$s->command('USER alice');
	return $s->command('PASS s3cret');
}

odd_case 'the lock file of another program is not taken for our own', ['modes'], sub {
	my $box = box();

	$box->put_file($box->dotlock, "1\n");
	like(login_within($box), qr/^-ERR \[IN-USE\] /, 'login');
	is(slurp($box->dotlock), "1\n", 'the lock file');
	utime time - 301, time - 301, $box->dotlock or die "utime: $!";
	is(login_within($box), '+OK alice has 2 messages (48 octets).',
	    'login when it is old');
	ok(!-e $box->dotlock, 'it is gone');
};

for my $room (0, 1000) {
	odd_case "a full disk with room for $room kilobytes: mail can be deleted",
	    ['late', 'noreserve'], sub {
		my ($odd) = @_;
		my $box = box(spool => join '', @large);
		my $s = $box->login;

		$s->text("RETR $_") for 1 .. 5;
		$s->command('DELE 2');
		$odd->limit($room + (split ' ', qx(du -sk @{[ $odd->below ]}))[0]);
		like($s->quit, qr/^\+OK /, 'QUIT');
		ok($box->spool =~ s/^Status: RO\n//gmr eq join('', @large[0, 2 .. 4]),
		    'the spool');
		is($box->login->command('STAT') =~ s/ \d+\z//r, '+OK 4',
		    'the next session');
	};
}

done_testing;
