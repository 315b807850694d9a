#include <stdbool.h>
#include "arch/x86/string.h"
#include "arch/x86/uart.h"
#include "hv/channel.h"
#include "hv/counter.h"
#include "hv/io.h"
#include "hv/lock.h"
#include "hv/log.h"
#include "hv/sentry.h"
#include "hv/timer.h"
#include "hv/unit.h"

#define LOG_RING   8192	   /* bytes, a power of two */
#define PUMP_US	   1400	   /* a FIFO of 16 bytes lasts 1.39 ms at 115,200 baud */
#define DISCARD_US 1000	   /* without a UART: until the sentry may put more */
#define DRAIN_US   3000000 /* for both rings: 1.4 s at 115,200 baud */
#define UART_PORTS 8
#define UART_LSR   5	/* line status register (PC16550D data sheet, 8.6.3) */
#define LSR_IDLE   0x60 /* THRE and TEMT */

enum source { SOURCE_NONE, SOURCE_LOG, SOURCE_SENTRY };

static struct spinlock lock;
static char log_ring[LOG_RING];
static uint32_t log_prod, log_cons;
static struct abi_index *out_index;
static const uint8_t *out_ring;
static const volatile uint32_t *out_low;
static uint32_t out_cons;  /* our own copy: the shared one is for the sentry to read */
static enum source source; /* whose line is being written */
static bool line_broken;   /* the sentry left a line unfinished: end it before anything else */
static uint32_t line_len;  /* bytes of the sentry's line so far */
static bool async;
static bool present;
static uint64_t bytes_written, log_lines_lost;

static void pump(struct hv_timer *timer);
static struct hv_timer pump_timer = {.fn = pump};

static uint32_t sentry_bytes(void)
{
	uint32_t n;

	if (!out_index)
		return 0;
	n = __atomic_load_n(&out_index->prod, __ATOMIC_ACQUIRE) - out_cons;
	return n > ABI_OUTPUT ? 0 : n; /* a lying index has nothing to say */
}

/* The next byte to write; false: nothing waits. Called with the lock.
 *
 * The sentry puts whole lines into its ring, shorter than the ring. A line that stops in the
 * middle, or never ends, is a broken rule, and must not keep the core's own lines waiting. */
static bool next_byte(uint8_t *byte)
{
	if (source == SOURCE_SENTRY && log_prod != log_cons &&
	    (!sentry_bytes() || line_len >= ABI_OUTPUT))
		line_broken = true;
	if (line_broken) {
		line_broken = false;
		line_len = 0;
		source = SOURCE_NONE;
		*byte = '\n';
		return true;
	}
	if (source == SOURCE_NONE)
		source = log_prod != log_cons ? SOURCE_LOG
			 : sentry_bytes()     ? SOURCE_SENTRY
					      : SOURCE_NONE;
	if (source == SOURCE_LOG && log_prod != log_cons)
		*byte = (uint8_t)log_ring[log_cons++ % LOG_RING];
	else if (source == SOURCE_SENTRY && sentry_bytes()) {
		*byte = out_ring[out_cons++ % ABI_OUTPUT];
		line_len++;
		__atomic_store_n(&out_index->cons, out_cons, __ATOMIC_RELEASE);
	} else
		return false;
	if (*byte == '\n') {
		source = SOURCE_NONE;
		line_len = 0;
	} else if (*byte < 0x20 || *byte == 0x7f) {
		*byte = '?'; /* JSON escapes them; none reaches a terminal, whoever wrote it */
	}
	return true;
}

/* Any byte below 0x20, or 0x7f, among eight? */
static bool any_control(uint64_t bytes)
{
	const uint64_t ones = 0x0101010101010101ull, high = 0x80 * ones;
	uint64_t below = (bytes - 0x20 * ones) & ~bytes, x = bytes ^ 0x7f * ones;

	return (below | ((x - ones) & ~x)) & high;
}

/* A FIFO's worth from within a line of the sentry's, as nearly always; false: byte by byte. Called
 * with the lock. */
static bool next_fifo(uint8_t *bytes)
{
	uint32_t at = out_cons % ABI_OUTPUT;
	uint64_t words[UART_FIFO / 8];

	if (source == SOURCE_LOG || line_broken || at > ABI_OUTPUT - UART_FIFO ||
	    sentry_bytes() < UART_FIFO ||
	    ((source == SOURCE_NONE || line_len >= ABI_OUTPUT) && log_prod != log_cons))
		return false;
	__builtin_memcpy(words, out_ring + at, sizeof(words));
	if (any_control(words[0]) || any_control(words[1]))
		return false;
	__builtin_memcpy(bytes, words, sizeof(words));
	line_len += UART_FIFO;
	source = SOURCE_SENTRY;
	out_cons += UART_FIFO;
	__atomic_store_n(&out_index->cons, out_cons, __ATOMIC_RELEASE);
	return true;
}

