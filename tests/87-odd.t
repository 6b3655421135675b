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
	return join '', grep { !/\]: (?:start|login|end|scan|copy|command) / }
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

# The same maildrop as another host has it, which sees at once what happens.
sub other_host {
	my ($odd, $box) = @_;
	return bless { top => $odd->below($box->{top}) }, 'Popper::Box';
}

# How a login ends that waits a second for locks.
sub login_within {
	my ($box) = @_;
	my $s = $box->session(args => ['-w', 1]);

	$s->command('USER alice');
	return $s->command('PASS s3cret');
}

odd_case 'the lock file of another program is not taken for our own',
    ['modes', 'noctime'], sub {
	my $box = box();

	$box->put_file($box->dotlock, "1\n");
	like(login_within($box), qr/^-ERR \[IN-USE\] /, 'login');
	is(slurp($box->dotlock), "1\n", 'the lock file');
	utime time - 301, time - 301, $box->dotlock or die "utime: $!";
	is(login_within($box), '+OK alice has 2 messages (48 octets).',
	    'login when it is old');
	ok(!-e $box->dotlock, 'it is gone');
};

odd_case 'where nothing can be locked nothing is done', ['nolock'], sub {
	my $box = box();

	is(login_within($box), '-ERR [SYS/TEMP] The maildrop cannot be locked now.',
	    'login');
	like(complaints($box), qr/: login: \.alice\.pop user=alice: No locks available\n/,
	    'the log');
	is($box->spool, FX1, 'the spool');
};

# The clock of the test is that of the file system.
odd_case 'a spool that has not changed for two seconds is scanned once', ['seconds'],
    sub {
	my $box = box();

	sleep 4;
	$box->login->quit for 1 .. 3;
	is(scalar(() = $box->log =~ /: scan /g), 1, 'scans');
};

odd_case 'a spool that was rewritten, and looks as before', ['noctime'], sub {
	my @is = map { letter($_) } 1 .. 3;
	my $box = box(spool => join '', @is);
	my $times = $box->dir . '/times';
	my $other = $is[0] =~ s/letter 1/letter 7/gr;

	sleep 1;
	$box->login->quit;
	system('touch', '-r', $box->path, $times) == 0 or die;
	$box->put(join '', $other, @is[1, 2]);
	system('touch', '-r', $times, $box->path) == 0 or die;
	my $s = $box->login;
	$s->command("DELE $_") for 1, 2;
	$s->quit;
	is($box->spool, $other . $is[2], 'what the client never saw stays');
	is(scalar(() = $box->log =~ /: scan /g), 1, 'the index was used');
};

# The spool has another number when recovery looks at it, as if it were another.
odd_case 'a cut off update, and other inode numbers', ['inodes'], sub {
	my ($odd) = @_;
	my (%ends, $said);

	needs('strace');
	for (my $n = 1; ($said // '') !~ /signing off/; $n++) {
		my $box = box(spool => join '', @large);
		$box->login(args => ['-s'])->quit;	# the first one syncs, too
		my $s = $box->login(under => [ strace($box->dir . '/strace', '-e',
		    'trace=fdatasync', '-e', "inject=fdatasync:signal=KILL:when=$n") ]);
		$s->text('RETR 3');
		$s->command('DELE 2');
		$s->send('QUIT');
		$said = $s->slurp;
		$s->wait;
		unlink $box->dotlock;
		$odd->again('inodes');
		$box->login->quit;
		my $spool = $box->spool =~ s/^Status: RO\n//mr;
		$ends{join ' ', map { index($spool, $large[$_]) >= 0 ? 1 : 0 } 0 .. 4}++;
	}
	is(join(', ', sort keys %ends), '1 0 1 1 1, 1 1 1 1 1', 'no message is lost');
};

# That there is no lock file is what this host remembers.
odd_case 'the lock file of another host', ['delay=600', 'names=600'], sub {
	my ($odd) = @_;
	my $box = box();
	my $there = other_host($odd, $box);
	my $s = $box->login(args => ['-w', 1]);

	$there->put_file($there->dotlock, "1\n");
	$s->command('DELE 1');
	is($s->command('QUIT'), '-ERR [IN-USE] The maildrop is locked by another '
	    . 'program; nothing was removed.', 'QUIT');
	$s->wait;
	is($there->spool, FX1, 'the spool');
	is(slurp($there->dotlock), "1\n", 'the lock file');
};

# The size and times of the spool are those that this host remembers.
odd_case 'mail from another host', ['delay=600', 'names=600'], sub {
	my ($odd) = @_;
	my $box = box(spool => join '', @large[0 .. 2]);
	my $there = other_host($odd, $box);

	$box->login->quit;
	ok($there->deliver($large[3]), 'mail comes there');
	my $s = $box->login;
	is($s->command('STAT') =~ s/ \d+\z//r, '+OK 4', 'the next login shows it');
	ok($there->deliver($large[4]), 'and more');
	$s->command("DELE $_") for 1, 4;
	like($s->quit, qr/^\+OK /, 'QUIT');
	ok($there->spool eq join('', @large[1, 2, 4]), 'the spool');
};

odd_case 'the file system is gone: a failure that passes', ['short'], sub {
	my ($odd) = @_;
	my $box = box(spool => $large[0]);
	my $s = $box->session;

	$s->command('USER alice');
	kill 'KILL', $odd->{mounts}[0]{pid};
	is($s->command('PASS s3cret'), '-ERR [SYS/TEMP] The maildrop cannot be read now.',
	    'the login');
	$s->wait;
	like($box->log, qr/ login: dir=\S+ user=alice: Transport endpoint is not connected/,
	    'the log');
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
