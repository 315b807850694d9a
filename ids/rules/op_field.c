/* Conditions on numbers and bits of the headers, and on how much a stream has carried. */
#include <string.h>

#include "ids/bytes.h"
#include "ids/rules/op.h"

const char *plain_check(const struct blob *b, const struct blob_op *op)
{
	(void)b;
	return op->flags ? "condition with unknown flags" : NULL;
}

/* What the packet says, or false if it has no such field. */
static bool tcp_field(const struct packet *p, unsigned field, uint32_t *value)
{
	if (p->proto != PROTO_TCP || !p->has_ports)
		return false;
	switch (field) {
	case FIELD_SEQ:
		*value = p->tcp.seq;
		return true;
	case FIELD_ACK:
		*value = p->tcp.ack;
		return true;
	case FIELD_WINDOW:
		*value = p->tcp.window;
		return true;
	case FIELD_MSS:
		*value = p->tcp.mss;
		return p->tcp.has_mss;
	}
	*value = p->tcp_flags;
	return true;
}

static bool icmp_field(const struct packet *p, unsigned field, uint32_t *value)
{
	if (!p->has_icmp)
		return false;
	if (field == FIELD_ICMPV6_MTU) {
		/* RFC 4443, 3.2: Packet Too Big, whose second word is the MTU. */
		if (p->proto != PROTO_ICMPV6 || p->icmp_type != 2 || !p->l4 ||
		    (size_t)(p->frame + p->len - p->l4) < 8)
			return false;
		*value = be32(p->l4 + 4);
		return true;
	}
	*value = field == FIELD_ICMP_ID ? p->icmp_id : p->icmp_seq;
	return p->has_icmp_id;
}

static bool ip_field(const struct packet *p, unsigned field, uint32_t *value)
{
	if (p->ip_version == 0)
		return false;
	switch (field) {
	case FIELD_IP_ID:
		*value = p->ip_id;
		return p->ip_version == 4;
	case FIELD_TOS:
		*value = p->tos;
		return p->ip_version == 4;
	case FIELD_IP_PROTO:
		*value = p->proto;
		return true;
	case FIELD_FRAG_OFFSET:
		*value = p->frag_offset / 8;
		return p->ip_version == 4;
	case FIELD_IP_FLAGS:
		*value = p->ip_flags;
		return p->ip_version == 4;
	}
	*value = p->ip_options;
	return p->ip_version == 4;
}

typedef bool (*reader)(const struct packet *p, unsigned field, uint32_t *value);

static const reader readers[PACKET_FIELDS] = {
	[FIELD_SEQ] = tcp_field,       [FIELD_ACK] = tcp_field,
	[FIELD_WINDOW] = tcp_field,    [FIELD_MSS] = tcp_field,
	[FIELD_TCP_FLAGS] = tcp_field, [FIELD_ICMP_ID] = icmp_field,
	[FIELD_ICMP_SEQ] = icmp_field, [FIELD_ICMPV6_MTU] = icmp_field,
	[FIELD_IP_ID] = ip_field,      [FIELD_TOS] = ip_field,
	[FIELD_IP_PROTO] = ip_field,   [FIELD_FRAG_OFFSET] = ip_field,
	[FIELD_IP_FLAGS] = ip_field,   [FIELD_IP_OPTIONS] = ip_field,
};

const char *field_check(const struct blob *b, const struct blob_op *op)
{
	return op->arg[2] >= PACKET_FIELDS ? "condition on an unknown field" : number_check(b, op);
}

bool field_packet(const struct inspect *in, const struct blob_op *op)
{
	uint32_t value;

	return readers[op->arg[2]](in->packet, op->arg[2], &value) && number_holds(op, value);
}

const char *bits_check(const struct blob *b, const struct blob_op *op)
{
	(void)b;
	return op->flags || op->arg[2] >= PACKET_FIELDS || op->arg[3] >= BITS_MODES
		       ? "condition on unknown bits"
		       : NULL;
}

bool bits_packet(const struct inspect *in, const struct blob_op *op)
{
	uint32_t value, want = op->arg[0];

	if (!readers[op->arg[2]](in->packet, op->arg[2], &value))
		return false;
	value &= op->arg[1];
	switch (op->arg[3]) {
	case BITS_ALL:
		return (value & want) == want;
	case BITS_ANY:
		return value & want;
	case BITS_NOT_ALL:
		return (value & want) != want;
	}
	return value == want;
}

bool sameip_packet(const struct inspect *in, const struct blob_op *op)
{
	const struct packet *p = in->packet;

	(void)op;
	return p->ip_version && memcmp(p->src, p->dst, p->ip_version == 4 ? 4 : 16) == 0;
}

const char *stream_size_check(const struct blob *b, const struct blob_op *op)
{
	return op->arg[2] >= SIDES ? "condition on an unknown side" : number_check(b, op);
}

static bool side_holds(const struct inspect *in, const struct blob_op *op, enum rule_number side)
{
	const struct rule_source *source = in->look->source;
	uint32_t value;

	return source && source->number && source->number(source->ctx, side, &value) &&
	       number_holds(op, value);
}

bool stream_size_packet(const struct inspect *in, const struct blob_op *op)
{
	bool client = side_holds(in, op, RULE_STREAM_CLIENT);
	bool server = side_holds(in, op, RULE_STREAM_SERVER);

	switch (op->arg[2]) {
	case SIDE_SERVER:
		return server;
	case SIDE_CLIENT:
		return client;
	case SIDE_BOTH:
		return client && server;
	}
	return client || server;
}
