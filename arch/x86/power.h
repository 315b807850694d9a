/* Reset of the platform. */
#pragma once

/* By the reset control register, the keyboard controller, at last a triple fault. Any context. */
__attribute__((noreturn)) void arch_reset(void);
