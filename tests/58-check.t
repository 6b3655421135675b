# popper -n tells an administrator what would go wrong, and popper -V what was
# built.

use strict;
use warnings;

use POSIX ();
use Test::More;
use Popper;

# What popper -n says of a box, without lines that depend on the machine.
sub check {
	my ($box, @args) = @_;
	my @command = ($Popper::binary, '-n', '-m', $box->mail, '-p', $box->passwd,
	    '-M', '/bin/true', @args);
	local %ENV = map { $_ => $ENV{$_} } grep { !/^SSL/ } keys %ENV;
	my $pid = open(my $out, '-|') // die "fork: $!";

	if ($pid == 0) {
		open STDERR, '>&', \*STDOUT;
		exec { $command[0] } @command or POSIX::_exit(127);
	}
	my $said = join '', grep { !/^warn  (?:started by|log:|sendmail:)|^ok    log:/ } <$out>;
	close $out;
	return wantarray ? ($said, $? >> 8) : $said;
}

case 'an installation that is as it should be: all ok, status 0' => sub {
	my $box = box();

	chown 0, 0, $box->mail if $> == 0;
	chmod 01777, $box->mail;
	my ($dir, $passwd) = ($box->mail, $box->passwd);
	my ($said, $status) = check($box, '-T');
	is($said, <<~"END", 'a line for each thing');
		ok    accounts $passwd: 1 line
		ok    spool directory $dir: mode 1777, lock files can be made
		ok    kernel locks work
		ok    maildrops: 1
		ok    TLS: active, as -T says
		ok    sendmail /bin/true
		END
	is($status, 0, 'the status');
	is_deeply([ glob "$dir/.??* $dir/*" ], [ $box->path ], 'nothing is made');
};

# Makes bob the only account, with that maildrop.
sub listed {
	my ($box, $maildrop) = @_;
	my $uid = $> || 1;

	$box->put_file($box->passwd, "bob:x:$uid:1::mbox=$maildrop:\n");
	chown 0, 0, $box->passwd if $> == 0;
}

# Makes the lock file of a maildrop, so many minutes old.
sub make_lock {
	my ($path, $minutes, $uid) = @_;

	open my $fh, '>', "$path.lock" or die $!;
	close $fh;
	utime((time - 60 * $minutes) x 2, "$path.lock") or die $!;
	chown $uid, 0, "$path.lock" if $> == 0;
}

case 'lock files that keep users out, and those that do not' => sub {
	needs('root');
	my $alices = $Popper::uid;
	my $kept = 'The file alice.lock was left behind and cannot be removed: it is';
	my $sticky = 'of uid 4711; in mode 1777 any user can make one: chgrp mail, chmod 2775';

	# mode and group of the directory, minutes and owner of the lock file
	for ([ 01777, 0, 4, 4711, undef ],
	    [ 01777, 0, 66, 4711, "$kept 66 minutes old, $sticky" ],
	    [ 01777, 0, -77, 4711,
	        "$kept 77 minutes in the future, $sticky" ],
	    [ 01777, 0, 66, $alices, undef ],
	    [ 02775, 1, 66, 4711, undef ],
	    [ 02775, 0, 66, 4711, "$kept 66 minutes old, of uid 4711" ],
	    [ 0755, 0, 66, 0, "$kept 66 minutes old, of uid 0" ]) {
		my ($mode, $gid, $minutes, $uid, $line) = @$_;
		my $box = box();

		chown 0, $gid, $box->mail;
		chmod $mode, $box->mail;
		make_lock($box->path, $minutes, $uid);
		is(join('', check($box) =~ /^(FAIL .*\n|ok    maildrops.*\n)/mg),
		    defined $line ? "FAIL  maildrop alice: $line\n" :
		    "ok    maildrops: 1\n", sprintf 'mode %04o, group %d: %d minutes, of %d',
		    $mode, $gid, $minutes, $uid);
	}
};

