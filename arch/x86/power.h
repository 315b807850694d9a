/* The end of a CPU's or the machine's work. Any context. */
#pragma once

/* Reset by the reset control register, the keyboard controller, at last a triple fault. */
__attribute__((noreturn)) void arch_reset(void);

/* This CPU does nothing any more. */
__attribute__((noreturn)) void arch_stop(void);

/* Print the machine's state for a panic, a line a call. */
void arch_panic_state(void (*print)(const char *fmt, ...));
