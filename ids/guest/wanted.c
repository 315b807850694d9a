/* See wanted.h. */
#include "ids/guest/wanted.h"

#include <assert.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const struct wanted wanted_structures[] = {
	/* tasks */
	{"task_struct",
	 "pid tgid comm flags __state exit_state exit_code real_parent parent "
	 "group_leader tasks thread_group thread_node children sibling mm active_mm "
	 "cred real_cred files fs nsproxy thread_pid pid_links start_time start_boottime "
	 "signal stack on_cpu"},
	{"signal_struct", "thread_head nr_threads live flags group_exit_code pids"},
	{"mm_struct", "pgd exe_file arg_start arg_end env_start mm_users owner"},
	{"cred", "uid euid suid gid egid fsuid user_ns cap_effective"},
	{"list_head", "next prev"},
	{"hlist_head", "first"},
	{"hlist_node", "next pprev"},
	{"pid", "level numbers tasks count"},
	{"upid", "nr ns"},
	{"pid_namespace", "idr idr.idr_rt.xa_head level parent pid_allocated child_reaper ns"},
	{"idr", "idr_rt idr_rt.xa_head idr_base idr_next"},
	{"xarray", "xa_head xa_flags"},
	{"xa_node", "shift offset count slots parent"},
	{"nsproxy", "pid_ns_for_children net_ns mnt_ns uts_ns"},
	{"ns_common", "inum"},
	{"user_namespace", "ns level parent"},
	{"net", "ns"},
	/* files */
	{"files_struct", "fdt"},
	{"fdtable", "max_fds fd"},
	{"file", "f_path f_path.dentry f_path.mnt f_inode f_pos f_op f_flags private_data"},
	{"path", "dentry mnt"},
	{"dentry", "d_name d_name.name d_parent d_inode d_sb d_iname d_flags"},
	{"qstr", "name len"},
	{"inode", "i_ino i_mode i_sb i_nlink i_uid i_fop i_size"},
	{"super_block", "s_magic s_root s_type s_dev s_id s_fs_info"},
	{"file_system_type", "name"},
	{"proc_fs_info", "pid_ns hide_pid"},
	{"mount", "mnt_parent mnt_mountpoint mnt"},
	{"vfsmount", "mnt_root mnt_sb"},
	{"fs_struct", "root pwd"},
	{"vm_area_struct", "vm_start vm_end vm_file vm_flags vm_mm"},
	{"linux_binprm", "file filename interp cred executable argc envc unsafe"},
	{"filename", "name"},
	/* sockets */
	{"socket", "type state sk file ops"},
	{"socket_alloc", "socket vfs_inode"},
	{"sock_common",
	 "skc_family skc_state skc_daddr skc_rcv_saddr skc_dport skc_num skc_v6_daddr "
	 "skc_v6_rcv_saddr skc_net skc_prot"},
	{"sock", "__sk_common __sk_common.skc_family __sk_common.skc_num __sk_common.skc_rcv_saddr "
		 "__sk_common.skc_v6_rcv_saddr sk_socket sk_protocol sk_type sk_uid"},
	{"inet_sock", "inet_sport inet_saddr"},
	{"sockaddr", "sa_family"},
	{"sockaddr_in", "sin_family sin_port sin_addr"},
	{"sockaddr_in6", "sin6_family sin6_port sin6_addr"},
	{"msghdr", "msg_name msg_namelen msg_flags"},
	{"kernel_siginfo", "si_signo si_code"},
	/* modules */
	{"module", "name list state core_layout init_layout mem kallsyms init exit its_num_pages "
		   "its_page_array arch.its_pages.num arch.its_pages.pages"},
	{"module_memory", "base size"},
	{"module_layout", "base size text_size ro_size ro_after_init_size"},
	{"mod_kallsyms", "symtab num_symtab strtab"},
	/* patching of text */
	{"ftrace_ops", "func next flags private trampoline trampoline_size list func_hash"},
	{"ftrace_ops_hash", "filter_hash"},
	{"ftrace_hash", "size_bits buckets count"},
	{"ftrace_func_entry", "hlist ip"},
	{"ftrace_page", "next records index"},
	{"dyn_ftrace", "ip flags"},
	{"kprobe", "hlist list addr pre_handler post_handler flags ainsn opcode"},
	{"kretprobe", "kp handler entry_handler"},
	{"arch_specific_insn", "insn"},
	{"optimized_kprobe", "kp optinsn"},
	{"arch_optimized_insn", "copied_insn"},
	{"kprobe_insn_cache", "pages"},
	{"kprobe_insn_page", "list insns"},
	{"jump_entry", "code target key"},
	{"static_call_site", "addr key"},
	{"kimage", "control_code_page"},
	{"vm_struct", "next addr size flags pages nr_pages caller"},
	{"vmap_area", "va_start va_end rb_node list vm"},
	/* bpf */
	{"bpf_prog", "pages type expected_attach_type len jited_len aux bpf_func insnsi"},
	{"bpf_prog_aux", "id name ksym attach_func_name used_map_cnt used_maps user"},
	{"user_struct", "uid"},
	{"bpf_ksym", "start end name lnode prog"},
	{"bpf_prog_pack", "list ptr"},
	{"bpf_raw_event_map", "tp bpf_func num_args"},
	{"tracepoint", "name funcs"},
	{"tracepoint_func", "func data prio"},
	{"trace_event_call", "list event prog_array"},
	{"bpf_prog_array", "items"},
	{"bpf_prog_array_item", "prog"},
	{"pt_regs", "r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss"},
	{"pcpu_hot", "current_task"},
};
const uint32_t wanted_structure_count = COUNT(wanted_structures);

