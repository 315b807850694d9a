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

/* Memory of a module that was about to be initialized: its init part goes a while later. */
struct module_recent {
	uint64_t base, end, tsc;
};

#define MODULES_RECENT	  64u
#define MODULES_RECENT_MS 10000

struct module_table {
	uint32_t recent_at;
	struct module_recent recent[MODULES_RECENT];
	uint32_t count; /* places used, some of them free */
	struct module_copy module[MODULES_KNOWN];
};
