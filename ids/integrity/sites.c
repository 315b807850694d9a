/* See sites.h. */
#include "ids/integrity/sites.h"

#include <string.h>

#include "ids/integrity/owner.h"

#define SLICE_RECORDS 4096u
#define SLICE	      512u /* entries of a table looked at in a step */
#define KNOWN_MS      20
#define JUMP_SIZE     16u   /* struct jump_entry: s32 code, s32 target, long key */
#define CALL_SIZE     8u    /* struct static_call_site: s32 addr, s32 key */
#define TRAMP	      8u    /* bytes of a static call's trampoline */
#define PAGES_MAX     8192u /* of ftrace's records */

enum site_type {
	SITE_TAIL, /* the rest of one that began on the page before */
	SITE_FTRACE,
	SITE_JUMP2,
	SITE_JUMP5,
	SITE_CALL,   /* a static call or its trampoline */
	SITE_CALL6,  /* one behind a condition */
	SITE_BRANCH, /* in ftrace's own code, or a dispatcher of BPF's */
};

static const uint8_t sizes[] = {
	[SITE_FTRACE] = 5, [SITE_JUMP2] = 2, [SITE_JUMP5] = 5,
	[SITE_CALL] = 5,   [SITE_CALL6] = 6, [SITE_BRANCH] = 5,
};

static const uint8_t nop5[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00};

/* --- building --------------------------------------------------------------------------------- */

static void put(struct sites *s, uint32_t page, uint32_t offset, enum site_type type, int32_t to)
{
	if (!s->placing) {
		s->first[page]++;
		s->count++;
		return;
	}
	if (!s->first[page] || s->first[page] > SITES_MAX) {
		s->failed = true;
		return;
	}
	s->site[--s->first[page]] = (struct site){(uint16_t)(offset << 4 | type), to};
}

static void add(struct sites *s, uint64_t va, enum site_type type, int32_t to)
{
	uint32_t page, offset = va & (GMEM_PAGE - 1);

	if (va < s->text || va >= s->text_end)
		return; /* of init text, or of a module */
	page = (uint32_t)((va - s->text) / GMEM_PAGE);
	put(s, page, offset, type, to);
	if (offset + sizes[type] > GMEM_PAGE && va + sizes[type] <= s->text_end)
		put(s, page + 1, 0, SITE_TAIL, (int32_t)(offset + sizes[type] - GMEM_PAGE));
}

/* struct ftrace_page: next, records, index. True: the list has ended. */
static bool build_ftrace(struct sites *s, const struct integrity *in)
{
	const struct gspace *space = kernel_space(in->k);
	uint64_t head = kernel_symbol(in->k, "ftrace_pages_start"), records, rec[2 * 256];
	int64_t next = kernel_offset(in->k, "ftrace_page", "next"),
		recs = kernel_offset(in->k, "ftrace_page", "records"),
		index = kernel_offset(in->k, "ftrace_page", "index"),
		ip = kernel_offset(in->k, "dyn_ftrace", "ip");
	uint32_t count = 0, size = kernel_size(in->k, "dyn_ftrace");

	if (!head || next < 0 || recs < 0 || index < 0 || ip != 0 || size != 16)
		return true; /* built without it, or unlike anything known */
	if (!s->record && (gspace_u64(space, s->node ? s->node + (uint64_t)next : head, &s->node) ||
			   !s->node || ++s->at > PAGES_MAX))
		return true;
	if (gspace_u64(space, s->node + (uint64_t)recs, &records) ||
	    gspace_u32(space, s->node + (uint64_t)index, &count)) {
		s->failed = true;
		return true;
	}
	/* A group may be of many pages. */
	for (uint32_t i = 0; i < SLICE_RECORDS && s->record < count; i += 256) {
		uint32_t n = count - s->record < 256 ? count - s->record : 256;
		if (gspace_read(space, records + s->record * 16ull, rec, n * 16ull)) {
			s->failed = true;
			return true;
		}
		for (uint32_t k = 0; k < n; k++)
			add(s, rec[2 * k], SITE_FTRACE, 0);
		s->record += n;
	}
	if (s->record >= count)
		s->record = 0;
	return false;
}

