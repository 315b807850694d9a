/* The sentry's linked image, run in user mode: loaded and relocated as the core does, each VMCALL
 * replaced by an instruction that faults, hypercalls served by the signal handler.
 *
 * Proves crt0, relocations, newlib's hooks and the test image's hooks without a hypervisor. What
 * the core itself adds (EPT, budget) is not here. Built without sanitizers: they know nothing of
 * the image's stack.
 */
#include "tests/unit/sentry_core.h"
#include "arch/x86/vmx/entry_record.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define IMAGE_MAX (1536 * 1024) /* bytes resident, the design's target */
#define HEAP_SIZE (50u << 18)	/* as hv/sentry_memory.c gives */
#define VMCALL	  "\x0f\x01\xc1"
#define TRAP	  "\x0f\x0b\x90" /* UD2, NOP */

enum ending { END_RAN, END_EXIT, END_CRASH, END_MEMORY, END_HANG };

static struct core core;
static struct {
	uint8_t *base;
	size_t size;
	uint64_t entry;
	uint8_t *heap, *stack;
} image;
static struct {
	sigjmp_buf out;
	volatile enum ending ending;
	volatile uint64_t code; /* of ABI_CALL_EXIT */
	volatile unsigned yields, most_yields;
	volatile uint64_t deadline; /* of the last ABI_CALL_YIELD */
	char log[512];
} run;
static enum abi_start start;

/* --- loading
 * ------------------------------------------------------------------------------------------- */

static uint8_t *read_file(const char *path, size_t *size)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	uint8_t *data = malloc((size_t)st.st_size);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	close(fd);
	*size = (size_t)st.st_size;
	return data;
}

static void relocate(const Elf64_Dyn *dyn)
{
	uint64_t rela = 0, size = 0;
	for (; dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_RELA)
			rela = dyn->d_un.d_ptr;
		if (dyn->d_tag == DT_RELASZ)
			size = dyn->d_un.d_val;
	}
	assert_true(size > 0);
	Elf64_Rela *r = (Elf64_Rela *)(image.base + rela), *end = r + size / sizeof(*r);
	for (; r < end; r++) {
		assert_int_equal(ELF64_R_TYPE(r->r_info), R_X86_64_RELATIVE);
		assert_true(r->r_offset <= image.size - 8);
		*(uint64_t *)(image.base + r->r_offset) =
			(uint64_t)image.base + (uint64_t)r->r_addend;
	}
}

static void replace_hypercalls(uint8_t *from, uint8_t *to)
{
	unsigned found = 0;
	for (; from + 3 <= to; from++) {
		if (memcmp(from, VMCALL, 3) == 0) {
			memcpy(from, TRAP, 3);
			found++;
		}
	}
	assert_true(found > 0);
}

