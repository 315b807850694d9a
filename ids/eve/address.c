/* See address.h. */
#include "ids/eve/address.h"

#include <stddef.h>

static char *decimal(char *p, uint8_t value)
{
	if (value >= 100)
		*p++ = (char)('0' + value / 100);
	if (value >= 10)
		*p++ = (char)('0' + value / 10 % 10);
	*p++ = (char)('0' + value % 10);
	return p;
}

void address_text(char out[ADDRESS_TEXT], unsigned ip_version, const uint8_t addr[16])
{
	static const char digit[] = "0123456789abcdef";
	char *at = out;

	if (ip_version == 4) {
		for (unsigned i = 0; i < 4; i++) {
			if (i)
				*at++ = '.';
			at = decimal(at, addr[i]);
		}
	} else {
		for (unsigned i = 0; i < 16; i++) {
			if (i && i % 2 == 0)
				*at++ = ':';
			*at++ = digit[addr[i] >> 4];
			*at++ = digit[addr[i] & 15];
		}
	}
	*at = '\0';
}

static const struct {
	uint8_t proto;
	const char *name;
} proto_names[] = {
	{44, "IPv6-Frag"}, {1, "ICMP"},	  {2, "IGMP"},	     {4, "IP-in-IP"},
	{6, "TCP"},	   {17, "UDP"},	  {41, "IPv6"},	     {47, "GRE"},
	{50, "ESP"},	   {51, "AH"},	  {58, "IPv6-ICMP"}, {89, "OSPF"},
	{103, "PIM"},	   {112, "VRRP"}, {115, "L2TP"},     {132, "SCTP"},
};

void address_put_proto(struct json *j, uint8_t proto)
{
	char number[4] = {(char)('0' + proto / 100), (char)('0' + proto / 10 % 10),
			  (char)('0' + proto % 10), 0};

	for (size_t i = 0; i < sizeof(proto_names) / sizeof(proto_names[0]); i++)
		if (proto_names[i].proto == proto) {
			json_str(j, "proto", proto_names[i].name);
			return;
		}
	json_str(j, "proto", number);
}