/* How long is the jump label at `va`? 0: it is being patched. */
static enum site_type jump_type(const struct integrity *in, uint64_t va, bool *passing)
{
	uint8_t bytes[2] = {0};

	*passing = gspace_read(kernel_space(in->k), va, bytes, 2) || bytes[0] == 0xcc;
	return bytes[0] == 0xe9 || bytes[0] == 0x0f ? SITE_JUMP5 : SITE_JUMP2;
}

static bool build_jumps(struct sites *s, const struct integrity *in)
{
	uint64_t at = kernel_symbol(in->k, "__start___jump_table") + (uint64_t)s->at * JUMP_SIZE;
	uint64_t end = kernel_symbol(in->k, "__stop___jump_table");
	struct {
		int32_t code, target;
		uint64_t key;
	} entry[64];

	for (uint32_t i = 0; i < SLICE / 4 && at + JUMP_SIZE <= end; i++, at += JUMP_SIZE) {
		uint32_t n = i % 64;
		uint64_t code, room = (end - at) / JUMP_SIZE;
		bool passing;
		if (!n && gspace_read(kernel_space(in->k), at, entry,
				      (room < 64 ? room : 64) * JUMP_SIZE)) {
			s->failed = true;
			return true;
		}
		code = at + (uint64_t)(int64_t)entry[n].code;
		if (code >= s->text && code < s->text_end) {
			uint64_t target = at + 4 + (uint64_t)(int64_t)entry[n].target;
			enum site_type type = jump_type(in, code, &passing);
			s->failed |= passing;
			add(s, code, type, (int32_t)(target - s->text));
		}
		s->at++;
	}
	return at + JUMP_SIZE > end;
}

static bool build_calls(struct sites *s, const struct integrity *in)
{
	uint64_t at =
		kernel_symbol(in->k, "__start_static_call_sites") + (uint64_t)s->at * CALL_SIZE;
	uint64_t end = kernel_symbol(in->k, "__stop_static_call_sites");

	for (uint32_t i = 0; i < SLICE / 4 && at + CALL_SIZE <= end; i++, at += CALL_SIZE) {
		int32_t entry[2];
		uint8_t first = 0;
		if (gspace_read(kernel_space(in->k), at, entry, sizeof(entry))) {
			s->failed = true;
			return true;
		}
		uint64_t va = at + (uint64_t)(int64_t)entry[0];
		if (va >= s->text && va < s->text_end) {
			s->failed |= gspace_read(kernel_space(in->k), va, &first, 1) != 0 ||
				     first == 0xcc;
			/* A NOP of five begins with 0f as well, but none of six does. */
			uint8_t second = 0;
			(void)gspace_read(kernel_space(in->k), va + 1, &second, 1);
			add(s, va,
			    first == 0x0f && (second & 0xf0) == 0x80 ? SITE_CALL6 : SITE_CALL, 0);
		}
		s->at++;
	}
	return at + CALL_SIZE > end;
}

static bool build_trampolines(struct sites *s, const struct integrity *in)
{
	uint64_t at = kernel_symbol(in->k, "__static_call_text_start") + (uint64_t)s->at * TRAMP;
	uint64_t end = kernel_symbol(in->k, "__static_call_text_end");

	for (uint32_t i = 0; i < SLICE && at + TRAMP <= end; i++, at += TRAMP, s->at++)
		add(s, at, SITE_CALL, 0);
	return at + TRAMP > end;
}

static bool build_branches(struct sites *s, const struct integrity *in)
{
	static const char *const names[] = {"ftrace_call", "ftrace_regs_call", "ftrace_graph_call",
					    "bpf_dispatcher_xdp_func"};
	uint8_t endbr[4];

	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t va = kernel_symbol(in->k, names[i]);
		if (va && !gspace_read(kernel_space(in->k), va, endbr, 4) &&
		    memcmp(endbr, "\xf3\x0f\x1e\xfa", 4) == 0)
			va += 4;
		if (va)
			add(s, va, SITE_BRANCH, 0);
	}
	return true;
}

