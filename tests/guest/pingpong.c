/* pingpong N: two processes exchange a byte over two pipes, N round trips on one CPU.
 *
 * Each round trip is two address-space switches, since both are pinned to the same CPU and each
 * waits for the other. Prints the context switches that Linux counted. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		perror("pingpong: sched_setaffinity");
}

static int echo(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1)
		if (write(to, &byte, 1) != 1)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	long rounds = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	int there[2], back[2], status;
	struct rusage use;
	char byte = 'v';
	pid_t child;

	if (rounds <= 0) {
		fputs("usage: pingpong N\n", stderr);
		return 64;
	}
	pin();
	if (pipe(there) || pipe(back) || (child = fork()) < 0) {
		perror("pingpong");
		return 1;
	}
	if (child == 0) {
		close(there[1]);
		close(back[0]);
		_exit(echo(there[0], back[1]));
	}
	close(there[0]);
	close(back[1]);
	for (long i = 0; i < rounds; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) {
			perror("pingpong");
			return 1;
		}
	getrusage(RUSAGE_SELF, &use);
	close(there[1]);
	if (waitpid(child, &status, 0) < 0 || status)
		return 1;
	printf("pingpong: %ld round trips, %ld voluntary switches\n", rounds, use.ru_nvcsw);
	return 0;
}
