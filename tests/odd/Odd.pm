# A file system with oddities for the mail of a test: a directory in memory,
# shown by oddfs.  All of it is gone when the test ends.

package Odd;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use POSIX qw(WNOHANG);
use Popper;

my $here = dirname(abs_path(__FILE__));
my %alive;

# Before the boxes of Popper.pm go, whose files may be there.
END {
	my $status = $?;
	Popper::clear();
	$_->remove for values %alive;
	$? = $status;
}

# Why there can be none here; or nothing.
sub missing {
	return 'not root' if $> != 0;
	return 'no /dev/fuse' if !-r '/dev/fuse';
	return 'no header files of libfuse 3'
	    if !-e '/usr/include/fuse3/fuse_lowlevel.h';
	return;
}

# The program, compiled once.
sub program {
	our $program //= do {
		my $dir = tempdir('popper-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
		my $cc = $ENV{CC} || 'cc';

		system("$cc -std=c11 -D_FILE_OFFSET_BITS=64 -Wall -Wextra -Werror "
		    . "-o $dir/oddfs $here/*.c -lfuse3 -lpthread") == 0
		    or die "oddfs does not compile\n";
		"$dir/oddfs";
	};
	return $program;
}

# new(ODDITY, ...): as the head of oddfs.c lists them.
sub new {
	my ($class, @oddities) = @_;
	my $self = bless { dir => tempdir('popper-XXXXXXXX', TMPDIR => 1),
	    mounts => [] }, $class;

	$alive{$self} = $self;
	chmod 0755, $self->{dir} or die "chmod: $!";
	program();
	mkdir $self->below or die $self->below . ": $!";
	system('mount', '-t', 'tmpfs', '-o', 'mode=1777', 'popper', $self->below)
	    == 0 or die "no tmpfs can be mounted\n";
	$self->{path} = $self->mount(@oddities);
	return $self;
}

# Where a test's files go, and where they are without the oddities.
sub path { return $_[0]{path} }

sub below {
	my ($self, $path) = @_;
	return "$self->{dir}/below" . (defined $path ? $path =~ s{\A\Q$self->{dir}\E/\d+}{}r : '');
}

# Mounts the directory once more, with other oddities perhaps: where.
sub mount {
	my ($self, @oddities) = @_;
	my $path = $self->{dir} . '/' . (1 + @{ $self->{mounts} });
	my @options = @oddities ? ('-o', join ',', @oddities) : ();

	mkdir $path or die "$path: $!";
	my $before = (stat $path)[0];
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		# it would say that it is unmounted already
		open STDERR, '>', '/dev/null';
		exec 'setpriv', '--pdeathsig', 'TERM', program(),
		    $self->below, $path, @options or POSIX::_exit(127);
	}
	push @{ $self->{mounts} }, { path => $path, pid => $pid };
	eventually { (stat $path)[0] != $before || waitpid($pid, WNOHANG) == $pid };
	die "oddfs cannot mount $path\n" if (stat $path)[0] == $before;
	return $path;
}

# So many kilobytes are all that there is room for.
sub limit {
	my ($self, $kilobytes) = @_;
	system('mount', '-o', "remount,size=${kilobytes}k", $self->below) == 0
	    or die "no limit\n";
}

# Mounts it anew, in the same place.
sub again {
	my ($self, @oddities) = @_;
	my $old = pop @{ $self->{mounts} };

	$self->unmount($old);
	return $self->{path} = $self->mount(@oddities);
}

# Another mount namespace may have the mount as well: so oddfs is told to end.
sub unmount {
	my ($self, $mount) = @_;

	# where a signal has ended oddfs as well, it is not mounted any more
	system("umount -l $mount->{path} 2>/dev/null");
	kill 'TERM', $mount->{pid};
	waitpid $mount->{pid}, 0;
	rmdir $mount->{path} or warn "$mount->{path}: $!\n";
}

sub remove {
	my ($self) = @_;

	delete $alive{$self} or return;
	$self->unmount($_) for reverse splice @{ $self->{mounts} };
	system('umount', '-l', $self->below);
	rmdir $self->below or warn $self->below . ": $!\n";
	rmdir $self->{dir} or warn "left behind: $self->{dir}\n";
}

1;
