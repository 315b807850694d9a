#include <string.h>
#include "hv/errno.h"
#include "hv/event.h"
#include "hv/guestmem.h"
#include "tests/unit/netdev_memory.h"

uint8_t ram[RAM_SIZE] __attribute__((aligned(4096)));
uint8_t ram_fetches[RAM_SIZE];
void (*ram_after_read)(uint64_t gpa, uint64_t len);
struct posted_event events[EVENTS_KEPT];
unsigned event_count;

void ram_reset(void)
{
	memset(ram, 0, sizeof(ram));
	memset(ram_fetches, 0, sizeof(ram_fetches));
	ram_after_read = NULL;
	event_count = 0;
}

bool gm_valid(uint64_t gpa, uint64_t len)
{
	return gpa >= RAM_BASE && gpa - RAM_BASE <= RAM_SIZE && len <= RAM_SIZE - (gpa - RAM_BASE);
}

int gm_read(uint64_t gpa, void *dst, size_t len)
{
	if (!gm_valid(gpa, len))
		return -EFAULT;
	memcpy(dst, ram_at(gpa), len);
	for (size_t i = 0; i < len; i++)
		if (ram_fetches[gpa - RAM_BASE + i] < 255)
			ram_fetches[gpa - RAM_BASE + i]++;
	if (ram_after_read && len)
		ram_after_read(gpa, len);
	return 0;
}

int gm_write(uint64_t gpa, const void *src, size_t len)
{
	if (!gm_valid(gpa, len))
		return -EFAULT;
	memcpy(ram_at(gpa), src, len);
	return 0;
}

int gm_read16(uint64_t gpa, uint16_t *value)
{
	return gpa & 1 ? -EINVAL : gm_read(gpa, value, 2);
}

int gm_write16(uint64_t gpa, uint16_t value)
{
	return gpa & 1 ? -EINVAL : gm_write(gpa, &value, 2);
}

void event_post(enum abi_event kind, uint64_t a, uint64_t b, uint64_t c)
{
	if (event_count < EVENTS_KEPT)
		events[event_count] = (struct posted_event){kind, a, b, c};
	event_count++;
}
