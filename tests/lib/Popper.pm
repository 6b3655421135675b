# The house the tests live in: a throw-away maildrop (Popper::Box), a daemon
# that speaks to the test over a socket (Popper::Session), and a few words to
# write cases with.  The manual is at the end: perldoc tests/lib/Popper.pm

package Popper;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use Scalar::Util qw(weaken);
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw(FX1 alnum box case few eventually goes_on letter lock_file memory
    needs now points show slurp stops strace straced text_of wire);

# Where a test waits for something that must come, it waits this many seconds
# before it calls the thing broken.  No test passes or fails by being fast.
our $patience = $ENV{POPPER_PATIENCE} || 30;

our $binary = abs_path($ENV{POPPER} || './popper');
unless (defined $binary && -x $binary) {
	BAIL_OUT('no daemon: ' . ($ENV{POPPER} || './popper'));
}

# The account of the tests: root lends popper a made-up user, anybody else
# can only be served as himself.
our $uid = $> == 0 ? 54321 : $>;
our $gid = $> == 0 ? 54321 : (split ' ', $))[0];

our (@boxes, @sessions);	# all that has to be cleared away

# What the daemon would take for the words of a super-server.
delete @ENV{ grep { /^(SSL|TCP|UCSPI)/ } keys %ENV };

use constant FX1 => <<'END';
From bob@example.org Sat Jan  3 01:05:34 1996
Subject: one

line1
.dot

From carol@example.org Sat Jan  3 01:06:00 1996
Subject: two

x

END

sub box { return Popper::Box->new(@_) }

sub now { return Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }

