/* The MAC address of Vigil's own IP address: the core lets the card receive it, the sentry answers
 * for it. Pure.
 */
#pragma once

#include <stdint.h>

/* Locally administered, unicast, and another than the card's (IEEE 802, 8.2): the card's with the
 * local bit set, or with one more bit turned where that is set already. */
static inline void own_mac(uint8_t own[6], const uint8_t nic[6])
{
	for (uint32_t i = 0; i < 6; i++)
		own[i] = nic[i];
	own[0] = (uint8_t)(nic[0] & 2 ? nic[0] ^ 4 : nic[0] | 2);
	own[0] &= 0xfe;
}
