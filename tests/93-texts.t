# README leads to every page, and what it and the pages name is there.

use strict;
use warnings;

use Test::More;
use Popper;

my @pages = grep { !/\.svg\z|capture\z/ } glob 'doc/*';
my @texts = ('README', 'CONTRIBUTING', 'CHANGES', @pages);

case 'README names each page, manual and picture' => sub {
	my $readme = slurp('README');
	my @manuals = map { m{(\w[\w-]*)\.([1578])\z} ? "$1($2)" : () } glob 'man/*';

	cmp_ok(scalar @pages, '>', 10, 'there are pages');
	is(join(' ', grep { index($readme, $_) < 0 } @pages, @manuals,
	    'popcard(1)', 'man popper', 'doc/popper.svg'), '', 'none is left out');
};

case 'what a text names is there' => sub {
	my @gone;

	for my $text (@texts) {
		my $words = slurp($text);
		while ($words =~ m{(?<![\w/.@-])((?:doc|tests|contrib|man|check|spool|\.ci)/[\w./@-]*\w)}g) {
			my $name = $1;
			push @gone, "$text: $name" if !-e $name &&
			    !glob("$name*") && $name !~ m{^doc/popper/};
		}
	}
	is(join("\n", @gone), '', 'each path');
};

case 'doc/LOGGING: a session in a terminal, by the commands as they stand' => sub {
	plan skip_all => 'openssl is not installed' if system('openssl version >/dev/null') != 0;
	my $box = box();
	my ($commands) = slurp('doc/LOGGING') =~ /^popper can be run .*?\n\n(.*?)^ +\+OK/ms;
	my $home = $box->dir . '/home';
	mkdir $home or die "mkdir: $!";
	mkdir "$home/spool" or die "mkdir: $!";	# as where the source is
	$box->give($home, 0700);
	$box->put_file("$home/mbox", FX1);
	my $shell = "cd $home; popper() { $Popper::binary \"\$@\"; }\n" .
	    $commands =~ s/^ {4}(?:\$ )?//mgr;
	my @as = $> == 0 ? ('setpriv', "--reuid=$Popper::uid", "--regid=$Popper::gid",
	    '--clear-groups') : ();
	open my $out, '-|', 'sh', '-c', "printf 'USER alice\nPASS x\nSTAT\nQUIT\n' | \"\$\@\" 2>&1",
	    'sh', @as, 'env', "HOME=$home", 'sh', '-ec', $shell or die "sh: $!";
	my @said = <$out>;
	close $out;
	like($said[0] // '', qr/^\+OK popper /, 'the greeting');
	is($said[3], "+OK 2 48\r\n", 'STAT') or diag(@said);
	like(slurp("$home/test/log"), qr/ end user=alice .* reason=quit /, 'the log');
};

case 'the package has every page' => sub {
	my %packed = map { $_ => 1 } split /\n/, slurp('debian/docs');

	is(join(' ', grep { !$packed{$_} } 'README', 'CHANGES', @pages,
	    glob 'doc/*.svg'), '', 'debian/docs');
	is(join(' ', grep { !-e } keys %packed), '', 'and nothing else');
};

case 'what users read has 80 columns' => sub {
	my @long;

	for my $text (grep { !/DESIGN|PERFORMANCE/ } @texts) {
		push @long, map { "$text: $_" } grep { length > 80 }
		    split /\n/, slurp($text);
	}
	is(join("\n", @long), '', 'no line is longer');
};

case 'a text shows the version of today' => sub {
	my ($version) = qx($Popper::binary -V) =~ /\Apopper (\S+)/;

	for my $text (grep { $_ ne 'CHANGES' } @texts) {
		my %named = map { $_ => 1 }
		    slurp($text) =~ /(?:\+OK popper |version=|popper_)(\d[\d.]*\d)/g;
		is(join(' ', grep { $_ ne $version } keys %named), '', $text);
	}
};

done_testing;
