/* Fragments of IP datagrams become datagrams, as their target would put them together.
 *
 * For the engine. Fixed memory: a set-associative table of datagrams in the making, and a pool of
 * pages for their data. A full set, or a pool run dry, gives up its oldest datagram (counted); no
 * source may hold more than an eighth of the pages, so that a flood of first pieces from one does
 * not push out the others. Every octet is copied at most twice. Pure.
 */
#pragma once

#include "ids/flow/pieces.h"
#include "ids/packet/packet.h"

#define DEFRAG_WAYS    8
#define DEFRAG_SOURCES 64 /* counters of pages held, by a keyed hash of the source */
#define DEFRAG_OUT     (65535 + PIECES_PAGE)

/* 0 means the default named. */
struct defrag_config {
	uint32_t trackers;     /* datagrams in the making; 0: 512. A power of two, at most 65536 */
	uint32_t pages;	       /* of PIECES_PAGE octets; 0: 512 */
	uint32_t timeout_s;    /* after the latest piece; 0: 60, as Suricata's defrag.timeout */
	enum os_policy policy; /* 0: OS_LINUX */
	uint64_t seed;	       /* random; keys the hashes */
};

struct defrag_stats {
	uint64_t fragments, rebuilt;
	uint64_t timeouts;  /* datagrams given up unfinished */
	uint64_t evicted;   /* for others, the table or the pool being full */
	uint64_t ignored;   /* pieces: no room, or their source has its share */
	uint64_t overlaps;  /* pieces that overlap older ones */
	uint64_t too_large; /* pieces that lead beyond the largest datagram */
};

struct defrag_tracker;

struct defrag {
	struct piece_pool pool;
	struct defrag_tracker *tracker;
	uint32_t sets;
	uint64_t seed, timeout_ns;
	enum os_policy policy;
	overlap_rule rule;
	uint32_t oldest, newest; /* by the latest piece */
	uint32_t held[DEFRAG_SOURCES];
	struct defrag_stats stats;
	uint8_t *out[2]; /* the datagrams put together last: a piece may lie in one itself */
	unsigned turn;
};

/* Octets of memory that defrag_init() needs; 0: configuration out of range. */
uint64_t defrag_size(const struct defrag_config *config);
/* `memory` is zeroed and aligned to 16. */
void defrag_init(struct defrag *d, void *memory, const struct defrag_config *config);

/* Take the fragment `p` (p->fragment). Notes ipv4.frag_* and ipv6.frag_* events in p. True: it
 * completes a datagram, which is at *ip, *len octets from its IP header on, until the next but one.
 */
bool defrag_take(struct defrag *d, struct packet *p, uint64_t now_ns, const uint8_t **ip,
		 size_t *len);
