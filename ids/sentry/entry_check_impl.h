/* What the two halves of the VM-entry rule checker share. Private to entry_check*.c. */
#pragma once

#include <stdbool.h>
#include "arch/x86/cpu.h"
#include "ids/sentry/entry_check.h"

struct check {
	const struct entry_check *in;
	char *out;
	size_t size;
	uint64_t control[CONTROL_WORDS];
	uint64_t event; /* VM-entry interruption information */
};

static inline uint64_t field(const struct check *c, enum vmcs_field f)
{
	return c->in->read(c->in->ctx, f);
}

/* Write the sentence; returns -EINVAL. */
int violated(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Print a value with %s %llx: `what` and the value come first in every sentence. */
#define HEX(value) ((unsigned long long)(value))

/* A rule about a value: broken or not, and what is wrong then. */
struct rule {
	bool broken;
	const char *why;
};

/* Tell about the first broken one of the rules about `who`'s `what`. */
int entry_rules(struct check *c, const char *who, const char *what, uint64_t value,
		const struct rule *rules, size_t n);
#define RULES(c, who, what, value, ...)                                                            \
	entry_rules(c, who, what, value, (const struct rule[]){__VA_ARGS__},                       \
		    sizeof((const struct rule[]){__VA_ARGS__}) / sizeof(struct rule))

enum field_kind {
	CANONICAL,
	PHYSICAL,     /* within MAXPHYADDR */
	PAGE,	      /* PHYSICAL, and at a page boundary */
	PAGE_OR_ONES, /* PAGE, or all ones for none */
	CLEAR,	      /* the operand's bits have to be 0 */
	SET,	      /* have to be 1 */
	NOT_ZERO,
	PAT, /* eight memory types */
};

/* A rule about one field alone, that counts while the control bits of the word are 1. */
struct field_rule {
	uint8_t word;
	uint32_t control;
	enum vmcs_field field;
	uint8_t kind;
	uint64_t operand;
	const char *name, *why;
};

/* The control that a rule depends on, as the first two columns of its row. */
#define ALWAYS	       CONTROL_PIN, 0
#define PRIMARY(bit)   CONTROL_PRIMARY, PRIMARY_##bit
#define SECONDARY(bit) CONTROL_SECONDARY, SECONDARY_##bit
#define ON_EXIT(bit)   CONTROL_EXIT, EXIT_##bit
#define ON_ENTRY(bit)  CONTROL_ENTRY, ENTRY_##bit

#define UPPER_HALF   0xffffffff00000000ull
#define EFER_UNKNOWN ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

int entry_fields(struct check *c, const struct field_rule *rules, size_t n);
#define FIELDS(c, rules) entry_fields(c, rules, sizeof(rules) / sizeof((rules)[0]))

bool entry_canonical(const struct check *c, uint64_t addr);

/* Fixed bits of CR0 and CR4 (`exempt`: CR0 bits that are not held against them). */
int entry_check_cr(struct check *c, const char *who, uint64_t cr0, uint64_t cr4, uint64_t exempt);

int entry_check_guest(struct check *c);
