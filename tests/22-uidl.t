# Names that messages keep: RFC 1939 7, UIDL.

use strict;
use warnings;

use Test::More;
use Popper;

case 'UIDL: a name for every message, of 1 to 70 printable octets [RFC 1939 7]'
    => sub {
	my $s = box()->login;
	my ($first, $text) = $s->text('UIDL');
	my @uids = $text =~ /^\d+ (\S+)\r$/mg;

	like($text, qr/\A1 [!-~]{1,70}\r\n2 [!-~]{1,70}\r\n\z/, 'the lines');
	isnt($uids[0], $uids[1], 'they differ');
};

case 'UIDL with a number: that one, on one line [RFC 1939 7]' => sub {
	my $s = box()->login;
	my $uid = $s->uidl;

	is($s->command("UIDL $_"), "+OK $_ $uid->{$_}", "UIDL $_") for 1, 2;
	like($s->command('UIDL 9'), qr/^-ERR /, 'UIDL 9');
};

# What happens between two sessions, and which messages are left of FX1.
my %between = (
	'QUIT' => [ sub { $_[0]->login->quit }, 1, 2 ],
	'a lost connection' => [ sub {
		my $s = $_[0]->login;
		$s->command('DELE 1');
		$s->close->wait;
	}, 1, 2 ],
	'a RETR, which writes a Status line' => [ sub {
		my $s = $_[0]->login;
		$s->text('RETR 1');
		$s->quit;
		like($_[0]->spool, qr/^Status: RO$/m, 'it is written');
	}, 1, 2 ],
	'the deletion of the one before' => [ sub {
		my $s = $_[0]->login;
		$s->command('DELE 1');
		$s->quit;
	}, 2 ],
	'the deletion of the one after' => [ sub {
		my $s = $_[0]->login;
		$s->command('DELE 2');
		$s->quit;
	}, 1 ],
	'new mail' => [ sub { $_[0]->deliver(letter(3)) }, 1, 2 ],
	'new mail during a session' => [ sub {
		my $s = $_[0]->login;
		$s->text('RETR 2');
		$_[0]->deliver(letter(3));
		$s->quit;
	}, 1, 2 ],
	'the loss of the state file' => [ sub {
		$_[0]->login->quit;
		unlink $_[0]->work or die $!;
	}, 1, 2 ],
	'header lines that mail programs keep in a spool' => [ sub {
		my $spool = $_[0]->spool;

		$spool =~ s/^(Subject: one\n)/Status: RO\nX-Status: A\n$1X-UID: 7\nX-Keywords: a\nContent-Length: 12\nLines: 2\nX-UIDL: abc\n/m
		    or die;
		$_[0]->put($spool);
	}, 1, 2 ],
	'a rewrite to a new file' => [ sub {
		my $spool = $_[0]->spool;

		unlink $_[0]->path or die $!;
		$_[0]->put($spool);
	}, 1, 2 ],
);

for my $what (sort keys %between) {
	my ($code, @left) = @{ $between{$what} };

	case "UIDL: names outlast $what [RFC 1939 7]" => sub {
		my $box = box();
		my $s = $box->login;
		my $before = $s->uidl;

		$s->quit;
		$code->($box);
		my $after = $box->login->uidl;
		is($after->{$_}, $before->{$left[$_ - 1]}, "message $_")
		    for 1 .. @left;
	};
}

case 'UIDL: letters that are alike have different names, and keep them' => sub {
	for my $gone (1 .. 3) {
		my $box = box(spool => letter(1) x 3 . letter(2));
		my $s = $box->login;
		my $uid = $s->uidl;
		my %seen = reverse %$uid;

		is(scalar keys %seen, 4, 'four names');
		$s->command("DELE $gone");
		$s->quit;
		my @left = grep { $_ != $gone } 1 .. 4;
		is_deeply($box->login->uidl,
		    { map { $_ => $uid->{$left[$_ - 1]} } 1 .. 3 },
		    "number $gone is deleted, the others are as they were");
	}
};

case 'UIDL: no name is given again while its letter is there' => sub {
	my $box = box(spool => letter(1) x 3);
	my $s = $box->login;
	my $uid = $s->uidl;

	$s->command('DELE 1');
	$s->quit;
	$box->deliver(letter(1));
	$s = $box->login;
	my $now = $s->uidl;
	is($now->{1}, $uid->{2}, 'the second');
	is($now->{2}, $uid->{3}, 'the third');
	isnt($now->{3}, $now->{1}, 'the new one has not the name of the one');
	isnt($now->{3}, $now->{2}, 'nor that of the other');
};

case 'UIDL: letters that differ in their text alone have different names' => sub {
	my $uid = box(spool => letter(1, body => "a\n") .
	    letter(1, body => "ab\n"))->login->uidl;

	isnt($uid->{1}, $uid->{2}, 'they do');
};

case 'UIDL: a header line of the sender does not choose the name' => sub {
	my @forged = ('X-UIDL: 0123456789abcdef', 'Status: RO', 'X-UID: 1',
	    'X-IMAPbase: 1 1');
	my $plain = box(spool => letter(1))->login->uidl;
	my $uid = box(spool => letter(1, header => \@forged))->login->uidl;

	unlike($uid->{1}, qr/0123456789abcdef/, 'not the forged one');
	is($uid->{1}, $plain->{1}, 'the one it would have had');
};

case 'UIDL: the order of the letters does not matter' => sub {
	my $one = box(spool => join '', map { letter($_) } 1 .. 5)->login->uidl;
	my $two = box(spool => join '', map { letter($_) } reverse 1 .. 5)
	    ->login->uidl;

	is_deeply([ map { $two->{6 - $_} } 1 .. 5 ],
	    [ map { $one->{$_} } 1 .. 5 ], 'the same names');
};

done_testing;
