/* The alert channel's queues: whole lines, alerts first, room of their own, every loss counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/abi.h"
#include "ids/eve/channel.h"

struct fixture {
	struct channel ch;
	void *memory;
	uint64_t sent, lost[EVE_CLASSES];
	uint8_t ring[ABI_OUTPUT];
	struct channel_output out;
	char taken[64 * 1024];
	size_t taken_len;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->memory = malloc(channel_memory());
	channel_init(&f->ch, f->memory, &f->sent, f->lost);
	/* Indices that are about to wrap. */
	f->out = (struct channel_output){f->ring, ABI_OUTPUT, UINT32_MAX - 100, UINT32_MAX - 100};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	free(f->memory);
	free(f);
	return 0;
}

/* What the serial port does: take up to `max` bytes. */
static void take(struct fixture *f, uint32_t max)
{
	while (max-- && f->out.cons != f->out.prod)
		f->taken[f->taken_len++] = (char)f->ring[f->out.cons++ % ABI_OUTPUT];
	f->taken[f->taken_len] = 0;
}

static void test_order(void **state)
{
	struct fixture *f = *state;
	assert_true(channel_empty(&f->ch));
	assert_true(channel_put(&f->ch, EVE_CLASS_STATS, "stats", 5));
	assert_true(channel_put(&f->ch, EVE_CLASS_PROCESS, "process", 7));
	assert_true(channel_put(&f->ch, EVE_CLASS_ALERT, "alert1", 6));
	assert_true(channel_put(&f->ch, EVE_CLASS_HYPERVISOR, "hv", 2));
	assert_true(channel_put(&f->ch, EVE_CLASS_ALERT, "alert2", 6));
	assert_false(channel_empty(&f->ch));
	assert_int_equal(channel_pump(&f->ch, &f->out), 5);
	take(f, UINT32_MAX);
	assert_string_equal(f->taken, "alert1\nalert2\nhv\nprocess\nstats\n");
	assert_int_equal(f->sent, 5);
	assert_true(channel_empty(&f->ch));
}

/* A flood of alerts takes nothing from what is urgent. */
static void test_urgent(void **state)
{
	struct fixture *f = *state;
	char line[1000] = {0};

	memset(line, 'n', sizeof(line));
	while (channel_put(&f->ch, EVE_CLASS_ALERT, line, sizeof(line)))
		;
	assert_int_equal(f->lost[EVE_CLASS_ALERT], 1);
	assert_true(channel_admit(&f->ch, EVE_CLASS_URGENT));
	assert_true(channel_put(&f->ch, EVE_CLASS_URGENT, "needle", 6));
	channel_pump(&f->ch, &f->out);
	take(f, 7);
	assert_string_equal(f->taken, "needle\n");
	assert_int_equal(f->lost[EVE_CLASS_URGENT], 0);
}

/* A flood of alerts keeps most of the channel, and holds nobody back for ever. */
static void test_share(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < 60; i++)
		assert_true(channel_put(&f->ch, EVE_CLASS_ALERT, "a", 1));
	for (unsigned i = 0; i < 3; i++) {
		assert_true(channel_put(&f->ch, EVE_CLASS_STATS, "s", 1));
		assert_true(channel_put(&f->ch, EVE_CLASS_PROCESS, "p", 1));
	}
	/* In pieces, as the port takes them: the order is the same. */
	while (!channel_empty(&f->ch)) {
		channel_pump(&f->ch, &f->out);
		take(f, 7);
	}
	take(f, UINT32_MAX);
	unsigned place[128] = {0}, n = 0;
	for (size_t i = 0; i < f->taken_len; i += 2)
		if (f->taken[i] != 'a')
			place[n++] = (unsigned)(i / 2);
	assert_int_equal(n, 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(place[i], 8 + 9 * i);
		assert_int_equal(f->taken[2 * place[i]], i % 2 ? 's' : 'p');
	}
	assert_int_equal(f->sent, 66);
}

/* A full class takes no room of another, and everything is accounted for. */
static void test_flood(void **state)
{
	struct fixture *f = *state;
	char line[1000];
	unsigned stored = 0, tried = 0;
	memset(line, 'x', sizeof(line));
	for (; tried < 5000; tried++)
		stored += channel_put(&f->ch, EVE_CLASS_PROCESS, line, sizeof(line));
	assert_true(stored > 100 && stored < tried);
	assert_int_equal(f->lost[EVE_CLASS_PROCESS], tried - stored);
	assert_true(channel_room(&f->ch, EVE_CLASS_PROCESS) < sizeof(line));
	for (int i = 0; i < 200; i++)
		assert_true(channel_put(&f->ch, EVE_CLASS_ALERT, line, sizeof(line)));
	assert_int_equal(f->lost[EVE_CLASS_ALERT], 0);

	unsigned lines = 0;
	while (!channel_empty(&f->ch)) {
		lines += channel_pump(&f->ch, &f->out);
		assert_true(f->out.prod - f->out.cons <= ABI_OUTPUT);
		/* Only whole lines are there, whatever the reader took before. */
		assert_int_equal(f->ring[(f->out.prod - 1) % ABI_OUTPUT], '\n');
		f->taken_len = 0;
		take(f, 777);
	}
	assert_int_equal(lines, stored + 200);
	assert_int_equal(f->sent, lines);
}

