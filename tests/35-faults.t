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
	'write,?writev,pwrite64,?pwritev' => [qw(ENOSPC EDQUOT EIO)],
	'ftruncate' => [qw(EIO ENOSPC)],
	'fallocate' => [qw(ENOSPC EOPNOTSUPP)],
	'fsync,fdatasync' => [qw(EIO ENOSPC)],
	'read,pread64' => [qw(EIO)],
	'fstat,?newfstatat' => [qw(EIO)],
	'fcntl' => [qw(ENOLCK EINTR)],
	'unlinkat' => [qw(EACCES EIO)],
	'openat' => [qw(EMFILE ENOSPC EIO EACCES EEXIST)],
);

for my $calls (sort keys %fault) {
	for my $error (@{ $fault{$calls} }) {
		case "$error of $calls: one reply to QUIT, and it is true [RFC 1939 6]"
		    => sub {
			needs('strace', 'plain');
			my $box = box(spool => '');
			my ($hits, @wrong) = 0;

			for my $n (1, few(3, 2 .. 80)) {
				my ($hit, $wrong) = spoil($box, $calls, $error, $n);
				push @wrong, "call $n: $wrong" if defined $wrong;
				last unless $hit;
				$hits++;
			}
			is(join("\n", @wrong), '', 'what the next session finds');
			cmp_ok($hits, '>', 0, "$hits such calls");
		};
	}
}

# The Nth call on a file of the maildrop, or on its directory, fails.  Whether there was
# one, and what went wrong then, if anything did.
sub spoil {
	my ($box, $calls, $error, $n) = @_;
	my $trace = $box->dir . '/strace';

	unlink $box->work, $box->dotlock, $trace;
	$box->put(join '', @letters);
	my $s = $box->session(trace => 0, greeting => 0, args => ['-w', 1],
	    under => [ strace($trace, (map { ('-P', $_) } $box->mail, $box->path,
	    $box->work, $box->dotlock), '-e', "trace=$calls",
	    '-e', "inject=$calls:error=$error:when=$n") ]);
	$s->send('USER alice', 'PASS s3cret', @commands, 'QUIT');
	my $said = $s->slurp;
	my $status = $s->wait;
	my $hit = grep { /\(INJECTED\)/ } straced($trace);
	return ($hit, "wait status $status") if $status != 0;
	my ($quit) = $said =~ /^((?:\+OK|-ERR) [^\r\n]*)\r\n\z/m
	    or return ($hit, 'said ' . show($said));

	# What the next session finds.
	$s = $box->login;
	my $listed = keys %{ $s->list };
	$s->quit;
	my $spool = $box->spool =~ s/^Status: RO\n//gmr;
	return ($hit, "LIST shows $listed") if $listed != (() = $spool =~ /^From /mg);

	my @true = $quit =~ /^\+OK/ && $said =~ /^\+OK .*deleted/m
	    ? join('', @kept) : join('', @letters);
	# Where it broke off too late to go back, the next session goes on.
	push @true, join '', @kept
	    if $quit =~ /^-ERR/ && $quit !~ /nothing was removed/;
	return ($hit) if grep { $spool eq $_ } @true;
	return ($hit, "QUIT said \"$quit\", but the spool has " . join(', ',
	    $spool =~ /^Subject: (.*)$/mg));
}

case 'the spool cannot be read for the temporary copy: -ERR, and then the text' => sub {
	needs('strace', 'plain');
	my $box = box(spool => join '', @letters);

	$box->login->quit;		# an index: at login nothing is read
	my $s = $box->session(trace => 0, greeting => 0, under => [
	    strace($box->dir . '/strace', '-P', $box->path, '-e', 'trace=pread64',
	    '-e', 'inject=pread64:error=EIO:when=1') ]);
	$s->send('USER alice', 'PASS s3cret');
	$s->reply('a line') for 1 .. 3;
	like($s->command('RETR 2'), qr/^-ERR \[SYS\/TEMP\] /, 'RETR 2, the first time');
	for my $n (2, 4, 1) {
		is($s->text("RETR $n"), text_of($letters[$n - 1]),
		    "RETR $n");
	}
	$s->quit;
};

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
		ok($box->spool =~ s/^Status: RO\n//gmr eq
		    join('', $deleted ? @kept : @letters),
		    "$free kB free: " . ($deleted ? 'deleted' : 'all is there'));
		$outcome{$free} = $deleted;
	}
	ok($outcome{128}, 'with 128 kB it works');
};

# Where not even the state file has a block, cutting the end off must work:
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
	is(length $box->spool, 0, 'the spool is empty');
};

# In blocks of 512 octets, as ulimit(1) has it; the letters are 16 kB.
case 'a limit of file sizes: each command has its reply, and no mail is lost' => sub {
	for my $blocks (1, 4, 16, 24, 64) {
		my $box = box(spool => join '', @letters);
		my $s = $box->session(trace => 0, under => ['/bin/sh', '-c',
		    "ulimit -f $blocks; exec \"\$\@\"", 'sh']);
		$s->send('USER alice', 'PASS s3cret', @commands, 'QUIT');
		my ($quit) = $s->slurp =~ /^(.*)\r\n\z/m;
		is($s->wait, 0, "$blocks blocks: exit status");
		like($quit, qr/^(\+OK|-ERR \[SYS\/TEMP\]) /, 'the last reply');
		$box->login->quit;
		my $deleted = $quit =~ /^\+OK|The update was cut off/;
		ok($box->spool =~ s/^Status: RO\n//gmr eq
		    join('', $deleted ? @kept : @letters),
		    $deleted ? 'deleted' : 'all is there');
	}
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
