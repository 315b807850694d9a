/* libFuzzer target: frames into net/stack with Vigil's own address on. Input: records of one byte
 * (port, time), two bytes of length, and the frame. */
#include <stdlib.h>
#include <string.h>

#include "net/stack/stack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[ABI_FRAME_SIZE];
static uint32_t now;

static bool inspect(void *ctx, enum abi_port from, const uint8_t *frame, size_t len)
{
	(void)ctx;
	return from == ABI_PORT_GUEST || frame[len - 1] != 0xdd;
}

static uint8_t *buffer(void *ctx)
{
	(void)ctx;
	return out;
}

static void send_frame(void *ctx, enum abi_port to, uint8_t *bytes, size_t len)
{
	(void)ctx;
	if (to >= ABI_PORTS || bytes != out || len < 60 || len > ABI_FRAME_MAX)
		abort();
}

static uint32_t now_ms(void *ctx)
{
	(void)ctx;
	return now;
}

static uint32_t random32(void *ctx)
{
	(void)ctx;
	return 4; /* chosen by the fuzzer's corpus: transaction numbers must be predictable */
}

static void log_text(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

static void assert_hit(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
	abort();
}

static const struct stack_ops ops = {
	.inspect = inspect,
	.buffer = buffer,
	.send = send_frame,
	.now_ms = now_ms,
	.random = random32,
	.log = log_text,
	.assert_failed = assert_hit,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct stack_config config = {
		.mac = {0xb0, 0xc4, 0x20, 0, 0, 1},
		.address = data[0] % 3,
		.prefix = 24,
		.addr = 0x0a4d0009,
		.gateway = 0x0a4d0001,
		.name = "fuzz",
	};
	if (stack_init(&ops, &config))
		abort();
	data++;
	size--;
	while (size >= 3) {
		enum abi_port port = (enum abi_port)(data[0] & 1);
		size_t len = (size_t)(data[1] & 7) << 8 | data[2];
		now += (uint32_t)(data[0] >> 1) * 50;
		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		/* As long as it is, so that the sanitizer sees a read behind its end. */
		uint8_t *frame = malloc(len + !len);
		memcpy(frame, data, len);
		enum abi_verdict verdict = stack_input(port, frame, len);
		if (verdict >= ABI_VERDICTS)
			abort();
		free(frame);
		stack_timers();
		data += len;
		size -= len;
	}
	return 0;
}
