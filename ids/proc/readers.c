/* See readers.h. */
#include "ids/proc/readers.h"

#include <string.h>

#include "hv/errno.h"
#include "ids/proc/listing.h"
#include "ids/proc/task.h"

#define PROC_SUPER_MAGIC  0x9fa0u
#define HIDEPID_INVISIBLE 2u /* and above: processes of others are not listed */

enum where {
	FILE_POS,
	FILE_DENTRY,
	DENTRY_SB,
	SB_MAGIC,
	SB_ROOT,
	SB_INFO,
	INFO_NS,
	INFO_HIDE,
	TASK_STACK,
	TASK_CRED,
	CRED_CAPS,
	WHERE
};

static const struct {
	const char *structure, *path;
} where[WHERE] = {
	[FILE_POS] = {"file", "f_pos"},		 [FILE_DENTRY] = {"file", "f_path.dentry"},
	[DENTRY_SB] = {"dentry", "d_sb"},	 [SB_MAGIC] = {"super_block", "s_magic"},
	[SB_ROOT] = {"super_block", "s_root"},	 [SB_INFO] = {"super_block", "s_fs_info"},
	[INFO_NS] = {"proc_fs_info", "pid_ns"},	 [INFO_HIDE] = {"proc_fs_info", "hide_pid"},
	[TASK_STACK] = {"task_struct", "stack"}, [TASK_CRED] = {"task_struct", "cred"},
	[CRED_CAPS] = {"cred", "cap_effective"},
};

/* The user's registers as the kernel's entry saves them (Linux: arch/x86/include/asm/ptrace.h). */
struct user_regs {
	uint64_t r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	uint64_t orig_ax, ip, cs, flags, sp, ss;
};

#define USER_CS	   0x33u
#define USER_CS_32 0x23u
#define USER_DS	   0x2bu

/* The call as the user made it. */
struct call {
	uint64_t fd, buffer, size;
	enum listing_format format;
};

int readers_init(struct readers *r, struct groups *groups, void *(*alloc)(void *ctx, size_t size),
		 void *ctx)
{
	r->groups = groups;
	r->bytes = alloc(ctx, LISTING_BUFFER);
	return r->bytes ? 0 : -ENOMEM;
}

int readers_attach(struct readers *r, const struct kernel *k)
{
	r->k = k;
	memset(r->reader, 0, sizeof(r->reader));
	r->pid_ns = kernel_symbol(k, "init_pid_ns");
	r->known = r->pid_ns;
	for (int i = 0; i < WHERE; i++) {
		int64_t offset = kernel_offset(k, where[i].structure, where[i].path);
		r->known = r->known && offset >= 0;
		r->offset[i] = (uint32_t)offset;
	}
	return r->known ? 0 : -ENOENT;
}

static bool word(const struct readers *r, uint64_t va, enum where at, void *value, size_t size)
{
	return va && !gspace_read(kernel_space(r->k), va + r->offset[at], value, size);
}

/* Which call it is, and its arguments; the numbers are those of Linux's x86 system-call tables. */
static bool is_call(const struct user_regs *u, struct call *call)
{
	static const struct {
		uint32_t cs, nr;
		enum listing_format format;
	} known[] = {
		{USER_CS, 217, LISTING_DIRENT64},
		{USER_CS, 78, LISTING_DIRENT},
		{USER_CS_32, 220,
		 LISTING_DIRENT64}, /* the 32-bit getdents64 has the same entries */
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (u->cs != known[i].cs || (uint32_t)u->orig_ax != known[i].nr || u->ss != USER_DS)
			continue;
		bool wide = u->cs == USER_CS;
		*call = (struct call){
			.fd = (uint32_t)(wide ? u->di : u->bx),
			.buffer = wide ? u->si : (uint32_t)u->cx,
			.size = (uint32_t)u->dx,
			.format = known[i].format,
		};
		return !(call->buffer >> 63);
	}
	return false;
}

/* The user's registers lie at the top of the task's kernel stack (16 KiB; 32 under KASAN), with 16
 * bytes above them where the kernel is built for FRED. A system-call handler gets their address as
 * its argument. What is found must look like it. */
static bool find_call(const struct readers *r, const struct probe_hit *hit, struct call *call)
{
	static const uint32_t top[] = {0x4000, 0x4000 - 16, 0x8000, 0x8000 - 16};
	struct user_regs u;
	uint64_t stack;
	if (!gspace_read(kernel_space(r->k), hit->arg[0], &u, sizeof(u)) && is_call(&u, call))
		return true;
	if (!word(r, hit->current, TASK_STACK, &stack, sizeof(stack)))
		return false;
	for (size_t i = 0; i < sizeof(top) / sizeof(top[0]); i++)
		if (!gspace_read(kernel_space(r->k), stack + top[i] - sizeof(u), &u, sizeof(u)) &&
		    is_call(&u, call))
			return true;
	return false;
}

/* Does the reader see all there is? hidepid (proc(5)) hides the processes of others from all but
 * those who may trace them. Root without that capability, in a service that systemd confines, may
 * not. A module could still forbid it to one who has it, which Debian's do not. */
static bool sees_all(const struct readers *r, uint64_t task, uint32_t hide)
{
	const uint64_t CAP_SYS_PTRACE = 1u << 19;
	uint64_t cred, caps;
	if (hide < HIDEPID_INVISIBLE)
		return true;
	return hide == HIDEPID_INVISIBLE && word(r, task, TASK_CRED, &cred, sizeof(cred)) &&
	       word(r, cred, CRED_CAPS, &caps, sizeof(caps)) && (caps & CAP_SYS_PTRACE);
}

