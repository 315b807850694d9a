#include "tests/unit/policy_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/policy/layout.h"
#include "ids/rules/compile/compile.h"

struct fake fake;
char fake_refusal[256];
unsigned fake_refused_line, fake_refused;
uint64_t fake_now = 1700000000000000000ull;

static void *blob_memory;
static struct blob blob;
static void *allocs[64];
static unsigned alloc_count;

/* --- layout: each member at a place of its own ------------------------------------------------ */

static const struct {
	const char *structure, *member;
	size_t size;
} members[] = {
#define M(name, structure, member, size) {structure, member, size},
	POLICY_MEMBERS(M)
#undef M
};
#define MEMBER_COUNT (sizeof(members) / sizeof(members[0]))

static int64_t find_member(const char *structure, const char *member, size_t *size)
{
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		if (!strcmp(members[i].structure, structure) &&
		    !strcmp(members[i].member, member)) {
			*size = members[i].size;
			return (int64_t)(24 * i + 8);
		}
	return -ENOENT;
}

int64_t kernel_offset(const struct kernel *k, const char *structure, const char *path)
{
	size_t size;

	(void)k;
	if (fake.no_member && !strcmp(fake.no_member, path))
		return -ENOENT;
	return find_member(structure, path, &size);
}

int kernel_enum(const struct kernel *k, const char *enumerator, int64_t *value)
{
	(void)k;
	if (strcmp(enumerator, "READING_MODULE") == 0) {
		*value = 22; /* not the usual one: it must have been asked for */
		return 0;
	}
	return -ENOENT;
}

uint64_t kernel_symbol(const struct kernel *k, const char *name)
{
	(void)k;
	return fake.no_symbol && !strcmp(fake.no_symbol, name) ? 0 : 0xffffffff81000000ull;
}

const struct gspace *kernel_space(const struct kernel *k)
{
	static const struct gspace space;

	(void)k;
	return &space;
}

enum kernel_state kernel_state(const struct kernel *k)
{
	(void)k;
	return fake.no_btf ? KERNEL_SYMBOLS : KERNEL_READY;
}

/* --- memory ----------------------------------------------------------------------------------- */

int gspace_read(const struct gspace *space, uint64_t va, void *dst, size_t len)
{
	(void)space;
	if (fake.read)
		return fake.read(va, dst, len);
	if (va < FAKE_BASE || va - FAKE_BASE > FAKE_SIZE || len > FAKE_SIZE - (va - FAKE_BASE))
		return -EFAULT;
	memcpy(dst, fake.memory + (va - FAKE_BASE), len);
	return 0;
}

int gspace_string(const struct gspace *space, uint64_t va, char *dst, size_t size)
{
	size_t n = 0;

	for (; n + 1 < size; n++) {
		if (gspace_read(space, va + n, dst + n, 1)) {
			dst[n] = 0;
			return n ? (int)n : -EFAULT;
		}
		if (!dst[n])
			return (int)n;
	}
	dst[n] = 0;
	return (int)n;
}

uint64_t fake_alloc(size_t size)
{
	uint64_t va = FAKE_BASE + fake.used;

	fake.used += (size + 15) & ~(size_t)15;
	if (fake.used > FAKE_SIZE)
		abort();
	return va;
}

void fake_set(uint64_t va, const char *structure, const char *member, uint64_t value)
{
	size_t size = 8;
	int64_t offset = structure ? find_member(structure, member, &size) : 0;

	if (offset < 0)
		abort();
	memcpy(fake.memory + (va - FAKE_BASE) + offset, &value, size > 8 ? 8 : size);
}

uint64_t fake_bytes(const void *data, size_t len)
{
	uint64_t va = fake_alloc(len);

	memcpy(fake.memory + (va - FAKE_BASE), data, len);
	return va;
}

uint64_t fake_text(const char *text)
{
	return fake_bytes(text, strlen(text) + 1);
}

/* --- files and tasks -------------------------------------------------------------------------- */

void fake_path(uint64_t va, const char *path)
{
	if (fake.paths == FAKE_PATHS)
		abort();
	fake.path[fake.paths].va = va;
	fake.path[fake.paths++].path = path;
}

