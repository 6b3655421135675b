# The PROXY protocol, versions 1 and 2 of its specification, by hand and by
# HAProxy; and two hosts that share one spool directory behind it.

use strict;
use warnings;

use FindBin qw($Bin);
use IO::Select;
use IO::Socket::INET;
use Socket qw(AF_INET AF_INET6 inet_aton inet_pton);
use Test::More;
use Time::HiRes qw(sleep);
use Popper;
use Service;
use Tls;

my $V2 = "\r\n\r\n\0\r\nQUIT\n";
my $ADDR4 = inet_aton('192.0.2.1') . inet_aton('192.0.2.2') . pack 'nn', 1000, 110;
my $ADDR6 = inet_pton(AF_INET6, '2001:db8::1') . inet_pton(AF_INET6, '2001:db8::2')
    . pack 'nn', 1000, 110;
my $MAPPED = inet_pton(AF_INET6, '::ffff:192.0.2.1') . inet_pton(AF_INET6, '::1')
    . pack 'nn', 1000, 110;
my $V1 = "PROXY TCP4 192.0.2.1 192.0.2.2 1000 110\r\n";

# A version 2 header: version and command, family, what follows.
sub v2 {
	my ($command, $family, $rest, $length) = @_;
	return $V2 . pack('CCn', $command, $family, $length // length $rest)
	    . $rest;
}

sub tlv { return pack 'Cn/a', @_ }

# The TLV of a client that speaks TLS (1) or does not (0).
sub ssl { return tlv(0x20, pack('CN', $_[0], 0) . tlv(0x21, 'TLSv1.3')) }

# A session that begins with these octets.
sub begun {
	my ($box, $octets, @args) = @_;
	my $s = $box->session(greeting => 0, args => @args ? \@args :
	    ['-H', 'on']);

	$s->send_raw($octets);
	return $s;
}

sub served {
	my ($box, $octets, $addr, $title) = @_;
	my $s = begun($box, $octets . "USER alice\r\n");

	like($s->reply('the header'), qr/^\+OK popper/, "$title: the greeting");
	like($s->reply('USER'), qr/^\+OK Password/, 'the next octet is a command');
	$s->close;
	$s->wait;
	my @start = $box->log =~ / start addr=(\S+) /g;
	is($start[-1], $addr, "the log: $addr");
}

my %header = (
	'version 1, TCP4' => [$V1, '192.0.2.1'],
	'version 1, TCP6' => ["PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
	    '2001:db8::1'],
	'version 1, TCP6 with a mapped address' =>
	    ["PROXY TCP6 ::FFFF:192.0.2.1 ::1 1 65535\r\n", '192.0.2.1'],
	'version 2, TCP6 with a mapped address' => [v2(0x21, 0x21, $MAPPED),
	    '192.0.2.1'],
	'version 1, the longest' => ['PROXY TCP6 ' . join(' ',
	    ('fec0:ffff:ffff:ffff:ffff:ffff:ffff:ffff') x 2, 65535, 65535) .
	    "\r\n", 'fec0:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
	'version 1, UNKNOWN' => ["PROXY UNKNOWN\r\n", 'local'],
	'version 1, UNKNOWN and more' => ['PROXY UNKNOWN ' . 'x' x 91 . "\r\n",
	    'local'],
	'version 2, TCP4' => [v2(0x21, 0x11, $ADDR4), '192.0.2.1'],
	'version 2, TCP6' => [v2(0x21, 0x21, $ADDR6), '2001:db8::1'],
	'version 2, TCP4 and more' => [v2(0x21, 0x11, $ADDR4 . tlv(4, 'x' x 500)
	    . ssl(1)), '192.0.2.1'],
	'version 2, TCP6 and more' => [v2(0x21, 0x21, $ADDR6 . tlv(1, 'pop3') .
	    tlv(0xe0, "\r\n")), '2001:db8::1'],
	'version 2, more that is none of the kind' => [v2(0x21, 0x11, $ADDR4 .
	    "\x20\xff\xff"), '192.0.2.1'],
	'version 2, LOCAL' => [v2(0x20, 0, ''), 'local'],
	'version 2, LOCAL with addresses' => [v2(0x20, 0x11, $ADDR4), 'local'],
	'version 2, UNSPEC' => [v2(0x21, 0, 'x' x 20), 'local'],
);

for my $title (sort keys %header) {
	case "PROXY $title: read to the octet, its address in the log" => sub {
		served(box(), @{ $header{$title} }, $title);
	};
}

case 'PROXY: no word before the header is whole, however it comes' => sub {
	for my $header ($V1, v2(0x21, 0x11, $ADDR4 . ssl(0))) {
		my $box = box();
		my $s = $box->session(args => ['-H', 'on'], greeting => 0);
		my $early = 0;

		for my $octet (split //, $header =~ s/.\z//sr) {
			$s->send_raw($octet);
			$early++ if IO::Select->new($s->{read})->can_read(0.002);
		}
		is($early, 0, 'nothing');
		$s->send_raw(substr $header, -1);
		like($s->reply('the header'), qr/^\+OK popper/, 'the greeting');
		ok((eventually { $box->log =~ / start addr=192\.0\.2\.1 / }),
		    'the log');	# written behind the greeting
	}
};

my %bad = (
	'a client without one' => "QUIT\r\n",
	'a TLS handshake' => "\026\003\001\002\0\001\0\001\374\003\003",
	'nothing but line ends' => "\r\n" x 9,
	'107 octets without line end' => 'PROXY UNKNOWN ' . 'x' x 93,
	'108 octets' => 'PROXY UNKNOWN ' . 'x' x 92 . "\r\n",
	'no CR' => $V1 =~ s/\r//r,
	'lower case' => lc $V1,
	'another family' => $V1 =~ s/TCP4/TCP5/r,
	'UDP4' => $V1 =~ s/TCP4/UDP4/r,
	'an address of the other family' => $V1 =~ s/TCP4/TCP6/r,
	'three octets of an address' => $V1 =~ s/192\.0\.2\.1/192.0.2/r,
	'an address with leading zeros' => $V1 =~ s/192\.0\.2\.1/192.0.2.01/r,
	'no address' => $V1 =~ s/192\.0\.2\.1//r,
	'a name' => $V1 =~ s/192\.0\.2\.1/localhost/r,
	'a port too large' => $V1 =~ s/1000/65536/r,
	'a port with leading zero' => $V1 =~ s/1000/0110/r,
	'a negative port' => $V1 =~ s/1000/-1/r,
	'no second port' => $V1 =~ s/ 110//r,
	'a word too many' => $V1 =~ s/110/110 x/r,
	'a space too many' => $V1 =~ s/ 110/  110/r,
	'a space at the end' => $V1 =~ s/110/110 /r,
	'a tab' => $V1 =~ s/ 110/\t110/r,
	'a NUL' => $V1 =~ s/ 110/ \x00110/r,
	'version 3' => v2(0x31, 0x11, $ADDR4),
	'version 1 in the binary form' => v2(0x11, 0x11, $ADDR4),
	'another command' => v2(0x22, 0x11, $ADDR4),
	'version 2, UDP' => v2(0x21, 0x12, $ADDR4),
	'version 2, UNIX' => v2(0x21, 0x31, 'x' x 216),
	'version 2, an unknown family' => v2(0x21, 0x41, $ADDR6),
	'version 2, too short for TCP4' => v2(0x21, 0x11, substr $ADDR4, 0, 11),
	'version 2, too short for TCP6' => v2(0x21, 0x21, substr $ADDR6, 0, 35),
	'version 2, 65535 octets' => v2(0x21, 0x11, $ADDR4, 65535) . 'x' x 3000,
	'a signature that is nearly one' => ($V2 =~ s/QUIT/quit/r) .
	    pack('CCn', 0x21, 0x11, 12) . $ADDR4,
);

for my $title (sort keys %bad) {
	case "PROXY: $title: no word, but the end" => sub {
		my $box = box();
		my $s = begun($box, $bad{$title} . "CAPA\r\n");

		is($s->slurp, '', 'nothing is sent');
		is($s->wait, 0, 'exit status');
		like($box->log, qr/ proxy addr=\S+: no valid header$/m,
		    'the log');
		is((() = $box->log =~ /\n/g), 1, 'in one line');
	};
}

case 'PROXY: a client that goes away inside the header, or is silent' => sub {
	my $box = box();

	for my $some ('', 'P', 'PROXY', $V1 =~ s/\n//r, "\r", $V2,
	    substr v2(0x21, 0x11, $ADDR4), 0, -1) {
		my $s = begun($box, $some);
		shutdown $s->{write}, 1;
		is($s->slurp, '', show($some));
		is($s->wait, 0, 'exit status');
	}
	my $s = begun($box, 'PROXY TCP4', '-H', 'on', '-l', 1);
	is($s->slurp, '', 'silence: nothing is sent, but the end comes');
	is($s->wait, 0, 'exit status');
};

case 'PROXY: not asked for, it is an unknown command, and no address' => sub {
	my $box = box();
	my $s = $box->session(args => ['-P', 'local']);

	like($s->command($V1 =~ s/\r\n//r), qr/^-ERR/, 'version 1');
	like($s->command('USER alice'), qr/^\+OK/, 'the session goes on');
	unlike($box->log, qr/192\.0\.2\.1/, 'the log');
};

# Policy: by the address that the header tells, and by its word on TLS only
# where -H tls asks for that.
for ([$V1, 'local', 'on', 0], [$V1 =~ s/192\.0\.2\.1/127.0.0.1/r, 'local', 'on', 1],
    ["PROXY UNKNOWN\r\n", 'local', 'on', 1], [$V1, 'tls', 'tls', 0],
    ["PROXY TCP6 ::ffff:127.0.0.1 ::1 1000 110\r\n", 'local', 'on', 1],
    ["PROXY TCP6 ::ffff:192.0.2.1 ::1 1000 110\r\n", 'local', 'on', 0],
    ["PROXY TCP6 ::1 ::1 1000 110\r\n", 'local', 'on', 1],
    [v2(0x21, 0x21, $MAPPED), 'local', 'on', 0],
    [v2(0x21, 0x11, $ADDR4 . ssl(1)), 'tls', 'tls', 1],
    [v2(0x21, 0x11, $ADDR4 . ssl(1)), 'tls', 'on', 0],
    [v2(0x21, 0x11, $ADDR4 . ssl(0)), 'tls', 'tls', 0],
    [v2(0x21, 0x11, $ADDR4 . ssl(6)), 'tls', 'tls', 0],
    [v2(0x21, 0x11, $ADDR4), 'tls', 'tls', 0],
    [v2(0x21, 0x21, $ADDR6 . tlv(1, 'pop3') . ssl(7)), 'tls', 'tls', 1],
    [v2(0x21, 0x11, $ADDR4 . tlv(0x20, "\1\0\0\0")), 'tls', 'tls', 0],
    [v2(0x21, 0x11, $ADDR4 . "\x20\0\5\1\0\0"), 'tls', 'tls', 0],
    [v2(0x20, 0x11, $ADDR4 . ssl(1)), 'tls', 'tls', 0]) {
	my ($header, $policy, $option, $may) = @$_;

	case "PROXY, -P $policy -H $option, " . show($header) . ': passwords '
	    . ($may ? 'are' : 'are not') . ' taken' => sub {
		my $s = begun(box(), $header, '-H', $option, '-P', $policy);

		like($s->reply('the header'), qr/^\+OK/, 'the greeting');
		my $capa = $s->text('CAPA');
		is($capa =~ /^USER\r$/m ? 1 : 0, $may, 'CAPA: USER');
		is($capa =~ /^SASL PLAIN\r$/m ? 1 : 0, $may, 'and SASL');
		like($s->command('USER alice'), $may ? qr/^\+OK/ :
		    qr/^-ERR \[AUTH\]/, 'USER');
	};
}

# ---- HAProxy ----------------------------------------------------------------

my $haproxy = Service::find('haproxy');
my $able = defined $haproxy && defined Service::find('openssl') &&
    eval { require IO::Socket::SSL };
my $tls = $able ? Tls->new : undef;

# The recipe, with other addresses, ports and paths, and such other words as a
# case may want; HAProxy itself as a Service's server.
sub front {
	my ($pop, $hosts, %change) = @_;
	my $port = Service::free_port();
	my $text = Service::read_file("$Bin/../contrib/haproxy.cfg")
	    // die "no recipe\n";
	my $pem = $tls->dir . '/haproxy.pem';
	my @host = @$hosts;

	Service::write_file($pem, Service::read_file($tls->cert) .
	    Service::read_file($tls->key), 0600);
	$text =~ s/^\tbind \K:995 (ssl crt) \S+/127.0.0.1:$port $1 $pem/m
	    or die 'no bind in the recipe';
	$text =~ s/^(\tserver \w+) .*\n/@host ? "$1 " . shift(@host) . "\n"
	    : ''/gme;
	$text =~ s/\Q$_\E/$change{$_}/ for keys %change;
	Service::write_file("$pop->{dir}/haproxy.cfg", $text);
	$pop->{server} = Service::spawn("$pop->{dir}/haproxy.out", $haproxy,
	    '-db', '-f', "$pop->{dir}/haproxy.cfg");
	eventually { talk($port) } or die 'HAProxy does not serve: ',
	    slurp("$pop->{dir}/haproxy.out"), "\n";
	return $port;
}

sub talk {
	my ($port) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	    PeerPort => $port, LocalAddr => '127.0.0.2') or return undef;
	return bless { socket => $socket }, 'Service::Talk';
}

# Connected, greeted, under TLS unless told otherwise.
sub greeted {
	my ($port, $clear) = @_;
	my $s;

	eventually {
		$s = talk($port) or return 0;
		$clear || IO::Socket::SSL->start_SSL($s->{socket}, $tls->trust)
		    or return 0;
		($s->{greeting} = $s->line) =~ /^\+OK/;
	} or die "no greeting behind HAProxy\n";
	return $s;
}

sub log_in {
	my ($s, $user) = @_;
	my $reply = $s->ask('USER ' . ($user // 'alice'));

	return $reply =~ /^\+OK/ ? $s->ask('PASS s3cret') : $reply;
}

for my $is (['send-proxy', 'on', 'local', 1], ['send-proxy-v2', 'on', 'local', 1],
    ['send-proxy-v2-ssl', 'tls', 'tls', 1], ['send-proxy-v2', 'tls', 'tls', 0],
    ['send-proxy-v2-ssl', 'on', 'tls', 0],
    ['send-proxy-v2-ssl', 'tls', 'tls', 0, 'in the clear']) {
	my ($word, $option, $policy, $may, $clear) = @$is;

	case "HAProxy, $word, -H $option -P $policy: a login" .
	    ($clear ? " $clear" : '') . ($may ? '' : ' is refused') => sub {
		plan skip_all => 'HAProxy, openssl or IO::Socket::SSL is not '
		    . 'installed' unless $able;
		my $back = Service->new(spool => FX1, args => []);
		my $out = "$back->{dir}/superserver.out";
		$back->{args} = ['-H', $option, '-P', $policy, '-t',
		    "$back->{dir}/trace"];
		my (undef, @args) = $back->command;
		$back->{server} = Service::spawn($out, $^X,
		    "$Bin/superserver", 0, $back->{popper}, @args);
		my ($inner) = eventually {
			(slurp($out) // '') =~ /^(\d+)$/m && $1
		};
		my $pop = Service->new;
		my $port = front($pop, ["127.0.0.1:$inner"],
		    'send-proxy-v2-ssl' => $word, $clear ?
		    (' ssl crt ' . $tls->dir . '/haproxy.pem' => '') : ());

		my $s = greeted($port, $clear);
		like(log_in($s), $may ? qr/^\+OK/ : qr/^-ERR \[AUTH\]/,
		    'a login');
		is($s->ask('STAT'), '+OK 2 48', 'STAT') if $may;
		like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
		is($s->rest, '', 'the end');
		my $log = Service::read_file("$back->{dir}/trace");
		like($log, qr/ start addr=127\.0\.0\.2 /,
		    'the log has the client\'s address');
		unlike($log, qr/no valid header/, 'checks have a header too');
		$_->remove for $pop, $back;
	};
}

# ---- two hosts --------------------------------------------------------------

# Each host is a network namespace of this machine, joined to it by a pair of
# virtual interfaces, with a host name of its own.  All of it goes at the end.
my @spaces;
END {
	my $status = $?;
	system(Service::find('ip'), 'netns', 'del', $_) for @spaces;
	$? = $status;
}

sub host {
	my ($number, $name) = @_;
	my ($space, $link) = ("popper-$$-$name", "pp$$" . 'n' . $number);
	my $net = '198.18.' . $$ % 250;
	my ($here, $there) = ("$net.$number", "$net." . (100 + $number));

	quiet(qw(ip netns add), $space) or return;
	push @spaces, $space;
	quiet(qw(ip link add), $link, qw(type veth peer name eth0 netns), $space)
	    && quiet(qw(ip addr add), $here, 'peer', $there, 'dev', $link)
	    && quiet(qw(ip link set), $link, 'up')
	    && quiet(qw(ip -n), $space, qw(addr add), $there, 'peer', $here,
	    qw(dev eth0)) && quiet(qw(ip -n), $space, qw(link set eth0 up))
	    or return;
	return { name => $name, address => $there, run => [Service::find('ip'),
	    qw(netns exec), $space, qw(unshare --uts sh -c), "hostname $name; exec \"\$@\"",
	    'sh'] };
}

sub quiet {
	my $pid = Service::spawn('/dev/null', Service::find($_[0]) // $_[0],
	    @_[1 .. $#_]);
	waitpid $pid, 0;
	return $? == 0;
}

my $USERS = 4;
my $LETTERS = 25;

# The two hosts, serving one directory, and HAProxy in front; or a skip.
sub two_hosts {
	needs('root');
	plan skip_all => 'HAProxy, openssl or IO::Socket::SSL is not installed'
	    unless $able;
	my $server = Service::program('tcpserver')
	    // plan skip_all => 'tcpserver is not installed';
	our @host;
	@host = (host(1, 'one'), host(2, 'two')) unless @host;
	plan skip_all => 'network namespaces cannot be made here'
	    unless @host == 2;

	my $box = box(accounts => { alice => 's3cret',
	    map { ("user$_" => 's3cret') } 1 .. $USERS });
	my @pop = (Service->new, Service->new, Service->new);
	for (0, 1) {
		$pop[$_]{server} = Service::spawn("$pop[$_]{dir}/out",
		    @{ $host[$_]{run} }, $server, '-HRl0', $host[$_]{address}, 110,
		    $Popper::binary, qw(-r -f 0 -H tls -P tls), '-p',
		    $box->passwd, '-m', $box->mail, '-t', $box->trace);
	}
	my $port = front($pop[2], [map { "$_->{address}:110" } @host]);
	return ($box, $port, @pop);
}

# The host that has greeted.
sub at { return $_[0]{greeting} =~ / at (\S+) / ? $1 : '' }

case 'two hosts, one spool directory: one session for a user, wherever' => sub {
	my ($box, $port, @pop) = two_hosts();

	for my $turn (1 .. 2) {
		my $s = greeted($port);
		like(log_in($s), qr/^\+OK alice has 2 messages/,
		    'a session on ' . at($s));
		my @other = map { greeted($port) } 1 .. 4;
		my %host = map { at($_) => 1 } @other;
		is(join(' ', sort keys %host), 'one two',
		    'others on that host and the other one');
		like(log_in($_), qr/^-ERR \[IN-USE\]/, 'IN-USE on ' . at($_))
		    for @other;
		like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
	}
	my $s = greeted($port);
	like(log_in($s), qr/^\+OK/, 'then there is a login again');
	like($box->log, qr/ login user=alice addr=127\.0\.0\.2 /,
	    'the client\'s address');
	$_->remove for @pop;
};

# Every letter is deleted once, by a client that was told so, or is in the
# spool at the end, as it was; whatever else goes on.
case 'two hosts, one spool directory: no mail is lost or doubled' => sub {
	my ($box, $port, @pop) = two_hosts();
	my @pids;

	$box->put(join('', map { letter($_) } 1 .. $LETTERS), "user$_")
	    for 1 .. $USERS;
	$box->give($box->mail, 01777);
	for my $worker (0 .. 2 * $USERS - 1) {
		my $user = 'user' . (1 + $worker % $USERS);
		my $pid = fork // die "fork: $!";
		if ($pid == 0) {
			eval { fetch($port, $user, "$box->{dir}/gone.$worker",
			    $worker) };
			Service::write_file("$box->{dir}/why.$worker", $@) if $@;
			POSIX::_exit($@ ? 1 : 0);
		}
		push @pids, $pid;
	}
	for my $n ($LETTERS + 1 .. 2 * $LETTERS) {
		for my $user (1 .. $USERS) {
			eventually { $box->deliver(letter($n), "user$user") };
		}
	}
	my $failed = 0;
	waitpid($_, 0), $failed += $? != 0 for @pids;
	is($failed, 0, 'all clients go through') or diag(map {
	    slurp("$box->{dir}/why.$_") // '' } 0 .. 2 * $USERS - 1);
	for my $user (1 .. $USERS) {
		my @gone = map { split ' ', slurp("$box->{dir}/gone.$_") // '' }
		    grep { 1 + $_ % $USERS == $user } 0 .. 2 * $USERS - 1;
		my $spool = $box->spool("user$user") =~ s/^Status: .*\n//gmr;
		my %gone = map { $_ => 1 } @gone;
		my $left = join '', map { letter($_) } grep { !$gone{$_} }
		    1 .. 2 * $LETTERS;
		is(scalar @gone, scalar keys %gone, "user$user: " .
		    @gone . ' letters are gone, each once');
		ok($spool eq $left, 'and the others are there as they were');
	}
	my %host = map { $_ => 1 } map { split ' ',
	    slurp("$box->{dir}/gone.$_.at") // '' } 0 .. 2 * $USERS - 1;
	is(join(' ', sort keys %host), 'one two', 'by sessions on both hosts');
	$_->remove for @pop;
};

# Four sessions of one client, which reads what there is, and deletes some; the
# numbers of the letters it was told are gone go to a file.
sub fetch {
	my ($port, $user, $file, $worker) = @_;
	my (@gone, @at);

	for my $turn (1 .. 4) {
		my $s;
		eventually {
			$s = greeted($port);
			my $reply = log_in($s, $user);
			die "$reply\n" unless $reply =~ /^\+OK|^-ERR \[IN-USE\]/;
			$reply =~ /^\+OK/;
		} or die "$user: no login\n";
		my ($count) = $s->ask('STAT') =~ /^\+OK (\d+)/;
		my @marked;
		for my $n (1 .. $count) {
			$s->ask("RETR $n") =~ /^\+OK/ or die "RETR $n\n";
			my $text = $s->text;
			my ($letter) = $text =~ /^Subject: letter (\d+)$/m;
			$text =~ s/^Status: .*\n//m;
			$text eq (letter($letter) =~ s/\AFrom .*\n//r =~ s/\n\z//r)
			    or die "letter $letter is not as it was\n";
			next if ($letter + $worker + $turn) % 20;
			$s->ask("DELE $n") =~ /^\+OK/ or die "DELE $n\n";
			push @marked, $letter;
		}
		$s->ask('QUIT') =~ /^\+OK/ or die "QUIT\n";
		push @gone, @marked;
		push @at, at($s);
	}
	Service::write_file("$file.at", "@at");
	Service::write_file($file, "@gone");
}

done_testing;
