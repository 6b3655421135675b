# Who gets in: RFC 1939 4 and 7, RFC 3206, and the states of RFC 1939 3.

use strict;
use warnings;

use Test::More;
use Popper;

case 'states: commands of TRANSACTION are refused before login [RFC 1939 3]' => sub {
	my $s = box()->session;

	for my $line ('NOOP', 'STAT', 'LIST', 'LIST 1', 'RETR 1', 'DELE 1',
	    'RSET', 'TOP 1 0', 'UIDL', 'UIDL 1', 'LAST', 'XTND BBOARDS',
	    'XTND XMIT', 'XTND') {
		like($s->command($line), qr/^-ERR /, $line);
	}
	$s->dialog("C: USER alice\nS: +OK *\nC: STAT\nS: -ERR *\n");
};

case 'states: commands of AUTHORIZATION are refused after login [RFC 1939 3]' => sub {
	my $s = box(accounts => { alice => 's3cret', bob => 'b' })->login;

	for my $line ('USER bob', 'PASS b', 'USER alice', 'PASS s3cret',
	    'RPOP alice', 'APOP alice c4c9334bac560ecc979e58001b3e22fb',
	    'STLS', 'AUTH PLAIN AGFsaWNlAHMzY3JldA==') {
		like($s->command($line), qr/^-ERR /, $line);
	}
	is($s->command('STAT'), '+OK 2 48', 'the session goes on');
};

case 'login: USER, then PASS [RFC 1939 7]' => sub {
	my $s = box()->session;

	$s->dialog(<<~'END');
		C: USER alice
		S: +OK *
		C: PASS s3cret
		S: +OK *
		C: STAT
		S: +OK 2 48
		C: QUIT
		S: +OK *
		-- closed
		END
	is($s->wait, 0, 'exit status');
};

case 'USER: the reply does not tell whether there is such a user [RFC 1939 7, 13]'
    => sub {
	my $box = box();
	my ($known, $unknown) = map { $box->session->command("USER $_") }
	    'alice', 'nobody';

	like($known, qr/^\+OK /, 'a user');
	$unknown =~ s/nobody/alice/g;
	is($unknown, $known, 'nobody');
};

for (['PASS: only after USER [RFC 1939 7]', ''],
    ['PASS: after one of wrong form USER comes again [RFC 1081]', <<'END']) {
	C: USER bob
	S: +OK *
	C: PASS
	S: -ERR *
END
	my ($title, $before) = @$_;

	case $title => sub {
		box()->session->dialog($before . <<'END');
	C: PASS s3cret
	S: -ERR *
	C: USER alice
	S: +OK *
	C: PASS s3cret
	S: +OK *
END
	};
}

case 'PASS: needs a password' => sub {
	my $s = box(accounts => { alice => '' })->session;

	$s->dialog("C: USER alice\nS: +OK *\nC: PASS\nS: -ERR *\n");
	$s = box()->session;
	$s->dialog("C: USER alice\nS: +OK *\n");
	like($s->command('PASS '), qr/^-ERR /, 'an empty one');
};

case 'PASS: blanks belong to the password [RFC 1939 7]' => sub {
	for my $password ('a b  c', ' a', 'a ', ' ', '  a  b  ') {
		my $s = box(accounts => { alice => $password })->session;

		$s->command('USER alice');
		like($s->command("PASS $password"), qr/^\+OK /, "'$password'");
	}
	for my $wrong ('a b c', 'a b  c ', ' a b  c', 'a') {
		my $s = box(accounts => { alice => 'a b  c' })->session;

		$s->command('USER alice');
		like($s->command("PASS $wrong"), qr/^-ERR \[AUTH\] /, "'$wrong'");
	}
};

case 'PASS: upper and lower case differ, in name and password' => sub {
	for (['Alice', 's3cret'], ['alice', 'S3cret'], ['alice', 's3cre'],
	    ['alice', 's3crett'], ['alic', 's3cret']) {
		my ($user, $password) = @$_;
		my $s = box()->session;

		$s->command("USER $user");
		like($s->command("PASS $password"), qr/^-ERR \[AUTH\] /,
		    "$user, $password");
	}
};

# Their spools would be other files of the spool directory.
case 'PASS: a name that a lock file or a state file has is no account' => sub {
	my @names = ('alice.lock', 'x.lock', '.alice', '.alice.pop', '-alice', 'nobody');
	my @others = ('alice.locks', 'alice.lock.x', 'lock', 'alicelock', 'alice.pop');
	my $box = box(accounts => { map { $_ => 's3cret' } 'alice',
	    grep { $_ ne 'nobody' } @names, @others });
	my $first = $box->login;

	for my $name (@names) {
		$box->session->dialog(<<~"END", $name);
			C: USER $name
			S: +OK Password required for $name.
			C: PASS s3cret
			S: -ERR [AUTH] Password supplied for "$name" is incorrect.
			-- closed
			END
	}
	is_deeply([ $box->log =~ / failed login user=(.*)/g ],
	    [ map { "$_ addr=local reason=unknown" } @names ], 'the log');
	is(join(' ', map { s{.*/}{}r } glob $box->mail . '/{*,.[!.]*}'), 'alice .alice.pop',
	    'the spool directory');
	for my $name (@others) {
		is($box->login(user => $name)->command('STAT'), '+OK 0 0', "$name is one");
	}
};

