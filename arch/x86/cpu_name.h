/* Texts about the machine, for the `start` event. At init. */
#pragma once

#include <stddef.h>

/* The processor's brand, and the hypervisor below us when there is one. Always 0-terminated. */
void arch_platform_name(char *out, size_t size);

/* Names of the VMX controls in use. Always 0-terminated. */
void arch_control_names(char *out, size_t size);
