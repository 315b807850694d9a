/* The split virtqueue's device side: well-formed use, and every way to malform a ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "net/dev/virtqueue.h"
#include "tests/unit/netdev_memory.h"

#define SIZE  8
#define DESC  (RAM_BASE + 0x1000)
#define AVAIL (RAM_BASE + 0x2000)
#define USED  (RAM_BASE + 0x3000)
#define DATA  (RAM_BASE + 0x10000)

#define NEXT	 1
#define WRITE	 2
#define INDIRECT 4

static struct virtqueue vq;
static struct vq_chain chain;

static uint16_t *avail(unsigned i)
{
	return (uint16_t *)ram_at(AVAIL) + i; /* 0 flags, 1 index, 2.. ring, 2 + SIZE used_event */
}

static uint16_t used16(unsigned off)
{
	uint16_t v;

	memcpy(&v, ram_at(USED + off), 2);
	return v;
}

static void desc(unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	uint8_t *d = ram_at(DESC + 16 * i);

	memcpy(d, &addr, 8);
	memcpy(d + 8, &len, 4);
	memcpy(d + 12, &flags, 2);
	memcpy(d + 14, &next, 2);
}

static void offer(uint16_t head)
{
	*avail(2 + *avail(1) % SIZE) = head;
	(*avail(1))++;
}

static void start(bool event_idx)
{
	ram_reset();
	vq = (struct virtqueue){.size = SIZE, .desc = DESC, .avail = AVAIL, .used = USED};
	assert_int_equal(vq_start(&vq, event_idx), 0);
}

static void expect_fault(int got, enum abi_net_fault code)
{
	assert_int_equal(got, -EPROTO);
	assert_int_equal(vq.fault, code);
}

static void test_start(void **state)
{
	static const struct {
		uint64_t desc, avail, used;
	} bad[] = {
		{DESC + 8, AVAIL, USED},
		{DESC, AVAIL + 1, USED},
		{DESC, AVAIL, USED + 2},
		{0, AVAIL, USED},
		{DESC, RAM_BASE + RAM_SIZE - 4, USED},
		{DESC, AVAIL, RAM_BASE + RAM_SIZE - 64},
		{~0ull << 4, AVAIL, USED},
	};

	(void)state;
	ram_reset();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vq = (struct virtqueue){.size = SIZE,
					.desc = bad[i].desc,
					.avail = bad[i].avail,
					.used = bad[i].used};
		expect_fault(vq_start(&vq, true), ABI_NET_RING_ADDRESS);
		assert_false(vq.enabled);
		assert_int_equal(vq_take(&vq, VQ_READ, &chain), 0);
	}
	start(true);
	assert_int_equal(vq_take(&vq, VQ_READ, &chain), 0);
}

static void test_chain(void **state)
{
	uint8_t out[300];

	(void)state;
	start(true);
	for (unsigned i = 0; i < 256; i++)
		*(uint8_t *)ram_at(DATA + i) = (uint8_t)i;
	desc(5, DATA, 10, NEXT, 2);
	desc(2, DATA + 10, 0, NEXT, 7);
	desc(7, DATA + 10, 246, 0, 3);
	offer(5);
	assert_int_equal(vq_take(&vq, VQ_READ, &chain), 1);
	assert_int_equal(chain.head, 5);
	assert_int_equal(chain.count, 3);
	assert_int_equal(chain.total, 256);
	assert_int_equal(vq_copy_from(&vq, &chain, 5, out, 251), 0);
	for (unsigned i = 0; i < 251; i++)
		assert_int_equal(out[i], (uint8_t)(i + 5));
	/* Past the chain's end. */
	expect_fault(vq_copy_from(&vq, &chain, 200, out, 57), ABI_NET_LENGTH);
	assert_int_equal(vq_take(&vq, VQ_READ, &chain), 0);

	assert_int_equal(vq_put(&vq, 5, 77), 0);
	assert_int_equal(used16(2), 0); /* not published yet */
	assert_int_equal(vq_unpublished(&vq), 1);
	assert_int_equal(vq_publish(&vq), 1); /* used_event 0 */
	assert_int_equal(used16(2), 1);
	assert_int_equal(used16(4), 5);
	assert_int_equal(used16(8), 77);
	assert_int_equal(vq_publish(&vq), 0); /* nothing new */
}

