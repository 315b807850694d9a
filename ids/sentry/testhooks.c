/* See testhooks.h. */
#include "ids/sentry/testhooks.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX	    "VIGIL-TEST-"
#define OFF_PAYLOAD 42 /* Ethernet, IPv4 without options, UDP or ICMP header */
#define OFF_PROTO   23
#define ALERTS	    1000

static void crash(struct sentry *s)
{
	(void)s;
	__asm__ volatile("ud2");
}

static void write_window(struct sentry *s)
{
	*(volatile uint64_t *)(uintptr_t)(s->ctl->window + 0x1000) = 1;
}

static void hang(struct sentry *s)
{
	(void)s;
	for (;;)
		__asm__ volatile("pause");
}

static void bad_reply(struct sentry *s)
{
	struct abi_reply *reply = &s->reply[s->rep_prod % ABI_REPLIES];
	memset(reply, 0xff, sizeof(*reply));
	__atomic_store_n(&s->ctl->reply.prod, ++s->rep_prod, __ATOMIC_RELEASE);
}

static void leave(struct sentry *s)
{
	(void)s;
	abort();
}

static void alerts(struct sentry *s)
{
	for (unsigned i = 0; i < ALERTS; i++) {
		struct json *j = eve_begin(&s->eve, "alert", sentry_now_ns(s));
		json_object(j, "alert");
		json_str(j, "action", "allowed");
		json_u64(j, "signature_id", i + 1);
		json_str(j, "signature", "VIGIL test flood");
		json_close(j);
		eve_end(&s->eve, EVE_CLASS_ALERT);
	}
}

static const struct {
	const char *name;
	void (*act)(struct sentry *s);
} hooks[] = {
	{"CRASH", crash},	 {"WINDOW", write_window}, {"HANG", hang},
	{"BADREPLY", bad_reply}, {"EXIT", leave},	   {"ALERTS", alerts},
};

void test_hook(struct sentry *s, const struct abi_request *r, const uint8_t *frame)
{
	if (r->len <= OFF_PAYLOAD || frame[12] != 8 || frame[13] != 0 ||
	    (frame[OFF_PROTO] != 17 && frame[OFF_PROTO] != 1))
		return;
	const uint8_t *end = frame + r->len;
	const uint8_t *at = memmem(frame + OFF_PAYLOAD, (size_t)(end - frame) - OFF_PAYLOAD, PREFIX,
				   sizeof(PREFIX) - 1);
	if (!at)
		return;
	at += sizeof(PREFIX) - 1;
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		size_t len = strlen(hooks[i].name);
		if ((size_t)(end - at) >= len && memcmp(at, hooks[i].name, len) == 0)
			hooks[i].act(s);
	}
}
