#include "hv/policy_text.h"

static const char *const actions[] = {"deny", "alert", "allow", "trace", "watch", "off"};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool begins_with(const char *line, size_t len, const char *word)
{
	size_t i = 0;

	for (; word[i]; i++)
		if (i == len || line[i] != word[i])
			return false;
	return i == len || is_blank(line[i]);
}

bool policy_text_is(const char *line, size_t len)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (begins_with(line, len, actions[i]))
			return true;
	return false;
}

/* One octet more; bit by bit, as there are few of them. */
static uint32_t add(uint32_t crc, char c)
{
	crc ^= (uint8_t)c;
	for (int bit = 0; bit < 8; bit++)
		crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	return crc;
}

uint32_t policy_text_sum(uint32_t sum, const char *line, size_t len)
{
	bool quoted = false, gap = false;
	uint32_t crc = ~sum;

	for (size_t i = 0; i < len; i++) {
		if (!quoted && is_blank(line[i])) {
			gap = true;
			continue;
		}
		if (gap)
			crc = add(crc, ' ');
		gap = false;
		if (line[i] == '"')
			quoted = !quoted;
		crc = add(crc, line[i]);
	}
	return ~add(crc, '\n');
}
