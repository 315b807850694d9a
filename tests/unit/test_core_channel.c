/* The alert channel: whose line is written when, whatever the sentry puts into its ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hv/channel.c"

static char said[4 * ABI_OUTPUT];
static uint32_t said_len;
static struct abi_index ring_index;
static uint8_t ring[ABI_OUTPUT];
static volatile uint32_t low;

/* --- what the channel calls ---------------------------------------------------------------------
 */

bool uart_init(uint16_t base)
{
	return base != 0;
}

uint32_t uart_room(void)
{
	return UART_FIFO;
}

void uart_write(const uint8_t *bytes, uint32_t n)
{
	assert_true(said_len + n < sizeof(said));
	memcpy(said + said_len, bytes, n);
	said_len += n;
	said[said_len] = 0;
}

void uart_write_polled(const char *text, uint32_t len)
{
	uart_write((const uint8_t *)text, len);
}

int io_register(uint16_t base, uint32_t count, io_handler *handler, void *ctx)
{
	(void)base, (void)count, (void)handler, (void)ctx;
	return 0;
}

int timer_register(struct hv_timer *timer)
{
	(void)timer;
	return 0;
}

void timer_arm(struct hv_timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
}

uint64_t time_now(void)
{
	return 1;
}

uint64_t time_us(uint64_t us)
{
	return us;
}

void sentry_wake(uint64_t tsc)
{
	(void)tsc;
}

int counter_register(const char *name, const uint64_t *value)
{
	(void)name, (void)value;
	return 0;
}

int init_error(int err, const char *fmt, ...)
{
	(void)fmt;
	return err;
}

/* --- the two sides ------------------------------------------------------------------------------
 */

static void sentry_puts(const char *text)
{
	for (; *text; text++)
		ring[ring_index.prod++ % ABI_OUTPUT] = (uint8_t)*text;
}

static void core_logs(const char *text)
{
	channel_line(text, (uint32_t)strlen(text));
}

/* Let the timer fire `n` times. */
static void pump_times(uint32_t n)
{
	while (n-- && pump_timer.deadline) {
		pump_timer.deadline = 0;
		pump(&pump_timer);
	}
}

static int setup(void **state)
{
	static struct boot_info info = {.config.serial = 0x2f8};

	(void)state;
	assert_int_equal(channel_unit(&info), 0);
	log_prod = log_cons = out_cons = said_len = 0;
	source = SOURCE_NONE;
	line_broken = false;
	pump_timer.deadline = 0;
	said[0] = 0;
	ring_index = (struct abi_index){0};
	channel_attach(&ring_index, ring, &low);
	channel_go_async();
	return 0;
}

static void whole_lines(void **state)
{
	(void)state;
	sentry_puts("{\"first\":\"a line of more than one FIFO\"}\n{\"second\":2}\n");
	channel_kick();
	pump_times(1);
	core_logs("vigil: between\n");
	pump_times(100);
	assert_string_equal(said, "{\"first\":\"a line of more than one FIFO\"}\nvigil: between\n"
				  "{\"second\":2}\n");
}

/* It stops in the middle of a line, and does not die. */
static void stopped_line(void **state)
{
	(void)state;
	sentry_puts("{\"half");
	channel_kick();
	pump_times(100);
	assert_string_equal(said, "{\"half");
	core_logs("vigil: one\n");
	core_logs("vigil: two\n");
	pump_times(100);
	assert_string_equal(said, "{\"half\nvigil: one\nvigil: two\n");
	sentry_puts("{\"whole\":1}\n");
	channel_kick();
	pump_times(100);
	assert_string_equal(said, "{\"half\nvigil: one\nvigil: two\n{\"whole\":1}\n");
}

/* It never ends its line, and never stops. */
static void endless_line(void **state)
{
	uint32_t n;

	(void)state;
	for (n = 0; n < 3 * ABI_OUTPUT / 64; n++) {
		sentry_puts("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
		if (n == 1)
			core_logs("vigil: waits\n");
		channel_kick();
		pump_times(4);
	}
	assert_non_null(strstr(said, "\nvigil: waits\n"));
	assert_true(strstr(said, "\nvigil: waits\n") - said <= ABI_OUTPUT + UART_FIFO);
	assert_true(said_len > 2 * ABI_OUTPUT); /* and it goes on */
}

static void control_characters(void **state)
{
	(void)state;
	sentry_puts("\x1b[2J and \x7f in a line of the sentry's\n");
	channel_kick();
	pump_times(100);
	assert_string_equal(said, "?[2J and ? in a line of the sentry's\n");
}

/* Its index lies. */
static void lying_index(void **state)
{
	(void)state;
	ring_index.prod = ABI_OUTPUT + 1;
	core_logs("vigil: heard\n");
	pump_times(100);
	assert_string_equal(said, "vigil: heard\n");
	channel_reset_output();
	assert_int_equal(ring_index.prod, ring_index.cons);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whole_lines, setup),
		cmocka_unit_test_setup(stopped_line, setup),
		cmocka_unit_test_setup(endless_line, setup),
		cmocka_unit_test_setup(control_characters, setup),
		cmocka_unit_test_setup(lying_index, setup),
	};

	return cmocka_run_group_tests_name("core_channel", tests, NULL, NULL);
}
