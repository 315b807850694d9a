/* vigilc: compile rules into the blob that the sentry maps.
 *
 *   vigilc -S FILE [-S FILE] [--var NAME=VALUE] [--vars FILE] [--strict] [-q] -o OUT.vrb
 *   vigilc -S FILE ... --check      compile, write nothing
 *   ... --summary                   count the reasons of refusal on stdout, the most frequent first
 *   ... --dialect snort             the files are Snort 3 rules
 *   vigilc --policy VIGIL.CFG [-S FILE ...] -o OUT.vrb      the policy lines that stand there, too
 *   vigilc --verify BLOB.vrb        is this blob sound?
 *
 * Refused rules are named on stderr (file, line, sid, reason) and left out; with --strict they are
 * an error. A refused line of policy always is. Exit: 0 done, 1 refused or unreadable, 2 usage.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/engine.h"
#include "ids/rules/compile/options.h"

static void usage(FILE *to)
{
	fputs("usage: vigilc -S FILE [-S FILE] [--var NAME=VALUE] [--vars FILE] [--strict] [-q] "
	      "-o OUT.vrb\n"
	      "       vigilc -S FILE [...] --check [--summary] [--dialect suricata|snort]\n"
	      "       vigilc --policy VIGIL.CFG [-S FILE] [...] -o OUT.vrb\n"
	      "       vigilc --verify BLOB.vrb\n",
	      to);
}

static int write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");
	bool ok;

	if (!f) {
		perror(path);
		return 1;
	}
	ok = fwrite(data, 1, len, f) == len;
	if (fclose(f) != 0 || !ok) {
		perror(path);
		remove(path);
		return 1;
	}
	return 0;
}

static int verify(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t len = 0, n;
	const char *why;

	if (!f) {
		perror(path);
		return 1;
	}
	do {
		data = realloc(data, len + 65536);
		if (!data)
			abort();
		n = fread(data + len, 1, 65536, f);
		len += n;
	} while (n);
	fclose(f);
	why = ids_blob_reason(data, len);
	free(data);
	if (why)
		fprintf(stderr, "%s: %s\n", path, why);
	return why != NULL;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"var", required_argument, NULL, 'v'},	  {"vars", required_argument, NULL, 'V'},
		{"strict", no_argument, NULL, 's'},	  {"check", no_argument, NULL, 'c'},
		{"summary", no_argument, NULL, 'm'},	  {"dialect", required_argument, NULL, 'd'},
		{"policy", required_argument, NULL, 'p'}, {"verify", required_argument, NULL, 'y'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	const char **file = calloc((size_t)argc, sizeof(*file)), *out = NULL, *blob_path = NULL;
	struct rule_options options = {.file = file};
	struct compiler *c = options_compiler(&options);
	bool check = false, ok = true;
	void *blob;
	size_t len;
	int opt, status = 1;

	while (ok && (opt = getopt_long(argc, argv, "S:o:qh", long_options, NULL)) != -1) {
		switch (opt) {
		case 'S':
			file[options.files++] = optarg;
			break;
		case 'o':
			out = optarg;
			break;
		case 'v':
			ok = options_var(c, optarg);
			break;
		case 'V':
			ok = options_vars_file(c, optarg);
			break;
		case 's':
			options.strict = true;
			break;
		case 'c':
			check = true;
			break;
		case 'm':
			options.summary = options.quiet = true;
			break;
		case 'd':
			ok = options_dialect(&options, optarg);
			break;
		case 'p':
			ok = !options.policy;
			if (!ok)
				fputs("--policy is given twice\n", stderr);
			options.policy = optarg;
			break;
		case 'y':
			blob_path = optarg;
			break;
		case 'q':
			options.quiet = true;
			break;
		case 'h':
			usage(stdout);
			status = 0;
			goto done;
		default:
			usage(stderr);
			status = 2;
			goto done;
		}
	}
	if (!ok || optind != argc ||
	    (!blob_path && ((!options.files && !options.policy) || !(check || out)))) {
		if (ok)
			usage(stderr);
		status = 2;
	} else if (blob_path) {
		status = verify(blob_path);
	} else if (options_compile(c, &options, &blob, &len)) {
		status = out && !check ? write_file(out, blob, len) : 0;
		free(blob);
	}
done:
	compiler_free(c);
	options_free(&options);
	free(file);
	return status;
}
