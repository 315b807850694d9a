#include "ids/eve/integrity.h"

static void put_word(struct json *j, const char *name, const char *word)
{
	if (word && *word)
		json_str(j, name, word);
}

bool eve_integrity(struct eve *eve, const struct eve_integrity *e, uint64_t now_ns)
{
	struct json *j;

	if (!eve_admit(eve, EVE_CLASS_URGENT))
		return false;
	j = eve_begin(eve, "integrity", now_ns);
	json_object(j, "integrity");
	json_str(j, "what", e->what);
	json_str(j, "action", e->action);
	put_word(j, "check", e->check);
	put_word(j, "reason", e->reason);
	if (e->address)
		json_hex(j, "address", e->address);
	put_word(j, "symbol", e->symbol);
	put_word(j, "module", e->module);
	put_word(j, "expected", e->expected);
	put_word(j, "found", e->found);
	if (e->held)
		json_u64(j, "held_back", e->held);
	json_close(j);
	if (e->process)
		e->process(e->ctx, j);
	return eve_end(eve, EVE_CLASS_URGENT);
}
