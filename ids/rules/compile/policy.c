/* Policy lines of a configuration: action, gate, conditions.
 *
 *   deny GATE [errno=NAME] [field=value,...] ...     alert, allow: likewise without errno
 *   trace all | field=value ...                      watch GATE, off GATE
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ids/policy/gate.h"
#include "ids/rules/compile/policy.h"

struct line {
	struct blob_policy_line head;
	struct blob_policy_cond cond[BLOB_POLICY_CONDS];
	struct bytes value;
	uint32_t seen; /* fields, FIELD_BIT */
};

/* The next word; blanks inside of quotes belong to it. NULL: no more. */
static char *next_word(char **at)
{
	char *start, *c;
	bool quoted = false;

	while (**at == ' ' || **at == '\t')
		++*at;
	start = c = *at;
	for (; *c && (quoted || (*c != ' ' && *c != '\t')); c++)
		quoted ^= *c == '"';
	*at = *c ? c + 1 : c;
	*c = '\0';
	return *start ? start : NULL;
}

static bool find_gate(struct policy_parse *p, const char *word, unsigned *gate)
{
	if (!word)
		return policy_refuse(p, "no gate is named");
	for (*gate = 0; *gate < GATES; ++*gate)
		if (strcmp(word, policy_gates[*gate].name) == 0 && *gate != GATE_SYSCALL)
			return true;
	return policy_refuse(p, "%s is not a gate", word);
}

static bool set_errno(struct policy_parse *p, struct line *l, const char *word)
{
	uint64_t value;

	if (l->head.action != POLICY_DENY)
		return policy_refuse(p, "errno is for deny only");
	for (const struct policy_name *n = policy_errnos; n->name; n++)
		if (strcmp(n->name, word) == 0) {
			l->head.err = (uint16_t)n->value;
			return true;
		}
	if (!parse_u64(word, POLICY_ERRNO_MAX, &value) || !value)
		return policy_refuse(p, "errno: %s is not a known name or a number up to %d", word,
				     POLICY_ERRNO_MAX);
	l->head.err = (uint16_t)value;
	return true;
}

static bool find_field(struct policy_parse *p, const struct line *l, const char *word, unsigned *f)
{
	for (*f = 0; *f < FIELDS; ++*f)
		if (strcmp(word, policy_fields[*f].name) == 0)
			break;
	if (*f == FIELDS)
		return policy_refuse(p, "%s is not a condition", word);
	for (unsigned g = 0; g < GATES; g++)
		if (l->head.gates & GATE_BIT(g) &&
		    !((policy_gates[g].fields | FIELDS_CALLER) & FIELD_BIT(*f)))
			return policy_refuse(p, "%s has no %s", policy_gates[g].name, word);
	return true;
}

static bool condition(struct policy_parse *p, struct line *l, char *word)
{
	char *equals = strchr(word, '=');
	struct blob_policy_cond *c;
	uint32_t values;
	unsigned field;

	if (!equals)
		return policy_refuse(p, "%s is not a condition (field=value)", word);
	*equals++ = '\0';
	if (strcmp(word, "errno") == 0)
		return set_errno(p, l, equals);
	if (!find_field(p, l, word, &field))
		return false;
	if (l->seen & FIELD_BIT(field))
		return policy_refuse(p, "%s is given twice", word);
	l->seen |= FIELD_BIT(field);
	if (l->head.conds == BLOB_POLICY_CONDS)
		return policy_refuse(p, "more than %d conditions", BLOB_POLICY_CONDS);
	c = &l->cond[l->head.conds++];
	*c = (struct blob_policy_cond){
		.field = (uint8_t)field,
		.negated = *equals == '!',
		.value_first = (uint32_t)(l->value.len / sizeof(union blob_policy_value)),
	};
	if (!policy_values(p, field, equals + c->negated, &l->value, &values))
		return false;
	c->values = (uint16_t)values;
	return true;
}

static bool conditions(struct policy_parse *p, struct line *l, char *rest)
{
	for (char *word; (word = next_word(&rest));)
		if (!condition(p, l, word))
			return false;
	return true;
}

static bool trace(struct policy_parse *p, struct line *l, char *rest)
{
	char *word = next_word(&rest);

	l->head.action = POLICY_TRACE;
	l->head.gates = GATE_BIT(GATE_SYSCALL);
	if (!word)
		return policy_refuse(p, "trace needs a condition, or all");
	if (strcmp(word, "all") == 0)
		return conditions(p, l, rest);
	return condition(p, l, word) && conditions(p, l, rest);
}

/* `watch` and `off`: no condition. */
static bool defaults(struct policy_parse *p, uint64_t *set, uint64_t *other, char *rest)
{
	char *word = next_word(&rest);
	uint64_t mask = GATES_ALL & ~GATE_BIT(GATE_SYSCALL);
	unsigned gate;

	if (!word || strcmp(word, "all") != 0) {
		if (!find_gate(p, word, &gate))
			return false;
		mask = policy_gate_mask(gate);
	}
	word = next_word(&rest);
	if (word)
		return policy_refuse(p, "%s: no conditions here (use alert or allow)", word);
	*set |= mask;
	*other &= ~mask; /* the later line holds */
	return true;
}

