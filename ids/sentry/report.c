/* See report.h. */
#include "ids/sentry/report.h"

#include <string.h>

#include "ids/sentry/introspect.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define LOST_ROOM 1024 /* bytes of a `lost` event, and more */

static const char *const net_faults[] = {
	[ABI_NET_RING_ADDRESS] = "ring_address",
	[ABI_NET_RING_INDEX] = "ring_index",
	[ABI_NET_CHAIN_LOOP] = "chain_loop",
	[ABI_NET_CHAIN_FLAGS] = "chain_flags",
	[ABI_NET_LENGTH] = "length",
	[ABI_NET_NIC] = "nic",
};

static const char *const sentry_faults[] = {
	[ABI_SENTRY_EXCEPTION] = "exception",
	[ABI_SENTRY_MEMORY] = "memory",
	[ABI_SENTRY_HANG] = "hang",
	[ABI_SENTRY_BAD_REPLY] = "bad_reply",
	[ABI_SENTRY_BAD_CALL] = "bad_call",
	[ABI_SENTRY_EXIT] = "exit",
	[ABI_SENTRY_UNEXPECTED] = "unexpected_exit",
};

static const char *const guest_faults[] = {
	[ABI_GUEST_TRIPLE_FAULT] = "triple_fault",
	[ABI_GUEST_ENTRY_FAILURE] = "entry_failure",
	[ABI_GUEST_UNEXPECTED_EXIT] = "unexpected_exit",
	[ABI_GUEST_APIC_BASE] = "apic_base",
	[ABI_GUEST_MCE] = "machine_check",
};

/* Faults that have a reason and two values: what they are about, and how those are called. */
static const struct {
	const char *what;
	const char *const *reasons;
	size_t count;
	const char *b, *c;
} faults[ABI_EVENTS] = {
	[ABI_EVENT_NET_FAULT] = {"net", net_faults, COUNT(net_faults), "queue", "detail"},
	[ABI_EVENT_SENTRY_RESTART] = {"sentry", sentry_faults, COUNT(sentry_faults), "rip",
				      "detail"},
	[ABI_EVENT_GUEST_FAULT] = {"guest", guest_faults, COUNT(guest_faults), "rip", "detail"},
};

/* A constant part of the control structure as a string, whatever it holds. */
static void put_text(struct json *j, const char *key, const char *text, size_t size)
{
	json_strn(j, key, text, strnlen(text, size));
}

static void put_controls(struct json *j, const char *text, size_t size)
{
	size_t len = strnlen(text, size), at = 0;
	json_array(j, "controls");
	while (at < len) {
		const char *end = memchr(text + at, ' ', len - at);
		size_t word = end ? (size_t)(end - text) - at : len - at;
		if (word)
			json_strn(j, NULL, text + at, word);
		at += word + 1;
	}
	json_close(j);
}

static void report_start(struct sentry *s)
{
	const struct abi_ctl *ctl = s->ctl;
	struct json *j = eve_begin(&s->eve, "hypervisor", sentry_now_ns(s));
	json_object(j, "hypervisor");
	json_str(j, "action", "start");
	json_str(j, "version", VIGIL_VERSION);
	put_text(j, "platform", ctl->platform, sizeof(ctl->platform));
	json_u64(j, "cpus", ctl->ncpu);
	json_u64(j, "tsc_khz", ctl->tsc_khz);
	json_bool(j, "nic", ctl->nic_present);
	json_u64(j, "rules", ids_rule_count(s->ids));
	put_controls(j, ctl->controls, sizeof(ctl->controls));
	json_close(j);
	eve_end(&s->eve, EVE_CLASS_HYPERVISOR);
}

static void report_ready(struct sentry *s)
{
	const struct eve_field fields[] = {EVE_FIELD_U64("cpus", s->ctl->ncpu)};
	ids_event_hypervisor(&s->eve, EVE_HV_READY, fields, COUNT(fields), NULL, NULL, 0,
			     sentry_now_ns(s));
}