const struct wanted wanted_enums[] = {
	{"pid_type", "PIDTYPE_PID PIDTYPE_TGID PIDTYPE_PGID PIDTYPE_SID PIDTYPE_MAX"},
	{"mod_mem_type", "MOD_TEXT MOD_DATA MOD_RODATA MOD_RO_AFTER_INIT MOD_INIT_TEXT "
			 "MOD_INIT_DATA MOD_INIT_RODATA MOD_MEM_NUM_TYPES"},
	{"module_state",
	 "MODULE_STATE_LIVE MODULE_STATE_COMING MODULE_STATE_GOING MODULE_STATE_UNFORMED"},
	{"bpf_prog_type",
	 "BPF_PROG_TYPE_KPROBE BPF_PROG_TYPE_TRACEPOINT BPF_PROG_TYPE_XDP "
	 "BPF_PROG_TYPE_SCHED_CLS BPF_PROG_TYPE_SCHED_ACT BPF_PROG_TYPE_RAW_TRACEPOINT "
	 "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE BPF_PROG_TYPE_TRACING "
	 "BPF_PROG_TYPE_LSM BPF_PROG_TYPE_SYSCALL"},
	{"kernel_read_file_id", "READING_FIRMWARE READING_MODULE READING_KEXEC_IMAGE "
				"READING_KEXEC_INITRAMFS READING_POLICY"},
	{"kernel_load_data_id", "LOADING_FIRMWARE LOADING_MODULE LOADING_KEXEC_IMAGE "
				"LOADING_KEXEC_INITRAMFS LOADING_POLICY"},
	{"bpf_attach_type", "BPF_MODIFY_RETURN"},
	{"system_states", "SYSTEM_SCHEDULING SYSTEM_RUNNING"},
	{"proc_hidepid", "HIDEPID_OFF HIDEPID_NO_ACCESS HIDEPID_INVISIBLE HIDEPID_NOT_PTRACEABLE"},
};
const uint32_t wanted_enum_count = COUNT(wanted_enums);

_Static_assert(COUNT(wanted_structures) <= WANTED_STRUCTURES_MAX, "room for the structures");
