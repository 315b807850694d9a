# Needs ids/guest, and ids/eve/address.
SOCKET_SRC := ids/proc/socket.c
# Tasks of the guest: in the sentry and on the host.
PROC_SRC := $(addprefix ids/proc/,task.c procs.c procs_event.c)
SENTRY_SRC += $(PROC_SRC) $(SOCKET_SRC)

# Hidden processes. VIEWS_SRC needs ids/guest and ids/proc/{task,procs}.
VIEWS_SRC := $(addprefix ids/proc/,views.c views_judge.c views_event.c groups.c tasklist.c pidtable.c \
	readers.c listing.c)
SENTRY_SRC += $(VIEWS_SRC)

# Their tests stand on a kernel of their own, which implements those interfaces.
VIEWS_WORLD := tests/unit/views_world.c tests/unit/views_world_proc.c $(VIEWS_SRC) ids/eve/eve.c ids/eve/json.c ids/eve/time.c
VIEWS_TESTS := test_views test_views_races test_views_listings test_listing test_pidtable test_tasklist
UNIT_TESTS += $(VIEWS_TESTS)
$(foreach t,$(VIEWS_TESTS),$(eval $(t)_SRC := tests/unit/$(t).c $(VIEWS_WORLD)))

FUZZERS += fuzz_listing fuzz_pidtable
fuzz_listing_SRC := tests/fuzz/fuzz_listing.c ids/proc/listing.c
fuzz_listing_DEPS := ids/proc/listing.h
fuzz_pidtable_SRC := tests/fuzz/fuzz_pidtable.c ids/proc/pidtable.c ids/proc/tasklist.c
fuzz_pidtable_DEPS := ids/proc/pidtable.h ids/proc/tasklist.h

# Tasks followed through their lives, over a guest's kernel in a buffer.
UNIT_TESTS += test_procs
test_procs_SRC := tests/unit/test_procs.c $(PROC_SRC) $(GUEST_SRC) $(FAKE_KERNEL) ids/eve/eve.c ids/eve/json.c \
	ids/eve/time.c

# Their sockets.
UNIT_TESTS += test_socket
test_socket_SRC := tests/unit/test_socket.c $(SOCKET_SRC) $(GUEST_SRC) $(FAKE_KERNEL) ids/eve/json.c ids/eve/address.c

FUZZERS += fuzz_task
fuzz_task_SRC := tests/fuzz/fuzz_task.c $(PROC_SRC) $(SOCKET_SRC) $(GUEST_SRC) $(FAKE_KERNEL) ids/eve/eve.c \
	ids/eve/json.c ids/eve/time.c ids/eve/address.c
fuzz_task_DEPS := tests/fuzz/kernel_fuzz.h tests/unit/fake_kernel.h $(wildcard ids/guest/*.h ids/proc/*.h)
