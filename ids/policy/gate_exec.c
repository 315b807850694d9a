/* Execution, and what all gates with a file share. */
#include <string.h>

#include "ids/policy/hook.h"

#define MEMFD "memfd:" /* mm/memfd.c, MFD_NAME_PREFIX */

/* include/uapi/linux/stat.h, include/linux/socket.h */
#define LINUX_S_IFMT   0170000u
#define LINUX_S_IFSOCK 0140000u
#define LINUX_AF_INET  2
#define LINUX_AF_INET6 10

/* Is it a memfd? Its dentry has that name and no directory: nobody can make such a one by giving a
 * file that name. The name goes to r->path. -1: can't be read. */
static int is_memfd(const struct policy_layout *l, uint64_t file, struct policy_record *r)
{
	uint64_t dentry, parent, name;

	if (!layout_read(l, file, MEMBER_FILE_DENTRY, &dentry) ||
	    !layout_read(l, dentry, MEMBER_DENTRY_PARENT, &parent))
		return -1;
	if (parent != dentry)
		return 0;
	if (!layout_read(l, dentry, MEMBER_DENTRY_NAME, &name))
		return -1;
	r->path[0] = '/'; /* as /proc/PID/exe shows it */
	if (gspace_string(l->space, name, r->path + 1, sizeof(r->path) - 1) < 0)
		return -1;
	return strncmp(r->path + 1, MEMFD, sizeof(MEMFD) - 1) == 0;
}

void decode_file(const struct policy_layout *l, uint64_t file, struct policy_record *r)
{
	int memfd = is_memfd(l, file, r), len = 0;
	uint64_t inode, links, flags = r->number[FIELD_FLAGS];

	if (memfd > 0)
		flags |= FLAG_MEMFD;
	else
		len = task_file_path(l->kernel, file, r->path, sizeof(r->path));
	/* What fills the buffer may be cut. */
	if (memfd > 0 || (len > 0 && (size_t)len < sizeof(r->path) - 1))
		record_text(r, FIELD_PATH, r->path);
	else
		record_unknown(r, FIELD_PATH);
	if (!layout_read(l, file, MEMBER_FILE_INODE, &inode) ||
	    !layout_read(l, inode, MEMBER_INODE_NLINK, &links))
		memfd = -1;
	else if (!links)
		flags |= FLAG_DELETED;
	record_number(r, FIELD_FLAGS, flags);
	if (memfd < 0)
		record_unknown(r, FIELD_FLAGS);
}

/* Is it an Internet socket? */
static bool is_connection(const struct policy_layout *l, uint64_t file)
{
	uint64_t inode, mode, socket, sk, family;

	return layout_read(l, file, MEMBER_FILE_INODE, &inode) &&
	       layout_read(l, inode, MEMBER_INODE_MODE, &mode) &&
	       (mode & LINUX_S_IFMT) == LINUX_S_IFSOCK &&
	       layout_read(l, file, MEMBER_FILE_PRIVATE, &socket) &&
	       layout_read(l, socket, MEMBER_SOCKET_SK, &sk) &&
	       layout_read(l, sk, MEMBER_SK_FAMILY, &family) &&
	       (family == LINUX_AF_INET || family == LINUX_AF_INET6);
}

/* A program whose standard input and output lead to the network: a remote shell, or what inetd
 * starts. One of both alone happens to programs that were begun with closed descriptors; unix
 * sockets are what systemd gives every service. */
static bool is_remote(const struct policy_layout *l, uint64_t task)
{
	return task && is_connection(l, task_file(l->kernel, task, 0)) &&
	       is_connection(l, task_file(l->kernel, task, 1));
}

bool decode_exec(const struct policy_layout *l, const struct probe_hit *hit,
		 struct policy_record *r)
{
	uint64_t file = hit->captured, name;

	if ((hit->sync || !file) && !layout_read(l, hit->arg[0], MEMBER_BPRM_FILE, &file))
		file = 0;
	if (hit->sync && layout_read(l, hit->arg[0], MEMBER_BPRM_FILENAME, &name) &&
	    gspace_string(l->space, name, r->filename, sizeof(r->filename)) > 0)
		record_note(r, "filename", r->filename, 0);
	decode_file(l, file, r);
	r->gate = GATE_EXEC;
	if (is_remote(l, hit->current)) {
		r->gate = GATE_SOCKET_EXEC;
		r->number[FIELD_FLAGS] |= FLAG_SOCKET;
	}
	if (r->number[FIELD_FLAGS] & FLAG_MEMFD)
		r->gate = GATE_MEMFD_EXEC;
	/* A file that can't be read while the call waits is not let through as an ordinary one. */
	else if (hit->sync && r->unknown & FIELD_BIT(FIELD_FLAGS))
		r->gate = GATE_MEMFD_EXEC;
	return true;
}
