package Peers;

# The servers that are measured, and a machine of their own for them: in
# namespaces (unshare(1)) where /etc, /var and /run are copies in the work
# folder, so that accounts and spools can be made and nothing of the real
# machine is seen or changed.  The work folder itself is at /mnt there.

use strict;
use warnings;

use File::Path qw(make_path);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

our $tree = '/mnt/tree';		# Debian's packages, unpacked
my %package = (popa3d => 'popa3d', dovecot => 'dovecot-pop3d');

sub names { return sort keys %package }

sub run {
	my (@command) = @_;
	system(@command) == 0 or die "failed: @command\n";
}

# ---- outside: fetch and build ---------------------------------------------

# Tools that are used as Debian installs them.
sub tools {
	my (%of) = @_;		# program => package
	my @missing = grep {
		my $program = $_;
		!grep { -x "$_/$program" } split(/:/, $ENV{PATH}), '/usr/sbin';
	} sort keys %of;
	return unless @missing;
	print "installing: @of{@missing}\n";
	system('apt-get -qq update; apt-get -qq -y --no-install-recommends ' .
	    "install @of{@missing} >/dev/null") == 0
	    or warn "could not install: @of{@missing}\n";
}

# Lays packages, each with what it needs and the machine has not, into one
# tree.  They exclude one another as packages, so none is installed.
sub unpack_packages {
	my ($dir, @names) = @_;

	make_path("$dir/tree/usr");
	for my $name ((map { $package{$_} } @names), 'openbsd-inetd',
	    'xinetd') {
		next if -e "$dir/tree/.$name";
		print "unpacking: $name\n";
		my $debs = "$dir/debs/$name";
		make_path("$debs/partial");
		my $get = "apt-get -qq -y --no-install-recommends " .
		    "-o DPkg::Lock::Timeout=300 " .
		    "--download-only --reinstall " .
		    "-o Dir::Cache::Archives=$debs install $name >/dev/null";
		if (system($get) != 0) {
			system('apt-get -qq update');
			system($get) == 0 or do {
				warn "not to be had: $name\n";
				next;
			};
		}
		run('dpkg', '-x', $_, "$dir/tree") for glob "$debs/*.deb";
		run('touch', "$dir/tree/.$name");
	}
	run('rm', '-rf', "$dir/debs");
}

# popa3d as its author ships it, checking shadow passwords without PAM.
sub build_popa3d {
	my ($dir) = @_;
	my $to = "$dir/popa3d-shadow";

	return 1 if -x "$to/popa3d";
	print "building: popa3d for shadow passwords\n";
	make_path("$to/lists/partial", "$to/src");
	open my $f, '>', "$to/sources.list" or die "$to: $!\n";
	print $f "deb-src http://deb.debian.org/debian bookworm main\n";
	close $f;
	my $apt = "apt-get -qq -o Dir::Etc::sourcelist=$to/sources.list " .
	    "-o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$to/lists";
	system("$apt update && cd $to/src && " .
	    "$apt --tar-only source popa3d >/dev/null 2>&1 && " .
	    'tar xf popa3d_*.orig.tar.* && cd popa3d-*/ && ' .
	    'sed -i "s,/var/empty,/var/lib/popa3d," params.h && ' .
	    "make CFLAGS='-O2 -fomit-frame-pointer -D_GNU_SOURCE' " .
	    "LIBS=-lcrypt >$to/log 2>&1 && cp popa3d $to/") == 0 or
	    warn "popa3d cannot be built: $to/log\n";
	run('rm', '-rf', "$to/src", "$to/lists");
	return -x "$to/popa3d";
}

# ---- inside ---------------------------------------------------------------

sub write_file {
	my ($path, $text, $mode) = @_;
	open my $f, '>', $path or die "$path: $!\n";
	print $f $text;
	close $f or die "$path: $!\n";
	chmod $mode, $path if defined $mode;
}

# DES hashes are the cheapest that all of them take; a dearer one would add
# the same to each and hide what is different.
my $hash = crypt 's3cret', 'po';

