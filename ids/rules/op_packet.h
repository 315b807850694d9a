/* Conditions on the packet as a whole, for the table of operations. */
#pragma once

#include <stdbool.h>

struct blob;
struct blob_op;
struct inspect;

/* OP_FLOW: arg 0 a mask of what must hold. */
#define FLOW_F_TO_SERVER       0x01
#define FLOW_F_TO_CLIENT       0x02
#define FLOW_F_ESTABLISHED     0x04
#define FLOW_F_NOT_ESTABLISHED 0x08
#define FLOW_F_NO_FRAG	       0x10
#define FLOW_F_ONLY_FRAG       0x20
#define FLOW_F_ALL	       0x3fu

bool dsize_packet(const struct inspect *in, const struct blob_op *op);
bool itype_packet(const struct inspect *in, const struct blob_op *op);
bool icode_packet(const struct inspect *in, const struct blob_op *op);
bool ttl_packet(const struct inspect *in, const struct blob_op *op);
const char *flow_check(const struct blob *b, const struct blob_op *op);
bool flow_packet(const struct inspect *in, const struct blob_op *op);
