/* CR3-target values and the address space behind a CR3 write. */
#include "arch/x86/vmx/cr3_target.h"
#include "arch/x86/cpu.h"

/* Linux' page-table isolation: the user root is the page after the kernel root (8 KiB aligned), and
 * with PCIDs its PCID has bit 11 set as well. */
#define HALF_ROOT 0x1000ull
#define HALF_PCID 0x0800ull

/* Address and present bit of a table entry; NX, accessed and ignored bits may differ. */
#define ENTRY_SAME 0x000ffffffffff001ull
#define ENTRY_P	   1ull

uint64_t cr3_reserved(uint32_t phys_bits, bool lam)
{
	uint64_t reserved = ~0ull << phys_bits & ~CR3_NO_FLUSH;

	return lam ? reserved & ~(CR3_LAM_U48 | CR3_LAM_U57) : reserved;
}

/* What tells a user half from its kernel half. */
static uint64_t half_bits(bool pcide)
{
	return pcide ? HALF_ROOT | HALF_PCID : HALF_ROOT;
}

/* The kernel half's operand. */
static uint64_t fold(const struct cr3_pti *pti, uint64_t operand, bool pcide)
{
	uint64_t half = half_bits(pcide);

	return pti->folded && (operand & half) == half ? operand & ~half : operand;
}

/* Does this write look like the other half of the current space? Ask whether it is, but seldom: the
 * answer costs a comparison of two tables, and a guest can make such writes without end. */
__attribute__((noinline, cold)) static void detect(const struct cr3_cpu *cpu, struct cr3_pti *pti,
						   const struct cr3_config *cfg, uint64_t operand,
						   bool pcide)
{
	uint64_t half = half_bits(pcide);
	uint64_t kernel = operand & ~half & CR3_ROOT;
	uint32_t n;

	if (!cpu->valid || (operand ^ cpu->operand) != half)
		return;
	/* Both bits on the same side, or it is a mixture of two halves. */
	if ((operand & half) != half && (operand & half) != 0)
		return;
	n = __atomic_add_fetch(&pti->candidates, 1, __ATOMIC_RELAXED);
	if (n & (n - 1))
		return;
	pti->asked++;
	if (cfg->pair(cfg->ctx, kernel, kernel | HALF_ROOT))
		pti->folded = 1;
}

/* The operand comes first, or it would exit again for ever; then what is written most often: PTI
 * with PCIDs writes the no-flush values at each kernel entry and exit, the others after a TLB
 * flush. */
static void choose(struct cr3_cpu *cpu, const struct cr3_pti *pti, uint32_t max, uint64_t operand,
		   uint64_t kernel, bool pcide)
{
	uint64_t base = operand & ~CR3_NO_FLUSH;
	uint64_t other = kernel != base ? kernel : base | half_bits(pcide);
	uint32_t n = 0;

	cpu->target[n++] = operand;
	if (pti->folded)
		cpu->target[n++] = pcide ? other | CR3_NO_FLUSH : other;
	if (pcide) {
		cpu->target[n++] = operand ^ CR3_NO_FLUSH;
		if (pti->folded)
			cpu->target[n++] = other;
	}
	cpu->ntarget = n < max ? n : max;
}

enum cr3_event cr3_write(struct cr3_cpu *cpu, struct cr3_pti *pti, const struct cr3_config *cfg,
			 uint64_t operand, bool pcide)
{
	uint64_t base = operand & ~CR3_NO_FLUSH;
	uint64_t kernel, root;
	enum cr3_event event;

	if ((operand & cfg->reserved) || ((operand & CR3_NO_FLUSH) && !pcide))
		return CR3_FAULT;
	if (!pti->folded) {
		detect(cpu, pti, cfg, base, pcide);
		if (pti->folded)
			cpu->root = fold(pti, cpu->operand, pcide) & CR3_ROOT;
	}
	kernel = fold(pti, base, pcide);
	root = kernel & CR3_ROOT;
	event = cpu->valid && root == cpu->root ? CR3_SAME : CR3_SWITCHED;
	cpu->root = root;
	cpu->operand = base;
	cpu->valid = true;
	choose(cpu, pti, cfg->targets, operand, kernel, pcide);
	return event;
}

uint64_t cr3_emulate(uint64_t operand, bool pcide, bool *flush)
{
	*flush = !pcide || !(operand & CR3_NO_FLUSH);
	return operand & ~CR3_NO_FLUSH;
}

void cr3_reset(struct cr3_cpu *cpu, struct cr3_pti *pti)
{
	*cpu = (struct cr3_cpu){0};
	if (pti)
		*pti = (struct cr3_pti){0};
}

bool cr3_pti_pair(const uint64_t kernel[256], const uint64_t user[256])
{
	bool found = false;

	for (uint32_t i = 0; i < 256; i++) {
		if (!((kernel[i] | user[i]) & ENTRY_P))
			continue;
		if ((kernel[i] ^ user[i]) & ENTRY_SAME)
			return false;
		found = true;
	}
	return found;
}
