/* What Snort 3 writes in another way. */
#include "ids/rules/compile/keywords.h"

bool snort_option(const char *name)
{
	(void)name;
	return false;
}

bool snort_parse(struct parse *p, const char *name, char *value)
{
	(void)value;
	return refuse(p, "%s", name);
}
