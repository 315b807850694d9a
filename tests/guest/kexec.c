/* kexec KERNEL INITRAMFS WORD: start another kernel with this one's command line and one word more.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static int opened(const char *path)
{
	int fd = open(path, O_RDONLY);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	char line[2048];

	if (argc != 4) {
		fprintf(stderr, "usage: kexec KERNEL INITRAMFS WORD\n");
		return 2;
	}
	int fd = opened("/proc/cmdline");
	ssize_t len = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (len <= 0 || (size_t)len + strlen(argv[3]) + 2 > sizeof(line)) {
		fprintf(stderr, "/proc/cmdline is empty or too long\n");
		return 1;
	}
	line[len] = 0;
	line[strcspn(line, "\n")] = 0;
	strcat(strcat(line, " "), argv[3]);
	if (syscall(SYS_kexec_file_load, opened(argv[1]), opened(argv[2]), strlen(line) + 1, line,
		    0ul)) {
		perror("kexec_file_load");
		return 1;
	}
	reboot(RB_KEXEC);
	perror("reboot");
	return 1;
}
