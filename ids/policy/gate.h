/* The gates and fields of the policy language: const tables that the compiler (vigilc), the check
 * of a blob and the engine share.
 *
 * A gate is a decision of the guest's kernel that a line can name: `exec`, `connect`, ... Some are
 * special cases of another (`memfd-exec` of `exec`): a call belongs to the most special one, and a
 * line that names the general one means the special ones too. Pure. May call: nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers are part of the blob format: append only. */
enum policy_gate {
	GATE_EXEC,
	GATE_MEMFD_EXEC,
	GATE_CONNECT,
	GATE_SEND,
	GATE_BIND,
	GATE_LISTEN,
	GATE_ACCEPT,
	GATE_SOCKET,
	GATE_RAW,
	GATE_PACKET,
	GATE_SIGNAL,
	GATE_KILL,
	GATE_PTRACE,
	GATE_TRACEME,
	GATE_PTRACE_READ,
	GATE_MODULE_LOAD,
	GATE_KEXEC_LOAD,
	GATE_FIRMWARE,
	GATE_BPF,
	GATE_SETUID,
	GATE_CREDS,
	GATE_MOUNT,
	GATE_REMOUNT,
	GATE_MPROTECT,
	GATE_MMAP,
	GATE_UNLINK,
	GATE_UNLINK_RUNNING,
	GATE_SYSCALL, /* of `trace` lines only */
	GATE_SOCKET_EXEC,
	GATES
};

#define GATE_BIT(gate) (1ull << (gate))
#define GATES_ALL      (GATE_BIT(GATES) - 1)

/* Numbers are part of the blob format: append only. */
enum policy_field {
	/* of the caller, at every gate */
	FIELD_COMM,
	FIELD_EXE,
	FIELD_PARENT,
	FIELD_UID,
	FIELD_EUID,
	FIELD_PID,
	/* of what it wants */
	FIELD_PATH,
	FIELD_ADDR,
	FIELD_DPORT,
	FIELD_SPORT,
	FIELD_FAMILY,
	FIELD_TYPE,
	FIELD_PROTO,
	FIELD_SIGNAL,
	FIELD_TARGET,
	FIELD_TO,
	FIELD_CMD,
	FIELD_DEV,
	FIELD_FSTYPE,
	FIELD_FLAGS,
	FIELD_NR,
	FIELDS
};

#define FIELD_BIT(field) (1u << (field))
#define FIELDS_CALLER                                                                              \
	(FIELD_BIT(FIELD_COMM) | FIELD_BIT(FIELD_EXE) | FIELD_BIT(FIELD_PARENT) |                  \
	 FIELD_BIT(FIELD_UID) | FIELD_BIT(FIELD_EUID) | FIELD_BIT(FIELD_PID))

enum policy_type { TYPE_TEXT, TYPE_NUMBER, TYPE_ADDRESS, TYPE_FLAGS };

/* Values of FIELD_FLAGS. */
#define FLAG_MEMFD    0x0001u /* the file is a memfd */
#define FLAG_DELETED  0x0002u /* the file has no name any more */
#define FLAG_WRITE    0x0004u /* the mapping is writable */
#define FLAG_EXEC     0x0008u /* and executable */
#define FLAG_ANON     0x0010u /* no file is behind it */
#define FLAG_BINDS    0x0020u /* mount: MS_BIND */
#define FLAG_REMOUNT  0x0040u /* mount: MS_REMOUNT */
#define FLAG_MOVE     0x0080u /* mount: MS_MOVE, or move_mount() */
#define FLAG_SHARING  0x0100u /* mount: only its propagation changes */
#define FLAG_FASTOPEN 0x0200u /* send: MSG_FASTOPEN, connects by sending */
#define FLAG_URING    0x0400u /* called by an io_uring worker of the process */
#define FLAG_SOCKET   0x0800u /* exec: standard input and output are network connections */
#define FLAGS_KNOWN   0x0fffu

struct policy_name {
	const char *name;
	uint64_t value;
};

enum gate_default {
	DEFAULT_OFF,	 /* told when a line says so */
	DEFAULT_TOLD,	 /* always told */
	DEFAULT_NONROOT, /* told of callers whose effective user is not 0 */
	DEFAULT_TO_ROOT, /* told when a user other than 0 becomes effective user 0 */
};

struct policy_gate_info {
	const char *name;
	uint32_t fields; /* FIELD_BIT of those that a line may match here */
	uint8_t general; /* enum policy_gate that it is a special case of; itself: of none */
	uint8_t told;	 /* enum gate_default */
	uint8_t err;	 /* errno of `deny` where the line has none; 0: can't be denied */
};
extern const struct policy_gate_info policy_gates[GATES];

struct policy_field_info {
	const char *name;
	enum policy_type type;
	uint64_t max;			 /* of a number */
	const struct policy_name *names; /* words for numbers or flags, ended by NULL; or NULL */
};
extern const struct policy_field_info policy_fields[FIELDS];

/* The gate and all that are special cases of it. */
uint64_t policy_gate_mask(enum policy_gate gate);
/* The word for a value, NULL: it has none. */
const char *policy_name(const struct policy_name *names, uint64_t value);
/* The name of an errno of the guest ("EPERM"), NULL: not one that policy knows by name. */
const char *policy_errno_name(uint64_t err);
extern const struct policy_name policy_errnos[];
#define POLICY_ERRNO_MAX 133 /* EHWPOISON: from 512 on they are the kernel's own */
