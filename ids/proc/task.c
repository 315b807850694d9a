/* See task.h. */
#include "ids/proc/task.h"

#include <string.h>

#include "hv/errno.h"
#include "ids/guest/glance.h"

#define PATH_STEPS 128 /* dentries and mounts together */
#define NAME_PART  255 /* NAME_MAX */
#define FDS_MAX	   (1u << 20)
#define PGD_MASK   0x000ffffffffff000ull

/* --- paths
 * ---------------------------------------------------------------------------------------- */

/* Where what makes up a path lies: looked up once for each path, which may have 128 parts. */
struct tree {
	struct glance look;
	int64_t name, len, parent;   /* in struct dentry */
	int64_t root;		     /* in struct vfsmount */
	int64_t inner, above, point; /* in struct mount */
};

static bool find_tree(const struct kernel *k, struct tree *t)
{
	int64_t text = kernel_offset(k, "qstr", "name"), length = kernel_offset(k, "qstr", "len");

	*t = (struct tree){
		.name = kernel_offset(k, "dentry", "d_name"),
		.parent = kernel_offset(k, "dentry", "d_parent"),
		.root = kernel_offset(k, "vfsmount", "mnt_root"),
		.inner = kernel_offset(k, "mount", "mnt"),
		.above = kernel_offset(k, "mount", "mnt_parent"),
		.point = kernel_offset(k, "mount", "mnt_mountpoint"),
	};
	if (t->name < 0 || text < 0 || length < 0 || t->parent < 0)
		return false;
	t->len = t->name + length;
	t->name += text;
	return true;
}

/* The word at an offset that this kernel may not have. */
static int read_u64(struct tree *t, uint64_t va, int64_t at, uint64_t *value)
{
	if (at < 0)
		return -EFAULT;
	return glance_read(&t->look, va + (uint64_t)at, value, sizeof(*value));
}

/* Put a dentry's name and a slash before what is in dst[*at ...]. False: no room, or unreadable. */
static bool prepend(struct tree *t, uint64_t dentry, char *dst, size_t *at)
{
	char part[NAME_PART + 1];
	uint64_t va;
	uint32_t len;

	if (read_u64(t, dentry, t->name, &va) ||
	    glance_read(&t->look, dentry + (uint64_t)t->len, &len, sizeof(len)) ||
	    len > NAME_PART || glance_read(&t->look, va, part, len) || len + 1 > *at)
		return false;
	*at -= len;
	memcpy(dst + *at, part, len);
	dst[--*at] = '/';
	return true;
}

/* The mount that a struct vfsmount is part of, and where it is mounted. False at the top. */
static bool go_up(struct tree *t, uint64_t *vfsmount, uint64_t *dentry)
{
	uint64_t mount = *vfsmount - (uint64_t)t->inner, parent, point;

	if (t->inner < 0 || read_u64(t, mount, t->above, &parent) ||
	    read_u64(t, mount, t->point, &point) || parent == mount)
		return false;
	*dentry = point;
	*vfsmount = parent + (uint64_t)t->inner;
	return true;
}

/* Builds the path at the end of `dst`; returns where it begins, or `size` for none. */
static size_t build_path(struct tree *t, uint64_t dentry, uint64_t vfsmount, char *dst, size_t size)
{
	uint64_t root = 0, of = 0, parent; /* root: of the mount `of` */
	size_t at = size;

	for (uint32_t i = 0; i < PATH_STEPS; i++) {
		if (vfsmount != of) {
			of = vfsmount;
			if (read_u64(t, of, t->root, &root))
				root = 0;
		}
		if (dentry == root) {
			if (!go_up(t, &vfsmount, &dentry))
				return at;
			continue;
		}
		if (read_u64(t, dentry, t->parent, &parent))
			return at;
		if (parent == dentry) { /* of no tree: a memfd, a pipe */
			(void)prepend(t, dentry, dst, &at);
			return at;
		}
		if (!prepend(t, dentry, dst, &at))
			return at;
		dentry = parent;
	}
	return at;
}

int task_path(const struct kernel *k, uint64_t path_va, char *dst, size_t size)
{
	uint64_t dentry, vfsmount, again;
	struct tree tree;
	size_t at = 0;

	if (!size)
		return -EFAULT;
	dst[0] = 0;
	if (!find_tree(k, &tree))
		return -EFAULT;
	/* Renamed or freed meanwhile: once more. */
	for (uint32_t tries = 0; tries < 2; tries++) {
		glance_open(&tree.look, k);
		if (glance_u64(&tree.look, path_va, "path", "dentry", &dentry) ||
		    glance_u64(&tree.look, path_va, "path", "mnt", &vfsmount) || !dentry)
			return -EFAULT;
		at = build_path(&tree, dentry, vfsmount, dst, size - 1);
		if (!glance_u64(&tree.look, path_va, "path", "dentry", &again) && again == dentry)
			break;
	}
	size_t len = size - 1 - at;
	if (len)
		memmove(dst, dst + at, len);
	else
		dst[len++] = '/';
	dst[len] = 0;
	return (int)len;
}

