/* A guest's kernel of the simplest kind for the tests of ids/proc/views: task list, PID table and
 * /proc in one arena, with a layout of its own. It stands in for ids/guest, ids/proc/task and
 * ids/proc/procs, whose interfaces it implements.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/proc/procs.h"
#include "ids/proc/groups.h"
#include "ids/proc/views.h"

#define WORLD_ARENA  (48u << 20)
#define WORLD_KERNEL 0xffff888000000000ull /* virtual address of the arena */
#define WORLD_USER   (1u << 20)
#define USER_ROOT    0x5000ull	       /* page tables of all users */
#define USER_BASE    0x7f0000000000ull /* where their memory begins */
#define WORLD_PROCS  4096u
#define WORLD_HZ     1000000000ull

/* Offsets in the world's structures. */
enum {
	T_STACK = 0x18,
	T_FLAGS = 0x20,
	T_EXIT = 0x24,
	T_START = 0x28,
	T_TASKS = 0x40,
	T_PID = 0x60,
	T_TGID = 0x64,
	T_LEADER = 0x68,
	T_LINKS = 0x80,
	T_CRED = 0xa0,
	T_ROOT = 0xb0,
	T_FILE = 0xb8, /* its only open file, number 3 */
	T_COMM = 0xc0,
	T_SIZE = 0x100,
	PID_TASKS = 0x10,
	PID_SIZE = 0x40,
	NODE_SHIFT = 0,
	NODE_SLOTS = 0x28,
	NODE_SIZE = 0x240,
	NS_HEAD = 0x18,
	F_DENTRY = 0x10,
	F_POS = 0x40,
	D_SB = 0x10,
	S_MAGIC = 0x08,
	S_ROOT = 0x10,
	S_INFO = 0x18,
	I_NS = 0x00,
	I_HIDE = 0x10,
	C_CAPS = 0x20,
};

/* What a user's listing goes through before it comes to him. */
enum world_filter {
	FILTER_NONE,
	FILTER_SKIP,  /* the kernel never emits it: next_tgid, filldir */
	FILTER_MERGE, /* getdents: the entry before it is made longer */
	FILTER_MOVE,  /* getdents: the entries behind it are moved over it */
};

/* A program that lists /proc. */
struct world_reader {
	uint64_t task, file;
	uint64_t buffer; /* user address */
	uint32_t size;
	bool old;	/* getdents, not getdents64 */
	bool on_stack;	/* the hook is on proc_root_readdir: registers at the stack's top */
	long got;	/* what the last call returned */
	uint32_t names; /* processes told, to the user */
	bool user_saw;	/* the hidden one among them */
};

struct world {
	uint8_t *arena;
	uint64_t used; /* bytes of it */
	uint8_t user[WORLD_USER];
	bool touched[WORLD_USER / 4096]; /* its pages that are there */
	uint64_t init, ns, sb, root_dentry;
	uint64_t tsc, now_ns;
	uint64_t starts;
	uint32_t top; /* highest number in the PID table */
	struct proc proc[WORLD_PROCS];
	uint32_t procs;
	struct views *views;
	struct eve eve;
	uint64_t seq;
	/* Events told. */
	uint32_t hidden, unhidden;
	char last[EVE_LINE_MAX];
	uint64_t reads; /* of guest memory */
	uint32_t room;	/* events that there is room for */
	enum world_filter filter;
	uint32_t filtered; /* pid */
	/* Called between slices. */
	void (*between)(struct world *w);
};

extern struct world *world; /* the one there is */

void world_open(void);
void world_close(void);

/* Guest memory, by kernel address. */
uint64_t world_alloc(uint64_t size);
uint64_t world_get(uint64_t va);
void world_put(uint64_t va, uint64_t value);
void world_put32(uint64_t va, uint32_t value);
uint32_t world_get32(uint64_t va);

/* Life in the guest. `quietly`: procs is not told. */
uint64_t world_fork(uint32_t pid);
uint64_t world_fork_quietly(uint32_t pid);
uint64_t world_thread(uint64_t leader, uint32_t pid);
void world_exit(uint64_t task);	   /* do_exit: a zombie */
void world_release(uint64_t task); /* leaves all */
struct proc *world_proc(uint64_t task);
void world_ran(uint64_t task);

/* The parts of it, for rootkits and races. */
void world_link(uint64_t task);
void world_unlink(uint64_t task);
void world_pid_add(uint32_t nr, uint64_t task);
void world_pid_remove(uint32_t nr);
uint64_t world_pid_slot(uint32_t nr); /* its address in the table */
void world_proc_add(uint64_t task);
void world_proc_remove(uint64_t task);

/* Time passes, and the views are compared. */
void world_run(uint32_t ms);

/* One call of the reader; its result is in got. */
void world_getdents(struct world_reader *r);
/* Open /proc, read it to the end, as libc does. */
void world_list(struct world_reader *r);
struct world_reader world_reader(uint64_t task, uint32_t size);
