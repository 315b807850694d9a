/* ids/guest and ids/proc/task over the RAM of a guest that stands still.
 *
 * guestdump RAM LSTAR CR3 [KALLSYMS]: RAM is a file of guest-physical memory from 0 on. Tells in
 * lines what is found: the state, the places, sizes and members, modules, tasks, and for each line
 * of KALLSYMS (the guest's /proc/kallsyms) where the name is and what is at the address.
 * tests/guestdump/test_guestdump.py compares. Without KALLSYMS only the search is run.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ids/guest/kernel_impl.h"
#include "ids/proc/task.h"

#define BUDGET	  (32u << 10) /* as ids/sentry/introspect.c has it */
#define TASKS_MAX 1000
#define FILES_MAX 8

static const uint8_t *ram;
static uint64_t ram_size;
static uint64_t pages;

static const volatile void *page(void *ctx, uint64_t gpa)
{
	(void)ctx;
	pages++;
	return gpa < ram_size && ram_size - gpa >= GMEM_PAGE ? ram + gpa : NULL;
}

static void *alloc(void *ctx, size_t size)
{
	(void)ctx;
	return calloc(1, size);
}

static bool map_ram(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st))
		return false;
	ram_size = (uint64_t)st.st_size;
	ram = mmap(NULL, ram_size, PROT_READ, MAP_SHARED, fd, 0);
	return ram != MAP_FAILED;
}

static void search(struct kernel *k, uint64_t lstar, uint64_t cr3)
{
	uint64_t steps = 0, most = 0, all = 0;

	kernel_anchor(k, lstar, cr3, false);
	do {
		pages = 0;
		steps++;
		kernel_step(k, BUDGET);
		most = pages > most ? pages : most;
		all += pages;
	} while (kernel_state(k) == KERNEL_SEARCHING);
	printf("state %d %s\nsteps %" PRIu64 "\npages %" PRIu64 " %" PRIu64 "\n", kernel_state(k),
	       kernel_reason(k), steps, all, most);
}

static void tell_places(const struct kernel *k)
{
	const struct kernel_image *i = kernel_image(k);

	printf("banner %s\nbuild_id %s\nversion %x\n", kernel_banner(k), kernel_build_id(k),
	       kernel_version(k));
	printf("place base %" PRIx64 "\nplace end %" PRIx64 "\nplace text %" PRIx64
	       "\nplace text_end %" PRIx64 "\n",
	       i->base, i->end, i->text, i->text_end);
	printf("direct_map %" PRIx64 "\ncount %u\nused %zu\n", i->direct_map, k->sym.count,
	       k->used);
}

static void tell_members(const struct kernel *k)
{
	for (uint32_t i = 0; i < wanted_structure_count; i++) {
		const struct wanted *w = &wanted_structures[i];
		printf("size %s %u\n", w->name, kernel_size(k, w->name));
		for (const char *m = w->members; *m;) {
			struct kernel_member at;
			size_t len = strcspn(m, " ");
			/* For good: names are remembered by their addresses. */
			char *name = strndup(m, len);
			if (!name)
				abort();
			if (kernel_member(k, w->name, name, &at))
				printf("member %s %s none\n", w->name, name);
			else
				printf("member %s %s %u %u %u %u\n", w->name, name, at.offset,
				       at.size, at.bit, at.bits);
			m += len + (m[len] == ' ');
		}
	}
	for (uint32_t i = 0; i < wanted_enum_count; i++) {
		for (const char *m = wanted_enums[i].members; *m;) {
			char name[64];
			int64_t value;
			size_t len = strcspn(m, " ");
			snprintf(name, sizeof(name), "%.*s", (int)len, m);
			if (kernel_enum(k, name, &value))
				printf("enum %s %s none\n", wanted_enums[i].name, name);
			else
				printf("enum %s %s %" PRId64 "\n", wanted_enums[i].name, name,
				       value);
			m += len + (m[len] == ' ');
		}
	}
}

static void tell_modules(const struct kernel *k)
{
	struct kernel_module m;

	for (uint32_t i = 0; kernel_module(k, i, &m); i++)
		printf("module %s %" PRIx64 " %" PRIu64 "\n", m.name, m.part[0].base,
		       m.part[0].size);
}

static void tell_tasks(const struct kernel *k)
{
	int64_t at = kernel_offset(k, "task_struct", "tasks");
	uint64_t head = kernel_symbol(k, "init_task") + (uint64_t)at, node = head;
	char path[256];

	printf("current %" PRIx64 "\n", kernel_current(k, 0));
	for (uint32_t i = 0; at >= 0 && i < TASKS_MAX; i++) {
		struct task t;
		if (gspace_u64(kernel_space(k), node, &node) || node == head ||
		    task_read(k, node - (uint64_t)at, TASK_EXE, &t))
			break;
		printf("task %d %d %d %u %u %d %s %s\n", t.pid, t.tgid, t.ppid, t.uid, t.ns_level,
		       t.ns_pid, *t.exe ? t.exe : "-", t.comm);
		for (uint32_t fd = 0; fd < FILES_MAX; fd++) {
			uint64_t file = task_file(k, t.va, fd);
			if (file && task_file_path(k, file, path, sizeof(path)) >= 0)
				printf("file %d %u %s\n", t.pid, fd, path);
		}
	}
}

/* s: where the name is; a: what is at the address. */
static bool tell_symbols(const struct kernel *k, const char *path)
{
	FILE *list = fopen(path, "r");
	char line[1024], name[600], module[64], found[KERNEL_NAME_MAX];
	uint64_t address, offset;

	if (!list)
		return false;
	while (fgets(line, sizeof(line), list)) {
		int n = sscanf(line, "%" SCNx64 " %*c %599s %63s", &address, name, module);
		if (n != 2) /* a module's */
			continue;
		printf("s %s %" PRIx64 "\n", name, kernel_symbol(k, name));
		if (kernel_symbol_at(k, address, found, &offset))
			printf("a %" PRIx64 " %s %" PRIu64 "\n", address, found, offset);
	}
	fclose(list);
	return true;
}

int main(int argc, char **argv)
{
	const struct kernel_ops ops = {.alloc = alloc, .mem = {NULL, page}};
	struct kernel *k;

	if (argc < 4 || !map_ram(argv[1]) || !(k = kernel_create(&ops))) {
		fprintf(stderr, "usage: guestdump RAM LSTAR CR3 [KALLSYMS]\n");
		return 64;
	}
	search(k, strtoull(argv[2], NULL, 16), strtoull(argv[3], NULL, 16));
	tell_places(k);
	if (argc < 5)
		return 0;
	tell_members(k);
	tell_modules(k);
	tell_tasks(k);
	return tell_symbols(k, argv[4]) ? 0 : 1;
}