static uint64_t make_file(const char *name, bool directory, uint64_t links)
{
	uint64_t file = fake_struct(), dentry = fake_struct(), inode = fake_struct();

	fake_set(file, "file", "f_path.dentry", dentry);
	fake_set(file, "file", "f_inode", inode);
	fake_set(dentry, "dentry", "d_parent", directory ? fake_struct() : dentry);
	fake_set(dentry, "dentry", "d_name.name", fake_text(name));
	fake_set(dentry, "dentry", "d_inode", inode);
	fake_set(inode, "inode", "i_nlink", links);
	fake_set(inode, "inode", "i_mode", 0100755);
	return file;
}

uint64_t fake_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	uint64_t file = make_file(slash ? slash + 1 : path, true, 1);

	fake_path(file, path);
	return file;
}

uint64_t fake_memfd(const char *name)
{
	char whole[128];

	snprintf(whole, sizeof(whole), "memfd:%s", name);
	return make_file(whole, false, 0);
}

uint64_t fake_socket_file(uint64_t socket)
{
	uint64_t file = fake_struct(), inode = fake_struct();

	fake_set(file, "file", "f_inode", inode);
	fake_set(file, "file", "private_data", socket);
	fake_set(inode, "inode", "i_mode", 0140777);
	return file;
}

uint64_t task_file(const struct kernel *k, uint64_t task_va, uint32_t fd)
{
	(void)k;
	return fd < 3 && fake.stdio.task == task_va ? fake.stdio.file[fd] : 0;
}

static int give_path(uint64_t va, char *dst, size_t size)
{
	dst[0] = 0;
	for (uint32_t i = 0; i < fake.paths; i++)
		if (fake.path[i].va == va)
			return (int)(size_t)(stpncpy(dst, fake.path[i].path, size - 1) - dst);
	return -EFAULT;
}

int task_path(const struct kernel *k, uint64_t path_va, char *dst, size_t size)
{
	(void)k;
	memset(dst, 0, size);
	return give_path(path_va, dst, size);
}

int task_file_path(const struct kernel *k, uint64_t file_va, char *dst, size_t size)
{
	return task_path(k, file_va, dst, size);
}

uint64_t fake_task(int32_t pid, uint32_t uid, const char *comm, const char *exe, uint64_t parent)
{
	struct task *t = &fake.task[fake.tasks++];

	if (fake.tasks > FAKE_TASKS)
		abort();
	memset(t, 0, sizeof(*t));
	t->va = t->leader = fake_struct();
	t->mm = 1;
	t->pid = t->tgid = pid;
	t->uid = t->euid = uid;
	t->parent = parent;
	snprintf(t->comm, sizeof(t->comm), "%s", comm);
	snprintf(t->exe, sizeof(t->exe), "%s", exe);
	return t->va;
}

struct task *fake_find(uint64_t va)
{
	for (uint32_t i = 0; i < fake.tasks; i++)
		if (fake.task[i].va == va)
			return &fake.task[i];
	return NULL;
}

int task_read(const struct kernel *k, uint64_t va, enum task_depth depth, struct task *task)
{
	const struct task *t = fake_find(va);

	(void)k;
	if (!t)
		return -EFAULT;
	*task = *t;
	if (depth != TASK_EXE)
		task->exe[0] = 0;
	return 0;
}

/* --- followed --------------------------------------------------------------------------------- */

struct proc *fake_follow(uint64_t task)
{
	const struct task *t = fake_find(task);
	struct proc *p = &fake.proc[fake.procs++];

	memset(p, 0, sizeof(*p));
	p->va = task;
	p->pid = t->pid;
	p->tgid = t->tgid;
	p->uid = t->uid;
	memcpy(p->comm, t->comm, sizeof(p->comm));
	memcpy(p->exe, t->exe, sizeof(p->exe));
	return p;
}

const struct proc *procs_find(const struct procs *p, uint64_t task_va)
{
	(void)p;
	for (uint32_t i = 0; i < fake.procs; i++)
		if (fake.proc[i].va == task_va)
			return &fake.proc[i];
	return NULL;
}

