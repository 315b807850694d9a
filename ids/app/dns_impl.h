/* What the files of the DNS parser share. Only for ids/app/dns*.c. */
#pragma once

#include "ids/app/app_impl.h"
#include "ids/app/dns.h"

#define DNS_TEXT_MAX	65536 /* names and data kept of one message */
#define DNS_RECORDS_MAX 1024  /* records, and questions, kept of one message */

#define DNS_FLAG_QR 0x8000 /* RFC 1035, 4.1.1 */
#define DNS_FLAG_Z  0x0040

struct dns_part {
	uint32_t at, len;
};

struct dns_kept {
	struct dns_part name, data, mailbox;
	uint32_t ttl, number[5];
	uint16_t type, class;
	uint8_t section;
};

struct dns_tx {
	struct app_tx tx;
	struct buf text;      /* names and data */
	struct buf questions; /* struct dns_kept each */
	struct buf records;
	uint16_t id, flags;
};

/* What was found while a message was read. */
struct dns_reader {
	struct pool *pool;
	const uint8_t *msg;
	uint32_t len, at;
	uint64_t events; /* of names: too long, a loop, too many labels */
	bool no_memory;
};

/* The name at r->at, which moves behind it; written to `text` (NULL: only passed over). False: it
 * cannot be read. */
bool dns_name(struct dns_reader *r, struct buf *text, struct dns_part *part);
/* Questions and records behind the header. False: malformed. */
bool dns_message(struct dns_reader *r, struct dns_tx *tx);
