/* The parser of vigil.cfg: one table of keys, one function per kind of value. */
#include "hv/config.h"

#include <stdbool.h>
#include "hv/errno.h"
#include "hv/policy_text.h"

#define MEMBER(name) offsetof(struct vigil_config, name), sizeof(((struct vigil_config *)0)->name)

struct span {
	const char *p;
	size_t len;
};

struct choice {
	const char *word;
	uint32_t value;
};

struct key {
	const char *name;
	/* Stores the value; NULL, or why it can't be ("must be ..."). Stores nothing then. */
	const char *(*parse)(struct vigil_config *cfg, const struct key *key, struct span value);
	size_t offset, size;
	const struct choice *choices; /* for parse_choice, ended by a NULL word */
	const char *expected;	      /* what to say when no choice fits */
};

/* --- text ----------------------------------------------------------------------------------- */

static void append(struct config_error *err, size_t *len, const char *text, size_t n)
{
	for (; n && *len + 1 < sizeof(err->text); n--, text++)
		err->text[(*len)++] = *text;
	err->text[*len] = 0;
}

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

/* Record the first error only: a mistake often drags others behind it. */
static void fail(struct config_error *err, uint32_t line, struct span subject, const char *why)
{
	size_t len = 0;

	if (err->text[0])
		return;
	err->line = line;
	if (subject.len) {
		append(err, &len, subject.p, subject.len < 32 ? subject.len : 32);
		append(err, &len, " ", 1);
	}
	append(err, &len, why, length(why));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
	while (s.len && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

static bool equal(struct span s, const char *word)
{
	size_t i;

	for (i = 0; i < s.len && word[i]; i++)
		if (s.p[i] != word[i])
			return false;
	return i == s.len && !word[i];
}

/* Cut off what stands before `separator` (all, when there is none; `found` tells). */
static struct span cut(struct span *rest, char separator, bool *found)
{
	struct span head = {rest->p, 0};

	while (head.len < rest->len && rest->p[head.len] != separator)
		head.len++;
	*found = head.len < rest->len;
	rest->p += head.len + (*found ? 1 : 0);
	rest->len -= head.len + (*found ? 1 : 0);
	return head;
}

/* A number of 1 to `digits` digits, not above `max`. */
static bool number(struct span s, unsigned base, size_t digits, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;

	if (!s.len || s.len > digits)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned c = (unsigned char)s.p[i], d;

		if (c >= '0' && c <= '9')
			d = c - '0';
		else if (c >= 'a' && c <= 'f')
			d = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			d = c - 'A' + 10;
		else
			return false;
		if (d >= base)
			return false;
		v = v * base + d;
	}
	if (v > max)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool ipv4(struct span s, uint32_t *out)
{
	uint32_t addr = 0, octet;
	bool more = true;

	for (int i = 0; i < 4; i++) {
		struct span part;

		if (!more)
			return false;
		part = cut(&s, '.', &more);
		if (!number(part, 10, 3, 255, &octet))
			return false;
		addr = addr << 8 | octet;
	}
	*out = addr;
	return !more;
}

/* "a.b.c.d/n"; without "/n" only when `bare` is allowed, which then means /32. */
static bool ipv4_prefix(struct span s, bool bare, uint32_t *addr, uint8_t *prefix)
{
	bool slash;
	uint32_t n = 32;
	struct span head = cut(&s, '/', &slash);

	if (!ipv4(head, addr) || (!slash && !bare))
		return false;
	if (slash && !number(s, 10, 2, 32, &n))
		return false;
	*prefix = (uint8_t)n;
	return true;
}

static uint32_t netmask(unsigned prefix)
{
	return prefix ? ~0u << (32 - prefix) : 0;
}

/* --- kinds of values ------------------------------------------------------------------------ */

static void store(struct vigil_config *cfg, const struct key *key, uint32_t value)
{
	unsigned char *to = (unsigned char *)cfg + key->offset;

	if (key->size == 1)
		*to = (uint8_t)value;
	else if (key->size == 2)
		*(uint16_t *)(void *)to = (uint16_t)value;
	else
		*(uint32_t *)(void *)to = value;
}

static const char *parse_choice(struct vigil_config *cfg, const struct key *key, struct span value)
{
	for (const struct choice *c = key->choices; c->word; c++) {
		if (equal(value, c->word)) {
			store(cfg, key, c->value);
			return NULL;
		}
	}
	return key->expected;
}

static const char *parse_serial(struct vigil_config *cfg, const struct key *key, struct span value)
{
	struct span hex = {value.p + 2, value.len - 2};
	uint32_t port;

	if (value.len < 3 || value.p[0] != '0' || value.p[1] != 'x')
		return parse_choice(cfg, key, value);
	/* A 16550 has 8 registers, decoded at a multiple of 8. */
	if (!number(hex, 16, 4, 0xfff8, &port) || !port || port % 8)
		return "must be an I/O port that is a multiple of 8";
	store(cfg, key, port);
	return NULL;
}

/* BB:DD.F, or 0000:BB:DD.F as lspci -D prints it. */
static const char *parse_nic(struct vigil_config *cfg, const struct key *key, struct span value)
{
	uint32_t segment, bus, dev, fn;
	struct span rest = value, first, second;
	bool colon, more, dot;

	if (!parse_choice(cfg, key, value))
		return NULL;
	first = cut(&rest, ':', &colon);
	second = rest;
	(void)cut(&second, ':', &more);
	if (more) {
		if (!number(first, 16, 4, 0xffff, &segment) || segment)
			return "must be on PCI segment 0000";
		first = cut(&rest, ':', &colon);
	}
	second = cut(&rest, '.', &dot);
	if (!colon || !dot || !number(first, 16, 2, 0xff, &bus) ||
	    !number(second, 16, 2, 0x1f, &dev) || !number(rest, 16, 1, 7, &fn))
		return key->expected;
	cfg->nic = NIC_BDF;
	cfg->nic_bdf = (uint16_t)(bus << 8 | dev << 3 | fn);
	return NULL;
}

static const char *parse_address(struct vigil_config *cfg, const struct key *key, struct span value)
{
	uint32_t addr;
	uint8_t prefix;

	if (!parse_choice(cfg, key, value))
		return NULL;
	/* 0.x, 127.x and 224.0.0.0 up are no host's own address (RFC 6890, RFC 5771). */
	if (!ipv4_prefix(value, false, &addr, &prefix) || !(addr >> 24) || addr >> 24 == 127 ||
	    addr >> 24 >= 224)
		return key->expected;
	cfg->address = ADDRESS_FIXED;
	cfg->addr = addr;
	cfg->addr_prefix = prefix;
	return NULL;
}

static const char *parse_gateway(struct vigil_config *cfg, const struct key *key, struct span value)
{
	uint32_t addr = 0;

	if (!equal(value, "none") && (!ipv4(value, &addr) || !addr))
		return "must be none or an IPv4 address";
	store(cfg, key, addr);
	return NULL;
}

static const char *parse_home_net(struct vigil_config *cfg, const struct key *key,
				  struct span value)
{
	struct config_net nets[CONFIG_NETS_MAX] = {0};
	uint32_t n = 0;
	bool more = true;

	if (equal(value, "any")) {
		cfg->home_nets = 1;
		cfg->home_net[0] = (struct config_net){0};
		return NULL;
	}
	while (more) {
		struct span part = trim(cut(&value, ',', &more));

		if (n == CONFIG_NETS_MAX)
			return "may name at most 8 networks";
		if (!ipv4_prefix(part, true, &nets[n].addr, &nets[n].prefix))
			return key->expected;
		nets[n].addr &= netmask(nets[n].prefix);
		n++;
	}
	for (uint32_t i = 0; i < CONFIG_NETS_MAX; i++)
		cfg->home_net[i] = nets[i];
	cfg->home_nets = n;
	return NULL;
}

/* Words of `choices`, separated by blanks or commas: the bits of all of them. */
static const char *parse_bits(struct vigil_config *cfg, const struct key *key, struct span value)
{
	uint32_t bits = 0;

	while (value.len) {
		const struct choice *c = key->choices;
		struct span word = {value.p, 0};

		while (word.len < value.len && !is_blank(word.p[word.len]) &&
		       word.p[word.len] != ',')
			word.len++;
		while (c->word && !equal(word, c->word))
			c++;
		if (!c->word)
			return key->expected;
		bits |= c->value;
		value.p += word.len;
		value.len -= word.len;
		while (value.len && (is_blank(value.p[0]) || value.p[0] == ',')) {
			value.p++;
			value.len--;
		}
	}
	store(cfg, key, bits);
	return NULL;
}

static const char *parse_stats(struct vigil_config *cfg, const struct key *key, struct span value)
{
	uint32_t seconds = 0;

	if (!equal(value, "none") && (!number(value, 10, 5, 86400, &seconds) || !seconds))
		return key->expected;
	store(cfg, key, seconds);
	return NULL;
}

static const char *store_text(struct vigil_config *cfg, const struct key *key, struct span value)
{
	char *to = (char *)cfg + key->offset;

	if (value.len >= key->size)
		return "is too long";
	for (size_t i = 0; i < key->size; i++)
		to[i] = i < value.len ? value.p[i] : 0;
	return NULL;
}

/* A path from the volume's root. '/' is taken for '\', which is UEFI's separator. */
static const char *parse_path(struct vigil_config *cfg, const struct key *key, struct span value)
{
	char *to = (char *)cfg + key->offset;
	const char *why;

	if (value.p[0] != '\\' && value.p[0] != '/')
		return "must be a path that begins with \\";
	if (value.len < 2)
		return "must name a file";
	why = store_text(cfg, key, value);
	for (size_t i = 0; !why && i < value.len; i++)
		if (to[i] == '/')
			to[i] = '\\';
	return why;
}

static const char *parse_rules(struct vigil_config *cfg, const struct key *key, struct span value)
{
	const char *why = NULL;

	if (equal(value, "none")) {
		cfg->rules[0] = 0;
		cfg->rules_set = 0;
		return NULL;
	}
	why = parse_path(cfg, key, value);
	if (!why)
		cfg->rules_set = 1;
	return why;
}

/* The name goes into every event, and may be taken for a host name there. */
static const char *parse_name(struct vigil_config *cfg, const struct key *key, struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '-' || c == '_'))
			return key->expected;
	}
	return store_text(cfg, key, value);
}

