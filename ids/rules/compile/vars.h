/* Rule variables ($HOME_NET and the like) and what addresses and ports they stand for. Host only.
 */
#pragma once

#include "ids/rules/compile/intervals.h"
#include "ids/rules/compile/rule.h"

struct vars {
	struct {
		char *name, *value;
	} * at;
	size_t count;
};

/* Suricata's defaults: HOME_NET the private networks, EXTERNAL_NET !$HOME_NET, servers $HOME_NET,
 * HTTP_PORTS 80 and so on (the table is in vars.c). */
void vars_init(struct vars *v);
void vars_free(struct vars *v);
/* Set or replace; a leading $ of the name is taken off. */
void vars_set(struct vars *v, const char *name, const char *value);
/* NULL: unknown. */
const char *vars_get(const struct vars *v, const char *name, size_t len);

#define VARS_MAX_DEPTH 16 /* brackets and variables inside each other */

struct addresses {
	struct intervals v4, v6;
	bool negated; /* something was taken away */
};

/* Parse an address or port expression; false with p->reason set. Semantics are Suricata's: a list
 * is the union of what it names without '!', or everything (of the families that its negations
 * name) if there is nothing such, less what it names with '!'. */
bool parse_addresses(struct parse *p, const char *text, struct addresses *out);
bool parse_ports(struct parse *p, const char *text, struct intervals *out);
