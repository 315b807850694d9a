/* The PID table and the task list in memory of random content, which changes while it is read.
 *
 * Input: offsets and a script of changes, then the memory. Beyond the sanitizers it checks that
 * every look and every walk ends within its bound, and that a sweep only goes forward.
 */
#include <stdlib.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/proc/pidtable.h"
#include "ids/proc/tasklist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM   4096u
#define BASE  0xffff888000000000ull
#define NOISE 32u

static uint8_t ram[RAM];
static const uint8_t *noise;
static uint32_t noise_at;
static uint64_t reads;

static void check(int ok)
{
	if (!ok)
		abort();
}

/* Pointers of few bits: all of them lead somewhere. */
static uint64_t fold(uint64_t word)
{
	return word >> 56 & 1 ? word : (word & 0xffe) + (word ? BASE : 0);
}

int gspace_read(const struct gspace *space, uint64_t va, void *dst, size_t len)
{
	uint64_t at = va - BASE;
	(void)space;
	reads++;
	if (at >= RAM || len > RAM - at)
		return -EFAULT;
	memcpy(dst, ram + at, len);
	for (size_t i = 0; len % 8 == 0 && i < len; i += 8) {
		uint64_t word;
		memcpy(&word, (uint8_t *)dst + i, 8);
		word = fold(word);
		memcpy((uint8_t *)dst + i, &word, 8);
	}
	if (noise_at < NOISE)
		ram[(at + noise_at * 8) % RAM] ^= noise[noise_at];
	noise_at++;
	return 0;
}

const struct gspace *kernel_space(const struct kernel *k)
{
	(void)k;
	return NULL;
}

uint64_t kernel_symbol(const struct kernel *k, const char *name)
{
	(void)k;
	return BASE + (strcmp(name, "init_task") ? 64 : 0);
}

int64_t kernel_offset(const struct kernel *k, const char *structure, const char *path)
{
	(void)k;
	if (!strcmp(structure, "xa_node"))
		return strcmp(path, "slots") ? 0 : 8;
	return (int64_t)strlen(path) % 4 * 8;
}

static void met(void *ctx, const struct tasklist_task *task)
{
	uint32_t *count = ctx;
	(void)task;
	check(++*count <= TASKLIST_MAX);
}

static void walk(void)
{
	struct tasklist list;
	uint32_t count = 0, slices = 0;
	check(!tasklist_init(&list, NULL));
	while (tasklist_step(&list, 8, met, &count) == TASKLIST_MORE)
		check(++slices <= TASKLIST_MAX / 8 + 32);
	(void)tasklist_before(&list, BASE + 128);
}

static void sweep(void)
{
	struct pidtable_entry entry[PIDTABLE_SLOTS];
	struct pidtable table;
	uint32_t nr = 1;
	check(!pidtable_init(&table, NULL));
	for (uint32_t i = 0; i < 300 && nr < PIDTABLE_END; i++) {
		uint32_t before = nr;
		uint64_t was = reads, task;
		int count = pidtable_next(&table, &nr, entry);
		check(reads - was <= 1 + 2 * 12);
		if (count < 0)
			return;
		check(count <= (int)PIDTABLE_SLOTS && nr > before && nr <= PIDTABLE_END);
		for (int j = 0; j < count; j++) {
			check(entry[j].nr >= before && entry[j].nr < nr && entry[j].pid);
			(void)pidtable_task(&table, entry[j].pid, &task);
		}
	}
}

static void look_up(uint32_t nr)
{
	struct pidtable table;
	uint64_t pid, was = reads;
	check(!pidtable_init(&table, NULL));
	int err = pidtable_find(&table, nr, &pid);
	check(reads - was <= 1 + 2 * 12);
	check(err == 0 || err == -ENOENT || err == -EFAULT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < NOISE + 8)
		return 0;
	noise = data;
	noise_at = data[0] & 1 ? NOISE : 0;
	memset(ram, 0, sizeof(ram));
	memcpy(ram, data + NOISE, size - NOISE < RAM ? size - NOISE : RAM);
	walk();
	sweep();
	for (uint32_t nr = 1; nr < 5000000; nr = nr * 3 + data[1])
		look_up(nr);
	return 0;
}
