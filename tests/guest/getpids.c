/* getpids N: N system calls that do next to nothing (libc's getpid could remember its answer). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long calls = argc == 2 ? strtol(argv[1], NULL, 10) : 0, good = 0;
	long self = getpid();

	if (calls <= 0) {
		fputs("usage: getpids N\n", stderr);
		return 64;
	}
	for (long i = 0; i < calls; i++)
		good += syscall(SYS_getpid) == self;
	printf("getpids: %ld of %ld\n", good, calls);
	return good == calls ? 0 : 1;
}
