# popper: plain make, for GNU make and BSD make alike.
#
#	make			the server
#	make demo		a maildrop served and fetched, before your eyes
#	make check		all tests; check-san, check-valgrind: the same
#				under the sanitizers, one session under valgrind
#	make lint		what static analysis has to say
#	make install		PREFIX=/usr/local, DESTDIR for packagers
#
# To build with another compiler: make CC=clang.  With musl: make CC=musl-gcc
# (see LIBCRYPT below).

VERSION	= 2.0
PREFIX	= /usr/local
SBINDIR	= $(PREFIX)/sbin
BINDIR	= $(PREFIX)/bin
MANDIR	= $(PREFIX)/share/man

CC	= cc
CFLAGS	= -O3 -g
WARN	= -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
	  -Wmissing-prototypes -Wformat=2
HARDEN	= -fPIE -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
HARDEN_LD = -pie -Wl,-z,relro -Wl,-z,now
STD	= -std=c11 -D_XOPEN_SOURCE=700 -D_DEFAULT_SOURCE -D_FILE_OFFSET_BITS=64

# Where crypt(3) is: the one library beside libc.
LIBCRYPT = -lcrypt

SRC	= popper.c pop_auth.c pop_dropcopy.c pop_file.c pop_index.c pop_io.c \
	  pop_journal.c pop_lock.c pop_log.c pop_mbox.c pop_md5.c pop_plan.c \
	  pop_redo.c pop_send.c pop_twin.c pop_updt.c
HDR	= popper.h journal.h
OBJ	= $(SRC:.c=.o)

all: popper

popper: $(OBJ)
	$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $(OBJ) $(LIBCRYPT)

$(OBJ): $(HDR)

.SUFFIXES: .c .o
.c.o:
	$(CC) $(STD) $(WARN) $(HARDEN) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<

clean:
	rm -rf $(OBJ) popper build

.PHONY: all clean
