/* Any octets as a TLS connection. */
#include "tests/fuzz/app_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_connection(data, size, 443);
	return 0;
}
