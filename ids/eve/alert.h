/* `alert`, `drop` and `stats` events. For the engine. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/engine.h"
#include "ids/flow/flow.h"
#include "ids/packet/packet.h"
#include "ids/rules/blob.h"

/* What all events about one packet share. */
struct eve_packet {
	const struct ids_config *config;
	const struct packet *packet;
	const struct flow_ref *flow;
	uint64_t now_ns;
	const char *app_proto; /* of the flow; NULL: not known */
};

/* A rule matched. `blocked`: and the frame is dropped for it. False: did not fit a line even
 * without its metadata. An event that its class has no room for (eve_admit) is not written. */
bool eve_alert(struct eve *eve, const struct eve_packet *ep, const struct blob *b,
	       const struct blob_rule *rule, bool blocked);

/* A frame is dropped; `rule` is why, or NULL; `reason`: Suricata's words for it. */
bool eve_drop(struct eve *eve, const struct eve_packet *ep, const struct blob *b,
	      const struct blob_rule *rule, const char *reason);

bool eve_stats(struct eve *eve, const struct ids_stats *s, uint64_t start_ns, uint64_t now_ns);
