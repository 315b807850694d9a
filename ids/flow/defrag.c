#include <string.h>

#include "ids/bytes.h"
#include "hv/errno.h"
#include "ids/flow/defrag.h"

#define TRACKERS_DEFAULT 512
#define TRACKERS_MAX	 65536
#define PAGES_DEFAULT	 512
#define PAGES_MAX	 (1u << 20)
#define TIMEOUT_DEFAULT	 60
#define SECOND		 1000000000ull
#define DATAGRAM_MAX	 65535
#define IPV4_HEADER_MIN	 20
#define IPV6_HEADER_MIN	 40
#define NO_END		 UINT32_MAX

/* Pages of one datagram: its data, and one for the header. */
#define TRACKER_PAGES (DATAGRAM_MAX / PIECES_PAGE + 2)

struct defrag_key {
	uint8_t src[16], dst[16];
	uint32_t id;
	uint16_t vlan[2];
	uint8_t proto, ip_version, depth, spare[5]; /* whole words */
};

/* A datagram in the making. */
struct defrag_tracker {
	struct defrag_key key;
	uint64_t last_ns;
	struct pieces data, header;
	uint32_t prev, next; /* by age */
	uint32_t end;	     /* of the data, NO_END: not known yet */
	uint16_t header_len; /* 0: the first piece is still missing */
	uint16_t name_at;    /* IPv6: where in the header the fragment header was named */
	uint8_t name;	     /* IPv6: what is named there once it is gone */
	uint8_t source;	     /* its counter in defrag.held */
	bool used;
};

static uint32_t trackers_of(const struct defrag_config *c)
{
	return c->trackers ? c->trackers : TRACKERS_DEFAULT;
}

static uint32_t pages_of(const struct defrag_config *c)
{
	return c->pages ? c->pages : PAGES_DEFAULT;
}

uint64_t defrag_size(const struct defrag_config *c)
{
	uint32_t trackers = trackers_of(c), pages = pages_of(c);

	if (trackers < DEFRAG_WAYS || trackers > TRACKERS_MAX || (trackers & (trackers - 1)) ||
	    pages < DEFRAG_WAYS || pages > PAGES_MAX || c->policy >= OS_POLICIES)
		return 0;
	return piece_pool_size(pages) + trackers * sizeof(struct defrag_tracker) + 2 * DEFRAG_OUT;
}

void defrag_init(struct defrag *d, void *memory, const struct defrag_config *c)
{
	uint8_t *at = memory;

	memset(d, 0, sizeof(*d));
	piece_pool_init(&d->pool, at, pages_of(c));
	at += piece_pool_size(pages_of(c));
	d->tracker = (struct defrag_tracker *)(void *)at;
	d->out[0] = at + trackers_of(c) * sizeof(struct defrag_tracker);
	d->out[1] = d->out[0] + DEFRAG_OUT;
	d->sets = trackers_of(c) / DEFRAG_WAYS;
	d->seed = c->seed;
	d->timeout_ns = (c->timeout_s ? c->timeout_s : TIMEOUT_DEFAULT) * SECOND;
	d->policy = c->policy;
	d->rule = overlap_fragments(c->policy);
	d->oldest = PIECES_NONE;
	d->newest = PIECES_NONE;
}

static void unlink_tracker(struct defrag *d, struct defrag_tracker *t)
{
	if (t->prev == PIECES_NONE)
		d->oldest = t->next;
	else
		d->tracker[t->prev].next = t->next;
	if (t->next == PIECES_NONE)
		d->newest = t->prev;
	else
		d->tracker[t->next].prev = t->prev;
}

static void link_newest(struct defrag *d, struct defrag_tracker *t)
{
	uint32_t i = (uint32_t)(t - d->tracker);

	t->prev = d->newest;
	t->next = PIECES_NONE;
	if (d->newest == PIECES_NONE)
		d->oldest = i;
	else
		d->tracker[d->newest].next = i;
	d->newest = i;
}

static void release(struct defrag *d, struct defrag_tracker *t)
{
	d->held[t->source] -= t->data.pages + (uint32_t)t->header.pages;
	pieces_clear(&d->pool, &t->data);
	pieces_clear(&d->pool, &t->header);
	unlink_tracker(d, t);
	t->used = false;
}

/* The clock may go back (captures): then nothing is overdue. */
static bool overdue(const struct defrag *d, const struct defrag_tracker *t, uint64_t now_ns)
{
	return now_ns > t->last_ns && now_ns - t->last_ns > d->timeout_ns;
}

