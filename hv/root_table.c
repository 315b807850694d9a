/* Open-addressing table of page-table roots. */
#include "hv/root_table.h"
#include "hv/errno.h"
#include <stddef.h>

#define MASK   (ROOT_TABLE_SIZE - 1)
#define IN_USE 1ull

static uint64_t key_of(uint64_t root)
{
	return (root & ~0xfffull) | IN_USE;
}

/* Fibonacci hashing of the page number: neighbouring roots spread. */
static uint32_t home_of(uint64_t key)
{
	return (uint32_t)((key >> 12) * 0x9e3779b97f4a7c15ull >> (64 - ROOT_TABLE_BITS));
}

/* The slot of `key`, or the empty one where it belongs. There always is an empty one. */
static uint32_t seek(const struct root_table *table, uint64_t key)
{
	uint32_t i = home_of(key);

	while (table->slot[i].root != key && table->slot[i].root)
		i = (i + 1) & MASK;
	return i;
}

/* Empty slot `i` and close the gap: an entry further on that probed past it moves in. */
static void take_out(struct root_table *table, uint32_t i)
{
	uint32_t next = i;

	table->used--;
	for (;;) {
		table->slot[i].root = 0;
		for (;;) {
			next = (next + 1) & MASK;
			if (!table->slot[next].root)
				return;
			/* It may move when its home is not in (i, next]. */
			if (((next - home_of(table->slot[next].root)) & MASK) >=
			    ((next - i) & MASK))
				break;
		}
		table->slot[i] = table->slot[next];
		i = next;
	}
}

/* The entry longest unused among the first slots that `key` would probe. */
static uint32_t oldest(const struct root_table *table, uint64_t key)
{
	uint32_t home = home_of(key), found = ROOT_TABLE_SIZE;

	for (uint32_t n = 0; n < ROOT_TABLE_SIZE; n++) {
		uint32_t i = (home + n) & MASK;

		if (n >= ROOT_TABLE_WINDOW && found != ROOT_TABLE_SIZE)
			break;
		if (!table->slot[i].root)
			continue;
		if (found == ROOT_TABLE_SIZE ||
		    table->slot[i].last_tsc < table->slot[found].last_tsc)
			found = i;
	}
	return found;
}

struct root_entry *root_table_switch(struct root_table *table, uint64_t root, uint64_t tsc,
				     struct root_entry *evicted)
{
	uint64_t key = key_of(root);
	uint32_t i = seek(table, key);
	struct root_entry *entry = &table->slot[i];

	evicted->root = 0;
	if (entry->root == key) {
		entry->switches++;
		entry->last_tsc = tsc;
		return entry;
	}
	if (table->used >= ROOT_TABLE_LIMIT) {
		uint32_t victim = oldest(table, key);

		*evicted = table->slot[victim];
		take_out(table, victim);
		table->replaced++;
		entry = &table->slot[seek(table, key)];
	}
	table->used++;
	*entry = (struct root_entry){key, 1, tsc, tsc};
	return entry;
}

struct root_entry *root_table_find(struct root_table *table, uint64_t root)
{
	struct root_entry *entry = &table->slot[seek(table, key_of(root))];

	return entry->root ? entry : NULL;
}

int root_table_remove(struct root_table *table, uint64_t root, struct root_entry *gone)
{
	uint32_t i = seek(table, key_of(root));

	if (!table->slot[i].root)
		return -ENOENT;
	if (gone)
		*gone = table->slot[i];
	take_out(table, i);
	return 0;
}