# The accounts and the directories.  Called in the namespaces, before
# anything else; dir is the work folder.
sub enter {
	my ($dir, @users) = @_;

	run('mount', '--bind', $dir, '/mnt');
	make_path(map { "/mnt/work/$_" } qw(run run/sshd tmp var/mail var/tmp
	    var/lib/popa3d var/cache/ldconfig var/log dovecot/index));
	# lock files of other programs may vanish meanwhile
	system('cp -a /etc /mnt/work/etc 2>/dev/null');
	system("cp -an $tree/etc/. /mnt/work/etc/") if -d "$tree/etc";
	symlink '/run', '/mnt/work/var/run';
	run('mount', '--bind', "/mnt/work/$_", "/$_") for qw(etc var run);
	chown 0, (getgrnam 'mail')[2], '/var/mail';
	chmod 02775, '/var/mail';
	chmod 01777, '/var/tmp', '/mnt/work/dovecot/index';

	name_services('files systemd');
	my $id = 70000;
	my @passwd = map { [$_, $id++] } @users;
	my @daemon = map { [$_, $id++] } qw(popa3d dovecot
	    dovenull);
	# one group for all: at login the whole list of groups is read
	append('/etc/passwd', (map { "$_->[0]:x:$_->[1]:100::/nonexistent:" .
	    "/bin/sh\n" } @passwd), map { "$_->[0]:x:$_->[1]:$_->[1]::" .
	    "/nonexistent:/bin/false\n" } @daemon);
	append('/etc/group', map { "$_->[0]:x:$_->[1]:\n" } @daemon);
	append('/etc/shadow', (map { "$_->[0]:$hash:19000::::::\n" } @passwd),
	    map { "$_->[0]:*:19000::::::\n" } @daemon);
	write_file('/mnt/work/dovecot/passwd', join('', map {
	    "$_->[0]:{CRYPT}$hash:$_->[1]:100::/nonexistent:\n" }
	    @passwd), 0644);
	write_file('/etc/ld.so.conf.d/zz-bench.conf', join '', map { "$_\n" }
	     glob "$tree/{,usr/}lib/*-linux-gnu");
	run('ldconfig', '-X');
	lo_up();
	return { map { @$_ } @passwd };
}

# Where accounts are looked up.  Debian's default is "files systemd".
sub name_services {
	my ($accounts) = @_;
	write_file('/etc/nsswitch.conf', join '', (map { "$_: $accounts\n" }
	    qw(passwd group shadow)), map { "$_: files\n" } qw(hosts services
	    protocols));
}

sub append {
	my ($path, @lines) = @_;
	open my $f, '>>', $path or die "$path: $!\n";
	print $f @lines;
	close $f or die "$path: $!\n";
}

sub lo_up {
	socket my $s, 2, 1, 0 or die "socket: $!\n";
	my $up = pack 'Z16 s x22', 'lo', 1;	# IFF_UP
	ioctl $s, 0x8914, $up or die "lo: $!\n";	# SIOCSIFFLAGS
	write_file('/proc/sys/net/ipv4/ip_local_port_range',
	    "10000 65000");
	# Debian's; a kernel may have another default
	eval { write_file('/proc/sys/net/ipv4/tcp_congestion_control', 'cubic') };
}

sub program {
	my ($path) = @_;
	return -x "$tree/$path" ? "$tree/$path" : -x "/$path" ? "/$path" : undef;
}

sub spawn {
	my ($name, @command) = @_;
	defined(my $pid = fork) or die "fork: $!\n";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "/mnt/work/$name.out";
		open STDERR, '>&', \*STDOUT;
		exec { $command[0] } @command or POSIX::_exit(127);
	}
	return $pid;
}

# A service of inetd's or xinetd's on a port; the process that listens.
sub inetd {
	my ($name, $port, $program, @args) = @_;
	write_file("/mnt/work/$name.conf", "127.0.0.1:$port stream tcp " .
	    "nowait.1000000 root $program @args\n");
	return spawn($name, program('usr/sbin/inetd'), '-i',
	    "/mnt/work/$name.conf");
}

sub xinetd {
	my ($name, $port, $program, $argv0, @args) = @_;
	my $given = @args ? "server_args	= @args" : '';
	write_file("/mnt/work/$name.conf", <<"END");
service $name
{
	type		= UNLISTED
	socket_type	= stream
	protocol	= tcp
	bind		= 127.0.0.1
	port		= $port
	wait		= no
	user		= root
	server		= $program
	$given
	cps		= 1000000 1
	instances	= UNLIMITED
	per_source	= UNLIMITED
}
END
	return spawn($name, program('usr/sbin/xinetd'), '-dontfork', '-f',
	    "/mnt/work/$name.conf", '-pidfile', "/mnt/work/$name.pid");
}

