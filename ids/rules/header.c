#include <string.h>

#include "ids/bytes.h"
#include "ids/rules/header.h"

enum blob_class header_class(const struct packet *p)
{
	switch (p->proto) {
	case PROTO_TCP:
		return BLOB_CLASS_TCP;
	case PROTO_UDP:
		return BLOB_CLASS_UDP;
	case PROTO_ICMP:
		return BLOB_CLASS_ICMP4;
	case PROTO_ICMPV6:
		return BLOB_CLASS_ICMP6;
	}
	return BLOB_CLASS_OTHER;
}

static bool in_set4(const struct blob *b, struct blob_list set, uint32_t addr)
{
	const struct blob_range4 *r = b->address4 + set.first;
	uint32_t low = 0, high = set.count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (addr < r[mid].low)
			high = mid;
		else if (addr > r[mid].high)
			low = mid + 1;
		else
			return true;
	}
	return false;
}

static bool in_set6(const struct blob *b, struct blob_list set, const uint8_t addr[16])
{
	const struct blob_range6 *r = b->address6 + set.first;
	uint32_t low = 0, high = set.count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (memcmp(addr, r[mid].low, 16) < 0)
			high = mid;
		else if (memcmp(addr, r[mid].high, 16) > 0)
			low = mid + 1;
		else
			return true;
	}
	return false;
}

static bool address_in(const struct blob *b, uint32_t set, const struct packet *p,
		       const uint8_t addr[16])
{
	if (set == BLOB_NONE)
		return true;
	if (p->ip_version == 4)
		return in_set4(b, b->address_set[set].v4, be32(addr));
	return in_set6(b, b->address_set[set].v6, addr);
}

static bool port_in(const struct blob *b, uint32_t set, const struct packet *p, uint16_t port)
{
	const struct blob_port_range *r;
	uint32_t low = 0, high;

	if (set == BLOB_NONE)
		return true;
	if (!p->has_ports)
		return false;
	r = b->port + b->port_set[set].ranges.first;
	high = b->port_set[set].ranges.count;
	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (port < r[mid].low)
			high = mid;
		else if (port > r[mid].high)
			low = mid + 1;
		else
			return true;
	}
	return false;
}

static bool ends_match(const struct blob *b, const struct blob_rule *r, const struct packet *p,
		       bool swap)
{
	return port_in(b, r->sport, p, swap ? p->dp : p->sp) &&
	       port_in(b, r->dport, p, swap ? p->sp : p->dp) &&
	       address_in(b, r->src, p, swap ? p->dst : p->src) &&
	       address_in(b, r->dst, p, swap ? p->src : p->dst);
}

bool header_match(const struct blob *b, const struct blob_rule *r, const struct packet *p)
{
	if (!(r->classes >> header_class(p) & 1) ||
	    (r->ip_version && r->ip_version != p->ip_version))
		return false;
	return ends_match(b, r, p, false) ||
	       ((r->flags & BLOB_RULE_BOTH_WAYS) && ends_match(b, r, p, true));
}
