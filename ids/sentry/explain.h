/* Why a VM entry of the guest failed, in a sentence: the core's copy of the VMCS, held against the
 * rules of the SDM. Pure. */
#pragma once

#include <stddef.h>

#include "arch/x86/vmx/entry_record.h"

/* Write "what failed: the violated rule" to `out` (always 0-terminated, cut; size > 0). */
void explain_entry(const struct entry_record *record, char *out, size_t size);
