/* Any bytes as frames, over all link types, through the whole engine: no step outside the frame,
 * every frame gets a verdict, every event is a sound line. First octet: link type; then frames,
 * each with a length of two octets. */
#include "ids/rules/compile/compile.h"
#include "tests/fuzz/ids_fuzz.h"

static const char rules[] =
	"alert ip any any -> any any (msg:\"any\"; sid:1;)\n"
	"drop tcp $HOME_NET any <> any [1:1000,!80] (msg:\"t\"; content:\"a\"; content:\"b\"; "
	"within:4; sid:2;)\n"
	"pass udp any 53 -> any any (content:\"pass\"; sid:3;)\n"
	"alert icmp any any -> any any (itype:<200; icode:>0; sid:4;)\n"
	"alert ip ![fe80::/10,10.0.0.0/8] any -> any any (content:!\"x\"; content:\"y\"; endswith; "
	"sid:5;)\n"
	"drop tcp any any -> any any (flow:established,to_server; content:\"evil\"; nocase; "
	"sid:6;)\n"
	"alert ip any any -> any any (dsize:>4; ttl:<5; sid:7;)\n";

static void refused(void *ctx, const char *file, unsigned line, uint32_t sid, const char *reason)
{
	(void)ctx;
	(void)file;
	(void)line;
	(void)sid;
	(void)reason;
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum ids_link links[] = {
		IDS_LINK_ETHERNET,  IDS_LINK_NULL,     IDS_LINK_RAW,	  IDS_LINK_LOOP,
		IDS_LINK_LINUX_SLL, IDS_LINK_ETHERNET, IDS_LINK_ETHERNET, IDS_LINK_IPV6,
	};
	static void *blob;
	static size_t len;
	struct ids_config config = {.ips = true, .flow_entries = 64};
	struct fuzz_engine f;

	if (!blob) {
		struct compiler *c = compiler_new(refused, NULL);

		compiler_text(c, "fuzz", rules, sizeof(rules) - 1);
		REQUIRE(compiler_finish(c, &blob, &len) == 0);
		compiler_free(c);
	}
	if (size < 1)
		return 0;
	config.link = links[data[0] & 7];
	config.skip_checksums = data[0] & 0x80; /* or the fuzzer must guess sums */
	config.midstream = data[0] & 0x40;
	REQUIRE(fuzz_open(&f, &config, blob, len) == 0);
	for (size_t at = 1; at + 2 <= size;) {
		size_t want = (size_t)data[at] << 8 | data[at + 1], left = size - at - 2;

		if (want > left)
			want = left;
		fuzz_frame(&f, data + at + 2, want);
		at += 2 + want;
	}
	ids_event_stats(f.ids, 0, f.now_ns);
	fuzz_close(&f);
	return 0;
}
