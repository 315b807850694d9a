/* A rule's header: protocol class, addresses, ports. Pure; for the matcher. */
#pragma once

#include <stdbool.h>

#include "ids/packet/packet.h"
#include "ids/rules/blob.h"

enum blob_class header_class(const struct packet *p);

/* Do the packet's addresses, ports and protocol fit the rule, in either way if it says so? */
bool header_match(const struct blob *b, const struct blob_rule *r, const struct packet *p);
