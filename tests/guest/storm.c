/* storm N: N short processes, of which a third only exit, a third exec, and a third are made by
 * vfork and exec. Tells how many calls of each kind were made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's way, in a function of its own: after vfork it runs on its parent's stack. */
static void child(int kind)
{
	if (kind)
		execl("/proc/self/exe", "storm", "end", (char *)NULL);
	_exit(0);
}

static int one(int kind)
{
	int status;
	pid_t pid = kind == 2 ? vfork() : fork();

	if (pid == 0)
		child(kind);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0, execs = 0, exits = 0;

	if (argc > 1 && strcmp(argv[1], "end") == 0)
		return 0;
	for (int i = 0; i < n; i++) {
		if (!one(i % 3)) {
			perror("storm");
			return 1;
		}
		execs += i % 3 != 0;
		exits++;
	}
	printf("storm: forks %d execs %d exits %d\n", n, execs, exits);
	return 0;
}
