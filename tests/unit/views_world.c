/* See views_world.h. */
#include "tests/unit/views_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"

struct world *world;

/* --- ids/guest ---------------------------------------------------------------------------------
 */

static const struct gspace kernel = {.root = 0x1000, .levels = 4};

int gspace_read(const struct gspace *space, uint64_t va, void *dst, size_t len)
{
	const uint8_t *from;
	world->reads++;
	if (space->root == USER_ROOT) {
		uint64_t at = va - USER_BASE;
		if (at >= sizeof(world->user) || len > sizeof(world->user) - at)
			return -EFAULT;
		for (uint64_t p = at / 4096; len && p <= (at + len - 1) / 4096; p++)
			if (!world->touched[p])
				return -EFAULT;
		from = world->user + at;
	} else {
		uint64_t at = va - WORLD_KERNEL;
		if (at >= WORLD_ARENA || len > WORLD_ARENA - at)
			return -EFAULT;
		from = world->arena + at;
	}
	memcpy(dst, from, len);
	return 0;
}

const struct gspace *kernel_space(const struct kernel *k)
{
	(void)k;
	return &kernel;
}

uint64_t kernel_symbol(const struct kernel *k, const char *name)
{
	(void)k;
	if (!strcmp(name, "init_task"))
		return world->init;
	return strcmp(name, "init_pid_ns") ? 0 : world->ns;
}

int64_t kernel_offset(const struct kernel *k, const char *structure, const char *path)
{
	static const struct {
		const char *structure, *path;
		int64_t offset;
	} known[] = {
		{"task_struct", "stack", T_STACK},
		{"task_struct", "flags", T_FLAGS},
		{"task_struct", "exit_state", T_EXIT},
		{"task_struct", "start_boottime", T_START},
		{"task_struct", "tasks", T_TASKS},
		{"task_struct", "pid", T_PID},
		{"task_struct", "tgid", T_TGID},
		{"task_struct", "pid_links", T_LINKS},
		{"task_struct", "cred", T_CRED},
		{"pid", "tasks", PID_TASKS},
		{"xa_node", "shift", NODE_SHIFT},
		{"xa_node", "slots", NODE_SLOTS},
		{"pid_namespace", "idr.idr_rt.xa_head", NS_HEAD},
		{"file", "f_path.dentry", F_DENTRY},
		{"file", "f_pos", F_POS},
		{"dentry", "d_sb", D_SB},
		{"super_block", "s_magic", S_MAGIC},
		{"super_block", "s_root", S_ROOT},
		{"super_block", "s_fs_info", S_INFO},
		{"proc_fs_info", "pid_ns", I_NS},
		{"proc_fs_info", "hide_pid", I_HIDE},
		{"cred", "cap_effective", C_CAPS},
	};
	(void)k;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].structure, structure) && !strcmp(known[i].path, path))
			return known[i].offset;
	fail_msg("%s.%s is asked for and not known", structure, path);
	return -ENOENT;
}

/* --- ids/proc/task -----------------------------------------------------------------------------
 */

int task_read(const struct kernel *k, uint64_t va, enum task_depth depth, struct task *task)
{
	(void)k;
	(void)depth;
	memset(task, 0, sizeof(*task));
	if (va - WORLD_KERNEL > WORLD_ARENA - T_SIZE)
		return -EFAULT;
	task->va = va;
	task->pid = (int32_t)world_get32(va + T_PID);
	task->tgid = (int32_t)world_get32(va + T_TGID);
	task->flags = world_get32(va + T_FLAGS);
	task->leader = world_get(va + T_LEADER);
	task->root = world_get(va + T_ROOT);
	task->ppid = 1;
	task->uid = 33;
	strcpy(task->exe, "/tmp/\"evil\"");
	memcpy(task->comm, world->arena + (va - WORLD_KERNEL) + T_COMM, TASK_COMM_MAX);
	return 0;
}

uint64_t task_file(const struct kernel *k, uint64_t task_va, uint32_t fd)
{
	(void)k;
	return fd == 3 ? world_get(task_va + T_FILE) : 0;
}

/* --- ids/proc/procs ----------------------------------------------------------------------------
 */

struct proc *world_proc(uint64_t task)
{
	for (uint32_t i = 0; i < world->procs; i++)
		if (world->proc[i].va == task)
			return &world->proc[i];
	return NULL;
}

const struct proc *procs_find(const struct procs *p, uint64_t task_va)
{
	(void)p;
	return world_proc(task_va);
}

