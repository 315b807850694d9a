#include "ids/flow/overlap.h"

/* Fragments: who starts first; or only what the new one covers wholly. */
#define FRAG_BSD       OVERLAP_START(OVERLAP_LESS)
#define FRAG_BSD_RIGHT (OVERLAP_START(OVERLAP_SAME) | OVERLAP_START(OVERLAP_MORE))
#define FRAG_LINUX     (OVERLAP_START(OVERLAP_LESS) | OVERLAP_START(OVERLAP_SAME))
#define FRAG_WINDOWS   OVERLAP_BIT(OVERLAP_LESS, OVERLAP_MORE)
#define FRAG_SOLARIS                                                                               \
	(OVERLAP_BIT(OVERLAP_LESS, OVERLAP_SAME) | OVERLAP_BIT(OVERLAP_LESS, OVERLAP_MORE))

/* Segments. */
#define TCP_BSD	  OVERLAP_START(OVERLAP_LESS)
#define TCP_LINUX (TCP_BSD | OVERLAP_BIT(OVERLAP_SAME, OVERLAP_MORE))
#define TCP_OLD_LINUX                                                                              \
	(TCP_BSD | OVERLAP_BIT(OVERLAP_SAME, OVERLAP_SAME) |                                       \
	 OVERLAP_BIT(OVERLAP_SAME, OVERLAP_MORE))
#define TCP_SOLARIS                                                                                \
	(OVERLAP_BIT(OVERLAP_LESS, OVERLAP_SAME) | OVERLAP_BIT(OVERLAP_LESS, OVERLAP_MORE) |       \
	 OVERLAP_BIT(OVERLAP_SAME, OVERLAP_SAME) | OVERLAP_BIT(OVERLAP_SAME, OVERLAP_MORE) |       \
	 OVERLAP_BIT(OVERLAP_MORE, OVERLAP_MORE))

static const struct {
	overlap_rule fragments, segments;
} rules[OS_POLICIES] = {
	[OS_LINUX] = {FRAG_LINUX, TCP_LINUX},	       [OS_BSD] = {FRAG_BSD, TCP_BSD},
	[OS_BSD_RIGHT] = {FRAG_BSD_RIGHT, TCP_BSD},    [OS_OLD_LINUX] = {FRAG_LINUX, TCP_OLD_LINUX},
	[OS_SOLARIS] = {FRAG_SOLARIS, TCP_SOLARIS},    [OS_HPUX10] = {FRAG_BSD, TCP_BSD},
	[OS_HPUX11] = {OVERLAP_OLD, TCP_SOLARIS},      [OS_IRIX] = {FRAG_BSD, TCP_BSD},
	[OS_MACOS] = {OVERLAP_OLD, TCP_BSD},	       [OS_WINDOWS] = {FRAG_WINDOWS, TCP_BSD},
	[OS_VISTA] = {FRAG_WINDOWS, OVERLAP_OLD},      [OS_WINDOWS2K3] = {FRAG_WINDOWS, TCP_BSD},
	[OS_OLD_SOLARIS] = {OVERLAP_OLD, TCP_SOLARIS}, [OS_FIRST] = {OVERLAP_OLD, OVERLAP_OLD},
	[OS_LAST] = {OVERLAP_NEW, OVERLAP_NEW},
};

overlap_rule overlap_fragments(enum os_policy policy)
{
	return rules[policy].fragments;
}

overlap_rule overlap_segments(enum os_policy policy)
{
	return rules[policy].segments;
}

static unsigned relation(uint64_t new, uint64_t old)
{
	if (new == old)
		return OVERLAP_SAME;
	return new < old ? OVERLAP_LESS : OVERLAP_MORE;
}

bool overlap_new_wins(overlap_rule rule, uint64_t start, uint64_t end, uint64_t old_start,
		      uint64_t old_end)
{
	return rule & OVERLAP_BIT(relation(start, old_start), relation(end, old_end));
}