case 'a lock file that is a directory, and one of a maildrop of mbox=' => sub {
	my $box = box();
	my $dir = $box->dir . '/home';

	mkdir $box->dotlock or die $!;
	like(check($box), qr/^FAIL  maildrop alice: The maildrop is locked by another program: alice\.lock is no plain file, of uid \d+$/m,
	    'a directory');
	return if $> != 0;
	mkdir $dir or die $!;
	chmod 01777, $dir;
	listed($box, "$dir/bob");
	make_lock("$dir/bob", 66, 4711);
	like(check($box), qr{^FAIL  maildrop \Q$dir\E/bob: The file bob\.lock was left behind and cannot be removed: it is 66 minutes old, of uid 4711; }m,
	    'of mbox=');
};

my $me = $> || 1;	# bob's number
my $alien = 'The maildrop is not a plain file of its user';
my $shut = 'The maildrop cannot be opened by its user';
my $no_mbox = 'The maildrop is not in mbox format: it does not begin with a "From " line';
my $no_dir = 'The spool directory cannot be used';
my $its_uid = $> || $Popper::uid;

# What is done to a box, the options, and the line that it has for it, where
# DIR stands for the box.
my %trouble = (
	'no spool directory' => [ sub { rename $_[0]->mail, $_[0]->dir . '/x' },
	    [], 'spool directory DIR/mail: No such file or directory' ],
	'a spool directory for everybody' => [ sub { chmod 0777, $_[0]->mail },
	    [], "spool directory DIR/mail: mode 0777 lets any user remove "
	    . 'the mail of others: chmod 2775 or 1777' ],
	"a spool directory that is a link of another user's" => [ sub {
		rename $_[0]->mail, $_[0]->dir . '/x' or die $!;
		symlink 'x', $_[0]->mail or die $!;
		system('chown', '-h', 4711, $_[0]->mail) if $> == 0;
	    }, [], 'spool directory DIR/mail: others can put another in its place: '
	    . 'chown root and chmod go-w each directory and link on the way to it',
	    'root' ],
	'a maildrop of mbox= below a directory that a group may write to' => [ sub {
		my $dir = $_[0]->dir . '/staff';
		mkdir $_ or die $! for $dir, "$dir/org";
		chmod 02775, $dir;
		listed($_[0], "$dir/org/bob");
	    }, [], 'maildrop DIR/staff/org/bob: The file .bob.pop cannot be opened: '
	    . "neither root nor uid $me can make it: see popper-passwd(5)", 'root' ],
	'accounts that anybody may write' => [ sub { chmod 0666, $_[0]->passwd },
	    [], "accounts DIR/passwd: must be a regular file of root or of the user "
	    . "who starts popper, and no one else's to write: chmod go-w" ],
	'a line that is no account' => [ sub {
		$_[0]->put_file($_[0]->passwd, "alice:x:1:1:::\nbob\n");
		chown 0, 0, $_[0]->passwd if $> == 0;
	    }, [], 'accounts DIR/passwd: 1 of 2 lines cannot be understood, the first '
	    . 'is line 2' ],
	'a file without a good line' => [ sub {
		$_[0]->put_file($_[0]->passwd, "bob\n");
		chown 0, 0, $_[0]->passwd if $> == 0;
	    }, [], 'accounts DIR/passwd: 1 of 1 line cannot be understood, the first '
	    . 'is line 1' ],
	'a maildrop of mbox= that is a link' => [ sub {
		symlink $_[0]->path, $_[0]->dir . '/else';
		listed($_[0], $_[0]->dir . '/else');
	    }, [], "maildrop DIR/else: $alien: it is a symbolic link" ],
	'a maildrop of mbox= in a directory that is not there' => [ sub {
		listed($_[0], $_[0]->dir . '/gone/bob');
	    }, [], "maildrop DIR/gone/bob: $no_dir: No such file or directory" ],
	'a maildrop of mbox= that is no full path' => [ sub {
		listed($_[0], 'spool/bob');
	    }, [], "maildrop spool/bob: $no_dir: mbox= must be a full path to a name "
	    . 'without a dot before it or .lock after it' ],
	'a maildrop of mbox= that is a lock file' => [ sub {
		listed($_[0], $_[0]->path . '.lock');
	    }, [], "maildrop DIR/mail/alice.lock: $no_dir: mbox= must be a full path to "
	    . 'a name without a dot before it or .lock after it' ],
	'a maildrop of mbox= in a directory where the user can make no file' => [ sub {
		my $dir = $_[0]->dir . '/home';
		mkdir $dir or die $!;
		chown 1, 1, $dir if $> == 0;
		chmod 0555, $dir;
		listed($_[0], "$dir/bob");
	    }, [], 'maildrop DIR/home/bob: The file .bob.pop cannot be opened: neither '
	    . "root nor uid $me can make it: see popper-passwd(5)" ],
	'no sendmail' => [ sub { }, [ -M => '/nonexistent' ],
	    'sendmail /nonexistent: No such file or directory' ],
	'a sendmail that cannot be run' => [ sub { }, [ -M => '/etc/passwd' ],
	    'sendmail /etc/passwd: mode 0644, it cannot be run: chmod a+x' ],
	'a checkpassword by a relative name' => [ sub { }, [ -c => 'check' ],
	    'checkpassword check: must begin with a slash' ],
	'a sendmail that is a directory' => [ sub { }, [ -M => '/' ],
	    'sendmail /: it is not a file' ],
	'a sendmail that no user can run' => [ sub {
		$_[0]->put_file($_[0]->dir . '/sendmail', "#!/bin/sh\n");
		chmod $> == 0 ? 0700 : 0600, $_[0]->dir . '/sendmail';
	    }, [ -M => 'DIR/sendmail' ], 'sendmail DIR/sendmail: mode 0'
	    . ($> == 0 ? 7 : 6) . '00, it cannot be run: chmod a+x' ],
	'no checkpassword' => [ sub { }, [ -c => '/nonexistent' ],
	    'checkpassword /nonexistent: No such file or directory' ],
	'a checkpassword that cannot be run' => [ sub { }, [ -c => '/etc/passwd' ],
	    'checkpassword /etc/passwd: mode 0644, it cannot be run: chmod a+x' ],
	'no password ever' => [ sub { }, [ -P => 'tls' ],
	    'TLS: none, and -P accepts no password without it' ],
	'no password ever, whatever a proxy says' => [ sub { }, [ -P => 'never', -H => 'tls' ],
	    'TLS: none, and -P accepts no password without it' ],
	'no password, since a proxy may not say that there is TLS' => [ sub { },
	    [ -P => 'tls', -H => 'on' ],
	    'TLS: none, and -P accepts no password without it' ],
	'a missing list of names' => [ sub { }, [ -A => '/nonexistent' ],
	    'allowed /nonexistent: No such file or directory' ],
);

