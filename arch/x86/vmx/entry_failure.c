/* A VM entry that failed. Its rules (SDM volume 3, chapter 27) are known to the sentry, so the core
 * copies what the processor was given, and panics with the sentence that it gets back; or with the
 * bare fields, when the sentry can't be asked. */
#include "arch/x86/cpu.h"
#include "arch/x86/upcall.h"
#include "arch/x86/vmx/entry_record.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/abi.h"
#include "hv/panic.h"

void vmx_resume_failed(struct vcpu *v);

_Static_assert(sizeof(struct entry_record) <= ABI_RECORD_SIZE, "hv/abi.h");

static struct entry_record record;
static bool unexplained;

/* Every field that this CPU has. VMREAD of another one fails, without a fault, and is left out
 * (TRAPS 8). Encodings: see vmcs.h; no index is above 63 (appendix B). */
static void take_record(uint32_t reason)
{
	record = (struct entry_record){
		.reason = reason,
		.error = (uint32_t)vmread(VMCS_INSTRUCTION_ERROR), /* a failed VMREAD changes it */
		.phys_bits = vmx.phys_bits,
		.caps = vmx.caps,
	};
	for (uint32_t i = 0; i < 16 * 64 && record.count < ENTRY_FIELDS; i++) {
		uint32_t width = i >> 8, role = i >> 6 & 3, index = i & 63;
		uint64_t value, field = width << 13 | role << 10 | index << 1;

		if (!vmread_checked((uint32_t)field, &value))
			record.field[record.count++] = (struct entry_field){field, value};
	}
}

void entry_failed(uint32_t reason)
{
	bool sentry = this_vcpu()->in_sentry;
	char text[160];

	take_record(reason);
	if (!sentry && upcall_explain(&record, sizeof(record), text, sizeof(text)))
		panic("VM-entry failure: %s", text);
	unexplained = true;
	panic("VM-entry failure of the %s: exit reason %x, VM-instruction error %u",
	      sentry ? "sentry" : "guest", reason, record.error);
}

/* Four a line; the last one is filled up with zeros. */
void entry_print_fields(void (*print)(const char *fmt, ...))
{
	const struct entry_field *f = record.field, *end = f + record.count;

	for (; unexplained && f < end; f += 4)
		print("vigil:   %lx=%lx %lx=%lx %lx=%lx %lx=%lx", f[0].field, f[0].value,
		      f[1].field, f[1].value, f[2].field, f[2].value, f[3].field, f[3].value);
}

void vmx_resume_failed(struct vcpu *v)
{
	(void)v;
	entry_failed(0);
}
