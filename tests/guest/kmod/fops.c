// SPDX-License-Identifier: GPL-2.0
/* A process left out of listings of /proc alone: its root's operations are exchanged for own ones,
 * which put a filter before the caller's (adore-ng). No text changes, and no read-only data. */
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/namei.h>

#include "kernel.h"
#include "vtest.h"

struct filtered {
	struct dir_context ctx;
	struct dir_context *wanted;
};

static const struct file_operations *real;
static struct file_operations own;
static struct path root;

static bool pass(struct dir_context *ctx, const char *entry, int len, loff_t offset, u64 ino,
		 unsigned int type)
{
	struct filtered *f = container_of(ctx, struct filtered, ctx);

	if (is_filtered(entry, len))
		return true;
	f->wanted->pos = ctx->pos;
	return f->wanted->actor(f->wanted, entry, len, offset, ino, type);
}

static int list(struct file *file, struct dir_context *ctx)
{
	struct filtered f = {.ctx = {.actor = pass, .pos = ctx->pos}, .wanted = ctx};
	int err = real->iterate_shared(file, &f.ctx);

	ctx->pos = f.ctx.pos;
	return err;
}

static int start(const char *variant, int pid)
{
	int err = kern_path("/proc", 0, &root);

	if (err)
		return err;
	filter_pid(pid);
	real = d_inode(root.dentry)->i_fop;
	own = *real;
	own.owner = THIS_MODULE; /* an open /proc keeps the module */
	own.iterate_shared = list;
	WRITE_ONCE(d_inode(root.dentry)->i_fop, &own);
	return 0;
}

static void undo(void)
{
	WRITE_ONCE(d_inode(root.dentry)->i_fop, real);
	path_put(&root);
}

const struct trick fops_trick = {"fops", start, undo};
