# A site of virtual machines, where store a keeps the mail on ext4 and exports it
# by NFS.  Server and client of NFS are parts of the kernel, so each host has one
# of its own: User Mode Linux, a kernel that is a process and needs no help of
# the processor.  It sees the files of this machine under the same paths; what a
# host changes is on file systems of its own.  Debian's packages user-mode-linux,
# nfs-kernel-server, kmod.
#
# A host has two networks: the site's, and one by which the tests command it,
# since the first is cut in a test.  See tests/site/into.

package Site::NFS;

use strict;
use warnings;

use File::Path qw(make_path);
use IO::Socket::INET;
use POSIX ();

our @ISA = ('Site');

our %control = (one => '198.51.100.11', two => '198.51.100.12',
    a => '198.51.100.21');
our $PORT = 512;

# doc/SCALING has the same, and says what each protects.
our $export = 'rw,sync,no_root_squash,no_subtree_check';
our $mount = 'vers=4.2,hard,lookupcache=none';
our ($LEASE, $GRACE) = (15, 90);		# seconds

sub stores { return qw(a) }
sub options { return $mount }
sub volume { return () }
sub set_volume { return }
sub is_slow { return 1 }
sub programs { return qw(linux.uml modprobe mount.nfs4 rpc.nfsd rpc.mountd exportfs
    nfsdcld mkfs.ext4) }

sub missing_here {
	my @nfsd = glob '/usr/lib/uml/modules/*/kernel/fs/nfsd/nfsd.ko*';

	return 'no /dev/net/tun' unless -c '/dev/net/tun';
	return @nfsd ? '' : 'user-mode-linux has no NFS';
}

# ---- the virtual machines ----------------------------------------------------

sub inside {
	my ($self, $host) = @_;
	my @front = $self->SUPER::inside;
	return @front if $host eq 'front';
	return (@front, $^X, "$Site::tests/site/into", $control{$host}, $PORT,
	    $self->file($host));
}

# The first process of a new host: mounts what it needs, and then obeys.
sub be_host {
	my ($self, $host) = @_;
	my $shell = join "\n", 'set -e', 'mount -t proc proc /proc',
	    'mount -t sysfs sys /sys',
	    'mount -t tmpfs -o mode=755 popper /run',
	    'mount -t tmpfs -o mode=755 popper /var/mail',
	    'mkdir /dev/shm /run/etc /run/lib',
	    'mount -t tmpfs popper /dev/shm',
	    'for f in passwd shadow group; do cp -p "/etc/$f" /run/etc;'
	    . ' cat "$DIR/../etc/$f" >>"/run/etc/$f";'
	    . ' mount --bind "/run/etc/$f" "/etc/$f"; done',
	    'ln -s /usr/lib/uml/modules /run/lib',
	    "hostname $host", 'ip link set lo up',
	    "ip addr add $Site::address{$host}/24 dev vec0", 'ip link set vec0 up',
	    "ip addr add $control{$host}/24 dev vec1", 'ip link set vec1 up',
	    # the machine sees at once what is written to its files
	    'echo 5 >/proc/sys/vm/dirty_writeback_centisecs',
	    'echo 5 >/proc/sys/vm/dirty_expire_centisecs',
	    'modprobe -d /run nfsv4',
	    'mkdir /run/rpc_pipefs',
	    'mount -t rpc_pipefs rpc_pipefs /run/rpc_pipefs';

	%ENV = (PATH => '/usr/sbin:/usr/bin:/sbin:/bin', HOME => '/',
	    LC_ALL => 'C.UTF-8', DIR => $self->file($host));
	umask 022;
	system('sh', '-c', $shell) == 0 or die "no host $host\n";
	my $listen = IO::Socket::INET->new(Listen => 50, ReuseAddr => 1,
	    LocalAddr => $control{$host}, LocalPort => $PORT)
	    or die "control: $@\n";
	Service::write_file($self->file($host, 'up'), '');
	$SIG{CHLD} = 'IGNORE';		# the first process gets the orphans
	while (1) {
		my $s = $listen->accept or next;
		my $pid = fork;
		next if !defined $pid || $pid;
		obey($s);
		POSIX::_exit(0);
	}
}

# Runs the command that tests/site/into brings.  Its wait status is in a file
# before the connection ends.
sub obey {
	my ($s) = @_;
	my ($length, $words) = ('', '');

	sysread($s, $length, 4) == 4 or return;
	while (length $words < unpack 'N', $length) {
		sysread $s, $words, unpack('N', $length) - length $words,
		    length $words or return;
	}
	my ($status, @command) = split /\0/, $words, -1;
	$SIG{CHLD} = 'DEFAULT';
	defined(my $pid = fork) or return;
	if ($pid == 0) {
		open $_, '+<&', $s for *STDIN, *STDOUT, *STDERR;
		exec { $command[0] } @command or POSIX::_exit(127);
	}
	waitpid $pid, 0;
	Service::write_file("$status.new", $?);
	rename "$status.new", $status;
	$s->shutdown(2);
}