static void test_each_byte_once(void **state)
{
	uint8_t out[64];

	(void)state;
	start(true);
	desc(0, DATA, 32, NEXT, 1);
	desc(1, DATA + 32, 32, 0, 0);
	offer(0);
	assert_int_equal(vq_take(&vq, VQ_READ, &chain), 1);
	assert_int_equal(vq_copy_from(&vq, &chain, 0, out, 64), 0);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(ram_fetches[DATA - RAM_BASE + i], 1);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(ram_fetches[DESC - RAM_BASE + i], 1);
	assert_int_equal(ram_fetches[AVAIL - RAM_BASE + 2], 1);
	assert_int_equal(ram_fetches[AVAIL - RAM_BASE + 4], 1);
}

static void test_write_chain(void **state)
{
	const uint8_t src[20] = {1,  2,	 3,  4,	 5,  6,	 7,  8,	 9,  10,
				 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

	(void)state;
	start(true);
	desc(0, DATA, 12, NEXT | WRITE, 3);
	desc(3, DATA + 0x100, 100, WRITE, 0);
	offer(0);
	assert_int_equal(vq_take(&vq, VQ_WRITE, &chain), 1);
	assert_int_equal(vq_copy_to(&vq, &chain, 0, src, 12), 0);
	assert_int_equal(vq_copy_to(&vq, &chain, 12, src, 20), 0);
	assert_memory_equal(ram_at(DATA), src, 12);
	assert_memory_equal(ram_at(DATA + 0x100), src, 20);
	assert_int_equal(*(uint8_t *)ram_at(DATA + 0x100 + 20), 0);
	/* Taken back, it comes again. */
	vq_untake(&vq);
	assert_int_equal(vq_take(&vq, VQ_WRITE, &chain), 1);
	assert_int_equal(chain.head, 0);
}

static void test_bad_head(void **state)
{
	(void)state;
	start(true);
	offer(SIZE);
	expect_fault(vq_take(&vq, VQ_READ, &chain), ABI_NET_RING_INDEX);
	start(true);
	desc(0, DATA, 1, NEXT, 0xffff);
	offer(0);
	expect_fault(vq_take(&vq, VQ_READ, &chain), ABI_NET_RING_INDEX);
}

static void test_bad_index(void **state)
{
	(void)state;
	start(true);
	*avail(1) = SIZE; /* all at once is allowed */
	desc(0, DATA, 1, 0, 0);
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(vq_take(&vq, VQ_READ, &chain), 1);
	assert_int_equal(vq_take(&vq, VQ_READ, &chain), 0);
	*avail(1) = SIZE + SIZE + 1;
	expect_fault(vq_take(&vq, VQ_READ, &chain), ABI_NET_RING_INDEX);
	start(true);
	*avail(1) = 0xffff; /* backwards */
	expect_fault(vq_take(&vq, VQ_READ, &chain), ABI_NET_RING_INDEX);
	/* The same by way of asking for notification. */
	start(true);
	*avail(1) = SIZE + 1;
	expect_fault(vq_kicks(&vq, true), ABI_NET_RING_INDEX);
}

static void test_loops(void **state)
{
	(void)state;
	start(true);
	desc(0, DATA, 1, NEXT, 0);
	offer(0);
	expect_fault(vq_take(&vq, VQ_READ, &chain), ABI_NET_CHAIN_LOOP);
	start(true);
	for (unsigned i = 0; i < SIZE; i++)
		desc(i, DATA, 1, NEXT, (uint16_t)((i + 1) % SIZE));
	offer(3);
	expect_fault(vq_take(&vq, VQ_READ, &chain), ABI_NET_CHAIN_LOOP);
	/* The longest chain that is not a loop. */
	start(true);
	for (unsigned i = 0; i < SIZE; i++)
		desc(i, DATA + i, 1, i + 1 < SIZE ? NEXT : 0, (uint16_t)(i + 1));
	offer(0);
	assert_int_equal(vq_take(&vq, VQ_READ, &chain), 1);
	assert_int_equal(chain.count, SIZE);
}

static void test_flags(void **state)
{
	static const struct {
		uint16_t flags;
		enum vq_direction dir;
	} bad[] = {
		{INDIRECT, VQ_READ},
		{INDIRECT | WRITE, VQ_WRITE},
		{WRITE, VQ_READ},
		{0, VQ_WRITE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(true);
		desc(0, DATA, 64, bad[i].flags, 0);
		offer(0);
		expect_fault(vq_take(&vq, bad[i].dir, &chain), ABI_NET_CHAIN_FLAGS);
	}
	/* The direction changes within the chain. */
	start(true);
	desc(0, DATA, 64, WRITE | NEXT, 1);
	desc(1, DATA, 64, 0, 0);
	offer(0);
	expect_fault(vq_take(&vq, VQ_WRITE, &chain), ABI_NET_CHAIN_FLAGS);
}

static void test_bad_buffers(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {
		{0, 64},	  {RAM_BASE - 1, 64}, {RAM_BASE + RAM_SIZE - 63, 64},
		{~0ull - 10, 64}, {DATA, 0xffffffff},
	};
	static uint8_t out[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(true);
		desc(0, bad[i].addr, bad[i].len, 0, 0);
		offer(0);
		assert_int_equal(vq_take(&vq, VQ_READ, &chain), 1);
		assert_int_equal(chain.total, bad[i].len);
		if (bad[i].len == 0xffffffff) /* only what is asked for is touched */
			assert_int_equal(vq_copy_from(&vq, &chain, 0, out, 64), 0);
		else
			expect_fault(vq_copy_from(&vq, &chain, 0, out, 64), ABI_NET_RING_ADDRESS);
	}
	/* A chain whose lengths add up beyond 32 bits. */
	start(true);
	for (unsigned i = 0; i < SIZE; i++)
		desc(i, DATA, 0xffffffff, i + 1 < SIZE ? NEXT : 0, (uint16_t)(i + 1));
	offer(0);
	assert_int_equal(vq_take(&vq, VQ_READ, &chain), 1);
	assert_true(chain.total == 8ull * 0xffffffff);
}

static void test_event_index(void **state)
{
	(void)state;
	start(true);
	desc(0, DATA, 1, 0, 0);
	/* An interrupt exactly when used_event is among the entries just published. */
	for (unsigned event = 0; event < 6; event++) {
		for (unsigned n = 1; n < 6; n++) {
			start(true);
			*avail(2 + SIZE) = (uint16_t)event;
			for (unsigned i = 0; i < n; i++)
				assert_int_equal(vq_put(&vq, 0, 0), 0);
			assert_int_equal(vq_publish(&vq), event < n);
		}
	}
	/* Across the index's wrap. */
	start(true);
	vq.next = vq.limit = vq.filled = vq.published = 0xfffe;
	*avail(2 + SIZE) = 0;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(vq_put(&vq, 0, 0), 0);
	assert_int_equal(vq_publish(&vq), 1);
	assert_int_equal(used16(2), 1);
}

static void test_kicks_event_index(void **state)
{
	(void)state;
	start(true);
	desc(0, DATA, 1, 0, 0);
	offer(0);
	assert_int_equal(vq_kicks(&vq, true), 1); /* one is waiting already */
	assert_int_equal(vq_take(&vq, VQ_READ, &chain), 1);
	assert_int_equal(vq_kicks(&vq, true), 0);
	assert_int_equal(used16(4 + 8 * SIZE), 1); /* avail_event: notify of entry 1 */
	offer(0);
	assert_int_equal(vq_take(&vq, VQ_READ, &chain), 1);
	assert_int_equal(vq_kicks(&vq, false), 0);
	assert_int_equal(used16(4 + 8 * SIZE), 1); /* left behind: no notification */
	assert_int_equal(used16(0), 0);
}

static void test_flags_without_event_index(void **state)
{
	(void)state;
	start(false);
	assert_int_equal(vq_kicks(&vq, false), 0);
	assert_int_equal(used16(0), 1);
	assert_int_equal(vq_kicks(&vq, true), 0);
	assert_int_equal(used16(0), 0);
	assert_int_equal(vq_put(&vq, 0, 0), 0);
	assert_int_equal(vq_publish(&vq), 1);
	*avail(0) = 1; /* no interrupt */
	assert_int_equal(vq_put(&vq, 0, 0), 0);
	assert_int_equal(vq_publish(&vq), 0);
}

/* A driver that changes a descriptor as soon as it was read gains nothing. */
static void change(uint64_t gpa, uint64_t len)
{
	if (gpa == DESC && len == 16)
		desc(0, 0, 0xffffffff, NEXT | INDIRECT, 0xffff);
}

static void test_change_under_us(void **state)
{
	uint8_t out[8];

	(void)state;
	start(true);
	desc(0, DATA, 8, 0, 0);
	offer(0);
	ram_after_read = change;
	assert_int_equal(vq_take(&vq, VQ_READ, &chain), 1);
	assert_int_equal(chain.count, 1);
	assert_int_equal(chain.total, 8);
	assert_int_equal(vq_copy_from(&vq, &chain, 0, out, 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_each_byte_once),
		cmocka_unit_test(test_write_chain),
		cmocka_unit_test(test_bad_head),
		cmocka_unit_test(test_bad_index),
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_bad_buffers),
		cmocka_unit_test(test_event_index),
		cmocka_unit_test(test_kicks_event_index),
		cmocka_unit_test(test_flags_without_event_index),
		cmocka_unit_test(test_change_under_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
