/* What a rule's conditions ask for: where it is looked at, in which direction, and which of its
 * contents is searched for first. Host only; for the output. */
#pragma once

#include "ids/rules/compile/rule.h"

/* The BLOB_RULE_* flags that say where and in which direction, and PAYLOAD. */
uint16_t passes_flags(const struct rule *r);

/* Bits 1 << enum app_buffer of the transaction's buffers that it looks into. */
uint64_t passes_buffers(const struct rule *r);

/* The content whose octets go into the automaton, or NULL: of one that must be there, in a buffer
 * that has automata; the one that the rule names, else as Suricata chooses. */
const struct rule_op *passes_fast_content(const struct rule *r);

/* The part of a content that goes into the automaton: as the rule names it, without what transforms
 * put before the buffer; *len 0: nothing is left. */
void passes_fast_part(const struct rule_op *o, uint32_t *from, uint32_t *len);
