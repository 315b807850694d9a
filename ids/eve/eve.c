#include "ids/eve/eve.h"

void eve_init(struct eve *eve, const struct eve_config *cfg)
{
	eve->cfg = *cfg;
	eve->overflow = 0;
	eve->clock = (struct eve_clock){0};
}

bool eve_admit(struct eve *eve, enum eve_class cls)
{
	if (!eve->cfg.admit || eve->cfg.admit(eve->cfg.ctx, cls))
		return true;
	++*eve->cfg.seq;
	return false;
}

struct json *eve_begin(struct eve *eve, const char *event_type, uint64_t now_ns)
{
	char stamp[EVE_TIME_SIZE];

	eve_clock_time(&eve->clock, stamp, now_ns);
	json_begin(&eve->json, eve->line, sizeof(eve->line));
	json_str(&eve->json, "timestamp", stamp);
	json_str(&eve->json, "event_type", event_type);
	json_u64(&eve->json, "seq", ++*eve->cfg.seq);
	json_str(&eve->json, "host", eve->cfg.host);
	json_str(&eve->json, "boot", eve->cfg.boot);
	return &eve->json;
}

bool eve_end(struct eve *eve, enum eve_class cls)
{
	long len = json_end(&eve->json);

	if (len < 0) {
		eve->overflow++;
		return false;
	}
	eve->cfg.emit(eve->cfg.ctx, cls, eve->line, (size_t)len);
	return true;
}

void eve_fields(struct json *j, const struct eve_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct eve_field *f = &fields[i];

		switch (f->type) {
		case EVE_U64:
			json_u64(j, f->name, f->num);
			break;
		case EVE_HEX:
			json_hex(j, f->name, f->num);
			break;
		case EVE_BOOL:
			json_bool(j, f->name, f->num != 0);
			break;
		case EVE_STR:
			json_str(j, f->name, f->str);
			break;
		}
	}
}

bool ids_event_process(struct eve *eve, const struct eve_process *p, uint64_t now_ns)
{
	char stamp[EVE_TIME_SIZE];
	struct json *j;

	if (!eve_admit(eve, EVE_CLASS_PROCESS))
		return false;
	j = eve_begin(eve, "process", now_ns);
	json_object(j, "process");
	json_str(j, "action", p->action == EVE_PROCESS_GONE ? "gone" : "seen");
	json_hex(j, "cr3", p->cr3);
	json_u64(j, "cpu", p->cpu);
	eve_clock_time(&eve->clock, stamp, p->first_ns);
	json_str(j, "start", stamp);
	if (p->action == EVE_PROCESS_GONE) {
		json_u64(j, "switches", p->switches);
		eve_clock_time(&eve->clock, stamp, p->last_ns);
		json_str(j, "last", stamp);
		if (p->brief)
			json_bool(j, "short", true);
	}
	json_close(j);
	return eve_end(eve, EVE_CLASS_PROCESS);
}

static const char *const hv_action[EVE_HV_ACTIONS] = {
	[EVE_HV_START] = "start",   [EVE_HV_READY] = "ready", [EVE_HV_STATS] = "stats",
	[EVE_HV_LOST] = "lost",	    [EVE_HV_FAULT] = "fault", [EVE_HV_RESTART] = "restart",
	[EVE_HV_ACCESS] = "access", [EVE_HV_NET] = "net",     [EVE_HV_STOP] = "stop",
};

bool ids_event_hypervisor(struct eve *eve, enum eve_hv_action action,
			  const struct eve_field *fields, size_t count, const char *group,
			  const struct eve_field *group_fields, size_t group_count, uint64_t now_ns)
{
	struct json *j = eve_begin(eve, "hypervisor", now_ns);

	json_object(j, "hypervisor");
	json_str(j, "action", (unsigned)action < EVE_HV_ACTIONS ? hv_action[action] : "unknown");
	eve_fields(j, fields, count);
	if (group) {
		json_object(j, group);
		eve_fields(j, group_fields, group_count);
		json_close(j);
	}
	json_close(j);
	return eve_end(eve, EVE_CLASS_HYPERVISOR);
}
