/* HTTP/1.x transactions as Suricata's libhtp sees them: what eve/ tells of one.
 *
 * For eve/ and the engine; the buffers that rules look into are had by app_tx_buffer(). Views are
 * valid as those are. http.c and its neighbours http_*.c are behind app.h.
 */
#pragma once

#include "ids/app/app.h"

/* An empty view: not there. */
struct http_info {
	struct app_view hostname; /* lower case, without port */
	struct app_view uri;	  /* as it was sent */
	struct app_view method, protocol, user_agent, referer,
		content_type; /* without parameters */
	struct app_view location, server;
	uint16_t status;	      /* 0: none that is sound */
	uint16_t port;		      /* of the Host header, or the URI; 0: none */
	uint64_t request_len, length; /* octets of the bodies as sent */
	uint64_t decoded;	      /* of the response's body, codings taken off */
};

/* `tx`: of APP_HTTP. */
void http_tx_info(const struct app_tx *tx, struct http_info *info);
/* Header number `index` (a repeated one once, values joined by ", "). */
bool http_tx_field(const struct app_tx *tx, bool to_server, uint32_t index, struct app_view *name,
		   struct app_view *value);
