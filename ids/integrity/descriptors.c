/* IDT and GDT: the tables that the registers point to, and what stands in them. */
#include <stdio.h>
#include <string.h>

#include "ids/integrity/cpu.h"

#define IDT_LIMIT     (IDT_GATES * 16 - 1)
#define IDT_LATE_MS   20000 /* a table that is never made read-only is taken as it is then */
#define GATES_TOLD    4	    /* in one look */
#define GATE_PRESENT  (1ull << 47)
#define GDT_TSS	      8 /* Linux: arch/x86/include/asm/segment.h, GDT_ENTRY_* */
#define GDT_LDT	      10
#define GDT_TLS_FIRST 12
#define GDT_TLS_LAST  14
#define TSS_BUSY      (1ull << 41)
#define DESC_S	      (1ull << 44) /* code or data */
#define DESC_DPL3     (3ull << 45)
#define DESC_TYPE     (0xfull << 40)
#define DESC_LDT      (2ull << 40)

void cpu_look_idt(struct check_run *run, struct cpu_base *base, const struct abi_cpu *now)
{
	struct cpu_state *st = run->state;

	/* Linux maps the table a second time, read-only, in the CPU entry area. */
	if (!cpu_same_memory(run->in, now->idt_base, st->idt))
		cpu_fault(run, base, FAULT_IDT, now->idt_base, st->idt, now->idt_base, "IDTR");
	else if (now->idt_limit != IDT_LIMIT)
		cpu_fault(run, base, FAULT_IDT, now->idt_base, IDT_LIMIT, now->idt_limit,
			  "IDTR's limit");
	else
		cpu_fine(run, base, FAULT_IDT);
}

/* --- gates ------------------------------------------------------------------------------------
 */

static uint64_t handler(const uint64_t gate[2])
{
	return (gate[0] & 0xffff) | (gate[0] >> 32 & 0xffff0000) | gate[1] << 32;
}

static void tell_gate(struct check_run *run, uint32_t nr, const uint64_t now[2], const char *reason)
{
	struct cpu_state *st = run->state;
	char was[INTEGRITY_TEXT], is[INTEGRITY_TEXT], symbol[KERNEL_NAME_MAX + 20], module[56];
	char place[INTEGRITY_TEXT];
	uint64_t va = handler(now);

	/* Gates may lead to one address: each is a place of its own. */
	integrity_name(run->in, va, symbol, module);
	snprintf(place, sizeof(place), "%s %u", reason, (unsigned)nr);
	const struct finding f = {
		.what = WHAT_IDT,
		.check = run->check->name,
		.reason = place,
		.address = st->idt + nr * 16ull,
		.symbol = symbol[0] ? symbol : "?",
		.module = module,
		.expected = integrity_value(was, handler(st->gate[nr])),
		.found = integrity_value(is, va),
	};
	if (handler(st->gate[nr]) == va) {
		integrity_hex(was, st->gate[nr], 16);
		integrity_hex(is, now, 16);
	}
	integrity_tell(run->in, &f);
}

/* The first picture: every handler is the kernel's own, if only of its start, as the early ones are
 * that stay where no interrupt ever comes. */
static void take_gates(struct check_run *run, uint64_t now[IDT_GATES][2])
{
	const struct kernel_image *image = kernel_image(run->in->k);
	struct cpu_state *st = run->state;

	memcpy(st->gate, now, sizeof(st->gate));
	st->idt_known = st->gates_odd = true;
	for (uint32_t i = 0; i < IDT_GATES; i++) {
		uint64_t va = handler(now[i]);
		if (now[i][0] & GATE_PRESENT && (va < image->base || va >= image->end)) {
			st->gate_told[i / 8] |= (uint8_t)(1u << i % 8);
			tell_gate(run, i, now[i], "not the kernel's: gate");
		}
	}
}

