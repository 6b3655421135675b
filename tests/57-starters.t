# popper -n looks at what starts popper on this machine: inetd, xinetd, systemd and
# stunnel.  Each case has an /etc that is a copy, in a mount namespace.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;
use Popper;

needs('root');
my $dir = tempdir('popper-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;
my $popper = "$dir/popper";
system('cp', $Popper::binary, $popper) == 0 or die 'cp';
plan skip_all => 'no mount namespace can be made here'
    if system("unshare -m mount --bind $dir $dir 2>/dev/null") != 0;

system('cp', '-a', '/etc', "$dir/etc") == 0 or die 'cp';

# Each case begins without those files that any of them has.
my $setup = <<"END";
mount --bind $dir/etc /etc
rm -rf /etc/inetd.conf /etc/xinetd.d /etc/default/popper /etc/stunnel
rm -rf /etc/systemd/system/popper* /etc/systemd/system/sockets.target.wants
mkdir -p /etc/xinetd.d /etc/stunnel /etc/systemd/system/sockets.target.wants
rm -rf $dir/run && mkdir $dir/run && mount --bind $dir/run /run
END

# What -n says of these files: the lines about starting and about TLS.
sub said {
	my (%file) = @_;
	my $script = $setup;

	for my $name (sort keys %file) {
		my $text = $file{$name} =~ s/OURS/$popper/gr;
		$script .= "mkdir -p \$(dirname $name); cat >$name <<'EOF'\n$text\nEOF\n";
	}
	open my $out, '-|', 'unshare', '-m', 'sh', '-ec',
	    "{ $script } >&2\nexec $Popper::binary -n" or die "unshare: $!";
	my $said = join '', grep { /^\S+ +(?:start|TLS)/ } <$out>;
	close $out;
	return $said =~ s/\Q$popper\E/OURS/gr;
}

my $inetd = '/etc/inetd.conf';
my $in_inetd = "pop3\tstream\ttcp\tnowait\troot\tOURS\tpopper";
my $clear = 'takes passwords in the clear; -P local would not';
my $none = 'warn  TLS: none; passwords and mail cross the network in the clear';
my $local = 'warn  TLS: none; only clients on this machine can log in';

sub recipe {
	my ($name) = @_;
	return slurp("contrib/$name") =~ s{/usr/local/sbin/popper}{OURS}gr;
}

my %systemd = (
	'/etc/systemd/system/popper@.service' => recipe('systemd/popper@.service'),
	'/etc/systemd/system/sockets.target.wants/popper.socket' =>
	    recipe('systemd/popper.socket'),
	'/run/systemd/system/x' => '',
);
my $pop3s = '/etc/stunnel/popper-pop3s.conf';

for ([ 'nothing at all', {}, $none ],
    [ 'inetd, with the line of an older popper', { $inetd => $in_inetd },
	"warn  start $inetd: popper: $clear", $none ],
    [ 'inetd, -P local', { $inetd => "$in_inetd -P local" },
	"ok    start $inetd: popper -P local", $local ],
    [ 'inetd, -P always', { $inetd => "$in_inetd -P always" },
	"warn  start $inetd: popper -P always: $clear", $none ],
    [ 'inetd, options that stand together', { $inetd => "$in_inetd -rsPlocal" },
	"ok    start $inetd: popper -rsPlocal", $local ],
    [ 'inetd, two options of which the last one counts',
	{ $inetd => "$in_inetd -P local -rPalways" },
	"warn  start $inetd: popper -P local -rPalways: $clear", $none ],
    [ 'inetd, a value that looks like an option', { $inetd => "$in_inetd -t -T -m/x -n" },
	"warn  start $inetd: popper -t -T -m/x -n: $clear", $none ],
    [ 'inetd, tcpd', { $inetd => $in_inetd =~ s/OURS.*/\/usr\/sbin\/tcpd OURS -rP local/r },
	"ok    start $inetd: -rP local", $local ],
    [ 'inetd, a line that is off, and another service',
	{ $inetd => "#<off># $in_inetd\nftp stream tcp nowait root /bin/ftpd ftpd" },
	$none ],
    [ 'inetd, a program that is gone', { $inetd => $in_inetd =~ s/OURS/$&-1\/popper/r },
	"FAIL  start $inetd: OURS-1/popper: No such file or directory", $none ],
    [ 'xinetd, the recipe', { '/etc/xinetd.d/popper' => recipe('superservers/xinetd.conf') },
	"warn  start /etc/xinetd.d/popper: popper: $clear", $none ],
    [ 'xinetd, turned off', { '/etc/xinetd.d/popper' =>
	recipe('superservers/xinetd.conf') =~ s/\{\n/{\n\tdisable\t\t= yes\n/r }, $none ],
    [ 'systemd, the recipe', { %systemd },
	"warn  start popper.socket: popper: $clear", $none ],
    [ "systemd, with the package's options", { %systemd,
	'/etc/default/popper' => slurp('debian/popper.default') },
	'ok    start popper.socket: popper -P local', $local ],
    [ 'systemd, options in other quotes', { %systemd,
	'/etc/default/popper' => "POPPER_OPTIONS='-P local'" },
	'ok    start popper.socket: popper -P local', $local ],
    [ 'systemd, options in the unit itself', { %systemd,
	'/etc/systemd/system/popper@.service' => recipe('systemd/popper@.service')
	    =~ s/^ExecStart=.*/ExecStart=OURS -P local -s/mr,
	'/etc/default/popper' => 'POPPER_OPTIONS="-P always"' },
	'ok    start popper.socket: popper -P local -s', $local ],
    [ 'systemd, options in both files', { %systemd,
	'/etc/systemd/system/popper@.service' => recipe('systemd/popper@.service')
	    =~ s/^ExecStart=.*/$& -P local/mr,
	'/etc/default/popper' => 'POPPER_OPTIONS="-s -P always"' },
	'ok    start popper.socket: popper -s -P always -P local', $local ],
    [ 'systemd and inetd', { %systemd, $inetd => "$in_inetd -P local" },
	"warn  start popper.socket: popper: $clear",
	"ok    start $inetd: popper -P local",
	'FAIL  start: popper.socket and /etc/inetd.conf both want port 110: remove one of them',
	$none ],
    [ 'stunnel, the recipe', { $pop3s => recipe('stunnel/popper-pop3s.conf') },
	"ok    start $pop3s: popper -T", "ok    TLS: set up in $pop3s" ],
    [ 'stunnel, as make install would not have it',
	{ $pop3s => recipe('stunnel/popper-pop3s.conf') =~ s{OURS}{/gone/popper}r },
	"FAIL  start $pop3s: /gone/popper: No such file or directory", $none ],
    [ 'stunnel for other services', { '/etc/stunnel/web.conf' =>
	"[web]\naccept = 443\nexec = /bin/true\nexecArgs = true -T" }, $none ],
    [ 'stunnel that passes on to inetd', {
	$inetd => "127.0.0.1:1995 stream tcp nowait root OURS popper -T -H on",
	'/etc/stunnel/p.conf' => recipe('stunnel/popper-proxy.conf') },
	"ok    start $inetd: popper -T -H on", "ok    TLS: set up in $inetd" ]) {
	my ($title, $files, @lines) = @$_;

	case $title => sub {
		is(said(%$files), join('', map { "$_\n" } @lines), 'the lines');
	};
}

case 'only for the spool directory of the system' => sub {
	my $said = qx($popper -n -m $dir 2>&1);
	unlike($said, qr/^\S+ +start/m, 'a trial has nothing to do with it');
};

done_testing;
