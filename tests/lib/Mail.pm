# Messages for tests in which many programs deliver: each has a name, from which
# its text follows, so that a message that is found shows whether it is whole.

package Mail;

use strict;
use warnings;

sub body {
	my ($id) = @_;
	my ($n) = $id =~ /(\d+)\z/;
	my $line = join('', 'a' .. 'z', 'A' .. 'Z') . "\n";
	return "This is $id.\n" . $line x ($n * 37 % 80) . "End of $id.\n";
}

sub text {
	my ($id) = @_;
	return "Subject: $id\nMessage-ID: <$id\@example.org>\n\n" . body($id);
}

# With its From_ line, and the empty line after it.
sub entry {
	my ($id) = @_;
	return "From $id\@example.org Sat Jan  3 01:05:34 1996\n" . text($id)
	    . "\n";
}

# The name of a message that is whole; what is wrong if not.
sub identify {
	my ($text) = @_;

	$text =~ s/\r\n/\n/g;
	my ($head, $body) = split /\n\n/, $text, 2;
	my ($id) = ($head // '') =~ /^Subject: (\S+)$/m;
	return 'no message: ' . substr($text, 0, 60) =~ s/[^ -~]/?/gr
	    unless defined $id && defined $body;
	s/\n+\z// for $body, my $want = body($id);
	return $body eq $want ? $id : "$id, torn";
}

# The names of the messages in an mbox.
sub in_mbox {
	my ($mbox) = @_;
	return map { identify(s/\AFrom .*\n//r) }
	    grep { /[^\n\0]/ } split /^(?=From \S+ +[A-Z])/m, $mbox // '';
}

1;
