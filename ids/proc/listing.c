/* See listing.h. */
#include "ids/proc/listing.h"

#include <string.h>

#define WINDOW	  32u /* bytes of an entry that are looked at: the names of processes fit */
#define ENTRY_MIN 24u

/* What is in `bytes`: the buffer from `begin` to `end`. */
struct window {
	uint64_t begin, end;
};

struct entry {
	uint64_t off; /* position of the next */
	uint32_t len;
	uint32_t pid;	/* 0: not a process */
	bool oversized; /* longer than the kernel makes one with this name */
};

/* Where the name of an entry begins, and what follows it: 0, and the type in the older format. */
static uint32_t name_at(enum listing_format format)
{
	return format == LISTING_DIRENT ? 18 : 19;
}

static uint32_t name_tail(enum listing_format format)
{
	return format == LISTING_DIRENT ? 2 : 1;
}

/* WINDOW bytes from `at` on, or what is left of the buffer. NULL: unreadable. */
static const uint8_t *look(const struct listing *l, struct window *w, uint64_t at, size_t len)
{
	if (at >= w->begin && at + len <= w->end)
		return l->bytes + (at - w->begin);
	/* To the end of the page: the next need not be there. An entry across it is read alone. */
	uint64_t size = LISTING_BUFFER - ((l->page + at) & (LISTING_BUFFER - 1));
	if (size > l->size - at)
		size = l->size - at;
	if (size < len)
		size = len;
	w->begin = w->end = at;
	if (l->read(l->ctx, at, l->bytes, size))
		return NULL;
	w->end = at + size;
	return l->bytes;
}

/* A decimal number without leading zeros, as the kernel writes PIDs; 0: it is none. */
static uint32_t number(const char *name, size_t len)
{
	uint32_t value = 0;
	if (!len || len > 7 || name[0] == '0')
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		value = value * 10 + (uint32_t)(name[i] - '0');
	}
	return value;
}

enum parsed { ENTRY, NO_ENTRY, UNREADABLE };

static enum parsed parse_entry(const struct listing *l, struct window *w, uint64_t at,
			       struct entry *e)
{
	uint64_t left = l->size - at;
	uint32_t name = name_at(l->format), tail = name_tail(l->format);
	uint16_t reclen;
	/* No byte more than the entry has: the page behind may never have been touched. */
	const uint8_t *p = left < ENTRY_MIN ? NULL : look(l, w, at, ENTRY_MIN);
	if (!p)
		return left < ENTRY_MIN ? NO_ENTRY : UNREADABLE;
	memcpy(&e->off, p + 8, 8);
	memcpy(&reclen, p + 16, 2);
	e->len = reclen;
	e->pid = 0;
	e->oversized = false;
	if (reclen < ENTRY_MIN || reclen % 8 || reclen > left)
		return NO_ENTRY;
	size_t len = reclen < WINDOW ? reclen : WINDOW;
	p = look(l, w, at, len);
	if (!p)
		return UNREADABLE;
	size_t chars = strnlen((const char *)p + name, len - name);
	if (!chars)
		return NO_ENTRY;
	if (chars == len - name) /* a longer name, no process's */
		return reclen > len ? ENTRY : NO_ENTRY;
	e->pid = number((const char *)p + name, chars);
	e->oversized = reclen > ((name + chars + tail + 7) & ~(size_t)7);
	return ENTRY;
}

bool listing_parse(const struct listing *l)
{
	struct window w = {0};
	uint64_t off = l->from, at = 0;
	bool oversized = false;
	while (off < l->to) {
		struct entry e;
		enum parsed parsed = at < l->size ? parse_entry(l, &w, at, &e) : NO_ENTRY;
		if (at > LISTING_BYTES_MAX || parsed == UNREADABLE)
			return false;
		if (parsed == NO_ENTRY || e.off <= off || e.off > l->to)
			break;
		if (e.pid) {
			/* Its own position lies between those before and after it. Stale bytes of
			 * an earlier batch have earlier ones. */
			uint64_t own = (uint64_t)e.pid + LISTING_PID;
			if (own < off || own >= e.off)
				break;
			l->told(l->ctx, e.pid);
		}
		off = e.off;
		at += e.len;
		oversized = e.oversized;
	}
	return off == l->to || oversized;
}
