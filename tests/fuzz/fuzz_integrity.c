/* The checks of the kernel's integrity over a guest that lies: a small kernel in 1 MiB of memory,
 * its page tables included, which the input changes while it is looked at.
 *
 * Input: a byte that says when the changes begin, then commands of five bytes: a word of memory
 * becomes a pointer, an entry of a page table or a number; time passes; a hit, a write, a register
 * is told. Beyond the sanitizers it checks that each step, each hit and each event is bounded (in
 * looks at guest memory and at symbols), and that a virtual second holds ten findings at most.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/guest/kernel_impl.h"
#include "ids/integrity/integrity_impl.h"
#include "ids/proc/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

#define RAM	     (1u << 20)
#define PHYS	     0x40000ull /* of the image */
#define TEXT	     0xffffffff81000000ull
#define TEXT_PAGES   8u
#define RODATA	     (TEXT + 0x8000)
#define RODATA_PAGES 4u
#define DATA	     (TEXT + 0xc000)
#define DATA_PAGES   20u
#define DIRECT	     0xffff888000000000ull
#define MODULES	     0xffffffffc0000000ull
#define ROOT	     0x1000ull
#define HZ	     1000000ull
#define PROCS	     12u
#define ROOTS	     0x80000ull /* of processes, a page each */
#define CHAIN	     0xb0000ull /* nodes of a long list, one behind the other; */
#define CHAIN_NODES  5000u	/* of 64 bytes, each word leads to the next */

/* A look at a page is at least 25 instructions, with what is done with it some 40; a symbol's
 * some 1,000, a member's 150. */
#define WORK_MAX    75000u
#define SYMBOL_WORK 25u
#define MEMBER_WORK 4u
#define RATE	    10u
#define LOGS	    40u /* lines in a second */

static uint8_t ram[RAM], pristine[RAM], bytes[ABI_GUARD_BYTES];
static struct kernel kernel;
static struct kernel_image image;
static struct integrity *in;
static struct proc proc[PROCS];
static struct abi_cpu cpu, cpu_pristine;
static struct eve eve;
static uint64_t seq, tsc, work, second, events, logs;

static void begin_work(void)
{
	work = 0;
}

static void end_work(void)
{
	REQUIRE(work <= WORK_MAX);
}

/* --- ids/guest/kernel --------------------------------------------------------------------------
 */

static const struct {
	const char *name;
	uint64_t va;
} symbols[] = {
	{"_stext", TEXT},
	{"entry_SYSCALL_64", TEXT + 0x10},
	{"ftrace_caller", TEXT + 0x200},
	{"aggr_pre_handler", TEXT + 0x300},
	{"pre_handler_kretprobe", TEXT + 0x400},
	{"commit_creds", TEXT + 0x500},
	{"__bpf_call_base", TEXT + 0x600},
	{"bpf_probe_write_user", TEXT + 0x700},
	{"__static_call_text_start", TEXT + 0x800},
	{"__static_call_text_end", TEXT + 0x840},
	{"sys_call_table", RODATA + 0x100},
	{"__start___jump_table", RODATA + 0x800},
	{"__stop___jump_table", RODATA + 0x840},
	{"__start_static_call_sites", RODATA + 0x900},
	{"__stop_static_call_sites", RODATA + 0x940},
	{"linux_banner", RODATA + 0xa00},
	{"system_state", DATA},
	{"modules", DATA + 0x10},
	{"ftrace_ops_list", DATA + 0x20},
	{"ftrace_ops_trampoline_list", DATA + 0x30},
	{"bpf_kallsyms", DATA + 0x40},
	{"pack_list", DATA + 0x50},
	{"kprobe_insn_slots", DATA + 0x60},
	{"kprobe_optinsn_slots", DATA + 0xa0},
	{"kexec_image", DATA + 0xe0},
	{"ftrace_pages_start", DATA + 0xe8},
	{"prog_idr", DATA + 0x100},
	{"gdt_page", DATA + 0x200},
	{"kprobe_table", DATA + 0x400},
	{"idt_table", DATA + 0x1000},
	{"ftrace_list_end", DATA + 0x2000},
};