/* deny, alert, allow. */
static bool decision(struct policy_parse *p, struct line *l, enum policy_action action, char *rest)
{
	unsigned gate;

	if (!find_gate(p, next_word(&rest), &gate))
		return false;
	l->head.action = (uint8_t)action;
	l->head.gates = policy_gate_mask(gate);
	if (action == POLICY_DENY && !policy_gates[gate].err)
		return policy_refuse(p, "%s can be told, but not denied", policy_gates[gate].name);
	if (!conditions(p, l, rest))
		return false;
	if (action == POLICY_DENY && !l->head.err)
		l->head.err = policy_gates[gate].err;
	return true;
}

static void keep(struct output *o, struct line *l, const char *text, size_t len)
{
	struct bytes *s = o->section;
	uint32_t base = (uint32_t)(s[BLOB_POLICY_OPERANDS].len / sizeof(union blob_policy_value));

	if (len > BLOB_POLICY_TEXT)
		len = BLOB_POLICY_TEXT;
	l->head.text.offset = (uint32_t)bytes_add(&s[BLOB_STRINGS], text, len);
	l->head.text.size = (uint32_t)len;
	l->head.cond_first =
		(uint32_t)(s[BLOB_POLICY_CONDITIONS].len / sizeof(struct blob_policy_cond));
	for (unsigned i = 0; i < l->head.conds; i++) {
		l->cond[i].value_first += base;
		bytes_add(&s[BLOB_POLICY_CONDITIONS], &l->cond[i], sizeof(l->cond[i]));
	}
	bytes_add(&s[BLOB_POLICY_OPERANDS], l->value.at, l->value.len);
	bytes_add(&s[BLOB_POLICY_LINES], &l->head, sizeof(l->head));
}

/* One line, trimmed; `copy` is it once more, to be taken apart. */
static bool one_line(struct policy_parse *p, struct blob_policy *head, uint32_t number,
		     const char *text, char *copy)
{
	struct line l = {.head = {.line = number}};
	char *rest = copy, *word = next_word(&rest);
	bool ok, kept = true;

	if (strcmp(word, "deny") == 0)
		ok = decision(p, &l, POLICY_DENY, rest);
	else if (strcmp(word, "alert") == 0)
		ok = decision(p, &l, POLICY_ALERT, rest);
	else if (strcmp(word, "allow") == 0)
		ok = decision(p, &l, POLICY_ALLOW, rest);
	else if (strcmp(word, "trace") == 0)
		ok = trace(p, &l, rest);
	else {
		kept = false;
		ok = strcmp(word, "watch") == 0 ? defaults(p, &head->watch, &head->off, rest)
						: defaults(p, &head->off, &head->watch, rest);
	}
	if (ok && kept)
		keep(p->out, &l, text, strlen(text));
	free(l.value.at);
	return ok;
}

/* NULL, or what the loader would refuse in it (hv/config.c, bad_character). */
static const char *bad_text(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] >= 0x7f ||
		    ((unsigned char)line[i] < ' ' && line[i] != '\t'))
			return "only printable ASCII characters are allowed";
	return NULL;
}

uint32_t policy_compile(struct output *o, const char *file, const char *text, size_t len,
			uint32_t *taken, compile_refused refused, void *ctx)
{
	struct policy_parse p = {.out = o};
	struct blob_policy head = {0};
	uint32_t bad = 0, number = 0;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* as the loader does */
		text += 3;
		len -= 3;
	}
	for (size_t at = 0; at < len;) {
		const char *line = text + at, *newline = memchr(line, '\n', len - at);
		size_t n = newline ? (size_t)(newline - line) : len - at;
		char *exact, *copy;
		bool ok = true;

		at += n + 1;
		number++;
		n -= n && line[n - 1] == '\r';
		for (; n && (*line == ' ' || *line == '\t'); n--)
			line++;
		while (n && (line[n - 1] == ' ' || line[n - 1] == '\t'))
			n--;
		if (!policy_text_is(line, n))
			continue;
		head.sum = policy_text_sum(head.sum, line, n);
		exact = copy_text(line, n);
		copy = copy_text(line, n);
		if (bad_text(line, n))
			ok = policy_refuse(&p, "%s", bad_text(line, n));
		else if (++head.lines > POLICY_LINES_MAX)
			ok = policy_refuse(&p, "more than %d lines of policy", POLICY_LINES_MAX);
		else
			ok = one_line(&p, &head, number, exact, copy);
		if (!ok) {
			bad++;
			refused(ctx, file, number, 0, p.reason);
		}
		free(exact);
		free(copy);
	}
	*taken = head.lines - bad;
	if (head.lines)
		bytes_add(&o->section[BLOB_POLICY], &head, sizeof(head));
	return bad;
}