# One case: a subtest whose death is a failure, not the end of the file, and
# after which nothing is left running.
sub case {
	my ($title, $code) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest $title => sub {
		unless (eval { $code->(); 1 }) {
			my $why = $@;
			fail('the case ran to its end');
			diag($why);
			diag("trace:\n" . ($_->log // ''))
			    for grep { defined } @boxes;
		}
	};
	clear();
}

sub clear {
	$_->kill_hard for grep { defined } splice @sessions;
	$_->remove for grep { defined } splice @boxes;
}

END {
	my $status = $?;
	clear();
	$? = $status;
}
$SIG{INT} = $SIG{TERM} = $SIG{HUP} = sub { exit 1 };
$SIG{PIPE} = 'IGNORE';

# Wait until the block returns true; what it returned, or false in the end.
sub eventually (&) {
	my ($test) = @_;
	my $end = now() + $patience;
	my $result;

	until ($result = $test->()) {
		return $result if now() > $end;
		sleep 0.01;
	}
	return $result;
}

# Skip the whole case (or file) where the machine lacks something.
sub needs {
	for my $what (@_) {
		my $missing =
		    $what eq 'root' ? $> != 0 && 'not root' :
		    $what eq 'user' ? $> == 0 && 'root owns everything' :
		    $what eq 'strace' ? emulated() || !can_trace()
		    && 'strace cannot trace here' :
		    $what eq 'locks' ? $^O ne 'linux' && 'needs Linux file locks' :
		    $what eq 'proc' ? !-r "/proc/$$/status" && 'no /proc' :
		    $what eq 'linux' ? qx($binary -V) !~ /^system calls: Linux$/m
		    && 'built without the calls of Linux' :
		    $what eq 'plain' ? instrumented() && 'instrumented build' :
		    $what eq 'native' ? emulated() :
		    die "needs what? $what";
		plan skip_all => $missing if $missing;
	}
}

# A build with a sanitizer: its own memory and its own system calls.
sub instrumented {
	our $instrumented //= do {
		open my $fh, '<:raw', $binary or die "$binary: $!";
		local $/;
		<$fh> =~ /__[at]san_init/ ? 1 : 0;
	};
	return $instrumented;
}

# A build for another processor: its memory and the calls that strace sees are
# its emulator's.
sub emulated {
	my $emulator = $ENV{POPPER_EMULATOR};
	return defined $emulator && "popper runs in $emulator";
}

sub can_trace {
	our $can_trace //= system('strace -o /dev/null true >/dev/null 2>&1') == 0;
	return $can_trace;
}

# Compiles killat.c into a directory, for a test that is skipped where that cannot
# run.  "killat N FILE PROGRAM...": runs a program and kills it before its N-th
# system call (0: never; +N: from its first sync on); the numbers of the calls that
# it made go to FILE.
sub killat {
	my ($dir) = @_;
	(my $source = __FILE__) =~ s/lib\/[^\/]*\z/killat.c/;
	my $cc = $ENV{CC} || 'cc';

	plan skip_all => 'needs ptrace(2) of Linux' if $^O ne 'linux';
	plan skip_all => "cannot compile $source"
	    if system("$cc -std=c11 -D_DEFAULT_SOURCE -o $dir/killat $source "
	    . ">$dir/cc 2>&1") != 0;
	plan skip_all => 'ptrace(2) is forbidden here'
	    if system("$dir/killat", 0, "$dir/calls", '/bin/true') != 0;
	return "$dir/killat";
}

# The words that start a program under strace as the very process that the
# test forked (-D), with the trace in FILE.  Processes that it starts are not
# traced, the one that looks up the account among them.
sub strace {
	my ($file, @options) = @_;
	return ('strace', '-D', '-q', '-o', $file, (map { all_names($_) } @options), '--');
}

# A 32-bit machine has other calls for large files and for times after 2038: an
# expression about a call is about them, too.
sub all_names {
	my ($option) = @_;
	my %also = (fcntl => '?fcntl64', fstat => '?fstat64', ftruncate => '?ftruncate64',
	    newfstatat => '?fstatat64,?statx', utimensat => '?utimensat_time64');
	my ($what, $calls, $rest) = $option =~ /\A((?:trace|inject)=)([^:]*)(.*)\z/
	    or return $option;

	return $what . join(',', map { $_, $also{ s/\?//r } // () } split /,/, $calls)
	    . $rest;
}

# The lines of a trace, each after a number, once strace is through with it.
sub straced {
	my ($file) = @_;
	my @lines;

	eventually {
		open my $fh, '<', $file or return 0;
		@lines = <$fh>;
		return @lines && $lines[-1] =~ /\+\+\+ (exited|killed)/;
	} or die "$file is no finished trace";
	return map { "1 $_" } @lines;
}

# Whether what is traced comes to stop at an injected SIGSTOP before it ends.
sub stops {
	my ($file) = @_;
	my $said;

	eventually {
		$said = slurp($file) // '';
		return $said =~ /stopped by SIGSTOP|\+\+\+ (exited|killed)/;
	};
	return $said =~ /stopped by SIGSTOP/;
}

# Lets a session that stops() go on.  A signal that comes while strace is busy
# with the stop is lost.
sub goes_on {
	my ($s, $file) = @_;
	eventually { $s->kill('CONT'); slurp($file) =~ /--- SIGCONT/ };
}

# The calls in a trace as places where something can be made to happen: each a
# name and a count, as strace counts them, call by call.
sub points {
	my %seen;
	return map { [ $_, ++$seen{$_} ] } map { /^\d+ +(\w+)\(/ ? $1 : () } @_;
}

# One in so many of a list, others each day: what takes long comes to all of it.
# KILL_ALL=1 ("make check-all") takes all at once.
sub few {
	my ($n, @list) = @_;
	my $i = int(time / 86400);

	return @list if $ENV{KILL_ALL};
	return grep { $i++ % $n == 0 } @list;
}

# A letter of an mbox.  No two numbers give the same one.
sub letter {
	my ($n, %is) = @_;

	return sprintf("From sender%d\@example.org Sat Jan %2d 01:%02d:34 1996\n",
	    $n, 1 + $n % 28, $n % 60)
	    . join('', map { "$_\n" } "Subject: letter $n",
	    "Message-ID: <$n\@example.org>", @{ $is{header} || [] })
	    . "\n" . ($is{body} // "This is letter $n.\n") . "\n";
}

# Text as it goes over the wire: every line end two octets.
sub wire {
	my ($text) = @_;
	$text =~ s/\r?\n/\r\n/g;
	return $text;
}

# What RETR sends of a letter: without its From_ line, and without the empty line
# that the mbox has behind it.
sub text_of { return wire($_[0] =~ s/\AFrom .*\n//r =~ s/\n\z//r) }

# Octets that a mail program could have written, the same ones every time.
sub alnum {
	my ($octets) = @_;
	my $line = join('', 'a' .. 'z', 0 .. 9) . join('', 'A' .. 'Z') . "\n";
	return substr($line x (1 + $octets / length $line), 0, $octets - 1) . "\n";
}

# A write lock such as a delivery agent takes with fcntl(2), held until the
# handle is closed; undef where somebody has one already.  It is a lock of the
# open file, so that other handles of this process do not undo it.
sub lock_file {
	my ($path) = @_;
	my ($OFD_SETLK, $WRLCK) = (37, 1);

	open my $fh, '+<', $path or die "$path: $!";
	my $flock = pack 's s x![q] q q i x![q]', $WRLCK, 0, 0, 0, 0;
	return fcntl($fh, $OFD_SETLK, $flock) ? $fh : undef;
}

# Kilobytes of memory that are a process's own.
sub memory {
	my ($pid) = @_;
	my ($kilobytes) = slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
	return $kilobytes;
}

# The whole of a file, or undef where there is none.
sub slurp {
	my ($path) = @_;
	local $/;

	open my $fh, '<:raw', $path or return undef;
	return scalar <$fh>;
}

# What stands for a line in a message of failure.
sub show {
	my ($text) = @_;
	return '(nothing)' unless defined $text;
	$text = substr($text, 0, 300) . '...' if length $text > 300;
	$text =~ s/\r\n\z//;
	$text =~ s/([^\x20-\x7e])/sprintf '\x%02x', ord $1/ge;
	return $text;
}

package Popper::Box;

use strict;
use warnings;

use Fcntl;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Scalar::Util qw(weaken);
use Time::HiRes ();

sub new {
	my ($class, %arg) = @_;
	my $accounts = $arg{accounts} || { alice => 's3cret' };
	my $self = bless {
		args => $arg{args} || [],
		dir => tempdir('popper-XXXXXXXX', TMPDIR => 1),
		mounts => [],
		runs => 0,
	}, $class;

	push @Popper::boxes, $self;
	weaken $Popper::boxes[-1];
	chmod 0755, $self->{dir} or die "chmod: $!";
	$self->{top} = defined $ENV{POPPER_SPOOLS} ? tempdir('popper-XXXXXXXX',
	    DIR => $ENV{POPPER_SPOOLS}) : $self->{dir};
	chmod 0755, $self->{top} or die "chmod: $!";
	mkdir $self->mail or die 'mkdir: ' . $self->mail . ": $!";
	$self->give($self->mail, 0755);

	$self->accounts($accounts);
	my $spool = exists $arg{spool} ? $arg{spool} : Popper::FX1();
	$self->put($spool) if defined $spool;
	return $self;
}

# Write the passwd(5)-format file.
sub accounts {
	my ($self, $accounts) = @_;

	open my $fh, '>', $self->passwd or die $self->passwd . ": $!";
	for my $name (sort keys %$accounts) {
		my $is = $accounts->{$name};
		$is = { password => $is } unless ref $is;
		print $fh join(':', $name, $is->{hash} // hash($is->{password}),
		    $is->{uid} // $Popper::uid, $is->{gid} // $Popper::gid,
		    $name, '/nonexistent', '/bin/sh'), "\n";
	}
	close $fh or die $self->passwd . ": $!";
	chmod 0600, $self->passwd;
}

# The cheapest hash that every crypt(3) of today knows.
sub hash {
	my ($password) = @_;
	my $hash = crypt $password, '$5$rounds=1000$saltsalt$';

	die 'crypt(3) knows no SHA-256 hashes'
	    unless defined $hash && $hash =~ /^\$5\$.{20}/;
	return $hash;
}

sub dir { return $_[0]{dir} }
sub mail { return "$_[0]{top}/mail" }
sub passwd { return "$_[0]{dir}/passwd" }
sub trace { return "$_[0]{dir}/trace" }
sub path { return $_[0]->mail . '/' . ($_[1] // 'alice') }
sub work { return $_[0]->mail . '/.' . ($_[1] // 'alice') . '.pop' }
sub dotlock { return $_[0]->path($_[1]) . '.lock' }

sub log { return Popper::slurp($_[0]->trace) }
sub spool { return Popper::slurp($_[0]->path($_[1])) }

# Hand a file to the account, whose own files have such a mode.
sub give {
	my ($self, $path, $mode) = @_;

	chown $Popper::uid, $Popper::gid, $path or die "chown: $path: $!"
	    if $> == 0;
	chmod $mode // 0600, $path or die "chmod: $path: $!";
}

# Make a file of the account's: a spool, or any path.  A file that is there
# already is written in place.
sub put {
	my ($self, $text, $name) = @_;
	return $self->put_file($self->path($name), $text);
}

sub put_file {
	my ($self, $path, $text) = @_;

	my $new = !-e $path;
	sysopen my $fh, $path, O_WRONLY | O_TRUNC | ($new ? O_CREAT : 0)
	    or die "$path: $!";
	binmode $fh;
	print $fh $text;
	close $fh or die "$path: $!";
	$self->give($path) if $new;
}

# Append as nobody should, without a lock.
sub append {
	my ($self, $text, $name) = @_;
	my $path = $self->path($name);

	open my $fh, '>>:raw', $path or die "$path: $!";
	print $fh $text;
	close $fh or die "$path: $!";
}

# Append as a delivery agent does: dotlock and kernel lock, neither waited
# for.  False where one of them was taken.
sub deliver {
	my ($self, $text, $name) = @_;

	sysopen my $lock, $self->dotlock($name), O_CREAT | O_EXCL | O_WRONLY
	    or return 0;
	my $held = $^O ne 'linux' || Popper::lock_file($self->path($name));
	$self->append($text, $name) if $held;
	close $held if ref $held;
	unlink $self->dotlock($name);
	return $held ? 1 : 0;
}

# What a rewrite in place leaves as it was (size and time apart).
sub stat {
	my ($self, $name) = @_;
	my %is;

	@is{qw(dev ino mode nlink uid gid rdev size atime mtime ctime)} =
	    Time::HiRes::stat($self->path($name));
	return \%is;
}

# A file system of its own for the mail, as root only: one in memory, or of the
# kind that a mkfs program makes.  False where that fails.
sub mount {
	my ($self, $kilobytes, $mkfs) = @_;
	my @how = ('-t', 'tmpfs', '-o', "size=${kilobytes}k,mode=755", 'popper');
	my $spool = $self->spool;

	return 0 unless $> == 0;
	if (defined $mkfs) {
		my $image = $self->dir . '/image';
		open my $fh, '>', $image or die "$image: $!";
		truncate $fh, $kilobytes * 1024 or die "$image: $!";
		close $fh;
		system("$mkfs -q $image >/dev/null 2>&1") == 0 or return 0;
		@how = ('-o', 'loop', $image);
	}
	system('mount', @how, $self->mail) == 0 or return 0;
	push @{ $self->{mounts} }, $self->mail;
	$self->give($self->mail, 0755);
	$self->put($spool) if defined $spool;
	return 1;
}

# Takes all the room of the mail's own file system; free() gives it back.
sub fill {
	my ($self) = @_;
	my $filler = $self->mail . '/filler';

	my $large = 16 << 20;

	1 while system("fallocate -o \$(stat -c %s $filler 2>/dev/null || echo 0)"
	    . " -l $large $filler 2>/dev/null") == 0;
	open my $fh, '>>:raw', $filler or die "$filler: $!";
	1 while syswrite $fh, "\0" x 4096;
	CORE::close $fh;
}

sub free { return unlink $_[0]->mail . '/filler' }

sub session {
	my ($self, %arg) = @_;
	return Popper::Session->new($self, %arg);
}

# A session that has come as far as TRANSACTION.
sub login {
	my ($self, %arg) = @_;
	my $s = $self->session(%arg);

	for my $line ("USER " . ($arg{user} // 'alice'),
	    "PASS " . ($arg{password} // 's3cret')) {
		my $reply = $s->command($line);
		die "$line was answered: $reply\n" unless $reply =~ /^\+OK/;
	}
	return $s;
}

sub remove {
	my ($self) = @_;

	return unless defined $self->{dir};
	system('umount', $_) for splice @{ $self->{mounts} };
	# a session of a super-server may still write its last line meanwhile
	Popper::eventually {
		remove_tree(@$self{qw(top dir)}, { safe => 0, error => \my $errors });
		!-e $self->{top} && !-e $self->{dir}
	} or warn "left behind: $self->{dir} $self->{top}\n";
	$self->{dir} = undef;
}

sub DESTROY {
	my ($self) = @_;
	local ($@, $?, $!);
	$self->remove;
}

package Popper::Session;

use strict;
use warnings;

use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use POSIX qw(WNOHANG dup2);
use Scalar::Util qw(weaken);
use Socket;
use Test::More;
use Time::HiRes qw(sleep);

sub new {
	my ($class, $box, %arg) = @_;
	my $run = ++$box->{runs};
	my $self = bless {
		box => $box, buffer => '', stderr => $box->dir . "/stderr.$run",
	}, $class;
	my $passwd = exists $arg{passwd} ? $arg{passwd} : $box->passwd;
	my @command = (@{ $arg{under} || [] }, $Popper::binary,
	    '-r', '-f', 0, '-m', $box->mail,
	    # such a directory is not on a local disk
	    (defined $ENV{POPPER_SPOOLS} ? '-S' : ()),
	    (defined $passwd ? ('-p', $passwd) : ()),
	    ($arg{trace} // 1 ? ('-t', $box->trace) : ()),
	    @{ $box->{args} }, @{ $arg{args} || [] });
	my ($in, $out) = $self->wire_up($arg{over} // 'socket');

	push @Popper::sessions, $self;
	weaken $Popper::sessions[-1];
	open my $err, '>', $self->{stderr} or die "$self->{stderr}: $!";
	my %env = %{ $arg{env} || {} };
	# The search for leaks traces the process, which it cannot where strace
	# does or where a saved gid stays.
	$env{ASAN_OPTIONS} = join ':', grep { defined } $ENV{ASAN_OPTIONS}, 'detect_leaks=0'
	    if $arg{under} || !defined $passwd;
	local @ENV{ keys %env } = values %env;
	my @fd = map { fileno $_ } $in, $out, $err;
	# After fork each page that is written to is copied: the rest is done before.
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		dup2($fd[$_], $_) for 0 .. 2;
		POSIX::close($_) for 3 .. 63;
		$SIG{PIPE} = 'DEFAULT';
		exec { $command[0] } @command or POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	close $in;
	close $out;
	unless (exists $arg{greeting} && !$arg{greeting}) {
		$self->{greeting} = $self->reply('the greeting');
		die "greeting: $self->{greeting}\n"
		    unless $self->{greeting} =~ /^\+OK/;
	}
	return $self;
}

# Make the line between the test and the daemon; returns the daemon's ends.
sub wire_up {
	my ($self, $over) = @_;
	my ($in, $out);

	if ($over eq 'socket') {
		socketpair my $here, $in, AF_UNIX, SOCK_STREAM, PF_UNSPEC
		    or die "socketpair: $!";
		open $out, '>&', $in or die "dup: $!";
		@$self{qw(read write)} = ($here, $here);
	} elsif ($over eq 'tcp') {
		my $door = IO::Socket::INET->new(Listen => 1,
		    LocalAddr => '127.0.0.1') or die "listen: $@";
		my $here = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		    PeerPort => $door->sockport) or die "connect: $@";
		$in = $door->accept or die "accept: $!";
		open $out, '>&', $in or die "dup: $!";
		@$self{qw(read write)} = ($here, $here);
	} elsif ($over eq 'pipe') {
		pipe $in, $self->{write} or die "pipe: $!";
		pipe $self->{read}, $out or die "pipe: $!";
	} else {
		die "over what? $over";
	}
	$self->{write}->autoflush(1);
	$self->{read}->blocking(0);
	$self->{write}->blocking(0);
	return ($in, $out);
}

sub box { return $_[0]{box} }
sub pid { return $_[0]{pid} }
sub greeting { return $_[0]{greeting} }

# Octets out.  False where the daemon has hung up.
sub send_raw {
	my ($self, $octets) = @_;
	my $ready = IO::Select->new($self->{write});

	while (length $octets) {
		$ready->can_write($Popper::patience)
		    or die "the daemon reads nothing\n";
		my $n = syswrite $self->{write}, $octets;
		return 0 if !defined $n && !$!{EAGAIN};
		substr($octets, 0, $n // 0, '');
	}
	return 1;
}

sub send {
	my ($self, @lines) = @_;
	return $self->send_raw(join '', map { "$_\r\n" } @lines);
}

# Octets in, as they come; false at the end.
sub fill {
	my ($self, $for) = @_;

	IO::Select->new($self->{read})->can_read($Popper::patience)
	    or die "no answer while waiting for $for\n";
	my $n = sysread $self->{read}, $self->{buffer}, 1 << 18,
	    length $self->{buffer};
	return 1 if !defined $n && $!{EAGAIN};
	return $n;
}

# One line as it came, with its line end; undef at the end, where the octets
# of an unfinished line are left for slurp.
sub read_line {
	my ($self, $for) = @_;
	my $at;

	while (($at = index $self->{buffer}, "\n") < 0) {
		$self->fill($for // 'a line') or return undef;
	}
	return substr $self->{buffer}, 0, $at + 1, '';
}

# All that still comes until the daemon hangs up.
sub slurp {
	my ($self) = @_;

	1 while $self->fill('the end');
	return substr $self->{buffer}, 0, length $self->{buffer}, '';
}

# A first line of a reply, without its CRLF, and checked for its form.
sub reply {
	my ($self, $to) = @_;
	my $line = $self->read_line("the reply to $to");

	die "no reply to $to, but the end\n" unless defined $line;
	die 'malformed reply to ' . Popper::show($to) . ': '
	    . Popper::show($line) . "\n"
	    unless $line =~ /^(\+OK|-ERR)( [^\r\n]*)?\r\n\z/
	    && length $line <= 512;
	$line =~ s/\r\n\z//;
	return $line;
}

sub command {
	my ($self, $line) = @_;
	$self->send($line);
	return $self->reply($line);
}

# A multi-line reply: its first line, and its text as octets, stuffing and the
# final dot removed.
sub text {
	my ($self, $line) = @_;
	my $first = $self->command($line);

	die "$line was answered: $first\n" unless $first =~ /^\+OK/;
	my $text = $self->rest;
	return wantarray ? ($first, $text) : $text;
}

# The same after its first line has been read.
sub rest {
	my ($self) = @_;
	my $text = '';

	while (1) {
		my $line = $self->read_line('the final dot');
		die "a multi-line reply ends before its dot\n"
		    unless defined $line;
		return $text if $line eq ".\r\n";
		die "a multi-line reply has a bare line end\n"
		    unless $line =~ /\r\n\z/;
		$line =~ s/^\.//;
		$text .= $line;
	}
}

# LIST and UIDL as a hash from the number of the message.
sub list { return { map { split ' ' } split /\r\n/, scalar $_[0]->text('LIST') } }
sub uidl { return { map { split ' ' } split /\r\n/, scalar $_[0]->text('UIDL') } }

# Send the C: lines, expect the S: lines.  The first difference ends the case.
sub dialog {
	my ($self, $dialog) = @_;
	my ($title) = $dialog =~ /^\s*C: (.*)/m;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my (@shown, @waiting);

	for (split /\n/, $dialog) {
		s/^\s+//;
		next if $_ eq '' || /^#/;
		if (/^C: ?(.*)/) {
			push @waiting, $1;
			push @shown, $_;
			next;
		}
		$self->send(splice @waiting);
		if (/^S: ?(.*)/) {
			my $want = join '.*', map { quotemeta } split /\*/, $1, -1;
			my $line = $self->read_line("\"$_\"");
			push @shown, 'S: ' . Popper::show($line);
			next if defined $line && $line =~ /^$want\r\n\z/s;
		} elsif ($_ eq '-- closed') {
			my $rest = $self->slurp;
			next if $rest eq '';
			push @shown, 'S: ' . Popper::show($rest);
		} else {
			die "a dialog cannot say: $_\n";
		}
		fail($title // $_);
		die join("\n", @shown, "expected: $_") . "\n";
	}
	$self->send(@waiting) if @waiting;
	pass($title // 'what the server says');
}

# QUIT, its reply, the hanging up and the exit status, all of them checked.
sub quit {
	my ($self) = @_;
	my $reply = $self->command('QUIT');
	my $rest = $self->slurp;

	die 'after the reply to QUIT: ' . Popper::show($rest) . "\n"
	    if $rest ne '';
	my $status = $self->wait;
	die "exit status $status after QUIT\n" if $status != 0;
	return $reply;
}

# Hang up: in good manners, or by a TCP reset.
sub close {
	my ($self) = @_;
	CORE::close $_ for grep { defined } delete @$self{qw(read write)};
	return $self;
}

sub reset {
	my ($self) = @_;
	setsockopt $self->{write}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
	    or die "SO_LINGER: $!";
	return $self->close;
}

sub kill {
	my ($self, $signal) = @_;
	return defined $self->{pid} && CORE::kill $signal, $self->{pid};
}

# The wait status of the daemon (0 for a good end), which must come.
sub wait {
	my ($self) = @_;

	return $self->{status} unless defined $self->{pid};
	my $gone = Popper::eventually {
		waitpid($self->{pid}, WNOHANG) == $self->{pid}
	};
	my $status = $?;
	unless ($gone) {
		$self->kill_hard;
		die "the daemon does not end\n";
	}
	$self->{pid} = undef;
	my $said = Popper::slurp($self->{stderr});
	if (defined $said && $said ne '') {
		fail('nothing is written to descriptor 2');
		diag($said);
	}
	return $self->{status} = $status;
}

sub kill_hard {
	my ($self) = @_;

	return unless defined $self->{pid};
	CORE::kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	$self->{status} = $?;
	$self->{pid} = undef;
}

# A session that goes out of sight hangs up and sees its daemon off.
sub DESTROY {
	my ($self) = @_;
	local ($@, $?, $!);

	$self->close;
	my $end = Popper::now() + 1;
	while (defined $self->{pid} && Popper::now() < $end) {
		last if waitpid($self->{pid}, WNOHANG) == $self->{pid}
		    && !($self->{pid} = undef);
		sleep 0.005;
	}
	$self->kill_hard;
}

1;

__END__

=head1 NAME

Popper - write tests of popper as dialogs

=head1 SYNOPSIS

    use strict;
    use warnings;
    use Test::More;
    use Popper;

    case 'DELE: the message is gone after QUIT [RFC 1939 6]' => sub {
        my $box = box();
        my $s = $box->login;

        $s->dialog(<<~'END');
            C: DELE 1
            S: +OK *
            C: QUIT
            S: +OK *
            -- closed
            END
        unlike($box->spool, qr/^Subject: one$/m, 'it is gone');
    };

    done_testing;

Run by C<prove -I tests/lib tests/*.t>.  POPPER names the daemon (./popper),
POPPER_EMULATOR the emulator that runs it, if one does, POPPER_PATIENCE how many
seconds a test waits for an answer (30), POPPER_SPOOLS a directory for the mail
of the boxes, on a network file system perhaps, if that should not be next to
their other files.

=head1 FUNCTIONS

=over

=item case TITLE => sub { ... }

One rule of the protocol, as a subtest.  Dying fails it.  Daemons and files
that it made are gone afterwards.

=item box(accounts => {...}, spool => TEXT, args => [...])

A new Popper::Box: see below.

=item needs(WHAT, ...)

Skips the case where something is missing: C<root>, C<user> (not root),
C<strace>, C<locks>, C<proc>, C<plain> (a build without sanitizers), C<linux>
(one with the calls of Linux), C<native> (one that no emulator runs; C<strace>
asks for that as well).

=item eventually { TEST }

Waits until TEST is true; false when patience ends.

=item letter(N, header => [LINES], body => TEXT), text_of(LETTER), FX1, wire(TEXT), alnum(OCTETS)

One mbox message; what RETR sends of it; the mbox of two messages that is the
default spool; text with CRLF line ends; filler of that size in lines.

=item strace(FILE, OPTIONS), straced(FILE), points(LINES), stops(FILE), goes_on(SESSION, FILE)

The words for C<under> (below) that write a trace to FILE; its lines; the
calls in them as [NAME, N], for C<-e inject=NAME:...:when=N>; whether it stops
where the signal injected is STOP; lets it go on then.

=item few(N, LIST)

One in N of LIST, others each day; all of it with KILL_ALL=1.

=item lock_file(PATH), slurp(PATH), memory(PID), now, show(TEXT)

A handle that holds a write lock, or undef; the bytes of a file, or undef;
kilobytes that a process has for itself; seconds of the monotonic clock; text
with its odd octets made visible.

=back

=head1 BOX

A temporary directory with a passwd file and a directory for mail that belongs
to the account: uid 54321 when root tests, otherwise oneself.

=over

=item Popper::Box->new(accounts => {...}, spool => TEXT, args => [...])

C<accounts> maps a name to a password, or to {password, hash, uid, gid};
without it there is alice with s3cret.  C<spool> is alice's mail: FX1 unless
given, none when undef.  C<args> are given to every daemon, after
C<-r -f 0 -p PASSWD -m MAIL -t TRACE>.

=item session(args => [...], over => WAY, under => [COMMAND], trace => 0, passwd => FILE, env => {...}, greeting => 0)

Starts a daemon and reads its greeting.  C<over> is C<socket> (a pair),
C<tcp> (loopback) or C<pipe>.  C<under> is put in front of its command line.
C<passwd> is the file for C<-p>; undef leaves it to the system's accounts.

=item login(user => NAME, password => WORD, ...)

A session in TRANSACTION.

=item dir, mail, passwd, trace, path(NAME), work(NAME), dotlock(NAME)

Paths: of the box, its mail, its passwd file, its trace; of NAME's spool, of
the state file .NAME.pop, of the lock file.  NAME is alice unless given.

=item spool(NAME), log

What is in the spool (undef: no file), what is in the trace.

=item put(TEXT, NAME), put_file(PATH, TEXT), give(PATH, MODE), append(TEXT, NAME), deliver(TEXT, NAME)

Write a spool or any file of the account's in place; hand over a file; append
without a lock; append as a delivery agent, false where a lock was taken.

=item stat(NAME)

ino, mode, uid, gid, nlink, size, mtime and so on of a spool, by name.

=item mount(KILOBYTES [, MKFS])

Puts the mail on a file system of that size, in memory or made by that program;
false where that cannot be.

=item fill, free

Takes all the room of such a file system, to the last block; gives it back.

=back

=head1 SESSION

=over

=item dialog(TEXT)

C<C: > lines are sent, those that follow one another as one segment; C<S: >
lines must come, C<*> in them stands for anything; C<-- closed> means that the
daemon hangs up without another octet.  One test; a difference ends the case.

=item command(LINE), text(LINE), rest, list, uidl

The first line of the reply, without CRLF; the text of a multi-line reply
unstuffed (in list context: first line, text); what of it follows the first
line; LIST and UIDL as hashes.

=item send(LINES), send_raw(OCTETS), read_line, slurp

Octets out and in.  C<read_line> keeps the line end, and is undef at the end;
C<slurp> waits for the end.

=item quit, close, reset, kill(SIGNAL), wait

QUIT and a good end, checked: its reply.  Hang up; hang up by RST (over tcp).
A signal to the daemon.  Its wait status, 0 for a good end; anything it wrote
to descriptor 2 fails the test.

=item pid, greeting, box

=back

=cut
