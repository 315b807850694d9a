#include "ids/policy/gate.h"

/* errno of Linux (asm-generic/errno-base.h, errno.h); 1 to 13 lie in the first. */
#define LINUX_EPERM  1
#define LINUX_EACCES 13

#define F(name)	 FIELD_BIT(FIELD_##name)
#define FILE_OF	 (F(PATH) | F(FLAGS))
#define INET_OF	 (F(FAMILY) | F(TYPE) | F(PROTO))
#define LOCAL_OF (INET_OF | F(ADDR) | F(SPORT) | F(PATH))

_Static_assert(GATES <= 64 && FIELDS <= 32, "sets of gates and fields are words");

/* A special case stands behind its general gate. Told by default is what is rare and tells of an
 * attack more often than not; the rest would fill a serial port that carries 40 lines a second. */
const struct policy_gate_info policy_gates[GATES] = {
	[GATE_EXEC] = {"exec", FILE_OF, GATE_EXEC, DEFAULT_OFF, LINUX_EACCES},
	[GATE_MEMFD_EXEC] = {"memfd-exec", FILE_OF, GATE_EXEC, DEFAULT_TOLD, LINUX_EACCES},
	[GATE_CONNECT] = {"connect", INET_OF | F(ADDR) | F(DPORT) | F(PATH) | F(FLAGS),
			  GATE_CONNECT, DEFAULT_OFF, LINUX_EPERM},
	[GATE_SEND] = {"send", INET_OF | F(ADDR) | F(DPORT) | F(PATH) | F(FLAGS), GATE_SEND,
		       DEFAULT_OFF, LINUX_EPERM},
	[GATE_BIND] = {"bind", LOCAL_OF, GATE_BIND, DEFAULT_OFF, LINUX_EACCES},
	[GATE_LISTEN] = {"listen", LOCAL_OF, GATE_LISTEN, DEFAULT_OFF, LINUX_EACCES},
	[GATE_ACCEPT] = {"accept", LOCAL_OF, GATE_ACCEPT, DEFAULT_OFF, LINUX_EPERM},
	[GATE_SOCKET] = {"socket", INET_OF, GATE_SOCKET, DEFAULT_OFF, LINUX_EACCES},
	[GATE_RAW] = {"raw", INET_OF, GATE_SOCKET, DEFAULT_TOLD, LINUX_EACCES},
	[GATE_PACKET] = {"packet", INET_OF, GATE_SOCKET, DEFAULT_TOLD, LINUX_EACCES},
	[GATE_SIGNAL] = {"signal", F(SIGNAL) | F(TARGET) | F(TO), GATE_SIGNAL, DEFAULT_OFF,
			 LINUX_EPERM},
	[GATE_KILL] = {"kill", F(SIGNAL) | F(TARGET) | F(TO), GATE_SIGNAL, DEFAULT_TOLD,
		       LINUX_EPERM},
	[GATE_PTRACE] = {"ptrace", F(TARGET) | F(TO), GATE_PTRACE, DEFAULT_TOLD, LINUX_EPERM},
	[GATE_TRACEME] = {"traceme", F(TARGET) | F(TO), GATE_PTRACE, DEFAULT_TOLD, LINUX_EPERM},
	[GATE_PTRACE_READ] = {"ptrace-read", F(TARGET) | F(TO), GATE_PTRACE_READ, DEFAULT_OFF,
			      LINUX_EPERM},
	[GATE_MODULE_LOAD] = {"module-load", FILE_OF, GATE_MODULE_LOAD, DEFAULT_TOLD, LINUX_EPERM},
	[GATE_KEXEC_LOAD] = {"kexec-load", FILE_OF, GATE_KEXEC_LOAD, DEFAULT_TOLD, LINUX_EPERM},
	[GATE_FIRMWARE] = {"firmware", FILE_OF, GATE_FIRMWARE, DEFAULT_OFF, LINUX_EPERM},
	[GATE_BPF] = {"bpf", F(CMD), GATE_BPF, DEFAULT_NONROOT, LINUX_EPERM},
	[GATE_SETUID] = {"setuid", F(TO), GATE_SETUID, DEFAULT_TO_ROOT, LINUX_EPERM},
	[GATE_CREDS] = {"creds", F(TO), GATE_CREDS, DEFAULT_OFF, 0},
	[GATE_MOUNT] = {"mount", F(PATH) | F(DEV) | F(FSTYPE) | F(FLAGS), GATE_MOUNT, DEFAULT_TOLD,
			LINUX_EPERM},
	[GATE_REMOUNT] = {"remount", F(PATH) | F(DEV) | F(FSTYPE) | F(FLAGS), GATE_MOUNT,
			  DEFAULT_OFF, LINUX_EPERM},
	[GATE_MPROTECT] = {"mprotect", FILE_OF, GATE_MPROTECT, DEFAULT_OFF, LINUX_EACCES},
	[GATE_MMAP] = {"mmap", FILE_OF, GATE_MMAP, DEFAULT_OFF, LINUX_EACCES},
	[GATE_UNLINK] = {"unlink", F(PATH), GATE_UNLINK, DEFAULT_OFF, LINUX_EPERM},
	[GATE_UNLINK_RUNNING] = {"unlink-running", F(PATH), GATE_UNLINK, DEFAULT_TOLD, LINUX_EPERM},
	[GATE_SYSCALL] = {"syscall", F(NR), GATE_SYSCALL, DEFAULT_OFF, 0},
	[GATE_SOCKET_EXEC] = {"socket-exec", FILE_OF, GATE_EXEC, DEFAULT_TOLD, LINUX_EACCES},
};

