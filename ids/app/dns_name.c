/* Names: labels and compression pointers (RFC 1035, 4.1.4). */
#include <string.h>

#include "ids/app/dns_impl.h"
#include "ids/bytes.h"

/* The name in the making. */
struct name {
	uint8_t at[DNS_NAME_MAX];
	uint32_t len;
	bool cut;
};

static void add_label(struct name *n, const uint8_t *label, uint32_t len)
{
	uint32_t room;

	if (n->cut)
		return;
	if (n->len && n->len < DNS_NAME_MAX)
		n->at[n->len++] = '.';
	room = DNS_NAME_MAX - n->len;
	if (len > room) {
		n->cut = true;
		len = room;
	}
	memcpy(n->at + n->len, label, len);
	n->len += len;
}

enum step { STEP_ON, STEP_END, STEP_BAD };

/* A pointer: *at goes where it points. */
static enum step follow(struct dns_reader *r, uint32_t *at, bool *jumped)
{
	uint32_t to;

	if (r->len - *at < 2)
		return STEP_BAD;
	to = be16(r->msg + *at) & 0x3fff;
	if (to > r->len)
		return STEP_BAD;
	if (to == *at) {
		r->events |= 1ull << DNS_EVENT_INFINITE_LOOP;
		return *jumped ? STEP_END : STEP_BAD;
	}
	if (!*jumped)
		r->at = *at + 2;
	*jumped = true;
	*at = to;
	return STEP_ON;
}

static enum step one(struct dns_reader *r, struct name *n, uint32_t *at, bool *jumped)
{
	uint8_t len;

	if (*at >= r->len) /* as Suricata: a name may end with the message */
		return STEP_END;
	len = r->msg[*at];
	if (!len) {
		++*at;
		return STEP_END;
	}
	if ((len & 0xc0) == 0xc0)
		return follow(r, at, jumped);
	if (len & 0xc0 || len > r->len - *at - 1)
		return STEP_BAD;
	add_label(n, r->msg + *at + 1, len);
	*at += 1u + len;
	if (n->cut) {
		r->events |= 1ull << DNS_EVENT_NAME_TOO_LONG;
		return *jumped ? STEP_END : STEP_ON;
	}
	return STEP_ON;
}

bool dns_name(struct dns_reader *r, struct buf *text, struct dns_part *part)
{
	struct name n = {.len = 0};
	uint32_t at = r->at;
	bool jumped = false;

	for (unsigned count = 0;; count++) {
		enum step s;

		if (count > DNS_LABELS) {
			r->events |= 1ull << DNS_EVENT_TOO_MANY_LABELS;
			if (!jumped)
				return false;
			break;
		}
		s = one(r, &n, &at, &jumped);
		if (s == STEP_BAD)
			return false;
		if (s == STEP_END)
			break;
	}
	if (!jumped)
		r->at = at;
	if (!text)
		return true;
	part->at = text->len;
	if (buf_add(r->pool, text, n.at, n.len, DNS_TEXT_MAX))
		part->len = n.len;
	else if (text->len + n.len <= DNS_TEXT_MAX)
		r->no_memory = true;
	return true;
}
