/* Tasks and what hangs on them in memory of any content: loops, wild pointers, lies about lengths.
 *
 * Input: changes, each a place among the guest's structures (2 bytes) and a value (2 bytes: of
 * these the highest bits say what it becomes: a pointer to a structure, a number, a pointer to
 * nowhere); the last bytes are a script of hits. Beyond the sanitizers it checks that each look at
 * a task, and each step, is bounded, and that strings end.
 */
#include "tests/fuzz/kernel_fuzz.h"

#include "ids/proc/procs.h"
#include "ids/proc/socket.h"

#define TASKS	     12
#define SOCKET_PAGES (SOCKET_FDS * 40u) /* for the sockets of one */
#define TASK_PAGES   8000u		/* looks at guest memory for one task with its path */
#define STEP_PAGES   40000u		/* in one step of procs */
#define SCRIPT	     24
#define HZ	     1000000ull

static struct fuzz_world w;
static struct procs *procs;
static struct eve eve;
static uint64_t seq, first, task[TASKS], tsc, lines;

static void emit(void *ctx, enum eve_class cls, const char *line, size_t len)
{
	(void)ctx;
	REQUIRE(cls == EVE_CLASS_PROCESS && strlen(line) == len && len < EVE_LINE_MAX);
	lines++;
}

static uint64_t make_socket(struct fake *f, uint16_t family)
{
	uint64_t file = fake_file(f, "/socket"), inode = fake_alloc(f, fake_size(f, "inode"));
	uint64_t socket = fake_alloc(f, fake_size(f, "socket"));
	uint64_t sk = fake_alloc(f, fake_size(f, "sock"));

	fake_put(f, file, "file", "f_inode", inode);
	fake_put(f, file, "file", "private_data", socket);
	fake_put(f, inode, "inode", "i_mode", 0140777);
	fake_put(f, socket, "socket", "sk", sk);
	fake_put(f, sk, "sock_common", "skc_family", family);
	return file;
}

static void set_up(void)
{
	const struct eve_config config = {.host = "fuzz", .boot = "0", .seq = &seq, .emit = emit};
	const struct procs_ops ops = {.alloc = fuzz_calloc, .eve = &eve, .tsc_hz = HZ};

	fuzz_world_open(&w, &(struct fake_options){0});
	kernel_anchor(w.kernel, fake_lstar(w.fake), w.fake->boot_root, false);
	while (fuzz_step(&w) == KERNEL_SEARCHING)
		;
	REQUIRE(kernel_state(w.kernel) == KERNEL_READY);
	first = fake_alloc(w.fake, 0);
	for (uint32_t i = 0; i < TASKS; i++) {
		task[i] = fake_task(w.fake, 100 + i, i % 4 == 3 ? task[i - 1] : 0,
				    i ? task[i - 1] : 0, "task");
		fake_exec(w.fake, task[i], i % 2 ? "/usr//local/bin/program" : "/bin/sh");
		fake_open_file(w.fake, task[i], 1, fake_file(w.fake, "/tmp/file"));
		fake_open_file(w.fake, task[i], 2, make_socket(w.fake, i % 2 ? 2 : 10));
		fake_link(w.fake, task[i]);
		fake_module(w.fake, "module", 0xffffffffc0000000 + i * 0x1000, 0x1000);
	}
	fuzz_keep(&w);
	eve_init(&eve, &config);
	procs = procs_create(&ops);
	REQUIRE(procs);
}

/* A change at a word of the structures. */
static void change(const uint8_t *data)
{
	struct fake *f = w.fake;
	uint64_t words = (f->direct_map + f->used - first) / 8;
	uint64_t at = (uint64_t)(data[0] | data[1] << 8) % words;
	uint64_t value = (uint64_t)(data[2] | data[3] << 8), to = value & 0x3fff;

	switch (value >> 14) {
	case 0:
		break;
	case 1: /* somewhere among them, at a word */
		value = first + to % words * 8;
		break;
	case 2: /* the word itself, or a little before */
		value = first + at * 8 - to % 64 * 8;
		break;
	default:
		value = to & 1 ? UINT64_MAX - to : to << 40;
	}
	memcpy(f->ram + (first - f->direct_map) + at * 8, &value, 8);
}

static void look(uint64_t va)
{
	struct kernel_module module;
	char path[TASK_EXE_MAX], symbol[KERNEL_NAME_MAX];
	static char flows[4096];
	struct json j;
	struct task t;
	uint64_t before = w.fake->pages, offset;

	if (!task_read(w.kernel, va, TASK_EXE, &t)) {
		REQUIRE(memchr(t.comm, 0, sizeof(t.comm)) && memchr(t.exe, 0, sizeof(t.exe)));
		REQUIRE(t.root % GMEM_PAGE == 0);
	}
	REQUIRE(w.fake->pages - before <= TASK_PAGES);
	for (uint32_t fd = 0; fd < 3; fd++) {
		uint64_t file = task_file(w.kernel, va, fd);
		int len = task_file_path(w.kernel, file, path, sizeof(path));
		REQUIRE(len < (int)sizeof(path) && (len < 0 || strlen(path) <= (size_t)len));
	}
	before = w.fake->pages;
	json_begin(&j, flows, sizeof(flows));
	json_array(&j, "flows");
	socket_put_flows(w.kernel, va, &j);
	json_close(&j);
	REQUIRE(json_end(&j) > 0 && w.fake->pages - before <= SOCKET_PAGES);
	before = w.fake->pages;
	(void)kernel_module(w.kernel, 5, &module);
	(void)kernel_module_at(w.kernel, 0xffffffffc0003010, &module, symbol, &offset);
	REQUIRE(w.fake->pages - before <= 8 * TASK_PAGES);
}

static void play(const uint8_t *script, size_t size)
{
	struct probe_set set = procs_probes(procs);

	procs_attach(procs, w.kernel, tsc * 1000);
	for (size_t i = 0; i + 1 < size; i += 2) {
		struct probe_hit hit = {.tsc = tsc,
					.now_ns = tsc * 1000,
					.current = task[script[i] % TASKS],
					.captured = script[i + 1] * 0x100000001ull};
		hit.arg[0] = task[script[i + 1] % TASKS];
		set.probe[script[i] / 16 % set.count].hit(set.ctx, &hit);
		uint64_t before = w.fake->pages;
		(void)procs_step(procs, tsc, tsc * 1000);
		REQUIRE(w.fake->pages - before <= STEP_PAGES);
		tsc += (uint64_t)script[i + 1] * script[i + 1] * 20;
	}
	REQUIRE(procs_count(procs) <= PROCS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!procs)
		set_up();
	if (size < SCRIPT + 4)
		return 0;
	fuzz_restore(&w, first - w.fake->direct_map, w.fake->direct_map + w.fake->used - first);
	size -= SCRIPT;
	for (size_t i = 0; i + 4 <= size; i += 4)
		change(data + i);
	for (uint32_t i = 0; i < TASKS; i++)
		look(task[i]);
	play(data + size, SCRIPT);
	return 0;
}
