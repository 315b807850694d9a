/* See fake_kernel.h: BTF (Linux: Documentation/bpf/btf.rst), and structures laid out by a table. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"

enum { INT = 1, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, FUNC = 12 };
enum { PROTO = 13, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 };

/* Members separated by spaces: name:TYPE, where TYPE is a number of bytes, p for a pointer, a
 * structure above, each with [n] for an array; BYTES.BITS for a bit field; s{ } and u{ } are
 * nested structures and unions without a name. */
static const struct {
	const char *name, *members;
	int old; /* 1: only in the old layout, -1: only in the new one */
} table[] = {
	{"list_head", "next:p prev:p", 0},
	{"hlist_head", "first:p", 0},
	{"hlist_node", "next:p pprev:p", 0},
	{"kuid_t", "val:4", 0},
	{"xarray", "xa_lock:4 xa_flags:4 xa_head:p", 0},
	{"xa_node", "shift:1 offset:1 count:1 nr_values:1 parent:p array:p slots:p[64]", 0},
	{"idr", "idr_rt:xarray idr_base:4 idr_next:4", 0},
	{"ns_common", "stashed:p ops:p inum:4", 0},
	{"pid_namespace", "idr:idr pid_allocated:4 child_reaper:p level:4 parent:p ns:ns_common",
	 0},
	{"upid", "nr:4 ns:p", 0},
	{"pid", "count:4 level:4 tasks:hlist_head[4] numbers:upid[1]", 0},
	{"qstr", "u{ s{ hash:4 len:4 } hash_len:8 } name:p", 0},
	{"dentry", "d_flags:4 d_seq:4 d_parent:p d_name:qstr d_inode:p d_iname:1[32] d_sb:p", 0},
	{"path", "mnt:p dentry:p", 0},
	{"file",
	 "u{ f_llist:p f_rcu:list_head } f_path:path f_inode:p f_op:p f_pos:8 f_flags:4 "
	 "private_data:p",
	 1},
	{"file", "f_count:8 f_mode:4 f_op:p f_inode:p f_flags:4 private_data:p f_path:path f_pos:8",
	 -1},
	{"vfsmount", "mnt_root:p mnt_sb:p mnt_flags:4", 0},
	{"mount", "mnt_hash:list_head mnt_parent:p mnt_mountpoint:p mnt:vfsmount", 0},
	{"super_block", "s_list:list_head s_dev:4 s_magic:8 s_root:p s_type:p s_fs_info:p", 0},
	{"proc_fs_info", "pid_ns:p proc_self:p hide_pid:4", 0},
	{"fdtable", "max_fds:4 fd:p", 0},
	{"files_struct", "count:4 resize:1 fdt:p", 0},
	{"mm_struct",
	 "s{ s{ mm_count:4 } mmap:p pgd:p mm_users:4 arg_start:8 owner:p exe_file:p } tail:8[2]",
	 0},
	{"cred", "usage:8 uid:kuid_t gid:kuid_t suid:kuid_t euid:kuid_t cap_effective:8", 0},
	{"task_struct",
	 "__state:4 stack:p flags:4 on_cpu:4 tasks:list_head mm:p active_mm:p exit_state:4 "
	 "exit_code:4 bits:4.3 more:4.9 pid:4 tgid:4 real_parent:p parent:p children:list_head "
	 "group_leader:p thread_pid:p pid_links:hlist_node[4] start_time:8 start_boottime:8 "
	 "real_cred:p cred:p comm:1[16] fs:p files:p nsproxy:p signal:p",
	 0},
	{"inode", "i_mode:2 i_opflags:2 i_uid:kuid_t i_sb:p i_ino:8 i_nlink:4", 0},
	{"socket", "state:4 type:2 flags:8 file:p sk:p ops:p", 0},
	{"sock_common",
	 "u{ skc_addrpair:8 s{ skc_daddr:4 skc_rcv_saddr:4 } } u{ skc_portpair:4 s{ skc_dport:2 "
	 "skc_num:2 } } skc_family:2 skc_state:1 skc_reuse:1.4 skc_reuseport:1.1 "
	 "skc_v6_daddr:1[16] skc_v6_rcv_saddr:1[16]",
	 0},
	{"sock", "__sk_common:sock_common sk_socket:p sk_type:2 u{ sk_protocol:2 } sk_uid:kuid_t",
	 0},
	{"module_layout", "base:p size:4 text_size:4", 1},
	{"module_memory", "base:p size:4", -1},
	{"mod_kallsyms", "symtab:p num_symtab:4 strtab:p typetab:p", 0},
	{"module", "state:4 list:list_head name:1[56] core_layout:module_layout kallsyms:p", 1},
	{"module", "state:4 list:list_head name:1[56] mem:module_memory[7] kallsyms:p", -1},
	{"pcpu_hot", "u{ s{ preempt_count:4 current_task:p } pad:1[64] }", -1},
	{"ftrace_ops", "func:p next:p flags:8 private:p trampoline:8.40", 0},
};