static void load(const char *path)
{
	size_t size;
	uint8_t *file = read_file(path, &size);
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)file;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(file + eh->e_phoff);
	assert_memory_equal(eh->e_ident, ELFMAG, SELFMAG);
	assert_int_equal(eh->e_type, ET_DYN);

	image.size = 0;
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			image.size = ABI_ROUND(ph[i].p_vaddr + ph[i].p_memsz);
	}
	image.base =
		mmap(NULL, image.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(image.base, MAP_FAILED);
	const Elf64_Dyn *dyn = NULL;
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			memcpy(image.base + ph[i].p_vaddr, file + ph[i].p_offset, ph[i].p_filesz);
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)(image.base + ph[i].p_vaddr);
	}
	assert_non_null(dyn);
	relocate(dyn);
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		uint8_t *at = image.base + ph[i].p_vaddr;
		if (ph[i].p_flags & PF_X)
			replace_hypercalls(at, at + ph[i].p_filesz);
		int rights = (ph[i].p_flags & PF_R ? PROT_READ : 0) |
			     (ph[i].p_flags & PF_W ? PROT_WRITE : 0) |
			     (ph[i].p_flags & PF_X ? PROT_EXEC : 0);
		assert_int_equal(mprotect(at, ABI_ROUND(ph[i].p_memsz), rights), 0);
	}
	image.entry = (uint64_t)image.base + eh->e_entry;
	image.heap =
		mmap(NULL, HEAP_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	image.stack = mmap(NULL, ABI_SENTRY_STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	core.ctl->heap = (uint64_t)image.heap;
	core.ctl->heap_size = HEAP_SIZE;
	free(file);
}

static void unload(void)
{
	munmap(image.base, image.size);
	munmap(image.heap, HEAP_SIZE);
	munmap(image.stack, ABI_SENTRY_STACK);
}

/* --- running
 * ------------------------------------------------------------------------------------------- */

static void finish(enum ending ending)
{
	run.ending = ending;
	siglongjmp(run.out, 1);
}

static void hypercall(greg_t *regs)
{
	uint64_t arg = (uint64_t)regs[REG_RDI];
	switch (regs[REG_RAX]) {
	case ABI_CALL_YIELD:
		run.deadline = arg;
		core_drain(&core, UINT32_MAX);
		if (++run.yields >= run.most_yields)
			finish(END_RAN);
		break;
	case ABI_CALL_LOG:
		strncat(run.log, core.ctl->message, arg < 255 ? arg : 255);
		strcat(run.log, "\n");
		break;
	case ABI_CALL_EXIT:
		run.code = arg;
		finish(END_EXIT);
		break;
	case ABI_CALL_FORGET:
		regs[REG_RAX] = 7;
		regs[REG_RDX] = INT64_MAX; /* switched to after any look at it */
		break;
	default:
		finish(END_CRASH);
	}
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *regs = uc->uc_mcontext.gregs;
	const uint8_t *rip = (const uint8_t *)regs[REG_RIP];
	(void)info;
	if (number == SIGVTALRM)
		finish(END_HANG);
	if (number == SIGSEGV)
		finish(END_MEMORY);
	if (memcmp(rip, TRAP, 3) != 0)
		finish(END_CRASH);
	hypercall(regs);
	regs[REG_RIP] += 3;
}

static void enter(void)
{
	uint64_t rsp = (uint64_t)image.stack + ABI_SENTRY_STACK - 8;
	__asm__ volatile("movq %0, %%rsp\n\tjmpq *%1"
			 :
			 : "r"(rsp), "r"(image.entry), "D"((uint64_t)core.shared),
			   "S"((uint64_t)start)
			 : "memory");
	__builtin_unreachable();
}

/* Enter at the start and run until it has yielded `yields` times or ends. */
static enum ending go(unsigned yields)
{
	static const int signals[] = {SIGILL, SIGSEGV, SIGVTALRM};
	const struct itimerval limit = {.it_value = {.tv_sec = 1}}, off = {0};
	const struct sigaction act = {.sa_sigaction = on_signal,
				      .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct sigaction old[3]; /* cmocka's */
	run.yields = 0;
	run.most_yields = yields;
	run.log[0] = 0;
	run.code = 0;
	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &act, &old[i]);
	if (sigsetjmp(run.out, 1) == 0) {
		setitimer(ITIMER_VIRTUAL, &limit, NULL);
		enter();
	}
	setitimer(ITIMER_VIRTUAL, &off, NULL);
	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &old[i], NULL);
	core_drain(&core, UINT32_MAX);
	return run.ending;
}