uint64_t kernel_symbol(const struct kernel *k, const char *name)
{
	(void)k;
	work += SYMBOL_WORK;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (!strcmp(symbols[i].name, name))
			return symbols[i].va;
	return 0;
}

bool kernel_symbol_at(const struct kernel *k, uint64_t va, char name[KERNEL_NAME_MAX],
		      uint64_t *offset)
{
	(void)k;
	work += SYMBOL_WORK;
	if (va < image.base || va >= image.end)
		return false;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]) && symbols[i].va <= va; i++) {
		snprintf(name, KERNEL_NAME_MAX, "%s", symbols[i].name);
		*offset = va - symbols[i].va;
	}
	return true;
}

/* Members lie side by side, each of 8 bytes, in the order of the table of those that are wanted. */
int kernel_member(const struct kernel *k, const char *structure, const char *path,
		  struct kernel_member *member)
{
	uint32_t offset = 0;

	(void)k;
	work += MEMBER_WORK;
	for (uint32_t i = 0; i < wanted_structure_count; i++) {
		const char *list = wanted_structures[i].members;
		if (strcmp(wanted_structures[i].name, structure) != 0)
			continue;
		for (; *list; offset += 8) {
			size_t len = strcspn(list, " ");
			if (len == strlen(path) && !memcmp(list, path, len)) {
				*member = (struct kernel_member){
					.offset = offset, .size = strcmp(path, "mem") ? 8 : 16};
				return 0;
			}
			list += len + (list[len] == ' ');
		}
	}
	return -ENOENT;
}

int64_t kernel_offset(const struct kernel *k, const char *structure, const char *path)
{
	struct kernel_member m;

	return kernel_member(k, structure, path, &m) ? -ENOENT : (int64_t)m.offset;
}

uint32_t kernel_size(const struct kernel *k, const char *structure)
{
	(void)k;
	work += MEMBER_WORK;
	return !strcmp(structure, "dyn_ftrace")	     ? 16
	       : !strcmp(structure, "module_memory") ? 16
	       : !strcmp(structure, "kprobe")	     ? 64
						     : 0;
}

int kernel_enum(const struct kernel *k, const char *enumerator, int64_t *value)
{
	(void)k;
	work += MEMBER_WORK;
	*value = !strcmp(enumerator, "SYSTEM_RUNNING") ? 3 : (int64_t)(strlen(enumerator) % 4);
	return 0;
}

uint64_t kernel_percpu(const struct kernel *k, const char *variable, uint32_t nr)
{
	return kernel_symbol(k, variable) + nr * 0x80ull;
}

const struct gspace *kernel_space(const struct kernel *k)
{
	return &k->space;
}

const struct kernel_image *kernel_image(const struct kernel *k)
{
	(void)k;
	return &image;
}

const char *kernel_banner(const struct kernel *k)
{
	(void)k;
	return "Linux version 6.12.0-fuzz";
}

/* --- ids/proc ----------------------------------------------------------------------------------
 */

struct proc *procs_next(struct procs *p, uint32_t *cursor)
{
	(void)p;
	return *cursor < PROCS ? &proc[(*cursor)++] : NULL;
}

const struct proc *procs_each(const struct procs *p, uint32_t *cursor)
{
	(void)p;
	return *cursor < PROCS ? &proc[(*cursor)++] : NULL;
}

void procs_put(const struct procs *p, struct json *j, uint64_t task_va)
{
	(void)p;
	(void)j;
	(void)task_va;
}

int task_read(const struct kernel *k, uint64_t va, enum task_depth depth, struct task *task)
{
	(void)k;
	(void)depth;
	memset(task, 0, sizeof(*task));
	for (uint32_t i = 0; i < PROCS; i++)
		if (proc[i].va == va)
			task->root = proc[i].root;
	return 0;
}

