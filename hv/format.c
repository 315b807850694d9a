/* printf without floating point, without a buffer of its own. Pure. */
#include <stdbool.h>
#include "hv/log.h"

struct out {
	char *text;
	size_t size, len;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->text[o->len++] = c;
}

static void put_number(struct out *o, uint64_t v, unsigned int base, bool negative, int width,
		       char fill)
{
	char digits[20];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (negative && fill == '0')
		put(o, '-');
	for (int i = n + negative; i < width; i++)
		put(o, fill);
	if (negative && fill != '0')
		put(o, '-');
	while (n)
		put(o, digits[--n]);
}

static void put_string(struct out *o, const char *s, int width)
{
	int n = 0;

	for (s = s ? s : "(null)"; *s; s++, n++)
		put(o, *s);
	for (; n < width; n++)
		put(o, ' ');
}

size_t format_line(char *text, size_t size, const char *fmt, va_list args)
{
	struct out o = {text, size, 0};

	for (; *fmt; fmt++) {
		int width = 0, longs = 0;
		char fill = ' ';
		int64_t s;

		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt++;
		if (*fmt == '-')
			fmt++; /* strings are left-aligned anyway */
		if (*fmt == '0') {
			fill = '0';
			fmt++;
		}
		for (; *fmt >= '0' && *fmt <= '9' && width < 100; fmt++)
			width = width * 10 + (*fmt - '0');
		for (; *fmt == 'l' || *fmt == 'z'; fmt++)
			longs++;
		switch (*fmt) {
		case 'd':
			s = longs ? va_arg(args, int64_t) : va_arg(args, int32_t);
			put_number(&o, s < 0 ? 0 - (uint64_t)s : (uint64_t)s, 10, s < 0, width,
				   fill);
			break;
		case 'u':
		case 'x':
			put_number(&o, longs ? va_arg(args, uint64_t) : va_arg(args, uint32_t),
				   *fmt == 'u' ? 10 : 16, false, width, fill);
			break;
		case 'p':
			put_number(&o, va_arg(args, uint64_t), 16, false, 16, '0');
			break;
		case 'c':
			put(&o, (char)va_arg(args, int));
			break;
		case 's':
			put_string(&o, va_arg(args, const char *), width);
			break;
		case '%':
			put(&o, '%');
			break;
		default: /* not one of ours: shown, so that the mistake is seen */
			put(&o, '%');
			if (!*fmt)
				fmt--;
			else
				put(&o, *fmt);
		}
	}
	if (size)
		text[o.len] = 0;
	return o.len;
}

size_t format_text(char *text, size_t size, const char *fmt, ...)
{
	va_list args;
	size_t n;

	va_start(args, fmt);
	n = format_line(text, size, fmt, args);
	va_end(args);
	return n;
}
