package Tls;

# Certificates, Popper::Session under TLS, and real mail clients that speak it.
# The manual is at the end.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use POSIX qw(WNOHANG);
use Service;
use Test::More;
use Time::HiRes qw(sleep);

my $here = dirname(abs_path(__FILE__));

# What the whole file needs, or it is skipped.
sub needed {
	plan skip_all => 'IO::Socket::SSL is not installed'
	    unless eval { require IO::Socket::SSL; 1 };
	plan skip_all => 'openssl is not installed'
	    unless defined Service::find('openssl');
}

# A directory with ca.pem and a certificate signed by it: cert.pem, key.pem.
sub new {
	my ($class) = @_;
	my $self = bless {
	    dir => tempdir('popper-tls-XXXXXX', TMPDIR => 1, CLEANUP => 1),
	}, $class;

	chmod 0755, $self->{dir};
	openssl('req', '-x509', '-subj', '/CN=popper test authority',
	    '-addext', 'keyUsage=critical,keyCertSign', '-days', 2,
	    newkey("$self->{dir}/ca.key"), '-out', $self->ca);
	$self->certify('first');
	return $self;
}

sub newkey {
	return ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
	    '-nodes', '-keyout', @_);
}

sub openssl {
	my (@args) = @_;
	my $pid = Service::spawn('/dev/null', Service::find('openssl'), @args);

	waitpid $pid, 0;
	die "openssl @args: failed\n" if $? != 0;
}

# A certificate in place of the one that was there, with this in its subject.
sub certify {
	my ($self, $unit) = @_;
	my $dir = $self->{dir};

	openssl('req', '-x509', '-CA', $self->ca, '-CAkey', "$dir/ca.key",
	    '-subj', "/OU=$unit/CN=localhost", '-days', 2,
	    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
	    '-addext', 'basicConstraints=critical,CA:FALSE',
	    newkey("$dir/new.key"), '-out', "$dir/new.pem");
	rename "$dir/new.key", $self->key or die "rename: $!";
	rename "$dir/new.pem", $self->cert or die "rename: $!";
}

sub dir { return $_[0]{dir} }
sub ca { return "$_[0]{dir}/ca.pem" }
sub cert { return "$_[0]{dir}/cert.pem" }
sub key { return "$_[0]{dir}/key.pem" }

# The words that start a program under a parent with UCSPI-TLS.
sub parent {
	my ($self, @options) = @_;
	return ($^X, "$here/../ucspi-tls", @options, $self->cert, $self->key);
}

# What a client wants to see of the server.
sub trust {
	my ($self) = @_;
	return (SSL_ca_file => $self->ca, SSL_verifycn_scheme => 'pop3',
	    SSL_verifycn_name => 'localhost', SSL_hostname => 'localhost',
	    Timeout => 30);
}

# The client's side of the handshake, on a Popper::Session over a socket.
sub secure {
	my ($self, $s) = @_;

	$s->{read}->blocking(1);
	my $good = IO::Socket::SSL->start_SSL($s->{read}, $self->trust);
	$s->{read}->blocking(0);
	return $good;
}

# ---- real clients ---------------------------------------------------------

# Runs a program to its end, as an ordinary user with a home of its own; its
# wait status.  What it says is in the file "output" there.
sub run {
	my ($home, $input, @command) = @_;
	my ($uid, $gid) = $> == 0 ? (getpwnam 'nobody')[2, 3] : ($>, $) + 0);

	Service::write_file("$home/input", $input);
	defined(my $pid = fork) or die "fork: $!";
	if ($pid == 0) {
		POSIX::setsid();
		open STDIN, '<', "$home/input";
		open STDOUT, '>', "$home/output";
		open STDERR, '>&', \*STDOUT;
		chdir $home;
		if ($> == 0) {
			$) = "$gid $gid";
			POSIX::setgid($gid);
			POSIX::setuid($uid);
		}
		%ENV = (PATH => $ENV{PATH}, HOME => $home, TERM => 'xterm',
		    LANG => 'C.UTF-8', USER => (getpwuid $>)[0] // 'nobody');
		exec { $command[0] } @command or POSIX::_exit(127);
	}
	for (1 .. 12000) {		# two minutes: it may only be slow
		return $? if waitpid($pid, WNOHANG) != 0;
		sleep 0.01;
	}
	kill 'KILL', -$pid;
	waitpid $pid, 0;
	diag "$command[0] hangs";
	return -1;
}

