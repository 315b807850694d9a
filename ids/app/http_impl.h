/* What the files of the HTTP parser share. Only for ids/app/http*.c.
 *
 * Facts about behaviour are those of libhtp 0.5 with the "IDS" personality, Suricata's default.
 * Where libhtp decides by what else came in the same piece, here the next octets are waited for, so
 * that the cut into pieces makes no difference.
 */
#pragma once

#include "ids/app/app_impl.h"
#include "ids/app/decode.h"
#include "ids/app/http.h"

#define HTTP_FIELD_MAX	18000	   /* one line, libhtp's hard limit */
#define HTTP_HEAD_MAX	65536	   /* a header block */
#define HTTP_FIELDS_MAX 1024	   /* as Suricata's configuration of libhtp */
#define HTTP_REPEATS	64	   /* of headers in one message, libhtp */
#define HTTP_HELD_MAX	4096	   /* behind a CONNECT that is not answered yet */
#define HTTP_TAIL_MAX	4096	   /* a body longer than this is let go with its message */
#define HTTP_BOMB	(1u << 20) /* Suricata's compression-bomb-limit */
#define HTTP_BOMB_RATIO 2048	   /* libhtp */

enum http_method { HTTP_OTHER, HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_CONNECT, HTTP_KNOWN };

/* A part of a buf. */
struct http_part {
	uint32_t at, len;
	bool set;
};

struct http_field {
	uint32_t name_at, value_at, value_len; /* in text */
	uint16_t name_len;
	bool repeated;
};

enum http_transfer { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE, HTTP_INVALID };

/* One direction of a transaction. */
struct http_msg {
	struct http_tx *tx;
	struct buf line;	      /* request or status line without its end */
	struct buf raw;		      /* header block as it came */
	struct buf text;	      /* line, headers normalised, empty line: http.start */
	struct buf fields;	      /* struct http_field each */
	struct buf names;	      /* http.header_names */
	struct buf header;	      /* http.header, where it is not a part of text */
	struct buf body;	      /* decoded */
	struct http_part header_part; /* http.header in text */
	struct http_part first, second,
		third;	       /* method, URI, protocol; or protocol, status, message */
	struct decode *decode; /* NULL: the body is as sent, or done */
	uint64_t wire_len;     /* octets of the body as sent */
	uint64_t plain_len;    /* and decoded */
	uint32_t body_max;
	uint8_t version; /* 9, 10, 11; 0: none that is sound */
	bool body_gone;	 /* let go, or given up: what comes is counted only */
	bool headers_done;
};

struct http_tx {
	struct app_tx tx;
	struct http_msg msg[2];
	struct buf uri;					/* normalised, then the host */
	struct http_part uri_part, host_part, uri_host; /* uri_host: in the request line */
	int32_t port, uri_port;				/* -1: none */
	int64_t content_length;				/* of the request; -1: none */
	uint8_t method;					/* enum http_method */
	uint16_t status;
	bool old;      /* HTTP/0.9: no headers, no status line */
	bool unseen;   /* its request was not seen */
	bool answered; /* its response has begun */
	bool seen_100;
	struct http_flow *flow;
};

enum http_state {
	HTTP_IDLE,
	HTTP_START_LINE,
	HTTP_PROTOCOL_PROBE, /* request: no protocol in its line; what follows tells */
	HTTP_LINE_NEXT,	     /* response: a line that is none; the next octet tells */
	HTTP_HEADER_BLOCK,
	HTTP_CONNECT_WAIT,
	HTTP_CONNECT_PROBE,
	HTTP_BODY_LENGTH,
	HTTP_BODY_CLOSE,
	HTTP_CHUNK_LINE,
	HTTP_CHUNK_DATA,
	HTTP_CHUNK_END,
	HTTP_TRAILER,
	HTTP_FINALIZE, /* between messages */
	HTTP_JUNK,     /* a line that belongs to no message */
	HTTP_IGNORE,
};

/* One direction of the connection. */
struct http_side {
	struct http_tx *tx;
	struct buf acc;	     /* the line that is not complete yet */
	uint64_t left;	     /* octets of body or chunk to come */
	uint32_t line_start; /* in the header block */
	uint8_t state;
	bool lone;    /* response headers: a line of one white space, the last if no LF follows */
	bool lfcr;    /* response headers: the line before ended with LF CR */
	uint8_t skip; /* response: 1 a CR, 2 an LF is passed over if it comes next */
};

struct http_flow {
	struct app_flow *flow;
	struct http_side side[2];
};

struct http_cursor {
	const uint8_t *at;
	uint32_t left;
};

