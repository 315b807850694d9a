/* Shared by ids/integrity alone: what a check is, and what it may use.
 *
 * A check is a const struct in a file of its own, listed in integrity.c. It has private memory, is
 * attached when a kernel is known, and is then stepped when it is due. It never waits and never
 * loops long: a step looks at some 64 KiB of memory or some hundred objects.
 */
#pragma once

#include "ids/eve/integrity.h"
#include "ids/integrity/integrity.h"

#define INTEGRITY_TEXT 80 /* characters of an expected or found value, with the final 0 */

enum integrity_what {
	WHAT_TEXT,
	WHAT_SYSCALL_TABLE,
	WHAT_LSTAR,
	WHAT_IDT,
	WHAT_GDT,
	WHAT_MODULE,
	WHAT_CONTROL_REGISTER,
	WHAT_PAGE_TABLE,
	WHAT_CODE,
	WHAT_FTRACE,
	WHAT_KPROBE,
	WHAT_BPF,
	WHAT_CREDENTIALS,
	WHATS
};

enum integrity_action { ACTION_ALERT, ACTION_UNDONE, ACTION_FROZEN };

struct check;

/* One check at work. `ctx` of its probes. */
struct check_run {
	struct integrity *in;
	const struct check *check;
	void *state;   /* check->size bytes, zeroed at each attach */
	void *memory;  /* check->memory bytes, as the last attach left them */
	uint64_t next; /* TSC, 0: nothing to do in this kernel */
};

struct check {
	const char *name;
	size_t size; /* bytes of its state */
	/* A kernel is known: find symbols and offsets (run->state is zero). NULL: all is well; else
	 * why this kernel can't be checked so, a few words for the log: it is not stepped then. */
	const char *(*attach)(struct check_run *run);
	/* A slice. Returns the milliseconds until the next (at least 1), 0: no more ever. */
	uint64_t (*step)(struct check_run *run);
	/* The guest writes to guarded memory; NULL: it does not care. True: step it soon. */
	bool (*guard)(struct check_run *run, const struct integrity_write *w);
	/* Probes it wants hooked; may be hit before the attach and while no kernel is known. */
	const struct probe *probe;
	uint32_t probe_count;
	size_t memory; /* bytes at run->memory: large tables */
};

/* --- what a check may use --------------------------------------------------------------------- */

#define SUSPECTS 256u
#define TOLD	 256u
#define CHECKS	 16u

/* A suspicion that must be met several times before it is told. */
struct suspect {
	uint64_t key, value;
	uint64_t first, last; /* TSC of looks */
	uint8_t what;
	uint8_t looks; /* 0: free */
};

struct told {
	uint64_t address, hash; /* of what was found */
	uint64_t value, object;
	uint8_t what;
	bool used;
};

/* What owner.c has resolved of the kernel's lists of executable memory. size 0: there is no such
 * member. */
struct owner_member {
	uint32_t offset, size;
};

struct owner_list {
	uint64_t head; /* 0: there is no such list */
	uint32_t link;
	struct owner_member base, end, size;
};

#define OWNER_LISTS 7u

struct owner_layout {
	struct owner_list list[OWNER_LISTS];
	uint64_t init_text, init_end;
	struct owner_member thunk_count, thunks;
};

struct integrity {
	struct integrity_ops ops;
	const struct kernel *k; /* NULL: none is known */
	const struct procs *procs;
	uint64_t tsc, now_ns; /* of this step */
	uint64_t attached;    /* TSC */
	struct integrity_stats stats;
	uint64_t second; /* of the limit */
	uint32_t in_second;
	uint64_t held;			    /* back, and not yet told as a number */
	struct owner_layout owners;	    /* owner.c */
	const struct module_table *modules; /* modules.c; NULL: there is no such check */
	uint32_t hooked;
	uint64_t hooked_va[ABI_HOOKS];	   /* sites that the core has hooked */
	bool leaving;			   /* the kernel seems to be on its way out (cpu.c) */
	uint32_t told_at, tolds, suspects; /* place of the next; places used */
	struct told told[TOLD];
	struct suspect suspect[SUSPECTS];
	uint32_t runs;
	struct check_run run[CHECKS];
};

/* What a check found. Strings are copied. */
struct finding {
	enum integrity_what what;
	enum integrity_action action;
	const char *check;	      /* its name */
	const char *reason;	      /* a few words, NULL: none */
	uint64_t address;	      /* guest-virtual; 0: none */
	const char *symbol;	      /* NULL: looked up from `address` */
	const char *module;	      /* NULL: looked up from `address` */
	const char *expected, *found; /* integrity_hex or integrity_value; NULL: unknown */
	uint64_t value;		      /* a digest of what was found, for integrity_known */
	uint64_t object;	      /* where several may be told of one address: of which; or 0 */
	uint64_t task;		      /* who did it: address of a task_struct, 0: unknown */
};

/* Tell it: once for each (what, address, object, found), ten in a second; what is held back is
 * told as a number with the next. True: it was new. */
bool integrity_tell(struct integrity *in, const struct finding *f);

/* Whether this was told of the address already. Much cheaper than to tell it again. */
bool integrity_known(const struct integrity *in, uint64_t address, uint64_t value);

/* It is right again: a later finding of the same is told anew. */
void integrity_clear(struct integrity *in, enum integrity_what what, uint64_t address);
/* The same for all addresses in [from, to). */
void integrity_clear_range(struct integrity *in, uint64_t from, uint64_t to);

/* Count one look at which `key` (an address, say) was suspicious in the way `value`. True from the
 * look on at which it has been so `looks` times in a row over at least `ms` milliseconds. A look at
 * which it was not so is told by integrity_innocent(); a suspicion that nobody repeats for ten
 * seconds begins anew. */
bool integrity_suspect(struct integrity *in, enum integrity_what what, uint64_t key, uint64_t value,
		       uint32_t looks, uint32_t ms);
void integrity_innocent(struct integrity *in, enum integrity_what what, uint64_t key);
/* The same for all keys in [from, to) that were not suspicious since TSC `since`. */
void integrity_drop(struct integrity *in, enum integrity_what what, uint64_t from, uint64_t to,
		    uint64_t since);

/* Text of bytes ("0f1f440000", 32 bytes at most) and of a number ("0xffff..."). Return `text`. */
const char *integrity_hex(char text[INTEGRITY_TEXT], const void *bytes, size_t len);
const char *integrity_value(char text[INTEGRITY_TEXT], uint64_t value);

/* "symbol+0x12" of an address in the image or in a listed module, and that module's name; "" for
 * what is not known. `symbol` may hold any address. */
void integrity_name(const struct integrity *in, uint64_t va, char symbol[KERNEL_NAME_MAX + 20],
		    char module[56]);

/* Whether the kernel's start has ended: init runs, text and read-only data are sealed. */
bool integrity_running(const struct integrity *in);

/* Offset of a member that a check cannot do without: *ok becomes false where there is none. */
static inline uint32_t integrity_offset(const struct kernel *k, const char *structure,
					const char *member, bool *ok)
{
	int64_t at = kernel_offset(k, structure, member);

	*ok &= at >= 0;
	return at < 0 ? 0 : (uint32_t)at;
}

static inline uint64_t integrity_ms(const struct integrity *in, uint64_t ms)
{
	return in->ops.tsc_hz / 1000 * ms;
}

/* --- the checks, each in a file of its own: extern const struct check check_NAME; ------------- */

extern const struct check check_text, check_tables, check_code, check_modules;
extern const struct check check_cpu, check_creds, check_patchers, check_bpf;
