# -m with a %: spool directories by the letters of the name.

use strict;
use warnings;

use Test::More;
use Popper;

# A box whose mail is in directories of one or two levels, all made for FX1.
sub leveled {
	my ($pattern, %where) = @_;
	my $box = box(spool => undef, accounts => { map { $_ => 's3cret' } keys %where });

	chown 0, 0, $box->mail if $> == 0;
	for my $name (sort keys %where) {
		make_dir($box, $where{$name});
		$box->put(FX1, "$where{$name}/$name");
	}
	return ($box, args => [ -m => $box->mail . "/$pattern" ]);
}

sub make_dir {
	my ($box, $path) = @_;
	my $at = $box->mail;

	for my $part (split m{/}, $path) {
		$at .= "/$part";
		mkdir $at, 0755;
		chmod 0755, $at;
	}
	chown 0, 8, $at if $> == 0;
	chmod 02775, $at if $> == 0;
}

sub log_in {
	my ($box, $name, @session) = @_;
	my $s = $box->session(@session);

	$s->command("USER $name");
	return ($s, $s->command('PASS s3cret'));
}

my %levels = (
	'%' => { alice => 'a', a => 'a', Alice => 'A', 'x.y' => 'x', "\xc3\xa4" => "\xc3",
	    '%' => '%' },
	'%/%' => { alice => 'a/l', a => 'a/_', Alice => 'A/l', 'x.y' => 'x/_', 'x-y' => 'x/-',
	    'x_y' => 'x/_', "\xc3\xa4" => "\xc3/\xa4", 'al@example.org' => 'a/l' },
	'%%' => { alice => 'al', a => 'a_', 'a..b' => 'a_' },
	'%/%/%/x' => { alice => 'a/l/i/x', al => 'a/l/_/x' },
);

for my $pattern (sort keys %levels) {
	case "-m DIR/$pattern: each name has its directory" => sub {
		my %where = %{ $levels{$pattern} };
		my ($box, @session) = leveled($pattern, %where);

		for my $name (sort keys %where) {
			my ($s, $reply) = log_in($box, $name, @session);
			my $shown = $name =~ s/[^\x20-\x7e]/?/gr;
			is($reply, "+OK $shown has 2 messages (48 octets).", show("$name: $where{$name}"));
			$s->command('DELE 1');
			$s->quit;
			unlike($box->spool("$where{$name}/$name"), qr/^From bob/m, 'DELE');
			ok(-f $box->mail . "/$where{$name}/.$name.pop", 'the state file');
			ok(!-e $box->dotlock("$where{$name}/$name"), 'the lock file is gone');
		}
		my $n = keys %where;
		like(scalar qx($Popper::binary -n -x -m '$session[1][1]' -p @{[ $box->passwd ]}),
		    qr/^ok    maildrops: $n$/m, 'popper -n: all of them');
	};
}

case 'a directory that is missing, or is not for the user' => sub {
	my ($box, @session) = leveled('%', alice => 'a');

	$box->accounts({ alice => 's3cret', bob => 's3cret' });
	my (undef, $reply) = log_in($box, 'bob', @session);
	is($reply, '-ERR [SYS/PERM] The spool directory cannot be used; tell the administrator.',
	    'the reply');
	like($box->log, qr{ login: dir=\S+/mail/% user=bob: No such file or directory$}m, 'the log');
	(undef, $reply) = log_in($box, 'alice', args => [ -m => $box->mail . '/%' . '/x' x 600 ]);
	is($reply, '-ERR [SYS/PERM] The spool directory cannot be used; tell the administrator.',
	    'a path that is too long');
};

case 'maildrops are moved as doc/SCALING says, with their state files' => sub {
	needs('root');
	my $box = box(accounts => { alice => 's3cret', bob => 's3cret' });
	my ($mail, $page) = ($box->mail, slurp('doc/SCALING'));
	my ($move) = $page =~ m{^(    cd /var/mail\n.*?    done\n)}ms;

	$box->put(FX1, 'bob');
	chown 0, 8, $mail;
	chmod 02775, $mail;
	my $before = $box->login;
	my $uidl = $before->uidl;
	$before->quit;
	$box->put_file($box->work('carol'), '');
	chown 0, 0, $mail;
	make_dir($box, $_) for 'a', 'b', 'c';
	chmod 0755, $mail;
	system($move =~ s{/var/mail}{$mail}r) == 0 or die 'cannot move';
	is(join(' ', map { s{^\Q$mail\E/}{}r } sort grep { -f } glob "$mail/{.,}* $mail/*/{.,}*"),
	    'a/.alice.pop a/alice b/bob c/.carol.pop', 'where they are');
	my ($s, $reply) = log_in($box, 'alice', args => [ -m => "$mail/%" ]);
	is($reply, '+OK alice has 2 messages (48 octets).', 'a login');
	is_deeply($s->uidl, $uidl, 'with the same unique-ids');
	$s->quit;
};

# ---- popper -n --------------------------------------------------------------

# What it says of directories and maildrops.
sub check {
	my ($box, $pattern) = @_;
	my $mail = $box->mail;

	return join '', map { s/\Q$mail\E/MAIL/gr } grep { /spool dir|maildrop|locks/ }
	    split /^/m, qx($Popper::binary -n -x -m '$mail/$pattern' -p @{[ $box->passwd ]});
}

case 'popper -n: each directory is looked at' => sub {
	needs('root');
	my ($box) = leveled('%', alice => 'a', bob => 'b');

	make_dir($box, 'c');
	is(check($box, '%'), <<~'END', 'as they should be');
		ok    spool directory MAIL/a: mode 2775, lock files can be made
		ok    kernel locks work
		ok    spool directory MAIL/%: 3 directories
		ok    maildrops: 2
		END
	chmod 0777, $box->mail . '/c';
	like(check($box, '%'), qr{^FAIL  spool directory MAIL/c: mode 0777 lets any user remove}m,
	    'one that any user can write to');
	chmod 02775, $box->mail . '/c';
	chown 0, 8, $box->mail;
	chmod 02775, $box->mail;
	is(() = check($box, '%') =~ m{^FAIL  spool directory MAIL/[abc]: others can put another in its}mg,
	    3, 'below one that a group can write to');
};

case 'popper -n: maildrops that no login finds' => sub {
	needs('root');
	my ($box) = leveled('%', alice => 'a', bob => 'b');

	$box->put(FX1, 'b/alice');
	rename $box->mail . '/b/bob', $box->mail . '/a/bob' or die $!;
	my $said = check($box, '%');
	like($said, qr{^warn  maildrop alice: no login finds it in MAIL/b$}m, 'another one');
	like($said, qr{^warn  maildrop bob: no login finds it in MAIL/a$}m, 'the only one');
	like($said, qr{^ok    maildrops: 1$}m, 'and one that it does');
	rename $box->mail . '/b', $box->mail . '/x' or die $!;
	like(check($box, '%'), qr{^FAIL  maildrop bob: The spool directory cannot be used: No such file}m,
	    'no directory for a user');
	is(check($box, '%/%'), <<~'END', 'no directory at all');
		FAIL  spool directory MAIL/%/%: there is no directory of that form: see popper(8)
		END
};

done_testing;
