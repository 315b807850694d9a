/* See fake_kernel.h: tasks with what belongs to them, files, modules. */
#include <string.h>

#include "tests/unit/fake_kernel.h"

static uint64_t make(struct fake *f, const char *structure)
{
	return fake_alloc(f, fake_size(f, structure));
}

void fake_cred(struct fake *f, uint64_t task, uint32_t uid)
{
	uint64_t cred = make(f, "cred");

	fake_put(f, cred, "cred", "uid", uid);
	fake_put(f, cred, "cred", "euid", uid + 1);
	fake_put(f, task, "task_struct", "real_cred", cred);
	fake_put(f, task, "task_struct", "cred", cred);
}

void fake_ns_pid(struct fake *f, uint64_t task, uint32_t level, uint32_t nr)
{
	uint32_t numbers = fake_offset(f, "pid", "numbers"), each = fake_size(f, "upid");
	uint64_t pid = fake_alloc(f, numbers + (level + 1) * each);
	uint32_t own;

	memcpy(&own, fake_at(f, task + fake_offset(f, "task_struct", "pid"), 4), 4);
	fake_put(f, pid, "pid", "level", level);
	for (uint32_t i = 0; i <= level; i++)
		fake_put(f, pid + numbers + i * each, "upid", "nr", i < level ? own : nr);
	fake_put(f, task, "task_struct", "thread_pid", pid);
}

uint64_t fake_task(struct fake *f, uint32_t pid, uint64_t leader, uint64_t parent, const char *comm)
{
	uint64_t task = make(f, "task_struct");
	uint32_t tgid = pid;

	if (leader)
		memcpy(&tgid, fake_at(f, leader + fake_offset(f, "task_struct", "tgid"), 4), 4);
	fake_put(f, task, "task_struct", "pid", pid);
	fake_put(f, task, "task_struct", "tgid", tgid);
	fake_put(f, task, "task_struct", "group_leader", leader ? leader : task);
	fake_put(f, task, "task_struct", "real_parent", parent);
	fake_put(f, task, "task_struct", "start_boottime", 1000000ull * pid);
	memcpy(fake_at(f, task + fake_offset(f, "task_struct", "comm"), 16), comm,
	       strnlen(comm, 15) + 1);
	fake_cred(f, task, 0);
	fake_ns_pid(f, task, 0, pid);
	return task;
}

/* --- files
 * ---------------------------------------------------------------------------------------- */

static uint64_t dentry(struct fake *f, uint64_t parent, const char *name, size_t len)
{
	uint64_t va = make(f, "dentry"), text = fake_alloc(f, len + 1);
	uint32_t qstr = fake_offset(f, "dentry", "d_name");

	memcpy(fake_at(f, text, len), name, len);
	fake_put(f, va, "dentry", "d_parent", parent ? parent : va);
	fake_put(f, va + qstr, "qstr", "name", text);
	fake_put(f, va + qstr, "qstr", "len", len);
	return va;
}

static uint64_t mount(struct fake *f, uint64_t root, uint64_t parent, uint64_t point)
{
	uint64_t va = make(f, "mount");

	fake_put(f, va, "mount", "mnt_parent", parent ? parent : va);
	fake_put(f, va, "mount", "mnt_mountpoint", parent ? point : root);
	fake_put(f, va + fake_offset(f, "mount", "mnt"), "vfsmount", "mnt_root", root);
	return va;
}

uint64_t fake_file(struct fake *f, const char *path)
{
	uint64_t root = dentry(f, 0, "/", 1), top = mount(f, root, 0, 0), at = root;
	uint64_t file = make(f, "file");
	uint32_t where = fake_offset(f, "file", "f_path");

	while (*path) {
		path += *path == '/';
		size_t len = strcspn(path, "/");
		at = dentry(f, at, path, len);
		path += len;
		if (*path == '/' && path[1] == '/') { /* a mount point */
			uint64_t below = dentry(f, 0, "/", 1);
			top = mount(f, below, top, at);
			at = below;
			path++;
		}
	}
	fake_put(f, file + where, "path", "dentry", at);
	fake_put(f, file + where, "path", "mnt", top + fake_offset(f, "mount", "mnt"));
	return file;
}

void fake_open_file(struct fake *f, uint64_t task, uint32_t fd, uint64_t file)
{
	uint64_t files = fake_get(f, task + fake_offset(f, "task_struct", "files")), fdt, array;

	if (!files) {
		files = make(f, "files_struct");
		fdt = make(f, "fdtable");
		fake_put(f, task, "task_struct", "files", files);
		fake_put(f, files, "files_struct", "fdt", fdt);
		fake_put(f, fdt, "fdtable", "max_fds", 64);
		fake_put(f, fdt, "fdtable", "fd", fake_alloc(f, 64 * 8));
	}
	fdt = fake_get(f, files + fake_offset(f, "files_struct", "fdt"));
	array = fake_get(f, fdt + fake_offset(f, "fdtable", "fd"));
	FAKE_CHECK(fd < 64);
	fake_set(f, array + fd * 8, file);
}

void fake_exec(struct fake *f, uint64_t task, const char *path)
{
	uint64_t mm = make(f, "mm_struct");
	const char *name = strrchr(path, '/');

	fake_put(f, mm, "mm_struct", "pgd", f->direct_map + fake_table(f));
	fake_put(f, mm, "mm_struct", "exe_file", fake_file(f, path));
	fake_put(f, task, "task_struct", "mm", mm);
	name = name ? name + 1 : path;
	memset(fake_at(f, task + fake_offset(f, "task_struct", "comm"), 16), 0, 16);
	memcpy(fake_at(f, task + fake_offset(f, "task_struct", "comm"), 16), name,
	       strnlen(name, 15));
}

/* --- lists
 * ---------------------------------------------------------------------------------------- */

static void add(struct fake *f, uint64_t head, uint64_t node)
{
	uint64_t last = fake_get(f, head + 8);

	fake_set(f, node, head);
	fake_set(f, node + 8, last);
	fake_set(f, last, node);
	fake_set(f, head + 8, node);
}

void fake_link(struct fake *f, uint64_t task)
{
	uint32_t at = fake_offset(f, "task_struct", "tasks");

	add(f, f->init_task + at, task + at);
}

void fake_unlink(struct fake *f, uint64_t task)
{
	uint64_t node = task + fake_offset(f, "task_struct", "tasks");
	uint64_t next = fake_get(f, node), prev = fake_get(f, node + 8);

	fake_set(f, prev, next);
	fake_set(f, next + 8, prev);
}

uint64_t fake_module(struct fake *f, const char *name, uint64_t text, uint32_t size)
{
	uint64_t va = make(f, "module");
	const char *part = f->opt.old_layout ? "module_layout" : "module_memory";
	uint32_t at = fake_offset(f, "module", f->opt.old_layout ? "core_layout" : "mem");

	strcpy((char *)fake_at(f, va + fake_offset(f, "module", "name"), 56), name);
	fake_put(f, va + at, part, "base", text);
	fake_put(f, va + at, part, "size", size);
	add(f, fake_address(f, "modules"), va + fake_offset(f, "module", "list"));
	return va;
}