int task_file_path(const struct kernel *k, uint64_t file_va, char *dst, size_t size)
{
	int64_t at = kernel_offset(k, "file", "f_path");

	if (size)
		dst[0] = 0;
	if (!file_va || at < 0)
		return -EFAULT;
	return task_path(k, file_va + (uint64_t)at, dst, size);
}

uint64_t task_file(const struct kernel *k, uint64_t task_va, uint32_t fd)
{
	uint64_t files, fdt, table, file;
	struct glance g;
	uint32_t max;

	glance_open(&g, k);
	if (glance_u64(&g, task_va, "task_struct", "files", &files) ||
	    glance_u64(&g, files, "files_struct", "fdt", &fdt) ||
	    glance_u32(&g, fdt, "fdtable", "max_fds", &max) || fd >= max || fd >= FDS_MAX ||
	    glance_u64(&g, fdt, "fdtable", "fd", &table) ||
	    glance_read(&g, table + fd * 8ull, &file, sizeof(file)))
		return 0;
	return file;
}

/* --- tasks
 * ---------------------------------------------------------------------------------------- */

static int read_cred(struct glance *g, uint64_t va, uint32_t *uid, uint32_t *euid)
{
	uint64_t cred;

	if (glance_u64(g, va, "task_struct", "real_cred", &cred) ||
	    glance_u32(g, cred, "cred", "uid", uid) || glance_u32(g, cred, "cred", "euid", euid))
		return -EFAULT;
	return 0;
}

int task_read_users(const struct kernel *k, uint64_t va, uint32_t *uid, uint32_t *euid)
{
	struct glance g;

	glance_open(&g, k);
	return read_cred(&g, va, uid, euid);
}

/* The number in the task's own namespace: the last of struct pid's. */
static void read_ns_pid(struct glance *g, struct task *t)
{
	int64_t numbers = kernel_offset(g->kernel, "pid", "numbers");
	uint32_t each = kernel_size(g->kernel, "upid"), level, nr;
	uint64_t pid;

	if (numbers < 0 || !each || glance_u64(g, t->va, "task_struct", "thread_pid", &pid) ||
	    glance_u32(g, pid, "pid", "level", &level) || level > 32 ||
	    glance_u32(g, pid + (uint64_t)numbers + (uint64_t)level * each, "upid", "nr", &nr))
		return;
	t->ns_level = level;
	t->ns_pid = (int32_t)nr;
}

static void read_mm(struct glance *g, struct task *t)
{
	struct gspace_at at;
	uint64_t pgd;

	if (glance_u64(g, t->va, "task_struct", "mm", &t->mm) || !t->mm ||
	    glance_u64(g, t->mm, "mm_struct", "pgd", &pgd) ||
	    gspace_translate(kernel_space(g->kernel), pgd, &at))
		return;
	t->root = at.gpa & PGD_MASK;
}

static int read_ids(struct glance *g, struct task *t)
{
	uint32_t pid, tgid;

	if (glance_u32(g, t->va, "task_struct", "pid", &pid) ||
	    glance_u32(g, t->va, "task_struct", "tgid", &tgid) ||
	    glance_bytes(g, t->va, "task_struct", "comm", t->comm, sizeof(t->comm)))
		return -EFAULT;
	t->comm[sizeof(t->comm) - 1] = 0;
	t->pid = (int32_t)pid;
	t->tgid = (int32_t)tgid;
	(void)glance_u32(g, t->va, "task_struct", "flags", &t->flags);
	return 0;
}

int task_read(const struct kernel *k, uint64_t va, enum task_depth depth, struct task *task)
{
	struct glance g;
	uint64_t exe = 0;
	uint32_t ppid = 0;

	glance_open(&g, k);
	memset(task, 0, sizeof(*task));
	task->va = va;
	if (read_ids(&g, task))
		return -EFAULT;
	if (depth == TASK_IDS)
		return 0;
	read_mm(&g, task);
	if (depth == TASK_ROOT)
		return 0;
	(void)glance_u64(&g, va, "task_struct", "group_leader", &task->leader);
	if (!glance_u64(&g, va, "task_struct", "real_parent", &task->parent))
		(void)glance_u32(&g, task->parent, "task_struct", "tgid", &ppid);
	task->ppid = (int32_t)ppid;
	(void)glance_u64(&g, va, "task_struct", "start_boottime", &task->start_ns);
	(void)read_cred(&g, va, &task->uid, &task->euid);
	read_ns_pid(&g, task);
	if (depth == TASK_EXE && task->mm &&
	    !glance_u64(&g, task->mm, "mm_struct", "exe_file", &exe))
		(void)task_file_path(k, exe, task->exe, sizeof(task->exe));
	return 0;
}
