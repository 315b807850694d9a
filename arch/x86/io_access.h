/* A port access of the guest that was intercepted. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct io_access {
	uint16_t port;
	uint8_t size; /* 1, 2 or 4 bytes */
	bool write;
	uint32_t value; /* written value; or to be filled by the handler, low `size` bytes count */
};
