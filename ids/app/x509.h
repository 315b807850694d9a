/* What is told of a certificate (RFC 5280): a bounded walk over its DER.
 *
 * For tls_cert.c. Pure; views point into the certificate. Nothing is verified.
 */
#pragma once

#include "ids/app/buffer.h"
#include "ids/app/pool.h"

enum x509_fault {
	X509_GOOD,
	X509_LENGTH,  /* a length goes beyond what is there */
	X509_DER,     /* not the element that must be here */
	X509_VERSION, /* no version that there is */
	X509_SERIAL,
	X509_ALGORITHM,
	X509_NAME,
	X509_DATE,
};

struct x509 {
	struct app_view serial;		 /* content of the INTEGER */
	struct app_view issuer, subject; /* content of the Name */
	int64_t not_before, not_after;	 /* Unix time */
};

enum x509_fault x509_parse(struct x509 *x, const uint8_t *der, size_t len);

/* Append a name as Suricata shows it ("C=US, O=Example, CN=example.org"). False: it does not hold,
 * or no memory; then nothing is appended. */
bool x509_name(struct pool *pool, struct buf *to, struct app_view name, uint32_t max);