/* --- memory and what is told -------------------------------------------------------------------
 */

static const volatile void *page_at(void *ctx, uint64_t gpa)
{
	(void)ctx;
	work++;
	REQUIRE(gpa % GMEM_PAGE == 0);
	return gpa < RAM ? ram + gpa : NULL;
}

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	return calloc(1, size);
}

static void count(uint64_t *counter, uint64_t most)
{
	if (second != tsc / HZ) {
		second = tsc / HZ;
		events = logs = 0;
	}
	REQUIRE(++*counter <= most);
}

static void emit(void *ctx, enum eve_class cls, const char *line, size_t len)
{
	(void)ctx;
	(void)cls;
	REQUIRE(len < EVE_LINE_MAX && strlen(line) == len && line[0] == '{' &&
		line[len - 1] == '}');
	for (size_t i = 0; i < len; i++)
		REQUIRE((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
	count(&events, RATE);
}

static void say(void *ctx, const char *line)
{
	(void)ctx;
	REQUIRE(strlen(line) < 200);
	count(&logs, LOGS);
}

static int64_t call(void *ctx, uint64_t number, uint64_t a, uint64_t b)
{
	(void)ctx;
	if (number == ABI_CALL_RESTORE)
		REQUIRE(b && b <= ABI_GUARD_BYTES && a >= PHYS && a + b <= RAM);
	return 0;
}

/* --- the kernel --------------------------------------------------------------------------------
 */

static void put(uint64_t gpa, uint64_t value)
{
	memcpy(ram + gpa, &value, 8);
}

static uint64_t gpa_of(uint64_t va)
{
	return va - TEXT + PHYS;
}

static void put_va(uint64_t va, uint64_t value)
{
	put(gpa_of(va), value);
}

/* Elements that begin with their links, in the last pages of the data. */
static uint64_t element(uint32_t n)
{
	return DATA + 0x3000 + n * 0x100ull;
}

static void list_of(const char *head, uint32_t first, uint32_t n, const char *structure,
		    const char *link)
{
	uint64_t at = kernel_symbol(NULL, head),
		 off = (uint64_t)kernel_offset(NULL, structure, link);

	for (uint64_t node = at, i = 0; i <= n; i++) {
		uint64_t next = i == n ? at : element(first + (uint32_t)i) + off;
		put_va(node, next);
		put_va(next + 8, node);
		node = next;
	}
}

static void build_tables(void)
{
	const uint64_t nx = 1ull << 63;

	put(ROOT + 511 * 8, 0x2003);
	put(ROOT + 273 * 8, 0x6003);
	put(0x2000 + 510 * 8, 0x3003);
	put(0x2000 + 511 * 8, 0x7003);
	put(0x3000 + 8 * 8, 0x4003);
	put(0x7000, 0x5003); /* modules: 0xffffffffc0000000 */
	put(0x6000, 0x8003);
	put(0x8000, 0x83 | nx); /* the direct map */
	for (uint64_t i = 0; i < TEXT_PAGES + RODATA_PAGES + DATA_PAGES; i++)
		put(0x4000 + i * 8, (PHYS + i * GMEM_PAGE) | 1 | (i < TEXT_PAGES ? 0 : nx) |
					    (i < TEXT_PAGES + RODATA_PAGES ? 0 : 2));
	for (uint64_t i = 0; i < 16; i++)
		put(0x5000 + i * 8, (0xa0000 + i * GMEM_PAGE) | 1);
	for (uint32_t i = 0; i < PROCS; i++)
		memcpy(ram + ROOTS + i * GMEM_PAGE, ram + ROOT, GMEM_PAGE);
}

static void build_lists(void)
{
	list_of("modules", 0, 6, "module", "list");
	list_of("bpf_kallsyms", 6, 4, "bpf_ksym", "lnode");
	list_of("pack_list", 10, 2, "bpf_prog_pack", "list");
	list_of("ftrace_ops_trampoline_list", 12, 2, "ftrace_ops", "list");
	list_of("kprobe_insn_slots", 14, 2, "kprobe_insn_page", "list");
	list_of("kprobe_optinsn_slots", 16, 2, "kprobe_insn_page", "list");
	for (uint32_t i = 0; i < 6; i++) {
		uint64_t mem = element(i) + (uint64_t)kernel_offset(NULL, "module", "mem");
		memcpy(ram + gpa_of(element(i)), "vmod", 5);
		put_va(mem, MODULES + i * GMEM_PAGE);
		put_va(mem + 8, GMEM_PAGE);
	}
	/* An ops, and a probe in the table. */
	put_va(DATA + 0x20, element(12));
	put_va(element(12) + (uint64_t)kernel_offset(NULL, "ftrace_ops", "next"), DATA + 0x2000);
	put_va(element(12) + (uint64_t)kernel_offset(NULL, "ftrace_ops", "func"), TEXT + 0x900);
	put_va(DATA + 0x400, element(20));
	put_va(element(20) + (uint64_t)kernel_offset(NULL, "kprobe", "addr"), TEXT + 0x1100);
	put_va(element(20) + (uint64_t)kernel_offset(NULL, "kprobe", "list"),
	       element(20) + (uint64_t)kernel_offset(NULL, "kprobe", "list"));
	/* BPF programs: a node with two. */
	put_va(DATA + 0x100 + (uint64_t)kernel_offset(NULL, "idr", "idr_rt.xa_head"),
	       element(24) + 2);
	for (uint32_t i = 0; i < 2; i++)
		put_va(element(24) + (uint64_t)kernel_offset(NULL, "xa_node", "slots") + 8 + i * 8,
		       element(28 + i));
	/* Records of ftrace. */
	put_va(DATA + 0xe8, element(30));
	put_va(element(30) + 8, element(31));
	put_va(element(30) + 16, 8);
	for (uint32_t i = 0; i < 8; i++) {
		put_va(element(31) + i * 16ull, TEXT + 0x1000 + i * 0x80);
		memcpy(ram + gpa_of(TEXT + 0x1000 + i * 0x80), "\x0f\x1f\x44\0\0", 5);
	}
}

static void build_chain(void)
{
	for (uint64_t i = 0; i < CHAIN_NODES; i++)
		for (uint64_t word = 0; word < 8; word++)
			put(CHAIN + i * 64 + word * 8,
			    i + 1 < CHAIN_NODES ? DIRECT + CHAIN + (i + 1) * 64 : 0);
}

static void build_tasks(void)
{
	for (uint32_t i = 0; i < PROCS; i++) {
		proc[i] = (struct proc){.va = DATA + 0x8000 + i * 0x200ull,
					.root = ROOTS + i * GMEM_PAGE,
					.pid = (int32_t)i + 1,
					.tgid = (int32_t)i + 1};
		put_va(proc[i].va + (uint64_t)kernel_offset(NULL, "task_struct", "pid"), i + 1);
		put_va(proc[i].va + (uint64_t)kernel_offset(NULL, "task_struct", "real_cred"),
		       DATA + 0xa000 + i * 0x80);
		put_va(DATA + 0xa000 + i * 0x80, i);
	}
}

static void build(void)
{
	static struct eve_config config;
	struct gmem mem = {NULL, page_at};
	uint64_t random = 1;

	image = (struct kernel_image){.text = TEXT,
				      .text_end = RODATA - 100,
				      .rodata = RODATA,
				      .rodata_end = DATA,
				      .base = TEXT,
				      .end = DATA + DATA_PAGES * GMEM_PAGE,
				      .phys = PHYS,
				      .direct_map = DIRECT,
				      .vmemmap = 0xffffea0000000000ull};
	for (uint64_t va = TEXT; va < DATA; va += 8)
		put_va(va, (random = random * 6364136223846793005ull + 1) & 0x7f7f7f7f7f7f7f7full);
	for (uint32_t i = 0; i < 64; i++)
		put_va(RODATA + 0x100 + i * 8ull, i < 40 ? TEXT + 0x2000 + i * 16 : 0);
	for (uint64_t va = RODATA + 0x800; va < RODATA + 0x940; va += 8)
		put_va(va, 0x7000000000ull - (va - TEXT) + 0x3000); /* both near in text */
	memcpy(ram + gpa_of(RODATA + 0xa00), "Linux version 6.12.0-fuzz", 25);
	build_tables();
	build_lists();
	build_tasks();
	build_chain();
	for (uint32_t i = 0; i < 256; i++)
		put_va(DATA + 0x1000 + i * 16ull,
		       (TEXT & 0xffff) | 0x8e0000000000ull | (TEXT >> 16 & 0xffff) << 48);
	put_va(DATA, 1);
	memcpy(pristine, ram, RAM);
	cpu_pristine = (struct abi_cpu){.idt_limit = 4095,
					.gdt_limit = 127,
					.idt_base = DATA + 0x1000,
					.gdt_base = DATA + 0x200,
					.cr3 = ROOT,
					.cr0 = 1 << 16,
					.cr4 = 3 << 20,
					.efer = 0x801,
					.lstar = TEXT + 0x10};
	kernel.ops.mem = mem;
	kernel.space = (struct gspace){.mem = &kernel.ops.mem, .root = ROOT, .levels = 4};
	module_learn(&kernel);
	config = (struct eve_config){.host = "fuzz", .boot = "0", .seq = &seq, .emit = emit};
	eve_init(&eve, &config);
	const struct integrity_ops ops = {.alloc = take,
					  .eve = &eve,
					  .tsc_hz = HZ,
					  .key = 77,
					  .ncpu = 2,
					  .mem = mem,
					  .response = INTEGRITY_UNDO,
					  .bytes = bytes,
					  .call = call,
					  .cpu = &cpu,
					  .log = say};
	in = integrity_create(&ops);
	REQUIRE(in);
}

/* --- what the input does -----------------------------------------------------------------------
 */

/* A place worth changing: most of them where structures and tables are. */
static uint64_t place(uint32_t n)
{
	static const uint64_t areas[8] = {0x1000,
					  0x2000,
					  0x4000,
					  0x5000,
					  PHYS,
					  PHYS + (DATA - TEXT),
					  PHYS + (DATA - TEXT) + 0x3000,
					  PHYS + (DATA - TEXT) + 0x8000};

	return areas[n >> 13 & 7] + (n & 0x1fff) / 8 * 8;
}

static uint64_t pointer(uint32_t n)
{
	if ((n & 7) == 7) /* most of the chain, or a part of it */
		return DIRECT + CHAIN + (n >> 3) * 64 % (CHAIN_NODES * 64);
	return n & 1 ? DIRECT + place(n) : n & 2 ? DATA + (n & 0x7ff8) : element(n >> 2 & 31);
}

static void change(const uint8_t *c)
{
	uint64_t at = place((uint32_t)(c[1] | c[2] << 8)), value = (uint64_t)(c[3] | c[4] << 8);

	switch (c[0] & 7) {
	case 0: /* all sizes of it are that value: a count, a page that is not there */
		value |= value << 32;
		break;
	case 1:
		value = pointer((uint32_t)value);
		break;
	case 2: /* itself, or a little before */
		value = DIRECT + at - (value & 0x3f) * 8;
		break;
	case 3: /* an entry of a page table: any frame, executable or not */
		value = (value & 0xff) << 12 | (value >> 8 & 7) | (value >> 11 & 1) << 7 |
			(value & 1ull << 12) << 51;
		break;
	case 4: /* code of modules */
		value = MODULES + value;
		break;
	default: /* a byte of it */
		ram[at + (c[3] & 7)] = c[4];
		return;
	}
	/* Or many of them. */
	for (uint32_t i = 0; i < (c[0] & 8 ? 512u : 1); i++)
		put((at + i * 8) % RAM, value + (c[0] & 16 ? i * 4096ull : 0));
}

static void pass(uint64_t ms)
{
	uint64_t end = tsc + ms * (HZ / 1000);

	for (;;) {
		begin_work();
		uint64_t next = integrity_step(in, tsc, tsc * 1000);
		end_work();
		if (!next || next >= end)
			break;
		tsc = next > tsc ? next : tsc + 500;
	}
	tsc = end;
}

static void hit(const uint8_t *c)
{
	struct probe_set set;
	uint32_t n = 0;

	for (uint32_t i = 0; integrity_probes(in, i, &set); i++) {
		for (uint32_t p = 0; p < set.count; p++, n++) {
			struct probe_hit h = {.tsc = tsc,
					      .now_ns = tsc * 1000,
					      .current = proc[c[2] % PROCS].va,
					      .arg = {pointer((uint32_t)(c[3] | c[4] << 8))}};
			if (n == c[1] % 3u)
				set.probe[p].hit(set.ctx, &h);
		}
	}
}

static void tell_write(const uint8_t *c)
{
	struct integrity_write w = {.gpa = PHYS + (uint64_t)(c[1] | c[2] << 8), .rip = MODULES + 5};

	memcpy(w.before, ram + (w.gpa & ~31ull), sizeof(w.before));
	ram[w.gpa] = c[3];
	integrity_guard(in, &w, tsc);
}

static void registers(const uint8_t *c)
{
	uint64_t value = pointer((uint32_t)(c[3] | c[4] << 8));
	struct lstar_write w = {.value = value, .cr3 = ROOT, .cpu = c[2] & 3u};

	switch (c[1] & 7) {
	case 0:
		(void)integrity_lstar(in, &w, tsc, tsc * 1000);
		break;
	case 1:
		integrity_control(in, c[3] & 1 ? value : 5, (uint64_t)c[4] << 48 | c[2],
				  (uint64_t)c[2] << 32 | (c[4] & 3u), tsc, tsc * 1000);
		break;
	case 2:
		integrity_lost(in);
		break;
	case 3:
		integrity_hooked(in, TEXT + (uint32_t)(c[3] | c[4] << 8) % 0x8000u);
		break;
	default: /* a word of what the CPU has */
		memcpy((uint8_t *)&cpu + 16 + c[2] % 14u * 8, &value, 8);
		cpu.index = c[2] >> 7;
	}
}

static void command(const uint8_t *c)
{
	switch (c[0] >> 5) {
	case 0:
		pass(c[1] % 64u);
		break;
	case 1:
		begin_work();
		hit(c);
		end_work();
		break;
	case 2:
		begin_work();
		tell_write(c);
		end_work();
		break;
	case 3:
		begin_work();
		registers(c);
		end_work();
		break;
	default:
		change(c);
	}
}

static void boot(void)
{
	pass(30);
	put_va(DATA, 3);
	pass(60);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!in)
		build();
	if (size < 6)
		return 0;
	memcpy(ram, pristine, RAM);
	cpu = cpu_pristine;
	tsc = (tsc / HZ + 20) * HZ; /* a new second */
	begin_work();
	integrity_attach(in, &kernel, (const struct procs *)proc, tsc);
	end_work();
	if (data[0] & 1)
		boot();
	for (size_t i = 1; i + 5 <= size && i < 5 * 64; i += 5)
		command(data + i);
	if (!(data[0] & 1))
		boot();
	pass(data[0] & 2 ? 4000 : 300);
	return 0;
}
