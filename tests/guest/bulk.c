/* bulk: 10 MB and the like over TCP or UDP, with every byte checked. The same program on both
 * sides.
 *
 *   bulk send tcp|udp HOST PORT BYTES      bulk recv tcp|udp PORT BYTES
 *
 * The receiver listens and knows what must come: byte i is a function of i. UDP datagrams are
 * numbered, and sent again from the first that is missing (go-back-N): the receiver answers each
 * with the number it waits for, so that the test is of the path and not of its losses. The sender
 * tells how many it had to send again. Status 0: all bytes came, in order, unchanged. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAYLOAD	      1400 /* bytes of data in a datagram, behind its 8-byte number */
#define WINDOW	      48   /* datagrams under way; the guest's queue has 256 */
#define RESEND_MS     300
#define GIVE_UP	      200 /* times RESEND_MS without any progress */
#define CONNECT_TRIES 60

/* Byte i of the stream: no period that a lost or doubled page or frame could hide in. */
static uint8_t byte_at(uint64_t i)
{
	uint64_t x = (i >> 3) * 0x9e3779b97f4a7c15ull;

	x ^= x >> 29;
	return (uint8_t)(x >> (8 * (i & 7)));
}

static void fill(uint8_t *out, uint64_t at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = byte_at(at + i);
}

static bool same(const uint8_t *in, uint64_t at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (in[i] != byte_at(at + i)) {
			fprintf(stderr, "bulk: byte %llu is %02x, not %02x\n",
				(unsigned long long)(at + i), in[i], byte_at(at + i));
			return false;
		}
	return true;
}

static int fail(const char *what)
{
	fprintf(stderr, "bulk: %s: %s\n", what, strerror(errno));
	return 1;
}

static int send_tcp(const struct sockaddr_in *to, uint64_t bytes)
{
	static uint8_t data[32768];
	uint64_t at = 0;
	char answer = 0;
	int fd = -1;

	for (int i = 0; i < CONNECT_TRIES && fd < 0; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
			break;
		close(fd);
		fd = -1;
		usleep(500000);
	}
	if (fd < 0)
		return fail("connect");
	while (at < bytes) {
		size_t len = bytes - at < sizeof(data) ? (size_t)(bytes - at) : sizeof(data);

		fill(data, at, len);
		for (size_t done = 0; done < len;) {
			ssize_t put = send(fd, data + done, len - done, MSG_NOSIGNAL);

			if (put < 0)
				return fail("send");
			done += (size_t)put;
		}
		at += len;
	}
	shutdown(fd, SHUT_WR);
	if (recv(fd, &answer, 1, 0) != 1 || answer != 'k') {
		fputs("bulk: the other side did not get it all\n", stderr);
		return 1;
	}
	printf("bulk: sent %llu bytes by TCP\n", (unsigned long long)at);
	return 0;
}

static int recv_tcp(int listener, uint64_t bytes)
{
	static uint8_t data[32768];
	uint64_t at = 0;
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return fail("accept");
	for (;;) {
		ssize_t got = recv(fd, data, sizeof(data), 0);

		if (got < 0)
			return fail("recv");
		if (got == 0)
			break;
		if (!same(data, at, (size_t)got))
			return 1;
		at += (uint64_t)got;
	}
	if (at != bytes) {
		fprintf(stderr, "bulk: %llu of %llu bytes\n", (unsigned long long)at,
			(unsigned long long)bytes);
		return 1;
	}
	printf("bulk: received %llu bytes by TCP\n", (unsigned long long)at);
	return send(fd, "k", 1, MSG_NOSIGNAL) == 1 ? 0 : fail("send");
}

static int send_datagram(int fd, uint64_t number, uint64_t bytes)
{
	uint8_t data[8 + PAYLOAD];
	uint64_t at = number * PAYLOAD;
	size_t len = bytes - at < PAYLOAD ? (size_t)(bytes - at) : PAYLOAD;

	memcpy(data, &number, 8);
	fill(data + 8, at, len);
	/* Refused: the other side does not listen yet. */
	if (send(fd, data, 8 + len, 0) < 0 && errno != ECONNREFUSED && errno != ENOBUFS)
		return fail("send");
	return 0;
}