static void expire(struct defrag *d, uint64_t now_ns)
{
	while (d->oldest != PIECES_NONE && overdue(d, &d->tracker[d->oldest], now_ns)) {
		release(d, &d->tracker[d->oldest]);
		d->stats.timeouts++;
	}
}

static void make_key(struct defrag_key *k, const struct packet *p)
{
	memset(k, 0, sizeof(*k));
	memcpy(k->src, p->src, 16);
	memcpy(k->dst, p->dst, 16);
	k->id = p->ip_id;
	/* IPv6 tells datagrams apart by addresses and identification alone (RFC 8200, 4.5). */
	k->proto = p->ip_version == 4 ? p->proto : 0;
	k->ip_version = p->ip_version;
	k->depth = p->depth;
	for (unsigned i = 0; i < p->tags && i < 2; i++)
		k->vlan[i] = p->vlan[i];
}

static uint64_t hash(const struct defrag *d, const uint8_t *at, size_t len)
{
	uint64_t h = d->seed;

	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word;

		memcpy(&word, at + i, 8);
		h = mix64(h ^ word) + i;
	}
	return h;
}

static struct defrag_tracker *claim(struct defrag *d, struct defrag_tracker *set)
{
	struct defrag_tracker *t = set;

	for (unsigned i = 0; i < DEFRAG_WAYS; i++) {
		if (!set[i].used)
			return &set[i];
		if (set[i].last_ns < t->last_ns)
			t = &set[i];
	}
	release(d, t);
	d->stats.evicted++;
	return t;
}

/* Pages that one source may hold: an eighth, but one datagram at least. */
static uint32_t share(const struct defrag *d)
{
	uint32_t pages = d->pool.pages / 8;

	return pages > TRACKER_PAGES ? pages : TRACKER_PAGES;
}

static void start(struct defrag_tracker *t, const struct defrag_key *key, uint8_t source)
{
	*t = (struct defrag_tracker){.used = true, .key = *key, .end = NO_END, .source = source};
	pieces_init(&t->data);
	pieces_init(&t->header);
}

/* NULL: the source has its share already. */
static struct defrag_tracker *find(struct defrag *d, const struct packet *p, uint64_t now_ns)
{
	struct defrag_tracker *set, *t = NULL;
	struct defrag_key key;
	uint8_t source;

	_Static_assert(sizeof(key) % 8 == 0, "hashed in words");
	make_key(&key, p);
	set = d->tracker +
	      (hash(d, (const uint8_t *)&key, sizeof(key)) & (d->sets - 1)) * DEFRAG_WAYS;
	for (unsigned i = 0; i < DEFRAG_WAYS && !t; i++)
		if (set[i].used && memcmp(&set[i].key, &key, sizeof(key)) == 0)
			t = &set[i];
	if (t) {
		unlink_tracker(d, t);
	} else {
		source = (uint8_t)(hash(d, key.src, 16) % DEFRAG_SOURCES);
		if (d->held[source] >= share(d))
			return NULL;
		t = claim(d, set);
		start(t, &key, source);
	}
	t->last_ns = now_ns;
	link_newest(d, t);
	return t;
}

/* Write, giving up the oldest datagrams for it if the pool is dry. */
static bool store(struct defrag *d, struct defrag_tracker *t, struct pieces *w, overlap_rule rule,
		  const struct piece_data *data, bool *overlap)
{
	uint32_t before = w->pages;
	bool different = false;
	int err;

	for (;;) {
		uint32_t held = d->held[t->source];
		uint32_t most = w->pages + (share(d) > held ? share(d) - held : 0);

		err = pieces_write(&d->pool, w, rule, data,
				   most < TRACKER_PAGES ? most : TRACKER_PAGES, overlap,
				   &different);
		d->held[t->source] += w->pages - before;
		before = w->pages;
		if (err != -ENOMEM || &d->tracker[d->oldest] == t)
			return err == 0;
		release(d, &d->tracker[d->oldest]);
		d->stats.evicted++;
	}
}

/* The header that the datagram will have: that of the piece at offset 0. */
static bool take_header(struct defrag *d, struct defrag_tracker *t, const struct packet *p)
{
	struct piece_data header = {.data = p->ip, .len = p->ip_header_len};
	bool overlap = false;

	if (p->ip_version == 6)
		header.len -= 8; /* the fragment header goes */
	if (t->header_len && !overlap_new_wins(d->rule, 0, 1, 0, 1))
		return true;
	if (header.len > PIECES_PAGE)
		return false;
	d->held[t->source] -= t->header.pages;
	pieces_clear(&d->pool, &t->header);
	if (!store(d, t, &t->header, OVERLAP_NEW, &header, &overlap))
		return false;
	t->header_len = (uint16_t)header.len;
	if (p->ip_version == 6) {
		t->name_at = (uint16_t)(p->frag_prev - p->ip);
		t->name = p->frag_next;
	}
	return true;
}

