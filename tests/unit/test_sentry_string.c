/* The sentry's memcpy, memmove and memset against the host's: all small lengths, all alignments,
 * overlaps both ways, nothing outside touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

void *sentry_memcpy(void *restrict to, const void *restrict from, size_t len);
void *sentry_memmove(void *to, const void *from, size_t len);
void *sentry_memset(void *to, int value, size_t len);

#define memcpy	sentry_memcpy
#define memmove sentry_memmove
#define memset	sentry_memset
#include "ids/sentry/string.c"
#undef memcpy
#undef memmove
#undef memset

#define SIZE 256

static uint8_t got[SIZE], want[SIZE], source[SIZE];

static void prepare(void)
{
	for (unsigned i = 0; i < SIZE; i++) {
		source[i] = (uint8_t)(i * 7 + 3);
		got[i] = want[i] = (uint8_t)(i ^ 0x5a);
	}
}

static void test_memcpy(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 100; len++) {
		for (size_t to = 0; to < 17; to++) {
			for (size_t from = 0; from < 17; from++) {
				prepare();
				memcpy(want + to, source + from, len);
				assert_ptr_equal(sentry_memcpy(got + to, source + from, len),
						 got + to);
				assert_memory_equal(got, want, SIZE);
			}
		}
	}
}

static void test_memmove(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 80; len++) {
		for (size_t to = 0; to < 80; to++) {
			prepare();
			memmove(want + to, want + 40, len);
			assert_ptr_equal(sentry_memmove(got + to, got + 40, len), got + to);
			assert_memory_equal(got, want, SIZE);
		}
	}
}

static void test_memset(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 100; len++) {
		for (size_t to = 0; to < 17; to++) {
			prepare();
			memset(want + to, 0x1c3, len);
			assert_ptr_equal(sentry_memset(got + to, 0x1c3, len), got + to);
			assert_memory_equal(got, want, SIZE);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memcpy),
		cmocka_unit_test(test_memmove),
		cmocka_unit_test(test_memset),
	};
	return cmocka_run_group_tests_name("sentry_string", tests, NULL, NULL);
}
