/* Conditions on the process at the guest's end of the flow. */
#include "ids/rules/op.h"

const char *process_check(const struct blob *b, const struct blob_op *op)
{
	return op->arg[2] >= PROCESS_KINDS ? "condition on processes that is unknown"
					   : number_check(b, op);
}

/* Without a flow there is no end to look for: such packets have no unknown process either. */
bool process_packet(const struct inspect *in, const struct blob_op *op)
{
	const struct rule_process *process = in->look->process;

	switch (op->arg[2]) {
	case PROCESS_UNKNOWN:
		return !process && in->flow->flow;
	case PROCESS_HIDDEN:
		return process && process->hidden;
	}
	return process && process->has_uid && number_holds(op, process->uid);
}
