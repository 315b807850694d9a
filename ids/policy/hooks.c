#include "ids/policy/hook.h"

#define G(name) GATE_BIT(GATE_##name)
#define N(name) MEMBER_BIT(name)

/* Signatures as in 6.1 and 6.12 (checked in the BTF of Debian's kernels of both); the arguments
 * that matter are named beside each. All return int, but for commit_creds, which never fails. */
const struct policy_hook policy_hooks[HOOKS] = {
	/* (struct linux_binprm *): its file becomes the process's, but it itself is freed */
	[HOOK_BPRM_CHECK] = {.symbol = "security_bprm_check",
			     .decode = decode_exec,
			     .gates = G(EXEC) | G(MEMFD_EXEC) | G(SOCKET_EXEC),
			     .needs = N(BPRM_FILE) | N(FILE_DENTRY) | N(DENTRY_PARENT) |
				      N(DENTRY_NAME),
			     .base = 0,
			     .structure = "linux_binprm",
			     .member = "file"},
	/* (struct socket *, struct sockaddr *, int): the address is a copy on the kernel's stack */
	[HOOK_CONNECT] = {.symbol = "security_socket_connect",
			  .decode = decode_connect,
			  .gates = G(CONNECT),
			  .needs = N(SOCKET_SK),
			  .fleeting = true},
	/* (struct socket *, struct msghdr *, int) */
	[HOOK_SENDMSG] = {.symbol = "security_socket_sendmsg",
			  .decode = decode_send,
			  .gates = G(SEND),
			  .needs = N(SOCKET_SK) | N(MSG_NAME) | N(MSG_NAMELEN),
			  .fleeting = true},
	[HOOK_BIND] = {.symbol = "security_socket_bind",
		       .decode = decode_bind,
		       .gates = G(BIND),
		       .needs = N(SOCKET_SK),
		       .fleeting = true},
	/* (struct socket *, int backlog) */
	[HOOK_LISTEN] = {.symbol = "security_socket_listen",
			 .decode = decode_listen,
			 .gates = G(LISTEN),
			 .needs = N(SOCKET_SK) | N(SK_FAMILY)},
	/* (struct socket *, struct socket *new) */
	[HOOK_ACCEPT] = {.symbol = "security_socket_accept",
			 .decode = decode_accept,
			 .gates = G(ACCEPT),
			 .needs = N(SOCKET_SK) | N(SK_FAMILY)},
	/* (int family, int type, int protocol, int kern) */
	[HOOK_SOCKET] = {.symbol = "security_socket_create",
			 .decode = decode_socket,
			 .gates = G(SOCKET) | G(RAW) | G(PACKET)},
	/* (struct task_struct *, struct kernel_siginfo *, int sig, const struct cred *) */
	[HOOK_KILL] = {.symbol = "security_task_kill",
		       .decode = decode_kill,
		       .gates = G(SIGNAL) | G(KILL)},
	/* (struct task_struct *child, unsigned int mode) */
	[HOOK_PTRACE] = {.symbol = "security_ptrace_access_check",
			 .decode = decode_ptrace,
			 .gates = G(PTRACE) | G(PTRACE_READ)},
	/* (struct task_struct *parent) */
	[HOOK_TRACEME] = {.symbol = "security_ptrace_traceme",
			  .decode = decode_traceme,
			  .gates = G(TRACEME)},
	/* (struct file *, enum kernel_read_file_id, bool): rare, and the file is closed at the end
	 */
	[HOOK_READ_FILE] = {.symbol = "security_kernel_read_file",
			    .decode = decode_read_file,
			    .gates = G(MODULE_LOAD) | G(KEXEC_LOAD) | G(FIRMWARE),
			    .fleeting = true},
	/* (enum kernel_load_data_id, bool) */
	[HOOK_LOAD_DATA] = {.symbol = "security_kernel_load_data",
			    .decode = decode_load_data,
			    .gates = G(MODULE_LOAD) | G(KEXEC_LOAD) | G(FIRMWARE)},
	/* (int cmd, union bpf_attr *, unsigned int) */
	[HOOK_BPF] = {.symbol = "security_bpf", .decode = decode_bpf, .gates = G(BPF)},
	/* (struct cred *new, const struct cred *old, int): rare; both may be freed at once */
	[HOOK_SETUID] = {.symbol = "security_task_fix_setuid",
			 .decode = decode_setuid,
			 .gates = G(SETUID),
			 .needs = N(CRED_UID) | N(CRED_EUID),
			 .fleeting = true},
	/* (struct cred *new) */
	[HOOK_CREDS] = {.symbol = "commit_creds",
			.decode = decode_creds,
			.gates = G(CREDS),
			.needs = N(CRED_EUID)},
	/* (const char *dev, const struct path *, const char *type, unsigned long flags, void *):
	 * rare; all of them copies for the call */
	[HOOK_MOUNT] = {.symbol = "security_sb_mount",
			.decode = decode_mount,
			.gates = G(MOUNT) | G(REMOUNT),
			.fleeting = true},
	/* (const struct path *from, const struct path *to) */
	[HOOK_MOVE_MOUNT] = {.symbol = "security_move_mount",
			     .decode = decode_move_mount,
			     .gates = G(MOUNT),
			     .fleeting = true},
	/* (struct vm_area_struct *, unsigned long reqprot, unsigned long prot) */
	[HOOK_MPROTECT] = {.symbol = "security_file_mprotect",
			   .decode = decode_mprotect,
			   .gates = G(MPROTECT),
			   .needs = N(VMA_FILE)},
	/* (struct file *, unsigned long prot, unsigned long flags) */
	[HOOK_MMAP] = {.symbol = "security_mmap_file", .decode = decode_mmap, .gates = G(MMAP)},
	/* (const struct path *dir, struct dentry *): the inode of a running binary stays, the name
	 * may go */
	[HOOK_UNLINK] = {.symbol = "security_path_unlink",
			 .decode = decode_unlink,
			 .gates = G(UNLINK) | G(UNLINK_RUNNING),
			 .needs = N(DENTRY_NAME) | N(DENTRY_INODE) | N(TASK_MM) | N(MM_EXE) |
				  N(FILE_INODE),
			 .base = 1,
			 .structure = "dentry",
			 .member = "d_inode"},
	/* (const struct pt_regs *, unsigned int nr): the next call of the task overwrites them */
	[HOOK_SYSCALL64] = {.symbol = "x64_sys_call",
			    .decode = decode_syscall64,
			    .gates = G(SYSCALL),
			    .fleeting = true},
	[HOOK_SYSCALL32] = {.symbol = "ia32_sys_call",
			    .decode = decode_syscall32,
			    .gates = G(SYSCALL),
			    .fleeting = true},
};
