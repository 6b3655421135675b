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
	my $said = join '', grep { !/^note  (?:started by|log:)|^ok    log:/ } <$out>;
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
		ok    accounts $passwd: 1 lines
		ok    spool directory $dir: mode 1777, lock files can be made
		ok    kernel locks work
		ok    maildrops: 1
		ok    TLS: taken for granted by -T
		ok    sendmail /bin/true
		END
	is($status, 0, 'the status');
	is_deeply([ glob "$dir/.??* $dir/*" ], [ $box->path ], 'nothing is made');
};

# Makes bob the only account, with his maildrop there.
sub listed {
	my ($box, $maildrop) = @_;
	my $uid = $> || 1;

	$box->put_file($box->passwd, "bob:x:$uid:1::mbox=$maildrop:\n");
	chown 0, 0, $box->passwd if $> == 0;
}

# A lock file in the mail of a box, or beside another maildrop, so many minutes
# old.
sub lock_beside {
	my ($path, $minutes, $uid) = @_;

	open my $fh, '>', "$path.lock" or die $!;
	close $fh;
	utime((time - 60 * $minutes) x 2, "$path.lock") or die $!;
	chown $uid, 0, "$path.lock" if $> == 0;
}

case 'lock files that keep users out, and those that do not' => sub {
	needs('root');
	my $alices = $Popper::uid;
	my $stays = 'it keeps its user out until it is removed';
	my $sticky = "$stays; in mode 1777 any user can make one: chgrp mail, chmod 2775";

	# mode and group of the directory, minutes and owner of the lock file
	for ([ 01777, 0, 4, 4711, undef ],
	    [ 01777, 0, 66, 4711, "left behind, 66 minutes old, of uid 4711: $sticky" ],
	    [ 01777, 0, -77, 4711,
	        "left behind, 77 minutes in the future, of uid 4711: $sticky" ],
	    [ 01777, 0, 66, $alices, undef ],
	    [ 02775, 1, 66, 4711, undef ],
	    [ 02775, 0, 66, 4711, "left behind, 66 minutes old, of uid 4711: $stays" ],
	    [ 0755, 0, 66, 0, "left behind, 66 minutes old, of uid 0: $stays" ]) {
		my ($mode, $gid, $minutes, $uid, $line) = @$_;
		my $box = box();

		chown 0, $gid, $box->mail;
		chmod $mode, $box->mail;
		lock_beside($box->path, $minutes, $uid);
		is(join('', check($box) =~ /^(mend .*\n|ok    maildrops.*\n)/mg),
		    defined $line ? "mend  lock file alice.lock: $line\n" :
		    "ok    maildrops: 1\n", sprintf 'mode %04o, group %d: %d minutes, of %d',
		    $mode, $gid, $minutes, $uid);
	}
};

case 'a lock file that is a directory, and one beside a maildrop of mbox=' => sub {
	my $box = box();
	my $dir = $box->dir . '/home';

	mkdir $box->dotlock or die $!;
	like(check($box), qr/^mend  lock file alice\.lock: not a plain file, of uid \d+: it keeps its user out until it is removed$/m,
	    'a directory');
	return if $> != 0;
	mkdir $dir or die $!;
	chmod 01777, $dir;
	listed($box, "$dir/bob");
	lock_beside("$dir/bob", 66, 4711);
	like(check($box), qr{^mend  lock file \Q$dir\E/bob\.lock: left behind, 66 minutes old, of uid 4711: }m,
	    'of mbox=');
};

