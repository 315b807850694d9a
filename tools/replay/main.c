/* vigil-replay: the detection engine over a capture.
 *
 *   vigil-replay -r capture.pcap (-S file.rules ... | --blob FILE.vrb) -l DIR
 *                [-k none|all] [--simulate-ips] [--var NAME=VALUE] [--vars FILE] [--strict]
 *                [--set stream.(midstream|async-oneside|inline)=true] [--stats]
 *
 * Flags mean what they mean to Suricata: events are appended to DIR/eve.json; -k none takes every
 * checksum as good; --simulate-ips lets drop rules drop (their alerts say "blocked"). A capture
 * does not tell which side of Vigil a frame came from, and no rule asks for it: all count as coming
 * from the wire. Exit: 0 done, 1 on an error, 2 usage.
 */
#include <errno.h>
#include <getopt.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ids/engine.h"
#include "ids/rules/compile/options.h"

struct replay {
	struct rule_options rules;
	const char *capture, *dir, *blob_path;
	bool async, stream_inline, midstream, ips, skip_checksums, stats;
	void *blob;
	size_t blob_len;
	FILE *out;
	uint64_t seq, pcap_cnt;
	struct eve eve;
};

static void usage(FILE *to)
{
	fputs("usage: vigil-replay -r CAPTURE (-S RULES ... | --blob FILE.vrb) -l DIR [-k "
	      "none|all] "
	      "[--simulate-ips] [--var NAME=VALUE] [--vars FILE] [--strict] [-q] [--stats] "
	      "[--set stream.(midstream|async-oneside|inline)=true|false]\n",
	      to);
}

static void *allocate(void *ctx, size_t size)
{
	(void)ctx;
	return calloc(1, size ? size : 1);
}

static void emit(void *ctx, enum eve_class cls, const char *line, size_t len)
{
	struct replay *r = ctx;

	(void)cls;
	fwrite(line, 1, len, r->out);
	fputc('\n', r->out);
}

static bool read_blob(struct replay *r)
{
	FILE *f = fopen(r->blob_path, "rb");
	struct stat st;
	bool ok;

	if (!f || fstat(fileno(f), &st) != 0) {
		perror(r->blob_path);
		if (f)
			fclose(f);
		return false;
	}
	r->blob_len = (size_t)st.st_size;
	r->blob = calloc(1, r->blob_len + 1);
	ok = r->blob && fread(r->blob, 1, r->blob_len, f) == r->blob_len;
	fclose(f);
	if (!ok)
		fprintf(stderr, "%s: cannot be read\n", r->blob_path);
	return ok;
}

static bool open_out(struct replay *r)
{
	char path[4096];

	if (mkdir(r->dir, 0777) != 0 && errno != EEXIST) {
		perror(r->dir);
		return false;
	}
	if (snprintf(path, sizeof(path), "%s/eve.json", r->dir) >= (int)sizeof(path)) {
		fprintf(stderr, "%s: path too long\n", r->dir);
		return false;
	}
	r->out = fopen(path, "a");
	if (!r->out)
		perror(path);
	return r->out != NULL;
}

static bool known_link(int link)
{
	switch (link) {
	case IDS_LINK_NULL:
	case IDS_LINK_ETHERNET:
	case IDS_LINK_RAW_OLD:
	case IDS_LINK_RAW:
	case IDS_LINK_LOOP:
	case IDS_LINK_LINUX_SLL:
	case IDS_LINK_IPV4:
	case IDS_LINK_IPV6:
		return true;
	}
	return false;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void summary(const struct ids_stats *s, double took)
{
	fprintf(stderr,
		"%llu packets, %llu bytes, %llu alerts, %llu blocked; %llu flows, %llu candidates; "
		"%.3f s, %.1f Mbit/s\n",
		(unsigned long long)s->pkts, (unsigned long long)s->bytes,
		(unsigned long long)s->alerts, (unsigned long long)s->blocked,
		(unsigned long long)s->flows, (unsigned long long)s->candidates, took,
		took > 0 ? (double)s->bytes * 8 / took / 1e6 : 0);
}

static int run_capture(struct replay *r, struct ids *ids, pcap_t *pcap)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	uint64_t first = 0, now = 0;
	double start = seconds();
	int got;

	while ((got = pcap_next_ex(pcap, &h, &data)) == 1) {
		/* Opened with nanosecond precision: tv_usec holds nanoseconds. */
		now = (uint64_t)h->ts.tv_sec * 1000000000u + (uint64_t)h->ts.tv_usec;
		if (r->pcap_cnt++ == 0)
			first = now;
		ids_inspect(ids, data, h->caplen, IDS_TO_GUEST, now);
	}
	if (got == PCAP_ERROR)
		fprintf(stderr, "%s: %s\n", r->capture, pcap_geterr(pcap));
	ids_flush(ids);
	summary(ids_stats(ids), seconds() - start);
	if (r->stats)
		ids_event_stats(ids, first, now);
	return got == PCAP_ERROR;
}