/* --- writing
 * -------------------------------------------------------------------------------------- */

uint32_t fake_btf_name(struct fake_btf *b, const char *name)
{
	uint32_t at = b->strings_size;

	if (!*name)
		return 0;
	FAKE_CHECK(at + strlen(name) + 1 <= FAKE_BTF_MAX);
	strcpy((char *)b->strings + at, name);
	b->strings_size += (uint32_t)strlen(name) + 1;
	return at;
}

void fake_btf_word(struct fake_btf *b, uint32_t word)
{
	FAKE_CHECK(b->types_size + 4 <= FAKE_BTF_MAX);
	memcpy(b->types + b->types_size, &word, 4);
	b->types_size += 4;
}

uint32_t fake_btf_type(struct fake_btf *b, const char *name, uint32_t info, uint32_t size)
{
	fake_btf_word(b, fake_btf_name(b, name));
	fake_btf_word(b, info);
	fake_btf_word(b, size);
	return b->id++;
}

void fake_btf_begin(struct fake_btf *b)
{
	memset(b, 0, sizeof(*b));
	b->strings_size = 1;
	b->id = 1;
}

void fake_btf_place(struct fake *f)
{
	const struct fake_btf *b = &f->blob;
	uint32_t head[] = {0x0001eb9f, 24, 0, b->types_size, b->types_size, b->strings_size};
	uint8_t *at = fake_at(f, f->btf, f->btf_end - f->btf);

	FAKE_CHECK(24 + b->types_size + b->strings_size <= f->btf_end - f->btf);
	memset(at, 0, f->btf_end - f->btf);
	memcpy(at, head, 24);
	memcpy(at + 24, b->types, b->types_size);
	memcpy(at + 24 + b->types_size, b->strings, b->strings_size);
}

/* --- structures by the table
 * ------------------------------------------------------------------------ */

struct layout {
	struct fake *f;
	const char *name; /* of the structure being laid out */
	uint32_t byte[9]; /* numbers of the integers, by size */
	uint32_t pointer;
	struct {
		const char *name;
		uint32_t id, size, align;
	} known[64];
	uint32_t knowns;
};

struct type {
	uint32_t id, size, align, bits;
};

static uint32_t integer(struct fake_btf *b, const char *name, uint32_t size)
{
	uint32_t id = fake_btf_type(b, name, INT << 24, size);

	fake_btf_word(b, size * 8);
	return id;
}

static struct type find_type(struct layout *l, const char *text, size_t len)
{
	const char *bracket = memchr(text, '[', len), *dot = memchr(text, '.', len);
	size_t word = bracket ? (size_t)(bracket - text) : len;
	struct type t = {0};

	if (*text >= '1' && *text <= '8') {
		t.size = t.align = (uint32_t)(*text - '0');
		t.id = l->byte[t.size];
		t.bits = dot ? (uint32_t)atoi(dot + 1) : 0;
	} else if (word == 1 && *text == 'p') {
		t = (struct type){.id = l->pointer, .size = 8, .align = 8};
	}
	for (uint32_t i = l->knowns; !t.id && i--;)
		if (strlen(l->known[i].name) == word && !memcmp(l->known[i].name, text, word))
			t = (struct type){l->known[i].id, l->known[i].size, l->known[i].align, 0};
	FAKE_CHECK(t.id);
	if (bracket) {
		uint32_t n = (uint32_t)atoi(bracket + 1);
		uint32_t id = fake_btf_type(&l->f->blob, "", ARRAY << 24, 0);
		fake_btf_word(&l->f->blob, t.id);
		fake_btf_word(&l->f->blob, l->byte[4]);
		fake_btf_word(&l->f->blob, n);
		t.id = id;
		t.size *= n;
	}
	return t;
}

