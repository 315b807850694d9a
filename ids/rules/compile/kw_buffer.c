/* Buffers: sticky ones (`http.uri;`, for what follows), older ones behind a content (`http_uri`),
 * and older keywords that are a content in a buffer. */
#include <string.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"

static bool is(const char *name, const char *other)
{
	return other && strcmp(name, other) == 0;
}

/* Names that are not in app_buffers: other ways to say the same, one direction of it alone. */
static const struct {
	const char *name;
	uint8_t buffer;
	bool sticky, to_client;
} more[] = {
	{"http.response_body", APP_FILE_DATA, true, true},
	{"http_server_body", APP_FILE_DATA, false, true},
	{"tls.cert_sni", APP_TLS_SNI, true, false},
	{"ja3s_hash", APP_JA3S_HASH, true, false},
};

static int sticky(const char *name)
{
	for (int i = 0; i < APP_BUFFERS; i++)
		if (is(name, app_buffers[i].name) || is(name, app_buffers[i].alias))
			return i;
	return -1;
}

static int modifier(const char *name)
{
	for (int i = 0; i < APP_BUFFERS; i++)
		if (is(name, app_buffers[i].modifier))
			return i;
	return -1;
}

bool buffer_keyword(const char *name)
{
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		if (is(name, more[i].name))
			return true;
	return sticky(name) >= 0 || modifier(name) >= 0;
}

/* The last content looks into that buffer; what follows does not (Suricata refuses the older
 * keywords where a sticky buffer is in use). */
static bool modify(struct parse *p, const char *name, enum app_buffer buffer)
{
	struct rule *r = p->rule;
	struct rule_op *o = rule_last_content(p, name);

	if (!o)
		return false;
	if (r->buffer != APP_PAYLOAD || o->op.buffer != APP_PAYLOAD || r->transform.any)
		return refuse(p, "%s behind a content that looks into another buffer", name);
	if (!rule_set_buffer(p, buffer))
		return false;
	o->op.buffer = (uint8_t)buffer;
	r->buffer = APP_PAYLOAD;
	return true;
}

bool kw_buffer(struct parse *p, const char *name, const char *value)
{
	int buffer = sticky(name);

	if (value)
		return refuse(p, "%s takes no value", name);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		if (!is(name, more[i].name))
			continue;
		p->rule->to_client |= more[i].to_client;
		return more[i].sticky ? rule_set_buffer(p, (enum app_buffer)more[i].buffer)
				      : modify(p, name, (enum app_buffer)more[i].buffer);
	}
	if (buffer >= 0)
		return rule_set_buffer(p, (enum app_buffer)buffer);
	buffer = modifier(name);
	/* Snort 3 writes the same names as sticky buffers. */
	if (p->dialect == DIALECT_SNORT)
		return rule_set_buffer(p, (enum app_buffer)buffer);
	return modify(p, name, (enum app_buffer)buffer);
}

/* A content in this buffer; those around it stay where they are. */
static bool content_in(struct parse *p, enum app_buffer buffer, char *value, bool negated)
{
	struct rule *r = p->rule;
	struct rule_transform transform = r->transform;
	uint8_t before = r->buffer, instance = r->instance;
	bool ok = rule_set_buffer(p, buffer) && kw_content(p, value, negated);

	r->buffer = before;
	r->instance = instance;
	r->transform = transform;
	return ok;
}

bool kw_uricontent(struct parse *p, char *value, bool negated)
{
	return content_in(p, APP_HTTP_URI, value, negated);
}

bool kw_tls_subject(struct parse *p, char *value, bool negated)
{
	return content_in(p, APP_TLS_CERT_SUBJECT, value, negated);
}

bool kw_tls_issuerdn(struct parse *p, char *value, bool negated)
{
	return content_in(p, APP_TLS_CERT_ISSUER, value, negated);
}

bool kw_tls_fingerprint(struct parse *p, char *value, bool negated)
{
	return content_in(p, APP_TLS_CERT_FINGERPRINT, value, negated);
}

/* urilen:RANGE[,norm|raw]; of the raw one unless it says norm. */
bool kw_urilen(struct parse *p, char *value, bool negated)
{
	enum app_buffer buffer = APP_HTTP_RAW_URI;
	char *comma = strchr(value, ',');
	struct rule_op *o;

	(void)negated;
	if (comma) {
		*comma = '\0';
		comma = trim(comma + 1);
		if (strcmp(comma, "norm") == 0)
			buffer = APP_HTTP_URI;
		else if (strcmp(comma, "raw") != 0)
			return refuse(p, "urilen: %s is neither norm nor raw", comma);
	}
	if (!rule_set_proto(p, "urilen", APP_HTTP))
		return false;
	o = rule_add_op(p, OP_BUFFER_LENGTH);
	if (!o)
		return false;
	o->op.buffer = (uint8_t)buffer;
	o->instance = 0;
	o->transform = (struct rule_transform){0};
	return parse_range(p, "urilen", trim(value), 0xffff, &o->op);
}
