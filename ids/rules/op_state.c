/* Conditions and effects that remember: bits of flows, hosts and pairs, counters of flows. */
#include <string.h>

#include "ids/bytes.h"
#include "ids/rules/op.h"
#include "ids/rules/state.h"

/* Bits and counters of a flow end with it: ids of flows are not used again. An hour after the last
 * use their place is free. */
#define FLOW_SECONDS 3600u

const char *bits_names_check(const struct blob *b, const struct blob_op *op)
{
	uint32_t start = op->arg[2], count = op->arg[3], strings = b->count[BLOB_STRINGS];

	if (op->flags || op->arg[0] >= SCOPES || op->arg[1] >= BITS_COMMANDS)
		return "bits of an unknown kind";
	if (count == 0 || count > BITS_MAX_NAMES || start > strings ||
	    count > (strings - start) / sizeof(uint32_t))
		return "names of bits out of range";
	return NULL;
}

static uint32_t name_of(const struct inspect *in, const struct blob_op *op, uint32_t i)
{
	return le32(in->blob->string + op->arg[2] + (size_t)i * sizeof(uint32_t));
}

/* Addresses in an order that is the same for both directions. */
static void pair_key(struct state_key *key, const struct packet *p)
{
	bool swap = memcmp(p->src, p->dst, 16) > 0;

	memcpy(key->a, swap ? p->dst : p->src, 16);
	memcpy(key->b, swap ? p->src : p->dst, 16);
}

/* Whose bit it is; false: the packet has none of that. Flow bits share an entry, 32 of them. */
static bool bit_key(const struct inspect *in, const struct blob_op *op, uint32_t name,
		    struct state_key *key)
{
	memset(key, 0, sizeof(*key));
	key->kind = op->arg[0] == SCOPE_FLOW   ? STATE_FLOWBITS
		    : op->arg[0] == SCOPE_PAIR ? STATE_PAIRBITS
					       : STATE_HOSTBITS;
	key->name = op->arg[0] == SCOPE_FLOW ? name / 32 : name;
	switch (op->arg[0]) {
	case SCOPE_FLOW:
		if (!in->flow->flow)
			return false;
		key->flow = in->flow->flow->id;
		return true;
	case SCOPE_SRC:
		memcpy(key->a, in->packet->src, 16);
		break;
	case SCOPE_DST:
		memcpy(key->a, in->packet->dst, 16);
		break;
	case SCOPE_PAIR:
		pair_key(key, in->packet);
		break;
	}
	return in->packet->ip_version != 0;
}

static enum state_table bit_table(const struct blob_op *op)
{
	return op->arg[0] == SCOPE_FLOW ? STATE_FLOWS : STATE_HOSTS;
}

static uint32_t bit_mask(const struct blob_op *op, uint32_t name)
{
	return op->arg[0] == SCOPE_FLOW ? 1u << name % 32 : 1;
}

static uint64_t bit_end(const struct inspect *in, const struct blob_op *op)
{
	uint32_t seconds = op->arg[0] == SCOPE_FLOW ? FLOW_SECONDS : op->arg[4];

	return in->look->now_ns + seconds * STATE_SECOND;
}

/* One of the names suffices. */
bool bits_test_packet(const struct inspect *in, const struct blob_op *op)
{
	for (uint32_t i = 0; in->state && i < op->arg[3]; i++) {
		uint32_t name = name_of(in, op, i);
		struct state_key key;
		struct state_entry *e;
		bool set;

		if (!bit_key(in, op, name, &key))
			return false;
		e = state_find(in->state, bit_table(op), &key, in->look->now_ns);
		set = e && (e->value & bit_mask(op, name));
		if (e && op->arg[0] == SCOPE_FLOW)
			e->until_ns = bit_end(in, op);
		if (set == (op->arg[1] == BITS_ISSET))
			return true;
	}
	return false;
}

static void change_bit(const struct inspect *in, const struct blob_op *op, uint32_t name)
{
	enum state_table table = bit_table(op);
	uint64_t now = in->look->now_ns;
	uint32_t mask = bit_mask(op, name);
	struct state_key key;
	struct state_entry *e;

	if (!bit_key(in, op, name, &key))
		return;
	e = op->arg[1] == BITS_UNSET ? state_find(in->state, table, &key, now)
				     : state_make(in->state, table, &key, now, bit_end(in, op));
	if (!e)
		return;
	switch (op->arg[1]) {
	case BITS_SET:
		e->value |= mask;
		break;
	case BITS_UNSET:
		e->value &= ~mask;
		break;
	case BITS_TOGGLE:
		e->value ^= mask;
		break;
	}
	e->until_ns = bit_end(in, op);
}

enum effect bits_set_effect(const struct inspect *in, const struct blob_op *op)
{
	for (uint32_t i = 0; in->state && i < op->arg[3]; i++)
		change_bit(in, op, name_of(in, op, i));
	return EFFECT_ALERT;
}

/* --- counters -----------------------------------------------------------------------------------
 */

const char *flowint_check(const struct blob *b, const struct blob_op *op)
{
	(void)b;
	return op->flags & ~FLOWINT_F_NAME || op->arg[1] >= FLOWINT_COMMANDS
		       ? "flowint with an unknown command"
		       : NULL;
}

static struct state_entry *counter(const struct inspect *in, uint32_t name, bool make)
{
	struct state_key key = {.kind = STATE_FLOWINT, .name = name, .flow = in->flow->flow->id};
	uint64_t now = in->look->now_ns, until = now + FLOW_SECONDS * STATE_SECOND;
	struct state_entry *e = make ? state_make(in->state, STATE_FLOWS, &key, now, until)
				     : state_find(in->state, STATE_FLOWS, &key, now);

	if (e)
		e->until_ns = until;
	return e;
}

static bool compare(uint32_t command, uint32_t have, uint32_t value)
{
	switch (command) {
	case FLOWINT_EQ:
		return have == value;
	case FLOWINT_NE:
		return have != value;
	case FLOWINT_LT:
		return have < value;
	case FLOWINT_LE:
		return have <= value;
	case FLOWINT_GT:
		return have > value;
	}
	return have >= value;
}

static void change(struct state_entry *e, uint32_t command, uint32_t value)
{
	e->value = command == FLOWINT_SET   ? value
		   : command == FLOWINT_ADD ? e->value + value
					    : e->value - value;
}

/* Done when all else holds, in the order written: so a rule may count and then compare. */
enum effect flowint_effect(const struct inspect *in, const struct blob_op *op)
{
	bool changes = op->arg[1] <= FLOWINT_SUB;
	uint32_t value = op->arg[2];
	struct state_entry *e;

	if (!in->state || !in->flow->flow)
		return EFFECT_NO;
	if (op->flags & FLOWINT_F_NAME) {
		e = counter(in, value, false);
		if (!e)
			return EFFECT_NO;
		value = e->value;
	}
	e = counter(in, op->arg[0], changes);
	if (op->arg[1] == FLOWINT_ISSET || op->arg[1] == FLOWINT_NOTSET)
		return (e != NULL) == (op->arg[1] == FLOWINT_ISSET) ? EFFECT_ALERT : EFFECT_NO;
	if (!e)
		return EFFECT_NO;
	if (!changes)
		return compare(op->arg[1], e->value, value) ? EFFECT_ALERT : EFFECT_NO;
	change(e, op->arg[1], value);
	return EFFECT_ALERT;
}
