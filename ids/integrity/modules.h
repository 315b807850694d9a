/* Modules that were seen in the kernel's list, or on their way into it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/integrity/integrity_impl.h"

#define MODULES_KNOWN 512u

struct module_copy {
	uint64_t va;	     /* of its struct module, 0: free */
	uint64_t base, size; /* of its text */
	uint64_t gpa;	     /* of `base` when it was seen, 0: not mapped then */
	uint32_t round;	     /* in which it was listed last */
	bool listed;	     /* ever */
	char name[56];
};

struct module_table {
	uint32_t count; /* places used, some of them free */
	struct module_copy module[MODULES_KNOWN];
};
