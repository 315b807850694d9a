/* Loading the core's ELF image. Structures: System V ABI, "Object Files"; AMD64 supplement, 4.4. */
#include "boot/elf.h"

#include <stdbool.h>
#include "boot/mem.h"
#include "hv/errno.h"

#define PAGE 4096u

#define ET_DYN	   3
#define EM_X86_64  62
#define PT_LOAD	   1
#define PT_DYNAMIC 2
#define PT_INTERP  3
#define PT_TLS	   7
#define PF_X	   1u
#define PF_W	   2u

#define DT_NULL	    0
#define DT_NEEDED   1
#define DT_PLTRELSZ 2
#define DT_RELA	    7
#define DT_RELASZ   8
#define DT_RELAENT  9
#define DT_INIT	    12
#define DT_REL	    17
#define DT_TEXTREL  22
#define DT_RELR	    36

#define R_X86_64_RELATIVE 8

#define SEGMENTS_MAX 16 /* program headers; the core has four */
#define IMAGE_MAX    (64u << 20)

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_dynamic {
	uint64_t tag, value;
};

struct elf_rela {
	uint64_t offset, info;
	int64_t addend;
};

struct elf_file {
	const uint8_t *bytes;
	size_t len;
	struct elf_header header;
	struct elf_segment segment[SEGMENTS_MAX];
};

static const uint8_t expected_ident[7] = {0x7f, 'E', 'L', 'F', 2 /* 64 bit */, 1 /* LSB */, 1};

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

static bool inside(const struct elf_file *f, uint64_t offset, uint64_t size)
{
	return offset <= f->len && size <= f->len - offset;
}