/* AF_*: include/linux/socket.h. */
static const struct policy_name families[] = {
	{"unix", 1},  {"inet", 2},	 {"inet6", 10}, {"netlink", 16}, {"packet", 17},
	{"alg", 38},  {"bluetooth", 31}, {"vsock", 40}, {"xdp", 44},	 {"can", 29},
	{"tipc", 30}, {"key", 15},	 {NULL, 0},
};
/* SOCK_*: include/linux/net.h. */
static const struct policy_name socket_types[] = {
	{"stream", 1}, {"dgram", 2}, {"raw", 3}, {"rdm", 4}, {"seqpacket", 5}, {NULL, 0},
};
/* IANA's protocol numbers, and Linux' for MPTCP. */
static const struct policy_name protocols[] = {
	{"tcp", 6},   {"udp", 17},	{"icmp", 1}, {"icmp6", 58},  {"sctp", 132},
	{"dccp", 33}, {"udplite", 136}, {"gre", 47}, {"mptcp", 262}, {NULL, 0},
};
/* Signals of x86 (arch/x86/include/uapi/asm/signal.h). */
static const struct policy_name signals[] = {
	{"HUP", 1},   {"INT", 2},   {"QUIT", 3},  {"ILL", 4},	 {"TRAP", 5},  {"ABRT", 6},
	{"BUS", 7},   {"FPE", 8},   {"KILL", 9},  {"USR1", 10},	 {"SEGV", 11}, {"USR2", 12},
	{"PIPE", 13}, {"ALRM", 14}, {"TERM", 15}, {"CHLD", 17},	 {"CONT", 18}, {"STOP", 19},
	{"TSTP", 20}, {"TTIN", 21}, {"TTOU", 22}, {"WINCH", 28}, {NULL, 0},
};
/* enum bpf_cmd (include/uapi/linux/bpf.h), those that make or attach something. */
static const struct policy_name bpf_commands[] = {
	{"map-create", 0},   {"map-lookup", 1},	  {"map-update", 2},
	{"map-delete", 3},   {"map-next-key", 4}, {"prog-load", 5},
	{"obj-pin", 6},	     {"obj-get", 7},	  {"prog-attach", 8},
	{"prog-detach", 9},  {"prog-run", 10},	  {"prog-next-id", 11},
	{"map-next-id", 12}, {"prog-by-id", 13},  {"map-by-id", 14},
	{"info-by-fd", 15},  {"prog-query", 16},  {"raw-tracepoint-open", 17},
	{"btf-load", 18},    {"link-create", 28}, {"link-update", 29},
	{"iter-create", 33}, {"link-detach", 34}, {"token-create", 36},
	{NULL, 0},
};
static const struct policy_name flag_names[] = {
	{"memfd", FLAG_MEMFD},
	{"deleted", FLAG_DELETED},
	{"write", FLAG_WRITE},
	{"exec", FLAG_EXEC},
	{"anon", FLAG_ANON},
	{"bind", FLAG_BINDS},
	{"remount", FLAG_REMOUNT},
	{"move", FLAG_MOVE},
	{"propagation", FLAG_SHARING},
	{"fastopen", FLAG_FASTOPEN},
	{"io_uring", FLAG_URING},
	{"socket", FLAG_SOCKET},
	{NULL, 0},
};

