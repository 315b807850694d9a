/* Lines against records. Pure. For ids/policy. */
#pragma once

#include "ids/policy/record.h"
#include "ids/rules/blob.h"

/* A pattern of `len` octets: * is any run (slashes too), ? any octet, \ takes the next literally.
 */
bool match_glob(const char *pattern, size_t len, const char *text);

enum match_truth { MATCH_NO, MATCH_UNREAD, MATCH_YES };

/* Do all conditions of the line hold? MATCH_UNREAD: none fails, but some ask for what the guest's
 * memory did not give. */
enum match_truth match_line(const struct blob *b, const struct blob_policy_line *line,
			    const struct policy_record *r);

/* The first line that applies, NULL: none. What can't be read counts against the caller: such a
 * line applies unless it is `allow`. */
const struct blob_policy_line *match_first(const struct blob *b, const struct policy_record *r,
					   bool *unread);
