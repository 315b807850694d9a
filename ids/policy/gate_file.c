/* Mappings that are writable and executable at once, and the unlinking of what runs. */
#include <string.h>

#include "ids/policy/hook.h"

#define LINUX_PROT_WRITE 0x2u
#define LINUX_PROT_EXEC	 0x4u
#define LINUX_S_IFMT	 0170000u
#define LINUX_S_IFREG	 0100000u
#define LINUX_S_IXUGO	 0111u

static bool of_mapping(const struct policy_layout *l, uint64_t file, bool known, uint64_t prot,
		       struct policy_record *r)
{
	if ((prot & (LINUX_PROT_WRITE | LINUX_PROT_EXEC)) != (LINUX_PROT_WRITE | LINUX_PROT_EXEC))
		return false;
	record_number(r, FIELD_FLAGS, r->number[FIELD_FLAGS] | FLAG_WRITE | FLAG_EXEC);
	if (!known) {
		record_unknown(r, FIELD_FLAGS);
		record_unknown(r, FIELD_PATH);
	} else if (file) {
		decode_file(l, file, r);
	} else {
		record_number(r, FIELD_FLAGS, r->number[FIELD_FLAGS] | FLAG_ANON);
	}
	return true;
}

bool decode_mprotect(const struct policy_layout *l, const struct probe_hit *hit,
		     struct policy_record *r)
{
	uint64_t file;
	bool known = layout_read(l, hit->arg[0], MEMBER_VMA_FILE, &file);

	r->gate = GATE_MPROTECT;
	return of_mapping(l, file, known, hit->arg[1] | hit->arg[2], r);
}

bool decode_mmap(const struct policy_layout *l, const struct probe_hit *hit,
		 struct policy_record *r)
{
	r->gate = GATE_MMAP;
	return of_mapping(l, hit->arg[0], true, hit->arg[1], r);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Does this process run the inode? */
static bool runs(const struct policy_layout *l, const struct proc *p, uint64_t inode)
{
	uint64_t at;

	return layout_read(l, p->va, MEMBER_TASK_MM, &at) && at &&
	       layout_read(l, at, MEMBER_MM_EXE, &at) && at &&
	       layout_read(l, at, MEMBER_FILE_INODE, &at) && at == inode;
}

/* The process that runs `inode`, among those whose executable has that last name: nearly all
 * unlinks are over after a comparison of names. */
static const struct proc *runner(const struct policy_layout *l, uint64_t inode, const char *name)
{
	uint32_t cursor = 0;
	const struct proc *p;

	/* procs_next() gives what may be changed; nothing is, here. */
	while (l->procs && (p = procs_next((struct procs *)(uintptr_t)l->procs, &cursor)))
		if (!p->exit_tsc && strncmp(base_name(p->exe), name, sizeof(p->exe)) == 0 &&
		    runs(l, p, inode))
			return p;
	return NULL;
}

static bool is_program(const struct policy_layout *l, uint64_t inode)
{
	uint64_t mode;

	return !layout_read(l, inode, MEMBER_INODE_MODE, &mode) ||
	       ((mode & LINUX_S_IFMT) == LINUX_S_IFREG && mode & LINUX_S_IXUGO);
}

/* Directory and name: only while the call is held, as the directory lies on the caller's stack. */
static void of_name(const struct policy_layout *l, uint64_t dir, const char *name,
		    struct policy_record *r)
{
	int len = task_path(l->kernel, dir, r->path, sizeof(r->path));
	size_t more = strlen(name);

	if (len <= 0 || (size_t)len + more + 2 >= sizeof(r->path)) {
		record_unknown(r, FIELD_PATH);
		return;
	}
	if (r->path[len - 1] != '/')
		r->path[len++] = '/';
	memcpy(r->path + len, name, more + 1);
	record_text(r, FIELD_PATH, r->path);
}

bool decode_unlink(const struct policy_layout *l, const struct probe_hit *hit,
		   struct policy_record *r)
{
	uint64_t inode = hit->captured, name = 0;
	const struct proc *p = NULL;
	bool named;

	if ((hit->sync || !inode) && !layout_read(l, hit->arg[1], MEMBER_DENTRY_INODE, &inode))
		inode = 0;
	named = layout_read(l, hit->arg[1], MEMBER_DENTRY_NAME, &name) &&
		layout_string(l, name, r->filename, sizeof(r->filename));
	if (inode && named && is_program(l, inode))
		p = runner(l, inode, r->filename);
	r->gate = p ? GATE_UNLINK_RUNNING : GATE_UNLINK;
	if (!(l->gates & GATE_BIT(r->gate)))
		return false;
	if (hit->sync && named)
		of_name(l, hit->arg[0], r->filename, r);
	else if (p)
		record_text(r, FIELD_PATH, memcpy(r->path, p->exe, sizeof(p->exe)));
	else
		record_unknown(r, FIELD_PATH);
	if (p)
		record_note(r, "target_pid", NULL, (uint32_t)p->tgid);
	return true;
}
