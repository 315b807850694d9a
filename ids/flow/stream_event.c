#include <string.h>

#include "ids/flow/stream_event.h"

#define STREAM_EVENT_NAME(id, name) name,
static const char *const names[STREAM_EVENT_COUNT] = {STREAM_EVENTS(STREAM_EVENT_NAME)};
#undef STREAM_EVENT_NAME

const char *stream_event_name(unsigned event)
{
	return event < STREAM_EVENT_COUNT ? names[event] : NULL;
}

int stream_event_find(const char *name, size_t len)
{
	for (int i = 0; i < STREAM_EVENT_COUNT; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return i;
	return -1;
}
