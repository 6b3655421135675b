#!/usr/bin/perl
# popcard through a program that speaks TLS: pops:// and -e, with stunnel in front
# of popper.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Card;
use Service;
use Test::More;
use Tls;

terminal_needed();
Tls::needed();
my $stunnel = Service::find('stunnel4') // Service::find('stunnel')
    // plan skip_all => 'stunnel is not installed';
my $openssl = Service::find('openssl');
my $tls = Tls->new;
my @fronts;
END { Service::end($_) for @fronts }

# stunnel by a recipe of contrib, which runs popper; its port.
sub front {
	my ($recipe) = @_;
	my $text = Service::read_file("$Bin/../contrib/stunnel/$recipe");
	my ($argv0, @args) = $pop->command;
	my $at = Service::free_port();
	s/^execArgs = .*\K/ @args/m, s/^exec = \K.*/$pop->{popper}/m,
	    s/^cert = \K.*/$tls->cert/me, s/^key = \K.*/$tls->key/me,
	    s/^accept = \K.*/127.0.0.1:$at/m for $text;
	$text =~ s/^set[ug]id = .*\n//mg if $> != 0;
	Service::write_file("$dir/$recipe", $text);
	push @fronts, Service::spawn("$dir/$recipe.out", $stunnel,
	    "$dir/$recipe");
	eventually { my $s = $pop->connect($at) } or die "no stunnel\n";
	return $at;
}

my $pops = front('popper-pop3s.conf');
my $stls = front('popper-stls.conf');
my $s_client = "$openssl s_client -quiet -verify_return_error " .
    "-CAfile " . $tls->ca . ' -verify_hostname localhost -connect %h:%p';

# A session from the password to the update.
sub session {
	my ($args, %env) = @_;
	$pop->fill(join '', @mail);
	run("$args 3<$dir/pass", %env);
	shows(qr/^ alice at localhost: 3 messages/m, 'the list');
	keys_in('Enter');
	shows(qr/^line1$/m, 'a message');
	keys_in('d', 'q', 'q', 'y');
	ended(0);
	is($pop->spool, $mail[1] . $mail[2], 'the update is made');
	unlike(raw(), qr/verify|depth/, 'the helper has not disturbed');
}

case 'pops:// by the OpenSSL that is the default' => sub {
	session("-P 3 pops://alice\@localhost:$pops",
	    SSL_CERT_FILE => $tls->ca);
};

case '-e with OpenSSL' => sub {
	session("-P 3 -u alice -p $pops -e '$s_client' localhost");
};

case 'POPCARD_HELPER in the place of -e' => sub {
	session("-P 3 -u alice -p $pops localhost",
	    POPCARD_HELPER => $s_client);
};

case 'STLS by -e with OpenSSL, which keeps the greeting' => sub {
	session("-P 3 -u alice -p $stls -e '$s_client -starttls pop3' localhost");
};

case 'STLS by OpenSSL: a certificate that nothing proves' => sub {
	run("-u alice -p $stls -e '" . $s_client =~ s/ -CAfile \S+//r .
	    " -starttls pop3' localhost", SSL_CERT_FILE => '/dev/null');
	shows(qr/^popcard: localhost: .*certificate.*^status=75$/ms,
	    'refused with a reason');
	unlike(raw(), qr/^Password/m, 'and no question');
};

for (['-e with stunnel', $pops, ''],
    ['STLS by -e with stunnel', $stls, "protocol = pop3\n"]) {
	my ($title, $at, $protocol) = @$_;

	case $title => sub {
		Service::write_file("$dir/client.conf", "client = yes\n" .
		    "connect = 127.0.0.1:$at\nCAfile = " . $tls->ca . "\n" .
		    "verifyChain = yes\ncheckHost = localhost\n$protocol");
		session("-P 3 -u alice -e '$stunnel $dir/client.conf' " .
		    'localhost');
	};
}