static int send_udp(const struct sockaddr_in *to, uint64_t bytes)
{
	uint64_t count = (bytes + PAYLOAD - 1) / PAYLOAD, next = 0, acked = 0, again = 0;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), idle = 0;

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		return fail("socket");
	while (acked < count) {
		while (next < count && next < acked + WINDOW)
			if (send_datagram(fd, next++, bytes))
				return 1;
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		uint64_t number;

		if (poll(&wait, 1, RESEND_MS) == 0) {
			again += next - acked;
			next = acked;
			if (++idle > GIVE_UP) {
				fprintf(stderr, "bulk: no answer after datagram %llu of %llu\n",
					(unsigned long long)acked, (unsigned long long)count);
				return 1;
			}
		} else if (recv(fd, &number, 8, 0) == 8 && number > acked && number <= next) {
			acked = number;
			idle = 0;
		}
	}
	printf("bulk: sent %llu bytes by UDP, %llu datagrams again\n", (unsigned long long)bytes,
	       (unsigned long long)again);
	return 0;
}

static int recv_udp(int fd, uint64_t bytes)
{
	uint64_t count = (bytes + PAYLOAD - 1) / PAYLOAD, wanted = 0;
	int after = 0; /* once all is there, answer a little longer: the last answer may get lost */

	while (wanted < count || after < 3) {
		uint8_t data[8 + PAYLOAD + 1];
		struct sockaddr_in from;
		socklen_t fromlen = sizeof(from);
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		uint64_t number;

		if (poll(&wait, 1, wanted < count ? GIVE_UP * RESEND_MS : RESEND_MS) == 0) {
			if (wanted < count)
				break;
			after++;
			continue;
		}
		ssize_t got =
			recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &fromlen);
		if (got < 8)
			continue;
		memcpy(&number, data, 8);
		if (number == wanted && wanted < count) {
			uint64_t at = wanted * PAYLOAD;
			size_t len = bytes - at < PAYLOAD ? (size_t)(bytes - at) : PAYLOAD;

			if ((size_t)got != 8 + len || !same(data + 8, at, len)) {
				fprintf(stderr, "bulk: datagram %llu is damaged\n",
					(unsigned long long)number);
				return 1;
			}
			wanted++;
		}
		sendto(fd, &wanted, 8, 0, (struct sockaddr *)&from, fromlen);
	}
	if (wanted < count) {
		fprintf(stderr, "bulk: %llu of %llu datagrams\n", (unsigned long long)wanted,
			(unsigned long long)count);
		return 1;
	}
	printf("bulk: received %llu bytes by UDP\n", (unsigned long long)bytes);
	return 0;
}

static int listen_on(int type, uint16_t port)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) ||
	    (type == SOCK_STREAM && listen(fd, 1)))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	bool sends = argc == 6 && strcmp(argv[1], "send") == 0;
	bool tcp = argc > 2 && strcmp(argv[2], "tcp") == 0;

	if (!sends && (argc != 5 || strcmp(argv[1], "recv") != 0)) {
		fputs("usage: bulk send tcp|udp HOST PORT BYTES | bulk recv tcp|udp PORT BYTES\n",
		      stderr);
		return 64;
	}
	uint16_t port = (uint16_t)strtoul(argv[argc - 2], NULL, 10);
	uint64_t bytes = strtoull(argv[argc - 1], NULL, 10);

	if (sends) {
		struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

		if (inet_pton(AF_INET, argv[3], &to.sin_addr) != 1)
			return 64;
		return tcp ? send_tcp(&to, bytes) : send_udp(&to, bytes);
	}
	int fd = listen_on(tcp ? SOCK_STREAM : SOCK_DGRAM, port);
	if (fd < 0)
		return fail("listen");
	return tcp ? recv_tcp(fd, bytes) : recv_udp(fd, bytes);
}
