/* EVE events: one JSON object a line, fields as Suricata names them, ours in objects beside.
 *
 * For the engine, the sentry (hypervisor and process events) and vigil-replay. Calls only json.h
 * and the emit callback. Works without an engine, so that a refused rule file can be told. Every
 * line has `timestamp`, `event_type`, `seq`, `host`, `boot`; seq counts every event tried, so a
 * hole in it is a lost event.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/eve/json.h"
#include "ids/eve/time.h"

/* Which ring of the alert channel an event belongs to. */
enum eve_class {
	EVE_CLASS_URGENT, /* what no flood of alerts may cost: blocked, severity 1, hidden, denied
			   */
	EVE_CLASS_ALERT,
	EVE_CLASS_HYPERVISOR,
	EVE_CLASS_PROCESS,
	EVE_CLASS_DROP,
	EVE_CLASS_STATS,
	EVE_CLASSES
};

#define EVE_LINE_MAX 8192

struct eve_config {
	const char *host; /* the instance's name; must outlive the eve */
	const char *boot; /* random per start; must outlive the eve */
	uint64_t *seq;	  /* next number is ++*seq; may lie in memory that survives a restart */
	void *ctx;	  /* handed to emit */
	/* One finished line of `len` octets without newline (NUL-terminated as well). Called from
	 * within every eve_* and ids_inspect; must copy, must not call back. */
	void (*emit)(void *ctx, enum eve_class cls, const char *line, size_t len);
	/* False: there is no room for a line of this class now, the event need not be written; the
	 * callee counts it as lost. NULL: there is always room. */
	bool (*admit)(void *ctx, enum eve_class cls);
};

struct eve {
	struct eve_config cfg;
	struct json json;
	uint64_t overflow; /* events that did not fit EVE_LINE_MAX */
	struct eve_clock clock;
	char line[EVE_LINE_MAX];
};

/* Set up. The struct may live anywhere; no memory is taken. */
void eve_init(struct eve *eve, const struct eve_config *cfg);

/* Ask before an event that may come in floods: false if there is no room for its class. Then it is
 * over: it has its number, a hole in `seq`, and is counted as lost, at the cost of some ten
 * instructions. */
bool eve_admit(struct eve *eve, enum eve_class cls);

/* Start an event of any type: head fields are written, the returned builder takes the rest.
 * `now_ns`: Unix time in nanoseconds. One event at a time. */
struct json *eve_begin(struct eve *eve, const char *event_type, uint64_t now_ns);
/* Finish and emit it. False (and counted in `overflow`) if it did not fit; then nothing is emitted,
 * its seq number stays a hole. */
bool eve_end(struct eve *eve, enum eve_class cls);

/* A named value of an event. */
enum eve_field_type { EVE_U64, EVE_HEX, EVE_BOOL, EVE_STR };
struct eve_field {
	const char *name;
	enum eve_field_type type;
	union {
		uint64_t num;
		const char *str;
	};
};
#define EVE_FIELD_U64(n, v)                                                                        \
	{                                                                                          \
		.name = (n), .type = EVE_U64, .num = (v)                                           \
	}
#define EVE_FIELD_HEX(n, v)                                                                        \
	{                                                                                          \
		.name = (n), .type = EVE_HEX, .num = (v)                                           \
	}
#define EVE_FIELD_BOOL(n, v)                                                                       \
	{                                                                                          \
		.name = (n), .type = EVE_BOOL, .num = (v)                                          \
	}
#define EVE_FIELD_STR(n, v)                                                                        \
	{                                                                                          \
		.name = (n), .type = EVE_STR, .str = (v)                                           \
	}

/* Write fields as members of the object now open. */
void eve_fields(struct json *j, const struct eve_field *fields, size_t count);

/* An address space seen for the first time or gone. Times: Unix nanoseconds. */
enum eve_process_action { EVE_PROCESS_SEEN, EVE_PROCESS_GONE };
struct eve_process {
	enum eve_process_action action;
	/* EVE_PROCESS_GONE only: it was not told as seen before, because it lived too shortly; this
	 * one line tells all of it (`short`). */
	bool brief;
	uint64_t cr3;	   /* root without PCID and PTI bits */
	uint64_t switches; /* times it was switched to */
	uint64_t first_ns, last_ns;
	uint32_t cpu; /* where it was noticed */
};
/* True if a line was emitted. */
bool ids_event_process(struct eve *eve, const struct eve_process *p, uint64_t now_ns);

/* A word from the hypervisor. */
enum eve_hv_action {
	EVE_HV_START,
	EVE_HV_READY,
	EVE_HV_STATS,
	EVE_HV_LOST,
	EVE_HV_FAULT,
	EVE_HV_RESTART,
	EVE_HV_ACCESS, /* guest access to Vigil's memory */
	EVE_HV_NET,    /* virtual NIC: reset, bad ring */
	EVE_HV_STOP,
	EVE_HV_ACTIONS
};
/* `group`, if not NULL, is the name of an object inside that holds the second list (for example the
 * exits by reason). */
bool ids_event_hypervisor(struct eve *eve, enum eve_hv_action action,
			  const struct eve_field *fields, size_t count, const char *group,
			  const struct eve_field *group_fields, size_t group_count,
			  uint64_t now_ns);