/* Lines of all lengths come out as they went in, over many wraps of both rings. */
static void test_content(void **state)
{
	struct fixture *f = *state;
	char line[ABI_OUTPUT], want[ABI_OUTPUT + 1];
	uint32_t seed = 1;
	for (unsigned round = 0; round < 3000; round++) {
		seed = seed * 1664525 + 1013904223;
		size_t len = seed >> 8 & 1023;
		for (size_t i = 0; i < len; i++)
			line[i] = (char)('a' + (seed + i) % 26);
		memcpy(want, line, len);
		want[len] = '\n';
		want[len + 1] = 0;
		assert_true(channel_put(&f->ch, (enum eve_class)(round % EVE_CLASSES), line, len));
		assert_int_equal(channel_pump(&f->ch, &f->out), 1);
		f->taken_len = 0;
		take(f, UINT32_MAX);
		assert_string_equal(f->taken, want);
	}
}

/* The longest line that an output can ever hold passes, one longer is lost at once. */
static void test_longest(void **state)
{
	struct fixture *f = *state;
	static char line[ABI_OUTPUT + 1];
	memset(line, 'x', sizeof(line));
	assert_true(channel_put(&f->ch, EVE_CLASS_ALERT, "short", 5));
	assert_true(channel_put(&f->ch, EVE_CLASS_ALERT, line, ABI_OUTPUT - 1));
	assert_false(channel_put(&f->ch, EVE_CLASS_ALERT, line, ABI_OUTPUT));
	assert_int_equal(f->lost[EVE_CLASS_ALERT], 1);
	assert_true(channel_put(&f->ch, EVE_CLASS_DROP, "drop", 4));
	assert_int_equal(channel_pump(&f->ch, &f->out), 1);
	/* It waits for its room and is not overtaken. */
	assert_int_equal(channel_pump(&f->ch, &f->out), 0);
	take(f, 6);
	assert_int_equal(channel_pump(&f->ch, &f->out), 1);
	take(f, UINT32_MAX);
	assert_int_equal(f->taken_len, 6 + ABI_OUTPUT);
	assert_int_equal(channel_pump(&f->ch, &f->out), 1);
}

/* The next line moves as soon as the output is no fuller than channel_limit() says. */
static void test_limit(void **state)
{
	struct fixture *f = *state;
	static char line[6000];
	memset(line, 'x', sizeof(line));
	assert_int_equal(channel_limit(&f->ch, ABI_OUTPUT), ABI_OUTPUT);
	assert_true(channel_put(&f->ch, EVE_CLASS_STATS, line, 100));
	assert_true(channel_put(&f->ch, EVE_CLASS_ALERT, line, 5000));
	assert_int_equal(channel_limit(&f->ch, ABI_OUTPUT), ABI_OUTPUT - 5001);
	assert_int_equal(channel_pump(&f->ch, &f->out), 2);
	assert_true(channel_put(&f->ch, EVE_CLASS_ALERT, line, 6000));
	uint32_t limit = channel_limit(&f->ch, ABI_OUTPUT);
	take(f, f->out.prod - f->out.cons - limit - 1);
	assert_int_equal(channel_pump(&f->ch, &f->out), 0);
	take(f, 1);
	assert_int_equal(channel_pump(&f->ch, &f->out), 1);
}

/* A class without room for a common line admits none, and counts it. */
static void test_admit(void **state)
{
	struct fixture *f = *state;
	char line[500];
	memset(line, 'x', sizeof(line));
	while (channel_admit(&f->ch, EVE_CLASS_DROP))
		assert_true(channel_put(&f->ch, EVE_CLASS_DROP, line, sizeof(line)));
	assert_int_equal(f->lost[EVE_CLASS_DROP], 1);
	assert_true(channel_room(&f->ch, EVE_CLASS_DROP) < CHANNEL_LINE);
	assert_true(channel_admit(&f->ch, EVE_CLASS_ALERT));
	assert_int_equal(f->lost[EVE_CLASS_ALERT], 0);
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EVE_CLASSES; i++)
		assert_string_not_equal(channel_class_name((enum eve_class)i), "unknown");
	assert_string_equal(channel_class_name(EVE_CLASSES), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_urgent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_share, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_content, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_admit, setup, teardown),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
