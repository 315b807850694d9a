/* What the decoders need to know of the guest's kernel: offsets of members, values of enumerators,
 * and reads of one member. Resolved at the attach. For ids/policy. May call: ids/guest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/guest/kernel.h"
#include "ids/proc/procs.h"

/* name, structure, member (as kernel_member takes it), octets. Each must stand in the table of
 * wanted members (ids/guest/kernel_wanted.h). Layouts differ between 6.1 and 6.12, names do not. */
#define POLICY_MEMBERS(M)                                                                          \
	M(BPRM_FILE, "linux_binprm", "file", 8)                                                    \
	M(BPRM_FILENAME, "linux_binprm", "filename", 8)                                            \
	M(FILE_DENTRY, "file", "f_path.dentry", 8)                                                 \
	M(FILE_INODE, "file", "f_inode", 8)                                                        \
	M(FILE_PRIVATE, "file", "private_data", 8)                                                 \
	M(DENTRY_PARENT, "dentry", "d_parent", 8)                                                  \
	M(DENTRY_NAME, "dentry", "d_name.name", 8)                                                 \
	M(DENTRY_INODE, "dentry", "d_inode", 8)                                                    \
	M(INODE_MODE, "inode", "i_mode", 2)                                                        \
	M(INODE_NLINK, "inode", "i_nlink", 4)                                                      \
	M(PATH_MNT, "path", "mnt", 8)                                                              \
	M(MNT_SB, "vfsmount", "mnt_sb", 8)                                                         \
	M(SB_TYPE, "super_block", "s_type", 8)                                                     \
	M(FSTYPE_NAME, "file_system_type", "name", 8)                                              \
	M(SOCKET_SK, "socket", "sk", 8)                                                            \
	M(SK_TYPE, "sock", "sk_type", 2)                                                           \
	M(SK_PROTOCOL, "sock", "sk_protocol", 2)                                                   \
	M(SK_FAMILY, "sock", "__sk_common.skc_family", 2)                                          \
	M(SK_NUM, "sock", "__sk_common.skc_num", 2)                                                \
	M(SK_SADDR, "sock", "__sk_common.skc_rcv_saddr", 4)                                        \
	M(SK_SADDR6, "sock", "__sk_common.skc_v6_rcv_saddr", 16)                                   \
	M(MSG_NAME, "msghdr", "msg_name", 8)                                                       \
	M(MSG_NAMELEN, "msghdr", "msg_namelen", 4)                                                 \
	M(MSG_FLAGS, "msghdr", "msg_flags", 4)                                                     \
	M(CRED_UID, "cred", "uid", 4)                                                              \
	M(CRED_EUID, "cred", "euid", 4)                                                            \
	M(VMA_FILE, "vm_area_struct", "vm_file", 8)                                                \
	M(TASK_MM, "task_struct", "mm", 8)                                                         \
	M(MM_EXE, "mm_struct", "exe_file", 8)

enum policy_member {
#define M(name, structure, member, size) MEMBER_##name,
	POLICY_MEMBERS(M)
#undef M
		MEMBERS
};
#define MEMBER_BIT(name) (1u << MEMBER_##name)

/* enum kernel_read_file_id and kernel_load_data_id of include/linux/{kernel_read_file,security}.h;
 * the same numbers since 5.10, asked for all the same. */
#define POLICY_ENUMS(E)                                                                            \
	E(READ_FIRMWARE, "READING_FIRMWARE", 1)                                                    \
	E(READ_MODULE, "READING_MODULE", 2)                                                        \
	E(READ_KEXEC, "READING_KEXEC_IMAGE", 3)                                                    \
	E(READ_INITRAMFS, "READING_KEXEC_INITRAMFS", 4)                                            \
	E(LOAD_FIRMWARE, "LOADING_FIRMWARE", 1)                                                    \
	E(LOAD_MODULE, "LOADING_MODULE", 2)                                                        \
	E(LOAD_KEXEC, "LOADING_KEXEC_IMAGE", 3)                                                    \
	E(LOAD_INITRAMFS, "LOADING_KEXEC_INITRAMFS", 4)

enum policy_enum {
#define E(name, enumerator, usual) ENUM_##name,
	POLICY_ENUMS(E)
#undef E
		ENUMS
};

struct policy_layout {
	const struct kernel *kernel;
	const struct gspace *space;
	const struct procs *procs; /* NULL: nothing is followed */
	int64_t offset[MEMBERS];   /* negative: this kernel has none */
	uint32_t missing;	   /* MEMBER_BIT of those */
	uint64_t gates;		   /* GATE_BIT: what lines and defaults ask for */
	uint64_t asked;		   /* of these by lines and `watch`, not by default alone */
	uint32_t fields;	   /* FIELD_BIT: what lines ask for */
	int64_t value[ENUMS];
};

void layout_attach(struct policy_layout *l, const struct kernel *k, const struct procs *procs);

/* The member of the structure at `va`, widened. False: unreadable, or this kernel has none. */
bool layout_read(const struct policy_layout *l, uint64_t va, enum policy_member m, uint64_t *value);
/* Its octets; `size` is the member's. */
bool layout_bytes(const struct policy_layout *l, uint64_t va, enum policy_member m, void *dst,
		  size_t size);
/* The string at `va`; false: unreadable, empty, or longer than `dst` holds. */
bool layout_string(const struct policy_layout *l, uint64_t va, char *dst, size_t size);