/* --- keys ----------------------------------------------------------------------------------- */

static const struct choice yes_no[] = {{"yes", 1}, {"no", 0}, {0}};
static const struct choice log_levels[] = {{"error", LOG_LEVEL_ERROR},
					   {"warn", LOG_LEVEL_WARN},
					   {"info", LOG_LEVEL_INFO},
					   {"debug", LOG_LEVEL_DEBUG},
					   {0}};
static const struct choice net_fails[] = {
	{"open", NET_FAIL_OPEN}, {"closed", NET_FAIL_CLOSED}, {0}};
static const struct choice trackings[] = {
	{"off", TRACKING_OFF}, {"exact", TRACKING_EXACT}, {"lifecycle", TRACKING_LIFECYCLE}, {0}};
static const struct choice pins[] = {{"none", 0},
				     {"all", PIN_ALL},
				     {"cr0.wp", PIN_WP},
				     {"cr4.smep", PIN_SMEP},
				     {"cr4.smap", PIN_SMAP},
				     {"cr4.umip", PIN_UMIP},
				     {"efer.nxe", PIN_NXE},
				     {"lstar", PIN_LSTAR},
				     {0}};
/* The PC's customary ports. */
static const struct choice serials[] = {{"none", 0},	 {"com1", 0x3f8}, {"com2", 0x2f8},
					{"com3", 0x3e8}, {"com4", 0x2e8}, {0}};
