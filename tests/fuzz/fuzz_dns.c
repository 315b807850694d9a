/* Any octets as DNS over TCP (first octet even), or as datagrams. */
#include "tests/fuzz/app_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct app_world w;

	if (!size || !(data[0] & 1)) {
		fuzz_connection(data, size, 53);
		return 0;
	}
	app_world_open(&w, &fuzz_config, false, 40000, 53);
	for (size_t at = 1; at + 3 <= size;) {
		size_t want = (size_t)(data[at + 1] & 0x0f) << 8 | data[at + 2];
		size_t left = size - at - 3;

		want = want < left ? want : left;
		app_world_datagram(&w, data[at] & 1, data + at + 3, want);
		at += 3 + want;
	}
	app_world_end(&w);
	app_world_close(&w);
	return 0;
}
