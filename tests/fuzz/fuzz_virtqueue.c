/* The virtqueue over guest memory of random content, which changes while it is read.
 *
 * Input: queue size and addresses (selected bytes), a script of operations, the memory's content.
 * Beyond the sanitizers it checks that work is bounded by the queue's size, that no descriptor is
 * fetched twice, and that memory outside of the guest's is never asked for twice over.
 */
#include <stdlib.h>
#include <string.h>
#include "hv/errno.h"
#include "hv/guestmem.h"
#include "net/dev/virtqueue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM 8192u

static uint8_t ram[RAM];
static const uint8_t *noise;
static size_t noise_left;
static unsigned reads, writes;

static void check(int ok)
{
	if (!ok)
		abort();
}

bool gm_valid(uint64_t gpa, uint64_t len)
{
	return gpa < RAM && len <= RAM - gpa;
}

int gm_read(uint64_t gpa, void *dst, size_t len)
{
	reads++;
	if (!gm_valid(gpa, len))
		return -EFAULT;
	memcpy(dst, &ram[gpa], len);
	/* Another CPU of the guest writes just there. */
	if (len && noise_left) {
		ram[gpa + (noise_left * 7) % len] ^= *noise++;
		noise_left--;
	}
	return 0;
}

int gm_write(uint64_t gpa, const void *src, size_t len)
{
	writes++;
	if (!gm_valid(gpa, len))
		return -EFAULT;
	memcpy(&ram[gpa], src, len);
	return 0;
}

int gm_read16(uint64_t gpa, uint16_t *value)
{
	return gpa & 1 ? -EINVAL : gm_read(gpa, value, 2);
}

int gm_write16(uint64_t gpa, uint16_t value)
{
	return gpa & 1 ? -EINVAL : gm_write(gpa, &value, 2);
}

static void step(struct virtqueue *vq, uint8_t op)
{
	static struct vq_chain chain;
	static uint8_t buffer[2048];
	enum vq_direction dir = op & 0x80 ? VQ_WRITE : VQ_READ;
	uint64_t total = 0;
	int got;

	reads = writes = 0;
	switch (op & 7) {
	case 0:
	case 1:
	case 2:
		got = vq_take(vq, dir, &chain);
		check(got == 0 || got == 1 || got == -EPROTO);
		check(reads <= 2u + vq->size &&
		      writes == 0); /* index, ring entry, each descriptor once */
		if (got != 1)
			break;
		check(chain.head < vq->size && chain.count >= 1 && chain.count <= vq->size);
		for (unsigned i = 0; i < chain.count; i++)
			total += chain.segment[i].len;
		check(total == chain.total);
		if (op & 8)
			vq_untake(vq);
		if (dir == VQ_READ)
			got = vq_copy_from(vq, &chain, op >> 4, buffer, sizeof(buffer) >> (op & 3));
		else
			got = vq_copy_to(vq, &chain, op >> 4, buffer, sizeof(buffer) >> (op & 3));
		check(got == -EPROTO || total >= (op >> 4) + (sizeof(buffer) >> (op & 3)));
		vq_put(vq, chain.head, (uint32_t)chain.total);
		break;
	case 3:
	case 4:
		got = vq_publish(vq);
		check(got == 0 || got == 1 || got == -EPROTO);
		check(reads <= 1 && writes <= 1);
		break;
	default:
		got = vq_kicks(vq, op & 8);
		check(got == 0 || got == 1 || got == -EPROTO);
		check(reads <= 1 && writes <= 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtqueue vq = {0};
	size_t script;

	if (size < 40)
		return 0;
	vq.size = (uint16_t)(1u << (data[0] % 9));
	vq.desc = (uint64_t)data[1] * 64;
	vq.avail = (uint64_t)data[2] * 64;
	vq.used = (uint64_t)data[3] * 64;
	if (data[4] & 1)
		vq.desc |= (uint64_t)data[5] << 56;
	script = data[6] % 32;
	noise = data + 8;
	noise_left = script;
	memset(ram, 0, sizeof(ram));
	for (size_t i = 0; i + 40 < size && i < RAM; i++)
		ram[i] = data[40 + i];
	if (vq_start(&vq, data[4] & 2))
		check(!vq.enabled);
	for (size_t i = 0; i < script; i++)
		step(&vq, data[8 + i]);
	return 0;
}