static const struct choice nics[] = {{"none", NIC_NONE}, {"auto", NIC_AUTO}, {0}};
static const struct choice addresses[] = {{"none", ADDRESS_NONE}, {"dhcp", ADDRESS_DHCP}, {0}};

static const struct choice integrities[] = {
	{"alert", INTEGRITY_ALERT}, {"undo", INTEGRITY_UNDO}, {"freeze", INTEGRITY_FREEZE}, {0}};

static const struct key keys[] = {
	{"enable", parse_choice, MEMBER(enable), yes_no, "must be yes or no"},
	{"require", parse_choice, MEMBER(require), yes_no, "must be yes or no"},
	{"log_level", parse_choice, MEMBER(log_level), log_levels,
	 "must be error, warn, info or debug"},
	{"serial", parse_serial, MEMBER(serial), serials,
	 "must be none, com1 to com4, or a port as 0x2f8"},
	{"name", parse_name, MEMBER(name), NULL, "may hold letters, digits, '.', '-' and '_' only"},
	{"next", parse_path, MEMBER(next), NULL, NULL},
	{"next_args", store_text, MEMBER(next_args), NULL, NULL},
	{"rules", parse_rules, MEMBER(rules), NULL, NULL},
	{"nic", parse_nic, MEMBER(nic), nics, "must be auto, none or a PCI address as 00:03.0"},
	{"net_fail", parse_choice, MEMBER(net_fail), net_fails, "must be open or closed"},
	{"tracking", parse_choice, MEMBER(tracking), trackings, "must be exact, lifecycle or off"},
	{"integrity", parse_choice, MEMBER(integrity), integrities,
	 "must be alert, undo or freeze"},
	{"pin", parse_bits, MEMBER(pin), pins,
	 "must list some of cr0.wp, cr4.smep, cr4.smap, cr4.umip, efer.nxe, lstar; or be all or "
	 "none"},
	{"address", parse_address, MEMBER(address), addresses,
	 "must be none, dhcp or an IPv4 address with prefix as 10.0.0.5/24"},
	{"gateway", parse_gateway, MEMBER(gateway), NULL, NULL},
	{"home_net", parse_home_net, MEMBER(home_nets), NULL,
	 "must be any or IPv4 networks as 10.0.0.0/8, 192.168.1.0/24"},
	{"stats_interval", parse_stats, MEMBER(stats_interval), NULL,
	 "must be none or 1 to 86400 seconds"},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))
