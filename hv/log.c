#include "hv/channel.h"
#include "hv/log.h"
#include "hv/machine.h"

#define LINE_MAX 240

void log_at(enum config_log_level level, const char *fmt, ...)
{
	char line[LINE_MAX + 2];
	va_list args;
	size_t n;

	if (level > boot_facts()->config.log_level)
		return;
	n = format_text(line, LINE_MAX, "vigil: %s",
			level == LOG_LEVEL_ERROR  ? "error: "
			: level == LOG_LEVEL_WARN ? "warning: "
						  : "");
	va_start(args, fmt);
	n += format_line(line + n, LINE_MAX - n, fmt, args);
	va_end(args);
	line[n++] = '\n';
	channel_line(line, (uint32_t)n);
}