# What is done to a box, the options, and what is said of it.
my %trouble = (
	'no spool directory' => [ sub { rename $_[0]->mail, $_[0]->dir . '/x' },
	    [], qr/^mend  spool directory \S+: No such file or directory$/m ],
	'a spool directory for everybody' => [ sub { chmod 0777, $_[0]->mail },
	    [], qr/^mend  spool directory \S+: mode 0777 .* chmod 2775, or 1777$/m ],
	"a spool directory that is a link of another user's" => [ sub {
		rename $_[0]->mail, $_[0]->dir . '/x' or die $!;
		symlink 'x', $_[0]->mail or die $!;
		system('chown', '-h', 4711, $_[0]->mail) if $> == 0;
	    }, [], qr/^mend  spool directory \S+: others can put another in its place: chown root and chmod go-w each directory and link on the way to it$/m,
	    'root' ],
	'a maildrop of mbox= behind a directory that a group may write to' => [ sub {
		my $dir = $_[0]->dir . '/staff';
		mkdir $_ or die $! for $dir, "$dir/org";
		chmod 02775, $dir;
		listed($_[0], "$dir/org/bob");
	    }, [], qr{^mend  maildrop \S+/org/bob: neither root nor uid \d+ can make }m,
	    'root' ],
	'accounts that anybody may write' => [ sub { chmod 0666, $_[0]->passwd },
	    [], qr/^mend  accounts \S+: must be a plain file .* chmod go-w$/m ],
	'a line that is no account' => [ sub {
		$_[0]->put_file($_[0]->passwd, "alice:x:1:1:::\nbob\n");
		chown 0, 0, $_[0]->passwd if $> == 0;
	    }, [], qr/^mend  accounts \S+: 1 of 2 lines .* first is line 2$/m ],
	'a spool that is a link' => [ sub { symlink 'alice', $_[0]->path('bob') },
	    [], qr/^mend  maildrop bob: not a plain file with one name; /m ],
	"a maildrop that is another's than -p says" => [ sub {
		$_[0]->accounts({ alice => { password => 'x', uid => 4711 } });
	    }, [], qr/^mend  maildrop alice: belongs to uid \d+, not 4711: chown it$/m ],
	'a maildrop of mbox= that is a link' => [ sub {
		symlink $_[0]->path, $_[0]->dir . '/else';
		listed($_[0], $_[0]->dir . '/else');
	    }, [], qr{^mend  maildrop \S+/else: not a plain file with one name; }m ],
	'a maildrop of mbox= in a directory that is not there' => [ sub {
		listed($_[0], $_[0]->dir . '/gone/bob');
	    }, [], qr{^mend  maildrop \S+/gone/bob: its directory .*: No such file}m ],
	'a maildrop of mbox= that is no full path' => [ sub {
		listed($_[0], 'spool/bob');
	    }, [], qr{^mend  maildrop spool/bob: must be a full path}m ],
	'a maildrop of mbox= that is a lock file' => [ sub {
		listed($_[0], $_[0]->path . '.lock');
	    }, [], qr{^mend  maildrop \S+/alice\.lock: must be a full path, to a name without a dot before it or \.lock after it$}m ],
	'a maildrop of mbox= beside which the user can make no file' => [ sub {
		my $dir = $_[0]->dir . '/home';
		mkdir $dir or die $!;
		chown 1, 1, $dir if $> == 0;
		chmod 0555, $dir;
		listed($_[0], "$dir/bob");
	    }, [], qr{^mend  maildrop \S+/home/bob: neither root nor uid \d+ can make }m ],
	'a strange .alice.pop' => [ sub { $_[0]->put_file($_[0]->work, "hello\n") },
	    [], qr/^mend  \.alice\.pop: holds something that is not popper's/m ],
	'no sendmail' => [ sub { }, [ -M => '/nonexistent' ],
	    qr{^mend  sendmail /nonexistent: No such file or directory$}m ],
	'a sendmail that cannot be run' => [ sub { }, [ -M => '/etc/passwd' ],
	    qr{^mend  sendmail /etc/passwd: cannot be run$}m ],
	'a checkpassword by a relative name' => [ sub { }, [ -c => 'check' ],
	    qr/^mend  checkpassword check: must begin with a slash$/m ],
	'no password ever' => [ sub { }, [ -P => 'tls' ],
	    qr/^mend  TLS: none, and -P takes no password without it$/m ],
	'a missing list of names' => [ sub { }, [ -A => '/nonexistent' ],
	    qr{^mend  allowed /nonexistent: No such file}m ],
);

for my $what (sort keys %trouble) {
	my ($make, $args, $line, @needs) = @{ $trouble{$what} };

	case "to be mended: $what" => sub {
		needs(@needs);
		my $box = box();

		$make->($box);
		my ($said, $status) = check($box, @$args);
		like($said, $line, 'the line');
		like($said, qr/^\d+ to mend$/m, 'how many');
		is($status, 1, 'the status');
	};
}

case 'a maildrop of mbox= that a session could serve is as it should be' => sub {
	my $box = box();
	my $dir = $box->dir . '/home';

	mkdir $dir or die $!;
	listed($box, "$dir/bob");
	unlike(check($box), qr/^mend  maildrop/m, 'a directory of whoever starts popper');
	chown 1, 1, $dir if $> == 0;
	unlike(check($box), qr/^mend  maildrop/m, "the user's own");
	$box->put_file("$dir/.bob.pop", '');
	chown 1, 1, "$dir/.bob.pop" if $> == 0;
	chmod 0555, $dir;
	unlike(check($box), qr/^mend  maildrop/m, 'one where his working file is');
};

case 'a spool directory where root may write nothing, as over NFS' => sub {
	needs('root');
	my $box = box();
	my $n = "$Popper::binary -n -M /bin/true -m " . $box->mail;
	my $powerless = 'setpriv --bounding-set -dac_override --inh-caps -dac_override';

	chown 1, 1, $box->mail;
	chmod 02775, $box->mail;
	like(qx($powerless $n), qr/^mend  spool directory \S+: root can make no files/m,
	    'for root and a group');
	unlike(qx($n), qr/root can make/, 'not if he is root there too');
	chmod 01777, $box->mail;
	unlike(qx($powerless $n), qr/root can make/, 'nor where users may');
};

case 'a name that a user has made up cannot look like a line of ours' => sub {
	my $box = box();
	my $name = "x\nok    \e[2J";

	symlink 'alice', $box->mail . '/' . $_ for $name, ".$name.pop";
	my $said = check($box);
	my $clean = quotemeta 'x\x0aok\x20\x20\x20\x20\x1b[2J';
	like($said, qr/^mend  maildrop $clean: not a plain file /m, 'a maildrop');
	like($said, qr/^mend  \.$clean\.pop: not a plain file /m, 'a working file');
	unlike($said, qr/[^\x20-\x7e\n]/, 'nothing that moves a cursor');
};

case 'a working file that its user cannot open' => sub {
	my $box = box();
	my $dir = $box->dir . '/home';

	$box->put_file($box->work, '');
	chmod 0400, $box->work;
	$box->give($box->work, 0400);
	like(check($box), qr/^mend  \.alice\.pop: mode 0400: chmod 600$/m, 'by its mode');
	$box->accounts({ alice => { password => 'x', uid => 4711 } });
	like(check($box), qr/^mend  \.alice\.pop: belongs to uid \d+, not 4711: chown it$/m,
	    'by its owner');
	mkdir $dir or die $!;
	symlink '/etc/passwd', "$dir/.bob.pop" or die $!;
	listed($box, "$dir/bob");
	like(check($box), qr{^mend  maildrop \S+/bob: its working file is none that }m,
	    'beside a maildrop of mbox=');
};

case 'the same for accounts of the system, and one that root has left' => sub {
	needs('root');
	my $box = box();
	my $work = $box->mail . '/.nobody.pop';
	my $n = "$Popper::binary -n -M /bin/true -m " . $box->mail;

	$box->put_file($work, '');
	chown 0, 0, $work;
	unlike(qx($n), qr/^mend  .*\.nobody/m, 'an empty one of root');
	chown 4711, 0, $work;
	like(qx($n), qr/^mend  \.nobody\.pop: belongs to uid 4711, not \d+/m,
	    "another's");
};

case 'boards: how many, which line, and whether they can be read' => sub {
	my $box = box();
	my $boards = $box->dir . '/boards';
	my $news = $box->dir . '/news';

	$box->put_file($news, '');
	$box->put_file($boards, "board news\nmaildrop $news\n");
	chmod 0644, $boards, $news;
	like(check($box, -b => $boards), qr/^ok    boards \S+: 1 boards$/m, 'good');
	chmod 0600, $boards;
	like(check($box, -b => $boards), qr/^mend  boards .* chmod a\+r$/m,
	    'for root alone');
	chmod 0644, $boards;
	unlink $news or die $!;
	like(check($box, -b => $boards), qr/^mend  boards .*: 1 of 1 have no maildrop/m,
	    'no maildrop');
	symlink $boards, $news or die $!;
	like(check($box, -b => $boards), qr/^mend  boards .*: 1 of 1 have no maildrop/m,
	    'a link');
	$box->put_file($boards, "board news\nmaildrp $news\n");
	chmod 0644, $boards;
	like(check($box, -b => $boards), qr/^mend  boards .*: line 2 is not /m,
	    'a wrong line');
};

case 'secrets are for their owner alone' => sub {
	my $box = box();
	my $secrets = $box->dir . '/secrets';

	$box->put_file($secrets, "# APOP\nalice:x\n");
	chown 0, 0, $secrets if $> == 0;
	chmod 0600, $secrets;
	like(check($box, -a => $secrets), qr/^ok    secrets \S+: 2 lines$/m, 'good');
	chmod 0640, $secrets;
	like(check($box, -a => $secrets), qr/^mend  secrets .* chmod 600$/m, 'mode 640');
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
		like(check($box, -N => $names), qr/^mend  denied .* first is line 2$/m,
		    show($line));
	}
};

