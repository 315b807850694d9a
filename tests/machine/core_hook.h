/* The VMCALL at which core-test.elf breaks something; #UD under the real core. */
#pragma once

#define HOOK_CALL 0x766967696c746573ull