/* Is it the root of a procfs? */
static bool is_proc_root(const struct readers *r, uint64_t file, uint64_t *sb)
{
	uint64_t dentry, magic, top;
	return word(r, file, FILE_DENTRY, &dentry, sizeof(dentry)) &&
	       word(r, dentry, DENTRY_SB, sb, sizeof(*sb)) &&
	       word(r, *sb, SB_MAGIC, &magic, sizeof(magic)) && magic == PROC_SUPER_MAGIC &&
	       word(r, *sb, SB_ROOT, &top, sizeof(top)) && top == dentry;
}

/* And one that says anything of the initial namespace, to this reader? */
static bool says_all(const struct readers *r, uint64_t sb, uint64_t task)
{
	uint64_t info, ns;
	uint32_t hide;
	return word(r, sb, SB_INFO, &info, sizeof(info)) &&
	       word(r, info, INFO_NS, &ns, sizeof(ns)) && ns == r->pid_ns &&
	       word(r, info, INFO_HIDE, &hide, sizeof(hide)) && sees_all(r, task, hide);
}

static struct reader *find(struct readers *r, uint64_t file)
{
	for (uint32_t i = 0; i < READERS; i++)
		if (r->reader[i].state == READER_READING && r->reader[i].file == file)
			return &r->reader[i];
	return NULL;
}

/* A free one, else the one that has not read for longest. NULL: all are complete and wait. */
static struct reader *take(struct readers *r)
{
	struct reader *oldest = NULL;
	for (uint32_t i = 0; i < READERS; i++) {
		struct reader *reader = &r->reader[i];
		if (reader->state == READER_FREE)
			return reader;
		if (reader->state == READER_READING &&
		    (!oldest || reader->last_tsc < oldest->last_tsc))
			oldest = reader;
	}
	if (oldest)
		r->dropped++;
	return oldest;
}

static void drop(struct readers *r, struct reader *reader)
{
	reader->state = READER_FREE;
	r->dropped++;
}

/* Parsing a batch. */
struct batch {
	struct readers *r;
	struct reader *reader;
	struct gspace user;
};

static int read_user(void *ctx, uint64_t offset, void *dst, size_t len)
{
	const struct batch *b = ctx;
	return gspace_read(&b->user, b->reader->buffer + offset, dst, len);
}

static void told(void *ctx, uint32_t pid)
{
	const struct batch *b = ctx;
	struct groups *groups = b->r->groups;
	b->reader->told++;
	for (struct group *g = groups_of(groups, pid, NULL); g; g = groups_of(groups, pid, g)) {
		uint32_t i = groups_index(groups, g);
		b->reader->present[i / 8] |= (uint8_t)(1u << i % 8);
	}
}

/* Take what the call before left. */
static bool take_batch(struct readers *r, struct reader *reader, uint64_t pos)
{
	struct task task;
	struct batch b = {.r = r, .reader = reader};
	if (task_read(r->k, reader->task, TASK_PLAIN, &task) || !task.root)
		return false;
	b.user = *kernel_space(r->k);
	b.user.root = task.root;
	struct listing listing = {
		.format = (enum listing_format)reader->format,
		.from = reader->pos,
		.to = pos,
		.size = reader->size,
		.ctx = &b,
		.read = read_user,
		.told = told,
		.page = reader->buffer,
		.bytes = r->bytes,
	};
	return listing_parse(&listing);
}

/* The first call of a listing. */
static void begin(struct readers *r, const struct probe_hit *hit, uint64_t file)
{
	struct reader *reader = take(r);
	if (!reader) {
		r->dropped++;
		return;
	}
	r->begun++;
	*reader = (struct reader){
		.state = READER_READING, .task = hit->current, .file = file, .begin_tsc = hit->tsc};
}

void readers_hit(struct readers *r, const struct probe_hit *hit)
{
	struct call call;
	uint64_t sb, pos;
	/* Later, the guest has gone on, and so has the reader's buffer. */
	if (!r->known || !hit->sync || !hit->current || !find_call(r, hit, &call))
		return;
	uint64_t file = task_file(r->k, hit->current, (uint32_t)call.fd);
	if (!file || !is_proc_root(r, file, &sb) || !word(r, file, FILE_POS, &pos, sizeof(pos)))
		return;
	r->calls++;
	struct reader *reader = find(r, file);
	/* Read by another task, rewound, or of a file that was closed. */
	if (reader && (reader->task != hit->current || pos < reader->pos)) {
		drop(r, reader);
		reader = NULL;
	}
	if (!says_all(r, sb, hit->current)) {
		r->unlike++;
		if (reader)
			drop(r, reader);
		return;
	}
	if (!reader && pos)
		return;
	if (!reader)
		begin(r, hit, file);
	else if (pos > reader->pos && !take_batch(r, reader, pos)) {
		drop(r, reader);
		return;
	} else if (pos >= LISTING_END) {
		reader->state = READER_COMPLETE;
		reader->end_tsc = hit->tsc;
		r->complete++;
		return;
	}
	reader = find(r, file);
	if (!reader)
		return;
	reader->pos = pos;
	reader->buffer = call.buffer;
	reader->size = call.size;
	reader->format = (uint8_t)call.format;
	reader->last_tsc = hit->tsc;
}