static int replay(struct replay *r)
{
	char error[PCAP_ERRBUF_SIZE];
	struct eve_config eve = {
		.host = "replay", .boot = "0", .seq = &r->seq, .ctx = r, .emit = emit};
	struct ids_ops ops = {.alloc = allocate};
	struct ids_config config = {.ips = r->ips,
				    .skip_checksums = r->skip_checksums,
				    .alerts_per_rule = IDS_NO_LIMIT,
				    .flow_entries = 1u << 18,
				    .midstream = r->midstream,
				    .async = r->async,
				    .stream_inline = r->stream_inline,
				    .conversations = 1u << 12,
				    .stream_pages = 1u << 14,
				    .app_memory = 64u << 20,
				    .body_limit = 100u << 10,
				    .pcap_cnt = &r->pcap_cnt};
	struct ids *ids;
	pcap_t *pcap;
	int link, err, status;

	pcap = pcap_open_offline_with_tstamp_precision(r->capture, PCAP_TSTAMP_PRECISION_NANO,
						       error);
	if (!pcap) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	link = pcap_datalink(pcap);
	if (!known_link(link)) {
		fprintf(stderr, "%s: link type %d is not supported\n", r->capture, link);
		pcap_close(pcap);
		return 1;
	}
	config.link = (enum ids_link)link;
	eve_init(&r->eve, &eve);
	err = ids_create(&ids, &ops, &r->eve, &config, r->blob, r->blob_len);
	if (err) {
		const char *why = err == -EBADMSG ? ids_blob_reason(r->blob, r->blob_len) : NULL;

		fprintf(stderr, "engine: %s\n", why ? why : strerror(-err));
		pcap_close(pcap);
		return 1;
	}
	status = open_out(r) ? run_capture(r, ids, pcap) : 1;
	if (r->out && fclose(r->out) != 0) {
		perror("eve.json");
		status = 1;
	}
	pcap_close(pcap);
	return status;
}

/* Settings of suricata.yaml that mean something here. */
static bool setting(struct replay *r, const char *text)
{
	const struct {
		const char *name;
		bool *value;
	} known[] = {
		{"stream.midstream=", &r->midstream},
		{"stream.async-oneside=", &r->async},
		{"stream.inline=", &r->stream_inline},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t len = strlen(known[i].name);

		if (strncmp(text, known[i].name, len) == 0) {
			*known[i].value =
				strcmp(text + len, "true") == 0 || strcmp(text + len, "yes") == 0;
			return true;
		}
	}
	fprintf(stderr, "--set %s has no meaning here\n", text);
	return true;
}

/* 0: go on; otherwise the exit status plus one. */
static int options(struct replay *r, struct compiler *c, const char **file, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"blob", required_argument, NULL, 'b'},	   {"simulate-ips", no_argument, NULL, 'i'},
		{"var", required_argument, NULL, 'v'},	   {"vars", required_argument, NULL, 'V'},
		{"strict", no_argument, NULL, 's'},	   {"set", required_argument, NULL, 'x'},
		{"runmode", required_argument, NULL, 'm'}, {"stats", no_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},	   {NULL, 0, NULL, 0},
	};
	bool ok = true;
	int opt;

	while (ok && (opt = getopt_long(argc, argv, "r:S:l:k:qh", long_options, NULL)) != -1) {
		switch (opt) {
		case 'r':
			r->capture = optarg;
			break;
		case 'S':
			file[r->rules.files++] = optarg;
			break;
		case 'b':
			r->blob_path = optarg;
			break;
		case 'l':
			r->dir = optarg;
			break;
		case 'k':
			ok = strcmp(optarg, "none") == 0 || strcmp(optarg, "all") == 0;
			r->skip_checksums = strcmp(optarg, "none") == 0;
			break;
		case 'i':
			r->ips = true;
			break;
		case 'v':
			ok = options_var(c, optarg);
			break;
		case 'V':
			ok = options_vars_file(c, optarg);
			break;
		case 's':
			r->rules.strict = true;
			break;
		case 'x':
			ok = setting(r, optarg);
			break;
		case 'm': /* one way to run only */
			break;
		case 't':
			r->stats = true;
			break;
		case 'q':
			r->rules.quiet = true;
			break;
		case 'h':
			usage(stdout);
			return 1;
		default:
			ok = false;
		}
	}
	if (!ok || optind != argc || !r->capture || !r->dir || (!r->rules.files == !r->blob_path)) {
		usage(stderr);
		return 3;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char **file = calloc((size_t)argc, sizeof(*file));
	struct replay *r = calloc(1, sizeof(*r));
	struct compiler *c;
	int status;

	if (!file || !r)
		abort();
	r->rules.file = file;
	c = options_compiler(&r->rules);
	status = options(r, c, file, argc, argv);
	if (status) {
		status--;
	} else if (r->blob_path ? read_blob(r)
				: options_compile(c, &r->rules, &r->blob, &r->blob_len)) {
		status = replay(r);
	} else {
		status = 1;
	}
	compiler_free(c);
	free(r->blob);
	free(r);
	free(file);
	return status;
}
