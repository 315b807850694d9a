#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/rules/compile/compile.h"
#include "ids/rules/compile/names.h"
#include "ids/rules/compile/output.h"
#include "ids/rules/compile/policy.h"
#include "ids/rules/compile/text.h"
#include "ids/rules/compile/vars.h"

struct compiler {
	compile_refused refused;
	void *ctx;
	struct vars vars;
	enum dialect dialect;
	struct names names;
	struct output out;
	struct compile_totals totals;
};

struct compiler *compiler_new(compile_refused refused, void *ctx)
{
	struct compiler *c = grow(NULL, sizeof(*c));

	memset(c, 0, sizeof(*c));
	c->refused = refused;
	c->ctx = ctx;
	vars_init(&c->vars);
	return c;
}

void compiler_free(struct compiler *c)
{
	vars_free(&c->vars);
	names_free(&c->names);
	output_free(&c->out);
	free(c);
}

void compiler_dialect(struct compiler *c, enum dialect dialect)
{
	c->dialect = dialect;
}

void compiler_var(struct compiler *c, const char *name, const char *value)
{
	vars_set(&c->vars, name, value);
	output_forget_sets(&c->out);
}

const struct compile_totals *compiler_totals(const struct compiler *c)
{
	return &c->totals;
}

static void one_rule(struct compiler *c, const char *file, unsigned line, const char *text)
{
	struct rule rule;
	struct parse p = {
		.vars = &c->vars, .names = &c->names, .rule = &rule, .dialect = c->dialect};

	if (rule_parse(&p, text) && output_rule(&c->out, &p)) {
		c->totals.taken++;
	} else if (p.skip) {
		c->totals.skipped++;
	} else {
		c->totals.refused++;
		c->refused(c->ctx, file, line, rule.sid, p.reason);
	}
	rule_free(&rule);
}

/* A logical line: `text` is changed and must be writable. */
static void one_line(struct compiler *c, const char *file, unsigned line, char *text)
{
	text = trim(text);
	if (*text && *text != '#')
		one_rule(c, file, line, text);
}

void compiler_text(struct compiler *c, const char *file, const char *text, size_t len)
{
	struct bytes joined = {0};
	unsigned line = 0, first = 1;

	for (size_t at = 0; at < len;) {
		const char *start = text + at, *newline = memchr(start, '\n', len - at);
		size_t n = newline ? (size_t)(newline - start) : len - at;

		line++;
		at += n + 1;
		if (joined.len == 0)
			first = line;
		if (n && start[n - 1] == '\r')
			n--;
		if (n && start[n - 1] == '\\' && newline) {
			bytes_add(&joined, start, n - 1);
			bytes_add(&joined, " ", 1);
			continue;
		}
		bytes_add(&joined, start, n);
		bytes_add(&joined, "", 1);
		/* A NUL inside would cut the line short: it is no rule. */
		if (strlen((char *)joined.at) + 1 == joined.len)
			one_line(c, file, first, (char *)joined.at);
		else
			c->refused(c->ctx, file, first, 0, "line with a NUL"), c->totals.refused++;
		joined.len = 0;
	}
	if (joined.len) {
		bytes_add(&joined, "", 1);
		one_line(c, file, first, (char *)joined.at);
	}
	free(joined.at);
}

/* A whole file; the caller frees text->at. */
static int read_text(const char *path, struct bytes *text)
{
	FILE *f = fopen(path, "rb");
	char block[65536];
	size_t n;
	int err = 0;

	if (!f)
		return -errno;
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		bytes_add(text, block, n);
	if (ferror(f))
		err = -EIO;
	fclose(f);
	return err;
}

int compiler_file(struct compiler *c, const char *path)
{
	struct bytes text = {0};
	int err = read_text(path, &text);

	if (!err && text.len)
		compiler_text(c, path, (char *)text.at, text.len);
	free(text.at);
	return err;
}

int compiler_policy_text(struct compiler *c, const char *file, const char *text, size_t len)
{
	return (int)policy_compile(&c->out, file, text, len, &c->totals.policy, c->refused, c->ctx);
}

int compiler_policy(struct compiler *c, const char *path)
{
	struct bytes text = {0};
	int err = read_text(path, &text);

	if (!err && text.len)
		err = compiler_policy_text(c, path, (char *)text.at, text.len);
	free(text.at);
	return err;
}

int compiler_finish(struct compiler *c, void **blob, size_t *len)
{
	return output_blob(&c->out, blob, len, &c->totals);
}
