/* A guest's kernel made of a few structures, for the tests of ids/policy: what it asks of
 * ids/guest and ids/proc is answered from here. No test framework: fuzzers use it, too. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/policy/policy.h"
#include "ids/proc/procs.h"

#define FAKE_BASE  0xffff888000000000ull
#define FAKE_SIZE  65536u
#define FAKE_TASKS 16
#define FAKE_PATHS 32
#define FAKE_LINES 512

struct fake {
	uint8_t memory[FAKE_SIZE]; /* at FAKE_BASE; nothing else can be read */
	size_t used;
	struct task task[FAKE_TASKS];
	uint32_t tasks;
	struct proc proc[FAKE_TASKS];
	uint32_t procs;
	struct {
		uint64_t va;
		const char *path;
	} path[FAKE_PATHS]; /* of a struct file or struct path */
	uint32_t paths;
	struct {
		uint64_t task, file[3];
	} stdio;			   /* the open files 0 to 2 of one task */
	const char *no_symbol, *no_member; /* this kernel lacks them; NULL: lacks none */
	bool no_btf;
	/* A read of guest memory that goes to somebody else; NULL: to `memory`. */
	int (*read)(uint64_t va, void *dst, size_t len);

	struct eve eve;
	uint64_t seq;
	char *line[FAKE_LINES]; /* events */
	enum eve_class cls[FAKE_LINES];
	uint32_t lines;
	bool full; /* the channel has no room */
};
extern struct fake fake;

/* Empty, with an eve. Frees what the last one kept. */
void fake_reset(void);
/* Zeroed memory in the guest; its address. */
uint64_t fake_alloc(size_t size);
/* A structure of the guest. */
#define fake_struct() fake_alloc(1024)
/* Store an integer of the member's size; NULL structure: at `va` itself, 8 octets. */
void fake_set(uint64_t va, const char *structure, const char *member, uint64_t value);
uint64_t fake_bytes(const void *data, size_t len);
uint64_t fake_text(const char *text);
void fake_path(uint64_t va, const char *path);
/* A file with a path, an inode with one link, a dentry in a directory. */
uint64_t fake_file(const char *path);
uint64_t fake_memfd(const char *name); /* without "memfd:" */
uint64_t fake_socket_file(uint64_t socket);
/* A process; its task's address. */
uint64_t fake_task(int32_t pid, uint32_t uid, const char *comm, const char *exe, uint64_t parent);
struct task *fake_find(uint64_t va);
/* Follow a task, as ids/proc would. */
struct proc *fake_follow(uint64_t task);

/* Compile a configuration's policy. NULL: refused (the reason in fake_refusal, its line in
 * fake_refused_line). The caller frees the blob's memory, which *memory gets. */
bool fake_compile(const char *text, void **memory, size_t *len);
extern char fake_refusal[256];
extern unsigned fake_refused_line, fake_refused;

/* A policy over these lines, attached. fake_reset() frees it. NULL: refused, or no memory. */
struct policy *fake_policy(const char *lines);
/* Let a call happen: the probe's function is called, if there is a probe. Returns hit->deny, or -1
 * if the function is not hooked. `held` tells whether the guest waited. */
int fake_call(struct policy *p, const char *symbol, uint64_t current, const uint64_t arg[5],
	      bool *held);
/* The word that the core takes for this probe (0: none). */
const struct probe *fake_probe(struct policy *p, const char *symbol);
extern uint64_t fake_now;
