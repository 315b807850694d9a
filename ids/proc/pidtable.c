/* See pidtable.h. */
#include "ids/proc/pidtable.h"

#include "hv/errno.h"

#define CHUNK_SHIFT 6u	/* XA_CHUNK_SHIFT of every configuration but CONFIG_BASE_SMALL */
#define SHIFT_MAX   24u /* of numbers below 2^30; PIDs are below 2^22 */

/* Entries (Linux: include/linux/xarray.h): the two low bits are 00 for a pointer, x1 for a value,
 * 10 for what is internal; of the latter those above 4,096 are nodes, the others mean that there is
 * nothing to be found here (or that a reader has to try again). */
static bool is_node(uint64_t entry)
{
	return (entry & 3) == 2 && entry > 4096;
}

static bool is_pointer(uint64_t entry)
{
	return entry && !(entry & 3);
}

struct node {
	uint64_t va;
	uint32_t shift;
};

/* Step to the node behind an entry. `above`: the shift of the node that it lies in, which is one
 * level higher; a tree that says otherwise would not end. */
static int enter(const struct pidtable *t, uint64_t entry, uint32_t above, struct node *node)
{
	uint8_t shift;
	int err;
	node->va = entry - 2;
	err = gspace_read(t->space, node->va + t->shift, &shift, sizeof(shift));
	if (err)
		return err;
	if (shift > SHIFT_MAX || shift % CHUNK_SHIFT || (above && shift + CHUNK_SHIFT != above))
		return -EFAULT;
	node->shift = shift;
	return 0;
}

/* The root entry. A tree whose only entry is number 0 has no node; no PID is 0. */
static int root(const struct pidtable *t, struct node *node, bool *empty)
{
	uint64_t entry;
	int err = gspace_u64(t->space, t->head, &entry);
	if (err)
		return err;
	*empty = !is_node(entry);
	return *empty ? 0 : enter(t, entry, 0, node);
}

int pidtable_init(struct pidtable *t, const struct kernel *k)
{
	uint64_t ns = kernel_symbol(k, "init_pid_ns");
	int64_t head = kernel_offset(k, "pid_namespace", "idr.idr_rt.xa_head");
	int64_t shift = kernel_offset(k, "xa_node", "shift");
	int64_t slots = kernel_offset(k, "xa_node", "slots");
	int64_t tasks = kernel_offset(k, "pid", "tasks");
	int64_t links = kernel_offset(k, "task_struct", "pid_links");
	if (!ns || head < 0 || shift < 0 || slots < 0 || tasks < 0 || links < 0)
		return -ENOENT;
	/* PIDTYPE_PID is 0: the first element of both arrays. */
	*t = (struct pidtable){
		.space = kernel_space(k),
		.head = ns + (uint64_t)head,
		.shift = (uint32_t)shift,
		.slots = (uint32_t)slots,
		.tasks = (uint32_t)tasks,
		.link = (uint32_t)links,
	};
	return 0;
}

int pidtable_find(const struct pidtable *t, uint32_t nr, uint64_t *pid)
{
	struct node node;
	bool empty;
	int err = root(t, &node, &empty);
	if (err)
		return err;
	if (empty || (uint64_t)nr >> node.shift >= PIDTABLE_SLOTS)
		return -ENOENT;
	for (;;) {
		uint64_t entry;
		uint64_t slot = ((uint64_t)nr >> node.shift) % PIDTABLE_SLOTS;
		err = gspace_u64(t->space, node.va + t->slots + slot * 8, &entry);
		if (err)
			return err;
		if (!node.shift) {
			*pid = entry;
			return is_pointer(entry) ? 0 : -ENOENT;
		}
		if (!is_node(entry))
			return -ENOENT;
		err = enter(t, entry, node.shift, &node);
		if (err)
			return err;
	}
}

int pidtable_task(const struct pidtable *t, uint64_t pid, uint64_t *task)
{
	uint64_t first;
	int err = gspace_u64(t->space, pid + t->tasks, &first);
	if (err)
		return err;
	if (!first)
		return -ENOENT;
	*task = first - t->link;
	return 0;
}

/* The first slot from `slot` on that has something, PIDTABLE_SLOTS: none. */
static uint32_t first_used(const uint64_t *entry, uint32_t slot)
{
	while (slot < PIDTABLE_SLOTS && !entry[slot])
		slot++;
	return slot;
}

static uint32_t bounded(uint64_t nr)
{
	return nr < PIDTABLE_END ? (uint32_t)nr : PIDTABLE_END;
}

int pidtable_next(const struct pidtable *t, uint32_t *nr,
		  struct pidtable_entry entry[PIDTABLE_SLOTS])
{
	uint64_t slots[PIDTABLE_SLOTS];
	uint64_t at = *nr;
	struct node node;
	bool empty;
	int err = root(t, &node, &empty);
	if (err)
		return err;
	if (empty || at >> node.shift >= PIDTABLE_SLOTS) {
		*nr = PIDTABLE_END;
		return 0;
	}
	for (;;) {
		uint32_t from = (at >> node.shift) % PIDTABLE_SLOTS;
		uint64_t base = at >> node.shift >> CHUNK_SHIFT << CHUNK_SHIFT << node.shift;
		err = gspace_read(t->space, node.va + t->slots, slots, sizeof(slots));
		if (err)
			return err;
		if (!node.shift) {
			int count = 0;
			for (uint32_t i = from; i < PIDTABLE_SLOTS; i++)
				if (is_pointer(slots[i]))
					entry[count++] = (struct pidtable_entry){
						.nr = (uint32_t)base + i, .pid = slots[i]};
			*nr = bounded(base + PIDTABLE_SLOTS);
			return count;
		}
		uint32_t slot = first_used(slots, from);
		if (slot != from)
			at = base + ((uint64_t)slot << node.shift);
		if (slot == PIDTABLE_SLOTS || !is_node(slots[slot])) {
			/* Nothing more here, or a retry mark: go on behind it. */
			if (slot < PIDTABLE_SLOTS)
				at = base + ((uint64_t)(slot + 1) << node.shift);
			*nr = bounded(at);
			return 0;
		}
		if (at >= PIDTABLE_END) {
			*nr = PIDTABLE_END;
			return 0;
		}
		err = enter(t, slots[slot], node.shift, &node);
		if (err)
			return err;
	}
}
