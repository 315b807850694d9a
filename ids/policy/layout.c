#include "ids/policy/layout.h"

_Static_assert(MEMBERS <= 32, "sets of members are words");

static const struct {
	const char *structure, *member;
	uint8_t size;
} members[MEMBERS] = {
#define M(name, structure, member, size) [MEMBER_##name] = {structure, member, size},
	POLICY_MEMBERS(M)
#undef M
};

static const struct {
	const char *name;
	int64_t usual;
} enums[ENUMS] = {
#define E(name, enumerator, usual) [ENUM_##name] = {enumerator, usual},
	POLICY_ENUMS(E)
#undef E
};

void layout_attach(struct policy_layout *l, const struct kernel *k, const struct procs *procs)
{
	l->kernel = k;
	l->space = kernel_space(k);
	l->procs = procs;
	l->missing = 0;
	for (unsigned m = 0; m < MEMBERS; m++) {
		l->offset[m] = kernel_offset(k, members[m].structure, members[m].member);
		if (l->offset[m] < 0)
			l->missing |= 1u << m;
	}
	for (unsigned e = 0; e < ENUMS; e++)
		if (kernel_enum(k, enums[e].name, &l->value[e]))
			l->value[e] = enums[e].usual;
}

bool layout_bytes(const struct policy_layout *l, uint64_t va, enum policy_member m, void *dst,
		  size_t size)
{
	return va && l->offset[m] >= 0 &&
	       gspace_read(l->space, va + (uint64_t)l->offset[m], dst, size) == 0;
}

bool layout_read(const struct policy_layout *l, uint64_t va, enum policy_member m, uint64_t *value)
{
	*value = 0;
	return layout_bytes(l, va, m, value, members[m].size);
}

bool layout_string(const struct policy_layout *l, uint64_t va, char *dst, size_t size)
{
	int len = va ? gspace_string(l->space, va, dst, size) : 0;

	if (len > 0 && (size_t)len < size - 1)
		return true;
	dst[0] = 0;
	return false;
}
