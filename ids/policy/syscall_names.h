/* Names of the guest's system calls, from the toolchain's <asm/unistd_64.h> and <asm/unistd_32.h>
 * (tools/build/syscall-names writes the tables). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* NULL: unknown. `compat`: by the 32-bit convention's numbers. */
const char *syscall_name(bool compat, uint32_t nr);
