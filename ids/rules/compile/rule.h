/* A rule while it is being compiled. Host only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/rules/blob.h"
#include "ids/rules/compile/compile.h"
#include "ids/rules/op.h"

#define RULE_MAX_META 64

/* What transforms have made of the buffer that a condition looks into, as far as it concerns the
 * automaton, which sees the buffer as it was. */
struct rule_transform {
	bool any;
	bool opaque;  /* another text; otherwise the same but for its case and the dots */
	uint8_t dots; /* put before it */
};

/* One condition: the blob's record, and what of it is not settled before the whole rule is read. */
struct rule_op {
	struct blob_op op;
	uint8_t *bytes; /* content, pattern or argument as written, names of bits */
	uint32_t len;	/* octets of it */
	bool offset, depth, distance, within, starts; /* given for this content */
	bool relative; /* to the content or pcre before it, which finds another place if this fails
			*/
	bool written;  /* by the output */
	bool fast;     /* chosen by fast_pattern */
	uint16_t fast_from, fast_len; /* part of it for the automaton; 0: all */
	uint32_t depth_value;
	/* Which of several uses of op.buffer, where each stands for a buffer of its own
	 * (APP_BUFFER_MANY, transforms); else 0. Conditions with the same buffer and instance are
	 * a group. */
	uint8_t instance;
	struct rule_transform transform;
};

struct rule {
	enum blob_action action;
	uint8_t classes, ip_version;
	bool packets_only; /* tcp-pkt, dsize, flow:no_stream: looks at packets, not at streams */
	bool stream_only;  /* tcp-stream, flow:only_stream: the other way round */
	bool transactions; /* has a condition on transactions that is not one on a buffer */
	bool to_server, to_client; /* says that it is about this direction alone */
	uint8_t protos;		   /* bits 1 << enum app_proto; 0: any */
	uint8_t reject;		   /* BLOB_REJECT_* */
	uint8_t buffer, instance;  /* what contents look into: set by sticky buffers */
	uint8_t instances;	   /* given so far */
	bool both_ways, noalert, negated_address;
	bool has_sid, has_priority;
	uint32_t sid, gid, rev;
	uint8_t priority;
	char *src, *sport, *dst, *dport; /* expressions as written */
	char *msg;
	const struct classtype *class;
	struct rule_op op[BLOB_MAX_OPS];
	size_t op_count;
	struct {
		char *key, *value;
	} meta[RULE_MAX_META];
	size_t meta_count;
	char *var[INSPECT_VARS]; /* set by byte_extract and byte_math */
	size_t var_count;
	struct rule_transform transform; /* for what follows; a sticky buffer ends it */
};

/* A rule's text at work. */
struct parse {
	const struct vars *vars;
	struct names *names; /* of bits and counters; lives as long as the compiler */
	enum dialect dialect;
	struct rule *rule;
	char reason[256]; /* why it is refused */
	bool skip;	  /* not refused, but not for us: it requires something we are not */
};

/* Note why; always false, so that callers can return it. */
__attribute__((format(printf, 2, 3))) bool refuse(struct parse *p, const char *format, ...);

/* Parse one rule (no comment, no line break) into p->rule, which is zeroed before. False: refused,
 * p->reason says why; sid is set if it was met. Call rule_free in both cases. */
bool rule_parse(struct parse *p, const char *text);
void rule_free(struct rule *r);

/* A new condition of `kind`, NULL (refused) if there are too many. */
struct rule_op *rule_add_op(struct parse *p, enum op_kind kind);
/* Do both look into the same buffer, as part of one group? */
bool rule_same_group(const struct rule_op *a, const struct rule_op *b);
/* What follows begins a group of its own; false (refused): there are too many. */
bool rule_new_group(struct parse *p);
/* Is there a condition of `kind`? */
bool rule_has_op(const struct rule *r, enum op_kind kind);
/* The buffer that conditions look into from here on; false (refused): not one of this rule's
 * protocols. */
bool rule_set_buffer(struct parse *p, enum app_buffer buffer);
/* The rule speaks about flows of this protocol; false (refused): it speaks about others. */
bool rule_set_proto(struct parse *p, const char *keyword, enum app_proto proto);
/* The content that a modifier speaks about, NULL (refused) if there is none. */
struct rule_op *rule_last_content(struct parse *p, const char *keyword);

/* The condition is relative. Without a sticky buffer it looks where the one before it looks. */
void rule_set_relative(struct parse *p, struct rule_op *o);

/* Does a number's place hold a variable's name? */
bool rule_is_name(const char *text);
/* Index of a variable that a condition before this one sets; -1 (refused): none does. */
int rule_variable(struct parse *p, const char *keyword, const char *name);
/* Index of a variable to be set; -1 (refused): bad name, or too many. */
int rule_new_variable(struct parse *p, const char *keyword, const char *name);

/* What a classtype means. */
struct classtype {
	const char *name, *description;
	uint8_t priority;
};
/* NULL: unknown. */
const struct classtype *classtype_find(const char *name);
