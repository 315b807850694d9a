/* See integrity_stage.h. */
#include "tests/unit/integrity_stage.h"

#include <stdio.h>
#include <stdlib.h>

#define NAMES 96

struct stage *stage;

static struct {
	const char *name, *member;
	int64_t value;
} symbols[NAMES], offsets[NAMES], enums[NAMES];
static uint32_t nsymbol, noffset, nenum;

void stage_symbol(const char *name, uint64_t va)
{
	symbols[nsymbol].name = name;
	symbols[nsymbol++].value = (int64_t)va;
}

void stage_offset(const char *structure, const char *member, int64_t offset)
{
	offsets[noffset].name = structure;
	offsets[noffset].member = member;
	offsets[noffset++].value = offset;
}

void stage_enum(const char *name, int64_t value)
{
	enums[nenum].name = name;
	enums[nenum++].value = value;
}

/* --- memory ------------------------------------------------------------------------------------
 */

static uint8_t *find(uint64_t va, size_t len)
{
	if (va - STAGE_ALIAS < 0x10000)
		va = va - STAGE_ALIAS + stage->alias;
	if (va - STAGE_IMAGE < sizeof(stage->image) &&
	    len <= sizeof(stage->image) - (va - STAGE_IMAGE))
		return stage->image + (va - STAGE_IMAGE);
	if (va - STAGE_HEAP < sizeof(stage->heap) && len <= sizeof(stage->heap) - (va - STAGE_HEAP))
		return stage->heap + (va - STAGE_HEAP);
	if (va - STAGE_MODULES < sizeof(stage->modules) &&
	    len <= sizeof(stage->modules) - (va - STAGE_MODULES))
		return stage->modules + (va - STAGE_MODULES);
	return NULL;
}

void *stage_at(uint64_t va, size_t len)
{
	void *p = find(va, len);
	assert_non_null(p);
	return p;
}

void stage_put(uint64_t va, uint64_t value)
{
	memcpy(stage_at(va, 8), &value, 8);
}

void stage_put32(uint64_t va, uint32_t value)
{
	memcpy(stage_at(va, 4), &value, 4);
}

uint64_t stage_get(uint64_t va)
{
	uint64_t value;
	memcpy(&value, stage_at(va, 8), 8);
	return value;
}

uint64_t stage_alloc(uint64_t size)
{
	uint64_t va = STAGE_HEAP + stage->used;
	stage->used += (size + 63) & ~63ull;
	assert_true(stage->used <= sizeof(stage->heap));
	return va;
}

/* --- ids/guest ---------------------------------------------------------------------------------
 */

static const struct gspace kernel = {.root = STAGE_ROOT, .levels = 4};

int gspace_read(const struct gspace *space, uint64_t va, void *dst, size_t len)
{
	const uint8_t *from = find(va, len);
	stage->reads++;
	if (!from || space->root != STAGE_ROOT)
		return -EFAULT;
	memcpy(dst, from, len);
	return 0;
}

int gspace_string(const struct gspace *space, uint64_t va, char *dst, size_t size)
{
	size_t len = 0;
	while (len + 1 < size && !gspace_read(space, va + len, dst + len, 1) && dst[len])
		len++;
	dst[len] = 0;
	return (int)len;
}

/* The arenas follow one another from 16 MiB on. */
int gspace_translate(const struct gspace *space, uint64_t va, struct gspace_at *at)
{
	const uint8_t *from = find(va, 1);
	if (!from || (space->root != STAGE_ROOT && space->root != STAGE_MOVED))
		return -EFAULT;
	at->gpa = (16u << 20) + (uint64_t)(from - stage->image);
	at->gpa += space->root == STAGE_MOVED ? 1 << 30 : 0;
	at->size = 4096;
	at->write = va - STAGE_ALIAS >= 0x10000 && (va & ~0xfffull) != stage->read_only;
	at->user = false;
	at->exec = true;
	return 0;
}

int gmem_read(const struct gmem *mem, uint64_t gpa, void *dst, size_t len)
{
	size_t end = offsetof(struct stage, used);
	(void)mem;
	gpa -= 16u << 20;
	if (gpa >= end || len > end - gpa)
		return -EFAULT;
	memcpy(dst, stage->image + gpa, len);
	return 0;
}

