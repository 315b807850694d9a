#include "hv/abi.h"
#include "hv/counter.h"
#include "hv/counters.h"
#include "hv/errno.h"
#include "arch/x86/string.h"

static struct {
	const char *name;
	const uint64_t *value;
} table[ABI_COUNTERS];
static uint32_t used;

int counter_register(const char *name, const uint64_t *value)
{
	if (used >= ABI_COUNTERS)
		return -ENOSPC;
	if (strlen(name) >= sizeof(((struct abi_counter *)0)->name))
		return -EINVAL;
	table[used].name = name;
	table[used].value = value;
	used++;
	return 0;
}

uint32_t counters_publish(struct abi_counter *out, uint32_t room)
{
	uint32_t n = used < room ? used : room;

	for (uint32_t i = 0; i < n; i++) {
		memcpy(out[i].name, table[i].name, strlen(table[i].name) + 1);
		out[i].value = *table[i].value;
	}
	return n;
}
