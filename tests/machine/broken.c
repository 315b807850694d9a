/* Vigil's own end: see core_hook.c. */
#include "tests/machine/core_hook.h"
#include "tests/machine/machine.h"

void test_main(void)
{
	note("breaking");
	__asm__ volatile("vmcall" : : "a"(HOOK_CALL) : "memory");
	note("goes on");
}
