/* inject ptrace | mem | vm: writes a word into the code or stack of a child that runs another
 * program, by ptrace(), by /proc/PID/mem, or by process_vm_writev(); the word is what was there. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <signal.h>

static int by_ptrace(pid_t pid)
{
	struct user_regs_struct regs;
	long word;
	int status;

	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid ||
	    ptrace(PTRACE_GETREGS, pid, NULL, &regs))
		return -1;
	word = ptrace(PTRACE_PEEKTEXT, pid, regs.rip, NULL);
	if (ptrace(PTRACE_POKETEXT, pid, regs.rip, word))
		return -1;
	return (int)ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

/* Where its stack is, from /proc/PID/stat: number 28, startstack. */
static unsigned long stack_of(pid_t pid)
{
	char path[32], text[1024];
	unsigned long at = 0;
	const char *field;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fgets(text, sizeof(text), file) && (field = strrchr(text, ')'))) {
		for (int i = 2; i < 28 && field; i++)
			field = strchr(field + 1, ' ');
		if (!field || sscanf(field, "%lu", &at) != 1)
			at = 0;
	}
	fclose(file);
	return at & ~7ul;
}

static int by_mem(pid_t pid)
{
	unsigned long at = stack_of(pid), word;
	char path[32];
	int fd, err;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	if (fd < 0 || !at)
		return -1;
	err = pread(fd, &word, sizeof(word), (off_t)at) != sizeof(word) ||
	      pwrite(fd, &word, sizeof(word), (off_t)at) != sizeof(word);
	close(fd);
	return -err;
}

static int by_vm(pid_t pid)
{
	unsigned long word;
	struct iovec own = {&word, sizeof(word)}, other = {(void *)stack_of(pid), sizeof(word)};

	if (process_vm_readv(pid, &own, 1, &other, 1, 0) != sizeof(word) ||
	    process_vm_writev(pid, &own, 1, &other, 1, 0) != sizeof(word))
		return -1;
	return 0;
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";
	pid_t pid;
	int err;

	pid = fork();
	if (pid == 0) {
		execl("/bin/sleep", "sleep", "1000", (char *)NULL);
		_exit(1);
	}
	sleep(1); /* it is the other program then */
	if (!strcmp(way, "ptrace"))
		err = by_ptrace(pid);
	else if (!strcmp(way, "mem"))
		err = by_mem(pid);
	else
		err = by_vm(pid);
	printf("inject: pid %d into %d by %s: %s\n", getpid(), pid, way, err ? "failed" : "done");
	fflush(stdout);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return err ? 1 : 0;
}
