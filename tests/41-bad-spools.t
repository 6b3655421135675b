# Things that are no spool, or not the user's: one clear reply, a line in the
# log, nothing followed, nothing lost.

use strict;
use warnings;

use POSIX qw(mkfifo);
use Test::More;
use Popper;

my $refusal = qr/^-ERR \[SYS\/(PERM|TEMP)\] \S/;

# What stands in the place of the spool, instead of FX1.
my %instead = (
	'a directory' => sub { mkdir $_[0]->path },
	'a FIFO' => sub { mkfifo($_[0]->path, 0600) && $_[0]->give($_[0]->path) },
	'a link to a file of the user' => sub {
		symlink file($_[0], 'target', FX1), $_[0]->path },
	'a link to nothing' => sub { symlink $_[0]->mail . '/no', $_[0]->path },
	'a link to itself' => sub { symlink 'alice', $_[0]->path },
	'a file with two names' => sub {
		link file($_[0], 'target', FX1), $_[0]->path },
	'a device' => sub {
		$> == 0 ? system('mknod', $_[0]->path, 'c', 1, 3) == 0
		    && $_[0]->give($_[0]->path) : undef },
	'a file of another user' => sub {
		return undef if $> != 0;
		$_[0]->put(FX1);
		chown $Popper::uid + 1, $Popper::gid, $_[0]->path;
		chmod 0666, $_[0]->path },
	'a file of mode 0000' => sub {
		$_[0]->put(FX1);
		chmod 0, $_[0]->path },
	'a file that is no mbox' => sub { $_[0]->put("Hello.\n" . FX1) },
	'binary data' => sub { $_[0]->put("\x7fELF\0\0\1" x 5000) },
	'a From of another case' => sub { $_[0]->put("FROM x\n" . FX1) },
	'a line without an end' => sub { $_[0]->put('x') },
	'the word From alone' => sub { $_[0]->put('From') },
	'a spool whose line ends are CR' => sub {
		$_[0]->put(slurp('tests/spools/cr-only.mbox')) },
	'the same, and a message with LF' => sub {
		$_[0]->put(slurp('tests/spools/cr-only.mbox') . "\n" . FX1) },
	'a message without a From line first' => sub {
		$_[0]->put(slurp('tests/spools/nofrom-first.mbox')) },
);