static int setup(void **state)
{
	(void)state;
	core_init(&core);
	core.ctl->tsc_khz = 1000000;
	core.ctl->window =
		(uint64_t)mmap(NULL, 16 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	core.ctl->window_size = 16 * 4096;
	core.ctl->nram = 1;
	core.ctl->ram[0] = (struct abi_ram){0, 16 * 4096};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap((void *)core.ctl->window, 16 * 4096);
	unload();
	core_free(&core);
	return 0;
}

/* --- tests
 * --------------------------------------------------------------------------------------------- */

static void test_image(void **state)
{
	(void)state;
	size_t size;
	load(SENTRY_ELF);
	assert_true(image.size < IMAGE_MAX);
	uint8_t *file = read_file(SENTRY_ELF, &size);
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)file;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(file + eh->e_phoff);
	bool entry = false;
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		assert_int_equal(ph[i].p_vaddr % 4096, 0);
		assert_int_equal(ph[i].p_offset % 4096, 0);
		assert_true((ph[i].p_flags & (PF_W | PF_X)) != (PF_W | PF_X));
		entry |= (ph[i].p_flags & PF_X) && eh->e_entry >= ph[i].p_vaddr &&
			 eh->e_entry < ph[i].p_vaddr + ph[i].p_filesz;
	}
	assert_true(entry);
	/* The hooks are in the test image only. */
	assert_null(memmem(file, size, "VIGIL-TEST", 10));
	free(file);
	file = read_file(SENTRY_TEST_ELF, &size);
	assert_non_null(memmem(file, size, "VIGIL-TEST", 10));
	free(file);
}

static void test_runs(void **state)
{
	(void)state;
	uint8_t frame[60] = {0};
	struct abi_reply reply;
	unsigned verdicts = 0;
	load(SENTRY_ELF);
	core_event(&core, ABI_EVENT_START, 0, 0, 0);
	core_event(&core, ABI_EVENT_READY, 0, 0, 0);
	core_event(&core, ABI_EVENT_ROOT_SEEN, 0x3000, 0, 1);
	core_event(&core, ABI_EVENT_ROOT_SEEN, 0x100000, 0, 1); /* outside of the window */
	core_event(&core, ABI_EVENT_STATS, 0, 0, 0);
	for (uint32_t i = 0; i < 500; i++)
		core_frame(&core, (enum abi_port)(i % 2), i, frame, sizeof(frame));
	assert_int_equal(go(20), END_RAN);
	assert_string_equal(run.log, "");
	while (core_reply(&core, &reply))
		verdicts += reply.type == ABI_REP_VERDICT && reply.verdict == ABI_VERDICT_PASS;
	assert_int_equal(verdicts, 500);
	assert_true(core_told(&core, "\"action\":\"start\",\"version\":"));
	assert_true(core_told(&core, "\"boot\":\"0123456789abcdef\""));
	assert_true(core_told(&core, "\"action\":\"ready\""));
	assert_true(core_told(&core, "\"action\":\"seen\",\"cr3\":\"0x100000\""));
	assert_true(core_told(&core, "\"event_type\":\"stats\""));
	/* A root is watched: the next slice has a time. */
	assert_true(run.deadline > 0);
}

static void test_own_address(void **state)
{
	(void)state;
	static const uint8_t own_mac[6] = {0xb2, 0xc4, 0x20, 0, 0, 1};
	uint8_t frame[128];
	struct abi_reply reply;
	unsigned sent = 0;
	load(SENTRY_ELF);
	core.ctl->config.address = ADDRESS_FIXED;
	core.ctl->config.addr = 0x0a4d0009;
	core.ctl->config.addr_prefix = 24;
	core_frame(&core, ABI_PORT_WIRE, 0, frame, core_ping(frame, own_mac));
	assert_int_equal(go(3), END_RAN);
	assert_string_equal(run.log, "own address 10.77.0.9\n");
	while (core_reply(&core, &reply))
		sent += reply.type == ABI_REP_SEND;
	assert_int_equal(sent,
			 4); /* ARP: announcement, then who is 10.77.0.1, both to both sides */
}

static void test_small_heap(void **state)
{
	(void)state;
	load(SENTRY_ELF);
	core.ctl->heap_size = 256 * 1024;
	assert_int_equal(go(1), END_EXIT);
	assert_int_equal(run.code, 4);
	assert_string_equal(run.log, "can't start: error -12 (heap of 256 KiB)\n");
}

static void test_wrong_contract(void **state)
{
	(void)state;
	load(SENTRY_ELF);
	core.ctl->version = 77;
	assert_int_equal(go(1), END_EXIT);
	assert_int_equal(run.code, 1);
}