static bool waiting(void)
{
	return line_broken || log_prod != log_cons || sentry_bytes();
}

static void pump(struct hv_timer *timer)
{
	uint8_t bytes[UART_FIFO];
	uint32_t n = 0, room;
	bool more, low;

	(void)timer;
	spin_lock(&lock);
	room = uart_room();
	if (room == UART_FIFO && next_fifo(bytes))
		n = UART_FIFO;
	else
		while (n < room && next_byte(&bytes[n]))
			n++;
	uart_write(bytes, n);
	bytes_written += n;
	more = waiting();
	low = out_low && sentry_bytes() < *out_low;
	spin_unlock(&lock);
	if (low)
		sentry_wake(time_now());
	if (more)
		timer_arm(&pump_timer, time_now() + time_us(PUMP_US));
}

void channel_kick(void)
{
	if (!present && out_index) { /* no UART: what is said is dropped, and not waited for */
		out_cons = __atomic_load_n(&out_index->prod, __ATOMIC_ACQUIRE);
		__atomic_store_n(&out_index->cons, out_cons, __ATOMIC_RELEASE);
		if (*out_low)
			sentry_wake(time_now() + time_us(DISCARD_US));
	}
	if (present && async && !pump_timer.deadline && waiting())
		timer_arm(&pump_timer, time_now() + time_us(PUMP_US));
}

void channel_line(const char *text, uint32_t len)
{
	if (!present)
		return;
	if (!async) {
		uart_write_polled(text, len);
		return;
	}
	spin_lock(&lock);
	if (LOG_RING - (log_prod - log_cons) < len) {
		log_lines_lost++;
	} else {
		for (uint32_t i = 0; i < len; i++)
			log_ring[log_prod++ % LOG_RING] = text[i];
	}
	spin_unlock(&lock);
	channel_kick();
}

void channel_attach(struct abi_index *index, const uint8_t *ring, const volatile uint32_t *low)
{
	out_index = index;
	out_ring = ring;
	out_low = low;
}

void channel_go_async(void)
{
	async = true;
}

void channel_reset_output(void)
{
	spin_lock(&lock);
	if (source == SOURCE_SENTRY)
		line_broken = true;
	/* Lines that were put there whole are still good and go out; an unfinished one can't be in
	 * the ring, because `prod` moves by whole lines, unless the sentry broke the rule. */
	if (source == SOURCE_SENTRY && sentry_bytes())
		line_broken = false;
	/* An index that lies would leave the next life without a voice. */
	if (__atomic_load_n(&out_index->prod, __ATOMIC_ACQUIRE) - out_cons > ABI_OUTPUT)
		__atomic_store_n(&out_index->prod, out_cons, __ATOMIC_RELEASE);
	__atomic_store_n(&out_index->cons, out_cons, __ATOMIC_RELEASE);
	spin_unlock(&lock);
}

void channel_drain(void)
{
	uint64_t end =
		time_now() + time_us(DRAIN_US); /* a line that takes nothing must not stop us */

	if (!present)
		return;
	for (uint32_t i = 0; i < LOG_RING + ABI_OUTPUT; i++) {
		uint8_t byte;

		if (time_now() > end || !next_byte(&byte))
			return;
		uart_write_polled((const char *)&byte, 1);
	}
}

/* The guest's OS finds no UART at the channel's ports: all ones, which no probe takes for one. A
 * driver of the firmware may know it already, and must neither read input for ever nor wait for
 * room: the line status says "no data, transmitter empty". */
static void hidden_ports(void *ctx, struct io_access *access)
{
	(void)ctx;
	if (!access->write)
		access->value = (access->port & 7) == UART_LSR ? LSR_IDLE : 0xffffffff;
}

static int channel_unit(struct boot_info *info)
{
	uint16_t base = info->config.serial;
	int err;

	if (!base)
		return 0;
	if (!uart_init(base))
		return 0; /* no such UART: Vigil works on without a channel; boot/ has said so */
	present = true;
	err = io_register(base, UART_PORTS, hidden_ports, NULL);
	if (err < 0)
		return init_error(err, "the channel's ports 0x%x can't be taken", base);
	err = timer_register(&pump_timer);
	err = err ?: counter_register("channel.bytes", &bytes_written);
	return err ?: counter_register("channel.log_lines_lost", &log_lines_lost);
}

UNIT(30, channel, channel_unit);
