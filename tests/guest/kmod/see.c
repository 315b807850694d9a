// SPDX-License-Identifier: GPL-2.0
/* What a kernel sees of Vigil's hooks, and what it does to the functions under them.
 * variant=sites: the bytes of every function that Vigil may watch, against ftrace's own list;
 * text: a sum of each page of the kernel's text; poke: a byte of padding on a hooked page changed,
 * read back, and changed again, by text_poke(); entry and inside: a kprobe on security_path_unlink,
 * at its ftrace site or at the next instruction, which counts, until rmmod. */
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "kernel.h"
#include "vtest.h"

#define POKED "security_path_unlink"

static const char *const functions[] = {
	"security_bprm_check",
	"security_socket_connect",
	"security_socket_sendmsg",
	"security_socket_bind",
	"security_socket_listen",
	"security_socket_accept",
	"security_socket_create",
	"security_task_kill",
	"security_ptrace_access_check",
	"security_ptrace_traceme",
	"security_kernel_read_file",
	"security_kernel_load_data",
	"security_bpf",
	"security_task_fix_setuid",
	"security_sb_mount",
	"security_move_mount",
	"security_file_mprotect",
	"security_mmap_file",
	"security_path_unlink",
	"security_bprm_committed_creds",
	"commit_creds",
	"wake_up_new_task",
	"do_exit",
	"release_task",
	"do_init_module",
	"proc_root_readdir",
	"x64_sys_call",
	"ia32_sys_call",
};

/* A function's place in ftrace's list of calls that are NOPs while nothing is traced. */
static unsigned long site_of(const char *function)
{
	unsigned long (*location)(unsigned long ip) = (void *)lookup("ftrace_location");
	unsigned long at = lookup(function);

	return location && at ? location(at) : 0;
}

static int show_sites(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		unsigned long site = site_of(functions[i]);

		if (site)
			say("site %s: page %lx bytes %5phN", functions[i], site >> PAGE_SHIFT,
			    (void *)site);
	}
	return 0;
}

/* FNV-1a, folded to 32 bits. */
static u32 sum_of(const u8 *at, size_t size)
{
	u64 sum = 0xcbf29ce484222325ull;

	while (size--)
		sum = (sum ^ *at++) * 0x100000001b3ull;
	return (u32)(sum ^ sum >> 32);
}

static int show_text(void)
{
	unsigned long at = lookup("_stext") & PAGE_MASK, end = lookup("_etext");
	char line[16 * 9 + 1];

	if (!at || !end)
		return -ENOENT;
	while (at < end) {
		unsigned long from = at;
		size_t used = 0;

		for (int i = 0; i < 16 && at < end; i++, at += PAGE_SIZE)
			used += scnprintf(line + used, sizeof(line) - used, " %08x",
					  sum_of((const u8 *)at, min(PAGE_SIZE, end - at)));
		say("text %lx:%s", from >> PAGE_SHIFT, line);
	}
	return 0;
}

static void poke_byte(u8 *at, u8 value)
{
	void *(*text_poke)(void *at, const void *bytes, size_t size) = (void *)lookup("text_poke");
	struct mutex *text_mutex = (struct mutex *)lookup("text_mutex");

	mutex_lock(text_mutex);
	text_poke(at, &value, 1);
	mutex_unlock(text_mutex);
	say("poke %px: wrote %02x, reads %02x", at, value, *(volatile u8 *)at);
}

/* Padding behind a return: RET and four INT3, the rest of a jump to the return thunk. */
static int poke_padding(void)
{
	static const u8 padding[] = {0xc3, 0xcc, 0xcc, 0xcc, 0xcc};
	u8 *page = (u8 *)(site_of(POKED) & PAGE_MASK), *at = NULL;

	if (!page || !lookup("text_poke") || !lookup("text_mutex"))
		return -ENOENT;
	for (u8 *c = page; c < page + PAGE_SIZE - sizeof(padding) && !at; c++)
		if (!memcmp(c, padding, sizeof(padding)))
			at = c + 2;
	if (!at)
		return -ENOENT;
	for (int i = 0; i < 20; i++) {
		poke_byte(at, 0x90);
		poke_byte(at, 0xcc);
	}
	return 0;
}

static atomic_t hits;

static int count(struct kprobe *probe, struct pt_regs *regs)
{
	atomic_inc(&hits);
	return 0;
}

static struct kprobe probe = {.pre_handler = count};
static const char *way;

static int start(const char *variant, int pid)
{
	unsigned long site = site_of(POKED);
	int err;

	way = variant;
	if (!strcmp(variant, "sites"))
		return show_sites();
	if (!strcmp(variant, "text"))
		return show_text();
	if (!strcmp(variant, "poke"))
		return poke_padding();
	if (!site || (strcmp(variant, "entry") && strcmp(variant, "inside")))
		return -EINVAL;
	probe.addr = (kprobe_opcode_t *)(site + (strcmp(variant, "inside") ? 0 : 5));
	err = register_kprobe(&probe);
	say("kprobe %s: %d", variant, err);
	return err;
}

static void undo(void)
{
	if (!probe.addr)
		return;
	unregister_kprobe(&probe);
	say("kprobe %s: hit %d", way, atomic_read(&hits));
}

const struct trick see_trick = {"see", start, undo};
