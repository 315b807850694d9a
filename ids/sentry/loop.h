/* The sentry's main loop: requests from the core in, verdicts, own frames and EVE lines out.
 *
 * Runs in the sentry (main.c gives it the machine) and in unit tests over a fake shared area. One
 * call at a time. Holds ids/, net/stack and the channel together and parses nothing itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hv/abi.h"
#include "ids/engine.h"
#include "ids/eve/channel.h"
#include "ids/eve/eve.h"
#include "ids/proc/roots.h"
#include "ids/sentry/clock.h"
#include "net/stack/stack.h"

/* What the loop needs of the machine. */
struct sentry_ops {
	void *ctx;
	uint64_t (*tsc)(void *ctx);
	/* Zeroed memory aligned to 16 bytes, or NULL; only during sentry_init(), never given back.
	 */
	void *(*alloc)(void *ctx, size_t size);
	/* ABI_CALL_FORGET: returns the switches to a root, and when the last one was. */
	uint64_t (*forget)(void *ctx, uint64_t root, uint64_t *last_tsc);
	/* ABI_CALL_GUEST, _HOOK, _GUARD, _CPU: returns 0 or negative errno. */
	int64_t (*call)(void *ctx, uint64_t number, uint64_t a, uint64_t b);
	void (*log)(void *ctx, const char *line);  /* a plain line on the channel */
	void (*fatal)(void *ctx, const char *why); /* does not return */
};

/* Indices of abi_ctl.events_lost and events_told behind the classes of the channel. */
enum sentry_lost {
	SENTRY_LOST_LONG = 6, /* events longer than a line may be */
	SENTRY_LOST_RESTART,  /* lines that went down with the sentry */
};

struct sentry {
	struct sentry_ops ops;
	struct abi_ctl *ctl;
	struct abi_request *request;
	struct abi_reply *reply;
	uint8_t *output, *frames;
	uint32_t req_cons, rep_prod, out_prod; /* our side of the rings */
	uint32_t send_used;		       /* bit for each of our own slots */
	uint64_t send_from;		       /* TSC before which none of them is used */
	struct clock clock;
	uint64_t now;			/* TSC, at the last look */
	uint64_t next_sweep, next_lost; /* TSC */
	uint64_t busy_until;		/* TSC: processes come and go */
	uint64_t start_ns;
	uint64_t told[8];    /* as abi_ctl.events_told, with what is told in lines not out yet */
	uint32_t told_place; /* of the last of those lines */
	uint64_t overflow;   /* of eve.overflow, what is counted as lost */
	uint64_t bad_requests;
	uint64_t random;
	char boot[20], host[CONFIG_NAME_MAX];
	struct channel channel;
	struct eve eve;
	struct ids *ids;
	struct roots *roots;
	struct introspect *introspect;
};

/* Set up over `shared`, ABI_SHARED_SIZE bytes that begin with a filled struct abi_ctl.
 * 0; -EPROTO: not our contract (magic, version, clock); -ENOMEM; -EINVAL: configuration. A rules
 * blob that is refused is told in an event and gone without. */
int sentry_init(struct sentry *s, const struct sentry_ops *ops, void *shared);

/* One round: all requests there are, due timers, output. Returns the TSC at which the next round
 * has work although nobody asks, 0: none (the argument of ABI_CALL_YIELD). Bounded by the rings'
 * sizes unless the core goes on filling them. */
uint64_t sentry_step(struct sentry *s);

/* Unix time of the current round, and of a TSC value. */
uint64_t sentry_now_ns(const struct sentry *s);
uint64_t sentry_ns(const struct sentry *s, uint64_t tsc);

/* Put a reply into the ring. Each request has room for one. */
void sentry_reply(struct sentry *s, const struct abi_reply *reply);