static void remember(struct layout *l, const char *name, size_t len, uint32_t bit,
		     const struct type *t)
{
	struct fake *f = l->f;

	FAKE_CHECK(f->members < sizeof(f->member) / sizeof(f->member[0]));
	struct fake_member *m = &f->member[f->members++];
	snprintf(m->structure, sizeof(m->structure), "%s", l->name);
	snprintf(m->path, sizeof(m->path), "%.*s", (int)len, name);
	m->offset = bit / 8;
	m->size = t->size;
	m->bit = t->bits ? bit : 0;
	m->bits = t->bits;
}

/* The members up to the closing brace or the end, at `base` bits of the whole structure. Its type
 * is written behind those of its members. */
static struct type aggregate(struct layout *l, const char **text, const char *name, uint32_t kind,
			     uint32_t base)
{
	struct field {
		uint32_t name, type, offset;
	} field[64];
	struct type all = {.align = 1};
	uint32_t n = 0, bit = 0;
	bool packed = false;

	while (**text && **text != '}') {
		size_t len = strcspn(*text, " ");
		const char *colon = memchr(*text, ':', len), *word = *text;
		struct type t;
		FAKE_CHECK(n < 64);
		if (!colon) { /* nested, without a name */
			if (kind == STRUCT)
				bit = (bit + 63) & ~63u;
			*text += len + 1;
			t = aggregate(l, text, "", *word == 's' ? STRUCT : UNION, base + bit);
			len = 1;
		} else {
			t = find_type(l, colon + 1, len - (size_t)(colon + 1 - word));
		}
		if (kind == STRUCT && !t.bits) {
			bit += colon && n ? l->f->opt.gap * 8 : 0;
			bit = (bit + t.align * 8 - 1) & ~(t.align * 8 - 1);
		}
		packed |= t.bits != 0;
		all.align = t.align > all.align ? t.align : all.align;
		field[n].name = colon ? fake_btf_name(&l->f->blob, "") : 0;
		if (colon) {
			char copy[64];
			snprintf(copy, sizeof(copy), "%.*s", (int)(colon - word), word);
			field[n].name = fake_btf_name(&l->f->blob, copy);
			remember(l, word, (size_t)(colon - word), base + bit, &t);
		}
		field[n].type = t.id;
		field[n++].offset = bit | t.bits << 24;
		uint32_t bits = t.bits ? t.bits : t.size * 8;
		if (bit * (kind == STRUCT) + bits > all.size * 8)
			all.size = (bit * (kind == STRUCT) + bits + 7) / 8;
		if (kind == STRUCT)
			bit += bits;
		*text += len;
		*text += **text == ' ';
	}
	all.size = (all.size + all.align - 1) & ~(all.align - 1);
	all.id = fake_btf_type(&l->f->blob, name, kind << 24 | n | (packed ? 1u << 31 : 0),
			       all.size);
	for (uint32_t i = 0; i < n; i++) {
		fake_btf_word(&l->f->blob, field[i].name);
		fake_btf_word(&l->f->blob, field[i].type);
		fake_btf_word(&l->f->blob, field[i].offset);
	}
	return all;
}

/* Every kind of type there is, so that all of them are passed over rightly. */
static void noise(struct layout *l, uint32_t count)
{
	struct fake_btf *b = &l->f->blob;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t proto = fake_btf_type(b, "", PROTO << 24 | 2, l->byte[4]);
		for (uint32_t k = 0; k < 4; k++)
			fake_btf_word(b, k % 2 ? l->byte[8] : 0);
		fake_btf_type(b, "some_function", FUNC << 24 | 1, proto);
		fake_btf_type(b, "task_struct", FWD << 24, 0);
		fake_btf_type(b, "number", TYPEDEF << 24, l->byte[4]);
		fake_btf_type(b, "", VOLATILE << 24, l->byte[4]);
		fake_btf_type(b, "float", FLOAT << 24, 4);
		fake_btf_type(b, "tag", TYPE_TAG << 24, l->byte[4]);
		fake_btf_word(b, fake_btf_name(b, "other") +
					 0 * fake_btf_type(b, "decl", DECL_TAG << 24, proto));
		uint32_t var = fake_btf_type(b, "current_task", VAR << 24, l->pointer);
		fake_btf_word(b, 1);
		fake_btf_type(b, ".data..percpu", DATASEC << 24 | 1, 8);
		fake_btf_word(b, var);
		fake_btf_word(b, 0x340);
		fake_btf_word(b, 8);
	}
}

