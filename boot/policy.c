#include "boot/policy.h"

#include "ids/rules/blob_policy.h"

const char *policy_disagrees(const struct vigil_config *cfg, const void *rules, size_t len)
{
	struct blob_policy policy = {0};
	const char *why = NULL;

	if (!len)
		return cfg->policy_lines
			       ? "is absent, but vigil.cfg has policy: run vigilc --policy"
			       : NULL;
	why = blob_policy_seal(rules, len, &policy);
	/* Rules alone are checked by the sentry, which says what is wrong and goes on without. */
	if (why)
		return cfg->policy_lines ? why : NULL;
	if (!policy.lines && cfg->policy_lines)
		return "holds no policy, but vigil.cfg does: run vigilc --policy";
	if (policy.lines && !cfg->policy_lines)
		return "holds a policy, but vigil.cfg has none: compile it anew";
	if (policy.lines != cfg->policy_lines || policy.sum != cfg->policy_sum)
		return "holds another policy than vigil.cfg: run vigilc --policy";
	return NULL;
}
