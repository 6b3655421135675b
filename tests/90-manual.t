#!/usr/bin/perl
# The manuals and the program say the same: every option and its default stands in
# popper(8), every reply and every line of the log in popper-messages(7), in the
# same words; and what popper(8) shows as examples is what contrib has.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/lib";
use Source qw(source_files);
use Test::More;

sub slurp {
	my ($file) = @_;
	open my $f, '<', $file or die "$file: $!";
	local $/;
	return <$f> // die "$file: $!\n";
}

my @files = source_files();

# The format strings that the source gives to its functions for replies and
# for the log; where one takes parts from elsewhere, they are written out.
sub texts_of_source {
	my %text;
	for my $file (@files) {
		my $source = slurp($file);
		$source =~ s{/\*.*?\*/}{}gs;
		while ($source =~ /\b(log_notice|log_debug|log_error|reply_ok|reply_err|reply_line|say_trouble)
		    \([\w&>.-]+,\s*
		    ((?:"(?:[^"\\]|\\.)*"|POPPER_VERSION|\s)+)/gx) {
			my ($function, $parts) = ($1, $2);
			$parts =~ s/POPPER_VERSION/"%s"/g;
			my $text = join '', $parts =~ /"((?:[^"\\]|\\.)*)"/g;
			$text =~ s/\\(.)/$1/g;
			next if $function eq 'reply_line' && $text !~ /^(?:-ERR|\+OK)/;
			next if $text eq '%s' && $function eq 'log_error';
			$text = '' if $text eq '%s' && $function eq 'reply_ok';
			$text = "+OK $text"  if $function eq 'reply_ok';
			$text = "-ERR $text" if $function eq 'reply_err';
			$text .= ' user=%s: %s'
			    if $function =~ /^(?:log_error|say_trouble)$/;
			$text{$text} = "$file, $function";
		}
	}
	# what the pattern above sees of functions that pass a text on
	delete @text{'-ERR %s', '%s user=%s: %s', '-ERR ',
	    '%s user=%s: not an mbox'};
	my ($table) = slurp('pop_xmit.c') =~ /texts\[\] = \{(.*?)\n\};/s;
	while ($table =~ /\{ \d+, \w+, ((?:"[^"]*"\s*)+)\}/g) {
		$text{ '-ERR ' . join '', $1 =~ /"([^"]*)"/g } = 'pop_xmit.c, texts';
	}
	# the sentences of faults
	my $drop = slurp('spool/fault.c');
	my %then = ($drop =~ /^#define (TELL|LATER)\t(".*")$/mg);
	my ($faults) = $drop =~ /faults\[\] = \{(.*?)\n\};/s;
	while ($faults =~ /\[\w+\] = \{ "(.*?)", (STATE_FILE|LOCK_FILE|NO_FILE),\s+"(.*?)", ("\."|\w+) \}/g) {
		my ($code, $file, $sentence, $then) = ($1, $2, $3, $then{$4} // $4);
		$file = $file eq 'STATE_FILE' ? 'The file %s ' : $file eq 'LOCK_FILE' ? 'The file %s.lock ' : '';
		$text{"-ERR $code $file$sentence" . $then =~ tr/"//dr} = 'spool/fault.c, faults';
	}
	cmp_ok(scalar(grep { /, faults\z/ } values %text), '>', 10, 'there are faults');
	cmp_ok(scalar(grep { /, texts\z/ } values %text), '>', 10, 'there are exit statuses');
	for my $passed ('login: spool', 'copy') {
		$text{"$passed user=%s: not an mbox"} = 'pop_dropcopy.c';
	}
	my %parts = (
		'+OK popper %s at %s ready.%s%s' =>
		    [ '+OK popper %s at %s ready.', '+OK popper %s at %s ready. %s' ],
		'-ERR [AUTH] Passwords are not taken on this connection%s.' => [
			'-ERR [AUTH] Passwords are not taken on this connection.',
			'-ERR [AUTH] Passwords are not taken on this connection; use STLS first.'
		],
		'login: cannot check accounts: %s user=%s: %s %d' => [
			'login: cannot check accounts: %s user=%s: exit status %d',
			'login: cannot check accounts: %s user=%s: signal %d'
		],
		'-ERR Too %s arguments for the %s command.' => [
			'-ERR Too few arguments for the %s command.',
			'-ERR Too many arguments for the %s command.'
		],
	);
	for my $whole (keys %parts) {
		ok(delete $text{$whole}, "the source still has: $whole");
		$text{$_} = 'written out' for @{ $parts{$whole} };
	}
	# what is written in another way, and the words by which it is known
	for ([ 'xtnd/boards.c', '+OK XTND', '+OK XTND' ],
	    [ 'pop_send.c', '+OK %s %s', '+OK ' ]) {
		my ($file, $text, $words) = @$_;
		like(slurp($file), qr/"\Q$words\E/, "$file still has: $words");
		$text{$text} = $file;
	}
	return \%text;
}

my $page = slurp('popper.8');
my $messages = slurp('man/popper-messages.7');
my %manual;
while ($messages =~ /^\.It Li "(.*)"$/mg) {
	my $text = $1;
	$text =~ s/\\&//g;
	$text =~ s/\\\(dq/"/g;
	$text =~ s/\\e/\\/g;
	$manual{$text} = 0;
}

my $source = texts_of_source();
for my $text (sort keys %$source) {
	my $pattern = join '', map { /^%/ ? '[A-Za-z]+' : quotemeta }
	    split /(%[-.*\dzl]*[a-z])/, $text;
	my @found = grep { /^$pattern$/ } keys %manual;
	ok(scalar @found, "in the manual: $text ($source->{$text})");
	$manual{$_}++ for @found;
}
ok($manual{$_}, "in the source: $_") for sort keys %manual;

my $main = slurp('popper.c');
my ($letters) = slurp('popper.h') =~ /define OPTION_LETTERS\s+"(.*)"/;
my %option = map { $_ => 1 } $letters =~ /([A-Za-z])/g;
my ($usage) = $main =~ /"(usage: popper .*?)\);/s;
for my $o (sort keys %option) {
	like($page, qr/^\.It Fl $o\b/m, "-$o has its place in the manual");
}
while ($page =~ /^\.It Fl (\w)\b/mg) {
	ok($option{$1}, "-$1 of the manual is an option");
}

# SYNOPSIS, the usage line and getopt: the same letters, with and without a word
my ($synopsis) = $page =~ /^\.Sh SYNOPSIS\n\.Nm popper\n(.*?)^\.Sh /ms;
$synopsis =~ s/^\.Op Fl (\w+)((?: .*)?)\n/"[-$1" . $2 =~ s{ (?:Ar|Cm)\b}{}r . '] '/mge;
$synopsis =~ s/ \| /|/g;
$usage = join '', $usage =~ /((?:\[.*?\]\s*)+)/g;
$usage =~ s/"\s*"//g;
$usage =~ s/\\[nt]//g;
$usage =~ s/\]\s*\[/] [/g;
is($usage =~ s/\s+\z//r, $synopsis =~ s/\s+\z//r, 'SYNOPSIS is the usage line');
my ($alone, @with) = $usage =~ /\[-(\w+)/g;
is(join('', sort(split(//, $alone), map { "$_:" } @with)),
    join('', sort $letters =~ /\w:?/g), 'and so are the letters of getopt');

# The defaults, each as the item of its option says it.
my ($spool) = slurp('popper.h') =~ /define POPPER_SPOOL\s+"(.*)"/;
my ($sendmail) = slurp('popper.h') =~ /define POPPER_SENDMAIL\s+"(.*)"/;
my %default = (m => $spool, M => $sendmail, u => 0);
my %field = (z => 'outgoing', i => 'idle', l => 'login', w => 'wait', f => 'fail');
for my $o (keys %field) {
	my ($value) = $main =~ /^\to->$field{$o} = (\d+(?: << \d+)?);/m;
	$default{$o} = eval $value;
}
for my $o (sort keys %option) {
	next if $o =~ /[nV]/;
	my ($item) = $page =~ /^\.It Fl $o\b.*\n((?:(?!\.It |\.El).*\n)+)/m;
	my $known = $default{$o};
	like($item, defined $known ? qr/The default is\s+(?:\.Pa )?$known\b/ :
	    qr/[Bb]y default|The default is/, "-$o: its default");
}

# What a client has the time of -i for.
my ($size) = slurp('net/net.h') =~ /\bOUT_SIZE = (\d+)/;
is(words($page =~ /\bnext (\d+ kilobytes)\b/g), words(($size / 1024 . ' kilobytes') x 2),
    '-i: octets in that time');

# The reasons of log lines.
sub words { return join ' ', sort @_ }
my %reason;
for my $file (@files) {
	for my $words (slurp($file) =~ /\b(?:reason|wrong) = ([^;]*);/g) {
		$reason{$_} = 1 for $words =~ /"(\w+)"/g;
	}
}
my ($failed) = $messages =~ /^\.It Li "failed login .*\n((?:(?!\.It ).*\n)+)/m;
is(words($failed =~ /^\.Dq (\w+)/mg), words(keys %reason),
    'the reasons of "failed login"');
my ($ends) = slurp('pop_log.c') =~ /reasons\[\] = \{(.*?)\};/s;
my ($end) = $messages =~ /^\.It Li "end user=.*\n(?:.*\n)*?The reasons are\n((?:(?!\.It ).*\n)+)/m;
$end =~ s/.*another line explains\.\K.*//s;
is(words($end =~ /^\.Dq (\w+)/mg), words($ends =~ /"(\w+)"/g),
    'the reasons of "end"');

# The environment.
my %env = map { $_ => 1 } slurp('net/tls.c') =~ /"(SSL\w+FD)"/g;
for my $file (@files) {
	my $source = slurp($file);
	$env{$1} = 1 while $source =~ /\bgetenv\("(\w+)"\)/g;
}
is(words(map { split / , / } $page =~ /^\.It Ev (.*)/mg), words(keys %env),
    'ENVIRONMENT');

# The first lines of the state file.
is(words($page =~ /^\.Dq "(popper \w+ \d+)"/mg), words(map { slurp($_) =~
    /"(popper \w+ \d+)\\n"/g } 'spool/index.c', 'spool/journal.h'), 'FILES');

# Each line of these examples stands in contrib, but for the room in it.
my %recipe = (
	"109   stream" => 'superservers/inetd.conf',
	"service pop3" => 'superservers/xinetd.conf',
	"[Socket]" => 'systemd/popper.socket',
	"[Service]" => 'systemd/popper@.service',
	"[pop3s]" => 'stunnel/popper-pop3s.conf',
);
my @example = $page =~ /^\.Bd -literal\n(.*?)^\.Ed/msg;
for my $mark (sort keys %recipe) {
	my ($text) = grep { /^\Q$mark\E/m } @example;
	my %there = map { join(' ', split) => 1 } split /\n/,
	    slurp("contrib/$recipe{$mark}");
	is(join("\n", grep { !$there{ join ' ', split } } split /\n/,
	    $text // 'no such example'), '', "$recipe{$mark} has the example");
}

done_testing();
