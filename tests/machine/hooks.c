/* Hooked functions: what the guest's code does there, with all that it may have put at the site,
 * and with a hook that goes away at the worst moment (core_hook.c sets and removes them). */
#include "tests/machine/core_hook.h"
#include "tests/machine/machine.h"

#define TEXT  0x4000000ull	    /* a region of 2 MiB that nothing uses */
#define ALIAS 0xffff800000000000ull /* of all memory, where a kernel would be */
#define SITE  0x100u
#define OTHER 0x200u /* what the site may call: EBX + 1 */

static volatile uint8_t *const text = (volatile uint8_t *)(ALIAS + TEXT);

static uint64_t ask(enum hook_op op)
{
	uint64_t result = HOOK_CALL;

	__asm__ volatile("vmcall"
			 : "+a"(result)
			 : "D"(op), "S"(ALIAS + TEXT + SITE), "d"(TEXT + SITE)
			 : "memory");
	return result;
}

/* By whole words, as a kernel changes its text. */
static void put(uint32_t off, uint64_t word)
{
	*(volatile uint64_t *)(text + off) = word;
}

/* Go to text + off, as by a call: the vector, or NO_FAULT. EBX comes back in `ebx`. */
static uint32_t call(uint32_t off, uint64_t *ebx)
{
	uint64_t b = 0;
	uint32_t vector = PROBE("call *%1", "+b"(b), INS("r"(text + off), "c"(SEL_DATA)), "rax");

	*ebx = b;
	return vector;
}

/* The same, which must go well: EBX, or ~0. */
static uint64_t value_of(uint32_t off)
{
	uint64_t ebx;

	return call(off, &ebx) == NO_FAULT ? ebx : ~0ull;
}

#define NOP5   0x0000441f0full
#define CALL   (0xe8ull | (uint64_t)(OTHER - SITE - 5) << 8)
#define RET    (0xc3ull << 40)
#define VMCALL 0xc1010full

void test_main(void)
{
	uint64_t ebx;

	page_root[256] = page_root[0];
	put(SITE - 8, 0xd18eull << 48); /* MOV SS, ECX just before the site */
	put(SITE, NOP5 | RET);
	put(OTHER, 0xc3c3ffull); /* INC EBX; RET */
	CHECK_EQ("plain", value_of(SITE), 0);
	CHECK_EQ("set", ask(HOOK_SET), 0);
	CHECK_EQ("nop", value_of(SITE), 0);
	CHECK_EQ("nop-hit", ask(HOOK_COUNT), 1);
	CHECK_EQ("unseen", *(volatile uint64_t *)(text + SITE), NOP5 | RET);
	CHECK_EQ("unhooked-function", value_of(OTHER), 1);
	put(OTHER, 0xc3c3ffc3ffull);
	CHECK_EQ("text-changed", value_of(OTHER), 2);
	put(SITE, CALL | RET);
	CHECK_EQ("call", value_of(SITE), 2);
	CHECK_EQ("call-hit", ask(HOOK_COUNT), 2);
	__asm__ volatile("sti");
	CHECK_EQ("call-interrupts-on", value_of(SITE), 2);
	/* It blocks interrupts for one instruction, and so do we: both at once is no guest state.
	 */
	CHECK_EQ("call-behind-mov-ss", value_of(SITE - 2), 2);
	__asm__ volatile("cli");
	CHECK_EQ("calls-hit", ask(HOOK_COUNT), 4);
	put(SITE, VMCALL | RET);
	CHECK_EQ("own-vmcall", call(SITE, &ebx), VECTOR_UD);
	put(SITE, NOP5 | RET);
	CHECK_EQ("nop-again", value_of(SITE), 0);
	/* Removed while the hit is told, and between the VMCALL and the look at it. */
	CHECK_EQ("remove-at-hit", ask(HOOK_CLEAR_AT_HIT), 0);
	CHECK_EQ("removed-at-hit", value_of(SITE), 0);
	CHECK_EQ("set-again", ask(HOOK_SET), 0);
	put(SITE, CALL | RET);
	CHECK_EQ("remove-at-exit", ask(HOOK_CLEAR_AT_EXIT), 0);
	CHECK_EQ("removed-at-exit", value_of(SITE), 2);
	CHECK_EQ("unhooked", value_of(SITE), 2);
	put(SITE, VMCALL | RET);
	CHECK_EQ("stray-vmcall", call(SITE, &ebx), VECTOR_UD);
	CHECK_EQ("all-hits", ask(HOOK_COUNT), 7);
}
