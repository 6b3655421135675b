# nginx in front of two hosts, each with its own users: contrib/nginx as it is,
# with only ports, paths and addresses changed.

use strict;
use warnings;

use FindBin qw($Bin);
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Popper;
use Service;
use Tls;

Tls::needed();
my $nginx = Service::find('nginx');
plan skip_all => 'nginx is not installed' unless defined $nginx;
plan skip_all => 'nginx has no mail module' unless glob '/etc/nginx/modules-enabled/*mod-mail.conf';
my $tls = Tls->new;

my @spawned;			# what the case has to end
sub over { Service::end($_) for splice @spawned }
END {
	my $status = $?;
	over();
	$? = $status;
}

# A program for each connection, as inetd starts it; the port.
sub serve {
	my ($dir, @command) = @_;
	my $out = "$dir/superserver." . @spawned;

	push @spawned, Service::spawn($out, $^X, "$Bin/superserver", 0, @command);
	return eventually { (slurp($out) // '') =~ /^(\d+)$/m && $1 };
}

# A host with users, who each have FX1.
sub host {
	my (@users) = @_;
	my $box = box(spool => undef, accounts => { map { $_ => 's3cret' } @users });

	$box->put(FX1, $_) for @users;
	$box->give($box->mail, 01777);
	my ($line) = slurp('contrib/nginx/nginx.conf') =~
	    m{^#\t110 stream tcp nowait root /usr/local/sbin/popper popper (.*)$}m;
	$box->{port} = serve($box->dir, $Popper::binary, split(' ', $line), '-r', '-f', 0,
	    '-p', $box->passwd, '-m', $box->mail, '-t', $box->trace);
	return $box;
}

# nginx in front of these hosts; the ports of TLS and of STLS.
sub front {
	my ($box, $hosts, %change) = @_;
	my $dir = $box->dir;
	my ($pops, $pop) = (Service::free_port(), Service::free_port());
	my $text = slurp('contrib/nginx/nginx.conf');

	Service::write_file("$dir/hosts", join '', sort map { "$_\n" } @$hosts);
	chmod 0644, "$dir/hosts";
	my $asked = serve($dir, $^X, "$Bin/../contrib/nginx/which-host", "$dir/hosts");
	%change = ('listen 995 ' => "listen 127.0.0.1:$pops ", 'listen 110 ' => "listen 127.0.0.1:$pop ",
	    '127.0.0.1:9000' => "127.0.0.1:$asked", '/etc/nginx/mail.pem' => $tls->cert,
	    '/etc/nginx/mail.key' => $tls->key, %change);
	for my $words (sort keys %change) {
		$text =~ s/\Q$words\E/$change{$words}/ or die "no $words in the recipe";
	}
	Service::write_file("$dir/nginx.conf", $text);
	push @spawned, Service::spawn("$dir/nginx.out", $nginx, '-e', "$dir/nginx.log", '-c',
	    "$dir/nginx.conf", '-g', "daemon off; pid $dir/nginx.pid;");
	eventually { talk($pops) } or die 'nginx does not serve: ', slurp("$dir/nginx.out"), "\n";
	return ($pops, $pop);
}

# A client with an address of its own.
sub talk {
	my ($port) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
	    LocalAddr => '127.0.0.2') or return undef;
	return bless { socket => $socket }, 'Service::Talk';
}

sub secure {
	my ($s) = @_;
	IO::Socket::SSL->start_SSL($s->{socket}, $tls->trust) or die 'no TLS';
	return $s;
}

# A connection under TLS, greeted.
sub greeted {
	my ($port) = @_;
	my $s = secure(talk($port) // die 'no connection');

	like($s->line, qr/^\+OK/, 'the greeting');
	return $s;
}

sub log_in {
	my ($s, $user, $password) = @_;
	like($s->ask("USER $user"), qr/^\+OK/, "USER $user");
	return $s->ask('PASS ' . ($password // 's3cret'));
}

my $WELCOME = 'has 2 messages (48 octets).';
my $REFUSED = 'is incorrect.';

# Two hosts: alice and the users that are not listed belong to the first.
sub two_hosts {
	over();
	my @host = (host('alice', 'anna@example.org', '100%'), host('bob'));
	my ($pops, $pop) = front($host[0], [ "*:127.0.0.1:$host[0]{port}",
	    "alice:127.0.0.1:$host[0]{port}", "anna\@example.org:127.0.0.1:$host[0]{port}",
	    "100%:127.0.0.1:$host[0]{port}", "bob:127.0.0.1:$host[1]{port}" ]);
	return ($pops, $pop, @host);
}

case 'each user has the mail of their own host' => sub {
	my ($pops, undef, @host) = two_hosts();
	my %at = (alice => 0, 'anna@example.org' => 0, '100%' => 0, bob => 1);

	for my $user (sort keys %at) {
		my $box = $host[$at{$user}];
		my $s = greeted($pops);
		is(log_in($s, $user), "+OK $user $WELCOME", 'a login');
		is($s->ask('RETR 1'), '+OK 29 octets', 'RETR');
		is($s->text, FX1 =~ s/\A.*?\n//r =~ s/\n\nFrom carol.*/\n/sr, 'its text');
		$s->{socket}->print("DELE 1\r\nSTAT\r\nQUIT\r\n");
		is(join("\n", map { $s->line =~ s/^(\+OK \w*) .*/$1/r } 1 .. 3), "+OK Message\n+OK 1\n+OK popper",
		    'commands together');
		is($s->rest, '', 'the end');
		unlike($box->spool($user), qr/^Subject: one$/m, 'the message is gone');
		like($box->spool($user), qr/^Subject: two$/m, 'and the other is not');
		like($box->log, qr/ login user=\Q$user\E addr=127\.0\.0\.2 /,
		    "the log has the client's address");
	}
};

case 'AUTH PLAIN, and a long message' => sub {
	my ($pops, undef, @host) = two_hosts();
	my $long = letter(1, body => join '', map { "$_\n" . '.' x ($_ % 5) . "\n" } 1 .. 50_000);

	$host[1]->put($long, 'bob');
	my $s = greeted($pops);
	like($s->ask('AUTH PLAIN ' . encode_base64("\0bob\0s3cret", '')), qr/^\+OK bob has 1 message/,
	    'a login');
	like($s->ask('RETR 1'), qr/^\+OK/, 'RETR');
	ok($s->text eq $long =~ s/\AFrom .*\n//r =~ s/\n\z//r, 'all of it');
	like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
};

case 'what popper says to a login that is refused, the client is told' => sub {
	my ($pops, undef, @host) = two_hosts();
	my $first = greeted($pops);

	is(log_in($first, 'bob'), "+OK bob $WELCOME", 'a session');
	my $s = greeted($pops);
	like(log_in($s, 'bob'), qr/^-ERR \[IN-USE\] /, 'another one');
	is($s->rest, '', 'the end');
	is($first->ask('STAT'), '+OK 2 48', 'the first goes on');
	for my $user ('alice', 'bob', 'nobody') {
		$s = greeted($pops);
		is(log_in($s, $user, 'wrong'), qq(-ERR [AUTH] Password supplied for "$user" $REFUSED),
		    "$user, a wrong password");
		is($s->rest, '', 'the end');
	}
	like($host[0]->log, qr/ failed login user=nobody addr=127\.0\.0\.2 reason=unknown$/m,
	    'the first host refuses the users that no host has');
};

case 'no password without TLS' => sub {
	my (undef, $pop, @host) = two_hosts();
	my $s = talk($pop);

	like($s->line, qr/^\+OK/, 'the greeting');
	like($s->ask('USER alice'), qr/^-ERR/, 'USER');
	like($s->ask('CAPA'), qr/^\+OK/, 'CAPA');
	like($s->text, qr/^STLS$/m, 'STLS is offered');
	like($s->ask('STLS'), qr/^\+OK/, 'STLS');
	secure($s);
	is(log_in($s, 'alice'), "+OK alice $WELCOME", 'a login');
	like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
};

# nginx says what its configuration has: not what popper can do without it.
case 'CAPA before login is what popper says to a client under TLS' => sub {
	my ($pops, undef, @host) = two_hosts();
	my $s = greeted($pops);

	like($s->ask('CAPA'), qr/^\+OK/, 'CAPA before login');
	my $before = $s->text;
	is(log_in($s, 'alice'), "+OK alice $WELCOME", 'a login');
	like($s->ask('CAPA'), qr/^\+OK/, 'CAPA after login');
	my %after = map { $_ => 1 } split /\n/, $s->text;
	like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
	my $own = box()->session(args => [ '-T' ])->text('CAPA') =~ s/\r//gr;
	is(join("\n", sort split /\n/, $before =~ s/^SASL PLAIN .*/SASL PLAIN/mr),
	    join("\n", sort grep { !/^X-XTND/ } split /\n/, $own), 'before login');
	is(join(' ', grep { !$after{$_} } grep { !/^(?:SASL|USER)/ } split /\n/, $before), '',
	    'nothing that is not true after it');
};

case 'a host that is down takes its users with it, and no others' => sub {
	my ($pops, undef, @host) = two_hosts();

	Service::end(splice @spawned, 1, 1);
	my $s = greeted($pops);
	is(log_in($s, 'bob'), '-ERR internal server error', 'bob');
	is($s->rest, '', 'the end');
	$s = greeted($pops);
	is(log_in($s, 'alice'), "+OK alice $WELCOME", 'alice');
	like($s->ask('QUIT'), qr/^\+OK/, 'QUIT');
	unlink $host[0]->dir . '/hosts' or die $!;
	$s = greeted($pops);
	is(log_in($s, 'alice'), '-ERR internal server error', 'without the table of hosts');
	is($s->rest, '', 'the end');
};

# ---- contrib/nginx/which-host -----------------------------------------------

sub answer {
	my ($hosts, $request) = @_;
	my $box = box();
	my ($table, $question) = map { $box->dir . "/$_" } qw(hosts request);

	$box->put_file($table, $hosts);
	$box->put_file($question, $request);
	return scalar qx($^X contrib/nginx/which-host $table <$question);
}

case 'which-host: the line of a user, and that of all others' => sub {
	my $hosts = join '', sort map { "$_\n" } '*:192.0.2.1', 'al:192.0.2.2', 'alice:192.0.2.3:1110',
	    'alice-b:192.0.2.4', 'a b:192.0.2.5', map { sprintf 'user%05d:192.0.2.9', $_ } 1 .. 5000;
	my %want = (al => '2 110', alice => '3 1110', 'alice-b' => '4 110', 'a%20b' => '5 110',
	    user00001 => '9 110', user05000 => '9 110', ali => '1 110', user0 => '1 110', '' => '1 110',
	    'al:192.0.2.2' => '1 110', zoe => '1 110', 'alice%0D%0AX' => '1 110');

	for my $user (sort keys %want) {
		my ($address, $port) = split ' ', $want{$user};
		is(answer($hosts, "GET /auth HTTP/1.0\r\nAuth-User: $user\r\nAuth-Pass: x\r\n\r\nrest"),
		    "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 192.0.2.$address\r\n" .
		    "Auth-Port: $port\r\n\r\n", "\"$user\"");
	}
	is(answer("alice:192.0.2.1\n", "Auth-User: bob\r\n\r\n"), "HTTP/1.0 500 Error\r\n\r\n", 'no host');
	is(answer("alice:\n", "Auth-User: alice\r\n\r\n"), "HTTP/1.0 500 Error\r\n\r\n",
	    'a line without address');
};

done_testing;
