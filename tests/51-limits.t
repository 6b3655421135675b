# Many messages, large messages: memory that does not grow with the mail,
# nothing read that need not be, full segments on the line.

use strict;
use warnings;

use Test::More;
use Popper;

for my $count (10_000, 100_000) {
	case "$count messages: every list is right" => sub {
		my @letters = map { letter($_) } 1 .. $count;
		my $box = box(spool => join '', @letters);
		my $s = $box->login;
		my @sizes = map { length text_of($_) } @letters;
		my $total = 0;
		$total += $_ for @sizes;

		is($s->command('STAT'), "+OK $count $total", 'STAT');
		is($s->text('LIST'), join('', map {
		    "$_ $sizes[$_ - 1]\r\n" } 1 .. $count), 'LIST');
		my %uid = reverse %{ $s->uidl };
		is(scalar keys %uid, $count, 'UIDL: all names differ');
		for my $n (1, $count / 2, $count) {
			like($s->text("RETR $n"), qr/^This is letter $n\.\r$/m,
			    "RETR $n");
		}
		SKIP: {
			skip('an instrumented build, or no /proc', 1)
			    if Popper::instrumented() || !-r "/proc/$$/status";
			cmp_ok(memory($s->pid) * 1024 / $count, '<',
			    64 + 2 * 1024 * 1024 / $count,
			    'octets of memory for a message, 2 MB beside them');
		}
		$s->send("DELE $_") for 1, 2, 5000, $count;
		$s->reply('DELE') for 1 .. 4;
		$s->quit;
		is(() = $box->spool =~ /^From /mg, $count - 4, 'what is left');
		$s = $box->login;
		like($s->command('STAT'), qr/^\+OK @{[$count - 4]} /, 'next time');
		is($uid{$s->uidl->{1}}, 3, 'under the old name');
	};
}

case 'ten thousand letters all alike' => sub {
	my $box = box(spool => letter(1) x 10_000);
	my $s = $box->login;
	my %uid = reverse %{ $s->uidl };

	is(scalar keys %uid, 10_000, 'their names differ');
	$s->quit;
	my %again = reverse %{ $box->login->uidl };
	is_deeply(\%again, \%uid, 'and stay');
};

case 'a message of a gigabyte: its size is right, memory is small' => sub {
	needs('proc', 'plain');
	my $head = "From x\@example.org Sat Jan  3 01:05:34 1996\nSubject: a\n\n";
	my $size = 1 << 30;
	my $box = box(spool => $head);

	# A hole reads as NULs, which are octets like others.
	truncate $box->path, length($head) + $size
	    or plan skip_all => 'no file of that size here';
	$box->deliver("\n\n" . letter(2));
	my $s = $box->login;
	is($s->list->{1}, length("Subject: a\r\n\r\n") + $size + 2, 'LIST 1');
	is(scalar keys %{ $s->list }, 2, 'the one after it is found');
	cmp_ok(memory($s->pid), '<', 4096, 'kilobytes of memory');
	$s->quit;
};

case 'RETR of 30 MB: less than 4 MB of memory, the client waiting' => sub {
	needs('proc', 'plain');
	my $body = alnum(30_000_000);
	my $box = box(spool => letter(1, body => $body));
	my $s = $box->login;
	my $most = 0;

	$s->send('RETR 1');
	my $first = $s->read_line;
	for (1 .. 20) {			# nothing is read meanwhile
		my $now = memory($s->pid);
		$most = $now if $now > $most;
		Time::HiRes::sleep(0.05);
	}
	cmp_ok($most, '<', 4096, 'kilobytes of memory');
	my ($size) = $first =~ /^\+OK (\d+)/;
	is(length $s->rest, $size, 'and all of it comes');
	cmp_ok(memory($s->pid), '<', 4096, 'kilobytes in the end');
};