# Each client: the programs it needs, and the words and configuration by which
# it fetches two messages, and deletes them if it says so.  Where tls is set it
# speaks TLS from the first octet on, else by STLS, and in no case without.
my %client = (
	'curl' => [['curl'], sub {
		my ($is, $curl) = @_;
		my $url = ($is->{tls} ? 'pop3s' : 'pop3') .
		    "://localhost:$is->{port}";
		return (run => [$curl, '-qsS', '--noproxy', '*', '--ssl-reqd',
		    '--cacert', $is->{ca}, '-u', "$is->{user}:$is->{password}",
		    "$url/1", "$url/2"]);
	}],
	'fetchmail' => [['fetchmail'], sub {
		my ($is, $fetchmail) = @_;
		my $how = $is->{tls} ? 'ssl' : "sslproto 'TLS1.2+'";
		return (deletes => 1, files => { '.fetchmailrc' => <<"END" },
set invisible
poll localhost protocol pop3 service $is->{port} auth password
	user "$is->{user}" password "$is->{password}" no rewrite fetchall
	$how sslcertck sslcertfile $is->{ca} nokeep
	mda "cat >>$is->{home}/got"
END
		    run => [$fetchmail]);
	}],
	# it would miss the end of a program that ends before it waits for it
	'getmail6' => [['getmail'], sub {
		my ($is, $getmail) = @_;
		return (unable => 'it knows no STLS') unless $is->{tls};
		return (deletes => 1, files => { getmailrc => <<"END" },
[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = $is->{port}
username = $is->{user}
password = $is->{password}
ca_certs = $is->{ca}
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "sleep 0.3; cat >>$is->{home}/got")
[options]
verbose = 0
delete = true
END
		    run => [$getmail, '-g', $is->{home}, '-r', 'getmailrc']);
	}],
	'mpop' => [['mpop'], sub {
		my ($is, $mpop) = @_;
		my $starttls = $is->{tls} ? 'off' : 'on';
		return (deletes => 1, files => { '.mpoprc' => <<"END" },
account default
host localhost
port $is->{port}
user $is->{user}
password $is->{password}
auth plain
tls on
tls_starttls $starttls
tls_trust_file $is->{ca}
uidls_file $is->{home}/uidls
delivery mbox $is->{home}/got
keep off
END
		    run => [$mpop, '-q']);
	}],
	'mutt' => [['mutt', 'script'], sub {
		my ($is, $mutt, $script) = @_;
		my $url = ($is->{tls} ? 'pops' : 'pop') .
		    "://$is->{user}\@localhost:$is->{port}/";
		my $keys = '<tag-pattern>.<enter><tag-prefix><copy-message>' .
		    'got<enter><quit>';
		return (files => { '.muttrc' => <<"END" },
set pop_pass = "$is->{password}"
set ssl_starttls = yes ssl_force_tls = yes
set ssl_ca_certificates_file = $is->{ca}
set quit = yes delete = no mbox_type = mbox copy = no
unset confirmappend confirmcreate mark_old wait_key
END
		    run => [$script, '-qec', "$mutt -F .muttrc " .
		    "-e 'push \"$keys\"' -f $url", '/dev/null']);
	}],
	'Net::POP3' => [[], sub {
		my ($is) = @_;
		my $secure = $is->{tls} ? 'SSL => 1,' : '';
		my $starttls = $is->{tls} ? '1' : '$pop->starttls(@trust)';
		return (deletes => 1, run => [$^X, '-MNet::POP3', '-e', <<"END"]);
my \@trust = (SSL_ca_file => '$is->{ca}', SSL_verifycn_name => 'localhost');
my \$pop = Net::POP3->new('localhost', Port => $is->{port}, Timeout => 30,
    $secure \@trust) or die "no connection: \$\@";
$starttls or die 'no TLS';
\$pop->login('$is->{user}', '$is->{password}') == 2 or die 'login';
print \@{ \$pop->get(\$_) } and \$pop->delete(\$_) for 1, 2;
\$pop->quit or die 'quit';
END
	}],
	# it takes a line's R and Q for itself, not an r or q
	'openssl s_client' => [['openssl'], sub {
		my ($is, $openssl) = @_;
		return (run => [$openssl, 's_client', '-quiet',
		    ($is->{tls} ? () : ('-starttls', 'pop3')),
		    '-connect', "localhost:$is->{port}", '-CAfile', $is->{ca},
		    '-verify_return_error', '-verify_hostname', 'localhost'],
		    input => "USER $is->{user}\r\nPASS $is->{password}\r\n" .
		    "rETR 1\r\nrETR 2\r\nqUIT\r\n");
	}],
);

