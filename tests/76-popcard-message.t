#!/usr/bin/perl
# popcard: reading a message.

use strict;
use warnings;

use FindBin qw($Bin);
use lib "$Bin/lib";
use Card;
use Service;
use Test::More;

terminal_needed();

case 'a message: fields first, folded, nothing that steers' => sub {
	started();
	keys_in('j', 'Enter');
	shows(qr/^From: Carol\s*^Subject: colours in many/m,
	    'the fields in their order');
	my $seen = screen();
	unlike($seen, qr/^Received/m, 'the rest of the header is not');
	like($seen, qr/\^\[\[2J\^\[\]0;owned\^G csi \\x9B31m end/,
	    'escape sequences are spelt out');
	like($seen, qr/<U\+202E>/, 'a change of direction too')
	    if $locale;
	like($seen, qr/umlaut \x{e4} cjk \x{4e2d}\x{6587}/,
	    'other characters are themselves') if $locale;
	like($seen, qr/nul \^\@ end/, 'text goes on behind a NUL');
	like($seen, qr/^(?:(?:word ?)+\n){2}(?:word )+last$/m,
	    'a long line is folded at a space');
	keys_in('Space');
	shows(qr/^row 20$/m, 'the next page');
	keys_in('End');
	shows(qr/^row 60$/m, 'the end');
	keys_in('h');
	shows(qr/^Received: from nowhere/m, 'the whole header');
	my $raw = raw();
	unlike($raw, qr/\e\]0;owned|\e\[31m|\x9b31m|\xe2\x80\xae/,
	    'none of it reached the terminal as it was');
	keys_in('n');
	shows(qr/message 3 .*^x$/ms, 'the next message');
	keys_in('p', 'p');
	shows(qr/message 1 .*^\.dot$/ms, 'and back to the first');
	keys_in('q', 'x');
	ended(0);
};

case 'a long message: a row tells how far it has come' => sub {
	my $line = 'All work and no play makes Jack a dull boy. ' x 20;
	$pop->fill($mail[0] . join "\n",
	    'From jack@example.org Sat Jan  3 01:05:34 1996',
	    'From: jack@example.org', 'Subject: book', '',
	    ($line) x 9000, 'the end', '', '');
	started();
	keys_in('j', 'Enter');
	shows(qr/^All work/m, 'it is here');
	my $raw = raw();
	like($raw, qr/receiving message 2: \d+K of 7\.9M/,
	    'its beginning');
	like($raw, qr/receiving message 2: [67]\.\dM of 7\.9M/,
	    'and most of it');
	keys_in('End');
	shows(qr/^the end$/m, 'to the end');
	keys_in('q', 'q');
	ended(0);
	$pop->fill(join '', @mail);
};

done_testing;