for my $what (sort keys %trouble) {
	my ($make, $args, $line, @needs) = @{ $trouble{$what} };

	case "a failure: $what" => sub {
		needs(@needs);
		my $box = box();

		$make->($box);
		my ($said, $status) = check($box, map { s/DIR/$box->dir/er } @$args);
		my $want = $line =~ s/DIR/$box->dir/egr;
		is((grep { $_ eq "FAIL  $want" } split /\n/, $said)[0],
		    "FAIL  $want", 'the line') or diag($said);
		like($said, qr/^failures: \d+$/m, 'how many');
		is($status, 1, 'the status');
	};
}

# What a login would be refused for: as the reply says it, so -n does.
my %refused = (
	'text' => [ sub { $_[0]->put("Hello.\n" . FX1) }, $no_mbox ],
	'a byte order mark' => [ sub { $_[0]->put("\xef\xbb\xbf" . FX1) }, $no_mbox ],
	'MMDF' => [ sub { $_[0]->put("\1\1\1\1\n" . FX1 . "\1\1\1\1\n") }, $no_mbox ],
	'blanks alone' => [ sub { $_[0]->put(' ' x 5000) }, $no_mbox ],
	'text after many empty lines' => [ sub { $_[0]->put("\n" x 100_001 . 'x') },
	    $no_mbox ],
	'a line without an end' => [ sub { $_[0]->put('x' x 100_000) }, $no_mbox ],
	'mode 0000' => [ sub { chmod 0, $_[0]->path }, "$shut: mode 0000: chmod 600" ],
	'a link' => [ sub { rename $_[0]->path, $_[0]->dir . '/x';
		symlink $_[0]->dir . '/x', $_[0]->path }, "$alien: it is a symbolic link" ],
	'a directory' => [ sub { unlink $_[0]->path; mkdir $_[0]->path },
	    "$alien: it is a directory" ],
	'a FIFO' => [ sub { unlink $_[0]->path; POSIX::mkfifo($_[0]->path, 0600);
		$_[0]->give($_[0]->path) }, "$alien: it is a special file" ],
	'two names' => [ sub { link $_[0]->path, $_[0]->dir . '/x' },
	    "$alien: it has 2 names" ],
	'a strange .alice.pop' => [ sub { $_[0]->put_file($_[0]->work, "hello\n");
		$_[0]->give($_[0]->work, 0600) },
	    'The file .alice.pop or the maildrop is damaged: see CAVEATS in popper(8)' ],
	'a journal of popper 2.0' => [ sub {
		$_[0]->put_file($_[0]->work, "popper journal 1\n" . 'x' x 4000);
		$_[0]->give($_[0]->work, 0600) },
	    'The file .alice.pop holds an update that popper 2.0 has begun: log in once by popper 2.0' ],
	'mail of an older popper, and a journal of popper 2.0 after it' => [ sub {
		my $work = $_[0]->work;
		$_[0]->put_file($work, pack 'a1024', letter(9));
		$_[0]->put_file($work, slurp($work) . pack 'a32 Q2 a464 a512',
		    "popper left-over 1\n", 1000, (stat $work)[1], '', "popper journal 1\n");
		$_[0]->give($work, 0600) },
	    'The file .alice.pop holds an update that popper 2.0 has begun: log in once by popper 2.0' ],
	'mail of an older popper, and a spool that is no mbox' => [ sub {
		$_[0]->put_file($_[0]->work, letter(9));
		$_[0]->give($_[0]->work, 0600);
		$_[0]->put("x\n") },
	    'The file .alice.pop or the maildrop is damaged: see CAVEATS in popper(8)' ],
	'a .alice.pop of mode 0400' => [ sub { $_[0]->put_file($_[0]->work, '');
		$_[0]->give($_[0]->work, 0400) },
	    'The file .alice.pop cannot be opened: mode 0400: chmod 600' ],
	'a .alice.pop that is a link' => [ sub { symlink '/etc/passwd', $_[0]->work },
	    'The file .alice.pop is not a plain file of its user: it is a symbolic link' ],
	"another's" => [ sub { $> == 0 && chown 4711, 0, $_[0]->path },
	    "$alien: it belongs to uid 4711: chown $its_uid" ],
	"another's, which anybody may read" => [ sub {
		$> == 0 && chmod(0644, $_[0]->path) && chown 4711, 0, $_[0]->path },
	    "$alien: it belongs to uid 4711: chown $its_uid" ],
	"another's .alice.pop" => [ sub { $_[0]->put_file($_[0]->work, '');
		$> == 0 && chown 4711, 0, $_[0]->work },
	    'The file .alice.pop is not a plain file of its user: it belongs to uid '
	    . "4711: chown $its_uid" ],
);

