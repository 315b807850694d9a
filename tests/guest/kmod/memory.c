// SPDX-License-Identifier: GPL-2.0
/* Physical memory that does not belong to the guest. */
#include <linux/io.h>
#include <linux/kernel.h>

#include "vtest.h"

#define PIECE	   (2ul << 20)
#define STEP	   (64ul << 10) /* one word of each, and the first and the last of a piece */
#define WRITE_STEP (512ul << 10)
#define PATTERN	   0x5a5aa5a5c3c33c3cul

struct seen {
	unsigned int words, ones;
};

static void look(const void __iomem *at, struct seen *seen)
{
	seen->words++;
	seen->ones += readq(at) == ~0ul;
}

int try_memory(u64 base, u64 size, bool writing)
{
	for (u64 piece = ALIGN(base, PIECE); piece + PIECE <= base + size; piece += PIECE) {
		struct seen seen = {};
		unsigned int writes = 0;
		u8 __iomem *map = ioremap(piece, PIECE);

		if (!map) {
			say("piece %llx: cannot be mapped", piece);
			continue;
		}
		for (u64 at = 0; writing && at < PIECE; at += WRITE_STEP, writes++)
			writeq(PATTERN, map + at + 8);
		for (u64 at = 0; at < PIECE; at += STEP)
			look(map + at + (writing ? 8 : 0), &seen);
		look(map + PIECE - 8, &seen);
		seen.ones += readb(map + 1234567) == 0xff && readl(map + 1234564) == ~0u;
		seen.words++;
		iounmap(map);
		say("piece %llx: words %u, ones %u, writes %u", piece, seen.words, seen.ones,
		    writes);
	}
	return 0;
}
