# A site of hosts on one machine: one and two, where popper serves under inetd;
# stores, which keep the mail; and front, which has HAProxy and the clients.  What
# a host is, and what a store, differs between the kinds of site: see
# Site::Gluster and Site::NFS.  Either way the addresses, ports and paths are those
# of the recipes, the machine's own files are not touched, and when the first
# process of a host ends everything in it does.  See tests/site/make.

package Site;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use IO::Socket::INET;
use POSIX qw(WNOHANG);

our $tests;
BEGIN {
	$tests = dirname(dirname(abs_path(__FILE__)));
	$ENV{POPPER} //= dirname($tests) . '/popper';
}
use lib "$tests/lib";
my $ssl = eval { require IO::Socket::SSL };
use Popper ();
use Service;

our %address = (front => '192.0.2.1', one => '192.0.2.11', two => '192.0.2.12',
    a => '192.0.2.21', b => '192.0.2.22', c => '192.0.2.23');
our @poppers = qw(one two);

# The kinds of site, by the name of their store.
our %kind = (gluster => 'Site::Gluster', nfs => 'Site::NFS');

our $USERS = 8;

# ---- the namespaces ----------------------------------------------------------

# The site in a directory, whether it is up or not; of the kind that it is, or
# that STORE names.
sub at {
	my ($class, $dir) = @_;
	my $store = Popper::slurp("$dir/store") // $ENV{STORE} // 'gluster';
	return bless { dir => $dir, store => $store }, $kind{$store} //
	    die "no store $store\n";
}

