/* From rules that match to what is told and done. */
#include "ids/engine_impl.h"

#define SECOND 1000000000ull

/* May one more event be written in this second? */
static bool within_limit(struct ids *ids, struct limit *l, uint32_t *count, uint64_t now_ns)
{
	if (l->second != now_ns / SECOND) {
		l->second = now_ns / SECOND;
		l->alerts = 0;
		l->drops = 0;
	}
	if (*count >= ids->config.alerts_per_rule) {
		ids->stats.alerts_suppressed++;
		return false;
	}
	++*count;
	return true;
}

/* As Suricata names them. */
static const char *const app_names[APP_PROTOS] = {
	[APP_HTTP] = "http", [APP_DNS] = "dns", [APP_TLS] = "tls", [APP_FAILED] = "failed"};

static const char *app_name(const struct turn *turn)
{
	const struct flow *f = turn->ref.flow;
	enum app_proto proto = conv_proto(f);

	/* A datagram that is none of ours decides for both directions. */
	if (proto == APP_UNKNOWN && f && f->key.proto == PROTO_UDP)
		proto = conv_said(f, turn->ref.to_server);
	return app_names[proto];
}

static struct eve_packet about(const struct ids *ids, const struct turn *turn)
{
	return (struct eve_packet){.config = &ids->config,
				   .packet = turn->packet,
				   .flow = &turn->ref,
				   .now_ns = turn->now_ns,
				   .app_proto = app_name(turn)};
}

static void tell_alert(struct ids *ids, const struct turn *turn, uint32_t index, bool blocked)
{
	struct limit *l = &ids->limit[index];
	struct eve_packet ep = about(ids, turn);

	if (!within_limit(ids, l, &l->alerts, turn->now_ns))
		return;
	if (eve_alert(ids->eve, &ep, &ids->blob, &ids->blob.rule[index], blocked))
		ids->stats.alerts++;
	else
		ids->stats.eve_overflow++;
}

void engine_tell_drop(struct ids *ids, const struct turn *turn, const struct blob_rule *rule,
		      const char *reason)
{
	struct limit *l = rule ? &ids->limit[rule - ids->blob.rule] : &ids->flow_limit;
	struct eve_packet ep = about(ids, turn);

	/* What is made up is on no wire: its flow is dropped, and told with the next packet. */
	if (turn->made_up || !within_limit(ids, l, &l->drops, turn->now_ns))
		return;
	if (!eve_drop(ids->eve, &ep, &ids->blob, rule, reason))
		ids->stats.eve_overflow++;
}

/* Pass and drop hold for the rest of the flow when the rule speaks about the flow as a whole: only
 * of addresses and ports, or of an established stream's content, or of what is said in it
 * (Suricata's action scope). */
static bool holds_for_flow(const struct blob_rule *r, const struct flow_ref *ref, bool tx)
{
	if (!ref->flow)
		return false;
	return tx || (r->flags & (BLOB_RULE_IP_ONLY | BLOB_RULE_FLOW)) ||
	       ((r->flags & BLOB_RULE_STREAM) && ref->established);
}

void engine_act(struct ids *ids, const struct turn *turn, const struct matches *m, bool tx,
		enum ids_verdict *verdict)
{
	const struct blob_rule *dropped_by = NULL;

	for (uint32_t i = 0; i < m->count; i++) {
		const struct blob_rule *r = &ids->blob.rule[m->rule[i]];
		bool drop = (r->action == BLOB_DROP || r->action == BLOB_REJECT) && ids->config.ips;
		bool lasts = holds_for_flow(r, &turn->ref, tx);

		if (r->action == BLOB_PASS) {
			if (lasts)
				turn->ref.flow->action = FLOW_PASS;
			break;
		}
		if (drop && !dropped_by) {
			dropped_by = r;
			if (lasts)
				turn->ref.flow->action = FLOW_DROP;
		}
		if (!(r->flags & BLOB_RULE_NOALERT) && !m->silent[i])
			tell_alert(ids, turn, m->rule[i], drop);
	}
	if (!dropped_by)
		return;
	engine_tell_drop(ids, turn, dropped_by, "rules");
	*verdict = IDS_DROP;
}
