#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/options.h"
#include "ids/rules/compile/text.h"

/* Letters, digits and underscores, after a $ that may be left out. */
static bool good_name(const char *name)
{
	name += *name == '$';
	return *name && name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					  "0123456789_")] == '\0';
}

bool options_var(struct compiler *c, const char *text)
{
	const char *equals = strchr(text, '=');
	char *name;
	bool ok;

	name = copy_text(text, equals ? (size_t)(equals - text) : 0);
	ok = good_name(name) && equals[1];
	if (ok)
		compiler_var(c, name, equals + 1);
	else
		fprintf(stderr, "--var needs NAME=VALUE, not %s\n", text);
	free(name);
	return ok;
}

static bool vars_line(struct compiler *c, const char *path, unsigned number, char *line)
{
	char *value;
	size_t name;

	line[strcspn(line, "#\r\n")] = '\0';
	line = trim(line);
	if (!*line)
		return true;
	name = strcspn(line, "=:");
	value = line[name] ? trim(line + name + 1) : line + name;
	line[name] = '\0';
	if (!good_name(trim(line)) || !*value) {
		fprintf(stderr, "%s:%u: not NAME = VALUE\n", path, number);
		return false;
	}
	if (*value == '"' && value[1]) {
		value++;
		value[strcspn(value, "\"")] = '\0';
	}
	compiler_var(c, trim(line), value);
	return true;
}

bool options_vars_file(struct compiler *c, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	unsigned number = 0;
	bool ok = true;

	if (!f) {
		perror(path);
		return false;
	}
	while (ok && getline(&line, &room, f) >= 0)
		ok = vars_line(c, path, ++number, line);
	free(line);
	fclose(f);
	return ok;
}

static void tell_refused(void *ctx, const char *file, unsigned line, uint32_t sid,
			 const char *reason)
{
	const struct rule_options *options = ctx;

	/* A line of policy has no sid, and is never left out in silence. */
	if (options->quiet && !options->strict && file != options->policy)
		return;
	if (sid)
		fprintf(stderr, "%s:%u: sid %u refused: %s\n", file, line, sid, reason);
	else
		fprintf(stderr, "%s:%u: refused: %s\n", file, line, reason);
}

struct compiler *options_compiler(const struct rule_options *options)
{
	return compiler_new(tell_refused, (void *)(uintptr_t)options);
}

bool options_compile(struct compiler *c, const struct rule_options *options, void **blob,
		     size_t *len)
{
	const struct compile_totals *totals = compiler_totals(c);
	int err;

	for (unsigned i = 0; i < options->files; i++) {
		err = compiler_file(c, options->file[i]);
		if (err) {
			fprintf(stderr, "%s: %s\n", options->file[i], strerror(-err));
			return false;
		}
	}
	if (options->policy) {
		err = compiler_policy(c, options->policy);
		if (err < 0)
			fprintf(stderr, "%s: %s\n", options->policy, strerror(-err));
		if (err)
			return false;
	}
	err = compiler_finish(c, blob, len);
	if (err) {
		fprintf(stderr, "rules do not fit a blob: %s\n", strerror(-err));
		return false;
	}
	fprintf(stderr, "%u rules taken, %u refused", totals->taken, totals->refused);
	if (options->policy)
		fprintf(stderr, ", %u lines of policy", totals->policy);
	fputc('\n', stderr);
	if (options->strict && totals->refused) {
		free(*blob);
		*blob = NULL;
		return false;
	}
	return true;
}
