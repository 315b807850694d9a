/* The block's page pool: handed out at init, never given back. The loader has zeroed it. */
#include <stddef.h>
#include "hv/core.h"
#include "hv/machine.h"

static uint64_t next, end;

void pages_init(const struct boot_info *info)
{
	next = info->free_base;
	end = info->block_base + info->block_size;
}

void *pages_alloc(uint32_t count)
{
	uint64_t size = count * 4096ull;
	void *page = (void *)next;

	if (size > end - next)
		return NULL;
	next += size;
	return page;
}

uint64_t pages_left(void)
{
	return (end - next) / 4096;
}
