/* Listings of /proc that say nothing, and those that do while everything changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/views_world.h"

#define OLD 40u

static uint64_t old[OLD], lister;
static uint32_t seed;

static uint32_t dice(uint32_t sides)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % sides;
}

static int setup(void **state)
{
	(void)state;
	world_open();
	for (uint32_t i = 0; i < OLD; i++)
		old[i] = world_fork(i + 1);
	lister = world_fork(99);
	world_run(600);
	seed = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(world->hidden, 0);
	assert_int_equal(views_stats(world->views).hidden, 0);
	world_close();
	return 0;
}

/* A listing is of no use: begun elsewhere, left, rewound, of two readers, stopped early. */
static void listings_of_no_use(void **state)
{
	(void)state;
	struct world_reader r = world_reader(lister, 200), other = world_reader(old[3], 200);
	uint64_t before = views_stats(world->views).listings;
	world->filter = FILTER_SKIP;
	world->filtered = 21;
	for (int i = 0; i < 4; i++) {
		/* Stops early. */
		world_put(r.file + F_POS, 0);
		for (int n = 0; n < 4; n++)
			world_getdents(&r);
		world_run(50);
		/* Goes on from the middle. */
		world_put(r.file + F_POS, 258 + 10);
		do
			world_getdents(&r);
		while (r.got > 0);
		world_run(50);
		/* Leaves out some. */
		world_put(r.file + F_POS, 0);
		world_getdents(&r);
		world_getdents(&r);
		world_put(r.file + F_POS, 258 + 30);
		do
			world_getdents(&r);
		while (r.got > 0);
		world_run(50);
		/* Two tasks read one file in turn. */
		world_put(other.task + T_FILE, r.file);
		struct world_reader shared = other;
		shared.file = r.file;
		world_put(r.file + F_POS, 0);
		do {
			world_getdents(&r);
			world_getdents(&shared);
		} while (shared.got > 0);
		world_run(50);
		world_put(other.task + T_FILE, other.file);
	}
	assert_int_equal(views_stats(world->views).listings, before);
	assert_int_equal(world->hidden, 0);
	/* Rewound and then read to the end: that counts, as one. */
	for (int i = 0; i < 3; i++)
		world_getdents(&r);
	world_list(&r);
	world_run(100);
	assert_int_equal(views_stats(world->views).listings, before + 1);
}

/* The reader writes over its buffer before the next call. */
static void buffer_changed(void **state)
{
	(void)state;
	struct world_reader r = world_reader(lister, 300);
	for (int i = 0; i < 20; i++) {
		world_put(r.file + F_POS, 0);
		do {
			world_getdents(&r);
			uint32_t from = dice(300), to = from + dice(300 - from);
			memset(world->user + (r.buffer & 0xfffff) + from, (int)dice(256),
			       to - from);
		} while (r.got > 0);
		world_run(50);
	}
	assert_true(views_stats(world->views).listings_dropped > 5);
}

/* A page of the buffer was swapped out. */
static void buffer_gone(void **state)
{
	(void)state;
	struct world_reader r = world_reader(lister, 32768);
	uint64_t before = views_stats(world->views).listings;
	for (int i = 0; i < 3; i++) {
		world_put(r.file + F_POS, 0);
		world_getdents(&r);
		memset(world->touched, 0, sizeof(world->touched));
		world_getdents(&r);
		world_run(50);
	}
	assert_int_equal(views_stats(world->views).listings, before);
}

/* A listing of another namespace, or where others are hidden from the reader. */
static void listings_of_others(void **state)
{
	(void)state;
	struct world_reader r = world_reader(lister, 32768);
	uint64_t info = world_get(world->sb + S_INFO);
	uint64_t before = views_stats(world->views).listings;
	world->filter = FILTER_SKIP;
	world->filtered = 21;
	world_put(info + I_NS, world->ns + 64);
	for (int i = 0; i < 3; i++, world_run(50))
		world_list(&r);
	world_put(info + I_NS, world->ns);
	for (uint32_t hide = 2; hide <= 4; hide += 2) {
		world_put32(info + I_HIDE, hide);
		world_put(world_get(lister + T_CRED) + C_CAPS, hide == 4 ? ~0ull : 0);
		for (int i = 0; i < 3; i++, world_run(50))
			world_list(&r);
	}
	world_put(world->sb + S_MAGIC, 0xef53); /* no procfs at all */
	world_list(&r);
	world_put(world->sb + S_MAGIC, 0x9fa0);
	world_put(world->sb + S_ROOT, 1); /* not its root */
	world_list(&r);
	world_put(world->sb + S_ROOT, world->root_dentry);
	world_run(100);
	assert_int_equal(views_stats(world->views).listings, before);
	assert_true(views_stats(world->views).listings_unlike >= 9);
	/* Root, with its capability, sees all. */
	world->filter = FILTER_NONE;
	world_put32(info + I_HIDE, 2);
	world_put(world_get(lister + T_CRED) + C_CAPS, 1u << 19);
	world_list(&r);
	world_run(100);
	assert_int_equal(views_stats(world->views).listings, before + 1);
}

/* A process that begins in the middle of a listing and one that ends there. */
static void listing_while_all_changes(void **state)
{
	(void)state;
	struct world_reader r = world_reader(lister, 64);
	for (uint32_t round = 0; round < 30; round++) {
		uint64_t gone = world_fork(150 + round);
		world_run(300);
		world_put(r.file + F_POS, 0);
		uint32_t calls = 0;
		uint64_t came = 0;
		do {
			if (++calls == 3 + round)
				came = world_fork(100 + round % 10);
			if (calls == 5 + round * 7 % 40) {
				world_exit(gone);
				world_release(gone);
			}
			world_getdents(&r);
		} while (r.got > 0);
		world_run(100);
		if (came) {
			world_exit(came);
			world_release(came);
		}
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(listings_of_no_use),
		TEST(buffer_changed),
		TEST(buffer_gone),
		TEST(listings_of_others),
		TEST(listing_while_all_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
