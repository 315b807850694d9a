# What ids/guest makes of a real guest's memory: see test_guestdump.py. As optimized as in the sentry, so
# that its instructions can be counted.
GUESTDUMP_SRC = tests/guestdump/guestdump.c $(GUEST_SRC) ids/proc/task.c
$(O)/guestdump/guestdump: $(GUESTDUMP_SRC) $(wildcard ids/guest/*.h ids/proc/task.h)
	@mkdir -p $(@D)
	@echo '  CC  test   guestdump'
	$(Q)$(CC) $(HOST_CFLAGS) -O2 $(GUESTDUMP_SRC) -o $@
