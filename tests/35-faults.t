# Calls that fail and disks that are full: the reply to QUIT tells the truth.

use strict;
use warnings;

use Test::More;
use Popper;

my @letters = map { letter($_, body => alnum(700 * $_)) } 1 .. 6;
my @commands = ('RETR 1', 'DELE 2', 'RETR 4', 'DELE 5');
my @kept = @letters[0, 2, 3, 5];

# The calls by which files change, and how each may fail.
my %fault = (
	'write,?writev' => [qw(ENOSPC EIO)],
	'pwrite64,?pwritev' => [qw(ENOSPC EDQUOT EIO)],
	'ftruncate' => [qw(EIO ENOSPC)],
	'fallocate' => [qw(ENOSPC EOPNOTSUPP)],
	'fsync,fdatasync' => [qw(EIO ENOSPC)],
	'read,pread64' => [qw(EIO)],
	'fstat,?newfstatat' => [qw(EIO)],
	'mmap' => [qw(ENOMEM)],
	'?copy_file_range,?sendfile,ioctl' => [qw(EINVAL EIO)],
	'fcntl' => [qw(ENOLCK)],
	'?link,linkat,?unlink,unlinkat' => [qw(EACCES ENOSPC)],
);

for my $calls (sort keys %fault) {
	for my $error (@{ $fault{$calls} }) {
		case "$error of $calls: one reply to QUIT, and it is true [RFC 1939 6]"
		    => sub {
			needs('strace', 'plain');
			my $box = box(spool => '');
			my $n = 1;

			while (spoil($box, $calls, $error, $n)) {
				last if ++$n > 80;
			}
			pass("every one of $n calls may fail") if $n;
		};
	}
}

# The Nth call on the spool or on the working file fails.  False where there
# are not so many.
sub spoil {
	my ($box, $calls, $error, $n) = @_;
	my $trace = $box->dir . '/strace';

	unlink $box->work, $trace;
	$box->put(join '', @letters);
	my $s = $box->session(trace => 0, greeting => 0, args => ['-w', 1],
	    under => [ strace($trace, '-P', $box->path, '-P', $box->work, '-e',
	    "trace=$calls", '-e', "inject=$calls:error=$error:when=$n") ]);
	$s->send('USER alice', 'PASS s3cret', @commands, 'QUIT');
	my $said = $s->slurp;
	my $status = $s->wait;
	my $hit = grep { /\(INJECTED\)/ } straced($trace);

	my $when = "$error at call $n";
	my ($quit) = $said =~ /^(.*)\r\n\z/m;
	die "$when: wait status $status\n" if $status != 0;
	die "$when: all that was said: " . show($said) . "\n"
	    unless defined $quit && $quit =~ /^(\+OK|-ERR)/;
	my $s2 = $box->login;
	my $found = $s2->list;
	$s2->quit;
	my $spool = $box->spool =~ s/^Status: RO\n//gmr;
	my $done = $quit =~ /^\+OK/ && $said =~ /^\+OK .*deleted/m;
	my $expected = $done ? join('', @kept) : join('', @letters);
	die "$when: QUIT said \"$quit\", but the spool has " . join(', ',
	    $spool =~ /^Subject: (.*)$/mg) . "\n" if $spool ne $expected;
	die "$when: LIST does not fit the spool\n"
	    if keys %$found != (() = $spool =~ /^From /mg);
	return $hit;
}

# However little room there is, deleting must not lose mail; and as it is the
# way to make room, there is a size from which on it must work.
case 'a full disk: QUIT either deletes or says -ERR [RFC 1939 6]' => sub {
	needs('root');
	my %outcome;

	for my $free (0, 4, 8, 12, 16, 32, 64, 128) {
		my $box = box(spool => '');
		$box->mount(256) or plan skip_all => 'no tmpfs can be mounted';
		$box->put(join '', @letters);
		my $filler = $box->mail . '/filler';
		$box->put_file($filler, '');
		fill($filler, $free);

		my $s = $box->session(args => ['-w', 1]);
		$s->send('USER alice', 'PASS s3cret', @commands, 'QUIT');
		my $said = $s->slurp;
		is($s->wait, 0, "$free kB free: exit status");
		my ($quit) = $said =~ /^(.*)\r\n\z/m;
		like($quit // $said, qr/^(\+OK|-ERR \[SYS\/TEMP\]) /,
		    "$free kB free: the last reply");
		unlink $filler;
		$s = $box->login;
		$s->quit;
		my $deleted = $quit =~ /^\+OK/ && $said =~ /deleted/;
		is($box->spool =~ s/^Status: RO\n//gmr,
		    join('', $deleted ? @kept : @letters),
		    "$free kB free: " . ($deleted ? 'deleted' : 'all is there'));
		$outcome{$free} = $deleted;
	}
	ok($outcome{128}, 'with 128 kB it works');
};

# Where not even the working file has a block, cutting the end off must work:
# it takes no room.
case 'a disk with no block left: a maildrop can still be emptied' => sub {
	needs('root');
	my $box = box(spool => '');
	$box->mount(256) or plan skip_all => 'no tmpfs can be mounted';
	$box->put(join '', @letters);
	$box->login->quit;
	$box->put_file($box->mail . '/filler', '');
	fill($box->mail . '/filler', 0);

	my $s = $box->login;
	$s->command("DELE $_") for 1 .. 6;
	like($s->quit, qr/^\+OK /, 'QUIT');
	is($box->spool, '', 'the spool');
};

# Take all the room of a file system but so many kilobytes.
sub fill {
	my ($filler, $free) = @_;

	open my $fh, '>>:raw', $filler or die "$filler: $!";
	1 while syswrite $fh, "\0" x 4096;
	my $size = -s $filler;
	truncate $fh, $size > $free * 1024 ? $size - $free * 1024 : 0;
	close $fh;
}

done_testing;