# Every client fetches the mail of a Service: a test for each.
sub fetch_with_clients {
	my ($self, $pop, %o) = @_;
	my $mail = $pop->spool;
	my @subject = $mail =~ /^(Subject: .*)$/mg;
	my $home = "$pop->{dir}/home";

	for my $name (sort keys %client) {
		my ($programs, $code) = @{ $client{$name} };
		my ($missing) = grep { !defined Service::find($_) } @$programs;
		my %is = (unable => 'it is not installed');
		%is = $code->({ %o, ca => $self->ca, home => $home,
		    user => $pop->{user}, password => $pop->{password} },
		    map { Service::find($_) } @$programs)
		    unless defined $missing;
		SKIP: {
			skip "$name: $is{unable}", 1 if defined $is{unable};
			$pop->fill($mail);
			make_home($home, %{ $is{files} || {} });
			subtest $name => sub {
				is(run($home, $is{input} // '', @{ $is{run} }),
				    0, 'goes through');
				my $got = (Service::read_file("$home/got")
				    // '') . Service::read_file("$home/output");
				is(scalar(() = $got =~ /^\Q$_\E\r?$/mg), 1, $_)
				    for @subject;
				is($pop->spool =~ s/^Status: .*\n//gmr,
				    $is{deletes} ? '' : $mail, 'the spool')
				    or diag($got);
			};
		}
	}
}

sub make_home {
	my ($home, %file) = @_;
	my ($uid, $gid) = $> == 0 ? (getpwnam 'nobody')[2, 3] : ($>, $) + 0);

	system 'rm', '-rf', $home;
	for my $dir ($home, "$home/Mail") {	# mutt asks for that one
		mkdir $dir or die "$dir: $!";
		chown $uid, $gid, $dir;
	}
	Service::write_file("$home/$_", $file{$_}, 0600) for keys %file;
	chown $uid, $gid, map { "$home/$_" } keys %file;
}

1;

__END__

=head1 NAME

Tls - popper under TLS, for the tests

=head1 SYNOPSIS

	Tls::needed();
	my $tls = Tls->new;
	my $s = $box->session(over => 'tcp', under => [$tls->parent('-1')]);
	$s->command('STLS');
	ok $tls->secure($s);
	$tls->fetch_with_clients($service, port => 995, tls => 1);

=head1 FUNCTIONS

C<needed> skips the file where IO::Socket::SSL or openssl is missing.  C<new>
makes a directory with a certificate; C<ca>, C<cert>, C<key> and C<dir> are the
paths; C<certify(UNIT)> puts a new certificate into its place.  C<parent> gives
the words for C<under> that run popper under F<tests/ucspi-tls>; C<secure> does
the client's handshake on a session, after which it is used as before.
C<fetch_with_clients(SERVICE, port, tls)> has every client that is there fetch
the two messages of a Service's spool.  C<run(HOME, INPUT, COMMAND)> runs a
program as an ordinary user.

=cut
