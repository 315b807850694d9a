/* The end of a guest: a fault that can't be delivered, three levels deep. */
#include "tests/machine/machine.h"

void test_main(void)
{
	static const struct desc_ptr none = {0, 0};

	note("falling");
	__asm__ volatile("lidt %0\n\tint3" : : "m"(none));
	check(false, "triple-fault", "the CPU goes on");
}