# The one that SITE names, in a test; which makes no sense elsewhere.
sub here {
	my ($class) = @_;
	my $self = $class->at($ENV{SITE} // '/tmp/popper-site');

	Test::More::BAIL_OUT('no site: see the head of tests/site/make')
	    unless -e $self->file('front', 'pid') && readlink('/proc/self/ns/net')
	    eq readlink('/proc/' . $self->init('front') . '/ns/net');
	$self->{logged} = { map { $_ => -s $self->file($_, 'trace') } @poppers,
	    'front' };
	our $tested = $self;
	$Popper::patience *= 4 if $self->is_slow;
	return $self;
}

# The sessions that were in trouble since a test began, of each its last lines:
# those that have told a client of a SYS code.
sub troubles {
	my ($self) = @_;
	my $told = '';

	for my $host (@poppers, 'front') {
		my (%lines, %trouble);
		my $trace = Popper::slurp($self->file($host, 'trace')) // '';
		for my $line (split /^/, substr $trace, $self->{logged}{$host} // 0) {
			my ($pid) = $line =~ / popper\[(\d+)\]: / or next;
			push @{ $lines{$pid} }, $line;
			$trouble{$pid} = 1 if $line =~ /\[SYS\//;
		}
		for my $pid (sort { $a <=> $b } keys %trouble) {
			my @all = @{ $lines{$pid} };
			$told .= "$host:\n" . join '', @all > 9 ? @all[-9 .. -1] : @all;
		}
	}
	return $told;
}

# What the logs know of a test that fails.
END {
	our $tested;
	Test::More::diag($tested->troubles)
	    if $tested && ($? || !Test::More->builder->is_passing);
}

sub file { return join '/', $_[0]{dir}, @_[1 .. $#_] }

# The first process of a host, as the machine numbers it.
sub init {
	my ($self, $host) = @_;
	my $pid = Popper::slurp($self->file($host, 'pid'));

	die "no host $host in $self->{dir}\n" unless defined $pid && $pid =~ /\d/;
	return $pid + 0;
}

# The words that bring a command into front; a kind has those for its hosts.
sub inside {
	my ($self) = @_;
	return ('nsenter', '-t', $self->init('front'), qw(-n -u --));
}

sub hosts { return (@poppers, $_[0]->stores) }

# Runs a command in a host; its wait status.
sub run {
	my ($self, $host, @command) = @_;
	my $status = system $self->inside($host), @command;
	return $status;
}

# The same in the background, with its output in a file; its process id.
sub start {
	my ($self, $host, $output, @command) = @_;
	return Service::spawn($output, $self->inside($host), @command);
}

# What a command says in a host; undef if it fails.
sub ask {
	my ($self, $host, @command) = @_;
	open my $fh, '-|', $self->inside($host), 'sh', '-c', 'exec "$@" 2>&1',
	    'sh', @command or die "fork: $!\n";
	my $said = do { local $/; <$fh> } // '';
	return close $fh ? $said : undef;
}

# The same, which must not fail.
sub must {
	my ($self, $host, @command) = @_;
	my $said;

	Popper::eventually {
		defined($said = $self->ask($host, @command))
	} or die "$host: @command fails\n";
	return $said;
}

# Sends a signal to the processes of a host whose command line matches; true if
# there are any.
sub signal {
	my ($self, $host, $signal, $pattern) = @_;
	return $self->run($host, qw(pkill --signal), $signal, '-f', '--', $pattern) == 0;
}

# Takes a host's cable out of the switch, and puts it back.
sub unplug { $_[0]->must('front', qw(ip link set), "to-$_[1]", 'nomaster') }
sub plug { $_[0]->must('front', qw(ip link set), "to-$_[1]", qw(master lan)) }

# The network itself.
sub front {
	my ($self) = @_;
	make_path($self->file('front'));
	my $pid = Service::spawn('/dev/null', $self->as_long,
	    qw(unshare --net --uts sh -c), 'hostname front; echo $$ >"$1/pid";
	    exec sleep 1000000', 'sh', $self->file('front'));

	$self->note($pid);
	Popper::eventually { -s $self->file('front', 'pid') };
	$self->must('front', qw(ip link set lo up));
	$self->must('front', qw(ip link add lan type bridge));
	$self->must('front', qw(ip addr add), "$address{front}/24", qw(dev lan));
	$self->must('front', qw(ip link set lan up));
}

# The words before a command that is to end with the process that starts it.
sub as_long {
	my ($self) = @_;
	return $self->{keep} ? () : qw(setpriv --pdeathsig KILL);
}

# Remembers a process for down(): its number, and when it began.
sub note {
	my ($self, $pid) = @_;
	open my $fh, '>>', $self->file('pids') or die "pids: $!\n";
	printf $fh "%d %s\n", $pid, began($pid);
	close $fh or die "pids: $!\n";
}

sub began {
	my ($pid) = @_;
	my $stat = Popper::slurp("/proc/$pid/stat") // return '';
	return (split ' ', $stat =~ s/.*\)//sr)[19];
}

# ---- accounts, inetd, HAProxy ------------------------------------------------

# What the hosts have in /etc besides the system's accounts: user1, user2 ...
sub accounts {
	my ($self) = @_;
	my %more = (passwd => '', shadow => '', group => '');
	my $hash = Popper::Box::hash('s3cret');

	for my $n (1 .. $USERS) {
		my $id = 54320 + $n;
		my $home = $self->file('home', "user$n");

		$self->rules($home, "/var/mail/user$n", $id);
		$more{passwd} .= "user$n:x:$id:${id}::$home:/bin/sh\n";
		$more{shadow} .= "user$n:$hash:19000:0:99999:7:::\n";
		$more{group} .= "user$n:x:$id:\n";
	}
	make_path($self->file('etc'));
	Service::write_file($self->file('etc', $_), $more{$_}, 0600)
	    for keys %more;
}

# A home with the rules of agents: into the spool, by both locks.
sub rules {
	my ($self, $home, $spool, $id) = @_;

	make_path($home);
	Service::write_file("$home/procmailrc", "LOCKSLEEP=1\nSHELL=/bin/sh\n"
	    . ":0:\n$spool\n", 0600);
	Service::write_file("$home/maildroprc", "DEFAULT=\"$spool\"\n"
	    . "LOCKSLEEP=1\n", 0600);
	chown $id, $id, $home, glob "$home/*";
}

# popper under inetd: doc/SCALING's line, and a file of the log.
sub serve {
	my ($self, $host) = @_;
	my $conf = $self->file($host, 'inetd.conf');

	Service::write_file($conf, 'pop3 stream tcp nowait.10000 root ' .
	    "$Popper::binary popper -S -H tls -P tls -r -f 0 -t " .
	    $self->file($host, 'trace') . "\n");
	$self->start($host, $self->file($host, 'inetd'), Service::find('inetd')
	    // die("inetd is not installed\n"), '-i', $conf);
	# it listens: HAProxy would not look again for some time
	$self->must($host, qw(grep -q), ':006E 00000000:0000 0A', '/proc/net/tcp');
}

# HAProxy with the recipe as it is, and a socket to command it by.
sub balance {
	my ($self) = @_;
	my $etc = $self->file('front', 'haproxy');

	make_path($etc);
	defined $self->ask('front', qw(openssl req -x509 -newkey ec -pkeyopt
	    ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=front -addext
	    subjectAltName=DNS:front -keyout), "$etc/key", '-out', "$etc/crt")
	    or die "openssl makes no certificate\n";
	Service::write_file("$etc/mail.pem", join('', map { Popper::slurp("$etc/$_") }
	    qw(crt key)), 0600);
	Service::write_file("$etc/command.cfg", "global\n\tstats socket "
	    . "$etc/socket level admin\n");
	$self->note($self->start('front', $self->file('front', 'out'), $self->as_long,
	    qw(unshare --mount sh -c), 'mount --bind "$1" /etc/haproxy && shift &&
	    exec "$@"', 'sh', $etc, Service::find('haproxy') //
	    die("haproxy is not installed\n"), '-db', '-f',
	    dirname($tests) . '/contrib/haproxy.cfg', '-f',
	    '/etc/haproxy/command.cfg'));
}

# ---- mail --------------------------------------------------------------------

# A new maildrop with this text, made on a host; what was there goes.
sub put {
	my ($self, $user, $text, $host) = @_;
	my $file = $self->file("put.$user");

	Service::write_file($file, $text);
	$self->must($host // 'one', 'sh', '-c', 'cd /var/mail &&
	    rm -f "$1" "$1.lock" ".$1.pop" && install -o "$1" -g mail -m 660 "$2" "$1"',
	    'sh', $user, $file);
	unlink $file;
}

# Delivers COUNT messages MAKER.1 ... on a host, with the locks of such a habit.
# In the background: the process; its names go to a file.
sub deliver {
	my ($self, $host, $habit, $user, $maker, $count) = @_;
	return $self->start($host, $self->file("delivered.$maker"), $^X,
	    "$tests/site/agent", $habit, $user, $maker, $count);
}

# The same, and waits for it: true if all have been delivered.
sub delivered {
	my ($self, @how) = @_;
	waitpid $self->deliver(@how), 0;
	return $? == 0;
}

# A header of the PROXY protocol as HAProxy sends it for a client of TLS.
my $PROXY = "\r\n\r\n\0\r\nQUIT\n\x21\x11" . pack 'n/a', pack 'C8 n2 C n/a',
    192, 0, 2, 9, 192, 0, 2, 1, 1000, 995, 0x20, "\1\0\0\0\0";

# A connection to popper on this host, as HAProxy makes it; greeted.
sub connect {
	my ($self, $host) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => $address{$host}, PeerPort => 110)
	    or die "connect: $host: $@\n";

	$s->autoflush(1);
	print $s $PROXY;
	my $talk = bless { socket => $s }, 'Service::Talk';
	my $greeting = $talk->line;
	die "greeting of $host: $greeting\n" unless $greeting =~ /^\+OK/;
	return $talk;
}

# The reply to a login.
sub log_in {
	my ($talk, $user) = @_;
	my $reply = $talk->ask("USER $user");
	return $reply =~ /^\+OK/ ? $talk->ask('PASS s3cret') : $reply;
}

# A session of a user on this host.
sub session {
	my ($self, $host, $user) = @_;
	my $talk = $self->connect($host);
	my $reply = log_in($talk, $user);

	die "login on $host: $reply\n" unless $reply =~ /^\+OK/;
	return $talk;
}

# A connection as a client makes it, through HAProxy and TLS; greeted.
sub client {
	my ($self) = @_;
	my $s = IO::Socket::SSL->new(PeerAddr => $address{front}, PeerPort => 995,
	    SSL_ca_file => $self->file('front', 'haproxy', 'crt'),
	    SSL_hostname => 'front', SSL_verifycn_name => 'front')
	    or die "HAProxy: $!, " . IO::Socket::SSL::errstr() . "\n";
	my $talk = bless { socket => $s }, 'Service::Talk';

	$talk->{greeting} = $talk->line;
	die "greeting: $talk->{greeting}\n" unless $talk->{greeting} =~ /^\+OK/;
	return $talk;
}

# The host that has greeted.
sub at_host { return $_[0]{greeting} =~ / at (\S+) / ? $1 : '' }

# popper itself on a host, for a Popper::Session with the words that start it
# (under); the box is only its files.
sub box {
	my ($self) = @_;
	return bless { dir => $self->{dir}, args => [], runs => 0 }, 'Site::Box';
}

# How often popper has scanned a spool, on all hosts.
sub scans {
	my ($self) = @_;
	return scalar(() = map { (Popper::slurp($self->file($_, 'trace')) // '') =~
	    /: scan user=/g } @poppers);
}

# ---- all of it ---------------------------------------------------------------

# What the site needs and this machine has not; '' if nothing.
sub missing {
	my ($self) = @_;
	return 'not root' if $> != 0;
	return 'not Linux' if $^O ne 'linux';
	for my $program (qw(haproxy inetd ip nsenter unshare setpriv openssl pkill),
	    $self->programs) {
		return "$program is not installed"
		    unless defined Service::find($program);
	}
	return 'IO::Socket::SSL is not installed' unless $ssl;
	return 'network namespaces cannot be made here'
	    if system('unshare --net true 2>/dev/null') != 0;
	return $self->missing_here;
}

# keep => 1: to outlive the process that makes it; defaults => 1: with the options
# that the store and the mount have by themselves.
sub up {
	my ($self, %how) = @_;

	$self->{keep} = $how{keep};
	mkdir $self->{dir}, 0755 or die "$self->{dir}: $!\n";
	Service::write_file($self->file('store'), $self->{store});
	$self->accounts;
	$self->front;
	$self->host($_) for $self->hosts;
	$self->store(%how);
	$self->mount_mail($_, $how{defaults} ? '' : $self->options) for @poppers;
	$self->must('one', qw(chown root:mail /var/mail));
	$self->must('one', qw(chmod 2775 /var/mail));
	$self->serve($_) for @poppers;
	$self->balance;
}

# Ends the first process of each host, and with it the host; then the files go.
# A process that began at another time is not ours.
sub down {
	my ($self) = @_;
	my @pids = map { [ split ' ' ] } split /\n/,
	    Popper::slurp($self->file('pids')) // '';

	for (@pids) {
		my ($pid, $began) = @$_;
		kill 'KILL', $pid if began($pid) eq $began;
	}
	for my $ours (@pids) {
		Popper::eventually {
			waitpid $ours->[0], WNOHANG;
			began($ours->[0]) ne $ours->[1]
		} or warn "process $ours->[0] does not end\n";
	}
	Popper::eventually {
		remove_tree($self->{dir}, { error => \my $errors });
		!-e $self->{dir}
	} or warn "left behind: $self->{dir}\n";
}

package Site::Box;

our @ISA = ('Popper::Box');

sub mail { return '/var/mail' }
sub remove { return }

require Site::Gluster;
require Site::NFS;

1;