const struct gspace *kernel_space(const struct kernel *k)
{
	(void)k;
	return &kernel;
}

const struct kernel_image *kernel_image(const struct kernel *k)
{
	static const struct kernel_image image = {
		.text = STAGE_IMAGE,
		.text_end = STAGE_IMAGE + 0x80000,
		.base = STAGE_IMAGE,
		.end = STAGE_IMAGE + (1 << 20),
		.phys = 16u << 20,
	};
	(void)k;
	return &image;
}

const char *kernel_banner(const struct kernel *k)
{
	(void)k;
	return "Linux version 6.1.0-test";
}

uint64_t kernel_symbol(const struct kernel *k, const char *name)
{
	(void)k;
	for (uint32_t i = 0; i < nsymbol; i++)
		if (!strcmp(symbols[i].name, name))
			return (uint64_t)symbols[i].value;
	return 0;
}

uint64_t kernel_percpu(const struct kernel *k, const char *variable, uint32_t cpu)
{
	uint64_t va = kernel_symbol(k, variable);
	return va ? va + cpu * 0x1000ull : 0;
}

int64_t kernel_offset(const struct kernel *k, const char *structure, const char *path)
{
	(void)k;
	for (uint32_t i = 0; i < noffset; i++)
		if (!strcmp(offsets[i].name, structure) && !strcmp(offsets[i].member, path))
			return offsets[i].value;
	return -ENOENT;
}

uint32_t kernel_size(const struct kernel *k, const char *structure)
{
	(void)k;
	(void)structure;
	return 0;
}

int kernel_enum(const struct kernel *k, const char *enumerator, int64_t *value)
{
	(void)k;
	for (uint32_t i = 0; i < nenum; i++) {
		if (strcmp(enums[i].name, enumerator) != 0)
			continue;
		*value = enums[i].value;
		return 0;
	}
	return -ENOENT;
}

