#include <string.h>

#include "ids/flow/flow.h"
#include "ids/bytes.h"

#define SECOND 1000000000ull

static uint32_t set_count(uint32_t entries)
{
	uint32_t sets = 1;

	while (sets < 1u << 20 && (uint64_t)sets * FLOW_WAYS < entries)
		sets *= 2;
	return sets;
}

uint64_t flow_table_size(uint32_t entries)
{
	return (uint64_t)set_count(entries) * FLOW_WAYS * sizeof(struct flow);
}

void flow_table_init(struct flow_table *t, void *memory, uint32_t entries, uint64_t seed)
{
	memset(t, 0, sizeof(*t));
	t->slot = memory;
	t->sets = set_count(entries);
	t->seed = seed;
}

/* ICMP questions and answers belong together: the type that answers this one (RFC 792, 950, 1256;
 * RFC 4443, 4861, 2710), or the type itself. */
static uint8_t icmp_counterpart(uint8_t type, bool v6)
{
	static const uint8_t pair4[][2] = {{8, 0}, {13, 14}, {15, 16}, {17, 18}, {10, 9}};
	static const uint8_t pair6[][2] = {{128, 129}, {133, 134}, {135, 136}, {139, 140}};
	const uint8_t(*pair)[2] = v6 ? pair6 : pair4;
	size_t n = v6 ? sizeof(pair6) / 2 : sizeof(pair4) / 2;

	for (size_t i = 0; i < n; i++) {
		if (pair[i][0] == type)
			return pair[i][1];
		if (pair[i][1] == type)
			return pair[i][0];
	}
	return type;
}

/* The packet's own view: its sender as the client. False if such packets make no flow. */
static bool make_key(struct flow_key *k, const struct packet *p)
{
	if (p->later_fragment || !(p->has_ports || p->has_icmp))
		return false;
	memset(k, 0, sizeof(*k));
	memcpy(k->client, p->src, 16);
	memcpy(k->server, p->dst, 16);
	k->proto = p->proto;
	k->ip_version = p->ip_version;
	k->depth = p->depth;
	for (unsigned i = 0; i < p->tags && i < 2; i++)
		k->vlan[i] = p->vlan[i];
	if (p->has_ports) {
		k->cp = p->sp;
		k->sp = p->dp;
	} else {
		k->cp = p->icmp_type;
		k->sp = icmp_counterpart(p->icmp_type, p->ip_version == 6);
	}
	return true;
}

static uint64_t hash_end(const struct flow_table *t, const uint8_t addr[16], uint16_t port)
{
	uint64_t a, b;

	memcpy(&a, addr, 8);
	memcpy(&b, addr + 8, 8);
	return mix64(mix64(mix64(a ^ t->seed) ^ b) + port);
}

/* The same for both directions. Seeded, so that nobody outside can aim at one set. */
static uint64_t hash_key(const struct flow_table *t, const struct flow_key *k)
{
	uint64_t both = hash_end(t, k->client, k->cp) + hash_end(t, k->server, k->sp);

	return mix64(both ^ ((uint64_t)k->depth << 40 | (uint64_t)k->proto << 32 |
			     (uint64_t)k->vlan[1] << 16 | k->vlan[0]));
}

static bool same(const struct flow_key *a, const struct flow_key *b)
{
	return a->cp == b->cp && a->sp == b->sp && a->proto == b->proto &&
	       a->ip_version == b->ip_version && a->depth == b->depth && a->vlan[0] == b->vlan[0] &&
	       a->vlan[1] == b->vlan[1] && memcmp(a->client, b->client, 16) == 0 &&
	       memcmp(a->server, b->server, 16) == 0;
}

static void reverse(struct flow_key *to, const struct flow_key *from)
{
	*to = *from;
	memcpy(to->client, from->server, 16);
	memcpy(to->server, from->client, 16);
	to->cp = from->sp;
	to->sp = from->cp;
}

/* Idle times after which a flow is over (Suricata's defaults). */
static uint64_t idle_limit(const struct flow *f)
{
	if (f->key.proto == PROTO_TCP)
		return (stream_established(&f->tcp) ? 600 : 60) * SECOND;
	if (f->key.proto == PROTO_UDP)
		return (f->established ? 300 : 30) * SECOND;
	return 30 * SECOND;
}

static bool idle(const struct flow *f, uint64_t now_ns)
{
	return now_ns > f->last_ns && now_ns - f->last_ns > idle_limit(f);
}