case 'PASS: a wrong one is refused and ends the session [RFC 3206 5]' => sub {
	my $s = box()->session;

	$s->dialog(<<~'END');
		C: USER alice
		S: +OK *
		C: PASS wrong
		S: -ERR [AUTH] *
		-- closed
		END
};

case 'PASS: a refusal has one text, whatever its cause [RFC 1939 13]' => sub {
	my $box = refusing_box();
	my %said;

	for my $user (qw(alice nobody locked star empty half root other)) {
		my $s = $box->session;

		$s->command("USER $user");
		my $reply = $s->command('PASS wrong');
		is($s->slurp, '', "$user: the end");
		is($s->wait, 0, "$user: exit status");
		$reply =~ s/\Q$user\E/NAME/g;
		push @{ $said{$reply} }, $user;
	}
	is(scalar keys %said, 1, 'one text') or diag(explain(\%said));
	like((keys %said)[0], qr/^-ERR \[AUTH\] /, 'with its code');
};

case 'PASS: the right password does not open a closed account' => sub {
	my $box = refusing_box();

	for (['locked', 's3cret'], ['locked', '!'], ['star', '*'],
	    ['star', 's3cret'], ['empty', ' '], ['empty', 's3cret'],
	    ['half', 's3cret'], ['half', '$5$'], ['root', 's3cret'],
	    ['other', 's3cret'], ['nobody', 's3cret']) {
		my ($user, $password) = @$_;

		# Root may serve any uid but 0; a user only his own, which is
		# no fault of the password.
		next if $user eq 'other' && $> == 0;
		my $code = $user eq 'other' ? 'SYS/PERM' : 'AUTH';
		my $s = $box->session;
		$s->command("USER $user");
		like($s->command("PASS $password"), qr/^-ERR \[$code\] /,
		    "$user, '$password'");
		is($s->slurp, '', 'the end');
	}
};

# A clock that ran on proves it: the reply cannot have come before.
case 'PASS: a refusal waits as long as -f says, for every cause' => sub {
	my $box = refusing_box();

	for my $user (qw(alice nobody locked)) {
		my $s = $box->session(args => ['-f', 1]);

		$s->command("USER $user");
		my $start = now();
		$s->command('PASS wrong');
		cmp_ok(now() - $start, '>=', 1, $user);
	}
};

# RFC 1081 allows no second USER after the first; whoever does so must not mix
# the two: the password opens the maildrop of the name that was accepted.
case 'USER twice: never one name with the password of the other' => sub {
	my %mail = (s3cret => 2, b0b => 1);

	for my $password (sort keys %mail) {
		my $box = box(accounts => { alice => 's3cret', bob => 'b0b' });
		$box->put(letter(7), 'bob');
		my $s = $box->session;
		$s->command('USER alice');
		my $name = $s->command('USER bob') =~ /^\+OK/ ? 'bob' : 'alice';
		my $opens = $password eq ($name eq 'bob' ? 'b0b' : 's3cret');

		like($s->command("PASS $password"),
		    $opens ? qr/^\+OK / : qr/^-ERR \[AUTH\] /,
		    "$name is the name, $password the password");
		like($s->command('STAT'), qr/^\+OK $mail{$password} /,
		    'and the mail is of that name') if $opens;
	}
};

case 'USER: names that are no file names open no file' => sub {
	my $box = box(accounts => { map { $_ => 's3cret' }
	    'alice', '.', '..', '../alice', 'a/b', '.alice.pop' });

	for my $name ('.', '..', '../alice', 'a/b', '/etc/passwd') {
		my $s = $box->session;

		$s->command("USER $name");
		like($s->command('PASS s3cret'), qr/^-ERR /, $name);
	}
	is($box->spool, FX1, 'the maildrop is as it was');
};

case 'RPOP: known, and always refused [RFC 1081]' => sub {
	my $s = box()->session;

	$s->dialog(<<~'END');
		C: RPOP alice
		S: -ERR *
		C: USER alice
		S: +OK *
		C: RPOP alice
		S: -ERR [AUTH] *
		END
};

case 'APOP: not offered, so no timestamp and no login by it [RFC 1939 7]' => sub {
	my $s = box()->session;

	unlike($s->greeting, qr/</, 'the greeting');
	like($s->command('APOP alice c4c9334bac560ecc979e58001b3e22fb'),
	    qr/^-ERR /, 'APOP');
};

