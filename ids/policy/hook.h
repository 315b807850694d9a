/* The kernel functions behind the gates: one entry each, and its decoder. For ids/policy. */
#pragma once

#include "ids/policy/record.h"

/* Read the call's arguments into `r`, whose caller is filled already. False: the call is none of
 * policy's business. With hit->sync the guest's memory is as it was at the call; without, it is
 * some later moment's. */
typedef bool policy_decode(const struct policy_layout *l, const struct probe_hit *hit,
			   struct policy_record *r);

struct policy_hook {
	const char *symbol;
	policy_decode *decode;
	uint64_t gates; /* those that its calls may belong to */
	uint32_t needs; /* MEMBER_BIT: without these the gate can't be judged */
	/* What must be read lies on the caller's stack or is freed soon: a look a millisecond later
	 * would tell something untrue, so the call is held even if no line can deny it. */
	bool fleeting;
	uint32_t held; /* FIELD_BIT: read only while a call is held: it is if a line asks for one */
	uint8_t base;  /* as in struct probe: the word to take at the call */
	const char *structure, *member;
};

/* In the order of the table. */
enum policy_hook_id {
	HOOK_BPRM_CHECK,
	HOOK_CONNECT,
	HOOK_SENDMSG,
	HOOK_BIND,
	HOOK_LISTEN,
	HOOK_ACCEPT,
	HOOK_SOCKET,
	HOOK_KILL,
	HOOK_PTRACE,
	HOOK_TRACEME,
	HOOK_READ_FILE,
	HOOK_LOAD_DATA,
	HOOK_BPF,
	HOOK_SETUID,
	HOOK_CREDS,
	HOOK_MOUNT,
	HOOK_MOVE_MOUNT,
	HOOK_MPROTECT,
	HOOK_MMAP,
	HOOK_UNLINK,
	HOOK_SYSCALL64,
	HOOK_SYSCALL32,
	HOOKS
};
extern const struct policy_hook policy_hooks[HOOKS];

/* gate_exec.c */
policy_decode decode_exec;
/* Path and flags of a file, for every gate that has one. `file` 0: there is none. */
void decode_file(const struct policy_layout *l, uint64_t file, struct policy_record *r);
/* gate_socket.c */
policy_decode decode_connect, decode_send, decode_bind, decode_listen, decode_accept, decode_socket;
/* gate_task.c */
policy_decode decode_kill, decode_ptrace, decode_traceme;
/* gate_cred.c */
policy_decode decode_setuid, decode_creds;
/* gate_load.c */
policy_decode decode_read_file, decode_load_data, decode_bpf;
/* gate_mount.c */
policy_decode decode_mount, decode_move_mount;
/* gate_file.c */
policy_decode decode_mprotect, decode_mmap, decode_unlink;
/* gate_syscall.c */
policy_decode decode_syscall64, decode_syscall32;