# As systemd starts "Accept=yes" sockets, without what a unit sets up.
sub socket_activate {
	my ($name, $port, $program, @args) = @_;
	return spawn($name, '/usr/bin/systemd-socket-activate', '--accept',
	    '--inetd', '-l', "127.0.0.1:$port", $program,
	    @args[1 .. $#args]);
}

# Dovecot at its best: processes that wait for sessions (one session each: they
# become the user), indexes kept, passwords cached, no Status written.
sub dovecot {
	my ($port) = @_;
	write_file('/mnt/work/dovecot.conf', <<"END");
protocols = pop3
listen = 127.0.0.1
base_dir = /run/dovecot
state_dir = /mnt/work/dovecot
auth_mechanisms = plain
disable_plaintext_auth = no
ssl = no
log_path = /mnt/work/dovecot.log
auth_cache_size = 16M
mail_location = mbox:/mnt/work/dovecot/%u:INBOX=/var/mail/%u:INDEX=/mnt/work/dovecot/index/%u
mail_privileged_group = mail
mail_access_groups = mail
mbox_write_locks = dotlock fcntl
first_valid_uid = 1000
pop3_no_flag_updates = yes
mail_max_userip_connections = 0
passdb {
  driver = passwd-file
  args = /mnt/work/dovecot/passwd
}
userdb {
  driver = passwd-file
  args = /mnt/work/dovecot/passwd
}
service pop3-login {
  process_min_avail = 2
  service_count = 0
  inet_listener pop3 {
    port = $port
  }
  inet_listener pop3s {
    port = 0
  }
}
service pop3 {
  process_min_avail = 10
  process_limit = 200
}
service stats {
  process_limit = 1
}
END
	chmod 01777, '/mnt/work/dovecot';
	# it wants its files below /usr: a root where they are
	make_path('/mnt/work/root');
	run('mount', '--rbind', '/', '/mnt/work/root');
	run('mount', '-t', 'overlay', 'overlay', '-o',
	    "lowerdir=$tree/usr:/usr", '/mnt/work/root/usr') if -d
	    "$tree/usr/lib/dovecot";
	return spawn('dovecot', '/usr/sbin/chroot', '/mnt/work/root',
	    '/usr/sbin/dovecot', '-F', '-c', '/mnt/work/dovecot.conf');
}

# ---- what a server has used -----------------------------------------------

sub slurp {
	my ($path) = @_;
	open my $f, '<', $path or return '';
	local $/;
	return scalar <$f> // '';
}

# The fields of /proc/PID/stat behind the name: state is 0, ppid 1, user and
# system time 11 and 12, of ended children 13 and 14.
sub proc_stat {
	my ($pid) = @_;
	return slurp("/proc/$pid/stat") =~ /\) (.*)/ ? split ' ', $1 : ();
}

# A process and all below it.
sub family {
	my ($root) = @_;
	my %below;
	for my $pid (map { m{(\d+)\z} } glob '/proc/[0-9]*') {
		my @stat = proc_stat($pid) or next;
		push @{ $below{$stat[1]} }, $pid;
	}
	my @all = my @next = $root;
	while (@next = map { @{ $below{$_} // [] } } @next) {
		push @all, @next;
	}
	return @all;
}

# Until a super-server has seen off all its children; those of Dovecot stay.
sub settle {
	my ($server) = @_;
	return if $server->{stays};
	my $end = time + 60;
	while (family($server->{pid}) > 1) {
		die "$server->{name}: a session does not end\n" if time > $end;
		sleep 0.002;
	}
}

# Seconds of CPU that a server has used, its ended children included.
sub cpu {
	my ($server) = @_;
	my $ticks = 0;
	settle($server);
	for my $pid (family($server->{pid})) {
		my @stat = proc_stat($pid) or next;
		$ticks += $_ for @stat[11 .. 14];
	}
	return $ticks / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# KiB: what processes have for themselves; their page tables.
sub memory {
	my (@pids) = @_;
	my ($private, $tables) = (0, 0);
	for my $pid (@pids) {
		$private += $_ for slurp("/proc/$pid/smaps_rollup") =~
		    /^Private_\w+:\s+(\d+)/mg;
		$tables += $1 if slurp("/proc/$pid/status") =~
		    /^VmPTE:\s+(\d+)/m;
	}
	return ($private, $tables);
}

1;
