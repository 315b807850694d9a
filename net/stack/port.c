/* lwIP's platform: clock, random numbers, assertions; all of them from struct stack_ops. */
#include "net/stack/internal.h"

#include "lwip/sys.h"

struct stack the_stack;

u32_t sys_now(void)
{
	return the_stack.ops.now_ms(the_stack.ops.ctx);
}

uint32_t stack_random(void)
{
	return the_stack.ops.random(the_stack.ops.ctx);
}

void stack_assert_failed(const char *text)
{
	the_stack.ops.assert_failed(the_stack.ops.ctx, text);
	__builtin_trap();
}
