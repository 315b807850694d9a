/* Addresses and protocols as events write them. Pure. May call: ids/eve/json. */
#pragma once

#include <stdint.h>

#include "ids/eve/json.h"

#define ADDRESS_TEXT 40 /* bytes of an address as text, with its end */

/* `addr`: IPv4 in the first four octets, or IPv6, which is written in full, without "::", as
 * Suricata does. */
void address_text(char out[ADDRESS_TEXT], unsigned ip_version, const uint8_t addr[16]);

/* Member `proto`: the name of an IP protocol, or its number in three digits. */
void address_put_proto(struct json *j, uint8_t proto);
