/* Conversations of any content through the whole engine: a few flows, TCP in pieces of any size, in
 * and out of order, and datagrams; few conversations, little memory, so that all limits are met.
 *
 * Input: an octet of options, then records: an octet that says flow, direction and kind, one for
 * the place (how far from the next sequence number), one for the length, and the octets.
 */
#include "ids/packet/packet.h"
#include "ids/rules/compile/compile.h"
#include "tests/fuzz/ids_fuzz.h"

#define FLOWS 8

static const char rules[] =
	"alert tcp any any -> any any (content:\"ab\"; content:\"c\"; distance:1; sid:1;)\n"
	"drop tcp any any -> any any (flow:established; content:\"evil\"; nocase; sid:2;)\n"
	"alert http any any -> any any (http.uri; content:\"/e\"; http.header; content:\"H\"; "
	"sid:3;)\n"
	"alert http any any -> any any (file.data; content:\"bad\"; sid:4;)\n"
	"alert http any any -> any any (http.uri; to_lowercase; content:\"/x\"; sid:5;)\n"
	"alert http any any -> any any (http.stat_code; content:\"4\"; pcre:\"/0+$/R\"; sid:6;)\n"
	"alert dns any any -> any any (dns.query; content:\"a\"; sid:7;)\n"
	"alert tls any any -> any any (tls.sni; content:\"a\"; sid:8;)\n"
	"alert http any any -> any any (app-layer-event:http.missing_host_header; sid:9;)\n"
	"alert tcp any any -> any any (stream-event:reassembly_overlap_different_data; sid:10;)\n"
	"alert ip any any -> any any (app-layer-protocol:http; flowbits:set,h; sid:11;)\n"
	"pass tcp any any -> any 81 (content:\"pass\"; sid:12;)\n";

static void refused(void *ctx, const char *file, unsigned line, uint32_t sid, const char *reason)
{
	(void)ctx, (void)file, (void)line, (void)sid, (void)reason;
	abort();
}

struct talk {
	uint32_t next[2];
};

static void put32(uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A frame of 10.0.0.1 and 10.0.0.2 without checksums. */
static void send(struct fuzz_engine *f, struct talk *t, const uint8_t *record, const uint8_t *data,
		 size_t len)
{
	uint8_t frame[14 + 20 + 20 + 256] = {[12] = 8, [14] = 0x45, [22] = 64};
	unsigned flow = record[0] & (FLOWS - 1), from = record[0] >> 3 & 1, kind = record[0] >> 4;
	bool udp = kind == 15;
	uint8_t *ip = frame + 14, *upper = ip + 20;
	size_t header = udp ? 8 : 20;
	static const uint8_t flags[16] = {
		TCP_ACK, TCP_ACK,	    TCP_ACK,	       TCP_ACK, TCP_ACK | TCP_PSH,
		TCP_SYN, TCP_SYN | TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST, TCP_ACK | TCP_URG,
		TCP_ACK, TCP_ACK,	    TCP_ACK,	       TCP_ACK, 0,
	};

	ip[3] = (uint8_t)(20 + header + len);
	ip[2] = (uint8_t)((20 + header + len) >> 8);
	ip[9] = udp ? PROTO_UDP : PROTO_TCP;
	ip[12] = ip[16] = 10;
	ip[15] = (uint8_t)(1 + from);
	ip[19] = (uint8_t)(2 - from);
	upper[from ? 0 : 2] = (uint8_t)(4 + flow); /* the client's port */
	upper[from ? 3 : 1] = udp ? 53 : (uint8_t)(80 + flow % 2);
	if (udp) {
		upper[5] = (uint8_t)(8 + len);
		upper[4] = (uint8_t)((8 + len) >> 8);
	} else {
		put32(upper + 4, t[flow].next[from] + (uint32_t)(int8_t)record[1]);
		put32(upper + 8, t[flow].next[!from]);
		upper[12] = 5 << 4;
		upper[13] = flags[kind];
		upper[14] = 0x20;
		if (!record[1])
			t[flow].next[from] +=
				(uint32_t)len + (upper[13] & (TCP_SYN | TCP_FIN) ? 1 : 0);
	}
	memcpy(upper + header, data, len);
	fuzz_frame(f, frame, 14 + 20 + header + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void *blob;
	static size_t len;
	struct ids_config config = {.link = IDS_LINK_ETHERNET,
				    .skip_checksums = true,
				    .flow_entries = 16,
				    .conversations = 3,
				    .stream_pages = 16,
				    .app_memory = 64u << 10,
				    .body_limit = 4096};
	struct talk talk[FLOWS] = {{{0}}};
	struct fuzz_engine f;

	if (!blob) {
		struct compiler *c = compiler_new(refused, NULL);

		compiler_text(c, "fuzz", rules, sizeof(rules) - 1);
		REQUIRE(compiler_finish(c, &blob, &len) == 0);
		compiler_free(c);
	}
	if (size < 1)
		return 0;
	config.ips = data[0] & 1;
	config.midstream = data[0] & 2;
	config.async = data[0] & 4;
	config.stream_inline = data[0] & 8;
	REQUIRE(fuzz_open(&f, &config, blob, len) == 0);
	for (size_t at = 1; at + 3 <= size;) {
		size_t want = data[at + 2], left = size - at - 3;

		if (want > left)
			want = left;
		send(&f, talk, data + at, data + at + 3, want);
		at += 3 + want;
	}
	ids_flush(f.ids);
	ids_event_stats(f.ids, 0, f.now_ns);
	fuzz_close(&f);
	return 0;
}
