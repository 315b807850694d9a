/* What is wanted of the guest's BTF: the only structures, members and enumerators that kernel.h can
 * be asked for. One line for each; a name that a kernel does not have is simply not found.
 */
#pragma once

#include <stdint.h>

#define WANTED_STRUCTURES_MAX 128
#define WANTED_MEMBERS_MAX    512
#define WANTED_ENUMS_MAX      64

/* `members`: separated by spaces, each a path as for kernel_member(). For an enumeration: its
 * enumerators. */
struct wanted {
	const char *name, *members;
};

extern const struct wanted wanted_structures[], wanted_enums[];
extern const uint32_t wanted_structure_count, wanted_enum_count;