const struct policy_field_info policy_fields[FIELDS] = {
	[FIELD_COMM] = {"comm", TYPE_TEXT, 0, NULL},
	[FIELD_EXE] = {"exe", TYPE_TEXT, 0, NULL},
	[FIELD_PARENT] = {"parent", TYPE_TEXT, 0, NULL},
	[FIELD_UID] = {"uid", TYPE_NUMBER, UINT32_MAX, NULL},
	[FIELD_EUID] = {"euid", TYPE_NUMBER, UINT32_MAX, NULL},
	[FIELD_PID] = {"pid", TYPE_NUMBER, INT32_MAX, NULL},
	[FIELD_PATH] = {"path", TYPE_TEXT, 0, NULL},
	[FIELD_ADDR] = {"addr", TYPE_ADDRESS, 0, NULL},
	[FIELD_DPORT] = {"dport", TYPE_NUMBER, UINT16_MAX, NULL},
	[FIELD_SPORT] = {"sport", TYPE_NUMBER, UINT16_MAX, NULL},
	[FIELD_FAMILY] = {"family", TYPE_NUMBER, 255, families},
	[FIELD_TYPE] = {"type", TYPE_NUMBER, 255, socket_types},
	[FIELD_PROTO] = {"proto", TYPE_NUMBER, UINT16_MAX, protocols},
	[FIELD_SIGNAL] = {"signal", TYPE_NUMBER, 64, signals},
	[FIELD_TARGET] = {"target", TYPE_TEXT, 0, NULL},
	[FIELD_TO] = {"to", TYPE_NUMBER, UINT32_MAX, NULL},
	[FIELD_CMD] = {"cmd", TYPE_NUMBER, UINT16_MAX, bpf_commands},
	[FIELD_DEV] = {"dev", TYPE_TEXT, 0, NULL},
	[FIELD_FSTYPE] = {"fstype", TYPE_TEXT, 0, NULL},
	[FIELD_FLAGS] = {"flags", TYPE_FLAGS, FLAGS_KNOWN, flag_names},
	[FIELD_NR] = {"nr", TYPE_NUMBER, UINT32_MAX, NULL},
};

const struct policy_name policy_errnos[] = {
	{"EPERM", 1},
	{"ENOENT", 2},
	{"ESRCH", 3},
	{"EIO", 5},
	{"ENXIO", 6},
	{"E2BIG", 7},
	{"ENOEXEC", 8},
	{"EBADF", 9},
	{"EAGAIN", 11},
	{"ENOMEM", 12},
	{"EACCES", 13},
	{"EFAULT", 14},
	{"EBUSY", 16},
	{"EEXIST", 17},
	{"ENODEV", 19},
	{"EINVAL", 22},
	{"EMFILE", 24},
	{"ETXTBSY", 26},
	{"ENOSPC", 28},
	{"EROFS", 30},
	{"ENOSYS", 38},
	{"EPROTONOSUPPORT", 93},
	{"EOPNOTSUPP", 95},
	{"EAFNOSUPPORT", 97},
	{"EADDRINUSE", 98},
	{"EADDRNOTAVAIL", 99},
	{"ENETDOWN", 100},
	{"ENETUNREACH", 101},
	{"ECONNRESET", 104},
	{"ETIMEDOUT", 110},
	{"ECONNREFUSED", 111},
	{"EHOSTUNREACH", 113},
	{NULL, 0},
};

uint64_t policy_gate_mask(enum policy_gate gate)
{
	uint64_t mask = 0;

	for (unsigned g = 0; g < GATES; g++)
		if (g == gate || policy_gates[g].general == gate)
			mask |= GATE_BIT(g);
	return mask;
}

const char *policy_name(const struct policy_name *names, uint64_t value)
{
	for (; names && names->name; names++)
		if (names->value == value)
			return names->name;
	return NULL;
}

const char *policy_errno_name(uint64_t err)
{
	return policy_name(policy_errnos, err);
}
