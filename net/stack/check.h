/* May lwIP see this frame? lwIP leaves length checks to its callers (its ARP input reads 28 bytes
 * whatever the frame holds). Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if `frame` is ARP for IPv4 over Ethernet or unfragmented ICMP or UDP over IPv4, complete and
 * consistent in all lengths. Everything else has no use in Vigil's own stack. */
bool stack_frame_ok(const uint8_t *frame, size_t len);
