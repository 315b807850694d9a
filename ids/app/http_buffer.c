/* The buffers of an HTTP transaction, and what is told of it. */
#include <string.h>

#include "ids/app/http_impl.h"

static bool view(struct app_view *v, const struct buf *b, struct http_part p)
{
	if (!p.set)
		return false;
	*v = (struct app_view){p.len ? b->at + p.at : (const uint8_t *)"", p.len};
	return true;
}

static bool whole(struct app_view *v, const struct buf *b)
{
	*v = (struct app_view){b->at, b->len};
	return b->len;
}

/* Buffers that are the value of one header, in the directions that buffer.c states. */
static const char *const headers[APP_BUFFERS] = {
	[APP_HTTP_USER_AGENT] = "user-agent",
	[APP_HTTP_REFERER] = "referer",
	[APP_HTTP_ACCEPT] = "accept",
	[APP_HTTP_ACCEPT_LANG] = "accept-language",
	[APP_HTTP_ACCEPT_ENC] = "accept-encoding",
	[APP_HTTP_CONNECTION] = "connection",
	[APP_HTTP_CONTENT_TYPE] = "content-type",
	[APP_HTTP_CONTENT_LEN] = "content-length",
	[APP_HTTP_LOCATION] = "location",
	[APP_HTTP_SERVER] = "server",
};

static bool line_part(const struct http_tx *tx, enum app_buffer which, bool to_server,
		      struct app_view *v)
{
	const struct http_msg *m = &tx->msg[to_server];

	if (!m->line.at)
		return false;
	switch (which) {
	case APP_HTTP_URI:
		return view(v, &tx->uri, tx->uri_part);
	case APP_HTTP_RAW_URI:
	case APP_HTTP_STAT_CODE:
		return view(v, &m->line, m->second);
	case APP_HTTP_METHOD:
		return view(v, &m->line, m->first);
	case APP_HTTP_PROTOCOL:
		return view(v, &m->line, to_server ? m->third : m->first);
	case APP_HTTP_STAT_MSG:
		return view(v, &m->line, m->third);
	default: /* request and response line */
		return whole(v, &m->line);
	}
}

/* One header as rules see it: "Name: value". */
static bool one_header(const struct http_msg *m, uint32_t index, struct app_view *v)
{
	const struct http_field *f = (const struct http_field *)(const void *)m->fields.at;

	if (index >= m->fields.len / sizeof(*f))
		return false;
	f += index;
	*v = (struct app_view){m->text.at + f->name_at, f->value_at + f->value_len - f->name_at};
	return true;
}

static bool header_part(const struct http_tx *tx, enum app_buffer which, bool to_server,
			uint32_t index, struct app_view *v)
{
	const struct http_msg *m = &tx->msg[to_server];

	if (!m->headers_done)
		return false;
	switch (which) {
	case APP_HTTP_HEADER:
		if (m->header_part.set)
			return view(v, &m->text, m->header_part) && v->len;
		return whole(v, &m->header);
	case APP_HTTP_RAW_HEADER:
		return whole(v, &m->raw);
	case APP_HTTP_HEADER_NAMES:
		return whole(v, &m->names);
	case APP_HTTP_REQUEST_HEADER:
	case APP_HTTP_RESPONSE_HEADER:
		return one_header(m, index, v);
	case APP_HTTP_COOKIE:
		return http_find(m, to_server ? "cookie" : "set-cookie", v);
	case APP_HTTP_HOST:
		return view(v, &tx->uri, tx->host_part);
	case APP_HTTP_RAW_HOST:
		return tx->uri_host.set ? view(v, &m->line, tx->uri_host)
					: http_find(m, "host", v) != NULL;
	case APP_HTTP_START:
		return whole(v, &m->text);
	default:
		return headers[which] && http_find(m, headers[which], v);
	}
}

bool http_buffer(const struct app_tx *app, enum app_buffer which, bool to_server, uint32_t index,
		 struct app_view *v)
{
	const struct http_tx *tx = (const struct http_tx *)app;

	switch (which) {
	case APP_FILE_DATA:
	case APP_HTTP_REQUEST_BODY:
		return whole(v, &tx->msg[to_server].body);
	case APP_HTTP_URI:
	case APP_HTTP_RAW_URI:
	case APP_HTTP_METHOD:
	case APP_HTTP_PROTOCOL:
	case APP_HTTP_REQUEST_LINE:
	case APP_HTTP_RESPONSE_LINE:
	case APP_HTTP_STAT_CODE:
	case APP_HTTP_STAT_MSG:
		return line_part(tx, which, to_server, v);
	default:
		return header_part(tx, which, to_server, index, v);
	}
}

/* Up to parameters. */
static struct app_view bare(struct app_view v)
{
	uint32_t n = 0;

	while (n < v.len && v.at[n] != ';' && !http_space(v.at[n]))
		n++;
	return (struct app_view){v.at, n};
}

void http_tx_info(const struct app_tx *app, struct http_info *info)
{
	const struct http_tx *tx = (const struct http_tx *)app;
	const struct http_msg *q = &tx->msg[APP_TO_SERVER], *r = &tx->msg[APP_TO_CLIENT];

	memset(info, 0, sizeof(*info));
	line_part(tx, APP_HTTP_RAW_URI, true, &info->uri);
	line_part(tx, APP_HTTP_METHOD, true, &info->method);
	if (!line_part(tx, APP_HTTP_PROTOCOL, true, &info->protocol))
		line_part(tx, APP_HTTP_PROTOCOL, false, &info->protocol);
	header_part(tx, APP_HTTP_HOST, true, 0, &info->hostname);
	header_part(tx, APP_HTTP_USER_AGENT, true, 0, &info->user_agent);
	header_part(tx, APP_HTTP_REFERER, true, 0, &info->referer);
	header_part(tx, APP_HTTP_LOCATION, false, 0, &info->location);
	header_part(tx, APP_HTTP_SERVER, false, 0, &info->server);
	if (header_part(tx, APP_HTTP_CONTENT_TYPE, false, 0, &info->content_type))
		info->content_type = bare(info->content_type);
	info->status = r->line.at ? tx->status : 0;
	info->port = tx->port > 0 ? (uint16_t)tx->port : 0;
	info->request_len = q->wire_len;
	info->length = r->wire_len;
	info->decoded = r->plain_len;
}

bool http_tx_field(const struct app_tx *app, bool to_server, uint32_t index, struct app_view *name,
		   struct app_view *value)
{
	const struct http_msg *m = &((const struct http_tx *)app)->msg[to_server];
	const struct http_field *f = (const struct http_field *)(const void *)m->fields.at;

	if (!m->headers_done || index >= m->fields.len / sizeof(*f))
		return false;
	f += index;
	*name = (struct app_view){m->text.at + f->name_at, f->name_len};
	*value = (struct app_view){m->text.at + f->value_at, f->value_len};
	return true;
}
