/* What the operations that remember are given, for the compiler and op_state.c. All numbers are
 * part of the blob format: append only. */
#pragma once

/* OP_BITS_TEST (a condition) and OP_BITS_SET (an effect): arg 0 enum bits_scope, 1 enum
 * bits_command, 2 offset within the strings of arg 3 names (32-bit numbers), arg 4 the seconds that
 * a bit holds (of hosts and pairs). */
enum bits_scope { SCOPE_FLOW, SCOPE_SRC, SCOPE_DST, SCOPE_PAIR, SCOPES };
enum bits_command { BITS_ISSET, BITS_ISNOTSET, BITS_SET, BITS_UNSET, BITS_TOGGLE, BITS_COMMANDS };
#define BITS_MAX_NAMES 64 /* in one list */

/* OP_FLOWINT: arg 0 the counter's name, 1 enum flowint_command, 2 the value; FLOWINT_F_NAME: the
 * name of a counter that has it. */
enum flowint_command {
	FLOWINT_SET,
	FLOWINT_ADD,
	FLOWINT_SUB,
	FLOWINT_EQ,
	FLOWINT_NE,
	FLOWINT_LT,
	FLOWINT_LE,
	FLOWINT_GT,
	FLOWINT_GE,
	FLOWINT_ISSET,
	FLOWINT_NOTSET,
	FLOWINT_COMMANDS
};
#define FLOWINT_F_NAME 0x0001

/* OP_THRESHOLD: arg 0 enum threshold_type, 1 enum threshold_track, 2 count, 3 seconds. */
enum threshold_type {
	THRESHOLD_LIMIT,
	THRESHOLD_THRESHOLD,
	THRESHOLD_BOTH,
	THRESHOLD_FILTER, /* detection_filter */
	THRESHOLD_TYPES
};
enum threshold_track { TRACK_SRC, TRACK_DST, TRACK_BOTH, TRACK_RULE, TRACK_FLOW, TRACKS };

/* OP_TAG: arg 0 enum bits_scope (flow, source, destination), 1 enum tag_metric, 2 how many. */
enum tag_metric { TAG_PACKETS, TAG_SECONDS, TAG_BYTES, TAG_METRICS };
