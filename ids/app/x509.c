#include <string.h>

#include "ids/app/x509.h"

/* Tags (X.690, 8.1.2; RFC 5280, 4.1 and appendix A). */
enum {
	TAG_INTEGER = 0x02,
	TAG_BIT_STRING = 0x03,
	TAG_OID = 0x06,
	TAG_UTF8 = 0x0c,
	TAG_PRINTABLE = 0x13,
	TAG_T61 = 0x14,
	TAG_IA5 = 0x16,
	TAG_UTC_TIME = 0x17,
	TAG_TIME = 0x18,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
	TAG_VERSION = 0xa0,
};

struct element {
	uint8_t tag;
	struct app_view content;
};

/* The element at the front of `v`, which moves behind it. Definite lengths only, as DER has. */
static enum x509_fault next(struct app_view *v, struct element *e)
{
	uint32_t len, head = 2;

	if (v->len < 2)
		return X509_LENGTH;
	e->tag = v->at[0];
	len = v->at[1];
	if ((e->tag & 0x1f) == 0x1f)
		return X509_DER;
	if (len & 0x80) {
		unsigned n = len & 0x7f;

		if (!n || n > 4)
			return X509_DER;
		if (v->len < 2 + n)
			return X509_LENGTH;
		len = 0;
		for (; n; n--)
			len = len << 8 | v->at[head++];
	}
	if (len > v->len - head)
		return X509_LENGTH;
	e->content = (struct app_view){v->at + head, len};
	v->at += head + len;
	v->len -= head + len;
	return X509_GOOD;
}

/* The element must be of this tag; otherwise `fault`. */
static enum x509_fault expect(struct app_view *v, uint8_t tag, struct app_view *content,
			      enum x509_fault fault)
{
	struct element e;
	enum x509_fault r = next(v, &e);

	if (r != X509_GOOD)
		return r;
	if (e.tag != tag)
		return fault;
	*content = e.content;
	return X509_GOOD;
}

static int two(const uint8_t *at)
{
	if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
		return -1;
	return (at[0] - '0') * 10 + at[1] - '0';
}

/* Days from 1970-01-01 to a day of the Gregorian calendar, counted in eras of 400 years that begin
 * in March. */