case 'a certificate that nothing proves: no password is asked' => sub {
	run("pops://alice\@localhost:$pops", SSL_CERT_FILE => '/dev/null');
	shows(qr/^popcard: localhost: .*certificate.*^status=75$/ms,
	    'refused with a reason');
	unlike(raw(), qr/^Password/m, 'and no question');
};

case 'another host in the certificate' => sub {
	run("pops://alice\@localhost.:$pops", SSL_CERT_FILE => $tls->ca);
	shows(qr/^popcard: localhost\.: .*^status=75$/ms, 'refused');
};

# A helper that writes down its arguments and hangs up.
Service::write_file("$dir/helper", "#!$^X\n" . <<'END', 0755);
open my $f, '>', $0 . '.args';
print $f map { "<$_>\n" } @ARGV;
close $f;
print STDERR "no \e]0;owned\a\n";
END

case 'the command is read by a shell, with host and port in it' => sub {
	unlink "$dir/helper.args";
	run("-P 3 -p 7 -u a -e '$dir/helper  %h:%p %x \"c d\" a%hb \$X' " .
	    "h-1.example 3<$dir/pass", X => 'from the environment');
	tmux(qw(resize-window -x 140 -y 24));
	shows(qr/^popcard: h-1\.example: .* the helper: no \^\[\]0;owned\^G$/m,
	    'its last words, made safe');
	is(Service::read_file("$dir/helper.args"), join('', map { "<$_>\n" }
	    'h-1.example:7', '%x', 'c d', 'ah-1.exampleb', 'from', 'the',
	    'environment'), 'its arguments');
};

case 'a host or port that could be something else is refused' => sub {
	for (['-x', 7], ['a b', 7], ['a;b', 7], ['$(id)', 7], ['a/b', 7],
	    ["\xc3\xa4", 7], ['h', '-1'], ['h', '1 2'], ['h', 'a;b'], ['h', '']) {
		my ($host, $at) = @$_;
		unlink "$dir/helper.args";
		run("-P 3 -u a -p '$at' -e '$dir/helper %h %p' -- '$host' " .
		    "3<$dir/pass");
		shows(qr/not valid\nstatus=64$/m, "'$host' '$at'");
		ok(!-e "$dir/helper.args", 'it is not run');
	}
};

case 'a helper that is not there' => sub {
	run("-e /no/such/helper localhost");
	tmux(qw(resize-window -x 140 -y 24));
	shows(qr{^popcard: localhost: .* the helper: .*/no/such/helper: .*^status=75$}ms,
	    'it is said');
};

case 'the helper ends with popcard, also by a signal' => sub {
	for my $how ('TERM', 'HUP', 'q') {
		run("-P 3 -u alice -p $pops -e '$s_client' localhost " .
		    "3<$dir/pass");
		shows(qr/messages, 0 flagged/, 'the list');
		my ($helper) = children(popcard_pid(), 'openssl');
		ok($helper, 'there is one');
		if ($how eq 'q') {
			keys_in('q');
		} else {
			kill $how, popcard_pid();
		}
		shows(qr/status=\d+/, "the end by $how");
		ok(eventually { !kill 0, $helper }, 'it is gone');
	}
} if -d "/proc/$$";

case '^C in the editor does not end the helper' => sub {
	Service::write_file("$dir/editor", "#!/bin/sh\ntrap : INT\n" .
	    "echo editing\nread x\nread x\n", 0755);
	run("-P 3 -u alice -p $pops -e '$s_client' localhost 3<$dir/pass",
	    EDITOR => "$dir/editor");
	shows(qr/messages, 0 flagged/, 'the list');
	keys_in('c');
	shows(qr/^editing$/m, 'the editor');
	keys_in('C-c', 'Enter', 'Enter');
	shows(qr/^ your message/m, 'its end');
	keys_in('d');
	shows(qr/messages, 0 flagged/, 'the list again');
	keys_in('Enter');
	shows(qr/^From: Carol$/m, 'and the session goes on');
	keys_in('q', 'x');
	ended(0);
};

done_testing;