/* A failed VM entry is explained at once, whatever the last life was at. */
static void test_explain(void **state)
{
	(void)state;
	struct entry_record *r = (struct entry_record *)(core.shared + ABI_OFF_RECORD);
	load(SENTRY_ELF);
	assert_int_equal(go(3), END_RAN);
	*r = (struct entry_record){.error = 7, .caps.word[0] = 0x16};
	start = ABI_START_EXPLAIN;
	assert_int_equal(go(3), END_EXIT);
	start = ABI_START_RUN;
	assert_string_equal(run.log,
			    "VM entry with invalid control fields: pin-based controls 0x0: "
			    "bit 1 (reserved) must be 1\n");
	/* Nor does it need its heap, or data that a restart has not filled again. */
	unload();
	load(SENTRY_ELF);
	core.ctl->heap_size = 0;
	core.ctl->magic = 0;
	start = ABI_START_EXPLAIN;
	assert_int_equal(go(3), END_EXIT);
	start = ABI_START_RUN;
	assert_non_null(strstr(run.log, "must be 1"));
}

/* A UDP frame with a marker of the test image. */
static void push_marker(const char *marker)
{
	uint8_t frame[128] = {[12] = 8, [14] = 0x45, [17] = 84, [23] = 17};
	strcpy((char *)frame + 50, marker);
	core_frame(&core, ABI_PORT_WIRE, 1, frame, 98);
}

static void test_hooks(void **state)
{
	(void)state;
	static const struct {
		const char *marker;
		enum ending ending;
	} cases[] = {
		{"VIGIL-TEST-CRASH", END_CRASH}, {"VIGIL-TEST-WINDOW", END_MEMORY},
		{"VIGIL-TEST-HANG", END_HANG},	 {"VIGIL-TEST-EXIT", END_EXIT},
		{"VIGIL-TEST-", END_RAN},
	};
	uint8_t frame[60] = {0};
	struct abi_reply reply;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		load(SENTRY_TEST_ELF);
		push_marker(cases[i].marker);
		core_frame(&core, ABI_PORT_WIRE, 2, frame, sizeof(frame));
		assert_int_equal(go(3), cases[i].ending);
		/* Restarted, it does not meet the frame again, and goes on with the next. */
		unload();
		core.ctl->restarts++;
		while (core_reply(&core, &reply)) {
		}
		load(SENTRY_TEST_ELF);
		core_frame(&core, ABI_PORT_WIRE, 3, frame, sizeof(frame));
		assert_int_equal(go(3), END_RAN);
		bool answered = false;
		while (core_reply(&core, &reply))
			answered |= reply.slot == 3;
		assert_true(answered);
		unload();
	}
	/* The production image takes them for what they are. */
	load(SENTRY_ELF);
	push_marker("VIGIL-TEST-CRASH");
	assert_int_equal(go(3), END_RAN);
	assert_true(core_reply(&core, &reply));
	assert_int_equal(reply.verdict, ABI_VERDICT_PASS);
}

static void test_hook_reply(void **state)
{
	(void)state;
	struct abi_reply reply;
	load(SENTRY_TEST_ELF);
	push_marker("VIGIL-TEST-BADREPLY");
	assert_int_equal(go(3), END_RAN);
	assert_true(core_reply(&core, &reply));
	assert_int_equal(reply.type, 0xff);
}

static void test_hook_alerts(void **state)
{
	(void)state;
	load(SENTRY_TEST_ELF);
	push_marker("VIGIL-TEST-ALERTS");
	assert_int_equal(go(2000), END_RAN);
	unsigned alerts = core_count(&core, "\"event_type\":\"alert\"");
	uint64_t lost = core.ctl->events_lost[0];
	assert_true(alerts > 100);
	assert_int_equal(alerts + lost, 1000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static uint8_t signal_stack[64 * 1024];
	const stack_t ss = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
	sigaltstack(&ss, NULL);
	const struct CMUnitTest tests[] = {
		T(test_image),	    T(test_runs),	    T(test_own_address),
		T(test_small_heap), T(test_wrong_contract), T(test_hooks),
		T(test_hook_reply), T(test_hook_alerts),    T(test_explain),
	};
	return cmocka_run_group_tests_name("sentry_elf", tests, NULL, NULL);
}