for my $what (sort keys %refused) {
	case "a maildrop that a login would be refused: $what" => sub {
		my $box = box();
		my ($make, $line) = @{ $refused{$what} };

		$make->($box) or $> == 0 or plan skip_all => 'not root';
		my @before = lstat $box->path;
		my ($said, $status) = check($box);
		my @failures = grep { /^FAIL  (?!spool directory)/ } split /\n/, $said;
		is_deeply(\@failures, [ "FAIL  maildrop alice: $line" ], 'the line');
		unlike($said, qr/^ok    maildrops/m, 'and no other');
		is($status, 1, 'the status');
		is_deeply([ @{ [ lstat $box->path ] }[0 .. 5, 7, 9, 10] ],
		    [ @before[0 .. 5, 7, 9, 10] ], 'it is as it was');
		my $s = $box->session(args => [ '-w', 0 ]);
		$s->command('USER alice');
		my ($words) = $line =~ /^([^:]*)/;
		like($s->command('PASS s3cret'), qr{^-ERR \[SYS/PERM\] \Q$words\E; }, 'PASS');
	};
}

# What a login takes, or has root put right.
my %taken = (
	'no spool' => sub { unlink $_[0]->path },
	'an empty one' => sub { $_[0]->put('') },
	'empty lines alone' => sub { $_[0]->put("\n\r\n\0" x 50_000) },
	'empty lines before the mail' => sub { $_[0]->put("\n" x 100_001 . FX1) },
	'one that its user cannot write' => sub { chmod 0400, $_[0]->path },
	'an empty .alice.pop' => sub { $_[0]->put_file($_[0]->work, '');
	    $_[0]->give($_[0]->work, 0600) },
	"an empty .alice.pop of root's" => sub { $_[0]->put_file($_[0]->work, '');
	    chown 0, 0, $_[0]->work if $> == 0 },
	'an index' => sub { $_[0]->login->quit },
	'a journal that never came into force' => sub {
	    $_[0]->put_file($_[0]->work, "popper journal 2\n" . 'x' x 4000);
	    $_[0]->give($_[0]->work, 0600) },
);

