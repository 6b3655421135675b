package Service;

# A maildrop in a temporary directory, and popper serving it on a port of the
# loopback address under a real super-server.  The tests of clients and
# super-servers and the demo use it; the manual is at the end.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Scalar::Util qw(weaken);
use Socket qw(SOL_SOCKET SO_RCVTIMEO);
use Time::HiRes qw(sleep);

my $here = dirname(abs_path(__FILE__));
my $PATIENCE = 60;	# seconds until something that hangs fails the test

# A signal ends the test as die() would, so that nothing is left behind.
my %alive;
$SIG{$_} //= sub { exit 1 } for qw(HUP INT TERM);
END {
	local $?;
	$_->remove for grep { defined } values %alive;
}

# Where a program is, in PATH and where Debian keeps what is not in it.
sub find {
	my ($program) = @_;
	for my $dir (split(/:/, $ENV{PATH} // ''), qw(/usr/sbin /sbin
	    /usr/bin/mh /usr/local/sbin), glob('/opt/*/usr/sbin')) {
		return "$dir/$program" if -f "$dir/$program" &&
		    -x "$dir/$program";
	}
	return undef;
}

# The super-servers that start() knows, the ones a machine has first; s6 and
# runit watch a tcpserver.
my %PROGRAM = (systemd => 'systemd-socket-activate', inetd => 'inetd',
    xinetd => 'xinetd', tcpserver => 'tcpserver', s6 => 's6-supervise',
    runit => 'runsv', superserver => "$here/../superserver");

sub known { return qw(systemd inetd xinetd tcpserver s6 runit superserver) }

sub program {
	my ($kind) = @_;
	return abs_path($PROGRAM{$kind}) if $kind eq 'superserver';
	return undef if $kind =~ /^(?:s6|runit)\z/ && !find('tcpserver');
	return find($PROGRAM{$kind});
}

