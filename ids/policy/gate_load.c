/* Code for the kernel: modules, kexec images, firmware, BPF. */
#include "ids/policy/hook.h"

/* Which gate a kind of data belongs to. False: none of ours (IMA's policy, certificates). */
static bool set_gate(const struct policy_layout *l, const enum policy_enum kind[4], uint64_t id,
		     struct policy_record *r)
{
	int64_t value = (int64_t)(uint32_t)id;

	if (value == l->value[kind[0]])
		r->gate = GATE_FIRMWARE;
	else if (value == l->value[kind[1]])
		r->gate = GATE_MODULE_LOAD;
	else if (value == l->value[kind[2]] || value == l->value[kind[3]])
		r->gate = GATE_KEXEC_LOAD;
	else
		return false;
	return true;
}

/* finit_module, kexec_file_load, request_firmware. */
bool decode_read_file(const struct policy_layout *l, const struct probe_hit *hit,
		      struct policy_record *r)
{
	static const enum policy_enum kind[4] = {ENUM_READ_FIRMWARE, ENUM_READ_MODULE,
						 ENUM_READ_KEXEC, ENUM_READ_INITRAMFS};

	if (!set_gate(l, kind, hit->arg[1], r))
		return false;
	decode_file(l, hit->arg[0], r);
	return true;
}

/* init_module, kexec_load, firmware from memory: no file is known, so one that a line asks for is
 * neither this nor that. */
bool decode_load_data(const struct policy_layout *l, const struct probe_hit *hit,
		      struct policy_record *r)
{
	static const enum policy_enum kind[4] = {ENUM_LOAD_FIRMWARE, ENUM_LOAD_MODULE,
						 ENUM_LOAD_KEXEC, ENUM_LOAD_INITRAMFS};

	if (!set_gate(l, kind, hit->arg[0], r))
		return false;
	record_unknown(r, FIELD_PATH);
	record_number(r, FIELD_FLAGS, r->number[FIELD_FLAGS] | FLAG_ANON);
	return true;
}

bool decode_bpf(const struct policy_layout *l, const struct probe_hit *hit, struct policy_record *r)
{
	uint32_t cmd = (uint32_t)hit->arg[0], type;

	r->gate = GATE_BPF;
	record_number(r, FIELD_CMD, cmd);
	/* The kind of program or map stands first in the kernel's copy of the arguments (union
	 * bpf_attr), which is on the caller's stack: only while the call is held. */
	if (hit->sync && (cmd == 0 || cmd == 5) && gspace_u32(l->space, hit->arg[1], &type) == 0)
		record_note(r, cmd == 5 ? "prog_type" : "map_type", NULL, type);
	return true;
}