for my $what (sort keys %taken) {
	case "a maildrop that is as it should be: $what" => sub {
		my $box = box();

		$taken{$what}->($box);
		my $n = -e $box->path ? 1 : 0;
		my $said = check($box);
		is(join("\n", grep { /maildrop/ } split /\n/, $said), "ok    maildrops: $n",
		    'the line');
		is($box->login->command('NOOP'), '+OK ', 'a login');
	};
}

case 'the options of contrib/haproxy.cfg: TLS is left to the proxy' => sub {
	my ($line) = slurp('contrib/haproxy.cfg') =~ /^#\s+110 stream .* popper (.*)/m;
	my $said = check(box(), split ' ', $line);

	is(join("\n", grep { /TLS:/ } split /\n/, $said),
	    'warn  TLS: left to the proxy of -H', "popper $line");
};

case 'each maildrop is named, and only the first line of a spool is read' => sub {
	my $box = box(accounts => { map { $_ => 'x' } 'a' .. 'i' }, spool => undef);

	$box->put("x\n", $_) for 'a' .. 'h';
	$box->put(FX1, 'i');
	open my $fh, '+<', $box->path('i') or die $!;
	truncate $fh, 400 << 30 or die $!;	# of NULs: minutes, if all is read
	close $fh;
	my $said = check($box);
	is(join(' ', sort $said =~ /^FAIL  maildrop (\w): \Q$no_mbox\E$/mg), join(' ', 'a' .. 'h'),
	    'those that are no mbox');
	unlike($said, qr/^(?:FAIL|warn)  maildrop i/m, 'not the large one');
};

case 'files that are no maildrops, and users who may not log in' => sub {
	my $box = box(accounts => { alice => 'x', bob => 'x', root => { password => 'x', uid => 0 } });

	$box->put("x\n", $_) for 'carol', 'bob', 'root';
	$box->put('', 'alice.lock');
	$box->put_file($box->work('dave'), '');
	mkdir $box->mail . '/lost+found';
	$box->put_file($box->dir . '/deny', "bob\n");
	chown 0, 0, $box->dir . '/deny' if $> == 0;
	unlink $box->path('alice.lock');
	my $said = check($box, -N => $box->dir . '/deny');
	is(join('', sort grep { /maildrop/ } map { "$_\n" } split /\n/, $said), <<~'END', 'all of it');
		ok    maildrops: 1
		warn  maildrop carol: there is no such account
		warn  maildrop dave: there is no such account
		warn  maildrops: 2 not tried, whose users may not log in (root, -u, -A, -N, an alias, a locked or expired account)
		END
};