case 'mail that an older popper or a crash has left is only noted' => sub {
	my $box = box();

	$box->put_file($box->work, letter(9));
	$box->give($box->work, 0600);
	chmod 01777, $box->mail;
	chown 0, 0, $box->mail if $> == 0;
	my ($said, $status) = check($box);
	like($said, qr/^note  maildrops: 1 have mail to be put in order at /m, 'the line');
	is($status, 0, 'the status');
	is(slurp($box->work), letter(9), 'it stays');
};

case 'a spool of another user: whose it should be' => sub {
	needs('root');
	my $box = box();

	rename $box->path, $box->path('nobody') or die $!;
	my $said = qx($Popper::binary -n -m @{[ $box->mail ]} -M /bin/true);
	like($said, qr/^mend  maildrop nobody: belongs to uid \d+: chown nobody$/m,
	    'the line');
};

case '-V: version and build settings' => sub {
	my $said = qx($Popper::binary -V);

	is($?, 0, 'the status');
	like($said, qr/\Apopper 2\.0\n/, 'the version');
	like($said, qr{^spool directory: /}m, 'the spool directory');
	like($said, qr{^sendmail: /}m, 'sendmail');
	like($said, qr/^system calls: (Linux|POSIX)$/m, 'how it was built');
};

done_testing;
