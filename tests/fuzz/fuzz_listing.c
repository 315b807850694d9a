/* Directory entries of random content, read from a buffer that changes meanwhile.
 *
 * Input: format and flags, positions, the buffer's page offset, its bytes. Beyond the sanitizers it
 * checks that no byte outside of the buffer is asked for, and never across a page for more than one
 * entry; that the processes told come in order and lie between the positions; and that the work is
 * bounded by the buffer's size.
 */
#include <stdlib.h>
#include <string.h>

#include "ids/proc/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	const uint8_t *bytes;
	size_t size, page, holes, reads;
	uint64_t last, from, to;
};

static void check(int ok)
{
	if (!ok)
		abort();
}

static int read_buffer(void *ctx, uint64_t offset, void *dst, size_t len)
{
	struct fuzz *f = ctx;
	check(offset <= f->size && len <= f->size - offset && len <= LISTING_BUFFER);
	check(len <= 32 || (f->page + offset) / 4096 == (f->page + offset + len - 1) / 4096);
	check(f->reads++ <= f->size / 24 * 2 + 2);
	if (f->holes && f->reads % f->holes == 0)
		return -1;
	memcpy(dst, f->bytes + offset, len);
	return 0;
}

static void told(void *ctx, uint32_t pid)
{
	struct fuzz *f = ctx;
	uint64_t own = (uint64_t)pid + LISTING_PID;
	check(own > f->last && own >= f->from && own < f->to);
	f->last = own;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[LISTING_BUFFER];
	if (size < 16)
		return 0;
	struct fuzz f = {.size = size - 16, .page = data[1] * 16u, .holes = data[2] % 32};
	uint8_t *buffer = malloc(f.size ? f.size : 1);
	memcpy(buffer, data + 16, f.size);
	f.bytes = buffer;
	memcpy(&f.from, data + 4, 4);
	memcpy(&f.to, data + 8, 4);
	if (data[0] & 2)
		f.from = 0;
	if (data[0] & 4)
		f.to = LISTING_END;
	struct listing l = {.format = data[0] & 1 ? LISTING_DIRENT : LISTING_DIRENT64,
			    .from = f.from,
			    .to = f.to,
			    .size = f.size,
			    .ctx = &f,
			    .read = read_buffer,
			    .told = told,
			    .page = f.page,
			    .bytes = bytes};
	(void)listing_parse(&l);
	free(buffer);
	return 0;
}
