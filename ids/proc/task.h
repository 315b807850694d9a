/* A task of the guest as its kernel describes it: read from task_struct, nothing remembered.
 *
 * For ids/proc, policy, integrity and the events. The structure may be torn, freed or forged: what
 * can't be read is 0 or "". Pure. May call: ids/guest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/guest/kernel.h"

#define TASK_COMM_MAX 16
#define TASK_EXE_MAX  256

/* Linux: include/linux/sched.h, PF_*. */
#define TASK_PF_IDLE	    0x00000002u
#define TASK_PF_EXITING	    0x00000004u
#define TASK_PF_IO_WORKER   0x00000010u
#define TASK_PF_WQ_WORKER   0x00000020u
#define TASK_PF_KTHREAD	    0x00200000u
#define TASK_PF_USER_WORKER 0x00004000u

struct task {
	uint64_t va; /* of its task_struct */
	uint64_t leader, parent, mm;
	uint64_t root; /* page-table root (physical, page aligned); 0: a kernel thread, or gone */
	uint64_t start_ns;	 /* start_boottime: since the guest's boot */
	int32_t pid, tgid, ppid; /* in the initial namespace; ppid: the real parent's tgid */
	int32_t ns_pid;		 /* in its own pid namespace; 0: unknown */
	uint32_t ns_level;	 /* depth of that namespace, 0: the initial one */
	uint32_t uid, euid;
	uint32_t flags; /* PF_* */
	char comm[TASK_COMM_MAX];
	char exe[TASK_EXE_MAX]; /* path of the executable in its mount namespace, "" : none */
};

/* How much to read: pid, tgid, flags and comm; page-table root as well; all but the path; all. The
 * path costs most. */
enum task_depth { TASK_IDS, TASK_ROOT, TASK_PLAIN, TASK_EXE };

/* 0; -EFAULT: no task can be read there (pid, tgid and comm are needed). */
int task_read(const struct kernel *k, uint64_t va, enum task_depth depth, struct task *task);

/* What changes a task's users does not change the rest of it. */
int task_read_users(const struct kernel *k, uint64_t va, uint32_t *uid, uint32_t *euid);

/* The path of a struct path or struct file, as d_path() builds it without the chroot: through
 * dentries and mounts, at most 64 of each; " (deleted)" is not added. `dst` is always ended.
 * Returns its length or -EFAULT. */
int task_path(const struct kernel *k, uint64_t path_va, char *dst, size_t size);
int task_file_path(const struct kernel *k, uint64_t file_va, char *dst, size_t size);

/* The open file `fd` of a task, 0: none. */
uint64_t task_file(const struct kernel *k, uint64_t task_va, uint32_t fd);