static void enums(struct fake_btf *b)
{
	static const char *const pid[] = {"PIDTYPE_PID", "PIDTYPE_TGID", "PIDTYPE_PGID",
					  "PIDTYPE_SID", "PIDTYPE_MAX"};

	fake_btf_type(b, "pid_type", ENUM << 24 | 5, 4);
	for (uint32_t i = 0; i < 5; i++) {
		fake_btf_word(b, fake_btf_name(b, pid[i]));
		fake_btf_word(b, i);
	}
	fake_btf_type(b, "mod_mem_type", (uint32_t)ENUM << 24 | 1u << 31 | 2, 4); /* signed */
	fake_btf_word(b, fake_btf_name(b, "MOD_TEXT"));
	fake_btf_word(b, 0);
	fake_btf_word(b, fake_btf_name(b, "MOD_INVALID"));
	fake_btf_word(b, UINT32_MAX);
	fake_btf_type(b, "proc_hidepid", (uint32_t)ENUM64 << 24 | 2, 8);
	fake_btf_word(b, fake_btf_name(b, "HIDEPID_OFF"));
	fake_btf_word(b, 0);
	fake_btf_word(b, 0);
	fake_btf_word(b, fake_btf_name(b, "HIDEPID_INVISIBLE"));
	fake_btf_word(b, 2);
	fake_btf_word(b, 3);
}

void fake_btf_structures(struct fake *f)
{
	struct layout l = {.f = f};
	struct fake_btf *b = &f->blob;

	fake_btf_begin(b);
	l.byte[1] = integer(b, "char", 1);
	l.byte[2] = integer(b, "short", 2);
	l.byte[4] = integer(b, "int", 4);
	l.byte[8] = integer(b, "long", 8);
	l.pointer = fake_btf_type(b, "", PTR << 24, 0);
	noise(&l, 20);
	for (uint32_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *text = table[i].members;
		if (table[i].old && (table[i].old > 0) != f->opt.old_layout)
			continue;
		l.name = table[i].name;
		struct type t = aggregate(&l, &text, l.name, STRUCT, 0);
		if (i % 3 == 0) /* the same through a typedef and a qualifier */
			t.id = fake_btf_type(b, "alias", TYPEDEF << 24,
					     fake_btf_type(b, "", CONST << 24, t.id));
		l.known[l.knowns].name = l.name;
		l.known[l.knowns].id = t.id;
		l.known[l.knowns].align = t.align;
		l.known[l.knowns++].size = t.size;
		remember(&l, "", 0, 0, &t); /* the whole */
		noise(&l, 2);
	}
	enums(b);
}

/* --- what it says
 * --------------------------------------------------------------------------------- */

static const struct fake_member *find(const struct fake *f, const char *structure, const char *path)
{
	for (uint32_t i = 0; i < f->members; i++)
		if (strcmp(f->member[i].structure, structure) == 0 &&
		    strcmp(f->member[i].path, path) == 0)
			return &f->member[i];
	fprintf(stderr, "no member %s of %s\n", path, structure);
	abort();
}

uint32_t fake_offset(const struct fake *f, const char *structure, const char *path)
{
	return find(f, structure, path)->offset;
}

uint32_t fake_size(const struct fake *f, const char *structure)
{
	return find(f, structure, "")->size;
}

void fake_put(struct fake *f, uint64_t va, const char *structure, const char *path, uint64_t value)
{
	const struct fake_member *m = find(f, structure, path);

	FAKE_CHECK(m->size <= 8);
	memcpy(fake_at(f, va + m->offset, m->size), &value, m->size);
}
