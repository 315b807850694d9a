/* Line formatting against the C library's, which has the same subset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "hv/log.h"

#define SAME(...)                                                                                  \
	do {                                                                                       \
		char a_[300], b_[300];                                                             \
		size_t n_ = format_text(a_, sizeof(a_), __VA_ARGS__);                              \
		int m_ = snprintf(b_, sizeof(b_), __VA_ARGS__);                                    \
		assert_string_equal(a_, b_);                                                       \
		assert_int_equal(n_, m_);                                                          \
	} while (0)

static void test_same_as_libc(void **state)
{
	char out[32];

	(void)state;
	SAME("plain %% text");
	SAME("%s|%-10s|%c", "abc", "left", 'x');
	SAME("%d %d %d %5d|%05d|%d", 0, -1, 123456, -42, -42, (int)0x80000000);
	SAME("%u %x %08x %4x %u", 0u, 0xabcdefu, 0x12u, 1u, ~0u);
	SAME("%lu %lx %016lx %llu %llx %lld %ld", ~0ul, ~0ul, 1ul, ~0ull, 5ull, -5ll,
	     (long)(1ul << 63));
	SAME("%zu %02x:%02x.%u", sizeof(state), 1u, 0x1fu, 7u);
	SAME("%20lu|%020lu", 7ul, 7ul);
	/* Pointers: all 16 digits, unlike the C library's. */
	format_text(out, sizeof(out), "%p", (void *)0xabc);
	assert_string_equal(out, "0000000000000abc");
}

static size_t format_unchecked(char *out, size_t size, const char *fmt, ...)
{
	va_list args;
	size_t n;

	va_start(args, fmt);
	n = format_line(out, size, fmt, args);
	va_end(args);
	return n;
}

static void test_bounds(void **state)
{
	char out[8];

	(void)state;
	memset(out, '#', sizeof(out));
	assert_int_equal(format_text(out, 4, "%s", "abcdef"), 3);
	assert_string_equal(out, "abc");
	assert_int_equal(out[4], '#');
	assert_int_equal(format_text(out, 1, "abc"), 0);
	assert_int_equal(out[0], 0);
	out[0] = '#';
	assert_int_equal(format_text(out, 0, "abc"), 0);
	assert_int_equal(out[0], '#');
	assert_int_equal(format_text(out, sizeof(out), "%99d", 1), 7);
	assert_string_equal(out, "       ");
	format_unchecked(out, sizeof(out), "%s", (const char *)NULL);
	assert_string_equal(out, "(null)");
}

/* A conversion outside of the subset is shown as it stands, so that the mistake is seen. */
static void test_unknown_conversion(void **state)
{
	char out[32];

	(void)state;
	format_unchecked(out, sizeof(out), "a %f b", 1.0);
	assert_string_equal(out, "a %f b");
	format_unchecked(out, sizeof(out), "a %");
	assert_string_equal(out, "a %");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_libc),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_unknown_conversion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
