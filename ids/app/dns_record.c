/* Questions and records of a message, and their types. */
#include <string.h>

#include "ids/app/dns_impl.h"
#include "ids/bytes.h"

static bool keep_data(struct dns_reader *r, struct dns_tx *tx, struct dns_part *p,
		      const uint8_t *data, uint32_t len)
{
	p->at = tx->text.len;
	if (buf_add(r->pool, &tx->text, data, len, DNS_TEXT_MAX))
		p->len = len;
	else if (tx->text.len + len <= DNS_TEXT_MAX)
		r->no_memory = true;
	return true;
}

static void keep(struct dns_reader *r, struct buf *list, const struct dns_kept *k)
{
	if (list->len / sizeof(*k) >= DNS_RECORDS_MAX)
		return;
	if (!buf_add(r->pool, list, k, sizeof(*k), POOL_MAX))
		r->no_memory = true;
}

static bool question(struct dns_reader *r, struct dns_tx *tx)
{
	struct dns_kept k = {.ttl = 0};

	if (!dns_name(r, &tx->text, &k.name) || r->len - r->at < 4)
		return false;
	k.type = be16(r->msg + r->at);
	k.class = be16(r->msg + r->at + 2);
	r->at += 4;
	keep(r, &tx->questions, &k);
	return true;
}

/* `count` numbers of two octets behind each other at the record's data. */
static bool shorts(struct dns_reader *r, struct dns_kept *k, unsigned count)
{
	if (r->len - r->at < count * 2)
		return false;
	for (unsigned i = 0; i < count; i++, r->at += 2)
		k->number[i] = be16(r->msg + r->at);
	return true;
}

static bool soa(struct dns_reader *r, struct dns_tx *tx, struct dns_kept *k)
{
	if (!dns_name(r, &tx->text, &k->data) || !dns_name(r, &tx->text, &k->mailbox) ||
	    r->len - r->at < 20)
		return false;
	for (unsigned i = 0; i < 5; i++, r->at += 4)
		k->number[i] = be32(r->msg + r->at);
	return true;
}

/* Each string of a TXT record is an answer of its own, as in Suricata. */
static bool txt(struct dns_reader *r, struct dns_tx *tx, struct dns_kept *k, uint32_t end)
{
	while (r->at < end) {
		uint32_t len = r->msg[r->at];

		if (len > end - r->at - 1)
			return false;
		k->data.len = 0;
		keep_data(r, tx, &k->data, r->msg + r->at + 1, len);
		keep(r, &tx->records, k);
		r->at += 1 + len;
	}
	return true;
}

/* The data of a record, which ends at `end`. A name in it may not go beyond, unless by a pointer.
 */
static bool data(struct dns_reader *r, struct dns_tx *tx, struct dns_kept *k, uint32_t end)
{
	switch (k->type) {
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		return dns_name(r, &tx->text, &k->data);
	case DNS_MX:
		return shorts(r, k, 1) && dns_name(r, &tx->text, &k->data);
	case DNS_SRV:
		return shorts(r, k, 3) && dns_name(r, &tx->text, &k->data);
	case DNS_SOA:
		return soa(r, tx, k);
	default:
		return keep_data(r, tx, &k->data, r->msg + r->at, end - r->at);
	}
}

static bool record(struct dns_reader *r, struct dns_tx *tx, uint8_t section)
{
	struct dns_kept k = {.section = section};
	uint32_t len, end;
	bool good = true;

	if (!dns_name(r, &tx->text, &k.name) || r->len - r->at < 10)
		return false;
	k.type = be16(r->msg + r->at);
	k.class = be16(r->msg + r->at + 2);
	k.ttl = be32(r->msg + r->at + 4);
	len = be16(r->msg + r->at + 8);
	r->at += 10;
	if (len > r->len - r->at)
		return false;
	end = r->at + len;
	if (len && k.type == DNS_TXT) {
		good = txt(r, tx, &k, end);
	} else if (len) {
		good = data(r, tx, &k, end) && r->at <= end;
		if (good)
			keep(r, &tx->records, &k);
	}
	r->at = end;
	return good;
}

bool dns_message(struct dns_reader *r, struct dns_tx *tx)
{
	const uint8_t *h = r->msg;

	r->at = DNS_HEADER;
	for (unsigned i = be16(h + 4); i; i--)
		if (!question(r, tx) || r->no_memory)
			return false;
	/* The records of a request are not looked at, as in Suricata. */
	if (tx->tx.only == APP_TO_SERVER)
		return true;
	for (uint8_t section = DNS_ANSWER; section <= DNS_AUTHORITY; section++)
		for (unsigned i = be16(h + 6 + 2 * section); i; i--)
			if (!record(r, tx, section) || r->no_memory)
				return false;
	return true;
}

struct numbered {
	uint16_t number;
	const char *name;
};

static const char *find(const struct numbered *list, size_t count, uint16_t number)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].number == number)
			return list[i].name;
	return NULL;
}

const char *dns_type_name(uint16_t type)
{
	/* IANA's registry "Resource Record (RR) TYPEs". */
	static const struct numbered types[] = {
		{1, "A"},      {2, "NS"},	 {3, "MD"},	     {4, "MF"},	    {5, "CNAME"},
		{6, "SOA"},    {7, "MB"},	 {8, "MG"},	     {9, "MR"},	    {10, "NULL"},
		{11, "WKS"},   {12, "PTR"},	 {13, "HINFO"},	     {14, "MINFO"}, {15, "MX"},
		{16, "TXT"},   {17, "RP"},	 {18, "AFSDB"},	     {19, "X25"},   {20, "ISDN"},
		{21, "RT"},    {22, "NSAP"},	 {23, "NSAPPTR"},    {24, "SIG"},   {25, "KEY"},
		{26, "PX"},    {27, "GPOS"},	 {28, "AAAA"},	     {29, "LOC"},   {30, "NXT"},
		{33, "SRV"},   {34, "ATMA"},	 {35, "NAPTR"},	     {36, "KX"},    {37, "CERT"},
		{38, "A6"},    {39, "DNAME"},	 {41, "OPT"},	     {42, "APL"},   {43, "DS"},
		{44, "SSHFP"}, {45, "IPSECKEY"}, {46, "RRSIG"},	     {47, "NSEC"},  {48, "DNSKEY"},
		{49, "DHCID"}, {50, "NSEC3"},	 {51, "NSEC3PARAM"}, {52, "TLSA"},  {55, "HIP"},
		{59, "CDS"},   {60, "CDNSKEY"},	 {65, "HTTPS"},	     {99, "SPF"},   {249, "TKEY"},
		{250, "TSIG"}, {254, "MAILA"},	 {255, "ANY"},	     {256, "URI"},
	};

	return find(types, sizeof(types) / sizeof(types[0]), type);
}

const char *dns_rcode_name(uint16_t rcode)
{
	static const struct numbered codes[] = {
		{0, "NOERROR"}, {1, "FORMERR"}, {2, "SERVFAIL"}, {3, "NXDOMAIN"},
		{4, "NOTIMP"},	{5, "REFUSED"}, {6, "YXDOMAIN"}, {7, "YXRRSET"},
		{8, "NXRRSET"}, {9, "NOTAUTH"}, {10, "NOTZONE"},
	};

	return find(codes, sizeof(codes) / sizeof(codes[0]), rcode);
}
