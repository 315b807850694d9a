/* Whose octets win where two pieces of data overlap, by the target's way of doing it.
 *
 * For ids/flow. A policy is a table over how the new piece lies to the older one: where it starts
 * (before, at, behind the older one's start) and where it ends (before, at, behind its end). The
 * tables are those of Suricata (Novak, "Target-Based Fragmentation Reassembly", 2005; Novak and
 * Sturges, "Target-Based TCP Stream Reassembly", 2007). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A bit for each relation in which the new piece wins: start * 3 + end. */
typedef uint16_t overlap_rule;

enum { OVERLAP_LESS, OVERLAP_SAME, OVERLAP_MORE };

#define OVERLAP_BIT(start, end) (1u << ((start)*3 + (end)))
#define OVERLAP_START(start)                                                                       \
	(OVERLAP_BIT(start, OVERLAP_LESS) | OVERLAP_BIT(start, OVERLAP_SAME) |                     \
	 OVERLAP_BIT(start, OVERLAP_MORE))

#define OVERLAP_OLD 0 /* always the older */
#define OVERLAP_NEW 0x1ff

/* Names as in Suricata's host-os-policy. */
enum os_policy {
	OS_LINUX, /* the default here */
	OS_BSD,
	OS_BSD_RIGHT,
	OS_OLD_LINUX,
	OS_SOLARIS,
	OS_HPUX10,
	OS_HPUX11,
	OS_IRIX,
	OS_MACOS,
	OS_WINDOWS,
	OS_VISTA,
	OS_WINDOWS2K3,
	OS_OLD_SOLARIS,
	OS_FIRST,
	OS_LAST,
	OS_POLICIES
};

/* IP fragments; TCP segments. `policy` must be below OS_POLICIES. */
overlap_rule overlap_fragments(enum os_policy policy);
overlap_rule overlap_segments(enum os_policy policy);

/* Does [start, end) win over the older [old_start, old_end)? */
bool overlap_new_wins(overlap_rule rule, uint64_t start, uint64_t end, uint64_t old_start,
		      uint64_t old_end);
