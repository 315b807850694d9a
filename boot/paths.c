/* The next loader's paths. */
#include "boot/paths.h"

static const struct next_path known[] = {
	{"\\EFI\\debian\\shimx64.efi", false},
	{"\\EFI\\debian\\grubx64.efi", false},
	{"\\EFI\\systemd\\systemd-bootx64.efi", false},
	{"\\EFI\\Microsoft\\Boot\\bootmgfw.efi", false},
	{"\\vmlinuz.efi", true},
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

bool paths_next(const struct vigil_config *cfg, unsigned i, struct next_path *out)
{
	if (cfg->next[0]) {
		*out = (struct next_path){cfg->next, true};
		return i == 0;
	}
	if (i >= KNOWN)
		return false;
	*out = known[i];
	return true;
}

static unsigned lower(unsigned c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == '/' ? '\\' : c;
}

bool paths_same(const unsigned short *a, size_t a_len, const char *b)
{
	const unsigned short *end = a + a_len;
	bool start = true;

	for (;; start = false) {
		bool separator_a = false, separator_b = false;
		unsigned x, y;

		for (; a < end && lower(*a) == '\\'; a++)
			separator_a = true;
		for (; lower((unsigned char)*b) == '\\'; b++)
			separator_b = true;
		if (separator_a != separator_b && !start)
			return false;
		x = a < end ? lower(*a++) : 0;
		y = lower((unsigned char)*b);
		if (x != y || !x)
			return x == y;
		b++;
	}
}
