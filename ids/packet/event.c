#include <string.h>

#include "ids/packet/event.h"

#define PACKET_EVENT_NAME(id, name) name,
static const char *const names[PACKET_EVENT_COUNT] = {PACKET_EVENTS(PACKET_EVENT_NAME)};
#undef PACKET_EVENT_NAME

bool packet_event_any(const struct packet_events *set)
{
	uint64_t any = 0;

	for (size_t i = 0; i < sizeof(set->bits) / sizeof(set->bits[0]); i++)
		any |= set->bits[i];
	return any != 0;
}

const char *packet_event_name(unsigned event)
{
	return event < PACKET_EVENT_COUNT ? names[event] : NULL;
}

int packet_event_find(const char *name, size_t len)
{
	for (int i = 0; i < PACKET_EVENT_COUNT; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return i;
	return -1;
}
