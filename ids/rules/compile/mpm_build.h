/* Build the multi-pattern automaton that ids/rules/mpm.c runs. Host only. */
#pragma once

#include "ids/rules/blob.h"
#include "ids/rules/compile/text.h"

struct mpm_pattern {
	uint8_t text[BLOB_MAX_PATTERN]; /* lower case */
	uint32_t len;			/* at least 1; patterns differ from each other */
	uint32_t number;		/* under which it is reported */
};

/* Append one automaton to the three sections. */
void mpm_build(const struct mpm_pattern *patterns, uint32_t count, struct bytes *root,
	       struct bytes *states, struct bytes *edges);
