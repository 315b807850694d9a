/* What a failed VM entry leaves behind: all that the processor was given. The core fills it, the
 * sentry finds the violated rule in it (ids/sentry/explain.h). Pure. */
#pragma once

#include <stdint.h>
#include "arch/x86/vmx/control.h"

/* A VMCS has some 180 fields; what is beyond is left out. */
#define ENTRY_FIELDS 256

struct entry_field {
	uint64_t field, value; /* enum vmcs_field */
};

struct entry_record {
	uint32_t reason;    /* of the exit; 0: VMLAUNCH or VMRESUME itself failed */
	uint32_t error;	    /* VM-instruction error number then */
	uint32_t phys_bits; /* MAXPHYADDR */
	uint32_t count;
	struct vmx_caps caps;
	struct entry_field field[ENTRY_FIELDS];
};
