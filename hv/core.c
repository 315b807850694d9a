#include "arch/x86/power.h"
#include "arch/x86/uart.h"
#include "hv/channel.h"
#include "hv/core.h"
#include "hv/counter.h"
#include "hv/errno.h"
#include "hv/log.h"
#include "hv/machine.h"
#include "hv/panic.h"
#include "hv/unit.h"

extern const struct unit __units_start[], __units_end[];

static struct boot_info *facts;
static uint64_t memory_block_kib, memory_pool_left_kib;

const struct boot_info *boot_facts(void)
{
	return facts;
}

int init_error(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	format_line(facts->message, sizeof(facts->message), fmt, args);
	va_end(args);
	return err;
}

int core_init(struct boot_info *info)
{
	if (info->magic != BOOT_INFO_MAGIC || info->version != BOOT_INFO_VERSION ||
	    info->size != sizeof(*info))
		return -EPROTO;
	facts = info;
	info->message[0] = 0;
	pages_init(info);
	for (const struct unit *u = __units_start; u < __units_end; u++) {
		int err = u->init(info);

		if (err) {
			if (!info->message[0])
				init_error(err, "%s: error %d", u->name, err);
			return err;
		}
	}
	memory_block_kib = info->block_size / 1024;
	memory_pool_left_kib = pages_left() * 4;
	counter_register("memory.block_kib", &memory_block_kib);
	counter_register("memory.pool_left_kib", &memory_pool_left_kib);
	log_info("core %s: block %lx, %lu KiB of which %lu KiB are free", VIGIL_VERSION,
		 info->block_base, memory_block_kib, memory_pool_left_kib);
	return 0;
}

static void panic_print(const char *fmt, ...)
{
	char line[256];
	va_list args;
	size_t n;

	va_start(args, fmt);
	n = format_line(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	line[n++] = '\n';
	uart_write_polled(line, (uint32_t)n);
}

void panic(const char *fmt, ...)
{
	static uint32_t panicking;
	char text[200];
	va_list args;

	if (__atomic_exchange_n(&panicking, 1, __ATOMIC_ACQ_REL))
		arch_stop(); /* another CPU, or this one again, is at it */
	va_start(args, fmt);
	format_line(text, sizeof(text), fmt, args);
	va_end(args);
	panic_print("");
	panic_print("vigil: panic: %s", text);
	arch_panic_state(panic_print);
	arch_stop();
}