static int64_t days(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = y / 400;
	int64_t of_era = y - era * 400,
		of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ (RFC 5280, 4.1.2.5). */
static enum x509_fault date(struct app_view *v, int64_t *out)
{
	struct element e;
	enum x509_fault r = next(v, &e);
	const uint8_t *at = e.content.at;
	int part[6], year;

	if (r != X509_GOOD)
		return r;
	if (e.tag == TAG_UTC_TIME && e.content.len == 13) {
		year = two(at);
		year += year < 0 ? 0 : year < 50 ? 2000 : 1900;
		at += 2;
	} else if (e.tag == TAG_TIME && e.content.len == 15) {
		year = two(at) < 0 || two(at + 2) < 0 ? -1 : two(at) * 100 + two(at + 2);
		at += 4;
	} else {
		return X509_DATE;
	}
	part[0] = year;
	for (unsigned i = 1; i < 6; i++, at += 2)
		part[i] = two(at);
	for (unsigned i = 0; i < 6; i++)
		if (part[i] < 0)
			return X509_DATE;
	if (part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31 || part[3] > 23 ||
	    part[4] > 59 || part[5] > 60 || *at != 'Z')
		return X509_DATE;
	*out = days(part[0], part[1], part[2]) * 86400 + part[3] * 3600 + part[4] * 60 + part[5];
	return X509_GOOD;
}

static enum x509_fault validity(struct app_view *tbs, struct x509 *x)
{
	struct app_view v = {NULL, 0};
	enum x509_fault r = expect(tbs, TAG_SEQUENCE, &v, X509_DATE);

	if (r == X509_GOOD)
		r = date(&v, &x->not_before);
	return r == X509_GOOD ? date(&v, &x->not_after) : r;
}

/* [0] EXPLICIT Version, left out for version 1. */
static enum x509_fault version(struct app_view *tbs)
{
	struct app_view v = {NULL, 0}, n = {NULL, 0};
	enum x509_fault r;

	if (!tbs->len || tbs->at[0] != TAG_VERSION)
		return X509_GOOD;
	r = expect(tbs, TAG_VERSION, &v, X509_VERSION);
	if (r == X509_GOOD)
		r = expect(&v, TAG_INTEGER, &n, X509_VERSION);
	if (r == X509_GOOD && (n.len != 1 || n.at[0] > 2))
		r = X509_VERSION;
	return r;
}

enum x509_fault x509_parse(struct x509 *x, const uint8_t *der, size_t len)
{
	struct app_view v = {der, (uint32_t)len}, cert = {NULL, 0}, tbs = {NULL, 0}, skip;
	enum x509_fault r = expect(&v, TAG_SEQUENCE, &cert, X509_DER);

	memset(x, 0, sizeof(*x));
	if (r == X509_GOOD)
		r = expect(&cert, TAG_SEQUENCE, &tbs, X509_DER);
	if (r == X509_GOOD)
		r = version(&tbs);
	if (r == X509_GOOD)
		r = expect(&tbs, TAG_INTEGER, &x->serial, X509_SERIAL);
	if (r == X509_GOOD)
		r = expect(&tbs, TAG_SEQUENCE, &skip, X509_ALGORITHM);
	if (r == X509_GOOD)
		r = expect(&tbs, TAG_SEQUENCE, &x->issuer, X509_NAME);
	if (r == X509_GOOD)
		r = validity(&tbs, x);
	if (r == X509_GOOD)
		r = expect(&tbs, TAG_SEQUENCE, &x->subject, X509_NAME);
	return r;
}

/* Names of attribute types: content of the OID, as short as Suricata's library writes them. */
static const struct {
	const char *oid;
	uint8_t len;
	const char *name;
} attributes[] = {
	{"\x55\x04\x03", 3, "CN"},
	{"\x55\x04\x04", 3, "SN"},
	{"\x55\x04\x05", 3, "serialNumber"},
	{"\x55\x04\x06", 3, "C"},
	{"\x55\x04\x07", 3, "L"},
	{"\x55\x04\x08", 3, "ST"},
	{"\x55\x04\x09", 3, "street"},
	{"\x55\x04\x0a", 3, "O"},
	{"\x55\x04\x0b", 3, "OU"},
	{"\x55\x04\x0c", 3, "title"},
	{"\x55\x04\x0d", 3, "description"},
	{"\x55\x04\x0f", 3, "businessCategory"},
	{"\x55\x04\x11", 3, "postalCode"},
	{"\x55\x04\x29", 3, "name"},
	{"\x55\x04\x2a", 3, "givenName"},
	{"\x55\x04\x2b", 3, "initials"},
	{"\x55\x04\x2e", 3, "dnQualifier"},
	{"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", 10, "UID"},
	{"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", 10, "DC"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", 9, "emailAddress"},
	{"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01", 11, "jurisdictionL"},
	{"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02", 11, "jurisdictionST"},
	{"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03", 11, "jurisdictionC"},
};

struct writer {
	struct pool *pool;
	struct buf *to;
	uint32_t max;
	bool ok;
};

static void put(struct writer *w, const void *at, size_t len)
{
	w->ok = w->ok && buf_add(w->pool, w->to, at, len, w->max);
}

static void put_number(struct writer *w, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	put(w, digits + i, sizeof(digits) - i);
}

/* Dotted (X.690, 8.19). */
static void put_oid(struct writer *w, struct app_view oid)
{
	uint64_t n = 0;
	bool first = true;

	for (uint32_t i = 0; i < oid.len; i++) {
		n = n << 7 | (oid.at[i] & 0x7f);
		if (oid.at[i] & 0x80)
			continue;
		if (first) {
			uint64_t top = n < 40 ? 0 : n < 80 ? 1 : 2;

			put_number(w, top);
			n -= top * 40;
		}
		put(w, ".", 1);
		put_number(w, n);
		first = false;
		n = 0;
	}
}

static void put_type(struct writer *w, struct app_view oid)
{
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (attributes[i].len == oid.len && !memcmp(attributes[i].oid, oid.at, oid.len)) {
			put(w, attributes[i].name, strlen(attributes[i].name));
			return;
		}
	put_oid(w, oid);
}

/* Strings as they are; anything else in hexadecimal. */
static void put_value(struct writer *w, const struct element *e)
{
	static const char hex[] = "0123456789abcdef";

	switch (e->tag) {
	case TAG_UTF8:
	case TAG_PRINTABLE:
	case TAG_T61:
	case TAG_IA5:
		put(w, e->content.at, e->content.len);
		return;
	default:
		for (uint32_t i = 0; i < e->content.len && w->ok; i++) {
			char pair[2] = {hex[e->content.at[i] >> 4], hex[e->content.at[i] & 15]};

			put(w, pair, 2);
		}
	}
}

/* One SET of attributes, joined by " + ". */
static void put_set(struct writer *w, struct app_view set)
{
	struct app_view pair, oid;
	struct element value;

	for (bool first = true; set.len && w->ok; first = false) {
		if (expect(&set, TAG_SEQUENCE, &pair, X509_NAME) != X509_GOOD ||
		    expect(&pair, TAG_OID, &oid, X509_NAME) != X509_GOOD ||
		    next(&pair, &value) != X509_GOOD) {
			w->ok = false;
			return;
		}
		put(w, " + ", first ? 0 : 3);
		put_type(w, oid);
		put(w, "=", 1);
		put_value(w, &value);
	}
}

bool x509_name(struct pool *pool, struct buf *to, struct app_view name, uint32_t max)
{
	struct writer w = {.pool = pool, .to = to, .max = max, .ok = true};
	uint32_t before = to->len;
	struct app_view set;

	for (bool first = true; name.len && w.ok; first = false) {
		if (expect(&name, TAG_SET, &set, X509_NAME) != X509_GOOD) {
			w.ok = false;
			break;
		}
		put(&w, ", ", first ? 0 : 2);
		put_set(&w, set);
	}
	if (!w.ok)
		to->len = before;
	return w.ok;
}
