/* Any bytes as a rules blob: refused, or used without harm. The header's magic, version, size and
 * checksum are put right, so that the structural checks decide. Mutations start from real blobs: an
 * input that is short becomes a patch (offset, octets) on one compiled here. */
#include "ids/rules/blob.h"
#include "ids/rules/compile/compile.h"
#include "tests/fuzz/rule_fuzz.h"

#define MAX (1u << 20)

static const char rules[] =
	"alert udp $HOME_NET 1: -> any any (msg:\"one\"; content:\"abc\"; "
	"nocase; content:\"de\"; distance:1; "
	"within:4; classtype:misc-attack; metadata:k v; sid:1;)\n"
	"drop tcp 2001:db8::/32 any -> any !80 (content:\"abd\"; "
	"flow:established; content:!\"zz\"; sid:2;)\n"
	"pass icmp any any <> any any (itype:8; sid:3;)\n"
	"alert ip any any -> ![10.0.0.0/8,fe80::/10] any (sid:4;)\n"
	"alert udp any any -> any any (content:\"bc\"; endswith; sid:5;)\n"
	"alert http any any -> any any (http.uri; content:\"abc\"; "
	"http.method; content:\"d\"; sid:6;)\n"
	"alert dns any any -> any any (dns.query; content:\"bc\"; dns.query; "
	"content:\"d\"; dns.opcode:9; sid:7;)\n"
	"alert tcp any any -> any any (flags:A+; content:\"ab\"; flowbits:set,x; "
	"flowint:n,+,1; flowint:n,>,1; sid:8;)\n"
	"alert tcp any any -> any any (flowbits:isset,x|y; content:\"d\"; "
	"threshold:type both, track by_src, count 2, seconds 9; "
	"tag:session; sid:9;)\n"
	"reject tcp any any -> any any (content:\"ab\"; content:\"cd\"; "
	"process.uid:0; stream_size:both,>,1; sid:10;)\n"
	"alert http any any -> any any (urilen:>2; file.data; content:\"a\"; "
	"app-layer-event:http.missing_host_header; sid:11;)\n"
	"alert ip any any -> any any (process.name; content:\"nc\"; sid:12;)\n"
	"alert http any any -> any any (http.uri; dotprefix; url_decode; "
	"content:\"a\"; pcre:\"/b(c|B)/Ri\"; bsize:>2; sid:13;)\n"
	"alert tcp any any -> any any (content:\"a\"; byte_extract:1,0,n,relative; "
	"byte_jump:1,n,relative,post_offset -98; byte_test:1,<,n,0; isdataat:!n; "
	"content:\"d\"; within:n; sid:14;)\n"
	"alert udp any any -> any any (content:\"x\"; base64_decode:relative; "
	"base64_data; pcre:\"/./\"; byte_math:bytes 1, offset 0, oper +, rvalue 1, "
	"result m; content:!\"b\"; offset:m; sid:15;)\n"
	"alert udp any any -> any any (pcrexform:\"b(.*)\"; xor:\"0b\"; "
	"content:!\"c\"; pcre:!\"/zz/\"; sid:16;)\n";

static const uint8_t udp4[] = {
	2, 0, 0, 0,  0,	 1,  2,	  0,   0,   0,	 0,   2,   8,	0,   0x45, 0,	0,   40,
	0, 0, 0, 0,  64, 17, 0,	  0,   192, 168, 0,   1,   1,	2,   3,	   4,	0,   9,
	0, 9, 0, 20, 0,	 0,  'x', 'A', 'B', 'C', '-', 'd', 'e', 'a', 'b',  'd', 'b', 'c',
};
static const uint8_t tcp6[] = {
	2, 0,  0,    0, 0,    1,    2,	  0,	0, 0, 0, 2, 0x86, 0xdd, 0x60, 0,   0,	0,   0, 24,
	6, 64, 0x20, 1, 0x0d, 0xb8, 0,	  0,	0, 0, 0, 0, 0,	  0,	0,    0,   0,	1,   0, 0,
	0, 0,  0,    0, 0,    0,    0,	  0,	0, 0, 0, 0, 0,	  1,	0,    9,   0,	9,   0, 0,
	0, 0,  0,    0, 0,    0,    0x50, 0x10, 0, 0, 0, 0, 0,	  0,	'a',  'b', 'd', 'c',
};
static const uint8_t icmp4[] = {
	2, 0, 0, 0,  0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 32, 0, 0,   0,	0,   64,
	1, 0, 0, 10, 0, 0, 1, 1, 2, 3, 4, 8, 0, 0, 0,	 0, 0, 0,  0, 'a', 'b', 'c', 'd',
};

static void refused(void *ctx, const char *file, unsigned line, uint32_t sid, const char *reason)
{
	(void)ctx;
	(void)file;
	(void)line;
	(void)sid;
	(void)reason;
	abort();
}

static size_t make_blob(uint64_t *out, const uint8_t *data, size_t size)
{
	static void *real;
	static size_t len;
	uint8_t *bytes = (uint8_t *)out;

	if (!real) {
		struct compiler *c = compiler_new(refused, NULL);

		compiler_text(c, "fuzz", rules, sizeof(rules) - 1);
		REQUIRE(compiler_finish(c, &real, &len) == 0 && len < MAX);
		compiler_free(c);
	}
	if (size >= sizeof(struct blob_header) && size <= MAX) {
		memcpy(bytes, data, size);
		return size;
	}
	/* Patches: offset (two octets), count, octets. */
	memcpy(bytes, real, len);
	for (size_t at = 0; at + 4 <= size;) {
		size_t offset = ((size_t)data[at] << 8 | data[at + 1]) % len,
		       n = 1 + data[at + 2] % 4;

		for (size_t i = 0; i < n && at + 3 + i < size && offset + i < len; i++)
			bytes[offset + i] = data[at + 3 + i];
		at += 3 + n;
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ids_config config = {
		.link = IDS_LINK_ETHERNET, .ips = true, .skip_checksums = true, .flow_entries = 8};
	uint64_t *blob = malloc(size > MAX ? 8 : MAX);
	struct blob_header *h = (struct blob_header *)blob;
	struct fuzz_engine f;
	size_t len;

	if (size > MAX) {
		free(blob);
		return 0;
	}
	len = make_blob(blob, data, size);
	h->magic = BLOB_MAGIC;
	h->version = BLOB_VERSION;
	h->size = (uint32_t)len;
	h->crc = blob_crc(blob, len);
	blob = realloc(blob, len); /* exactly its size */
	if (!ids_blob_reason(blob, len))
		fuzz_looks(blob, len, tcp6, sizeof(tcp6), (const uint8_t *)"ABcdxabdabcde", 13);
	/* Making an engine takes long, and what it adds is the events. */
	if (size % 8 == 0) {
		bool sound = fuzz_open(&f, &config, blob, len) == 0;

		REQUIRE(sound == !ids_blob_reason(blob, len));
		for (unsigned i = 0; sound && i < 2; i++) {
			fuzz_frame(&f, udp4, sizeof(udp4));
			fuzz_frame(&f, tcp6, sizeof(tcp6));
			fuzz_frame(&f, icmp4, sizeof(icmp4));
		}
		fuzz_close(&f);
	}
	free(blob);
	return 0;
}