sub front {
	my ($self) = @_;

	$self->SUPER::front;
	$self->must('front', qw(ip link add control type bridge));
	$self->must('front', qw(ip addr add 198.51.100.1/24 dev control));
	$self->must('front', qw(ip link set control up));
}

sub host {
	my ($self, $host) = @_;

	make_path($self->file($host));
	for (['to', 'lan'], ['by', 'control']) {
		my ($tap, $bridge) = ("$_->[0]-$host", $_->[1]);
		$self->must('front', qw(ip tuntap add), $tap, qw(mode tap));
		$self->must('front', qw(ip link set), $tap, 'master', $bridge, 'up');
	}
	if ($host eq 'a') {
		my $disk = $self->file($host, 'disk');
		Service::write_file($disk, '');
		truncate $disk, 300 << 20 or die "$disk: $!\n";
		defined $self->ask('front', qw(mkfs.ext4 -q), $disk)
		    or die "no file system in $disk\n";
	}
	$self->boot($host);
}

# Switches a host on; again, if it is in a test that ends before the site does.
sub boot {
	my ($self, $host) = @_;
	local $self->{keep} = $self->{keep} || -e $self->file($host, 'machine');
	my $disk = $self->file($host, 'disk');

	unlink $self->file($host, 'up');
	my $pid = $self->start('front', $self->file($host, 'console'),
	    $self->as_long, qw(unshare --pid --fork --kill-child linux.uml mem=256M),
	    'uml_dir=' . $self->file($host), qw(umid=uml root=/dev/root
	    rootfstype=hostfs rw con=null), 'con0=null,fd:1', "init=$^X",
	    (-e $disk ? "ubda=$disk" : ()),
	    "vec0:transport=tap,ifname=to-$host", "vec1:transport=tap,ifname=by-$host",
	    '--', "$Site::tests/site/make", 'be', $self->{dir}, $host);
	$self->note($pid);
	Service::write_file($self->file($host, 'machine'), $pid);
}

# As by its plug.
sub switch_off {
	my ($self, $host) = @_;
	kill 'KILL', Popper::slurp($self->file($host, 'machine'));
}

# Waits until the hosts obey.
sub booted {
	my ($self, @hosts) = @_;
	local $Popper::patience = 200;

	for my $host (@hosts) {
		Popper::eventually { -e $self->file($host, 'up') }
		    or die "$host does not boot\n";
	}
}

# ---- the store ---------------------------------------------------------------

sub store {
	my ($self) = @_;

	$self->booted($self->hosts);
	# the root of what is exported cannot be on the files of this machine
	defined $self->ask('a', 'sh', '-c', 'exec 2>/run/store; set -e
	    mkdir -p /run/root/srv
	    printf "[exports]\nrootdir=/run/root\n" | cat /etc/nfs.conf - >/run/nfs.conf
	    mount --bind /run/nfs.conf /etc/nfs.conf
	    mount -t ext4 /dev/ubda /run/root/srv
	    mkdir -p /run/root/srv/mail /run/root/srv/nfs/nfsdcld
	    touch /run/root/srv/nfs/etab
	    mount --bind /run/root/srv/nfs /var/lib/nfs
	    modprobe -d /run nfsd
	    mount -t nfsd nfsd /proc/fs/nfsd
	    nfsdcld
	    exportfs -o "$1" 192.0.2.0/24:/srv/mail
	    rpc.mountd -N 2 -N 3
	    rpc.nfsd -N 3 -L "$2" -G "$3" 8', 'sh', $export, $LEASE, $GRACE) or die "no NFS on a\n";
}

# Mounts the mail on a host, with such options; instead of what it has mounted.
sub mount_mail {
	my ($self, $host, $options) = @_;

	$self->run($host, 'sh', '-c',
	    'while grep -q " /var/mail nfs" /proc/mounts; do umount -f -l /var/mail; done');
	$self->must($host, qw(mount -t nfs4), ($options eq '' ? () : ('-o', $options)),
	    "$Site::address{a}:/srv/mail", '/var/mail');
}

# Makes the hosts see old sizes and names, and again what there is.
sub forget {
	my ($self) = @_;
	$self->mount_mail($_, 'vers=4.2') for @Site::poppers;
}

sub ask_again {
	my ($self) = @_;
	$self->mount_mail($_, $mount) for @Site::poppers;
}

# Requests to the server so far, by both hosts.
sub requests {
	my ($self) = @_;
	my $sum = 0;
	$sum += $self->must($_, qw(sed -n), 's/^rpc \([0-9]*\).*/\1/p',
	    '/proc/net/rpc/nfs') for @Site::poppers;
	return $sum;
}

# A user's spool as the store has it.
sub spool {
	my ($self, $user) = @_;
	return $self->ask('a', 'cat', "/run/root/srv/mail/$user");
}

1;
