/* Does the rules file hold the policy that vigil.cfg states? Pure: tested on the host. */
#pragma once

#include <stddef.h>

#include "hv/config.h"

/* The rules file in memory, 8-byte aligned; `len` 0: there is none. NULL, or what is wrong: the
 * rest of a sentence about the rules file. */
const char *policy_disagrees(const struct vigil_config *cfg, const void *rules, size_t len);
