/* DNS messages (RFC 1035) over UDP and TCP: each message is a transaction of one direction, as in
 * Suricata 7.
 *
 * For app.c, detect.c, eve/ and the engine. Names are written with dots, at most DNS_NAME_MAX
 * octets; compression pointers are followed a bounded number of times. Views are valid as buffers
 * are.
 */
#pragma once

#include "ids/app/app.h"

#define DNS_HEADER   12	  /* RFC 1035, 4.1.1 */
#define DNS_NAME_MAX 1025 /* as Suricata (and dnsmasq) */
#define DNS_LABELS   255  /* labels and pointers followed in one name, as Suricata */

enum dns_section { DNS_ANSWER, DNS_AUTHORITY };

enum { /* record types, RFC 1035 and others */
       DNS_A = 1,
       DNS_NS = 2,
       DNS_CNAME = 5,
       DNS_SOA = 6,
       DNS_NULL = 10,
       DNS_PTR = 12,
       DNS_MX = 15,
       DNS_TXT = 16,
       DNS_AAAA = 28,
       DNS_SRV = 33,
       DNS_SSHFP = 44,
};

struct dns_info {
	uint16_t id, flags;
	bool response;
	uint8_t opcode, rcode;
	uint32_t questions, records; /* as many as are kept */
};

struct dns_question {
	struct app_view name;
	uint16_t type, class;
};

struct dns_record {
	enum dns_section section;
	struct app_view name;
	uint16_t type, class;
	uint32_t ttl;
	/* A, AAAA: 4 or 16 octets; names: with dots (SOA: the server's); TXT: one string (a record
	 * of several becomes several); others: as they are. */
	struct app_view data;
	struct app_view mailbox; /* SOA */
	uint32_t number[5];	 /* SOA: serial, refresh, retry, expire, minimum; SRV: priority,
				  * weight, port; MX: preference */
};

/* `tx`: of APP_DNS. */
void dns_tx_info(const struct app_tx *tx, struct dns_info *info);
bool dns_tx_question(const struct app_tx *tx, uint32_t index, struct dns_question *q);
bool dns_tx_record(const struct app_tx *tx, uint32_t index, struct dns_record *r);
/* "A", "NXDOMAIN", ...; NULL: no name is known. */
const char *dns_type_name(uint16_t type);
const char *dns_rcode_name(uint16_t rcode);

/* Is it the start of a DNS message of `whole` octets, as far as `len` show? */
bool dns_probe(const uint8_t *data, uint32_t len, uint32_t whole);
/* A datagram of a flow; decides the flow's protocol with the first. */
void dns_datagram(struct app_flow *flow, bool to_server, const uint8_t *data, uint32_t len);