void stage_module(uint32_t nr, const char *name, uint64_t base, uint64_t size)
{
	struct kernel_module *m = &stage->module[nr];
	memset(m, 0, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->part[0].base = base;
	m->part[0].size = size;
	m->parts = 1;
	if (nr >= stage->modules_listed)
		stage->modules_listed = nr + 1;
}

bool kernel_module_next(const struct kernel *k, uint64_t *node, struct kernel_module *module)
{
	(void)k;
	if (*node >= stage->modules_listed)
		return false;
	*module = stage->module[(*node)++];
	return true;
}

bool kernel_module_holding(const struct kernel *k, uint64_t va, struct kernel_module *module)
{
	(void)k;
	for (uint32_t i = 0; i < stage->modules_listed; i++) {
		if (va - stage->module[i].part[0].base >= stage->module[i].part[0].size)
			continue;
		*module = stage->module[i];
		return true;
	}
	return false;
}

/* --- ids/proc ----------------------------------------------------------------------------------
 */

const struct proc *procs_each(const struct procs *p, uint32_t *cursor)
{
	(void)p;
	return *cursor < stage->procs ? &stage->proc[(*cursor)++] : NULL;
}

/* --- integrity_impl.h --------------------------------------------------------------------------
 */

static void keep(char to[200], const char *text)
{
	snprintf(to, 200, "%s", text ? text : "");
}

bool integrity_tell(struct integrity *in, const struct finding *f)
{
	(void)in;
	stage->told++;
	stage->last = *f;
	keep(stage->expected, f->expected);
	keep(stage->found, f->found);
	keep(stage->reason, f->reason);
	keep(stage->symbol, f->symbol);
	return true;
}

bool integrity_known(const struct integrity *in, uint64_t address, uint64_t value)
{
	(void)in;
	return stage->last.address == address && stage->last.value == value;
}

void integrity_clear(struct integrity *in, enum integrity_what what, uint64_t address)
{
	(void)in, (void)what, (void)address;
}

static struct suspect *suspect_at(struct integrity *in, enum integrity_what what, uint64_t key)
{
	struct suspect *free_one = NULL;
	for (uint32_t i = 0; i < SUSPECTS; i++) {
		if (in->suspect[i].looks && in->suspect[i].what == what &&
		    in->suspect[i].key == key)
			return &in->suspect[i];
		if (!in->suspect[i].looks)
			free_one = &in->suspect[i];
	}
	assert_non_null(free_one);
	*free_one = (struct suspect){.key = key, .what = (uint8_t)what, .first = in->tsc};
	return free_one;
}

bool integrity_suspect(struct integrity *in, enum integrity_what what, uint64_t key, uint64_t value,
		       uint32_t looks, uint32_t ms)
{
	struct suspect *s = suspect_at(in, what, key);
	if (!s->looks || s->value != value)
		s->looks = 0, s->first = in->tsc;
	s->value = value;
	s->looks++;
	return s->looks >= looks && in->tsc - s->first >= integrity_ms(in, ms);
}

void integrity_innocent(struct integrity *in, enum integrity_what what, uint64_t key)
{
	suspect_at(in, what, key)->looks = 0;
}

const char *integrity_hex(char text[INTEGRITY_TEXT], const void *bytes, size_t len)
{
	snprintf(text, INTEGRITY_TEXT, "%02x... (%zu)", *(const uint8_t *)bytes, len);
	return text;
}

const char *integrity_value(char text[INTEGRITY_TEXT], uint64_t value)
{
	snprintf(text, INTEGRITY_TEXT, "0x%llx", (unsigned long long)value);
	return text;
}

void integrity_name(const struct integrity *in, uint64_t va, char symbol[KERNEL_NAME_MAX + 20],
		    char module[56])
{
	(void)in;
	symbol[0] = module[0] = 0;
	for (uint32_t i = 0; i < nsymbol; i++)
		if ((uint64_t)symbols[i].value == va)
			snprintf(symbol, KERNEL_NAME_MAX + 20, "%s", symbols[i].name);
}

/* --- life --------------------------------------------------------------------------------------
 */

static int64_t call(void *ctx, uint64_t number, uint64_t a, uint64_t b)
{
	(void)ctx;
	if (number == ABI_CALL_WATCH) {
		stage->watched = a;
		stage->lstar = b;
	} else {
		assert_int_equal(number, ABI_CALL_CPU);
	}
	return 0;
}

static void put_log(void *ctx, const char *line)
{
	(void)ctx;
	keep(stage->log, line);
}

void stage_open(const struct check *check)
{
	nsymbol = noffset = nenum = 0;
	stage = calloc(1, sizeof(*stage));
	struct integrity *in = &stage->in;
	in->ops.tsc_hz = 1000000;
	in->ops.ncpu = 2;
	in->ops.call = call;
	in->ops.log = put_log;
	in->ops.cpu = &stage->cpu;
	in->tsc = in->attached = 1000;
	in->k = (const struct kernel *)stage; /* opaque: asked of the functions above alone */
	in->procs = (const struct procs *)stage;
	in->runs = 1;
	stage->run = &in->run[0];
	*stage->run = (struct check_run){.in = in, .check = check};
	stage->run->state = calloc(1, check->size);
	stage->run->memory = check->memory ? calloc(1, check->memory) : NULL;
}

void stage_close(void)
{
	free(stage->run->state);
	free(stage->run->memory);
	free(stage);
	stage = NULL;
}

const char *stage_attach(void)
{
	const char *reason;
	memset(stage->run->state, 0, stage->run->check->size);
	reason = stage->run->check->attach(stage->run);
	stage->run->next = reason ? 0 : stage->in.tsc + 1;
	return reason;
}

void stage_run(uint32_t ms)
{
	uint64_t end = stage->in.tsc + integrity_ms(&stage->in, ms);
	while (stage->run->next && stage->run->next <= end) {
		stage->in.tsc = stage->run->next;
		stage->in.now_ns = stage->in.tsc * 1000;
		uint64_t wait = stage->run->check->step(stage->run);
		assert_true(wait >= 1 && wait <= 1000);
		stage->run->next = stage->in.tsc + integrity_ms(&stage->in, wait);
	}
	stage->in.tsc = end;
}