void cpu_look_gates(struct check_run *run)
{
	struct integrity *in = run->in;
	struct cpu_state *st = run->state;
	uint64_t now[IDT_GATES][2];
	uint32_t told = 0;
	struct gspace_at at;

	if (gspace_translate(kernel_space(in->k), st->idt, &at) ||
	    gmem_read(&in->ops.mem, at.gpa, now, sizeof(now)))
		return;
	if (!st->idt_known) {
		/* The kernel writes it until it makes it read-only. */
		if (!at.write || in->tsc - in->attached > integrity_ms(in, IDT_LATE_MS))
			take_gates(run, now);
		return;
	}
	bool odd = memcmp(now, st->gate, sizeof(now)) != 0;
	if (!odd && !st->gates_odd)
		return; /* as nearly always */
	st->gates_odd = odd;
	for (uint32_t i = 0; i < IDT_GATES && told < GATES_TOLD; i++) {
		uint8_t bit = (uint8_t)(1u << i % 8);
		bool same = memcmp(now[i], st->gate[i], sizeof(now[i])) == 0;
		if (same)
			st->gate_told[i / 8] &= (uint8_t)~bit;
		if (same || st->gate_told[i / 8] & bit)
			continue;
		st->gate_told[i / 8] |= bit;
		integrity_clear(in, WHAT_IDT, st->idt + i * 16ull);
		tell_gate(run, i, now[i], "gate");
		told++;
	}
}

/* --- the GDT ----------------------------------------------------------------------------------
 */

/* Entries of threads may hold segments of user mode. */
static bool tls_fits(uint64_t entry)
{
	return !entry || ((entry & DESC_S) && (entry & DESC_DPL3) == DESC_DPL3);
}

/* The first entry that is not as it has to be; GDT_WORDS: all are. */
static uint32_t wrong_entry(const struct cpu_base *base, const uint64_t now[GDT_WORDS])
{
	for (uint32_t i = 0; i < GDT_WORDS; i++) {
		bool good = now[i] == base->gdt[i];
		if (i == GDT_TSS)
			good = !((now[i] ^ base->gdt[i]) & ~TSS_BUSY);
		else if (i == GDT_LDT)
			good = !now[i] || (now[i] & (DESC_S | DESC_TYPE)) == DESC_LDT;
		else if (i == GDT_LDT + 1) /* the upper half of its address */
			good = true;
		else if (i >= GDT_TLS_FIRST && i <= GDT_TLS_LAST)
			good = tls_fits(now[i]);
		if (!good)
			return i;
	}
	return GDT_WORDS;
}

static void look_entries(struct check_run *run, struct cpu_base *base, uint64_t va)
{
	uint64_t now[GDT_WORDS];

	if (gspace_read(kernel_space(run->in->k), va, now, sizeof(now)))
		return;
	if (!base->gdt_known) {
		memcpy(base->gdt, now, sizeof(base->gdt));
		base->gdt_known = base->lstar_seen;
	}
	uint32_t i = wrong_entry(base, now);
	if (i < GDT_WORDS)
		cpu_fault(run, base, FAULT_GDT_ENTRY, va + i * 8ull, base->gdt[i], now[i],
			  "an entry of the GDT");
	else
		cpu_fine(run, base, FAULT_GDT_ENTRY);
}

void cpu_look_gdt(struct check_run *run, struct cpu_base *base, const struct abi_cpu *now)
{
	const struct cpu_state *st = run->state;
	uint64_t own = base->gdt_page;

	if (!own)
		own = kernel_percpu(run->in->k, "gdt_page", now->index);
	if (st->booted) /* where it lies is settled */
		base->gdt_page = own;
	/* Each CPU has its own, mapped a second time, read-only, in the CPU entry area. */
	if (own && !cpu_same_memory(run->in, now->gdt_base, own)) {
		cpu_fault(run, base, FAULT_GDT, now->gdt_base, own, now->gdt_base, "GDTR");
		return;
	}
	if (now->gdt_limit != GDT_WORDS * 8 - 1) {
		cpu_fault(run, base, FAULT_GDT, now->gdt_base, GDT_WORDS * 8 - 1, now->gdt_limit,
			  "GDTR's limit");
		return;
	}
	cpu_fine(run, base, FAULT_GDT);
	look_entries(run, base, now->gdt_base);
}
