/* Cases for tests of the rule language: options, a payload that they match, a near miss. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/ids_world.h"

struct rule_case {
	const char *options;
	const char *hit;
	size_t hit_len;
	const char *miss;
	size_t miss_len;
};
#define CASE(options, hit, miss)                                                                   \
	{                                                                                          \
		options, hit, sizeof(hit) - 1, miss, sizeof(miss) - 1                              \
	}

struct rule_refusal {
	const char *options, *why;
};

static inline void rule_text(char *out, size_t size, const char *options)
{
	int n = snprintf(out, size, "alert udp any any -> any any (msg:\"t\"; %s sid:1;)", options);

	assert_true(n > 0 && (size_t)n < size);
}

/* Does a datagram with this payload raise a rule with these options? */
static inline bool raises(const char *options, const char *payload, size_t len)
{
	char rule[8192];
	struct world *w;
	bool hit;

	rule_text(rule, sizeof(rule), options);
	w = world_open(rule);
	world_say(w, payload, len);
	hit = world_alerts(w, 1) == 1;
	world_close(w);
	return hit;
}

static inline void check_cases(const struct rule_case *c, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!raises(c[i].options, c[i].hit, c[i].hit_len))
			fail_msg("%s does not match %s", c[i].options, c[i].hit);
		if (raises(c[i].options, c[i].miss, c[i].miss_len))
			fail_msg("%s matches %s", c[i].options, c[i].miss);
	}
}

static inline void check_refusals(const struct rule_refusal *r, size_t count)
{
	char rule[8192];

	for (size_t i = 0; i < count; i++) {
		rule_text(rule, sizeof(rule), r[i].options);
		world_refused(rule, r[i].why);
	}
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
