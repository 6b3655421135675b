# On a file system that can share blocks between files the temporary copy is a
# clone of the spool: no octet is copied, and what is sent is the same.

use strict;
use warnings;

use Test::More;
use Popper;

needs('root');
needs('strace');
my ($mkfs) = grep { -x } map { "$_/mkfs.xfs" } qw(/sbin /usr/sbin);
plan skip_all => 'no mkfs.xfs here' unless $mkfs;

# A box whose mail is on an XFS of its own.
sub xfs_box {
	my (@letters) = @_;
	my $box = box(spool => join '', @letters);

	$box->mount(320 << 10, $mkfs) or plan skip_all => 'no XFS can be mounted here';
	return $box;
}

case 'the copy is a clone, whichever message is asked for first' => sub {
	my @letters = map { letter($_, body => alnum(3000 * $_)) } 1 .. 4;
	my $box = xfs_box(@letters);
	my $trace = $box->dir . '/strace';
	my $s = $box->session(greeting => 0, under => [ strace($trace,
	    '-e', 'trace=ioctl,pwrite64') ]);

	$s->send('USER alice', 'PASS s3cret');
	$s->reply('a line') for 1 .. 3;
	for my $n (3, 1, 4, 2) {
		is($s->text("RETR $n"), text_of($letters[$n - 1]), "RETR $n");
	}
	$s->close->wait;
	my @calls = straced($trace);
	is(() = grep({ /FICLONE.* = 0$/ } @calls), 1, 'cloned once');
	is(() = grep({ /pwrite64\(.*From sender/ } @calls), 0, 'and nothing copied');
};

case 'a clone is what the spool was when it was made' => sub {
	my @letters = map { letter($_, body => alnum(3000)) } 1 .. 3;
	my $box = xfs_box(@letters);
	my $s = $box->login;

	$s->text('RETR 3');
	$box->put(join '', map { s/abc/xyz/gr } @letters);
	for my $n (1, 2) {
		is($s->text("RETR $n"), text_of($letters[$n - 1]),
		    "RETR $n, which another program has changed");
	}
	$s->quit;
};

# While the clone is there, each block that UPDATE overwrites needs a new one.
for my $read ('RETR 2', undef) {
	my $name = defined $read ? "$read, then " : '';

	case "${name}not one free block: deleting works [RFC 1939 6]" => sub {
		my @letters = map { letter($_, body => alnum(40_000)) } 1 .. 6;
		my $box = xfs_box(@letters);

		$box->login(args => ['-s'])->quit;	# an index
		my $s = $box->login(args => ['-s']);
		is($s->text($read), text_of($letters[1]), $read) if defined $read;
		$box->fill;
		$s->dialog(<<~'END');
			C: DELE 1
			S: +OK Message 1 has been deleted.
			C: DELE 3
			S: +OK Message 3 has been deleted.
			C: QUIT
			S: +OK popper at * signing off.
			-- closed
			END
		is($s->wait, 0, 'exit status');
		ok($box->spool eq join('', @letters[1, 3 .. 5]), 'the spool');
	};
}

done_testing;