case 'a maildrop of mbox= that a session could serve is as it should be' => sub {
	my $box = box();
	my $dir = $box->dir . '/home';

	mkdir $dir or die $!;
	listed($box, "$dir/bob");
	unlike(check($box), qr/^FAIL  maildrop/m, 'a directory of whoever starts popper');
	chown 1, 1, $dir if $> == 0;
	unlike(check($box), qr/^FAIL  maildrop/m, "the user's own");
	$box->put_file("$dir/.bob.pop", '');
	chown 1, 1, "$dir/.bob.pop" if $> == 0;
	chmod 0555, $dir;
	unlike(check($box), qr/^FAIL  maildrop/m, 'one that has the state file');
};

case 'a spool directory where root may write nothing, as over NFS' => sub {
	needs('root');
	my $box = box();
	my $n = "$Popper::binary -n -M /bin/true -m " . $box->mail;
	my $powerless = 'setpriv --bounding-set -dac_override --inh-caps -dac_override';

	chown 1, 1, $box->mail;
	chmod 02775, $box->mail;
	like(qx($powerless $n), qr/^FAIL  spool directory \S+: root cannot make files/m,
	    'for root and a group');
	unlike(qx($n), qr/root cannot make/, 'not if he is root there too');
	chmod 01777, $box->mail;
	unlike(qx($powerless $n), qr/root cannot make/, 'nor where users may');
};

case 'an account whose number the system does not know, as sendmail will not' => sub {
	needs('root');
	my $box = box(accounts => {
	    alice => { password => 'x', uid => (getpwnam 'nobody')[2] },
	    bob => { password => 'x', uid => 54321 } }, spool => undef);
	my $n = "$Popper::binary -n -m @{[ $box->mail ]} -p @{[ $box->passwd ]}";

	is(join('', grep { /sendmail|XMIT/ } qx($n -M /bin/true)), <<~'END', 'a warning');
		ok    sendmail /bin/true
		warn  sendmail: the system has no account with the number of bob; most mail programs refuse such a sender
		END
	is(join('', grep { /sendmail|XMIT/ } qx($n -x)), "ok    XTND XMIT: turned off\n",
	    'not with -x');
};

case 'a name that a user has made up cannot look like a line of ours' => sub {
	my $box = box();
	my $name = "x\nok    \e[2J";

	symlink 'alice', $box->mail . "/$_" for $name, ".y$name.pop";
	my $said = check($box);
	my $clean = quotemeta 'x\x0aok\x20\x20\x20\x20\x1b[2J';
	like($said, qr/^warn  maildrop $clean: there is no such account$/m, 'a maildrop');
	like($said, qr/^warn  maildrop y$clean: there is no such account$/m, 'a state file');
	unlike($said, qr/[^\x20-\x7e\n]/, 'nothing that moves a cursor');
};

case 'a state file of a maildrop of mbox= that is a link' => sub {
	my $box = box();
	my $dir = $box->dir . '/home';

	mkdir $dir or die $!;
	symlink '/etc/passwd', "$dir/.bob.pop" or die $!;
	listed($box, "$dir/bob");
	like(check($box), qr{^FAIL  maildrop \S+/bob: The file \.bob\.pop is not a plain file of its user: it is a symbolic link$}m,
	    'the line');
};

case 'the same for accounts of the system, and one that root has left' => sub {
	needs('root');
	my $box = box();
	my $work = $box->mail . '/.nobody.pop';
	my $n = "$Popper::binary -n -M /bin/true -m " . $box->mail;
	my $uid = getpwnam 'nobody';

	$box->put_file($work, '');
	chown 0, 0, $work;
	unlike(qx($n), qr/^FAIL  .*nobody/m, 'an empty one of root');
	chown 4711, 0, $work;
	like(qx($n), qr/^FAIL  maildrop nobody: The file \.nobody\.pop is not a plain file of its user: it belongs to uid 4711: chown $uid$/m,
	    "another's");
};

