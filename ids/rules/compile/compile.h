/* Rules in, blob out. Host only; for vigilc, vigil-replay and the tests. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct compiler;

/* Whose rule language: they differ in how buffers and options of contents are written. */
enum dialect { DIALECT_SURICATA, DIALECT_SNORT };

/* One refused rule. `sid` is 0 if it was not met. */
typedef void (*compile_refused)(void *ctx, const char *file, unsigned line, uint32_t sid,
				const char *reason);

struct compile_totals {
	uint32_t taken, refused;
	uint32_t skipped;	   /* sound, but require another version or feature */
	uint32_t policy;	   /* lines of policy taken */
	uint32_t patterns, states; /* of the automaton; after compiler_finish */
};

struct compiler *compiler_new(compile_refused refused, void *ctx);
void compiler_free(struct compiler *c);

/* The dialect of what is compiled from here on; at first Suricata's. */
void compiler_dialect(struct compiler *c, enum dialect dialect);

/* Set a variable; rules compiled later see it. */
void compiler_var(struct compiler *c, const char *name, const char *value);

/* Compile a rules text. Lines that end with a backslash go on. `file` is for messages. */
void compiler_text(struct compiler *c, const char *file, const char *text, size_t len);

/* Read and compile a file; negative errno if it cannot be read. */
int compiler_file(struct compiler *c, const char *path);

/* Compile the policy lines of a configuration, read from a file; call once. Negative errno if it
 * can't be read, else the number of lines refused. */
int compiler_policy(struct compiler *c, const char *path);
/* The same from memory. */
int compiler_policy_text(struct compiler *c, const char *file, const char *text, size_t len);

/* Write the blob; the caller frees it. Negative errno: too large (-E2BIG). Call once. */
int compiler_finish(struct compiler *c, void **blob, size_t *len);

const struct compile_totals *compiler_totals(const struct compiler *c);
