# make demo shows what it says, to its end.

use strict;
use warnings;

use Test::More;
use Popper;

my $said = qx(tests/demo $Popper::binary </dev/null 2>&1);
is($?, 0, 'exit status') or diag($said);

my @spool = $said =~ m{/var/mail/alice: (\d+) messages}g;
is("@spool", '12 11 11', 'the spool: before, after a deletion, after a cut');
is(join(' ', $said =~ /^  end user=alice .* reason=(\w+)/mg), 'quit lost',
    'the log has the end of both sessions');
like($said, qr/^  C: DELE 1\n  S: \+OK/m, 'a deletion');
like($said, qr/popcard/, 'it points to popcard');

done_testing;
