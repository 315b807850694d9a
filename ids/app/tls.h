/* TLS handshakes (SSL 2 hello, SSL 3.0 to TLS 1.3): what eve/ tells of one.
 *
 * For eve/ and the engine; the buffers that rules look into are had by app_tx_buffer(). A
 * connection is one transaction. Octets behind the handshake are not looked at. Views are valid as
 * those are.
 */
#pragma once

#include "ids/app/app.h"

struct tls_info {
	uint16_t version; /* as the server chose, or the client asked: 0x0303 is TLS 1.2; 0: none */
	const char *version_name; /* "TLS 1.2", ... */
	bool has_cert;
	int64_t not_before, not_after; /* Unix time */
	/* Empty: not there. */
	struct app_view sni, subject, issuer, serial, fingerprint;
	struct app_view ja3_hash, ja3_string, ja3s_hash, ja3s_string;
	bool resumed; /* encrypted before any certificate came: a session goes on, or TLS 1.3 */
};

/* `tx`: of APP_TLS. */
void tls_tx_info(const struct app_tx *tx, struct tls_info *info);
