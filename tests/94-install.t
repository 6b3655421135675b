# make install puts each thing where doc/SETUP says, with the paths of this
# installation in it; make uninstall takes all of it away again.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;
use Popper;

my $dir = tempdir('popper-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);

sub make {
	my ($target) = @_;
	my $said = qx(make -s $target DESTDIR=$dir PREFIX=/opt/mail 2>&1);
	is($?, 0, "make $target") or diag($said);
	return $said;
}

sub installed {
	return sort map { s/^\Q$dir\E//r } split /\n/, qx(find $dir ! -type d);
}

my @recipes = map { s{^contrib/}{}r } grep { -f && !m{\.c\z|^contrib/(?:checkpassword-pam|keep-uidl|popstat)\z} }
    glob('contrib/* contrib/*/*');

case 'make install' => sub {
	my $examples = '/opt/mail/share/doc/popper/examples';
	my @scripts = map { "/opt/mail/lib/popper/$_" }
	    qw(checkpassword-pam keep-uidl popstat);
	my @manuals = map { "/opt/mail/share/man/$_" } qw(man1/popcard.1
	    man5/popper-boards.5 man5/popper-passwd.5 man7/popper-messages.7
	    man8/popper.8);

	my $umask = umask 077;
	make('install');
	umask $umask;
	is(qx(find $dir/opt ! -perm -044 -o -type d ! -perm -011), '',
	    'all users can read it, whatever the umask');
	cmp_ok(scalar @recipes, '>', 10, 'there are recipes');
	is(join("\n", installed()), join("\n", sort @scripts, @manuals,
	    '/opt/mail/bin/popcard', '/opt/mail/sbin/popper',
	    map { "$examples/$_" } @recipes), 'these files and no others');
	is(qx(grep -rlI /usr/local/sbin $dir), '',
	    'no recipe or manual names another popper');
	like(slurp("$dir$examples/stunnel/popper-pop3s.conf"),
	    qr{^exec = /opt/mail/sbin/popper$}m, 'but this one');
	like(qx($dir/opt/mail/lib/popper/popstat -h), qr/^usage: popstat/,
	    'a script can be run');
};

case 'make uninstall' => sub {
	my $said = make('uninstall');

	is(join("\n", installed()), '', 'nothing is left');
	like($said, qr{inetd\.conf.*stunnel.*mail}s, 'it says what stays');
};

done_testing;
