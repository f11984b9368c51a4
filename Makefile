# gymstream: an extension module, an output plugin and background workers in one library, and a client program.
#
#   make, make install      for the server that PG_CONFIG names (default: the pg_config in the PATH)
#   make deb                Debian packages of the extension and of the program, in the folder deb
#   make installcheck       test what is installed, in servers of its own; not as root. ./test.sh does this and more.
#
# In another folder: make -f /path/to/Makefile, with the same targets; objects and the program are then made there.

# Where the sources are. VPATH tells PGXS; not each server's finds that out by itself, and none before it is included.
top         := $(or $(VPATH),$(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST)))))
ifneq ($(top),.)
VPATH       := $(top)
endif
# the files below a folder with this ending, as named from the sources' folder, whatever folder is the current one
files        = $(shell cd '$(top)' && find $(1) -name '*$(2)' | LC_ALL=C sort)
objects      = $(patsubst %.c,%.o,$(1))

EXTENSION    = gymstream
MODULE_big   = gymstream
OBJS        := $(call objects,$(filter-out src/client/%,$(call files,src,.c)))
DATA        := $(call files,extension,.sql) $(call files,extension,.control)
REGRESS     := $(filter $(patsubst sql/%.sql,%,$(call files,sql,.sql)),$(patsubst expected/%.out,%,$(call files,expected,.out)))
ISOLATION   := $(patsubst test/isolation/specs/%.spec,%,$(call files,test/isolation/specs,.spec))
TAP_TESTS    = 1
PROVE_TESTS  = test/t/*/*.pl
TEST_SERVER  = --temp-config=.installcheck.conf --load-extension=gymstream
REGRESS_OPTS = --temp-instance=tmp_check_regress $(TEST_SERVER)
ISOLATION_OPTS = --inputdir=test/isolation --temp-instance=tmp_check_iso $(TEST_SERVER)
REGRESS_PREP = .installcheck.conf
PGFILEDESC   = "gymstream - rollups, change events and notifications"
# what a source includes is written beside its object: so a touched header rebuilds what needs it
# our own headers are named with their folder
PG_CPPFLAGS  = -I$(top)/src
PG_CFLAGS    = -MMD -MP -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers $(WERROR)

# The client, a program of its own; CLIENT=no builds without it
CLIENT       = yes
ifneq ($(CLIENT),no)
SCRIPTS_built = gymstream
endif
CLIENT_MAIN  = src/client/main.o
CLIENT_OBJS := $(filter-out $(CLIENT_MAIN),$(call objects,$(call files,src/client,.c)))
BOARD_OBJS  := $(call objects,$(call files,demo,.c))
PROGRAM_OBJS := $(CLIENT_MAIN) $(CLIENT_OBJS) $(BOARD_OBJS)
EXTRA_CLEAN  = $(PROGRAM_OBJS) $(patsubst %.o,%.d,$(OBJS) $(PROGRAM_OBJS)) demo/board

PG_CONFIG   ?= pg_config
PGXS        := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(wildcard $(PGXS)),)
ifneq ($(filter-out deb,$(or $(MAKECMDGOALS),all)),)
$(error '$(PG_CONFIG) --pgxs' names no file. Install postgresql-server-dev-NN for your server's version NN, or give PG_CONFIG=/path/to/pg_config)
endif
endif
include $(PGXS)

# out of the sources' folder objects need folders of their own, which no target can stand for: VPATH has them
$(if $(VPATH),$(shell mkdir -p $(sort $(dir $(OBJS) $(PROGRAM_OBJS)))))

# Objects built for one server are not linked for another: all depend on a file that says for which one they are.
BUILT_FOR   := $(shell $(PG_CONFIG) --version --includedir-server --cflags | cksum)
$(OBJS) $(PROGRAM_OBJS): .built-for
$(OBJS:.o=.bc): %.bc: %.o
.built-for: force
	@echo '$(BUILT_FOR)' | cmp -s - $@ || echo '$(BUILT_FOR)' >$@
.PHONY: force
-include $(patsubst %.o,%.d,$(OBJS) $(PROGRAM_OBJS))

# the configuration of the servers that installcheck boots
.PHONY: .installcheck.conf clean-test
.installcheck.conf:
	PG_CONFIG='$(PG_CONFIG)' bash -c '. "$(top)/test/setup.sh" && server_conf && echo "gymstream.fold = off"' >$@

clean: clean-test
clean-test:
	rm -rf .installcheck.conf .built-for tmp_check_regress

# Debian's packages, for each PostgreSQL of this release. Needs debhelper, postgresql-server-dev-all and what the client needs.
VERSION      = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" '$(top)/gymstream.control')
DEB_SOURCE   = deb/gymstream-$(VERSION)
.PHONY: deb
deb:
	rm -rf deb && mkdir -p $(DEB_SOURCE)
	tar -C '$(top)' --exclude-vcs --exclude=./deb --exclude=\*.o --exclude=\*.d --exclude=\*.so --exclude=\*.bc --exclude=.built-for \
		--exclude=./gymstream --exclude=demo/board -cf - . | tar -C $(DEB_SOURCE) -xf -
	printf 'gymstream (%s) unstable; urgency=medium\n\n  * CHANGELOG.md has the changes.\n\n -- %s  %s\n' '$(VERSION)' \
		"$$(sed -n 's/^Maintainer: //p' '$(top)/debian/control.in')" "$$(date -R)" >$(DEB_SOURCE)/debian/changelog
	cd $(DEB_SOURCE) && pg_buildext updatecontrol && dpkg-buildpackage -us -uc -b
	rm -rf $(DEB_SOURCE)

# The client links libpq, yajl and ncurses, and nothing of the server. The demo's board is the same with a main of its own.
CLIENT_FLAGS = -DFRONTEND -D_GNU_SOURCE -DGYMSTREAM_VERSION='"$(VERSION)"' \
			   -I$(top)/src -I$(includedir) -I$(includedir_internal)
CLIENT_LINK  = $(CC) $(CFLAGS) $^ $(LDFLAGS) -L$(pkglibdir) -lpgcommon -lpgport $(libpq) -lyajl -lncursesw -ltinfo -lm -o $@

gymstream: $(CLIENT_MAIN) $(CLIENT_OBJS)
	$(CLIENT_LINK)

# Its manual page, and completion for bash and zsh where these look for it: COMPLETION=no leaves the shells alone.
COMPLETION   = yes
sharedir     = $(patsubst %/locale,%,$(localedir))
BASH_COMPLETION = $(DESTDIR)$(sharedir)/bash-completion/completions
ZSH_COMPLETION = $(DESTDIR)$(sharedir)/zsh/site-functions
.PHONY: install-manual uninstall-manual
ifneq ($(CLIENT),no)
install: install-manual
uninstall: uninstall-manual
endif
install-manual:
	$(MKDIR_P) '$(DESTDIR)$(mandir)/man1'
	$(INSTALL_DATA) $(srcdir)/doc/gymstream.1 '$(DESTDIR)$(mandir)/man1/'
ifneq ($(COMPLETION),no)
	$(MKDIR_P) '$(BASH_COMPLETION)' '$(ZSH_COMPLETION)'
	$(INSTALL_DATA) $(srcdir)/completion/gymstream.bash '$(BASH_COMPLETION)/gymstream'
	$(INSTALL_DATA) $(srcdir)/completion/_gymstream '$(ZSH_COMPLETION)/'
endif
uninstall-manual:
	rm -f '$(DESTDIR)$(mandir)/man1/gymstream.1' '$(BASH_COMPLETION)/gymstream' '$(ZSH_COMPLETION)/_gymstream'

demo/board: $(BOARD_OBJS) $(CLIENT_OBJS)
	$(CLIENT_LINK)

$(PROGRAM_OBJS): override CPPFLAGS := $(CLIENT_FLAGS) $(CPPFLAGS)
$(PROGRAM_OBJS): %.o: %.c | client-libraries
	$(CC) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<

.PHONY: client-libraries
client-libraries:
	@printf '#include <ncurses.h>\n#include <libpq-fe.h>\n#include <yajl/yajl_parse.h>\n' | $(CC) -I$(includedir) -E -x c - >/dev/null 2>&1 || { \
		echo 'The client gymstream needs the headers of libpq, yajl and ncurses. On Debian:' >&2; \
		echo '  apt-get install libpq-dev libyajl-dev libncurses-dev' >&2; \
		echo 'or build without it:  make CLIENT=no' >&2; exit 1; }
