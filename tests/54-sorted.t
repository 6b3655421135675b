# Files of accounts that are sorted: what a login reads of them, and what happens
# if they are not in order.  tests/unit/lines.c has the search itself.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use Test::More;
use Popper;

# A file of root's with these lines.
sub file {
	my ($box, $name, @lines) = @_;
	my $path = $box->dir . "/$name";

	$box->put_file($path, join '', map { "$_\n" } @lines);
	chmod 0600, $path;
	chown 0, 0, $path if $> == 0;
	return $path;
}

# Sorts a file by the command of popper-passwd(5).
sub sorted {
	my ($path) = @_;
	my ($command) = slurp('man/popper-passwd.5') =~ /^# (\(echo '# sorted'; .*?)\n\.Ed/ms;
	my $umask = umask 077;

	$command =~ s/\\e\n */ /g;
	$command =~ s{/etc/popper\.passwd}{$path}g;
	system($command) == 0 or die 'cannot sort';
	umask $umask;
}

# The words of an account without its name.
sub account { return ':' . (split /:/, slurp($_[0]->passwd), 2)[1] =~ s/\n//r }

sub log_in {
	my ($box, @session) = @_;
	my $s = $box->session(passwd => undef, @session);

	$s->command('USER alice');
	my $reply = $s->command('PASS s3cret');
	$s->close->wait;
	return $reply;
}

my $IN = '+OK alice has 2 messages (48 octets).';
my $OUT = '-ERR [AUTH] Password supplied for "alice" is incorrect.';
my $LATER = '-ERR [SYS/TEMP] Accounts cannot be looked up now.';

# ---- what it costs ----------------------------------------------------------

# The system calls of a login with such a file of N lines and its first line, and
# the bytes of the file that it read.
sub cost {
	my ($option, $n, $first) = @_;
	my $box = box();
	my %is = (
		-p => [ ':x:1:1:::', account($box) ],
		-A => [ '', '' ],
		-a => [ ':secret', ':tanstaaf' ],
	);
	my ($others, $own) = @{ $is{$option} };
	my @line = ((map { "a$_$others" } 'a000001' .. sprintf 'a%06d', $n / 2), "alice$own",
	    map { "b$_$others" } 'a000001' .. sprintf 'a%06d', $n / 2 - 1);
	my $path = file($box, 'lines', $first, @line);
	my $trace = $box->dir . '/strace';
	my $s = $box->session(args => [ $option, $path ],
	    $option eq '-p' ? (passwd => undef) : (),
	    under => [ strace($trace, '-f', '-y') ]);

	if ($option eq '-a') {
		my ($stamp) = $s->greeting =~ /(<.*>)/;
		is($s->command('APOP alice ' . md5_hex($stamp . 'tanstaaf')), $IN, "$option, $n lines");
	} else {
		$s->command('USER alice');
		is($s->command('PASS s3cret'), $IN, "$option, $n lines");
	}
	$s->quit;
	my ($calls, $bytes, %reading) = (0, 0);
	for (straced($trace)) {		# a call may be begun and resumed
		my ($pid, $call, $args) = /^1 (\d+) +(?:(\w+)\((.*))?/;
		if (defined $call) {
			$calls++;
			$reading{$pid} = $call =~ /^p?read/ && $args =~ /^\d+<\Q$path\E>/;
		}
		$bytes += $1 if $reading{$pid} && / = (\d+)$/;
	}
	return ($calls, $bytes);
}

for my $option (qw(-p -A -a)) {
	case "$option: a million lines cost at most 1.5 times ten" => sub {
		needs('strace', 'plain');
		my ($few, $little) = cost($option, 10, '# sorted');
		my ($many, $much) = cost($option, 1_000_000, '# sorted');

		cmp_ok($many, '<=', 1.5 * $few, "system calls: $many instead of $few");
		cmp_ok($much, '<=', 100_000, "bytes read: $much instead of $little");
		my (undef, $all) = cost($option, 10_000, '# not sorted');
		cmp_ok($all, '>=', 40_000, "$all bytes of a file that is not sorted");
	};
}

# ---- what it finds ----------------------------------------------------------

case 'sorted as popper-passwd(5) says: every name is found, and no other' => sub {
	my $box = box();
	my @names = (qw(al alice alice-1 alice.b alice+c alice_ alice0 alicea Alice ALICE
	    bob alice@example.org), map { "user$_" } 1 .. 3000);
	my $path = file($box, 'lines', '# sorted', map { $_ . account($box) } reverse @names);

	sorted($path);
	sorted($path);			# again, as after each change
	my ($first, @lines) = split /\n/, slurp($path);
	is($first, '# sorted', 'the first line');
	is(join("\n", @lines), join("\n", map { $_ . account($box) } sort @names),
	    'the others, sorted by the name');
	is((stat $path)[2] & 07777, 0600, 'the mode');
	for my $name (@names[0 .. 10], 'user1', 'user3000') {
		my $s = $box->session(passwd => $path);
		$s->command("USER $name");
		like($s->command('PASS s3cret'), qr/^\+OK /, $name);
		$s->close->wait;
	}
	for my $name (qw(ali alice1 alice- user0 zoe !), '#') {
		my $s = $box->session(passwd => $path);
		$s->send("USER $name", 'PASS s3cret', 'QUIT');
		unlike($s->slurp, qr/^\+OK \S+ has/m, "not $name");
		$s->wait;
	}
};

# ---- files that are not what they say ---------------------------------------

case 'a file that is out of order lets no one in who is refused' => sub {
	my $box = box();
	my @many = map { sprintf 'm%05d', $_ } 1 .. 5000;
	my $deny = file($box, 'deny', '# sorted', @many, 'alice');
	my $allow = file($box, 'allow', '# sorted', @many, 'alice');
	my $passwd = file($box, 'lines', '# sorted', (map { "$_:x:1:1:::" } @many),
	    'alice' . account($box));
	my %reason = (
		denied => [ -p => $box->passwd, -N => $deny ],
		notallowed => [ -p => $box->passwd, -A => $allow ],
		unknown => [ -p => $passwd ],
	);

	for my $reason (sort keys %reason) {
		is(log_in($box, args => $reason{$reason}), $OUT, $reason);
		like($box->log, qr/ failed login user=alice addr=local reason=$reason$/m, 'the log');
	}
};

case 'a file with lines that are too long for the search is read as a whole' => sub {
	my $box = box();
	my $path = file($box, 'lines', '# sorted', 'aa:x:1:1:' . 'x' x 9000 . '::',
	    'alice' . account($box), 'bob:x:1:1:' . 'x' x 9000 . '::');

	is(log_in($box, args => [ -p => $path ]), $IN, 'a login');
};

# ---- files that are changed meanwhile ---------------------------------------

for my $how ('replaced', 'changed') {
	case "a file is $how in the middle of a search" => sub {
		needs('strace');
		my $box = box();
		my @line = ((map { sprintf 'a%05d:x:1:1:::', $_ } 1 .. 3000), 'alice' . account($box),
		    map { sprintf 'b%05d:x:1:1:::', $_ } 1 .. 3000);
		my $path = file($box, 'lines', '# sorted', @line);
		my $trace = $box->dir . '/strace';
		my $s = $box->session(passwd => $path, under => [ strace($trace, '-f', '-P',
		    $path, '-e', 'trace=pread64', '-e', 'inject=pread64:signal=SIGSTOP:when=3') ]);

		$s->send('USER alice', 'PASS s3cret', 'QUIT');
		ok(stops($trace), 'it stops there');
		if ($how eq 'replaced') {
			rename file($box, 'new', '# sorted'), $path or die $!;
		} else {
			file($box, 'lines', '# sorted', 'a', @line);
		}
		my ($pid) = slurp($trace) =~ /^(\d+) .*stopped by SIGSTOP/m;
		eventually { kill 'CONT', $pid; slurp($trace) =~ /--- SIGCONT/ };
		my ($reply) = $s->slurp =~ /^((?:\+OK alice|-ERR).*?)\r$/m;
		$s->close->wait;
		is($reply, $how eq 'replaced' ? $IN : $LATER, 'the reply');
		like($box->log, qr/ cannot check accounts: \Q$path\E user=alice: Resource temporarily/,
		    'the log') if $how eq 'changed';
	};
}

# ---- popper -n --------------------------------------------------------------

case 'popper -n: a file that says it is sorted, and is not' => sub {
	my $box = box();
	my ($passwd, $names, $secrets) = map { $box->dir . "/$_" } qw(lines names secrets);
	my $check = sub {
		return join '', map { "$_\n" } grep { /^\S+ +(?:accounts|allowed|denied|secrets) / }
		    split /\n/, qx($Popper::binary -n -M /bin/true -m @{[ $box->mail ]} -p $passwd -A $names -N $names -a $secrets);
	};

	file($box, 'lines', '# sorted', 'al:x:1:1:::', 'alice:x:1:1:::', 'alice:x:1:1:::',
	    'alice-b:x:1:1:::');
	file($box, 'names', '# sorted', '# a comment', 'alice', 'alice-b', 'bob');
	file($box, 'secrets', '# sorted', 'alice:b', 'alice-b:a');
	is($check->(), <<~"END", 'in order');
		ok    accounts $passwd: 5 lines, sorted
		ok    secrets $secrets: 3 lines, sorted
		ok    allowed $names: 5 lines, sorted
		ok    denied $names: 5 lines, sorted
		END
	file($box, 'lines', '# sorted', 'al:x:1:1:::', 'alice-b:x:1:1:::', 'alice:x:1:1:::');
	file($box, 'names', '# sorted', 'bob', 'alice', 'bob', 'alice');
	file($box, 'secrets', '# sorted', 'alice-b:a', 'alice:b');
	my $said = 'is out of order, and "# sorted" says that none is: see popper-passwd(5)';
	is($check->(), <<~"END", 'out of order');
		FAIL  accounts $passwd: line 4 $said
		FAIL  secrets $secrets: line 3 $said
		FAIL  allowed $names: line 3 $said
		FAIL  denied $names: line 3 $said
		END
	file($box, 'lines', 'alice:x:1:1:::', 'al:x:1:1:::');
	file($box, 'names', 'bob', '# sorted', 'alice');
	file($box, 'secrets', '#sorted', 'bob:a', 'alice:b');
	is($check->(), <<~"END", 'files that do not say so');
		ok    accounts $passwd: 2 lines
		ok    secrets $secrets: 3 lines
		ok    allowed $names: 3 lines
		ok    denied $names: 3 lines
		END
};

done_testing;
