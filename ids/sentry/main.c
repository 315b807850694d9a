/* The sentry's entry from crt0.S: gives the main loop the machine. */
#include <stdio.h>
#include <stdlib.h>

#include "hv/errno.h"
#include "ids/sentry/explain.h"
#include "ids/sentry/hooks.h"
#include "ids/sentry/hypercall.h"
#include "ids/sentry/loop.h"

void sentry_main(struct abi_ctl *ctl, enum abi_start start) __attribute__((noreturn));

static uint64_t machine_tsc(void *ctx)
{
	(void)ctx;
	return read_tsc();
}

/* newlib's malloc aligns to 16 bytes on a 64-bit machine. */
static void *machine_alloc(void *ctx, size_t size)
{
	(void)ctx;
	return calloc(1, size);
}

static uint64_t machine_forget(void *ctx, uint64_t root, uint64_t *last_tsc)
{
	(void)ctx;
	return hypercall(ABI_CALL_FORGET, root, last_tsc);
}

static int64_t machine_call(void *ctx, uint64_t number, uint64_t a, uint64_t b)
{
	(void)ctx;
	return (int64_t)hypercall2(number, a, b, NULL);
}

static void machine_log(void *ctx, const char *line)
{
	(void)ctx;
	log_line(line);
}

static void machine_fatal(void *ctx, const char *why)
{
	(void)ctx;
	die(SENTRY_EXIT_ASSERT, "can't go on", why);
}

static const struct sentry_ops machine = {
	.tsc = machine_tsc,
	.alloc = machine_alloc,
	.forget = machine_forget,
	.call = machine_call,
	.log = machine_log,
	.fatal = machine_fatal,
};

/* The machine is about to stop. Only the stack and what is constant can be relied on. */
__attribute__((noreturn)) static void explain(struct abi_ctl *ctl)
{
	char text[sizeof(ctl->message)];

	explain_entry((const struct entry_record *)((const uint8_t *)ctl + ABI_OFF_RECORD), text,
		      sizeof(text));
	log_line(text);
	for (;;)
		hypercall(ABI_CALL_EXIT, SENTRY_EXIT_EXPLAINED, NULL);
}

void sentry_main(struct abi_ctl *ctl, enum abi_start start)
{
	static struct sentry sentry;

	hooks_init(ctl);
	if (start == ABI_START_EXPLAIN)
		explain(ctl);
	int err = sentry_init(&sentry, &machine, ctl);
	if (err) {
		char text[64];
		snprintf(text, sizeof(text), "error %d (heap of %llu KiB)", err,
			 (unsigned long long)(ctl->heap_size / 1024));
		die(err == -ENOMEM ? SENTRY_EXIT_MEMORY : SENTRY_EXIT_CONTRACT, "can't start",
		    text);
	}
	for (;;)
		hypercall(ABI_CALL_YIELD, sentry_step(&sentry), NULL);
}
