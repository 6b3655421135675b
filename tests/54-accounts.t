# The accounts file of -p: who is in it, and where his maildrop is.

use strict;
use warnings;

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

done_testing;
