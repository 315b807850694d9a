/* dsize, itype, icode, ttl, flow: conditions on the packet as a whole. */
#include "ids/rules/op.h"

const char *number_check(const struct blob *b, const struct blob_op *op)
{
	(void)b;
	if (op->flags & ~NUMBER_F_NOT)
		return "number condition with unknown flags";
	if (op->arg[0] > op->arg[1])
		return "number condition with an empty range";
	return NULL;
}

bool number_holds(const struct blob_op *op, uint32_t value)
{
	bool inside = value >= op->arg[0] && value <= op->arg[1];

	return inside != (op->flags & NUMBER_F_NOT);
}

bool dsize_packet(const struct inspect *in, const struct blob_op *op)
{
	return number_holds(op, in->packet->payload_len);
}

bool itype_packet(const struct inspect *in, const struct blob_op *op)
{
	return in->packet->has_icmp && number_holds(op, in->packet->icmp_type);
}

bool icode_packet(const struct inspect *in, const struct blob_op *op)
{
	return in->packet->has_icmp && number_holds(op, in->packet->icmp_code);
}

bool ttl_packet(const struct inspect *in, const struct blob_op *op)
{
	return number_holds(op, in->packet->ttl);
}

const char *flow_check(const struct blob *b, const struct blob_op *op)
{
	(void)b;
	return op->flags || op->arg[0] & ~FLOW_F_ALL ? "flow condition with unknown flags" : NULL;
}

bool flow_packet(const struct inspect *in, const struct blob_op *op)
{
	const struct flow_ref *ref = in->flow;
	uint32_t have = in->packet->fragment ? FLOW_F_ONLY_FRAG : FLOW_F_NO_FRAG;

	if (ref->flow) {
		have |= ref->to_server ? FLOW_F_TO_SERVER : FLOW_F_TO_CLIENT;
		have |= ref->established ? FLOW_F_ESTABLISHED : FLOW_F_NOT_ESTABLISHED;
	}
	return (op->arg[0] & ~have) == 0;
}
