/* See probed.h. */
#include "ids/integrity/probed.h"

#include <string.h>

#include "ids/integrity/owner.h"

#define BUCKETS	    64u /* KPROBE_TABLE_SIZE */
#define KPROBE_MAX  256u
#define FLAG_FTRACE 8u /* it sits on an ftrace site, and replaces nothing */
#define INT3	    0xcc
#define JMP	    0xe9
#define SLOTS_MS    1000 /* a page of slots is believed in so long */

struct layout {
	uint32_t size, next, addr, flags, opcode, handler;
	int64_t tail; /* from an optimized one to what it replaced, negative: unknown */
};

static bool find_layout(const struct integrity *in, struct layout *l)
{
	static const struct {
		const char *member;
		size_t at;
	} members[] = {
		{"hlist", offsetof(struct layout, next)},
		{"addr", offsetof(struct layout, addr)},
		{"flags", offsetof(struct layout, flags)},
		{"opcode", offsetof(struct layout, opcode)},
		{"pre_handler", offsetof(struct layout, handler)},
	};

	int64_t kp = kernel_offset(in->k, "optimized_kprobe", "kp"),
		insn = kernel_offset(in->k, "optimized_kprobe", "optinsn"),
		copied = kernel_offset(in->k, "arch_optimized_insn", "copied_insn");

	l->tail = kp >= 0 && insn >= 0 && copied >= 0 ? insn + copied - kp : -1;
	l->size = kernel_size(in->k, "kprobe");
	for (uint32_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		int64_t offset = kernel_offset(in->k, "kprobe", members[i].member);
		if (offset < 0 || (uint64_t)offset + 8 > l->size)
			return false;
		*(uint32_t *)(void *)((uint8_t *)l + members[i].at) = (uint32_t)offset;
	}
	return l->size <= KPROBE_MAX;
}

/* An optimized one keeps the four bytes behind its opcode. */
static bool read_tail(const struct integrity *in, const struct layout *l, uint64_t kprobe,
		      uint8_t tail[4])
{
	return l->tail >= 0 &&
	       !gspace_read(kernel_space(in->k), kprobe + (uint64_t)l->tail, tail, 4);
}

static void take(struct probed *p, const struct integrity *in, const struct layout *l,
		 uint64_t kprobe, const uint8_t *bytes, uint64_t aggregate)
{
	uint64_t handler;
	uint32_t flags;

	memcpy(&flags, bytes + l->flags, 4);
	if (flags & FLAG_FTRACE)
		return;
	memcpy(&p->probe[p->count].va, bytes + l->addr, 8);
	memcpy(&handler, bytes + l->handler, 8);
	p->probe[p->count].opcode = bytes[l->opcode];
	p->probe[p->count].has_tail = aggregate && handler == aggregate &&
				      read_tail(in, l, kprobe, p->probe[p->count].tail);
	p->count++;
}

static void look(struct probed *p, const struct integrity *in)
{
	uint64_t table = kernel_symbol(in->k, "kprobe_table"),
		 aggregate = kernel_symbol(in->k, "aggr_pre_handler"), heads[BUCKETS];
	uint8_t bytes[KPROBE_MAX];
	struct layout l;

	p->tsc = in->tsc;
	p->count = 0;
	p->incomplete = false;
	if (!table || !find_layout(in, &l) ||
	    gspace_read(kernel_space(in->k), table, heads, sizeof(heads)))
		return;
	for (uint32_t i = 0, steps = 0; i < BUCKETS; i++) {
		for (uint64_t node = heads[i]; node; memcpy(&node, bytes + l.next, 8)) {
			if (steps++ == PROBED_MAX) {
				p->incomplete = true;
				return;
			}
			if (gspace_read(kernel_space(in->k), node - l.next, bytes, l.size))
				break;
			take(p, in, &l, node - l.next, bytes, aggregate);
		}
	}
}

/* The byte at `va` of the buffer, NULL: it is not in it. */
static uint8_t *byte_at(uint64_t begin, uint8_t *bytes, uint32_t len, uint64_t va)
{
	return va - begin < len ? bytes + (va - begin) : NULL;
}

/* Does the detour at `va` lead to a slot of a kprobe? Its bytes are read anew: the buffer may hold
 * a part of them. */
static bool is_detour(struct probed *p, const struct integrity *in, uint64_t va)
{
	uint8_t insn[5];
	uint64_t page;
	int32_t rel;

	if (gspace_read(kernel_space(in->k), va, insn, sizeof(insn)) || insn[0] != JMP)
		return false;
	memcpy(&rel, insn + 1, 4);
	page = (va + 5 + (uint64_t)(int64_t)rel) & ~(uint64_t)(GMEM_PAGE - 1);
	for (uint32_t i = 0; i < PROBED_SLOTS; i++)
		if (p->slots[i].va == page &&
		    in->tsc - p->slots[i].tsc < integrity_ms(in, SLOTS_MS))
			return true;
	if (!p->walks_left) {
		p->undecided = true;
		return false;
	}
	p->walks_left--;
	enum owner owner = owner_of(in, page);
	p->undecided |= owner == OWNER_UNSURE;
	if (owner != OWNER_KPROBE)
		return false;
	p->slots[p->slots_at].va = page;
	p->slots[p->slots_at].tsc = in->tsc;
	p->slots_at = (p->slots_at + 1) % PROBED_SLOTS;
	return true;
}

bool probed_restore(struct probed *p, const struct integrity *in, uint64_t va, uint8_t *bytes,
		    uint32_t len, uint32_t ms)
{
	bool changed = false;

	p->undecided = false;
	if (!p->tsc || in->tsc - p->tsc > integrity_ms(in, ms))
		look(p, in);
	for (uint32_t i = 0; i < p->count; i++) {
		uint64_t at = p->probe[i].va;
		uint8_t *first, *b;
		if (at - (va - 4) >= len + 4)
			continue;
		first = byte_at(va, bytes, len, at);
		if (first && *first == INT3) {
			*first = p->probe[i].opcode;
			changed = true;
			continue;
		}
		if (!p->probe[i].has_tail || (first && *first != JMP) || !is_detour(p, in, at))
			continue;
		if (first)
			*first = p->probe[i].opcode;
		for (uint32_t j = 0; j < 4; j++)
			if ((b = byte_at(va, bytes, len, at + 1 + j)))
				*b = p->probe[i].tail[j];
		changed = true;
	}
	return changed;
}