static void report_fault(struct sentry *s, const struct abi_request *r)
{
	const char *reason =
		r->a < faults[r->port].count ? faults[r->port].reasons[r->a] : "unknown";
	const struct eve_field fields[] = {
		EVE_FIELD_STR("what", faults[r->port].what), EVE_FIELD_STR("reason", reason),
		EVE_FIELD_HEX(faults[r->port].b, r->b),	     EVE_FIELD_HEX(faults[r->port].c, r->c),
		EVE_FIELD_U64("restarts", s->ctl->restarts),
	};
	size_t count = r->port == ABI_EVENT_SENTRY_RESTART ? COUNT(fields) : COUNT(fields) - 1;
	ids_event_hypervisor(&s->eve, EVE_HV_FAULT, fields, count, NULL, NULL, 0, sentry_now_ns(s));
}

static void report_hidden(struct sentry *s, const struct abi_request *r)
{
	const struct eve_field fields[] = {
		EVE_FIELD_STR("what", "memory"),	EVE_FIELD_STR("reason", "hidden_access"),
		EVE_FIELD_HEX("address", r->a),		EVE_FIELD_HEX("rip", r->b),
		EVE_FIELD_U64("reads", (uint32_t)r->c), EVE_FIELD_U64("writes", r->c >> 32),
	};
	ids_event_hypervisor(&s->eve, EVE_HV_FAULT, fields, COUNT(fields), NULL, NULL, 0,
			     sentry_now_ns(s));
}

void report_rules(struct sentry *s, const char *reason)
{
	const struct eve_field fields[] = {
		EVE_FIELD_STR("what", "rules"),
		EVE_FIELD_STR("reason", reason),
	};
	ids_event_hypervisor(&s->eve, EVE_HV_FAULT, fields, COUNT(fields), NULL, NULL, 0,
			     sentry_now_ns(s));
}

static void tell_lost(struct sentry *s, const char *cls, const char *reason, uint64_t count)
{
	const struct eve_field fields[] = {
		EVE_FIELD_STR("class", cls),
		EVE_FIELD_U64("count", count),
		EVE_FIELD_STR("reason", reason),
	};
	ids_event_hypervisor(&s->eve, EVE_HV_LOST, fields, COUNT(fields), NULL, NULL, 0,
			     sentry_now_ns(s));
}

void report_lost(struct sentry *s)
{
	struct abi_ctl *ctl = s->ctl;
	for (unsigned i = 0; i < COUNT(ctl->events_lost); i++) {
		uint64_t lost = ctl->events_lost[i];
		if (lost == s->told[i] ||
		    channel_room(&s->channel, EVE_CLASS_HYPERVISOR) < LOST_ROOM)
			continue;
		tell_lost(s, i < EVE_CLASSES ? channel_class_name((enum eve_class)i) : "any",
			  i == SENTRY_LOST_RESTART ? "sentry_restart"
			  : i == SENTRY_LOST_LONG  ? "line_too_long"
						   : "channel_full",
			  lost - s->told[i]);
		s->told[i] = lost;
		s->told_place = channel_place(&s->channel, EVE_CLASS_HYPERVISOR);
	}
}

void report_lost_out(struct sentry *s)
{
	/* Not before the line is out: it could go down with us. */
	if (channel_passed(&s->channel, EVE_CLASS_HYPERVISOR, s->told_place))
		memcpy(s->ctl->events_told, s->told, sizeof(s->told));
}

/* --- stats
 * ------------------------------------------------------------------------------------------ */

/* Which counters belong together: their names up to the dot are alike. */
struct groups {
	uint32_t count;
	uint8_t of[ABI_COUNTERS];    /* the group of each counter */
	uint8_t first[ABI_COUNTERS]; /* of each group, one of its counters */
	uint8_t len[ABI_COUNTERS];   /* of each group, the length of its name */
};

/* Length of the group of a counter's name: what stands before the dot. */
static uint8_t group_len(const struct abi_counter *counter)
{
	for (uint8_t i = 0; i < sizeof(counter->name) && counter->name[i]; i++) {
		if (counter->name[i] == '.')
			return i;
	}
	return 0;
}

