#include <string.h>

#include "ids/bytes.h"
#include "ids/eve/address.h"
#include "ids/eve/alert.h"
#include "ids/eve/community.h"

static void put_packet(struct json *j, const struct eve_packet *ep)
{
	const struct packet *p = ep->packet;
	char text[ADDRESS_TEXT], community[COMMUNITY_ID_SIZE];
	/* 0 where the header was missing or broken, as in Suricata. */
	bool ports = p->proto == PROTO_TCP || p->proto == PROTO_UDP;

	if (ep->flow->flow)
		json_u64(j, "flow_id", ep->flow->flow->id);
	if (ep->config->in_iface)
		json_str(j, "in_iface", ep->config->in_iface);
	if (ep->config->pcap_cnt)
		json_u64(j, "pcap_cnt", *ep->config->pcap_cnt);
	if (p->tags) {
		json_array(j, "vlan");
		for (unsigned i = 0; i < p->tags; i++)
			json_u64(j, NULL, p->vlan[i]);
		json_close(j);
	}
	/* No IP: nothing of what follows is known (an event of the decoder). */
	if (p->ip_version == 0)
		return;
	address_text(text, p->ip_version, p->src);
	json_str(j, "src_ip", text);
	if (ports)
		json_u64(j, "src_port", p->sp);
	address_text(text, p->ip_version, p->dst);
	json_str(j, "dest_ip", text);
	if (ports)
		json_u64(j, "dest_port", p->dp);
	/* Of a fragment Suricata names the header of IPv6 itself. */
	address_put_proto(j, p->ip_version == 6 && p->fragment ? 44 : p->proto);
	if (p->has_icmp) {
		json_u64(j, "icmp_type", p->icmp_type);
		json_u64(j, "icmp_code", p->icmp_code);
	}
	if (p->has_ports || p->has_icmp) {
		community_id(community, p, ep->config->community_seed);
		json_str(j, "community_id", community);
	}
	if (ep->app_proto)
		json_str(j, "app_proto", ep->app_proto);
	if (ep->flow->flow)
		json_str(j, "direction", ep->flow->to_server ? "to_server" : "to_client");
}

static void put_text(struct json *j, const char *key, const struct blob *b, struct blob_span s)
{
	json_strn(j, key, b->string + s.offset, s.size);
}

static bool same_text(const struct blob *b, struct blob_span x, struct blob_span y)
{
	return x.size == y.size && memcmp(b->string + x.offset, b->string + y.offset, x.size) == 0;
}

/* vigilc has put equal keys beside each other and keeps them free of NUL. */
static void put_metadata(struct json *j, const struct blob *b, const struct blob_rule *r)
{
	char key[64];

	json_object(j, "metadata");
	for (uint32_t i = 0; i < r->meta.count;) {
		const struct blob_meta *first = &b->meta[r->meta.first + i];
		size_t len = first->key.size < sizeof(key) ? first->key.size : sizeof(key) - 1;

		memcpy(key, b->string + first->key.offset, len);
		key[len] = '\0';
		json_array(j, key);
		for (; i < r->meta.count; i++) {
			const struct blob_meta *m = &b->meta[r->meta.first + i];

			if (!same_text(b, m->key, first->key))
				break;
			put_text(j, NULL, b, m->value);
		}
		json_close(j);
	}
	json_close(j);
}

static void put_alert(struct json *j, const struct blob *b, const struct blob_rule *r, bool blocked,
		      bool metadata)
{
	json_object(j, "alert");
	json_str(j, "action", blocked ? "blocked" : "allowed");
	json_u64(j, "gid", r->gid);
	json_u64(j, "signature_id", r->sid);
	json_u64(j, "rev", r->rev);
	put_text(j, "signature", b, r->msg);
	put_text(j, "category", b, r->category);
	json_u64(j, "severity", r->priority);
	if (metadata && r->meta.count)
		put_metadata(j, b, r);
	json_close(j);
}

/* A blocked packet, or the highest severity, is not to drown in alerts of less. */
static enum eve_class alert_class(const struct blob_rule *rule, bool blocked)
{
	return blocked || rule->priority == 1 ? EVE_CLASS_URGENT : EVE_CLASS_ALERT;
}

static bool try_alert(struct eve *eve, const struct eve_packet *ep, const struct blob *b,
		      const struct blob_rule *rule, bool blocked, bool metadata)
{
	struct json *j = eve_begin(eve, "alert", ep->now_ns);

	put_packet(j, ep);
	put_alert(j, b, rule, blocked, metadata);
	return eve_end(eve, alert_class(rule, blocked));
}

bool eve_alert(struct eve *eve, const struct eve_packet *ep, const struct blob *b,
	       const struct blob_rule *rule, bool blocked)
{
	if (!eve_admit(eve, alert_class(rule, blocked)))
		return true;
	if (try_alert(eve, ep, b, rule, blocked, true))
		return true;
	/* Better without its metadata than not at all; the same event keeps its number. */
	eve->overflow--;
	--*eve->cfg.seq;
	return try_alert(eve, ep, b, rule, blocked, false);
}

static void put_drop_ip(struct json *j, const struct packet *p)
{
	if (p->ip_version == 4) {
		json_u64(j, "len", be16(p->ip + 2));
		json_u64(j, "tos", p->ip[1]);
		json_u64(j, "ttl", p->ttl);
		json_u64(j, "ipid", be16(p->ip + 4));
	} else if (p->ip_version == 6) {
		json_u64(j, "len", be16(p->ip + 4));
		json_u64(j, "tc", (be32(p->ip) >> 20) & 0xff);
		json_u64(j, "hoplimit", p->ttl);
		json_u64(j, "flowlbl", be32(p->ip) & 0xfffff);
	}
}

