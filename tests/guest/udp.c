/* udp: the UDP half that busybox' nc lacks.
 *
 *   udp send HOST PORT TEXT [COUNT]   send COUNT (1) datagrams
 *   udp wait PORT TEXT SECONDS        status 0 once a datagram that holds TEXT came
 *   udp show PORT                     print every datagram, a line each, for ever */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static int open_port(const char *text)
{
	struct sockaddr_in here = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)strtoul(text, NULL, 10))};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here))) {
		perror("udp");
		exit(1);
	}
	return fd;
}

static int send_text(char **argv, long count)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10))};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || inet_pton(AF_INET, argv[0], &to.sin_addr) != 1)
		return 1;
	for (long i = 0; i < count; i++)
		if (sendto(fd, argv[2], strlen(argv[2]), 0, (struct sockaddr *)&to, sizeof(to)) <
		    0) {
			perror("udp: send");
			return 1;
		}
	return 0;
}

static int wait_text(char **argv)
{
	int fd = open_port(argv[0]);
	time_t until = time(NULL) + strtol(argv[2], NULL, 10);
	char data[2048];

	while (time(NULL) < until) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (poll(&wait, 1, 500) != 1 || (got = recv(fd, data, sizeof(data), 0)) < 0)
			continue;
		if (memmem(data, (size_t)got, argv[1], strlen(argv[1])))
			return 0;
	}
	return 1;
}

static int show(char **argv)
{
	int fd = open_port(argv[0]);
	char data[2048];

	for (;;) {
		ssize_t got = recv(fd, data, sizeof(data), 0);

		if (got < 0)
			return 1;
		fwrite(data, 1, (size_t)got, stdout);
		putchar('\n');
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	if (argc >= 5 && strcmp(argv[1], "send") == 0)
		return send_text(argv + 2, argc > 5 ? strtol(argv[5], NULL, 10) : 1);
	if (argc == 5 && strcmp(argv[1], "wait") == 0)
		return wait_text(argv + 2);
	if (argc == 3 && strcmp(argv[1], "show") == 0)
		return show(argv + 2);
	fputs("usage: udp send HOST PORT TEXT [COUNT] | udp wait PORT TEXT SECONDS | udp show "
	      "PORT\n",
	      stderr);
	return 64;
}
