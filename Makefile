# gymstream: an extension module, an output plugin and background workers in one library, and a client program.

EXTENSION    = gymstream
MODULE_big   = gymstream
OBJS         = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
DATA         = $(wildcard sql/gymstream--*.sql)
PGFILEDESC   = "gymstream - rollups, change events and notifications"
PG_CFLAGS    = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers $(WERROR)

PG_CONFIG   ?= pg_config
PGXS        := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# PGXS knows no header dependencies
$(OBJS): $(wildcard src/*.h)
