/* Print the time stamp counter in decimal: on the Bochs models whose TSC counts retired
 * instructions this is how the lab knows what a boot cost. Static, without libc: it starts in a few
 * pages. */

static long sys_write(int fd, const void *buf, unsigned long len)
{
	long ret;

	/* Linux x86-64 system call 1, write. */
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(1L), "D"((long)fd), "S"(buf), "d"(len)
			 : "rcx", "r11", "memory");
	return ret;
}

static _Noreturn void sys_exit(int status)
{
	for (;;) /* Linux x86-64 system call 60, exit, does not return */
		__asm__ volatile("syscall"
				 :
				 : "a"(60L), "D"((long)status)
				 : "rcx", "r11", "memory");
}

_Noreturn void _start(void);

_Noreturn void _start(void)
{
	char text[21]; /* 2^64 has 20 digits */
	unsigned int lo, hi, at = sizeof(text);
	unsigned long tsc;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	tsc = (unsigned long)hi << 32 | lo;
	text[--at] = '\n';
	do {
		text[--at] = (char)('0' + tsc % 10);
		tsc /= 10;
	} while (tsc);
	sys_exit(sys_write(1, text + at, sizeof(text) - at) < 0);
}