case 'QUIT before login: +OK, and the mail is not touched [RFC 1081]' => sub {
	for my $before ('', "C: USER alice\nS: +OK *\n") {
		my $box = box();
		my $was = $box->stat;

		$box->session->dialog("${before}C: QUIT\nS: +OK *\n-- closed\n");
		is($box->spool, FX1, 'the spool');
		is($box->stat->{mtime}, $was->{mtime}, 'its time');
		ok(!-e $box->work, 'no state file');
	}
};

case 'passwords: every kind of hash that crypt(3) knows' => sub {
	my %salt = (
		'SHA-512' => '$6$rounds=1000$saltsalt$',
		'SHA-256' => '$5$rounds=1000$saltsalt$',
		'MD5' => '$1$saltsalt$',
		'yescrypt' => '$y$j75$saltsalt$',
		'bcrypt' => '$2b$04$abcdefghijklmnopqrstuu',
	);

	for my $kind (sort keys %salt) {
		my $hash = crypt 's3cret', $salt{$kind};

		SKIP: {
			skip("crypt(3) lacks $kind", 2) unless defined $hash
			    && index($hash, substr $salt{$kind}, 0, 3) == 0;
			my $box = box(accounts => { alice => { hash => $hash } });
			my $s = $box->session;
			$s->command('USER alice');
			like($s->command('PASS s3cret'), qr/^\+OK /, $kind);
			$s = $box->session;
			$s->command('USER alice');
			like($s->command('PASS wrong'), qr/^-ERR /, "$kind: wrong");
		}
	}
};

case 'the passwd file: odd lines and no file at all let nobody in' => sub {
	my $hash = Popper::Box::hash('s3cret');

	for my $text ('', "\n", "alice\n", "alice:$hash\n",
	    "alice:$hash:x:y:::\n", "alice:$hash:-1:-1:::\n",
	    "alice:$hash:99999999999999999999:1:::\n", ":$hash:1:1:::\n",
	    "alice:$hash:0:0:::\n", "#alice:$hash:1:1:::\n",
	    "alice:\0$hash:1:1:::\n", undef) {
		my $box = box();

		unlink $box->passwd;
		if (defined $text) {
			open my $fh, '>', $box->passwd or die $!;
			print $fh $text;
			close $fh;
		}
		my $s = $box->session(greeting => 0);
		$s->send('USER alice', 'PASS s3cret');
		my $said = $s->slurp;
		like($said, qr/^-ERR \[(AUTH|SYS\/(TEMP|PERM))\]/m,
		    show($text // '(none)'));
		unlike($said, qr/messages/, 'no login');
	}
};

case 'the passwd file: the others in it do no harm' => sub {
	my $box = box();
	my $passwd = slurp($box->passwd);

	open my $fh, '>', $box->passwd or die $!;
	print $fh "\nrubbish\n::::::\n", 'x' x 100_000, "\nalice2:*:1:1:::\n",
	    $passwd, "alice:*:1:1:::\n";
	close $fh;
	is($box->login->command('STAT'), '+OK 2 48', 'the line is found');
};

case 'time to log in: over with it the line closes without a word' => sub {
	for my $lines ([], ['USER alice']) {
		my $box = box();
		my $s = $box->session(args => ['-l', 1]);

		$s->command($_) for @$lines;
		is($s->slurp, '', 'nothing is sent');
		is($s->wait, 0, 'exit status');
		like($box->log, qr/reason=timeout/, 'the log knows why');
	}
};

case 'time to log in: refused commands do not lengthen it' => sub {
	my $s = box()->session(args => ['-l', 2]);
	my $start = now();

	# A client that talks twice a second would otherwise stay for ever.
	while (now() - $start < $Popper::patience) {
		$s->send('CAPA') or last;
		Time::HiRes::sleep(0.5);
	}
	cmp_ok(now() - $start, '<', $Popper::patience, 'the daemon hung up');
};

# Accounts that must not get in, each for another reason.
sub refusing_box {
	my $hash = Popper::Box::hash('s3cret');

	return box(accounts => {
		alice => 's3cret',
		locked => { hash => "!$hash" },
		star => { hash => '*' },
		empty => { hash => '' },
		half => { hash => substr $hash, 0, 20 },
		root => { hash => $hash, uid => 0, gid => 0 },
		other => { hash => $hash, uid => $Popper::uid + 1 },
	});
}

case 'a refusal is not lost to commands that were sent behind the password' => sub {
	my $box = box();
	my $s = $box->session(over => 'tcp', args => ['-f', 1]);
	my ($said, $n) = ('');

	$s->send('USER alice', 'PASS wrong');
	ok(eventually { $box->log =~ / failed login / }, 'it is refused');
	$s->send('STAT', 'QUIT');
	is($s->wait, 0, 'exit status');
	$s->{read}->blocking(1);
	1 while ($n = sysread $s->{read}, $said, 1000, length $said);
	ok(defined $n, 'the end is no reset') or diag($!);
	like($said, qr/^-ERR \[AUTH\] [^\r\n]*\r\n\z/m, 'the reply');
};

done_testing;