case 'an account whose number is not that of whoever starts popper' => sub {
	my $box = box(accounts => { alice => { password => 'x', uid => 4711 } });
	my @as = $> == 0 ? ('setpriv', "--reuid=$Popper::uid", "--regid=$Popper::gid",
	    '--clear-groups') : ();

	chown $Popper::uid, $Popper::gid, $box->passwd if $> == 0;
	chmod 0755, $box->dir;
	my $said = qx(@as $Popper::binary -n -M /bin/true -m @{[ $box->mail ]} -p @{[ $box->passwd ]});
	like($said, qr/^FAIL  maildrop alice: The server may not serve this account: Operation not permitted$/m,
	    'the line');
};

case 'boards: how many, which line, and which cannot be read' => sub {
	my $box = box();
	my ($boards, $news, $old) = map { $box->dir . "/$_" } qw(boards news old);
	my $lines = sub { join '', grep { /boards? / } map { "$_\n" } split /\n/,
	    check($box, -b => $boards) };

	$box->put_file($news, '');
	$box->put_file($boards, "board news\nmaildrop $news\n");
	chmod 0644, $boards, $news;
	is($lines->(), "ok    boards $boards: 1 board\n", 'one');
	chmod 0600, $boards;
	is($lines->(), "FAIL  boards $boards: users must be able to read it: chmod a+r\n",
	    'for root alone');
	$box->put_file($boards, "board news\nmaildrop $news\nboard old\nmaildrop $news\n"
	    . "archive $old\nboard empty\n");
	chmod 0644, $boards;
	is($lines->(), <<~"END", 'which have nothing');
		FAIL  board old: $old: No such file or directory
		FAIL  board empty: it has no maildrop
		END
	$box->put_file($boards, "board news\nmaildrop $news\nboard old\nmaildrop $old\n");
	$box->put_file($old, "x\n");
	is($lines->(), "FAIL  board old: $old: not in mbox format\n", 'no mbox');
	unlink $old;
	symlink $boards, $old or die $!;
	is($lines->(), "FAIL  board old: $old: not a plain file with one name\n", 'a link');
	$box->put_file($old, '') if unlink $old;
	is($lines->(), "ok    boards $boards: 2 boards\n", 'two');
	$box->put_file($boards, "board news\nmaildrp $news\n");
	is($lines->(), "FAIL  boards $boards: line 2 is not understood: see popper-boards(5)\n",
	    'a wrong line');
	unlink $boards or die $!;
	is($lines->(), "FAIL  boards $boards: No such file or directory\n", 'no file');
};

case 'secrets are for their owner alone' => sub {
	my $box = box();
	my $secrets = $box->dir . '/secrets';

	$box->put_file($secrets, "# APOP\nalice:x\n");
	chown 0, 0, $secrets if $> == 0;
	chmod 0600, $secrets;
	like(check($box, -a => $secrets), qr/^ok    secrets \S+: 2 lines$/m, 'good');
	chmod 0640, $secrets;
	like(check($box, -a => $secrets), qr/^FAIL  secrets .* chmod 600$/m, 'mode 640');
};

case 'a list of names: lines that no name can be on' => sub {
	my $box = box();
	my $names = $box->dir . '/names';

	$box->put_file($names, "# them\nalice\r\nbob");
	chown 0, 0, $names if $> == 0;
	like(check($box, -N => $names), qr/^ok    denied \S+: 3 lines$/m, 'good');
	for my $line ('alice ', ' alice', "alice\t", 'alice:x', '', "\r") {
		$box->put_file($names, "bob\n$line\n");
		chown 0, 0, $names if $> == 0;
		like(check($box, -N => $names), qr/^FAIL  denied .* first is line 2$/m,
		    show($line));
	}
};

case 'mail that an older popper or a crash has left is only a warning' => sub {
	my $box = box();

	$box->put_file($box->work, letter(9));
	$box->give($box->work, 0600);
	chmod 01777, $box->mail;
	chown 0, 0, $box->mail if $> == 0;
	my ($said, $status) = check($box);
	like($said, qr/^warn  maildrops: 1 has an update to be finished at the next login$/m,
	    'the line');
	is($status, 0, 'the status');
	is(slurp($box->work), letter(9), 'it stays');
};

