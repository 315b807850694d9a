/* Community ID version 1 of a flow (the Corelight specification), as Suricata writes it. Pure. */
#pragma once

#include <stdint.h>

#include "ids/packet/packet.h"

#define COMMUNITY_ID_SIZE 31 /* "1:" and 28 characters of base64, NUL */

void community_id(char out[COMMUNITY_ID_SIZE], const struct packet *p, uint16_t seed);
