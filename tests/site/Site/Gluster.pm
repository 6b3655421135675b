# A site of namespaces, where three stores keep the mail on GlusterFS, replica 3.

package Site::Gluster;

use strict;
use warnings;

use File::Path qw(make_path);
use POSIX qw(WNOHANG);

our @ISA = ('Site');

# What differs from GlusterFS's defaults: doc/SCALING has the same, and says what
# each protects; tests/site/losses shows it.
our %volume = (
	'performance.stat-prefetch' => 'off',
	'performance.quick-read' => 'off',
	'performance.write-behind' => 'off',
	'client.strict-locks' => 'on',
	'network.ping-timeout' => 10,
	'server.tcp-user-timeout' => 10,
	'server.keepalive-time' => 5,
	'server.keepalive-interval' => 1,
	'server.keepalive-count' => 5,
);
our $mount = 'attribute-timeout=0,entry-timeout=0,direct-io-mode=enable';

sub stores { return qw(a b c) }
sub options { return $mount }
sub volume { return %volume }
sub is_slow { return 0 }
sub programs { return qw(glusterd gluster) }
sub missing_here { return -c '/dev/fuse' ? '' : 'no /dev/fuse' }

# ---- the namespaces ----------------------------------------------------------

sub inside {
	my ($self, $host) = @_;
	return $self->SUPER::inside if $host eq 'front';
	return ('nsenter', '-t', $self->init($host), qw(-m -n -u -p --));
}

# In the namespaces of a new host: what it needs for a life of its own.
sub be_host {
	my ($self, $host) = @_;
	my ($pid) = split ' ', Popper::slurp('/proc/self/stat');
	my $shell = join "\n", 'set -e', 'mount -t proc proc /proc',
	    "hostname $host", 'ip link set lo up',
	    'mount -t tmpfs -o mode=755 popper /run',
	    'mount -t tmpfs -o mode=755 popper /var/mail',
	    'mount --bind "$DIR/gluster" /var/lib/glusterd',
	    'mount --bind "$DIR/log" /var/log/glusterfs',
	    'cp -a /etc /run/etc',
	    'for f in passwd shadow group; do cat "$DIR/../etc/$f" >>"/run/etc/$f"; done',
	    'mount --bind /run/etc /etc';

	$ENV{DIR} = $self->file($host);
	system('sh', '-c', $shell) == 0 or die "no host $host\n";
	Service::write_file($self->file($host, 'pid'), $pid);
	$SIG{CHLD} = 'IGNORE';		# the first process gets the orphans
	sleep 3600 while 1;
}

# Starts the namespaces of a host, and joins it to front by its network.
sub host {
	my ($self, $host) = @_;

	make_path(map { $self->file($host, $_) } qw(gluster log brick));
	my $pid = Service::spawn($self->file($host, 'out'), $self->as_long,
	    qw(unshare --net --mount --uts --pid --fork --kill-child),
	    $^X, "$Site::tests/site/make", 'be', $self->{dir}, $host);
	$self->note($pid);
	Popper::eventually {
		-s $self->file($host, 'pid') || waitpid($pid, WNOHANG)
	};
	die $host, ': ', Popper::slurp($self->file($host, 'out')), "\n"
	    unless -s $self->file($host, 'pid');
	my $init = $self->init($host);
	$self->must('front', qw(ip link add), "to-$host", qw(type veth peer name
	    eth0 netns), $init);
	$self->must('front', qw(ip link set), "to-$host", qw(master lan up));
	$self->must($host, qw(ip addr add), "$Site::address{$host}/24", qw(dev eth0));
	$self->must($host, qw(ip link set eth0 up));
}

# ---- the store ---------------------------------------------------------------

# A gluster command, on the first store.
sub gluster {
	my ($self, @words) = @_;
	return $self->must('a', qw(gluster --mode=script), @words);
}

sub store {
	my ($self, %how) = @_;
	my @daemons = map { $self->start($_, $self->file($_, 'glusterd'),
	    'glusterd') } $self->stores;

	waitpid $_, 0 for @daemons;
	$self->gluster('peer', 'probe', $Site::address{$_}) for qw(b c);
	$self->gluster(qw(volume create mail replica 3), (map { "$Site::address{$_}:" .
	    $self->file($_, 'brick') } $self->stores), 'force');
	$self->gluster(qw(volume set mail), %volume) unless $how{defaults};
	$self->gluster(qw(volume start mail));
}

# Other options of the volume, instead of those that it has.
sub set_volume {
	my ($self, %option) = @_;
	$self->gluster(qw(volume reset mail));
	$self->gluster(qw(volume set mail), %option) if %option;
}

# Mounts the mail on a host, with such options; instead of what it has mounted.
# Any store will do to learn of the others.
sub mount_mail {
	my ($self, $host, $options) = @_;

	$self->run($host, 'sh', '-c',
	    'while grep -q " /var/mail fuse" /proc/mounts; do umount -l /var/mail; done');
	my $others = 'backup-volfile-servers=' . join ':', @Site::address{qw(b c)};
	$self->must($host, qw(mount -t glusterfs -o), join(',', $others,
	    $options ne '' ? $options : ()), "$Site::address{a}:/mail", '/var/mail');
}

# Makes the hosts see old sizes and names, and again what there is.
sub forget {
	my ($self) = @_;
	$self->gluster(qw(volume reset mail performance.stat-prefetch));
}

sub ask_again {
	my ($self) = @_;
	$self->gluster(qw(volume set mail performance.stat-prefetch off));
}

sub requests { return undef }

# A user's spool as a store has it, for an observer without any cache.
sub spool {
	my ($self, $user, $store) = @_;
	return Popper::slurp($self->file($store // 'a', 'brick', $user));
}

1;
