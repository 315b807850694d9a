/* Any octets as an HTTP connection. */
#include "tests/fuzz/app_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_connection(data, size, 80);
	return 0;
}