# Writes to the client, out of a trace: octets wanted, octets taken.
sub writes {
	my @writes;

	for (@_) {
		next unless /\b(write|sendto|writev|sendmsg|sendfile|splice)\(1[,<].* = (\d+)$/;
		my ($call, $taken) = ($1, $2);
		my $wanted = $taken;

		if ($call =~ /^writev|sendmsg/) {
			$wanted = 0;
			$wanted += $_ for /iov_len=(\d+)/g;
		} elsif ($call =~ /^(write|sendto)$/) {
			($wanted) = /, (\d+)(?:, [^"]*)?\) = \d+$/;
		}
		push @writes, [ $wanted, $taken ];
	}
	return @writes;
}

# A small write before a large one waits for an acknowledgement (Nagle), which
# waits in its turn: 40 ms for a message.
case 'RETR: no small write before a large one' => sub {
	needs('strace', 'plain');
	for my $size (200, 3000, 100_000, 5_000_000) {
		my $box = box(spool => letter(1, body => alnum($size)));
		my $trace = $box->dir . '/strace';
		my $s = $box->login(under => [ strace($trace, '-e',
		    'trace=write,writev,sendto,sendmsg,sendfile,splice') ]);

		$s->text('RETR 1');
		$s->quit;
		my @writes = writes(grep { !/"\+OK popper|octets\)|signing/ }
		    straced($trace));
		shift @writes while @writes && $writes[0][0] < 100;	# USER
		cmp_ok(scalar @writes, '>', 0, "$size: writes were seen");
		is(scalar @writes, 1, "$size: a single one") if $size < 4096;
		my @small = grep {
			$writes[$_][0] < 4096
			    && $writes[$_ - 1][0] == $writes[$_ - 1][1]
		} 1 .. $#writes - 1;
		push @small, 0 if @writes > 1 && $writes[0][0] < 4096;
		is_deeply(\@small, [], "$size: none of them small, but the last");
	}
};

case 'PIPELINING: the replies to one segment leave in one write [RFC 2449 6.6]'
    => sub {
	needs('strace', 'plain');
	my $box = box();
	my $trace = $box->dir . '/strace';
	my $s = $box->login(under => [ strace($trace, '-e',
	    'trace=write,writev,sendto,sendmsg') ]);

	$s->send('STAT', 'LIST', 'UIDL', 'RETR 1', 'RETR 2', 'DELE 1', 'NOOP');
	my $seen = '';
	$seen .= $s->read_line // die until $seen =~ /^\+OK \r\n\z/m;
	$s->quit;
	my @writes = writes(straced($trace));
	is(scalar @writes, 5, 'greeting, USER, PASS, the seven, QUIT')
	    or diag(map { "$_->[0] octets\n" } @writes);
};

case 'a poll of an unchanged spool reads nothing of it' => sub {
	needs('strace', 'plain');
	my $box = box(spool => join '', map { letter($_, body => alnum(2000)) }
	    1 .. 200);

	# So fresh a change could hide in the clock of the file system.
	Time::HiRes::sleep(2.1);
	cmp_ok(scalar reads($box, fresh => 1), '>', 0, 'the first session reads it');
	is(scalar reads($box), 0, 'the second one does not') for 1 .. 3;
	$box->deliver(letter(999));
	cmp_ok(scalar reads($box), '>', 0, 'with new mail it is read again');
};

# The calls of a session USER, PASS, STAT, QUIT that read the spool.
sub reads {
	my ($box, %is) = @_;
	my $trace = $box->dir . '/strace';

	unlink $trace;
	unlink $box->work if $is{fresh};
	my $s = $box->login(under => [ strace($trace, '-P', $box->path, '-e',
	    'trace=?read,?pread64,?readv,?preadv,?preadv2,?mmap,?sendfile,'
	    . '?copy_file_range,?ioctl,?splice') ]);
	like($s->command('STAT'), qr/^\+OK 2\d\d /, 'STAT');
	$s->quit;
	my @reads = grep { /\) += / && !/= -1 / && !/F_|mmap\(NULL.*-1, 0\)/ }
	    straced($trace);
	return @reads;
}

case 'STAT, LIST and UIDL make no copy of the mail' => sub {
	needs('strace', 'plain');
	my $box = box(spool => join '', map { letter($_) } 1 .. 50);
	my $trace = $box->dir . '/strace';
	my $s = $box->login(under => [ strace($trace, '-e',
	    'trace=?open,openat,?memfd_create') ]);

	$s->command('STAT');
	$s->list;
	$s->uidl;
	$s->quit;
	is(scalar(grep { /O_TMPFILE|O_EXCL|memfd/ && !/\.lock|\.pop/ }
	    straced($trace)), 0, 'no temporary file');
};

done_testing;
