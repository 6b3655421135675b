# popper: plain make, for GNU make and BSD make alike.
#
#	make			the server and its client
#	make demo		a maildrop served and fetched, before your eyes
#	make check		all tests; check-all: with each call that a session
#				can be killed at, not one in some;
#				check-san: most of them under the address and
#				undefined-behaviour sanitizers;
#				check-portable: some, without Linux's extras,
#				with musl, and built by tcc;
#				check-foreign: some, with 32 bits and the other
#				byte order;
#				check-valgrind: a session under valgrind;
#				check-vanished: clients that vanish; 4 minutes;
#				check-random: kills, faults and other programs
#				at random; 10 minutes;
#				check-odd: some, with the mail on file systems
#				with oddities; 5 minutes, root;
#				check-site: two hosts on GlusterFS behind HAProxy;
#				5 minutes, root;
#				check-nfs: the same on NFS, in virtual machines;
#				10 minutes, root
#	make lint		what static analysis has to say
#	make model, fuzz	proofs of safety: minutes
#	make bench		speed, beside other servers; bench-quick: 2 minutes
#	make deb		a Debian package; check-deb: tried in a fresh system
#	make install		PREFIX=/usr/local, DESTDIR for packagers
#	make static		a static server, with musl
#	make dist		a tar file of what git holds

PREFIX	= /usr/local
SBINDIR	= $(PREFIX)/sbin
BINDIR	= $(PREFIX)/bin
LIBDIR	= $(PREFIX)/lib/popper
MANDIR	= $(PREFIX)/share/man
EXAMPLES = $(PREFIX)/share/doc/popper/examples

CC	= cc
CFLAGS	= -O3 -g
WARN	= -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
	  -Wmissing-prototypes -Wformat=2
HARDEN	= -fPIE -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
HARDEN_LD = -pie -Wl,-z,relro -Wl,-z,now
STD	= -std=c11 -D_XOPEN_SOURCE=700 -D_DEFAULT_SOURCE \
	  -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -I.

# Where crypt(3) is: the one library beside libc.  musl has it in its libc;
# Debian's musl has none at all: see "make static".
LIBCRYPT = -lcrypt

# Each folder has one header, and knows those of the folders in its line.
TOP	= popper.c pop_auth.c pop_dropcopy.c pop_log.c pop_send.c pop_updt.c \
	  pop_xmit.c
LIB	= lib/array.c lib/base64.c lib/child.c lib/file.c lib/lines.c lib/log.c \
	  lib/md5.c lib/text.c lib/wait.c
LOGIN	= login/account.c login/dir.c login/password.c login/user.c
NET	= net/conn.c net/host.c net/line.c net/peer.c net/proxy.c net/reply.c \
	  net/tls.c net/wire.c
MBOX	= mbox/body.c mbox/duplicate.c mbox/from.c mbox/scan.c
SPOOL	= spool/aside.c spool/fault.c spool/index.c spool/journal.c \
	  spool/lock.c spool/maildrop.c spool/plan.c spool/putback.c \
	  spool/record.c spool/recover.c spool/stamp.c spool/table.c \
	  spool/xuidl.c
XTND	= xtnd/board.c xtnd/boards.c xtnd/file.c xtnd/xlst.c
CHECK	= check/check.c check/directories.c check/hosts.c check/maildrops.c \
	  check/say.c check/starters.c

LIB_H	= lib/lib.h
LOGIN_H	= login/login.h $(LIB_H)
NET_H	= net/net.h $(LIB_H)
MBOX_H	= mbox/mbox.h $(LIB_H)
SPOOL_H	= spool/spool.h $(MBOX_H)
JOURNAL_H = spool/journal.h $(SPOOL_H)
TOP_H	= popper.h login/login.h net/net.h $(SPOOL_H)
HDR	= $(TOP_H) spool/journal.h xtnd/xtnd.h check/check.h

SRC	= $(TOP) $(XTND) $(CHECK) $(LOGIN) $(NET) $(SPOOL) $(MBOX) $(LIB)
OBJ	= $(SRC:.c=.o)
# all but main(), for the unit tests
MODULES	= $(OBJ:popper.o=)
UNITS	= text lines password scan engine recovery walk md5 duplicate base64 \
	  child wire
