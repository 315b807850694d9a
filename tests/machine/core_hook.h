/* The VMCALL at which core-test.elf breaks something; #UD under the real core. */
#pragma once

#define HOOK_CALL 0x766967696c746573ull

/* With the name "hooks": RDI, which sets or removes hook 0 (RSI: virtual, RDX: physical address of
 * its site). RAX: what came of it. */
enum hook_op {
	HOOK_SET,
	HOOK_CLEAR_AT_HIT,  /* as soon as it is told */
	HOOK_CLEAR_AT_EXIT, /* before anybody has looked which VMCALL it was */
	HOOK_COUNT,	    /* hits so far */
};
