#include <string.h>

#include "ids/flow/stream_event.h"

#define STREAM_EVENT_NAME(id, name) name,
static const char *const names[STREAM_EVENT_COUNT] = {STREAM_EVENTS(STREAM_EVENT_NAME)};
#undef STREAM_EVENT_NAME

const char *stream_event_name(unsigned event)
{
	return event < STREAM_EVENT_COUNT ? names[event] : NULL;
}

static bool is(const char *name, const char *what, size_t len)
{
	return strlen(name) == len && memcmp(name, what, len) == 0;
}

int stream_event_find(const char *name, size_t len)
{
	for (int i = 0; i < STREAM_EVENT_COUNT; i++)
		if (is(names[i], name, len))
			return i;
	if (is("3whs_synack_resend_with_different_ack", name, len))
		return STREAM_EVENT_3WHS_SYNACK_RESEND_WITH_DIFFERENT_ACK;
	if (is("est_synack_resend_with_different_ack", name, len))
		return STREAM_EVENT_EST_SYNACK_RESEND_WITH_DIFFERENT_ACK;
	return -1;
}
