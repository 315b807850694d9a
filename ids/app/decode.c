#include <string.h>

#define Z_SOLO 1
#include <zlib.h>

#include "ids/app/decode.h"

#define DECODE_OUT  2048
#define BITS_ANY    (15 + 32) /* gzip or zlib, told by the header */
#define BITS_RAW    (-15)
#define GZIP_HEADER 10 /* RFC 1952, 2.3.1 */

enum layer_state {
	LAYER_RUNS,  /* inflating */
	LAYER_WAITS, /* the first try failed; the others begin when the head is full */
	LAYER_PLAIN, /* not coded at all: passed on */
	LAYER_DONE,  /* at its end, or failed: nothing more is taken */
};

struct layer {
	z_stream z;
	enum coding coding;
	enum layer_state state;
	bool open;     /* inflateInit was called */
	bool produced; /* gave at least one octet */
	uint16_t head_len;
	uint8_t head[DECODE_HEAD]; /* the first octets of its input */
};

struct decode {
	struct pool *pool;
	decode_sink sink;
	void *ctx;
	unsigned layers;
	bool sound; /* no layer failed */
	bool stop;  /* the sink wants no more */
	struct layer layer[];
};

static void feed(struct decode *d, unsigned i, const uint8_t *data, size_t len);

static voidpf z_take(voidpf opaque, uInt items, uInt size)
{
	return pool_take(opaque, (size_t)items * size);
}

static void z_give(voidpf opaque, voidpf at)
{
	pool_give(opaque, at);
}

static void layer_close(struct layer *l)
{
	if (l->open)
		inflateEnd(&l->z);
	l->open = false;
}

static bool layer_open(struct decode *d, struct layer *l, enum coding coding)
{
	layer_close(l);
	memset(&l->z, 0, sizeof(l->z));
	l->z.zalloc = z_take;
	l->z.zfree = z_give;
	l->z.opaque = d->pool;
	l->open = inflateInit2(&l->z, coding == CODING_GZIP ? BITS_ANY : BITS_RAW) == Z_OK;
	return l->open;
}

struct decode *decode_open(struct pool *pool, const enum coding *codings, unsigned layers,
			   decode_sink sink, void *ctx)
{
	struct decode *d = pool_zero(pool, sizeof(*d) + layers * sizeof(d->layer[0]));

	if (!d)
		return NULL;
	d->pool = pool;
	d->sink = sink;
	d->ctx = ctx;
	d->sound = true;
	for (; d->layers < layers; d->layers++) {
		d->layer[d->layers].coding = codings[d->layers];
		if (!layer_open(d, &d->layer[d->layers], codings[d->layers])) {
			decode_close(d);
			return NULL;
		}
	}
	return d;
}

void decode_close(struct decode *d)
{
	for (unsigned i = 0; i < d->layers; i++)
		layer_close(&d->layer[i]);
	pool_give(d->pool, d);
}

/* Inflate what is there. False: it does not hold. */
static bool run(struct decode *d, unsigned i, const uint8_t *data, size_t len)
{
	struct layer *l = &d->layer[i];
	uint8_t out[DECODE_OUT];
	size_t n;
	int rc;

	l->z.next_in = (z_const Bytef *)data;
	l->z.avail_in = (uInt)len;
	do {
		l->z.next_out = out;
		l->z.avail_out = sizeof(out);
		rc = inflate(&l->z, Z_NO_FLUSH);
		n = sizeof(out) - l->z.avail_out;
		if (n) {
			l->produced = true;
			feed(d, i + 1, out, n);
		}
		if (d->stop || rc == Z_STREAM_END) {
			l->state = LAYER_DONE;
			return true;
		}
		if (rc == Z_BUF_ERROR) /* nothing to do for it: not an error of the data */
			return true;
	} while (rc == Z_OK && (l->z.avail_in || !l->z.avail_out));
	return rc == Z_OK;
}

/* Where the data of a gzip member begins, as libhtp guesses it: past the fixed header, and past the
 * name or comment if the flags say so (RFC 1952, 2.3.1). */
static size_t past_header(const uint8_t *h, size_t len)
{
	size_t at = 0;

	if (len < 4 || h[0] != 0x1f || h[1] != 0x8b || !h[3])
		return 0;
	if (h[3] & 0x18) {
		for (at = GZIP_HEADER; at < len && h[at]; at++)
			;
		at++;
	} else {
		at = h[3] & 0x02 ? GZIP_HEADER + 2 : GZIP_HEADER;
	}
	return at > len ? 0 : at;
}

/* The other ways to read it, from the head on. */
static void try_others(struct decode *d, unsigned i)
{
	struct layer *l = &d->layer[i];
	enum coding other = l->coding == CODING_GZIP ? CODING_DEFLATE : CODING_GZIP;
	const enum coding tries[] = {l->coding, other, l->coding};
	size_t at = past_header(l->head, l->head_len);

	for (unsigned t = 0; t < sizeof(tries) / sizeof(tries[0]); t++) {
		if (!layer_open(d, l, tries[t]))
			break;
		l->state = LAYER_RUNS;
		if (run(d, i, l->head + at, l->head_len - at))
			return;
		if (l->produced) {
			l->state = LAYER_DONE;
			return;
		}
	}
	layer_close(l);
	l->state = LAYER_PLAIN;
	/* Not coded: past all layers, as libhtp does. */
	if (!d->stop)
		d->stop = !d->sink(d->ctx, l->head, l->head_len);
}

static void failed(struct decode *d, struct layer *l, bool again)
{
	d->sound = false;
	l->state = again ? LAYER_WAITS : LAYER_DONE;
}

/* While the head fills: each octet goes into it, and to inflate. The octets taken. */
static size_t fill_head(struct decode *d, unsigned i, const uint8_t *data, size_t len)
{
	struct layer *l = &d->layer[i];
	size_t n = DECODE_HEAD - l->head_len;

	if (n > len)
		n = len;
	memcpy(l->head + l->head_len, data, n);
	l->head_len = (uint16_t)(l->head_len + n);
	if (l->state == LAYER_RUNS && !run(d, i, data, n))
		failed(d, l, !l->produced);
	if (l->state == LAYER_WAITS && l->head_len == DECODE_HEAD)
		try_others(d, i);
	return n;
}

static void feed(struct decode *d, unsigned i, const uint8_t *data, size_t len)
{
	struct layer *l;
	size_t n;

	if (d->stop || !len)
		return;
	if (i == d->layers) {
		d->stop = !d->sink(d->ctx, data, len);
		return;
	}
	l = &d->layer[i];
	if (l->state <= LAYER_WAITS && l->head_len < DECODE_HEAD) {
		n = fill_head(d, i, data, len);
		data += n;
		len -= n;
	}
	if (!len || d->stop)
		return;
	if (l->state == LAYER_PLAIN)
		d->stop = !d->sink(d->ctx, data, len);
	else if (l->state == LAYER_RUNS && !run(d, i, data, len))
		failed(d, l, false);
}

bool decode_feed(struct decode *d, const uint8_t *data, size_t len)
{
	feed(d, 0, data, len);
	return d->sound;
}

bool decode_finish(struct decode *d)
{
	for (unsigned i = 0; i < d->layers; i++)
		if (d->layer[i].state == LAYER_WAITS && !d->stop)
			try_others(d, i);
	return d->sound;
}
