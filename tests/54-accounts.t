# The accounts file of -p: who is in it, and where his maildrop is.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use FindBin qw($Bin);
use POSIX qw(mkfifo);
use Test::More;
use Popper;

# A passwd file whose line for alice has this for a home.
sub home {
	my ($box, $home) = @_;
	my $line = slurp($box->passwd);

	my @field = split /:/, $line, -1;
	$field[5] = $home;
	$box->put_file($box->dir . '/passwd.home', join ':', @field);
	chmod 0600, $box->dir . '/passwd.home';
	chown 0, 0, $box->dir . '/passwd.home' if $> == 0;
	return $box->dir . '/passwd.home';
}

case 'a home of mbox=PATH: the maildrop is that file, and is updated there' => sub {
	my $box = box(spool => undef);
	my $own = $box->mail . '/alice@example.org';

	$box->put_file($own, FX1);
	my $s = $box->login(passwd => home($box, "mbox=$own"));
	$s->dialog(<<~'END');
		C: STAT
		S: +OK 2 48
		C: DELE 1
		S: +OK *
		C: QUIT
		S: +OK *
		-- closed
		END
	is(slurp($own), FX1 =~ s/\A.*?(?=^From carol)//msr, 'the other letter');
	ok(!defined $box->spool, 'no maildrop in the usual place');
};

# What the state file of such a maildrop holds, and what is said of it: in the
# reply to PASS and in the log.
case 'a home of mbox=PATH: the state file is named as the maildrop is' => sub {
	my %said = (
		damaged => [ "nothing of popper's\n",
		    '-ERR [SYS/PERM] The file FILE or the maildrop is damaged; ' .
		    'tell the administrator.',
		    'recover user=alice: FILE or the spool is damaged' ],
		'a link' => [ undef, '-ERR [SYS/PERM] The file FILE is not a ' .
		    'plain file of its user; tell the administrator.',
		    'login: FILE user=alice: Operation not permitted' ],
		'left-over mail' => [ letter(3),
		    '+OK alice has 3 messages (117 octets).',
		    'recover user=alice: putting back mail from FILE' ],
	);

	for my $name ('bob', 'in box') {
		my ($file, $logged) = (".$name.pop", ".$name.pop" =~ s/ /\\x20/r);

		for my $is (sort keys %said) {
			my ($text, $reply, $log) = @{ $said{$is} };
			my $box = box(spool => undef);
			my $own = $box->mail . "/$name";

			$box->put_file($own, FX1);
			defined $text ? $box->put_file($box->work($name), $text) :
			    symlink $own, $box->work($name) or die $!;
			my $s = $box->session(passwd => home($box, "mbox=$own"));
			$s->command('USER alice');
			is($s->command('PASS s3cret'), $reply =~ s/FILE/$file/r,
			    "$file, $is: the reply");
			$s->close->wait;
			ok(index($box->log, ': ' . $log =~ s/FILE/$logged/r . "\n")
			    >= 0, 'the log') or diag($box->log);
			unlike($box->log, qr/\.alice\.pop/, 'and no other name');
		}
	}
};

case 'a home of mbox= without a whole path: refused with a word to the administrator' => sub {
	for my $home ('mbox=', 'mbox=alice', 'mbox=/tmp/', 'mbox=/tmp/.alice',
	    'mbox=/tmp/alice.lock',
	    'mbox=/no/such/place', 'mbox=/' . 'x' x 300) {
		my $box = box();
		my $s = $box->session(passwd => home($box, $home));

		$s->command('USER alice');
		like($s->command('PASS s3cret'), $home eq 'mbox=' ?
		    qr/^\+OK / : qr{^-ERR \[SYS/PERM\] }, substr $home, 0, 30);
		is($box->spool, FX1, 'the usual maildrop is left alone');
	}
};

case 'a line may end behind the group' => sub {
	my $box = box();
	my $short = join ':', (split /:/, slurp($box->passwd))[0 .. 3];
	my $file = $box->dir . '/passwd.short';

	$box->put_file($file, "$short\n");
	chmod 0600, $file;
	chown 0, 0, $file if $> == 0;
	my $s = $box->login(passwd => $file);
	is($s->command('STAT'), '+OK 2 48', 'he has his mail');
	$s->quit;
};

case 'a line that begins with "#" is a comment, and no account' => sub {
	my $box = box();
	my $line = slurp($box->passwd);
	my $file = $box->dir . '/passwd.off';

	$box->put_file($file, "# the accounts\n#$line$line");
	chmod 0600, $file;
	chown 0, 0, $file if $> == 0;
	my $s = $box->session(passwd => $file);
	$s->command('USER #alice');
	like($s->command('PASS s3cret'), qr/^-ERR \[AUTH\]/, 'one that was turned off');
	is($box->login(passwd => $file)->command('STAT'), '+OK 2 48', 'one that was not');
	like(qx($Popper::binary -n -m ${\ $box->mail } -p $file),
	    qr/^ok    accounts \Q$file\E: 3 lines$/m, 'popper -n takes them all');
};

case 'a file of an option that is no file is not waited for' => sub {
	for my $option (qw(-p -A -N -a -b)) {
		for my $thing ('a FIFO', 'a directory') {
			my $box = box();
			my $path = $box->dir . '/thing';

			$thing eq 'a FIFO' ? mkfifo($path, 0600) : mkdir $path, 0700
			    or die "$path: $!";
			chown 0, 0, $path if $> == 0;
			my $s = $box->session(args => [ $option, $path ],
			    $option eq '-p' ? (passwd => undef) : ());
			$s->command('USER alice');
			my $reply = $s->command('PASS s3cret');
			$reply = $s->command('XTND BBOARDS')
			    if $option eq '-b' && $reply =~ /^\+OK/;
			like($reply, qr/^-ERR \[SYS\/(TEMP|PERM)\]/, "$option: $thing");
		}
	}
};

# A file of accounts, of root's.
sub root_file {
	my ($box, $name, $text) = @_;
	my $path = $box->dir . "/$name";

	$box->put_file($path, $text);
	chmod 0600, $path;
	chown 0, 0, $path if $> == 0;
	return $path;
}

case 'a file that cannot be read to its end: a temporary failure' => sub {
	needs('strace');
	my $box = box();
	my %text = (-p => slurp($box->passwd), -A => "alice\n", -N => "bob\n",
	    -a => "alice:tanstaaf\n");
	my %before = (-p => "bob:x:1:1:::\n", -A => "carol\n", -N => "carol\n",
	    -a => "carol:secret\n");

	for my $option (qw(-p -A -N -a)) {
		for my $read (1, 2) {
			my $path = root_file($box, "file$option", $before{$option} x 1000 .
			    $text{$option});
			my $s = $box->session(args => [ $option, $path ],
			    $option eq '-p' ? (passwd => undef) : (),
			    under => [ strace($box->dir . '/strace', '-f', '-P', $path,
			    '-e', 'trace=read,readv', '-e', "inject=read,readv:error=EIO:when=$read") ]);

			$s->command('USER alice');
			is($s->command('PASS s3cret'), '-ERR [SYS/TEMP] Accounts cannot be '
			    . 'looked up now.', "$option, read $read");
			$s->wait;
			like($box->log, qr/ login: cannot check accounts: \Q$path\E user=alice: (?:Input\/output|I\/O) error\n(?:.*\n){2}\z/,
			    'the log');
		}
	}
};

# ---- a name service with several names for one account ----------------------

# A box and what a session of it needs to ask tests/nss.c.
sub name_service {
	needs('root');
	my $box = box();
	my $dir = $box->dir;
	my $cc = $ENV{CC} || 'cc';
	my @under = ('unshare', '-m', '--propagation', 'private', $^X, '-e', <<~'END', "$dir/nsswitch");
		system('mount', '--bind', shift, '/etc/nsswitch.conf') == 0 or exit 99;
		exec @ARGV;
		END

	$box->put_file("$dir/nsswitch", "passwd: poppertest\nshadow: files\n");
	chmod 0644, "$dir/nsswitch";
	plan skip_all => 'a libc without name services'
	    if slurp($Popper::binary) !~ /libc\.so\.6/;
	plan skip_all => "$cc cannot build a name service" if system("$cc -shared -fPIC -o "
	    . "$dir/libnss_poppertest.so.2 $Bin/nss.c >/dev/null 2>&1") != 0;
	plan skip_all => 'no mount namespace can be made' if system(@under, 'true') != 0;
	$box->put(FX1, 'ptfold');
	return ($box, passwd => undef, under => \@under, env => {
		LD_LIBRARY_PATH => $dir, PT_UID => $Popper::uid,
		PT_HASH => (split /:/, slurp($box->passwd))[1] });
}

case 'an account has one name, whatever its name service calls it by' => sub {
	my ($box, @session) = name_service();
	my %file = (names => "ptfold\n", secrets => "ptfold:tanstaaf\nPTFOLD:tanstaaf\n",
	    odd => "PTFOLD\nptfold\@example.org\n");

	for (keys %file) {
		$box->put_file($box->dir . "/$_", $file{$_});
		chown 0, 0, $box->dir . "/$_";
		$file{$_} = $box->dir . "/$_";
	}
	my @own = (
		[ 'no option', '+OK ptfold has 2 messages (48 octets).' ],
		[ '-A', '+OK ptfold has 2 messages (48 octets).', -A => $file{names} ],
		[ '-N', '-ERR [AUTH] Password supplied for "ptfold" is incorrect.',
		    -N => $file{names} ],
	);
	for (@own) {
		my ($what, $reply, @args) = @$_;
		my $s = $box->session(@session, args => \@args);
		$s->command('USER ptfold');
		is($s->command('PASS s3cret'), $reply, "its own name, $what");
		$s->close;
	}
	unlink $box->work('ptfold');
	for my $name ('PTFOLD', 'Ptfold', 'ptfold@example.org') {
		for my $args ([], [-A => $file{odd}], [-N => $file{names}],
		    [-c => '/bin/true'], [-a => $file{secrets}]) {
			my $s = $box->session(@session, args => $args);
			my ($stamp) = $s->greeting =~ /(<.*>)/;

			$s->send(defined $stamp ? "APOP $name " . md5_hex($stamp . 'tanstaaf') :
			    ("USER $name", 'PASS s3cret'));
			my $reply = (grep { !/^\+OK Password/ } split /\r\n/, $s->slurp)[0];
			$s->wait;
			is($reply, qq(-ERR [AUTH] Password supplied for "$name" is incorrect.),
			    "$name, " . ($args->[0] // 'no option'));
			like($box->log, qr/ failed login user=\Q$name\E addr=local reason=alias\n[^\n]*\n\z/,
			    'the log');
		}
	}
	is_deeply([ map { s{.*/}{}r } glob $box->mail . '/.??*' ], [], 'nothing is left there');
};

case 'shadow(5) cannot be read: no account is said to have another password' => sub {
	needs('strace', 'plain');
	my ($box, %session) = name_service();
	my $under = delete $session{under};
	$session{env}{PT_HASH} = 'x';

	for my $name ('ptfold', 'ptnobody') {
		my $s = $box->session(%session, under => [ @$under,
		    strace($box->dir . '/strace', '-f', '-P', '/etc/shadow', '-e',
		    'trace=openat', '-e', 'inject=openat:error=EMFILE') ]);

		$s->command("USER $name");
		is($s->command('PASS s3cret'), '-ERR [SYS/TEMP] Accounts cannot be looked '
		    . 'up now.', $name);
		$s->wait;
		like($box->log, qr/ cannot check accounts: passwd user=$name: Too many open files$/m,
		    'the log');
	}
};

case 'a name service that does not answer: the limit of -l, or a signal, ends it' => sub {
	my ($box, @session) = name_service();
	my $s = $box->session(@session, args => ['-l', 2]);

	$s->command('USER ptslow');
	is($s->command('PASS s3cret'), '-ERR [SYS/TEMP] Accounts cannot be looked up now.',
	    'said in time');
	is($s->wait, 0, 'exit status');
	like($box->log, qr/ login: cannot check accounts: passwd user=ptslow: Connection timed out$/m,
	    'the log');
	$s = $box->session(@session);
	$s->send('USER ptslow', 'PASS s3cret');
	eventually { slurp('/proc/' . $s->pid . '/task/' . $s->pid . '/children') };
	$s->kill('TERM');
	unlike($s->slurp, qr/^(\+OK ptslow|-ERR)/m, 'no reply to PASS');
	is($s->wait, 0, 'exit status');
	like($box->log, qr/ end user=ptslow addr=local reason=signal /, 'the log');
};

done_testing;
