/* See explain.h. */
#include "ids/sentry/explain.h"

#include <stdio.h>

#include "ids/sentry/entry_check.h"

#define REASON_MSR_LOADING 34 /* basic exit reason (SDM volume 3, appendix C) */

/* A field that the CPU lacks reads as 0; the checker asks for none. */
static uint64_t recorded(void *ctx, enum vmcs_field field)
{
	const struct entry_record *record = ctx;
	for (uint32_t i = 0; i < record->count && i < ENTRY_FIELDS; i++) {
		if (record->field[i].field == field)
			return record->field[i].value;
	}
	return 0;
}

void explain_entry(const struct entry_record *record, char *out, size_t size)
{
	const struct entry_check check = {recorded, (void *)(uintptr_t)record, &record->caps,
					  record->phys_bits};
	char rule[160];
	const char *what = "invalid guest state";
	if (!record->reason)
		what = vm_instruction_error(record->error);
	else if ((record->reason & 0xffff) == REASON_MSR_LOADING)
		what = "loading of MSRs";
	int err = entry_check(&check, rule, sizeof(rule));
	snprintf(out, size, "%s: %s", what, err ? rule : "no violated rule found");
}
