/* See fake_kernel.h: the symbol table, as scripts/kallsyms.c of Linux lays it out. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"

#define GROUP 256

/* Tokens that stand for more than one character, at codes that no character has. */
static const char *const words[] = {"sys_",  "init", "vfs_", "security_", "task", "_part",
				    "Tsys_", "tvfs", "00",   "11",	  "_end"};

struct writer {
	struct fake *f;
	uint64_t at;
	char token[256][16];
};

static bool is_character(uint32_t code)
{
	return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ||
	       (code >= '0' && code <= '9') || code == '_' || code == '.';
}

static void make_tokens(struct writer *w)
{
	uint32_t word = 0;

	for (uint32_t code = 0; code < 256; code++) {
		if (is_character(code))
			w->token[code][0] = (char)code;
		else if (word < sizeof(words) / sizeof(words[0]))
			strcpy(w->token[code], words[word++]);
		else /* pairs that occur nowhere */
			snprintf(w->token[code], sizeof(w->token[code]), "q%02x", code);
	}
}

static void put(struct writer *w, const void *bytes, size_t len)
{
	memcpy(fake_at(w->f, w->at, len), bytes, len);
	w->at += len;
}

static void align8(struct writer *w)
{
	w->at = (w->at + 7) & ~7ull;
}

/* The longest token first; at most `max` tokens. */
static uint32_t compress(const struct writer *w, const struct fake_symbol *s, uint8_t *out)
{
	char text[sizeof(s->name) + 1];
	uint32_t n = 0;

	text[0] = s->type;
	strcpy(text + 1, s->name);
	for (const char *at = text; *at; n++) {
		uint32_t best = (uint8_t)*at;
		for (uint32_t code = 0; code < 256; code++)
			if (strlen(w->token[code]) > strlen(w->token[best]) &&
			    strncmp(w->token[code], at, strlen(w->token[code])) == 0)
				best = code;
		out[n] = (uint8_t)best;
		at += strlen(w->token[best]);
	}
	return n;
}

static void write_offsets(struct writer *w)
{
	const struct fake *f = w->f;

	align8(w);
	for (uint32_t i = 0; i < f->symbols; i++) {
		uint64_t address = f->symbol[i].address;
		int32_t offset = (int32_t)(address - f->base);
		if (!f->opt.plain && f->symbol[i].type == 'A')
			offset = (int32_t)address;
		else if (!f->opt.plain)
			offset = (int32_t)(f->base - 1 - address);
		put(w, &offset, 4);
	}
	align8(w);
	put(w, &f->base, 8);
}

static void write_names(struct writer *w, uint32_t *marker)
{
	uint64_t count = w->f->symbols;

	align8(w);
	put(w, &count, 8);
	w->f->names = w->at;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t tokens[sizeof(w->f->symbol[0].name) + 1], head[2];
		uint32_t n = compress(w, &w->f->symbol[i], tokens);
		if (i % GROUP == 0)
			marker[i / GROUP] = (uint32_t)(w->at - w->f->names);
		head[0] = (uint8_t)(n & 0x7f);
		head[1] = (uint8_t)(n >> 7);
		FAKE_CHECK(n <= 0x7f || !w->f->opt.one_byte);
		head[0] |= n > 0x7f ? 0x80 : 0;
		put(w, head, n > 0x7f ? 2 : 1);
		put(w, tokens, n);
	}
}

static void write_tokens(struct writer *w)
{
	uint16_t index[256], at = 0;

	align8(w);
	w->f->tokens = w->at;
	for (uint32_t code = 0; code < 256; code++) {
		index[code] = at;
		put(w, w->token[code], strlen(w->token[code]) + 1);
		at = (uint16_t)(at + strlen(w->token[code]) + 1);
	}
	align8(w);
	put(w, index, sizeof(index));
}

void fake_kallsyms(struct fake *f, uint64_t va)
{
	struct writer w = {.f = f, .at = va};
	uint32_t marker[FAKE_KINDS / GROUP + 1];

	make_tokens(&w);
	f->kallsyms = va;
	if (f->opt.offsets_first)
		write_offsets(&w);
	write_names(&w, marker);
	align8(&w);
	f->markers = w.at;
	put(&w, marker, (f->symbols + GROUP - 1) / GROUP * 4);
	if (f->opt.order) {
		align8(&w);
		for (uint32_t i = 0; i < f->symbols; i++)
			put(&w, (uint8_t[]){(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}, 3);
	}
	write_tokens(&w);
	if (!f->opt.offsets_first)
		write_offsets(&w);
	f->kallsyms_end = w.at;
}