static bool (*const sources[])(struct sites *s, const struct integrity *in) = {
	build_ftrace, build_jumps, build_calls, build_trampolines, build_branches,
};

#define SOURCES (sizeof(sources) / sizeof(sources[0]))

bool sites_begin(struct sites *s, const struct integrity *in)
{
	const struct kernel_image *image = kernel_image(in->k);

	memset(s->first, 0, sizeof(s->first));
	s->text = image->text & ~(uint64_t)(GMEM_PAGE - 1);
	s->text_end = (image->text_end + GMEM_PAGE - 1) & ~(uint64_t)(GMEM_PAGE - 1);
	s->count = s->source = s->at = s->record = 0;
	s->node = 0;
	memset(s->known, 0, sizeof(s->known));
	s->placing = s->failed = false;
	s->caller[0] = kernel_symbol(in->k, "ftrace_caller");
	s->caller[1] = kernel_symbol(in->k, "ftrace_regs_caller");
	s->caller[2] = kernel_symbol(in->k, "__fentry__");
	return s->text_end > s->text && s->text_end - s->text <= SITES_TEXT_MAX;
}

/* From counts to the end of each page's sites; placing moves them to the begin. */
static bool sum_up(struct sites *s)
{
	uint32_t sum = 0;

	if (s->count > SITES_MAX)
		return false;
	for (uint32_t i = 0; i <= SITES_PAGES; i++) {
		sum += s->first[i];
		s->first[i] = sum;
	}
	return true;
}

int sites_build(struct sites *s, const struct integrity *in)
{
	if (sources[s->source](s, in)) {
		s->source++;
		s->at = s->record = 0;
		s->node = 0;
	}
	if (s->failed)
		return -1;
	if (s->source < SOURCES)
		return 1;
	if (s->placing)
		return 0;
	s->placing = true;
	s->source = 0;
	return sum_up(s) ? 1 : -1;
}

/* --- what may stand there --------------------------------------------------------------------- */

static uint64_t branch_target(uint64_t va, const uint8_t *insn, uint32_t size)
{
	int32_t rel;

	memcpy(&rel, insn + size - 4, 4);
	return va + size + (uint64_t)(int64_t)rel;
}

static bool is_nop5(const uint8_t *b)
{
	static const uint8_t prefixed[5] = {0x66, 0x66, 0x66, 0x66, 0x90};
	static const uint8_t single[5] = {0x90, 0x90, 0x90, 0x90, 0x90};

	return memcmp(b, nop5, 5) == 0 || memcmp(b, prefixed, 5) == 0 || memcmp(b, single, 5) == 0;
}

/* Whether one of these owns a target. Tens of thousands of sites may lead to the same, so a few
 * answers are remembered for a moment. */
static bool target_is(struct sites *s, const struct integrity *in, uint64_t target, uint32_t owners)
{
	uint32_t slot = SITES_KNOWN;

	if (target >= s->text && target < s->text_end)
		return owners >> OWNER_KERNEL & 1;
	for (uint32_t i = 0; i < SITES_KNOWN && slot == SITES_KNOWN; i++)
		if (s->known[i].va == target &&
		    in->tsc - s->known[i].tsc < integrity_ms(in, KNOWN_MS))
			slot = i;
	if (slot == SITES_KNOWN) {
		if (!s->walks_left) {
			s->undecided = true;
			return true;
		}
		s->walks_left--;
		slot = s->known_at++ % SITES_KNOWN;
		s->known[slot].va = target;
		s->known[slot].tsc = in->tsc;
		s->known[slot].owner = (uint8_t)owner_of(in, target);
	}
	if (s->known[slot].owner == OWNER_UNSURE) {
		s->undecided = true;
		return true;
	}
	return s->known[slot].owner && owners >> s->known[slot].owner & 1;
}

