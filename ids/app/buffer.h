/* The named buffers that parsers fill and rules look into: one const table.
 *
 * For app/ (fills), rules/ (names, looks). The number of a buffer is part of the blob format:
 * append only. Names are those of Suricata's keywords.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Application protocols; part of the blob format: append only. */
enum app_proto { APP_UNKNOWN, APP_HTTP, APP_DNS, APP_TLS, APP_FAILED, APP_PROTOS };

enum app_buffer {
	APP_PAYLOAD, /* of the packet, or of the stream: no transaction's */
	APP_FILE_DATA,
	APP_HTTP_URI,
	APP_HTTP_RAW_URI,
	APP_HTTP_METHOD,
	APP_HTTP_PROTOCOL,
	APP_HTTP_REQUEST_LINE,
	APP_HTTP_RESPONSE_LINE,
	APP_HTTP_STAT_CODE,
	APP_HTTP_STAT_MSG,
	APP_HTTP_HEADER,
	APP_HTTP_RAW_HEADER,
	APP_HTTP_HEADER_NAMES,
	APP_HTTP_REQUEST_HEADER,  /* one at a time */
	APP_HTTP_RESPONSE_HEADER, /* one at a time */
	APP_HTTP_COOKIE,
	APP_HTTP_USER_AGENT,
	APP_HTTP_HOST,
	APP_HTTP_RAW_HOST,
	APP_HTTP_REFERER,
	APP_HTTP_ACCEPT,
	APP_HTTP_ACCEPT_LANG,
	APP_HTTP_ACCEPT_ENC,
	APP_HTTP_CONNECTION,
	APP_HTTP_CONTENT_TYPE,
	APP_HTTP_CONTENT_LEN,
	APP_HTTP_START,
	APP_HTTP_REQUEST_BODY,
	APP_HTTP_LOCATION,
	APP_HTTP_SERVER,
	APP_DNS_QUERY, /* one at a time */
	APP_TLS_SNI,
	APP_TLS_CERT_SUBJECT,
	APP_TLS_CERT_ISSUER,
	APP_TLS_CERT_SERIAL,
	APP_TLS_CERT_FINGERPRINT,
	APP_TLS_CERTS, /* one at a time */
	APP_TLS_RANDOM,
	APP_JA3_HASH,
	APP_JA3_STRING,
	APP_JA3S_HASH,
	APP_JA3S_STRING,
	APP_IPV4_HDR, /* header buffers: of the packet */
	APP_IPV6_HDR,
	APP_TCP_HDR,
	APP_UDP_HDR,
	APP_ICMPV4_HDR,
	APP_ICMPV6_HDR,
	APP_BASE64_DATA,  /* what base64_decode left */
	APP_PROCESS_NAME, /* of the process at the guest's end of the flow */
	APP_PROCESS_PATH,
	APP_BUFFERS
};

#define APP_BUFFER_TO_SERVER 0x01 /* requests have it */
#define APP_BUFFER_TO_CLIENT 0x02 /* responses have it */
#define APP_BUFFER_MANY	     0x04 /* a transaction may have several: each is looked into by itself */
#define APP_BUFFER_GROWS     0x08 /* looked into while it grows */
#define APP_BUFFER_PACKET    0x10 /* the packet's own, there at once */

struct app_buffer_info {
	const char *name;     /* the sticky buffer's keyword, NULL: has none */
	const char *alias;    /* an older name of it, or NULL */
	const char *modifier; /* the older keyword that stands behind a content, or NULL */
	char pcre;	      /* the flag that stands for it behind a regular expression, or 0 */
	uint8_t proto;	      /* enum app_proto, APP_UNKNOWN: any */
	uint8_t flags;	      /* APP_BUFFER_* */
};

extern const struct app_buffer_info app_buffers[APP_BUFFERS];

struct app_view {
	const uint8_t *at;
	uint32_t len;
};
