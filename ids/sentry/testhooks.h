/* Test image only (sentry-test.elf, VIGIL_TEST_HOOKS): misbehaviour that a frame asks for, so that
 * tests can see the core deal with it. Never part of sentry.elf; a test looks. */
#pragma once

#include "ids/sentry/loop.h"

/* A marker in the payload of an IPv4 UDP or ICMP frame: VIGIL-TEST-CRASH (undefined instruction),
 * VIGIL-TEST-WINDOW (write to the guest's memory), VIGIL-TEST-HANG, VIGIL-TEST-BADREPLY,
 * VIGIL-TEST-EXIT (abort), VIGIL-TEST-ALERTS (1000 `alert` events). */
void test_hook(struct sentry *s, const struct abi_request *r, const uint8_t *frame);
