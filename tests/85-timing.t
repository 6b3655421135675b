# Whoever guesses names learns nothing from how long a refusal takes: a name
# that nobody has costs a hash as well.  Nothing is measured against a clock on
# the wall: the processor's time of many refusals of each kind, turn by turn,
# is compared.  Without that hash they differ many times over.

use strict;
use warnings;

use Test::More;
use Popper;

needs('plain');			# sanitizers slow down what is not the hash

my $tries = 7;

# The seconds of processor that a session took.
sub spent {
	my ($box, $name, $password) = @_;
	my @before = times;
	my $s = $box->session(trace => 0, args => [ '-f', 0 ]);

	$s->send("USER $name", "PASS $password");
	$s->slurp =~ /^-ERR/m or die "$name was let in\n";
	$s->wait;
	my @after = times;
	return $after[2] + $after[3] - $before[2] - $before[3];
}

# The time of processor that the refusals of each name took together.
sub compared {
	my ($box, @names) = @_;
	my %sum;

	for (1 .. $tries) {
		$sum{$_} += spent($box, $_, 'wrong') for @names;
	}
	return \%sum;
}

# What a slow hash of that kind looks like, or undef.
sub slow_hash {
	my ($setting) = @_;
	my $hash = crypt 's3cret', $setting;
	return defined $hash && $hash =~ /^\Q$setting\E/ ? $hash : undef;
}

for (['SHA-512 of many rounds', '$6$rounds=400000$saltsalt$'],
    ['yescrypt, as Debian has it', '$y$j9T$Y0nQ8L.x2kzVtDFOMV4Lk1$']) {
	my ($kind, $setting) = @$_;
	case "a name that nobody has takes as long as a wrong password: $kind" => sub {
		my $hash = slow_hash($setting);
		plan skip_all => 'crypt(3) knows no such hash' unless $hash;
		my $box = box(accounts => { alice => { hash => $hash } });
		my $sum = compared($box, 'alice', 'nobody');

		note("alice $sum->{alice}, nobody $sum->{nobody}");
		cmp_ok($sum->{nobody}, '>', $sum->{alice} / 2, 'not less');
		cmp_ok($sum->{nobody}, '<', $sum->{alice} * 2, 'not more');
	};
}

case 'so does a name that is refused whatever the password' => sub {
	my $setting = '$y$j9T$Y0nQ8L.x2kzVtDFOMV4Lk1$';
	my $hash = slow_hash($setting);
	plan skip_all => 'crypt(3) knows no such hash' unless $hash;
	my %is = (alice => { hash => $hash }, locked => { hash => '*' },
	    expired => { hash => "!$hash" }, root => { hash => $hash, uid => 0 });
	my $box = box(accounts => \%is);
	my $sum = compared($box, keys %is);

	for (grep { $_ ne 'alice' } sort keys %is) {
		note("alice $sum->{alice}, $_ $sum->{$_}");
		cmp_ok($sum->{$_}, '>', $sum->{alice} / 2, "$_: not less");
		cmp_ok($sum->{$_}, '<', $sum->{alice} * 2, "$_: not more");
	}
};

done_testing;