struct proc *procs_next(struct procs *p, uint32_t *cursor)
{
	(void)p;
	return *cursor < world->procs ? &world->proc[(*cursor)++] : NULL;
}

void world_proc_add(uint64_t task)
{
	assert_true(world->procs < WORLD_PROCS);
	world->proc[world->procs++] = (struct proc){
		.va = task,
		.start_tsc = world->tsc,
		.pid = (int32_t)world_get32(task + T_PID),
		.tgid = (int32_t)world_get32(task + T_TGID),
	};
}

void world_proc_remove(uint64_t task)
{
	struct proc *p = world_proc(task);
	if (p)
		*p = world->proc[--world->procs];
}

/* --- memory ------------------------------------------------------------------------------------
 */

static void *at(uint64_t va, size_t len)
{
	assert_true(va - WORLD_KERNEL <= WORLD_ARENA - len);
	return world->arena + (va - WORLD_KERNEL);
}

uint64_t world_alloc(uint64_t size)
{
	uint64_t va = WORLD_KERNEL + world->used;
	assert_true(world->used + size <= WORLD_ARENA);
	world->used += (size + 63) & ~63ull;
	return va;
}

uint64_t world_get(uint64_t va)
{
	uint64_t value;
	memcpy(&value, at(va, 8), 8);
	return value;
}

uint32_t world_get32(uint64_t va)
{
	uint32_t value;
	memcpy(&value, at(va, 4), 4);
	return value;
}

void world_put(uint64_t va, uint64_t value)
{
	memcpy(at(va, 8), &value, 8);
}

void world_put32(uint64_t va, uint32_t value)
{
	memcpy(at(va, 4), &value, 4);
}

/* --- the kernel's tables -----------------------------------------------------------------------
 */

void world_link(uint64_t task)
{
	uint64_t head = world->init + T_TASKS, own = task + T_TASKS, last = world_get(head + 8);
	world_put(own, head);
	world_put(own + 8, last);
	world_put(last, own);
	world_put(head + 8, own);
}

void world_unlink(uint64_t task)
{
	uint64_t own = task + T_TASKS, next = world_get(own), prev = world_get(own + 8);
	world_put(prev, next);
	world_put(next + 8, prev);
	world_put(own + 8, 0xdead000000000122); /* LIST_POISON2, as list_del_rcu() */
}

static uint64_t new_node(uint32_t shift)
{
	uint64_t node = world_alloc(NODE_SIZE);
	memset(at(node, NODE_SIZE), 0, NODE_SIZE);
	*(uint8_t *)at(node + NODE_SHIFT, 1) = (uint8_t)shift;
	return node;
}

/* The slot of a number in the lowest node, made if need be. */
uint64_t world_pid_slot(uint32_t nr)
{
	uint64_t head = world->ns + NS_HEAD;
	uint64_t entry = world_get(head);
	uint32_t shift = entry ? *(uint8_t *)at(entry - 2 + NODE_SHIFT, 1) : 0;
	if (!entry)
		world_put(head, entry = new_node(0) + 2);
	while ((uint64_t)nr >> shift >= 64) {
		uint64_t top = new_node(shift += 6);
		world_put(top + NODE_SLOTS, entry);
		world_put(head, entry = top + 2);
	}
	for (; shift; shift -= 6) {
		uint64_t slot = entry - 2 + NODE_SLOTS + (nr >> shift & 63) * 8;
		entry = world_get(slot);
		if (!entry)
			world_put(slot, entry = new_node(shift - 6) + 2);
	}
	return entry - 2 + NODE_SLOTS + (nr & 63) * 8;
}

void world_pid_add(uint32_t nr, uint64_t task)
{
	uint64_t pid = world_alloc(PID_SIZE);
	world_put(pid + PID_TASKS, task ? task + T_LINKS : 0);
	world_put(world_pid_slot(nr), pid);
	if (nr > world->top)
		world->top = nr;
}