case 'a spool of another user: whose it should be' => sub {
	needs('root');
	my $box = box();

	rename $box->path, $box->path('nobody') or die $!;
	my $said = qx($Popper::binary -n -m @{[ $box->mail ]} -M /bin/true);
	my $uid = getpwnam 'nobody';
	like($said, qr/^FAIL  maildrop nobody: \Q$alien\E: it belongs to uid $Popper::uid: chown $uid$/m,
	    'the line');
};

# What two say that compare a spool directory, as two hosts of it would; the
# second with these words in front of it.
sub hosts {
	my ($box, @under) = @_;
	my @command = ($Popper::binary, qw(-n -S -w 5 -m), $box->mail, '-p', $box->passwd,
	    qw(-M /bin/true));
	open my $one, '-|', @command or die $!;
	eventually { -e $box->mail . "/.popper.baton" };
	open my $two, '-|', @under, @command or die $!;
	return map { my $out = $_; join '', grep { /  hosts: / } <$out> } $one, $two;
}

case '-S: two hosts that see the same' => sub {
	my $box = box();
	my $ok = qr/\Aok    hosts: each has seen at once what the other changed, here and on \S+\n\z/;

	like($_, $ok, 'each') for hosts($box);
	is_deeply([ glob $box->mail . '/.??*' ], [], 'nothing is left');
};

case '-S: no other host' => sub {
	my $box = box();

	is((grep { / hosts: / } split /^/, check($box, qw(-S -w 1)))[0],
	    "warn  hosts: no other one to compare with by kernel locks; run popper -n -S on two "
	    . "at once\n", 'the line');
	is_deeply([ glob $box->mail . '/.??*' ], [], 'nothing is left');
};

# A change of the second host that does not reach the first one.
for my $lost ([ 'text of a file', 'pwrite64:retval=96:when=3' ],
    [ 'size of a file', 'ftruncate:retval=0:when=1' ],
    [ 'names', 'unlinkat:retval=0:when=1', '-P', '.popper.name' ]) {
	my ($what, $inject, @of) = @$lost;

	case "-S: a host that sees the old $what" => sub {
		needs('strace', 'plain');
		my $box = box();
		my ($one, $two) = hosts($box, strace($box->dir . '/strace', @of, '-e',
		    'trace=' . $inject =~ s/:.*//r, '-e', "inject=$inject"));

		is($one, "FAIL  hosts: after a change by another, this one still sees the old "
		    . "$what: the file system keeps it without asking, and would lose mail\n",
		    'the first');
		is($two, "FAIL  hosts: the other one has stopped; it says why\n", 'the second');
	};
}

# The kernel says of the directory that it is on FUSE.
case 'a network file system: no login without -S' => sub {
	needs('strace', 'plain', 'linux');
	my $box = box(spool => letter(1));
	my @fuse = strace($box->dir . '/strace', '-e', 'trace=fstatfs', '-e',
	    'inject=fstatfs:poke_exit=@arg2=4655736500000000');
	my $s = $box->session(under => \@fuse);

	$s->dialog(<<'END');
		C: USER alice
		S: +OK *
		C: PASS s3cret
		S: -ERR [SYS/PERM] The spool is on a network file system not yet checked; tell the administrator.
END
	$s->wait;
	like($box->log, qr/ login user=alice: the spool is on FUSE: run popper -n -S /, 'the log');
	is($box->login(under => \@fuse, args => ['-S'])->command('STAT'), '+OK 1 ' .
	    length(text_of(letter(1))), 'with -S');
};

case '-V: version and build settings' => sub {
	my $said = qx($Popper::binary -V);

	is($?, 0, 'the status');
	like($said, qr/\Apopper \d+\.\d+\n/, 'the version');
	like($said, qr{^spool directory: /}m, 'the spool directory');
	like($said, qr{^sendmail: /}m, 'sendmail');
	like($said, qr/^system calls: (Linux|POSIX)$/m, 'how it was built');
};

done_testing;
