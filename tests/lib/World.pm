# Programs of Debian that tests/install-mtas has unpacked below /opt/mta: each
# runs in a mount namespace where its files lie over those of the system, with
# the accounts it wants, and alice; and in a PID namespace, so that all of it
# goes when the test ends.  The system sees nothing of that.

package World;

use strict;
use warnings;

use Exporter 'import';
use POSIX qw(WNOHANG);
use Popper;

our @EXPORT = qw(have world inside running end_all);
our $home = $ENV{POPPER_MTAS} || '/opt/mta';

my @running;		# what this test has to end

END {
	my $status = $?;
	end_all();
	$? = $status;
}

# Has a process ended with the test.
sub running { push @running, @_ }

sub end_all {
	for my $pid (splice @running) {
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
}

# Whether the program has been unpacked.
sub have {
	my ($name) = @_;
	return -d "$home/$name";
}

# The file system that a program sees: its own tree over /usr, /etc and
# /var/lib, all of it writable and in memory; /var/spool, /var/log and /run
# empty; the mail of the box in /var/mail.
my $inside = <<'END';
set -e
mount -t tmpfs -o mode=755 popper "$NS"
for d in usr etc var/lib; do
	mkdir -p "$NS/up/$d" "$NS/work/$d" "$NS/none"
	own=$TREE/$d
	[ -d "$own" ] || own=$NS/none
	mount -t overlay -o "lowerdir=$own:/$d,upperdir=$NS/up/$d,workdir=$NS/work/$d" popper "/$d"
done
for d in /var/spool /var/log /run; do mount -t tmpfs -o mode=755 popper $d; done
mount --bind "$MAIL" /var/mail
printf '%s' "$PASSWD" >>/etc/passwd
printf '%s' "$SHADOW" >>/etc/shadow
printf '%s' "$GROUP" >>/etc/group
echo popper.test >/etc/mailname
grep -q 'popper\.test' /etc/hosts || echo '127.0.0.1 popper.test' >>/etc/hosts
END

# A box whose mail is that of the namespace, and the namespace: a process to
# join, undef where the system makes none; and what the shell has said.
# accounts: name to number; prepare: shell commands, which see PORT.
sub world {
	my ($name, %is) = @_;
	my $box = box(spool => undef);
	my $ns = $box->dir . '/ns';
	my ($log, $ready) = map { $box->dir . "/$_" } qw(log ready);
	my %id = %{ $is{accounts} || {} };
	my $mail = (getgrnam 'mail')[2] // 8;

	mkdir $ns or die $!;
	chown 0, $mail, $box->mail;
	chmod 02775, $box->mail;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', $log;
		open STDERR, '>&', \*STDOUT;
		%ENV = (PATH => '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL => 'C',
		    NS => $ns, TREE => "$home/$name", MAIL => $box->mail,
		    PORT => $is{port} // 0, READY => $ready,
		    PASSWD => join('', map { "$_:x:$id{$_}:$id{$_}::/run/$_:/bin/false\n" }
		    sort keys %id) . "alice:x:$Popper::uid:${Popper::gid}::/nonexistent:/bin/sh\n",
		    SHADOW => 'alice:' . Popper::Box::hash('s3cret') . ":19000:0:99999:7:::\n",
		    GROUP => join('', map { "$_:x:$id{$_}:\n" } sort keys %id)
		    . "alice:x:$Popper::gid:\n");
		exec 'unshare', '-m', '-p', '-f', '--kill-child', '/bin/sh', '-c',
		    "$inside$is{prepare}: >\"\$READY\"\nexec sleep 3600"
		    or POSIX::_exit(127);
	}
	push @running, $pid;
	eventually {
		-e $ready || waitpid($pid, WNOHANG) == $pid && pop @running
	};
	return ($box, undef, slurp($log)) unless -e $ready;
	my ($init) = map { (slurp("/proc/$_/stat") // '') =~ /\) \w $pid / ? $_ : () }
	    map { m{/(\d+)$} } glob '/proc/[0-9]*';
	return ($box, $init, slurp($log));
}

# What brings a command into the namespace.
sub inside {
	my ($init) = @_;
	return ('nsenter', '-t', $init, '-m', '-p', '--');
}

1;
