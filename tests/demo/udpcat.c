/* udpcat PORT: print every UDP datagram that comes to PORT, a line each. For the demo's guest,
 * whose busybox has no such program. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_in here = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char *end = NULL;
	unsigned long port = argc == 2 ? strtoul(argv[1], &end, 10) : 0;

	if (!port || port > UINT16_MAX || !end || *end) {
		fputs("usage: udpcat PORT\n", stderr);
		return 64;
	}
	here.sin_port = htons((uint16_t)port);
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0) {
		perror("udpcat");
		return 1;
	}
	for (;;) {
		char data[2048];
		ssize_t got = recv(fd, data, sizeof(data), 0);

		if (got < 0) {
			perror("udpcat");
			return 1;
		}
		printf("%zd bytes: ", got);
		fwrite(data, 1, (size_t)got, stdout);
		putchar('\n');
		fflush(stdout);
	}
}
