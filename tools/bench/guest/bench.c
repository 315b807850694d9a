/* Runs in the guest of `make bench`: how many instructions an operation takes.
 *
 * On the lab's bench model the TSC counts retired instructions, so that a loop between two RDTSC
 * gives instructions per operation, repeatable where time is not. Before and after each phase the
 * program sleeps, so that a `stats` event of Vigil falls between: exits by phase come from there.
 * Lines: BENCH name operations instructions tsc_begin tsc_end
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Long enough for a stats event (one a second) on each side. */
static void settle(void)
{
	struct timespec t = {2, 200000000};

	while (nanosleep(&t, &t))
		;
}

static void do_nothing(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		__asm__ volatile("" : : : "memory");
}

static void do_cpuid(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint32_t a = 1, b, c = 0, d;

		__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	}
}

/* The host bridge's identity: a write of the address, a read of the data. */
static void do_pci(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		outl(0x80000000u, 0xcf8);
		(void)inl(0xcfc);
	}
}

static void do_getpid(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		syscall(SYS_getpid);
}

static void do_page_fault(uint64_t n)
{
	size_t size = n * 4096;
	volatile char *p =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	munmap((void *)p, size);
}

/* A byte to another process and back: two address-space switches. */
static void do_pipe(uint64_t n)
{
	int to[2], from[2];
	char byte = 0;
	pid_t pid;

	if (pipe(to) || pipe(from))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		for (uint64_t i = 0; i < n; i++)
			if (read(to[0], &byte, 1) != 1 || write(from[1], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	for (uint64_t i = 0; i < n; i++)
		if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1)
			die("pipe");
	waitpid(pid, NULL, 0);
	close(to[0]), close(to[1]), close(from[0]), close(from[1]);
}

static void do_fork_exec(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		int status;
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			execl("/bin/busybox", "true", (char *)NULL);
			_exit(127);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			die("exec of /bin/busybox true");
	}
}

static void loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (s < 0 || ioctl(s, SIOCGIFFLAGS, &request))
		die("lo");
	request.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &request))
		die("lo");
	close(s);
}

/* A socket at 127.0.0.1 and where the kernel has put it. */
static int at_loopback(int type, struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int s = socket(AF_INET, type, 0);

	*at = (struct sockaddr_in){.sin_family = AF_INET};
	inet_pton(AF_INET, "127.0.0.1", &at->sin_addr);
	if (s < 0 || bind(s, (struct sockaddr *)at, sizeof(*at)) ||
	    getsockname(s, (struct sockaddr *)at, &len))
		die("socket");
	return s;
}

/* A connection of 64 KiB in pieces of 4 KiB, and ten datagrams. */
static void do_network(void)
{
	static char block[4096];
	struct sockaddr_in at;
	int server = at_loopback(SOCK_STREAM, &at), client = socket(AF_INET, SOCK_STREAM, 0), peer;

	if (client < 0 || listen(server, 1) ||
	    connect(client, (struct sockaddr *)&at, sizeof(at)) ||
	    (peer = accept(server, NULL, NULL)) < 0)
		die("connect");
	for (int i = 0; i < 16; i++)
		if (send(client, block, sizeof(block), 0) != sizeof(block) ||
		    recv(peer, block, sizeof(block), MSG_WAITALL) != sizeof(block))
			die("send");
	close(client), close(peer), close(server);
	server = at_loopback(SOCK_DGRAM, &at);
	client = socket(AF_INET, SOCK_DGRAM, 0);
	for (int i = 0; i < 10; i++)
		if (sendto(client, block, 1400, 0, (struct sockaddr *)&at, sizeof(at)) != 1400 ||
		    recv(server, block, sizeof(block), 0) != 1400)
			die("sendto");
	close(client), close(server);
}

/* Fork and exec, files, pages, pipes and the network in one: the mixture that the modelled cost is
 * for. */
static void do_mix(uint64_t n)
{
	char block[4096] = "";

	loopback_up();

	for (uint64_t i = 0; i < n; i++) {
		FILE *f = fopen("/tmp/mix", "w+");

		if (!f)
			die("/tmp/mix");
		for (int k = 0; k < 16; k++)
			fwrite(block, sizeof(block), 1, f);
		rewind(f);
		for (int k = 0; k < 16; k++)
			if (fread(block, sizeof(block), 1, f) != 1)
				die("read");
		fclose(f);
		do_page_fault(64);
		do_fork_exec(1);
		do_pipe(10);
		do_network();
	}
}

static int udp = -1;

/* Datagrams of 1,400 bytes to the host's discard port. */
static void do_frames(uint64_t n)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	static char data[1400];

	inet_pton(AF_INET, "10.77.0.1", &to.sin_addr);
	if (udp < 0)
		udp = socket(AF_INET, SOCK_DGRAM, 0);
	for (uint64_t i = 0; i < n; i++)
		while (sendto(udp, data, sizeof(data), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			sched_yield(); /* the send buffer is full */
}

static const struct {
	const char *name;
	void (*run)(uint64_t n);
	uint64_t n;
} phases[] = {
	{"loop", do_nothing, 1000000},	     {"cpuid", do_cpuid, 20000},
	{"pci_config", do_pci, 20000},	     {"getpid", do_getpid, 50000},
	{"page_fault", do_page_fault, 4096}, {"pipe_round_trip", do_pipe, 5000},
	{"fork_exec", do_fork_exec, 100},    {"mix", do_mix, 50},
	{"frame_tx", do_frames, 2000},
};

int main(int argc, char **argv)
{
	/* "net": only what needs the virtual card, since PCI interception comes with it. "mix":
	 * only that. Without an argument: the others. "all": all that needs no network. */
	const char *which = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (iopl(3))
		die("iopl");
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		uint64_t begin, end;

		bool frames = phases[i].run == do_frames, pci = phases[i].run == do_pci;

		if (!strcmp(which, "net")   ? !frames && !pci
		    : !strcmp(which, "mix") ? strcmp(phases[i].name, "mix") != 0
					    : frames || (pci && strcmp(which, "all")))
			continue;
		phases[i].run(phases[i].n / 10 + 1); /* warm caches, page tables and lazy set-up */
		settle();
		begin = now();
		phases[i].run(phases[i].n);
		end = now();
		settle();
		printf("BENCH %s %lu %lu %lu %lu\n", phases[i].name, phases[i].n, end - begin,
		       begin, end);
	}
	return 0;
}