/* A copy of [0, end) of the window. */
static void gather(const struct defrag *d, const struct pieces *w, uint8_t *to, uint64_t end)
{
	for (uint64_t at = 0; at < end;) {
		uint32_t n;
		const uint8_t *from = pieces_read(&d->pool, w, at, end, &n);

		memcpy(to + at, from, n);
		at += n;
	}
}

static void finish_header(struct defrag_tracker *t, uint8_t *ip, size_t total)
{
	uint32_t sum;

	if (t->key.ip_version == 6) {
		ip[t->name_at] = t->name;
		total -= IPV6_HEADER_MIN;
		ip[4] = (uint8_t)(total >> 8);
		ip[5] = (uint8_t)total;
		return;
	}
	ip[2] = (uint8_t)(total >> 8);
	ip[3] = (uint8_t)total;
	ip[6] = 0;
	ip[7] = 0;
	ip[10] = 0;
	ip[11] = 0;
	sum = packet_sum(ip, t->header_len, 0);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

static bool complete(struct defrag *d, struct defrag_tracker *t, const uint8_t **ip, size_t *len)
{
	uint8_t *out = d->out[d->turn];
	size_t most = DATAGRAM_MAX + (t->key.ip_version == 6 ? IPV6_HEADER_MIN : 0);

	if (!t->header_len || t->end == NO_END || pieces_end(&d->pool, &t->data, 0) < t->end)
		return false;
	*len = (size_t)t->header_len + t->end;
	if (*len > most) {
		d->stats.too_large++;
		release(d, t);
		return false;
	}
	gather(d, &t->header, out, t->header_len);
	gather(d, &t->data, out + t->header_len, t->end);
	finish_header(t, out, *len);
	*ip = out;
	d->turn = !d->turn;
	release(d, t);
	d->stats.rebuilt++;
	return true;
}

static void note(struct packet *p, enum packet_event v4, enum packet_event v6)
{
	packet_event_set(&p->events, p->ip_version == 4 ? v4 : v6);
}

static void ignore(struct defrag *d, struct packet *p)
{
	d->stats.ignored++;
	note(p, EVENT_IPV4_FRAG_IGNORED, EVENT_IPV6_FRAG_IGNORED);
}

static bool add(struct defrag *d, struct defrag_tracker *t, struct packet *p, uint32_t len)
{
	struct piece_data data = {.at = p->frag_offset, .data = p->frag_data, .len = len};
	bool overlap = false, taken;

	taken = store(d, t, &t->data, d->rule, &data, &overlap);
	if (taken && p->frag_offset == 0)
		taken = take_header(d, t, p);
	if (overlap) {
		d->stats.overlaps++;
		note(p, EVENT_IPV4_FRAG_OVERLAP, EVENT_IPV6_FRAG_OVERLAP);
	}
	if (!taken) {
		ignore(d, p);
		return false;
	}
	/* The first that says where the datagram ends is believed. */
	if (!(p->ip_flags & IP_MORE) && t->end == NO_END)
		t->end = p->frag_offset + len;
	return true;
}

bool defrag_take(struct defrag *d, struct packet *p, uint64_t now_ns, const uint8_t **ip,
		 size_t *len)
{
	uint32_t header = p->ip_version == 4 ? IPV4_HEADER_MIN : 0, n = p->frag_len;
	struct defrag_tracker *t;

	d->stats.fragments++;
	expire(d, now_ns);
	if (p->bad_ip_checksum) /* its target throws it away */
		return false;
	if (header + p->frag_offset + n > DATAGRAM_MAX) {
		d->stats.too_large++;
		note(p, EVENT_IPV4_FRAG_PKT_TOO_LARGE, EVENT_IPV6_FRAG_PKT_TOO_LARGE);
		return false;
	}
	/* Linux cuts a piece that is not the last to whole units of eight (ip_frag_queue). */
	if (d->policy == OS_LINUX && p->ip_version == 4 && (p->ip_flags & IP_MORE))
		n &= ~7u;
	/* RFC 8200, section 4.5: such a fragment is discarded. */
	if (p->ip_version == 6 && p->ip_flags & IP_MORE && n % 8)
		return false;
	if (n == 0)
		return false;
	t = find(d, p, now_ns);
	if (!t) {
		ignore(d, p);
		return false;
	}
	return add(d, t, p, n) && complete(d, t, ip, len);
}