struct proc *procs_next(struct procs *p, uint32_t *cursor)
{
	(void)p;
	return *cursor < fake.procs ? &fake.proc[(*cursor)++] : NULL;
}

void procs_put(const struct procs *p, struct json *j, uint64_t task_va)
{
	const struct proc *found = procs_find(p, task_va);

	json_object(j, "process");
	json_i64(j, "pid", found ? found->pid : 0);
	json_close(j);
}

/* --- policy ----------------------------------------------------------------------------------- */

static void on_refused(void *ctx, const char *file, unsigned line, uint32_t sid, const char *reason)
{
	(void)ctx;
	(void)file;
	(void)sid;
	fake_refused++;
	fake_refused_line = line;
	snprintf(fake_refusal, sizeof(fake_refusal), "%s", reason);
}

bool fake_compile(const char *text, void **memory, size_t *len)
{
	struct compiler *c = compiler_new(on_refused, NULL);
	int bad;

	fake_refused = fake_refused_line = 0;
	fake_refusal[0] = 0;
	bad = compiler_policy_text(c, "vigil.cfg", text, strlen(text));
	*memory = NULL;
	if (!bad && compiler_finish(c, memory, len))
		bad = 1;
	compiler_free(c);
	return !bad;
}

static void emit(void *ctx, enum eve_class cls, const char *line, size_t len)
{
	(void)ctx;
	(void)len;
	if (fake.lines == FAKE_LINES)
		abort();
	fake.cls[fake.lines] = cls;
	fake.line[fake.lines++] = strdup(line);
}

static bool admit(void *ctx, enum eve_class cls)
{
	(void)ctx;
	(void)cls;
	return !fake.full;
}

static void *alloc(void *ctx, size_t size)
{
	(void)ctx;
	return allocs[alloc_count++] = calloc(1, size);
}

void fake_reset(void)
{
	static const struct eve_config base = {
		.host = "h", .boot = "b", .emit = emit, .admit = admit};
	struct eve_config config = base;

	for (uint32_t i = 0; i < fake.lines; i++)
		free(fake.line[i]);
	memset(&fake, 0, sizeof(fake));
	while (alloc_count)
		free(allocs[--alloc_count]);
	free(blob_memory);
	blob_memory = NULL;
	config.seq = &fake.seq;
	eve_init(&fake.eve, &config);
}

struct policy *fake_policy(const char *lines)
{
	const struct policy_ops ops = {.alloc = alloc, .eve = &fake.eve, .tsc_hz = 1000};
	struct policy *p;
	size_t len;

	free(blob_memory);
	if (!fake_compile(lines, &blob_memory, &len) || blob_open(&blob, blob_memory, len))
		return NULL;
	p = policy_create(&ops, &blob);
	if (p)
		policy_attach(p, (const struct kernel *)&fake,
			      fake.procs ? (const struct procs *)&fake : NULL);
	return p;
}

const struct probe *fake_probe(struct policy *p, const char *symbol)
{
	struct probe_set set = policy_probes(p);

	for (uint32_t i = 0; i < set.count; i++)
		if (strcmp(set.probe[i].symbol, symbol) == 0)
			return &set.probe[i];
	return NULL;
}

int fake_call(struct policy *p, const char *symbol, uint64_t current, const uint64_t arg[5],
	      bool *held)
{
	const struct probe *probe = fake_probe(p, symbol);
	struct probe_hit hit = {.now_ns = fake_now, .current = current};

	if (!probe)
		return -1;
	memcpy(hit.arg, arg, sizeof(hit.arg));
	hit.sync = probe->sync;
	if (held)
		*held = probe->sync;
	if (probe->structure) {
		int64_t offset = kernel_offset(NULL, probe->structure, probe->member);

		if (offset >= 0)
			(void)gspace_read(NULL, arg[probe->base] + (uint64_t)offset, &hit.captured,
					  8);
	}
	probe->hit(policy_probes(p).ctx, &hit);
	return hit.deny;
}