static void put_drop_upper(struct json *j, const struct packet *p)
{
	if (!p->l4)
		return;
	if (p->proto == PROTO_TCP) {
		json_u64(j, "tcpseq", be32(p->l4 + 4));
		json_u64(j, "tcpack", be32(p->l4 + 8));
		json_u64(j, "tcpwin", be16(p->l4 + 14));
		json_bool(j, "syn", p->tcp_flags & TCP_SYN);
		json_bool(j, "ack", p->tcp_flags & TCP_ACK);
		json_bool(j, "psh", p->tcp_flags & TCP_PSH);
		json_bool(j, "rst", p->tcp_flags & TCP_RST);
		json_bool(j, "urg", p->tcp_flags & TCP_URG);
		json_bool(j, "fin", p->tcp_flags & TCP_FIN);
		json_u64(j, "tcpres", p->l4[12] & 15);
		json_u64(j, "tcpurgp", be16(p->l4 + 18));
	} else if (p->proto == PROTO_UDP) {
		json_u64(j, "udplen", be16(p->l4 + 4));
	} else if (p->has_icmp) {
		json_u64(j, "icmp_id", be16(p->l4 + 4));
		json_u64(j, "icmp_seq", be16(p->l4 + 6));
	}
}

bool eve_drop(struct eve *eve, const struct eve_packet *ep, const struct blob *b,
	      const struct blob_rule *rule, const char *reason)
{
	struct json *j;

	if (!eve_admit(eve, EVE_CLASS_DROP))
		return true;
	j = eve_begin(eve, "drop", ep->now_ns);
	put_packet(j, ep);
	json_object(j, "drop");
	if (ep->packet->ip_version) {
		put_drop_ip(j, ep->packet);
		put_drop_upper(j, ep->packet);
	}
	json_str(j, "reason", reason);
	json_close(j);
	if (rule)
		put_alert(j, b, rule, true, false);
	return eve_end(eve, EVE_CLASS_DROP);
}

#define COUNTER(group_name, shown, member)                                                         \
	{                                                                                          \
		group_name, shown, offsetof(struct ids_stats, member)                              \
	}

/* Groups and names as in Suricata's stats; those of equal group stand together. */
static const struct {
	const char *group, *name;
	size_t offset;
} counters[] = {
	COUNTER("decoder", "pkts", pkts),
	COUNTER("decoder", "bytes", bytes),
	COUNTER("decoder", "invalid", invalid),
	COUNTER("decoder", "ipv4", ipv4),
	COUNTER("decoder", "ipv6", ipv6),
	COUNTER("decoder", "ethernet", ethernet),
	COUNTER("decoder", "arp", arp),
	COUNTER("decoder", "unknown_ethertype", unknown_link),
	COUNTER("decoder", "tcp", tcp),
	COUNTER("decoder", "udp", udp),
	COUNTER("decoder", "icmpv4", icmpv4),
	COUNTER("decoder", "icmpv6", icmpv6),
	COUNTER("decoder", "other_ip", other_ip),
	COUNTER("decoder", "vlan", vlan),
	COUNTER("decoder", "vlan_qinq", vlan_qinq),
	COUNTER("decoder", "fragments", fragments),
	COUNTER("decoder", "bad_checksum", bad_checksum),
	COUNTER("decoder", "tunnels", tunnels),
	COUNTER("defrag", "reassembled", rebuilt),
	COUNTER("defrag", "timeouts", defrag_timeouts),
	COUNTER("defrag", "no_room", defrag_full),
	COUNTER("flow", "total", flows),
	COUNTER("flow", "evicted", flows_evicted),
	COUNTER("flow", "not_looked_into", conversations_evicted),
	COUNTER("tcp", "segments_dropped", segments_dropped),
	COUNTER("detect", "alert", alerts),
	COUNTER("detect", "alert_queue_overflow", alert_queue_overflow),
	COUNTER("detect", "alerts_suppressed", alerts_suppressed),
	COUNTER("detect", "candidates", candidates),
	COUNTER("detect", "inspection_limit", inspection_limit),
	COUNTER("detect", "pcre_limit", pcre_limit),
	COUNTER("detect", "pending_overflow", pending_overflow),
	COUNTER("detect", "state_evicted", state_evicted),
	COUNTER("detect", "transactions_forgotten", transactions_forgotten),
	COUNTER("detect", "eve_overflow", eve_overflow),
	COUNTER("ips", "accepted", accepted),
	COUNTER("ips", "blocked", blocked),
};

bool eve_stats(struct eve *eve, const struct ids_stats *s, uint64_t start_ns, uint64_t now_ns)
{
	struct json *j = eve_begin(eve, "stats", now_ns);
	const char *group = NULL;

	json_object(j, "stats");
	json_u64(j, "uptime", now_ns > start_ns ? (now_ns - start_ns) / 1000000000 : 0);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		uint64_t value;

		if (!group || strcmp(group, counters[i].group) != 0) {
			if (group)
				json_close(j);
			group = counters[i].group;
			json_object(j, group);
		}
		memcpy(&value, (const char *)s + counters[i].offset, sizeof(value));
		json_u64(j, counters[i].name, value);
	}
	json_close(j);
	json_close(j);
	return eve_end(eve, EVE_CLASS_STATS);
}
