/* Directory entries as they lie in a reader's memory: with everything that can be wrong there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "ids/proc/listing.h"

static uint8_t *buffer; /* of exactly its size, so that a step outside is seen */
static uint64_t size, used, readable;
static uint8_t bytes[LISTING_BUFFER];
static uint32_t told_pid[64], told_count;

static int read_buffer(void *ctx, uint64_t offset, void *dst, size_t len)
{
	(void)ctx;
	assert_true(offset <= size && len <= size - offset && len <= LISTING_BUFFER);
	if (offset + len > readable)
		return -EFAULT;
	memcpy(dst, buffer + offset, len);
	return 0;
}

static void told(void *ctx, uint32_t pid)
{
	(void)ctx;
	assert_true(told_count < 64);
	told_pid[told_count++] = pid;
}

static bool parse_at(uint64_t from, uint64_t to, uint64_t page, enum listing_format format)
{
	struct listing l = {.format = format,
			    .from = from,
			    .to = to,
			    .size = size,
			    .read = read_buffer,
			    .told = told,
			    .page = page,
			    .bytes = bytes};
	told_count = 0;
	return listing_parse(&l);
}

static bool parse(uint64_t from, uint64_t to)
{
	return parse_at(from, to, 0, LISTING_DIRENT64);
}

static void begin(uint64_t room)
{
	free(buffer);
	buffer = calloc(1, room);
	size = readable = room;
	used = 0;
}

/* An entry whose length is `more` than it needs. Returns where it lies. */
static uint64_t put(const char *name, uint64_t off, uint32_t more)
{
	uint64_t at = used;
	uint16_t len = (uint16_t)(((19 + strlen(name) + 1 + 7) & ~7ull) + more);
	assert_true(used + len <= size);
	memset(buffer + at, 0xaa, 8);
	memcpy(buffer + at + 8, &off, 8);
	memcpy(buffer + at + 16, &len, 2);
	strcpy((char *)buffer + at + 19, name);
	used += len;
	return at;
}

static void put_pid(uint32_t pid, uint64_t next)
{
	char name[16];
	snprintf(name, sizeof(name), "%u", pid);
	put(name, next + LISTING_PID, 0);
}

#define POS(pid) ((uint64_t)(pid) + LISTING_PID)

static void whole(void **state)
{
	(void)state;
	begin(4096);
	put(".", 1, 0);
	put("..", 2, 0);
	put("a-name-as-long-as-no-process-has-one-and-longer-than-the-window", 3, 0);
	put("0", 4, 0);
	put("12x", 5, 0);
	put("self", 257, 0);
	put("thread-self", POS(1), 0);
	put_pid(1, 20);
	put_pid(20, 4194304 - 1);
	put_pid(4194303, 4194304);
	assert_true(parse(0, LISTING_END));
	assert_int_equal(told_count, 3);
	assert_int_equal(told_pid[2], 4194303);
	/* Not where the file's position says. */
	assert_false(parse(0, LISTING_END + 1));
	assert_false(parse(0, POS(22)));
	/* Nothing new: the call before found nothing. */
	assert_true(parse(POS(9), POS(9)));
	assert_int_equal(told_count, 0);
}

/* The entry of the position where the batch begins may have gone: the next comes later. */
static void gaps(void **state)
{
	(void)state;
	begin(4096);
	put_pid(30, 40);
	put_pid(50, 60);
	assert_true(parse(POS(20), POS(60)));
	assert_int_equal(told_count, 2);
	assert_false(parse(POS(31), POS(60))); /* earlier than it may be */
}

/* Behind the batch lies the end of an earlier, longer one. */
static void stale(void **state)
{
	(void)state;
	begin(4096);
	for (uint32_t i = 0; i < 20; i++)
		put_pid(10 + i, 11 + i);
	used = 0;
	put_pid(40, 50);
	put_pid(50, 60);
	assert_true(parse(POS(40), POS(60)));
	assert_int_equal(told_count, 2);
	/* The last one is missing from the chain: what follows is not taken. */
	assert_false(parse(POS(40), POS(70)));
	assert_int_equal(told_count, 2);
	/* A filter has made the last but one longer: then it is what the user was told. */
	used = 0;
	put_pid(40, 50);
	put("50", POS(60), 24);
	memset(buffer + used, 0, size - used);
	assert_true(parse(POS(40), POS(70)));
	assert_int_equal(told_count, 2);
	/* That the rest can't be read is no filter's work. */
	readable = used;
	assert_false(parse(POS(40), POS(70)));
}

static void lies(void **state)
{
	(void)state;
	static const uint16_t lengths[] = {0, 1, 8, 16, 23, 25, 31, 0xffff, 0xfff8, 4096};
	for (uint32_t i = 0; i < 10; i++) {
		begin(4096);
		put_pid(1, 2);
		uint64_t at = used;
		put_pid(2, 3);
		memcpy(buffer + at + 16, &lengths[i], 2);
		assert_false(parse(POS(1), POS(4)));
		assert_true(told_count <= 2);
	}
	/* No order, no end, no name, a name without an end. */
	begin(4096);
	put_pid(5, 4);
	assert_false(parse(POS(1), POS(9)));
	begin(4096);
	put_pid(5, 5);
	assert_false(parse(POS(1), POS(9)));
	begin(4096);
	put("", POS(6), 0);
	assert_false(parse(POS(1), POS(9)));
	begin(24);
	put("1", POS(2), 0);
	memset(buffer + 19, '1', 5);
	assert_false(parse(POS(1), POS(2)));
	/* Buffers too short for anything. */
	for (uint64_t room = 1; room < 24; room++) {
		begin(room);
		assert_false(parse(0, 1));
	}
}

/* Entries across pages, and pages behind the last entry that are not there. */
static void pages(void **state)
{
	(void)state;
	for (uint64_t page = 0; page < 4096; page += 8) {
		begin(8192);
		for (uint32_t i = 0; i < 40; i++)
			put_pid(100000 + i, 100001 + i);
		/* Up to the end of the page in which the last one lies. */
		readable = ((page + used + 4095) & ~4095ull) - page;
		assert_true(parse_at(POS(100000), POS(100040), page, LISTING_DIRENT64));
		assert_int_equal(told_count, 40);
	}
}

/* A batch that never ends is given up. */
static void endless(void **state)
{
	(void)state;
	begin(4u << 20);
	for (uint64_t i = 1; used + 24 <= size; i++)
		put("x", i, 0);
	assert_false(parse(0, 1u << 30));
}

static int teardown(void **state)
{
	(void)state;
	free(buffer);
	buffer = NULL;
	return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		TEST(whole), TEST(gaps), TEST(stale), TEST(lies), TEST(pages), TEST(endless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