void world_pid_remove(uint32_t nr)
{
	world_put(world_pid_slot(nr), 0);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static uint64_t new_task(uint32_t pid, uint64_t leader)
{
	uint64_t task = world_alloc(T_SIZE);
	world_put32(task + T_PID, pid);
	world_put32(task + T_TGID, leader ? world_get32(leader + T_PID) : pid);
	world_put(task + T_LEADER, leader ? leader : task);
	world_put(task + T_START, ++world->starts);
	world_put(task + T_ROOT, USER_ROOT);
	memcpy(at(task + T_COMM, 5), "sleep", 5);
	return task;
}

uint64_t world_fork_quietly(uint32_t pid)
{
	uint64_t task = new_task(pid, 0);
	world_link(task);
	world_pid_add(pid, task);
	return task;
}

uint64_t world_fork(uint32_t pid)
{
	uint64_t task = world_fork_quietly(pid);
	world_proc_add(task);
	return task;
}

uint64_t world_thread(uint64_t leader, uint32_t pid)
{
	uint64_t task = new_task(pid, leader);
	world_pid_add(pid, task);
	world_proc_add(task);
	return task;
}

void world_exit(uint64_t task)
{
	struct proc *p = world_proc(task);
	world_put32(task + T_FLAGS, TASK_PF_EXITING);
	world_put32(task + T_EXIT, 32);
	if (p)
		p->exit_tsc = world->tsc;
}

void world_release(uint64_t task)
{
	world_put32(task + T_EXIT, 16);
	if (world_get32(task + T_PID) == world_get32(task + T_TGID))
		world_unlink(task);
	world_pid_remove(world_get32(task + T_PID));
	world_proc_remove(task);
}

void world_ran(uint64_t task)
{
	struct proc *p = world_proc(task);
	if (p)
		p->ran_tsc = world->tsc;
	views_ran(world->views, task, world->tsc);
}

/* Other things happen meanwhile, every millisecond and at every slice. */
static void pass(uint64_t until)
{
	while (world->tsc < until) {
		uint64_t left = until - world->tsc, most = WORLD_HZ / 1000;
		uint64_t step = left < most || !world->between ? left : most;
		world->now_ns += step;
		world->tsc += step;
		if (world->between)
			world->between(world);
	}
}

void world_run(uint32_t ms)
{
	uint64_t end = world->tsc + ms * (WORLD_HZ / 1000);
	while (world->tsc < end) {
		uint64_t next = views_step(world->views, world->tsc, world->now_ns);
		assert_true(next);
		if (next <= world->tsc)
			next = world->tsc + 1000; /* at once, which is not no time */
		pass(next);
	}
}

/* --- begin and end ------------------------------------------------------------------------------
 */

static void emit_line(void *ctx, enum eve_class cls, const char *line, size_t len)
{
	(void)ctx;
	assert_int_equal(cls, EVE_CLASS_URGENT);
	assert_true(len < sizeof(world->last));
	memcpy(world->last, line, len + 1);
	world->hidden += strstr(line, "\"action\":\"hidden\"") != NULL;
	world->unhidden += strstr(line, "\"action\":\"unhidden\"") != NULL;
}

static bool admit(void *ctx, enum eve_class cls)
{
	(void)ctx;
	(void)cls;
	if (world->room)
		world->room--;
	return world->room != 0;
}

static void *alloc(void *ctx, size_t size)
{
	(void)ctx;
	return test_calloc(1, size);
}

static void *memory[8];
static unsigned allocs;

static void *counted(void *ctx, size_t size)
{
	assert_true(allocs < 8);
	return memory[allocs++] = alloc(ctx, size);
}

void world_open(void)
{
	struct eve_config eve = {.host = "test", .boot = "0", .emit = emit_line, .admit = admit};
	struct views_ops ops = {.alloc = counted, .tsc_hz = WORLD_HZ};
	world = calloc(1, sizeof(*world));
	world->arena = calloc(1, WORLD_ARENA);
	world->used = 4096;
	world->tsc = WORLD_HZ;
	world->now_ns = 1700000000ull * 1000000000;
	world->room = UINT32_MAX;
	world->init = world_alloc(T_SIZE);
	world_put(world->init + T_TASKS, world->init + T_TASKS);
	world_put(world->init + T_TASKS + 8, world->init + T_TASKS);
	world->ns = world_alloc(0x100);
	world->sb = world_alloc(0x40);
	world->root_dentry = world_alloc(0x40);
	uint64_t info = world_alloc(0x40);
	world_put(world->root_dentry + D_SB, world->sb);
	world_put(world->sb + S_MAGIC, 0x9fa0);
	world_put(world->sb + S_ROOT, world->root_dentry);
	world_put(world->sb + S_INFO, info);
	world_put(info + I_NS, world->ns);
	eve.seq = &world->seq;
	eve_init(&world->eve, &eve);
	ops.eve = &world->eve;
	world->views = views_create(&ops);
	assert_non_null(world->views);
	views_attach(world->views, (const struct kernel *)&kernel, NULL);
}

void world_close(void)
{
	while (allocs)
		test_free(memory[--allocs]);
	free(world->arena);
	free(world);
	world = NULL;
}
