#include "ids/eve/syscall.h"

static void put_denial(struct json *j, const struct eve_syscall *e)
{
	json_bool(j, "denied", e->denied);
	if (e->denied && e->err)
		json_str(j, "errno", e->err);
	else if (e->denied)
		json_u64(j, "errno", e->err_number);
}

static void put_body(struct json *j, const struct eve_syscall *e)
{
	if (e->abi) {
		json_u64(j, "nr", e->nr);
		json_str(j, "abi", e->abi);
	}
	json_str(j, "name", e->name);
	if (e->held) {
		json_u64(j, "held_back", e->held);
		json_u64(j, "held_back_denied", e->denied_held);
	} else {
		json_array(j, "args");
		for (uint32_t i = 0; i < e->arg_count; i++)
			json_str(j, NULL, e->args[i]);
		json_close(j);
		put_denial(j, e);
		if (e->unread)
			json_bool(j, "unread", true);
	}
	if (e->line) {
		json_u64(j, "line", e->line);
		json_strn(j, "rule", e->rule, e->rule_len);
	}
}

bool eve_syscall(struct eve *eve, const struct eve_syscall *e, uint64_t now_ns)
{
	enum eve_class cls = e->denied ? EVE_CLASS_URGENT : EVE_CLASS_PROCESS;
	struct json *j;

	if (!eve_admit(eve, cls))
		return false;
	j = eve_begin(eve, "syscall", now_ns);
	json_object(j, "syscall");
	put_body(j, e);
	json_close(j);
	if (e->process)
		e->process(e->ctx, j);
	return eve_end(eve, cls);
}