static uint64_t page_up(uint64_t v)
{
	return (v + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static int read_headers(struct elf_file *f, const char **why)
{
	const struct elf_header *h = &f->header;

	if (f->len < sizeof(*h))
		return refuse(why, "too short for an ELF header");
	memcpy(&f->header, f->bytes, sizeof(*h));
	if (memcmp(h->ident, expected_ident, sizeof(expected_ident)))
		return refuse(why, "not a 64-bit ELF file");
	if (h->type != ET_DYN || h->machine != EM_X86_64)
		return refuse(why, "not a position-independent x86-64 executable");
	if (h->phentsize != sizeof(struct elf_segment) || !h->phnum || h->phnum > SEGMENTS_MAX)
		return refuse(why, "unexpected program header table");
	if (!inside(f, h->phoff, (uint64_t)h->phnum * sizeof(struct elf_segment)))
		return refuse(why, "program headers lie outside of the file (cut off?)");
	memcpy(f->segment, f->bytes + h->phoff, h->phnum * sizeof(struct elf_segment));
	return 0;
}

/* The PT_LOAD segments: ascending, page aligned, in the order of rights; sizes into `image`. */
static int check_segments(const struct elf_file *f, struct elf_image *image, const char **why)
{
	unsigned stage = 0; /* 0: text, 1: rodata, 2: data */
	uint64_t end = 0;

	*image = (struct elf_image){0};
	for (unsigned i = 0; i < f->header.phnum; i++) {
		const struct elf_segment *s = &f->segment[i];
		unsigned kind;

		if (s->type == PT_INTERP || s->type == PT_TLS)
			return refuse(why, "needs an interpreter or thread-local storage");
		if (s->type != PT_LOAD)
			continue;
		if (!inside(f, s->offset, s->filesz))
			return refuse(why, "a segment lies outside of the file (cut off?)");
		if (s->vaddr > IMAGE_MAX || s->memsz > IMAGE_MAX || s->filesz > s->memsz)
			return refuse(why, "a segment is too large");
		if (s->vaddr % PAGE || s->vaddr < end)
			return refuse(why, "segments are not page aligned and ascending");
		if ((s->flags & PF_X) && (s->flags & PF_W))
			return refuse(why, "a segment is writable and executable");
		kind = s->flags & PF_X ? 0 : s->flags & PF_W ? 2 : 1;
		if (kind < stage || (!end && (kind || s->vaddr)))
			return refuse(why, "segments are not in the order text, rodata, data");
		if (kind == 0 && end)
			return refuse(why, "more than one text segment");
		stage = kind;
		end = page_up(s->vaddr + s->memsz);
		if (kind == 0)
			image->text_size = end;
		if (kind == 1)
			image->rodata_size = end - image->text_size;
	}
	if (!image->text_size)
		return refuse(why, "no text segment");
	if (f->header.entry >= image->text_size)
		return refuse(why, "entry point lies outside of the text");
	image->entry = f->header.entry;
	image->size = end;
	return 0;
}

/* Where `size` bytes at `vaddr` are in the file. */
static bool file_offset(const struct elf_file *f, uint64_t vaddr, uint64_t size, uint64_t *offset)
{
	for (unsigned i = 0; i < f->header.phnum; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (s->type != PT_LOAD || vaddr < s->vaddr || vaddr - s->vaddr > s->filesz ||
		    size > s->filesz - (vaddr - s->vaddr))
			continue;
		*offset = s->offset + (vaddr - s->vaddr);
		return true;
	}
	return false;
}

/* One entry of the dynamic section; false when it asks for what this loader does not do. */
static bool take_dynamic(const struct elf_dynamic *d, uint64_t *rela, uint64_t *relasz)
{
	switch (d->tag) {
	case DT_RELA:
		*rela = d->value;
		return true;
	case DT_RELASZ:
		*relasz = d->value;
		return d->value % sizeof(struct elf_rela) == 0;
	case DT_RELAENT:
		return d->value == sizeof(struct elf_rela);
	case DT_PLTRELSZ:
		return d->value == 0;
	case DT_NEEDED:
	case DT_INIT:
	case DT_REL:
	case DT_TEXTREL:
	case DT_RELR:
		return false;
	default:
		return true;
	}
}

static int check_dynamic(const struct elf_file *f, struct elf_image *image, const char **why)
{
	const struct elf_segment *dyn = NULL;
	uint64_t rela = 0, relasz = 0;

	for (unsigned i = 0; i < f->header.phnum; i++) {
		if (f->segment[i].type != PT_DYNAMIC)
			continue;
		if (dyn)
			return refuse(why, "more than one dynamic section");
		dyn = &f->segment[i];
	}
	if (!dyn)
		return 0; /* nothing to relocate */
	if (!inside(f, dyn->offset, dyn->filesz))
		return refuse(why, "the dynamic section lies outside of the file (cut off?)");
	for (uint64_t at = 0; dyn->filesz - at >= sizeof(struct elf_dynamic);
	     at += sizeof(struct elf_dynamic)) {
		struct elf_dynamic d;

		memcpy(&d, f->bytes + dyn->offset + at, sizeof(d));
		if (d.tag == DT_NULL)
			break;
		if (!take_dynamic(&d, &rela, &relasz))
			return refuse(why, "needs dynamic linking");
	}
	if (relasz && !file_offset(f, rela, relasz, &image->rela_offset))
		return refuse(why, "relocations lie outside of the file");
	image->rela_count = relasz / sizeof(struct elf_rela);
	return 0;
}

/* All relocations, read from the file (relocating may change the copy in memory). With `memory`
 * NULL they are only checked. */
static int relocate(const struct elf_file *f, const struct elf_image *image, uint8_t *memory,
		    uint64_t base, const char **why)
{
	for (uint64_t i = 0; i < image->rela_count; i++) {
		struct elf_rela r;
		uint64_t value;

		memcpy(&r, f->bytes + image->rela_offset + i * sizeof(r), sizeof(r));
		if (r.info != R_X86_64_RELATIVE)
			return refuse(why, "a relocation other than R_X86_64_RELATIVE");
		if (image->size < sizeof(value) || r.offset > image->size - sizeof(value) ||
		    r.offset < image->text_size)
			return refuse(why, "a relocation outside of rodata and data");
		if (r.addend < 0 || (uint64_t)r.addend > image->size)
			return refuse(why, "a relocation points outside of the image");
		value = base + (uint64_t)r.addend;
		if (memory)
			memcpy(memory + r.offset, &value, sizeof(value));
	}
	return 0;
}

static int inspect(struct elf_file *f, struct elf_image *image, const char **why)
{
	int err = read_headers(f, why);

	if (!err)
		err = check_segments(f, image, why);
	if (!err)
		err = check_dynamic(f, image, why);
	if (!err)
		err = relocate(f, image, NULL, 0, why);
	return err;
}

int elf_inspect(const void *file, size_t len, struct elf_image *image, const char **why)
{
	struct elf_file f = {.bytes = file, .len = len};

	return inspect(&f, image, why);
}

int elf_load(const void *file, size_t len, const struct elf_image *image, void *memory,
	     uint64_t base, const char **why)
{
	struct elf_file f = {.bytes = file, .len = len};
	struct elf_image again;
	int err = inspect(&f, &again, why);

	if (err)
		return err;
	if (memcmp(&again, image, sizeof(again)))
		return refuse(why, "the file changed while it was loaded");
	for (unsigned i = 0; i < f.header.phnum; i++) {
		const struct elf_segment *s = &f.segment[i];

		if (s->type == PT_LOAD)
			memcpy((uint8_t *)memory + s->vaddr, f.bytes + s->offset, s->filesz);
	}
	return relocate(&f, image, memory, base, why);
}