CARD	= client/popcard.c client/cards.c client/maildrop.c client/pop.c \
	  client/view.c $(CARD_MIME) client/text.c client/term.c
CARD_MIME = client/draft.c client/mime.c client/html.c client/field.c
CARDHDR	= client/*.h
CARDOBJ	= $(CARD:.c=.o)
CARD_UNITS = mime
CARD_UNDER = $(CARD_MIME) client/text.c client/term.c

all: popper client/popcard

popper: $(OBJ)
	$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $(OBJ) $(LIBCRYPT)

$(LIB:.c=.o): $(LIB_H)
$(LOGIN:.c=.o): $(LOGIN_H)
$(NET:.c=.o): $(NET_H)
$(MBOX:.c=.o): $(MBOX_H)
$(SPOOL:.c=.o): $(JOURNAL_H)
$(TOP:.c=.o) $(XTND:.c=.o) $(CHECK:.c=.o): $(HDR)

client/popcard: $(CARDOBJ)
	$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $(CARDOBJ)

$(CARDOBJ): $(CARDHDR)

.SUFFIXES: .c .o
.c.o:
	$(CC) $(STD) $(WARN) $(HARDEN) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<

# Debian's libxcrypt, built for glibc, asks for three functions that musl does
# not have; where musl has a crypt(3) (Alpine), XCRYPT= alone will do.
MUSL	= musl-gcc
XCRYPT	= contrib/libxcrypt-musl.c -l:libcrypt.a
XCRYPT_DIR = /usr/lib/x86_64-linux-gnu
static: $(SRC) $(HDR)
	mkdir -p build/static
	cp $(XCRYPT_DIR)/libcrypt.a build/static/
	$(MUSL) $(STD) $(WARN) $(CFLAGS) $(CPPFLAGS) -static -Lbuild/static \
	    -o build/static/popper $(SRC) $(XCRYPT)

# For tests that read the source.
sources:
	@echo $(SRC)

# ---- tests ----------------------------------------------------------------

units: $(OBJ) $(CARDOBJ)
	mkdir -p build/unit
	printf '%s\n' $(UNITS) | xargs -P 4 -I {} $(CC) $(STD) $(WARN) \
	    $(CFLAGS) $(CPPFLAGS) -o build/unit/{} tests/unit/{}.c $(MODULES) \
	    $(LIBCRYPT)
	for u in $(CARD_UNITS); do $(CC) $(STD) $(WARN) $(CFLAGS) $(CPPFLAGS) \
	    -I. -o build/unit/$$u tests/unit/$$u.c $(CARD_UNDER:.c=.o) || \
	    exit 1; done

# Ends with a list of what was skipped.  The long files have high numbers and
# begin first, so that none of them is alone at the end.
PROVE	= env PERL5LIB=tests/lib prove --harness Skips -j4 --reverse -I tests/lib
TESTS	= tests/*.t
check: all units
	POPPER=./popper $(PROVE) $(UNITS:%=build/unit/%) \
	    $(CARD_UNITS:%=build/unit/%) $(TESTS)

# Where a test tries calls, octets or sizes one after the other, "make check" has
# some of them each day: see few() in tests/lib/Popper.pm.
check-all:
	KILL_ALL=1 $(MAKE) check

SANITIZE = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
# Not those about the order of system calls, about time, other programs and the
# manual: they would say the same again.  Fuzzing has the scanner and the readers
# of the index and the journal under sanitizers.
SAN_TESTS = tests/[12]*.t tests/3*.t tests/4[0-24]*.t tests/5[0145]*.t \
	  tests/6[356]*.t tests/7[1-3]*.t tests/8[34]*.t
SAN_UNITS = text password engine recovery walk md5 duplicate base64 child wire
check-san:
	for m in $(SRC); do mkdir -p build/san/$$(dirname $$m); done
	mkdir -p build/san/unit
	printf '%s\n' $(SRC:.c=) | xargs -P 4 -I {} $(CC) $(STD) $(WARN) \
	    $(SANITIZE) -c -o build/san/{}.o {}.c
	$(CC) $(SANITIZE) -o build/san/popper $(SRC:%.c=build/san/%.o) $(LIBCRYPT)
	printf '%s\n' $(SAN_UNITS) | xargs -P 4 -I {} $(CC) $(STD) $(WARN) \
	    $(SANITIZE) -o build/san/unit/{} tests/unit/{}.c \
	    $(MODULES:%=build/san/%) $(LIBCRYPT)
	for u in $(CARD_UNITS); do $(CC) $(STD) $(WARN) $(SANITIZE) -I. \
	    -o build/san/unit/$$u tests/unit/$$u.c $(CARD_UNDER) || exit 1; done
	ASAN_OPTIONS=detect_leaks=0 POPPER=build/san/popper $(PROVE) \
	    $(SAN_UNITS:%=build/san/unit/%) $(CARD_UNITS:%=build/san/unit/%) \
	    $(SAN_TESTS)

# The ways for systems without Linux's extras, of files and of accounts; another
# C library; and a compiler that knows C and no more.
PORT_TESTS = tests/1*.t tests/2[01]*.t tests/3[0-3]*.t tests/58*.t tests/72*.t
ALIEN_TESTS = tests/1*.t tests/21*.t tests/30*.t tests/5[0234]*.t tests/58*.t
TCC	= tcc
# glibc gives glob(3) another name for large files, in a way that tcc does not
# know; on 64 bits there is no need to.
TCC_OPTS = -U_FILE_OFFSET_BITS -U_TIME_BITS
check-portable: static
	mkdir -p build/portable build/tcc
	$(CC) $(STD) $(WARN) $(CFLAGS) $(CPPFLAGS) -DPOPPER_PORTABLE \
	    -o build/portable/popper $(SRC) $(LIBCRYPT)
	build/portable/popper -V | grep 'system calls: POSIX'
	POPPER=build/portable/popper $(PROVE) $(PORT_TESTS)
	POPPER=build/static/popper $(PROVE) $(ALIEN_TESTS)
	$(TCC) $(STD) $(TCC_OPTS) -Wall -Werror -o build/tcc/popper $(SRC) \
	    $(LIBCRYPT)
	POPPER=build/tcc/popper $(PROVE) $(ALIEN_TESTS)

# 32 bits, and the other byte order.  Not the test that puts a library of this
# machine into popper.
FOREIGN	= i386 s390x
FOREIGN_UNITS = text scan engine recovery walk md5 duplicate base64 wire
FOREIGN_TESTS = tests/[12]*.t tests/3[0-689]*.t tests/4*.t
check-foreign: all
	for m in $(FOREIGN); do PROVE='prove -j4 -I tests/lib' CPPFLAGS='$(CPPFLAGS)' \
	    tests/foreign $$m '$(FOREIGN_UNITS)' '$(FOREIGN_TESTS)' || exit 1; \
	    done

check-valgrind: all
	tests/under-valgrind ./popper

check-vanished: all
	POPPER=./popper prove -I tests/lib tests/vanished

check-random: all
	RANDOM_SECONDS=600 RANDOM_SEED=$$(date +%s) POPPER=./popper prove -v \
	    -I tests/lib tests/83-random.t

# What finds other calls, modes or scans there than elsewhere is not among these.
ODD_TESTS = tests/30*.t tests/33*.t
check-odd: all
	POPPER=./popper tests/odd/run $(ODD_TESTS)

# These skip aloud where they cannot run.
check-site: all
	tests/site/make check

check-nfs: all
	STORE=nfs MESSAGES=$${MESSAGES:-500} tests/site/make check

demo: all
	tests/demo ./popper

# Functions that this source does without.
FORBIDDEN = '\b(strcpy|strcat|sprintf|vsprintf|atoi|atol|gets|mktemp|tmpnam|strtok|system|popen|alloca)[[:space:]]*\('
TIDY	= -*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-implicit-widening-of-multiplication-result,-bugprone-macro-parentheses,-bugprone-not-null-terminated-result,-bugprone-reserved-identifier,-bugprone-sizeof-expression,clang-analyzer-deadcode.*,clang-analyzer-unix.*,misc-redundant-expression,misc-unused-parameters,readability-misleading-indentation
lint:
	! grep -nE $(FORBIDDEN) $(SRC) $(HDR) $(CARD)
	cppcheck --quiet -j 4 --std=c11 --enable=warning,performance,portability \
	    --inline-suppr --error-exitcode=1 $(SRC) $(CARD)
	printf '%s\n' $(SRC) $(CARD) | xargs -P 4 -I {} clang-tidy --quiet \
	    --warnings-as-errors='*' --checks='$(TIDY)' {} -- $(STD)
	mkdir -p build/lint
	printf '%s\n' $(SRC) $(CARD) | xargs -P 4 -I {} sh -c 'gcc $(STD) \
	    $(WARN) -O2 -fanalyzer -Werror -c \
	    -o build/lint/$$(echo {} | tr / -).o {}'
	mandoc -Tlint -Wwarning popper.8 man/*.[57] client/popcard.1

# ---- installing -----------------------------------------------------------

SCRIPTS	= checkpassword-pam keep-uidl popstat
RECIPES	= contrib/boards contrib/haproxy.cfg contrib/logs/* \
	  contrib/nginx/* contrib/stunnel/* contrib/superservers/* contrib/systemd/*
MANUALS	= man1/popcard.1 man5/popper-boards.5 man5/popper-passwd.5 \
	  man7/popper-messages.7 man8/popper.8

# In a recipe and in a manual: the path under which popper is installed.
OUR_PATH = s,/usr/local/sbin/popper,$(SBINDIR)/popper,g

install: all
	umask 022 && mkdir -p $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) \
	    $(DESTDIR)$(LIBDIR)
	install -m 755 popper $(DESTDIR)$(SBINDIR)/popper
	install -m 755 client/popcard $(DESTDIR)$(BINDIR)/popcard
	for f in $(SCRIPTS); do \
	    install -m 755 contrib/$$f $(DESTDIR)$(LIBDIR)/$$f || exit 1; done
	umask 022 && for f in client/popcard.1 man/*.[57] popper.8; do \
	    d=$(DESTDIR)$(MANDIR)/man$${f##*.} && mkdir -p $$d && \
	    sed '$(OUR_PATH)' $$f >$$d/$${f##*/} && \
	    chmod 644 $$d/$${f##*/} || exit 1; done
	umask 022 && for f in $(RECIPES); do \
	    d=$(DESTDIR)$(EXAMPLES)/$${f#*/} && mkdir -p $${d%/*} && \
	    sed '$(OUR_PATH)' $$f >$$d && chmod 644 $$d || exit 1; \
	    [ ! -x $$f ] || chmod 755 $$d; done

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/popper $(DESTDIR)$(BINDIR)/popcard
	for f in $(SCRIPTS); do rm -f $(DESTDIR)$(LIBDIR)/$$f; done
	for f in $(MANUALS); do rm -f $(DESTDIR)$(MANDIR)/$$f; done
	for f in $(RECIPES); do \
	    rm -f $(DESTDIR)$(EXAMPLES)/$${f#*/}; done
	@echo 'What you have set up stays: lines in /etc/inetd.conf, units in'
	@echo '/etc/systemd/system, files in /etc/stunnel and /etc/popper*; so do'
	@echo '/var/log/popper, all mail, and the files .USER.pop next to it.'

model:
	tests/model/check

fuzz: all
	tests/fuzz/run 600

# popper beside other servers and beside what the machine can do: see the head
# of bench/run.
bench: all
	bench/run

bench-quick: all
	bench/run --quick

# A Debian package, in the folder above; and the trial of it in a fresh system.
# -tc: nothing of it stays here, such as a popper with Debian's flags.
deb:
	dpkg-buildpackage -us -uc -b -tc

check-deb:
	tests/package

dist:
	v=$$(sed -n 's/^#define POPPER_VERSION.*"\(.*\)"/\1/p' popper.h) && \
	    git archive --prefix=popper-$$v/ -o popper-$$v.tar.gz HEAD

clean:
	rm -rf $(OBJ) $(CARDOBJ) popper client/popcard build popper-*.tar.gz

.PHONY: all static sources units check check-all check-san check-portable \
	check-foreign check-valgrind check-vanished check-random check-odd \
	check-site check-nfs demo lint install uninstall model fuzz bench \
	bench-quick deb check-deb dist clean