/* The same ports again after a close: another connection. */
static bool reused(const struct flow *f, const struct packet *p, bool to_server)
{
	return p->proto == PROTO_TCP && !p->bad_checksum && stream_reused(&f->tcp, p, to_server);
}

static struct flow *claim(struct flow *set, uint64_t now_ns, struct ids_stats *stats)
{
	struct flow *oldest = set;

	for (unsigned i = 0; i < FLOW_WAYS; i++) {
		if (set[i].last_ns == 0)
			return &set[i];
		if (set[i].last_ns < oldest->last_ns)
			oldest = &set[i];
	}
	if (!idle(oldest, now_ns))
		stats->flows_evicted++;
	return oldest;
}

/* What only servers say: an HTTP status line, a TLS ServerHello (RFC 8446, 4 and 5.1). */
static bool says_answer(const struct packet *p)
{
	const uint8_t *at = p->payload;

	if (p->payload_len < 6)
		return false;
	return memcmp(at, "HTTP/1", 6) == 0 || (at[0] == 22 && at[1] == 3 && at[5] == 2);
}

/* Met in the middle, is its sender the server? One that accepts a connection (SYN+ACK) is, and one
 * that answers; without that, one at a well-known port (RFC 6335, section 6) whose peer is at none.
 */
static bool from_server(const struct packet *p)
{
	if (p->tcp_flags & TCP_SYN)
		return p->tcp_flags & TCP_ACK;
	if (says_answer(p))
		return true;
	return p->sp < 1024 && p->dp >= 1024;
}

/* Make the entry free. */
static void end(struct flow_table *t, struct flow *f)
{
	if (f->last_ns && t->ended)
		t->ended(t->ctx, f);
	if (t->streams)
		stream_release(t->streams, &f->tcp);
	f->last_ns = 0;
}

static void begin(struct flow_table *t, struct flow *f, const struct flow_key *key,
		  const struct packet *p, uint64_t hash, uint64_t now_ns)
{
	end(t, f);
	*f = (struct flow){.key = *key, .first_ns = now_ns};
	if (t->midstream && p->proto == PROTO_TCP && from_server(p))
		reverse(&f->key, key);
	f->id = (mix64(hash + ++t->created + now_ns) & ((1ull << 51) - 1)) | 1;
}

static struct flow *find(struct flow_table *t, const struct flow_key *key, uint64_t hash,
			 const struct packet *p, uint64_t now_ns, struct ids_stats *stats)
{
	struct flow *set = t->slot + (hash & (t->sets - 1)) * FLOW_WAYS, *f = NULL;
	struct flow_key back;

	reverse(&back, key);
	for (unsigned i = 0; i < FLOW_WAYS && !f; i++)
		if (set[i].last_ns && (same(&set[i].key, key) || same(&set[i].key, &back)))
			f = &set[i];
	if (f && !idle(f, now_ns) && !reused(f, p, same(&f->key, key)))
		return f;
	if (!f)
		f = claim(set, now_ns, stats);
	begin(t, f, key, p, hash, now_ns);
	stats->flows++;
	return f;
}

struct flow_ref flow_update(struct flow_table *t, const struct packet *p, uint64_t now_ns,
			    struct ids_stats *stats)
{
	struct flow_ref ref = {0};
	struct flow_key key;
	struct flow *f;
	bool *seen;

	if (!make_key(&key, p))
		return ref;
	f = find(t, &key, hash_key(t, &key), p, now_ns, stats);
	ref.flow = f;
	ref.to_server = same(&f->key, &key);
	f->last_ns = now_ns ? now_ns : 1; /* 0 marks a free entry */
	seen = ref.to_server ? &f->to_server_seen : &f->to_client_seen;
	ref.first = !*seen;
	*seen = true;
	ref.established = f->established;
	if (p->proto != PROTO_TCP) {
		f->established = f->to_server_seen && f->to_client_seen;
		ref.established = f->established;
	} else {
		ref.established = stream_established(&f->tcp);
	}
	return ref;
}

void flow_table_expire(struct flow_table *t, uint64_t now_ns, uint32_t entries)
{
	uint32_t all = t->sets * FLOW_WAYS;

	for (uint32_t i = 0; i < entries && i < all; i++) {
		struct flow *f = &t->slot[t->next];

		if (f->last_ns && idle(f, now_ns))
			end(t, f);
		t->next = (t->next + 1) % all;
	}
}

void flow_table_end(struct flow_table *t)
{
	for (uint32_t i = 0; i < t->sets * FLOW_WAYS; i++)
		if (t->slot[i].last_ns)
			end(t, &t->slot[i]);
}