static inline struct pool *http_pool(const struct http_flow *f)
{
	return &f->flow->app->pool;
}

static inline void http_event(struct http_tx *tx, unsigned event)
{
	tx->tx.events |= 1ull << event;
}

static inline bool http_space(uint8_t c) /* isspace of the C locale */
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool http_lws(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* http.c */
struct http_tx *http_tx_new(struct http_flow *f);
/* Both directions done and both gone on: free. */
void http_tx_drop(struct http_flow *f, struct http_tx *tx);
static inline void http_tell(struct http_tx *tx, bool to_server, enum app_progress progress)
{
	app_tx_tell(tx->flow->flow, &tx->tx, to_server, progress);
}
/* A message is at its end; its side goes between messages. */
void http_complete(struct http_tx *tx, bool to_server);

/* http_request.c, http_response.c: run a direction's machine. */
enum app_result http_request(struct http_flow *f, struct http_cursor *c);
enum app_result http_response(struct http_flow *f, struct http_cursor *c);
/* Steps of both directions: what is no message, up to the end of its line; what is behind the end.
 */
enum app_result http_junk(struct http_flow *f, struct http_side *s, struct http_cursor *c);
enum app_result http_ignore(struct http_flow *f, struct http_side *s, struct http_cursor *c);
/* The status of a CONNECT is known. */
enum app_result http_request_answered(struct http_flow *f, struct http_tx *tx);
/* The response has begun: what is open about the request is decided. */
void http_request_settle(struct http_flow *f, struct http_tx *tx);
void http_request_eof(struct http_flow *f);
void http_response_eof(struct http_flow *f);

/* http_status.c: steps of http_response.c's machine. */
static inline struct http_msg *http_response_msg(const struct http_side *s)
{
	return &s->tx->msg[APP_TO_CLIENT];
}
/* Take one octet into `b`, at most `max` of them. */
enum app_result http_response_take(struct http_flow *f, struct http_side *s, struct buf *b,
				   struct http_cursor *c, uint32_t max);
void http_response_finish(struct http_side *s);
/* Is the line in `b` from `from` on empty? */
bool http_response_empty_line(const struct buf *b, uint32_t from);
enum app_result http_response_start_line(struct http_flow *f, struct http_side *s,
					 struct http_cursor *c);
/* `acc` is a line. What is no status line is body, unless the next line begins with H. */
enum app_result http_response_line_done(struct http_side *s);
/* It was none, and *c->at comes next (`c` NULL: nothing). */
enum app_result http_response_line_next(struct http_flow *f, struct http_side *s,
					struct http_cursor *c);
enum app_result http_response_header_block(struct http_flow *f, struct http_side *s,
					   struct http_cursor *c);

/* http_line.c */
size_t http_chomp(const uint8_t *line, size_t len);
enum http_method http_method(const uint8_t *at, size_t len);
void http_request_line(struct http_tx *tx);
void http_response_line(struct http_tx *tx);
bool http_looks_like_status(const uint8_t *line, size_t len);
int64_t http_chunk_length(const uint8_t *line, size_t len, bool *extension);
int64_t http_content_length(const uint8_t *value, size_t len, bool *junk);
/* A decimal number with white space around; -1: none. */
int64_t http_number(const uint8_t *at, size_t len);

/* http_headers.c: the header block msg->raw becomes fields, text, names. False: no memory. */
bool http_headers(struct http_tx *tx, bool to_server);
/* The field `name` (lower case), or NULL; its value. */
const struct http_field *http_find(const struct http_msg *m, const char *name,
				   struct app_view *value);
/* In any case, NULs in the value passed over; `word` in lower case. */
bool http_same(struct app_view v, const char *word);
bool http_contains(struct app_view v, const char *word);
/* A list of words parted by commas has this one. */
bool http_has_token(struct app_view v, const char *word);

/* http_uri.c: tx->uri and what belongs to it from the request line. False: no memory. */
bool http_uri(struct http_tx *tx);
/* The host of URI and Host header, with events. */
bool http_host(struct http_tx *tx);

/* http_body.c */
/* How the body is coded, by the headers; false: no memory. */
bool http_body_begin(struct http_tx *tx, bool to_server);
/* Octets of the body; tells the consumer. */
void http_body(struct http_tx *tx, bool to_server, const uint8_t *data, uint32_t len);
void http_body_end(struct http_tx *tx, bool to_server);

/* http_buffer.c */
bool http_buffer(const struct app_tx *tx, enum app_buffer which, bool to_server, uint32_t index,
		 struct app_view *view);
