/* memexec FILE ARGUMENT...: runs a program from memory: its file has no name in any folder. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
	int from = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	int memory = memfd_create("nothing", MFD_CLOEXEC);
	struct stat info;

	if (from < 0 || memory < 0 || fstat(from, &info)) {
		fputs("usage: memexec FILE ARGUMENT...\n", stderr);
		return 64;
	}
	for (off_t done = 0; done < info.st_size;)
		if (sendfile(memory, from, &done, (size_t)(info.st_size - done)) <= 0)
			return 1;
	printf("memexec: pid %d\n", getpid());
	fflush(stdout);
	fexecve(memory, argv + 1, environ);
	return 1;
}