static bool ftrace_good(struct sites *s, const struct integrity *in, const uint8_t *b,
			struct site_fault *f)
{
	f->expected = "0f1f440000";
	if (is_nop5(b))
		return true;
	if (b[0] != 0xe8 && b[0] != 0xe9)
		return false;
	f->target = branch_target(f->va, b, 5);
	if (b[0] != 0xe8)
		return false;
	for (uint32_t i = 0; i < 3; i++)
		if (f->target == s->caller[i])
			return true;
	return target_is(s, in, f->target, 1u << OWNER_FTRACE | 1u << OWNER_BPF);
}

static bool jump_good(const struct sites *s, const uint8_t *b, uint32_t size, int32_t to,
		      struct site_fault *f)
{
	uint64_t target = s->text + (uint64_t)(int64_t)to;

	if (size == 2) {
		if (b[0] == 0xeb)
			f->target = f->va + 2 + (uint64_t)(int64_t)(int8_t)b[1];
		return (b[0] == 0x66 && b[1] == 0x90) || f->target == target;
	}
	if (b[0] == 0xe9 || b[0] == 0xe8)
		f->target = branch_target(f->va, b, 5);
	return is_nop5(b) || (b[0] == 0xe9 && f->target == target);
}

#define RUNS (1u << OWNER_KERNEL | 1u << OWNER_MODULE | 1u << OWNER_BPF | 1u << OWNER_FTRACE)

static bool call_good(struct sites *s, const struct integrity *in, const uint8_t *b, uint32_t size,
		      struct site_fault *f)
{
	static const uint8_t zero[5] = {0x2e, 0x2e, 0x2e, 0x31, 0xc0}; /* xor eax, eax */
	static const uint8_t zero_old[5] = {0x66, 0x66, 0x48, 0x31, 0xc0};
	bool branch =
		size == 6 ? b[0] == 0x0f && (b[1] & 0xf0) == 0x80 : b[0] == 0xe8 || b[0] == 0xe9;

	if (branch) {
		f->target = branch_target(f->va, b, size);
		return target_is(s, in, f->target, RUNS);
	}
	return size == 5 && (is_nop5(b) || memcmp(b, zero, 5) == 0 || memcmp(b, zero_old, 5) == 0 ||
			     b[0] == 0xc3);
}

bool sites_check(struct sites *s, const struct integrity *in, uint32_t page, const uint8_t *bytes,
		 uint32_t *next, struct site_fault *f)
{
	uint32_t first = s->first[page], count = s->first[page + 1] - first;

	for (; *next < count; ++*next) {
		const struct site *site = &s->site[first + *next];
		enum site_type type = site->where & 15;
		const uint8_t *b = bytes + (site->where >> 4);
		bool good;
		if (type == SITE_TAIL)
			continue;
		if (type == SITE_FTRACE && memcmp(b, nop5, 5) == 0)
			continue; /* nearly all */
		*f = (struct site_fault){
			.va = s->text + (uint64_t)page * GMEM_PAGE + (site->where >> 4),
			.size = sizes[type],
			.passing = b[0] == 0xcc,
		};
		if (type == SITE_FTRACE)
			good = ftrace_good(s, in, b, f);
		else if (type == SITE_JUMP2 || type == SITE_JUMP5)
			good = jump_good(s, b, f->size, site->to, f);
		else
			good = call_good(s, in, b, f->size, f);
		if (!good) {
			++*next;
			return true;
		}
	}
	return false;
}

void sites_mask(const struct sites *s, uint32_t page, uint8_t *bytes)
{
	for (uint32_t i = s->first[page]; i < s->first[page + 1]; i++) {
		const struct site *site = &s->site[i];
		uint32_t type = site->where & 15, offset = site->where >> 4;
		uint32_t size = type == SITE_TAIL ? (uint32_t)site->to : sizes[type];
		if (size > GMEM_PAGE - offset)
			size = GMEM_PAGE - offset;
		memset(bytes + offset, 0, size);
	}
}
