/* Names of the basic exit reasons. */
#include "arch/x86/vmx/exit_reason.h"

#define NAME(constant, number, name) [constant] = name,
static const char *const names[EXIT_REASONS] = {EXIT_REASON_LIST(NAME)};

const char *exit_reason_name(uint32_t reason)
{
	uint32_t basic = reason & 0xffff;

	if (basic >= EXIT_REASONS || !names[basic])
		return "unknown";
	return names[basic];
}