static void find_groups(struct groups *g, const struct abi_counter *counter, uint32_t count)
{
	g->count = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t len = group_len(&counter[i]);
		uint32_t k = 0;
		while (k < g->count && (g->len[k] != len || memcmp(counter[g->first[k]].name,
								   counter[i].name, len) != 0))
			k++;
		if (k == g->count) {
			g->first[k] = (uint8_t)i;
			g->len[k] = len;
			g->count++;
		}
		g->of[i] = (uint8_t)k;
	}
}

static void put_counters(struct json *j, const struct abi_counter *counter, uint32_t count)
{
	char key[sizeof(counter->name) + 1];
	struct groups g;

	find_groups(&g, counter, count);
	for (uint32_t k = 0; k < g.count; k++) {
		size_t len = g.len[k], skip = len ? len + 1 : 0,
		       rest = sizeof(counter->name) - skip;
		memcpy(key, counter[g.first[k]].name, len);
		key[len] = 0;
		json_object(j, len ? key : "core");
		for (uint32_t i = g.first[k]; i < count; i++) {
			if (g.of[i] != k)
				continue;
			memcpy(key, counter[i].name + skip, rest);
			key[rest] = 0; /* the name may fill its field */
			json_u64(j, key, counter[i].value);
		}
		json_close(j);
	}
}

static void report_stats(struct sentry *s)
{
	struct abi_ctl *ctl = s->ctl;
	const struct stack_stats *net = stack_stats();
	const struct eve_field stack[] = {
		EVE_FIELD_U64("from_guest", net->forwarded[ABI_PORT_GUEST]),
		EVE_FIELD_U64("from_wire", net->forwarded[ABI_PORT_WIRE]),
		EVE_FIELD_U64("dropped_from_guest", net->dropped[ABI_PORT_GUEST]),
		EVE_FIELD_U64("dropped_from_wire", net->dropped[ABI_PORT_WIRE]),
		EVE_FIELD_U64("own", net->own),
		EVE_FIELD_U64("sent", net->sent),
		EVE_FIELD_U64("malformed", net->malformed),
		EVE_FIELD_U64("spoofed", net->spoofed),
		EVE_FIELD_U64("no_memory", net->no_memory),
	};
	uint64_t lost = 0;
	for (unsigned i = 0; i < COUNT(ctl->events_lost); i++)
		lost += ctl->events_lost[i];
	const struct eve_field sentry[] = {
		EVE_FIELD_U64("restarts", ctl->restarts),
		EVE_FIELD_U64("address_spaces", roots_count(s->roots)),
		EVE_FIELD_U64("address_spaces_unwatched", roots_unwatched(s->roots)),
		EVE_FIELD_U64("events", ctl->seq),
		EVE_FIELD_U64("events_lost", lost),
		EVE_FIELD_U64("bad_requests", s->bad_requests),
	};
	uint32_t count = ctl->ncounter;
	struct json *j = eve_begin(&s->eve, "hypervisor", sentry_now_ns(s));
	json_object(j, "hypervisor");
	json_str(j, "action", "stats");
	put_counters(j, ctl->counter, count < ABI_COUNTERS ? count : ABI_COUNTERS);
	json_object(j, "stack");
	eve_fields(j, stack, COUNT(stack));
	json_close(j);
	json_object(j, "introspection");
	introspect_stats(s, j);
	json_close(j);
	json_object(j, "sentry");
	eve_fields(j, sentry, COUNT(sentry));
	json_close(j);
	json_close(j);
	eve_end(&s->eve, EVE_CLASS_STATS);
	ids_event_stats(s->ids, s->start_ns, sentry_now_ns(s));
}

void report_event(struct sentry *s, const struct abi_request *r)
{
	switch (r->port) {
	case ABI_EVENT_START:
		report_start(s);
		break;
	case ABI_EVENT_READY:
		report_ready(s);
		break;
	case ABI_EVENT_HIDDEN_ACCESS:
		report_hidden(s, r);
		break;
	case ABI_EVENT_NET_FAULT:
	case ABI_EVENT_SENTRY_RESTART:
	case ABI_EVENT_GUEST_FAULT:
		report_fault(s, r);
		break;
	case ABI_EVENT_STATS:
		report_stats(s);
		break;
	case ABI_EVENT_LOST:
		tell_lost(s, "any", "core_queue_full", r->a);
		break;
	default:
		s->bad_requests++;
	}
}
