# gymstream: an extension module, an output plugin and background workers in one library, and a client program.
#
#   make, make install      for the server that PG_CONFIG names (default: the pg_config in the PATH)
#   make installcheck       test what is installed, in servers of its own; not as root. ./test.sh does this and more.

EXTENSION    = gymstream
MODULE_big   = gymstream
OBJS         = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
DATA         = $(wildcard sql/gymstream--*.sql)
REGRESS      = $(filter $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)),$(patsubst expected/%.out,%,$(sort $(wildcard expected/*.out))))
ISOLATION    = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
TAP_TESTS    = 1
PROVE_TESTS  = test/t/*.pl
TEST_SERVER  = --temp-config=.installcheck.conf --load-extension=gymstream
REGRESS_OPTS = --temp-instance=tmp_check_regress $(TEST_SERVER)
ISOLATION_OPTS = --inputdir=test --temp-instance=tmp_check_iso $(TEST_SERVER)
REGRESS_PREP = .installcheck.conf
PGFILEDESC   = "gymstream - rollups, change events and notifications"
PG_CFLAGS    = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers $(WERROR)

PG_CONFIG   ?= pg_config
PGXS        := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Objects built for one server are not linked for another: all depend on a file that says for which one they are.
BUILT_FOR   := $(shell $(PG_CONFIG) --version --includedir-server --cflags | cksum)
$(patsubst %.c,%.o,$(wildcard src/*.c src/client/*.c demo/*.c)) $(OBJS:.o=.bc): .built-for
.built-for: force
	@echo '$(BUILT_FOR)' | cmp -s - $@ || echo '$(BUILT_FOR)' >$@
.PHONY: force

# the configuration of the servers that installcheck boots
.PHONY: .installcheck.conf clean-test
.installcheck.conf:
	PG_CONFIG='$(PG_CONFIG)' bash -c '. test/setup.sh && server_conf' >$@

clean: clean-test
clean-test:
	rm -rf .installcheck.conf .built-for tmp_check_regress

# PGXS knows no header dependencies
$(OBJS): $(wildcard src/*.h)