sub new {
	my ($class, %o) = @_;
	my $self = bless { user => 'alice', password => 's3cret',
	    popper => abs_path($o{popper} // $ENV{POPPER} // './popper'),
	    args => ['-s'], owner => $$, %o }, $class;
	$self->{popper} = abs_path($self->{popper});

	# root serves a made-up account, anybody else himself
	($self->{uid}, $self->{gid}) = $> == 0
	    ? ($o{uid} // 54321, $o{uid} // 54321) : ($>, $) + 0);

	$self->{dir} = tempdir('popper-XXXXXX', TMPDIR => 1);
	weaken($alive{$self} = $self);
	chmod 0755, $self->{dir};
	mkdir "$self->{dir}/mail" or die "$self->{dir}/mail: $!";
	chmod 01777, "$self->{dir}/mail";
	write_file($self->passwd_file, join(':', $self->{user},
	    hash($self->{password}), $self->{uid}, $self->{gid},
	    'A. Liddell', $self->{dir}, '/bin/sh') . "\n", 0600);
	$self->fill($o{spool}) if defined $o{spool};
	return $self;
}

# What crypt(3) makes of a password, by the cheapest scheme it knows.
sub hash {
	my ($password) = @_;
	for my $salt ('$5$rounds=1000$popper', '$1$popper', 'po') {
		my $hash = crypt($password, $salt);
		return $hash if defined $hash && length $hash >= 13 &&
		    index($hash, substr($salt, 0, 2)) == 0;
	}
	die "no crypt(3) scheme works here\n";
}

sub write_file {
	my ($path, $text, $mode) = @_;
	open my $f, '>', $path or die "$path: $!\n";
	binmode $f;
	chmod $mode, $path if defined $mode;
	print $f $text;
	close $f or die "$path: $!\n";
}

sub read_file {
	my ($path) = @_;
	open my $f, '<', $path or return undef;
	binmode $f;
	local $/;
	return scalar <$f> // '';
}

sub fill {
	my ($self, $text) = @_;
	my $path = $self->spool_file;
	write_file($path, $text, 0600);
	chown $self->{uid}, $self->{gid}, $path if $> == 0;
}

sub passwd_file { my ($self) = @_; return "$self->{dir}/passwd" }

sub spool_file { my ($self) = @_; return "$self->{dir}/mail/$self->{user}" }

sub spool { my ($self) = @_; return read_file($self->spool_file) // '' }

# The mbox cut into messages, From_ line and separating empty line included.
# A line that only begins like a separator, without time and year, is none.
sub pieces {
	my ($text) = @_;
	return split /(?<=\n\n)(?=From .*\d\d:\d\d.* \d{4}\n)/, $text;
}

# The text of one such piece as a client should get it, line ends LF.
sub content {
	my ($piece) = @_;
	$piece =~ s/\AFrom .*\n//;
	$piece =~ s/\n\n\z/\n/;
	return $piece;
}

sub messages { return map { content($_) } pieces(@_) }

# The arguments popper is run with, its name first.
sub command {
	my ($self) = @_;
	return ('popper', @{$self->{args}}, qw(-r -f 0), '-p',
	    $self->passwd_file, '-m', "$self->{dir}/mail");
}

# Below those that the system gives to outgoing connections: it stays free.
sub free_port {
	for (1 .. 100) {
		my $port = 10_000 + int rand 20_000;
		return $port if can_listen($port);
	}
	die "no free port: $!\n";
}

# Can this port be listened on?
sub can_listen {
	my ($port) = @_;
	my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
	    LocalPort => $port, Listen => 1, ReuseAddr => 1);
	return defined $s;
}

# Run a program in the background with its output in a file; its process id.
sub spawn {
	my ($output, @command) = @_;
	defined(my $pid = fork) or die "fork: $!\n";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', $output;
		open STDERR, '>&', \*STDOUT;
		chdir '/';
		exec { $command[0] } @command or POSIX::_exit(127);
	}
	return $pid;
}

# End a process that spawn() began, by force if it does not go by itself.
sub end {
	my ($pid) = @_;
	kill 'TERM', $pid;
	for (1 .. 500) {
		return if waitpid($pid, WNOHANG) != 0;
		sleep 0.01;
	}
	kill 'KILL', $pid;
	waitpid $pid, 0;
}

# inetd run by root writes this, and removes it at its end; what another
# inetd had written there comes back after that.
my $PIDFILE = '/run/inetd.pid';

# A file of contrib/superservers, for this popper.
sub recipe {
	my ($self, $file) = @_;
	my $text = read_file("$here/../../contrib/superservers/$file") //
	    die "$file: $!\n";
	return $text =~ s{/usr/local/sbin/popper}{$self->{popper}}gr;
}

# The command that starts each kind.  The recipes are taken as they are written
# but for what a test cannot have: popper's path and options, the port, the
# address, and root where somebody else runs it.

sub inetd_run {
	my ($self, $program, @port) = @_;
	my $me = (getpwuid($>))[0] // $>;
	my ($argv0, @args) = $self->command;
	my $text = $self->recipe('inetd.conf') =~ s/nowait root/nowait $me/gr;
	$text =~ s/ $argv0\b/ $argv0 @args/g;
	my @line = grep { !/^#/ } split /^/, $text;
	# an address alone on a line holds for those after it
	write_file("$self->{dir}/inetd.conf", join '', "127.0.0.1:\n",
	    map { $line[$_] =~ s/^\w+/$port[$_]/r } 0 .. $#port);
	return ($program, '-i', "$self->{dir}/inetd.conf");
}

sub xinetd_run {
	my ($self, $program, $port) = @_;
	my $me = (getpwuid($>))[0] // $>;
	my (undef, @args) = $self->command;
	my $text = $self->recipe('xinetd.conf') =~ s/(user\s*=) root/$1 $me/r;
	$text =~ s/^\}/
	    type = UNLISTED\n bind = 127.0.0.1\n port = $port
	    server_args = @args\n}/m;
	write_file("$self->{dir}/xinetd.conf", $text);
	return ($program, '-dontfork', '-f', "$self->{dir}/xinetd.conf",
	    '-pidfile', "$self->{dir}/xinetd.pid");
}

sub systemd_run {
	my ($self, $program, $port) = @_;
	my (undef, @args) = $self->command;
	return ($program, '-l', "127.0.0.1:$port", '--accept', '--inetd',
	    $self->{popper}, @args);
}

# The folder of a service, whose run script starts a tcpserver.
sub watched_run {
	my ($self, $program, $port) = @_;
	my (undef, @args) = $self->command;
	my $text = $self->recipe('tcpserver.run');
	$text =~ s/^(exec .*)0\.0\.0\.0 110 (.*)/${1}127.0.0.1 $port $2 @args/m;
	mkdir "$self->{dir}/service";
	write_file("$self->{dir}/service/run", $text, 0755);
	return ($program, "$self->{dir}/service");
}

sub tcpserver_run {
	my ($self, @arg) = @_;
	my (undef, $service) = $self->watched_run(@arg);
	return "$service/run";
}

sub superserver_run {
	my ($self, $program, $port) = @_;
	my (undef, @args) = $self->command;
	return ($program, $port, $self->{popper}, @args);
}

sub start {
	my ($self, $kind, @port) = @_;
	my $program = program($kind) or die "$kind is not installed\n";
	$self->stop;
	@port = (free_port()) if !@port;
	my $make = $self->can("${kind}_run") // \&watched_run;
	my $dir = $self->{dir};
	my @run = $self->$make($program, @port);
	$self->{pidfile} = read_file($PIDFILE) if $kind eq 'inetd' && $> == 0;
	$self->{server} = spawn("$dir/$kind.out", @run);

	# it serves when each port has given a greeting
	for my $port (map { number($_) } @port) {
		my $s;
		for (1 .. 500) {
			last if $s = $self->connect($port);
			last if waitpid($self->{server}, WNOHANG) != 0;
			sleep 0.02;
		}
		my $greeting = $s ? $s->line : '';
		$greeting =~ /^\+OK/ or die "$kind does not serve: ",
		    $greeting, read_file("$dir/$kind.out") // '', "\n";
		$s->ask('QUIT');
		$self->{port} //= $port;
	}
	return $self->{port};
}

sub stop {
	my ($self) = @_;
	return if $self->{owner} != $$;
	end(delete $self->{server}) if defined $self->{server};
	delete $self->{port};
	my $pid = delete $self->{pidfile};
	write_file($PIDFILE, $pid) if defined $pid;
}

# Stop, and remove every file.  A session whose connection has just been cut
# may still be about to make one: then once more.
sub remove {
	my ($self) = @_;
	return if $self->{owner} != $$;
	$self->stop;
	for (1 .. 100) {
		remove_tree($self->{dir}, { error => \my $ignored });
		last if !-e $self->{dir};
		sleep 0.02;
	}
	delete $alive{$self};
}

sub DESTROY {
	my ($self) = @_;
	local ($?, $@, $!);
	$self->remove;
}

# The number of a port given by number or by its name in /etc/services.
sub number {
	my ($port) = @_;
	return $port if $port =~ /^\d+\z/;
	return (getservbyname($port, 'tcp'))[2] // die "no service $port\n";
}

# A connection, before its greeting has been read; undef if there is none.
sub connect {
	my ($self, $port) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	    PeerPort => $port // $self->{port}) or return undef;
	setsockopt($s, SOL_SOCKET, SO_RCVTIMEO, pack('l!l!', $PATIENCE, 0));
	return bless { socket => $s }, 'Service::Talk';
}

# A connection that has logged in.
sub login {
	my ($self, $port) = @_;
	my $s = $self->connect($port) or die "connect: $!\n";
	$s->line;
	$s->ask("USER $self->{user}");
	my $reply = $s->ask("PASS $self->{password}");
	$reply =~ /^\+OK/ or die "login: $reply\n";
	return $s;
}

package Service::Talk;

# The next line without its line end; '' at the end of the connection.
sub line {
	my ($self) = @_;
	my $line = readline($self->{socket}) // return '';
	$line =~ s/\r\n\z//;
	return $line;
}

sub ask {
	my ($self, $command) = @_;
	$self->{socket}->print("$command\r\n");
	return $self->line;
}

# The lines of a multi-line reply after its first, unstuffed, joined by LF.
sub text {
	my ($self) = @_;
	my $text = '';
	while (defined(my $line = readline $self->{socket})) {
		return $text if $line eq ".\r\n";
		$line =~ s/\r\n\z/\n/;
		$line =~ s/^\.//;
		$text .= $line;
	}
	die "the connection ended inside a multi-line reply\n";
}

# All that comes until the other side closes.
sub rest {
	my ($self) = @_;
	local $/;
	return readline($self->{socket}) // '';
}

1;

__END__

=head1 NAME

Service - popper on a port, under a real super-server

=head1 SYNOPSIS

	my $pop = Service->new(spool => $mbox);
	$pop->start('inetd');			# or start('inetd', 110, 109)
	my $s = $pop->login;
	like $s->ask('RETR 1'), qr/^\+OK/;
	is $s->text, (Service::messages($mbox))[0];
	$s->ask('QUIT');
	is $pop->spool, $mbox;
	$pop->stop;

=head1 MAKING ONE

C<< Service->new(NAME => VALUE ...) >> makes a temporary directory with a
passwd file and, if C<spool> is given, the spool file in F<mail/>.  Also
understood: C<user> (alice), C<password> (s3cret), C<popper> (the program,
else $POPPER, else ./popper), C<args> (['-s']) and C<uid> (54321, used by root
only: anybody else serves himself).  All of it goes with the object.

=head1 SUPER-SERVERS

C<Service::known> lists the kinds: systemd, inetd, xinetd, tcpserver, s6 and
runit watching a tcpserver, and superserver, our own stand-in; but for the
first and the last they are set up by the files of F<contrib/superservers>.
C<Service::program(KIND)> is where that one is, undef if nowhere.
C<start(KIND, PORT ...)> starts it on loopback and returns the port when it has
given a greeting there; it dies with the reason when there is none.  Without a
port a free one is taken; only inetd serves more than one, by number or by
name.  C<stop> ends it.

=head1 TALKING

C<connect> and C<login> return a connection: C<line> reads a line, C<ask> sends
a command and reads the reply's first line, C<text> reads the rest of a
multi-line reply, C<rest> all until the end.

=head1 MAIL

C<spool> is the spool's text now, C<fill(TEXT)> sets it.  C<Service::pieces>
cuts an mbox into messages with their From_ lines, C<Service::messages> into
what clients should get of them, with LF as the line end.

=cut