for my $what (sort keys %instead) {
	case "instead of a spool, $what: refused and left alone [RFC 3206 4]" => sub {
		my $box = box(spool => undef);
		defined $instead{$what}->($box)
		    or plan skip_all => 'only root can make one';
		my @before = lstat $box->path;
		my $s = $box->session(args => ['-w', 1]);

		$s->command('USER alice');
		like($s->command('PASS s3cret'), $refusal, 'PASS');
		$s->send('QUIT');
		$s->slurp;
		is($s->wait, 0, 'exit status');
		my @after = lstat $box->path;
		is_deeply([ @after[0 .. 5, 7, 9, 10] ],
		    [ @before[0 .. 5, 7, 9, 10] ], 'it is as it was');
		ok(!-e $box->mail . '/no', 'nothing was made');
		is(slurp($box->mail . '/target') // FX1, FX1, 'nor written');
		like($box->log, qr/alice/, 'a line in the log');
	};
}

case "a spool that its mode keeps from its user: not taken for another's" => sub {
	my $box = box();

	chmod 0, $box->path;
	my $s = $box->session;
	$s->command('USER alice');
	is($s->command('PASS s3cret'), '-ERR [SYS/PERM] The maildrop cannot be opened '
	    . 'by its user; tell the administrator.', 'PASS');
	is($s->wait, 0, 'exit status');
	like($box->log, qr/: login: spool user=alice: Permission denied$/m, 'the log');
};

case 'no spool: no messages, and none is made [RFC 1939 5]' => sub {
	my $box = box(spool => undef);

	is($box->login->quit =~ /^\+OK/, 1, 'a session');
	ok(!-e $box->path, 'no spool');
};

case 'no spool at login, but mail before QUIT: it is not lost' => sub {
	my $box = box(spool => undef);
	my $s = $box->login;

	is($s->command('STAT'), '+OK 0 0', 'nothing yet');
	$box->put(FX1);
	is($s->command('STAT'), '+OK 0 0', 'nothing in this session');
	$s->quit;
	is($box->spool, FX1, 'it is there');
	is($box->login->command('STAT'), '+OK 2 48', 'for the next one');
};

case 'an empty spool: no messages, and the file stays' => sub {
	my $box = box(spool => '');
	my $before = $box->stat;

	is($box->login->command('STAT'), '+OK 0 0', 'STAT');
	$box->login->quit;
	is($box->stat->{ino}, $before->{ino}, 'the same file');
	is($box->stat->{mtime}, $before->{mtime}, 'not written');
};

case 'a spool that may be read but not written: shown, not changed' => sub {
	my $box = box();

	chmod 0400, $box->path;
	my $s = $box->session(args => ['-w', 1]);
	$s->command('USER alice');
	my $reply = $s->command('PASS s3cret');
	if ($reply =~ /^\+OK/) {
		$s->command('DELE 1');
		like($s->command('QUIT'), qr/^-ERR /, 'QUIT cannot delete');
	} else {
		like($reply, $refusal, 'refused');
	}
	is($box->spool, FX1, 'the spool');
};

case 'no spool directory' => sub {
	my $box = box(spool => undef);
	my $s = $box->session(args => ['-m', $box->dir . '/nowhere', '-w', 1]);

	$s->command('USER alice');
	like($s->command('PASS s3cret'), $refusal, 'PASS');
};

# What stands in the place of the state file.
my %working = (
	'a directory' => sub { mkdir $_[0]->work },
	'a FIFO' => sub { mkfifo($_[0]->work, 0600) && $_[0]->give($_[0]->work) },
	'a link to a file of the user' => sub {
		symlink file($_[0], 'target', letter(9)), $_[0]->work },
	'a link to nothing' => sub { symlink $_[0]->mail . '/no', $_[0]->work },
	'a link to the spool' => sub { symlink 'alice', $_[0]->work },
	'a second name of a file' => sub {
		link file($_[0], 'target', letter(9)), $_[0]->work },
	'a second name of the spool' => sub { link $_[0]->path, $_[0]->work },
	'a file of another user' => sub {
		return undef if $> != 0;
		$_[0]->put_file($_[0]->work, letter(9));
		chown $Popper::uid + 1, $Popper::gid, $_[0]->work;
		chmod 0666, $_[0]->work },
	'a file of mode 0000' => sub {
		$_[0]->put_file($_[0]->work, letter(9));
		chmod 0, $_[0]->work },
);

for my $what (sort keys %working) {
	case "instead of the state file, $what: never followed, mail untouched"
	    => sub {
		my $box = box();
		defined $working{$what}->($box)
		    or plan skip_all => 'only root can make one';
		my @before = lstat $box->work;
		my $s = $box->session(args => ['-w', 1]);

		$s->command('USER alice');
		my $reply = $s->command('PASS s3cret');
		like($reply, qr/^\+OK |^-ERR \[SYS\/(PERM|TEMP)\] \S/, 'PASS');
		is($s->command('STAT'), '+OK 2 48', 'only the spool is shown')
		    if $reply =~ /^\+OK/;
		$s->send('QUIT');
		$s->slurp;
		is($s->wait, 0, 'exit status');
		is($box->spool, FX1, 'the spool');
		my @after = lstat $box->work;
		is_deeply([ @after[0 .. 5] ], [ @before[0 .. 5] ],
		    'what stood there still does');
		is(slurp($box->mail . '/target') // letter(9), letter(9),
		    'and nothing was written through it');
		ok(!-e $box->mail . '/no', 'or made anything by it');
		like($box->log, qr/alice/, 'a line in the log');
	};
}

# Another file of the account's in the mail directory; its path.
sub file {
	my ($box, $name, $text) = @_;
	my $path = $box->mail . "/$name";

	$box->put_file($path, $text);
	return $path;
}

done_testing;
