# A session is killed before each of its calls, while Status lines grow in front
# of messages that are deleted.  Before any repair each message that stays stands
# as a message of its own, as any reader of an mbox cuts it out: in the spool, or
# in a text of the state file.  Then a mail program deletes another message and
# rewrites the spool, and after the next session they still do.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;
use Popper;

my $dir = tempdir('popper-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $killat = Popper::killat($dir);
my ($nail) = grep { -x } map { "$_/s-nail" } qw(/usr/bin /usr/local/bin);

# The Status fields of the messages that are read; each becomes "Status: RO", so
# those before the first that is deleted grow by so many bytes.
my @fields = (
	[ 'Status: O' ],			# 1
	[ 'Status: ' ],				# 2
	[ 'Status: O', 'Status:' ],		# 4
	[ undef ],				# 11
	[ undef, undef ],			# 22
	[ 'Status: ORX', undef, 'Status: O' ],	# shorter, and then longer
);

# The messages of a text, without line ends after them and Status fields.
sub messages {
	my ($text) = @_;

	return map { s/\n*\z//r =~ s/^Status:[^\n]*\n?//gmr =~ s/\n*\z//r }
	    grep { /\AFrom / } split /(?:\A|(?<=\n\n))(?=From \S+ \w{3} \w{3} )/, $text;
}

# The texts in a state file, by the newer of its two records.  Its numbers have
# the byte order of the machine: the size of an entry is a small one.
sub texts {
	my ($state) = @_;

	return unless $state =~ /\Apopper journal 2\n/ && length $state >= 1024;
	my $order = unpack('x128 Q<', $state) < 1 << 32 ? '<' : '>';
	my @record = map { [ unpack "Z32 (Q25)$order", substr $state, $_ * 512, 512 ] }
	    0, 1;
	my @r = @{ $record[ $record[1][0] eq $record[0][0] &&
	    $record[1][1] == $record[0][1] + 1 ] };
	my ($at, $len) = ([ @r[15, 16] ], [ @r[19, 22] ]);
	return map { substr $state, $at->[$_], $len->[$_] } 0, 1;
}

# Each kept message that is not there as one of its own.
sub lost {
	my ($kept, @found) = @_;
	my %there = map { $_ => 1 } @found;

	return join ', ', map { /^Subject: (.*)$/m } grep { !$there{$_} } @$kept;
}

sub session {
	my ($box, $n, @commands) = @_;
	my $s = $box->session(trace => 0, args => ['-w', 3], greeting => 0,
	    under => [$killat, $n, "$dir/calls"]);

	$s->send('USER alice', 'PASS s3cret', @commands, 'QUIT');
	$s->slurp;
	$s->wait;
	unlink $box->dotlock;
	return (split ' ', slurp("$dir/calls"))[1 .. 10000];
}

# A mail program deletes the first message and leaves: whether it did.
sub rewrite {
	my ($box) = @_;
	my $before = $box->spool;

	open my $mail, '|-', "$nail -n -# -S keepsave -S hold -f " . $box->path
	    . ' >/dev/null 2>&1' or die $!;
	print $mail "delete 1\nquit\n";
	return CORE::close($mail) && $box->spool ne $before;
}

for my $fields (@fields) {
	my $name = join ', ', map { $_ // 'none' } @$fields;

	case "Status fields that grow: $name" => sub {
		my $n = 0;
		my @read = map { letter(++$n, header => [ $_ // () ],
		    body => alnum(80 * $n)) } @$fields;
		my @rest = map { letter(++$n, body => alnum($_)) } 70, 900, 150, 60, 400;
		my @kept = messages(join '', @read, @rest[1, 2, 4]);
		my @commands = ((map { "RETR $_" } 1 .. @read),
		    map { 'DELE ' . (@read + $_) } 1, 4);
		my $box = box(spool => undef);
		my (%seen, @torn, @lost, $rewritten);
		my $fresh = sub {
			unlink $box->path, $box->work, $box->dotlock;
			$box->put(join '', @read, @rest);
		};

		$fresh->();
		my @calls = grep { defined } session($box, 0, @commands);
		@calls = few(4, @calls[@calls / 3 .. $#calls]);	# after login
		is(lost(\@kept, messages($box->spool)), '', 'undisturbed');
		for my $call (@calls) {
			$fresh->();
			session($box, $call, @commands);
			my ($spool, $state) = ($box->spool, slurp($box->work) // '');
			next if $seen{"$spool\0$state"}++;
			my $lost = lost(\@kept, messages($spool),
			    map { messages($_) } texts($state));
			push @torn, "call $call: $lost" if $lost ne '';
			next unless $nail && rewrite($box);
			$rewritten++;
			$box->login(trace => 0)->quit;
			$lost = lost([ @kept[1 .. $#kept] ], messages($box->spool));
			push @lost, "call $call: $lost" if $lost ne '';
		}
		is(join("\n", @torn), '', keys(%seen) . ' states: each stands');
		is(join("\n", @lost), '', 'and after a mail program has rewritten the spool');
		is($rewritten, scalar keys %seen, 'which it has, each time') if $nail;
		cmp_ok(keys %seen, '>', 6, 'there are such states');
	};
}

done_testing;