_Static_assert(KEYS <= 32, "config_parse keeps the keys seen in 32 bits");

static const struct key *find_key(struct span name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (equal(name, keys[i].name))
			return &keys[i];
	return NULL;
}

/* --- lines ---------------------------------------------------------------------------------- */

/* NULL, or what is wrong with the characters: text only, so that a wrong file is told at once. */
static const char *bad_character(struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return "control character (is this a text file?)";
		if (c >= 0x80 && line.p[0] != '#')
			return "only ASCII characters are allowed outside comments";
	}
	return NULL;
}

/* A line of policy: vigilc has compiled it; here only what the comparison needs. */
static bool policy_line(struct vigil_config *cfg, struct span line, uint32_t number_of_line,
			struct config_error *err)
{
	if (cfg->policy_lines == POLICY_LINES_MAX) {
		fail(err, number_of_line, (struct span){NULL, 0}, "more than 256 lines of policy");
		return false;
	}
	cfg->policy_lines++;
	cfg->policy_sum = policy_text_sum(cfg->policy_sum, line.p, line.len);
	return true;
}

static bool parse_line(struct vigil_config *cfg, struct span line, uint32_t number_of_line,
		       uint32_t *seen, struct config_error *err)
{
	struct span none = {NULL, 0}, name;
	const struct key *key;
	const char *why;
	bool assigned;

	line = trim(line);
	why = bad_character(line);
	if (why) {
		fail(err, number_of_line, none, why);
		return false;
	}
	if (!line.len || line.p[0] == '#')
		return true;
	if (policy_text_is(line.p, line.len))
		return policy_line(cfg, line, number_of_line, err);
	name = trim(cut(&line, '=', &assigned));
	line = trim(line);
	key = find_key(name);
	if (!key)
		why = "is not a key that Vigil knows";
	else if (!assigned)
		why = "has no '=' and value";
	else if (*seen & 1u << (key - keys))
		why = "is set twice";
	else if (!line.len && key->parse != store_text)
		why = "has no value";
	else
		why = key->parse(cfg, key, line);
	if (key)
		*seen |= 1u << (key - keys);
	if (!why)
		return true;
	/* An administrator who wrote `require`, however badly, did not mean "boot anyway". */
	if (key && equal(name, "require"))
		cfg->require = 1;
	fail(err, number_of_line, name.len ? name : (struct span){"line", 4}, why);
	return false;
}

void config_defaults(struct vigil_config *cfg)
{
	static const char name[] = "vigil", rules[] = "\\vigil\\rules.vrb";

	*cfg = (struct vigil_config){
		.enable = 1,
		.log_level = LOG_LEVEL_INFO,
		.net_fail = NET_FAIL_CLOSED,
		.nic = NIC_AUTO,
		.tracking = TRACKING_EXACT,
		.address = ADDRESS_NONE,
		.serial = 0x2f8,
		.stats_interval = 10,
		/* The private networks (RFC 1918, section 3), as Suricata's HOME_NET. */
		.home_nets = 3,
		.home_net = {{0xc0a80000, 16}, {0x0a000000, 8}, {0xac100000, 12}},
	};
	for (size_t i = 0; i < sizeof(name); i++)
		cfg->name[i] = name[i];
	for (size_t i = 0; i < sizeof(rules); i++)
		cfg->rules[i] = rules[i];
}

/* What no single line can tell. */
static bool check_whole(const struct vigil_config *cfg, struct config_error *err)
{
	struct span gateway = {"gateway", 7};

	if (cfg->gateway && cfg->address != ADDRESS_FIXED) {
		fail(err, 0, gateway, "needs a fixed address");
		return false;
	}
	if (cfg->gateway && (cfg->gateway ^ cfg->addr) & netmask(cfg->addr_prefix)) {
		fail(err, 0, gateway, "is not in the network of address");
		return false;
	}
	return true;
}

int config_parse(struct vigil_config *cfg, const char *text, size_t len, struct config_error *err)
{
	struct span rest = {text, len}, none = {NULL, 0};
	uint32_t seen = 0, line_number = 0;
	bool good = true, more = true;

	*err = (struct config_error){0};
	if (len > CONFIG_FILE_MAX) {
		fail(err, 0, none, "the file is longer than 16384 bytes");
		return -EINVAL;
	}
	/* UTF-8 byte order mark, which Windows' editors write (Unicode 15, 23.8). */
	if (len >= 3 && text[0] == '\xef' && text[1] == '\xbb' && text[2] == '\xbf') {
		rest.p += 3;
		rest.len -= 3;
	}
	while (more) {
		struct span line = cut(&rest, '\n', &more);

		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		if (!parse_line(cfg, line, ++line_number, &seen, err))
			good = false;
	}
	if (good)
		good = check_whole(cfg, err);
	return good ? 0 : -EINVAL;
}
