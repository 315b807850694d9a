/* A call at a gate, decoded: which gate, and the fields that lines match and events show.
 *
 * A field is known (`has`), unreadable (`unknown`: it exists, but the guest's memory did not give
 * it), or the call has none of it. For ids/policy.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/guest/probe.h"
#include "ids/policy/gate.h"
#include "ids/policy/layout.h"

#define RECORD_PATH  1024
#define RECORD_NOTES 3

struct policy_record {
	enum policy_gate gate;
	uint32_t has, unknown; /* FIELD_BIT */
	uint64_t number[FIELDS];
	const char *text[FIELDS]; /* may point into this record */
	uint8_t addr[16];	  /* as the blob has them: IPv4 is ::ffff:a.b.c.d */
	/* What events show and no line matches. */
	struct {
		const char *name;
		const char *text; /* NULL: the number */
		uint64_t number;
	} note[RECORD_NOTES];
	uint32_t notes;
	struct {
		bool compat; /* by the 32-bit convention */
		uint32_t args;
		uint64_t arg[6];
	} syscall;

	bool called; /* record_caller() was here */
	struct task caller, leader, other;
	char path[RECORD_PATH];
	char dev[256], fstype[64], filename[256], parent[TASK_COMM_MAX];
};

static inline void record_number(struct policy_record *r, enum policy_field f, uint64_t value)
{
	r->number[f] = value;
	r->has |= FIELD_BIT(f);
	r->unknown &= ~FIELD_BIT(f);
}

static inline void record_text(struct policy_record *r, enum policy_field f, const char *text)
{
	r->text[f] = text;
	r->has |= FIELD_BIT(f);
	r->unknown &= ~FIELD_BIT(f);
}

static inline void record_unknown(struct policy_record *r, enum policy_field f)
{
	r->has &= ~FIELD_BIT(f);
	r->unknown |= FIELD_BIT(f);
}

/* A member of the structure at `va`, if it can be read. */
static inline void record_member(const struct policy_layout *l, struct policy_record *r,
				 enum policy_field f, uint64_t va, enum policy_member m)
{
	uint64_t value;

	if (layout_read(l, va, m, &value))
		record_number(r, f, value);
	else
		record_unknown(r, f);
}

static inline void record_note(struct policy_record *r, const char *name, const char *text,
			       uint64_t number)
{
	if (r->notes == RECORD_NOTES)
		return;
	r->note[r->notes].name = name;
	r->note[r->notes].text = text;
	r->note[r->notes++].number = number;
}

/* Fill the caller's fields and r->caller, once. For decoders that need them, and for all after. */
void record_caller(const struct policy_layout *l, const struct probe_hit *hit,
		   struct policy_record *r);
