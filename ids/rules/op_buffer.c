/* The buffers that rules look into, and conditions on them and on transactions as a whole: length
 * (urilen), numbers (dns.opcode), events, the flow's application protocol. */
#include "ids/rules/op.h"

static bool set_view(struct inspect *in, const uint8_t *at, uint32_t len)
{
	static const uint8_t nothing[1];

	in->buffer = at ? at : nothing;
	in->buffer_len = at ? len : 0;
	in->buffer_at = 0;
	return true;
}

/* The packet's own buffers; headers with what belongs to them. */
static bool packet_buffer(struct inspect *in, enum app_buffer which)
{
	const struct packet *p = in->packet;
	static const struct {
		uint8_t version, proto; /* 0: any */
	} headers[APP_BUFFERS] = {
		[APP_IPV4_HDR] = {4, 0},
		[APP_IPV6_HDR] = {6, 0},
		[APP_TCP_HDR] = {0, PROTO_TCP},
		[APP_UDP_HDR] = {0, PROTO_UDP},
		[APP_ICMPV4_HDR] = {4, PROTO_ICMP},
		[APP_ICMPV6_HDR] = {6, PROTO_ICMPV6},
	};
	uint8_t version = headers[which].version, proto = headers[which].proto;

	if ((version && version != p->ip_version) || (proto && proto != p->proto))
		return false;
	if (!proto)
		return p->ip && set_view(in, p->ip, p->ip_header_len);
	return p->l4 && set_view(in, p->l4, p->l4_header_len);
}

static bool process_buffer(struct inspect *in, enum app_buffer which)
{
	const struct rule_process *process = in->look->process;
	const struct app_view *view;

	if (!process)
		return false;
	view = which == APP_PROCESS_NAME ? &process->name : &process->path;
	return view->at && set_view(in, view->at, view->len);
}

static bool payload_buffer(struct inspect *in)
{
	if (!in->in_stream)
		return set_view(in, in->packet->payload, in->packet->payload_len);
	set_view(in, in->look->window.at, in->look->window.len);
	in->buffer_at = in->look->window_at;
	return true;
}

bool inspect_buffer(struct inspect *in, enum app_buffer which, unsigned index)
{
	const struct rule_source *source = in->look->source;
	struct app_view view;

	if (which == APP_PAYLOAD)
		return payload_buffer(in);
	if (which == APP_BASE64_DATA)
		return in->base64.at && set_view(in, in->base64.at, in->base64.len);
	if (which == APP_PROCESS_NAME || which == APP_PROCESS_PATH)
		return process_buffer(in, which);
	if (app_buffers[which].flags & APP_BUFFER_PACKET)
		return packet_buffer(in, which);
	if (!source || !source->buffer || !source->buffer(source->ctx, which, index, &view))
		return false;
	return set_view(in, view.at, view.len);
}

enum inspect_result length_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor)
{
	return number_holds(op, in->buffer_len) ? inspect_from(in, op + 1, cursor) : INSPECT_NO;
}

const char *source_number_check(const struct blob *b, const struct blob_op *op)
{
	if (op->arg[2] >= RULE_NUMBERS)
		return "condition on an unknown number";
	if (op->flags == NUMBER_F_BITS)
		return NULL;
	return number_check(b, op);
}

bool source_number_packet(const struct inspect *in, const struct blob_op *op)
{
	const struct rule_source *source = in->look->source;
	uint32_t value;

	if (!source || !source->number ||
	    !source->number(source->ctx, (enum rule_number)op->arg[2], &value))
		return false;
	if (op->flags == NUMBER_F_BITS)
		return value & op->arg[0];
	return number_holds(op, value);
}

const char *event_check(const struct blob *b, const struct blob_op *op)
{
	(void)b;
	return op->flags || op->arg[0] >= RULE_EVENTS ? "condition on an unknown event" : NULL;
}

/* arg 0: enum rule_event; arg 1: the number. */
bool event_packet(const struct inspect *in, const struct blob_op *op)
{
	const struct rule_source *source = in->look->source;

	if (op->arg[0] == RULE_EVENT_DECODE)
		return packet_event_has(&in->packet->events, op->arg[1]);
	return source && source->event &&
	       source->event(source->ctx, (enum rule_event)op->arg[0], op->arg[1]);
}

const char *app_protocol_check(const struct blob *b, const struct blob_op *op)
{
	(void)b;
	return op->flags & ~NUMBER_F_NOT || op->arg[0] >= APP_PROTOS
		       ? "condition on an unknown protocol"
		       : NULL;
}

/* Of a flow whose protocol is not found yet neither "is" nor "is not" holds. */
bool app_protocol_packet(const struct inspect *in, const struct blob_op *op)
{
	bool is = in->look->said == op->arg[0];

	if (in->look->said == APP_UNKNOWN)
		return false;
	return is != (op->flags & NUMBER_F_NOT);
}
