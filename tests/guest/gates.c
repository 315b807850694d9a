/* gates [-u UID] ACTION [ARGUMENT...]: one action that a gate of the kernel decides on. Prints
 * `gate: ACTION pid P errno E value V`: who did it, how it ended (errno 0: well), and what there is
 * to be seen of it then (see each action). Ends with 0 whatever the answer was, with 70 if the
 * action could not even be tried. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char *action;
static int actor; /* pid; 0: this process */

static void fail(const char *what)
{
	perror(what);
	exit(70);
}

/* What a call gave, which sets errno when it fails. */
static int result(long err, long value)
{
	printf("gate: %s pid %d errno %d value %ld\n", action, actor ?: getpid(),
	       err < 0 ? errno : 0, value);
	fflush(stdout);
	return 0;
}

static int number(const char *text)
{
	return (int)strtol(text, NULL, 0);
}

/* --- execution -------------------------------------------------------------------------------- */

/* In a child, whose end by exec closes the pipe; what it could not do comes through it. Value: the
 * status of what ran. */
static int in_child(int (*run)(char **arg), char **arg)
{
	int ends[2], err = 0, status = -1;

	if (pipe2(ends, O_CLOEXEC))
		fail("pipe");
	actor = fork();
	if (actor == 0) {
		run(arg);
		err = errno;
		(void)!write(ends[1], &err, sizeof(err));
		_exit(71);
	}
	close(ends[1]);
	(void)!read(ends[0], &err, sizeof(err));
	waitpid(actor, &status, 0);
	errno = err;
	return result(err ? -1 : 0, !err && WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static int run_path(char **arg)
{
	return execve(arg[0], arg, environ);
}

static int do_exec(char **arg)
{
	return in_child(run_path, arg);
}

static int copy_to_memfd(const char *path)
{
	struct stat about;
	int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("gates", MFD_CLOEXEC);

	if (from < 0 || to < 0 || fstat(from, &about))
		fail(path);
	for (off_t at = 0; at < about.st_size;)
		if (sendfile(to, from, &at, (size_t)(about.st_size - at)) <= 0)
			fail("sendfile");
	return to;
}

static int run_memfd(char **arg)
{
	return (int)syscall(SYS_execveat, copy_to_memfd(arg[0]), "", arg, environ, AT_EMPTY_PATH);
}

static int do_memfd(char **arg)
{
	return in_child(run_memfd, arg);
}

/* race ALLOWED DENIED N: N times a child execs the path in a buffer that another thread changes
 * between the two all the time; the paths differ in their last letter. Value: how often DENIED (it
 * ends with 7) ran; then, as other lines, how often ALLOWED (it ends with 0) ran and how often exec
 * failed. The children share the buffer. */
static volatile int racing;

static void *flip(void *arg)
{
	volatile char *letter = arg;

	while (racing)
		*letter ^= 'a' ^ 'b';
	return NULL;
}

static int do_race(char **arg)
{
	char *path = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *args[] = {path, NULL};
	long ran[2] = {0, 0}, failed = 0, other = 0;
	pthread_t thread;

	if (path == MAP_FAILED)
		fail("mmap");
	strcpy(path, arg[0]);
	racing = 1;
	if (pthread_create(&thread, NULL, flip, path + strlen(path) - 1))
		fail("pthread_create");
	for (int i = number(arg[2]); i > 0; i--) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			execve(path, args, environ);
			_exit(errno == EACCES ? 99 : 98);
		}
		waitpid(pid, &status, 0);
		if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 7))
			ran[WEXITSTATUS(status) == 7]++;
		else if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
			failed++;
		else
			other++;
	}
	racing = 0;
	pthread_join(thread, NULL);
	result(0, ran[1]);
	action = "race-allowed";
	result(0, ran[0]);
	action = "race-failed";
	result(0, failed);
	action = "race-other";
	return result(0, other);
}

/* --- sockets ---------------------------------------------------------------------------------- */

static struct sockaddr_in address(char **arg)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)number(arg[1]))};

	if (inet_pton(AF_INET, arg[0], &to.sin_addr) != 1)
		fail(arg[0]);
	return to;
}

static int tcp(void)
{
	int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		fail("socket");
	return s;
}

/* The port that a socket has. */
static long port_of(int s)
{
	struct sockaddr_in here = {0};
	socklen_t len = sizeof(here);

	getsockname(s, (struct sockaddr *)&here, &len);
	return ntohs(here.sin_port);
}

static int do_connect(char **arg)
{
	struct sockaddr_in to = address(arg);
	int s = tcp(), err = connect(s, (struct sockaddr *)&to, sizeof(to));

	return result(err, port_of(s) != 0);
}

/* connects ADDRESS PORT N. Value: how many were tried. */
static int do_connects(char **arg)
{
	struct sockaddr_in to = address(arg);
	long tried = 0;

	for (int i = number(arg[2]); i > 0; i--) {
		int s = tcp();

		(void)!connect(s, (struct sockaddr *)&to, sizeof(to));
		close(s);
		tried++;
	}
	return result(0, tried);
}

static int do_bind(char **arg)
{
	struct sockaddr_in to = address(arg);
	int s = tcp(), err = bind(s, (struct sockaddr *)&to, sizeof(to));

	return result(err, port_of(s));
}

/* Value: does the socket listen? */
static int do_listen(char **arg)
{
	struct sockaddr_in to = address(arg);
	int s = tcp(), err, on = 0;
	socklen_t len = sizeof(on);

	if (bind(s, (struct sockaddr *)&to, sizeof(to)))
		fail("bind");
	err = listen(s, 1);
	if (err < 0)
		err = -errno;
	getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &on, &len);
	errno = -err;
	return result(err, on);
}

static int do_accept(char **arg)
{
	struct sockaddr_in to = address(arg);
	int s = tcp(), peer = tcp(), got;

	if (bind(s, (struct sockaddr *)&to, sizeof(to)) || listen(s, 1) ||
	    connect(peer, (struct sockaddr *)&to, sizeof(to)))
		fail("listen and connect");
	got = accept4(s, NULL, NULL, SOCK_CLOEXEC);
	return result(got < 0 ? -1 : 0, got >= 0);
}

static int do_raw(char **arg)
{
	int s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	(void)arg;
	return result(s, s >= 0);
}

static int do_packet(char **arg)
{
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	(void)arg;
	return result(s, s >= 0);
}

/* --- io_uring --------------------------------------------------------------------------------- */

/* One request through a ring of its own; the answer as a system call's. `worker`: not in the call
 * itself but by a thread of the kernel's that belongs to this process. */
static int uring(struct io_uring_sqe sqe, bool worker)
{
	struct io_uring_params p = {0};
	int fd = (int)syscall(SYS_io_uring_setup, 4, &p), res;
	char *sq, *cq;
	struct io_uring_sqe *sqes;

	if (fd < 0)
		fail("io_uring_setup");
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(uint32_t), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_CQ_RING);
	sqes = mmap(NULL, p.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
		fail("mmap of the ring");
	sqe.flags |= worker ? IOSQE_ASYNC : 0;
	sqes[0] = sqe;
	*(uint32_t *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((uint32_t *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		fail("io_uring_enter");
	res = ((struct io_uring_cqe *)(cq + p.cq_off.cqes))->res;
	close(fd);
	errno = res < 0 ? -res : 0;
	return res < 0 ? -1 : res;
}

static int uring_connect(char **arg, bool worker)
{
	struct sockaddr_in to = address(arg);
	int s = tcp(), err;

	err = uring((struct io_uring_sqe){.opcode = IORING_OP_CONNECT,
					  .fd = s,
					  .addr = (uintptr_t)&to,
					  .off = sizeof(to)},
		    worker);
	if (err < 0)
		err = -errno;
	to.sin_port = (in_port_t)port_of(s);
	errno = -err;
	return result(err, to.sin_port != 0);
}

static int do_uring_connect(char **arg)
{
	return uring_connect(arg, false);
}

static int do_worker_connect(char **arg)
{
	return uring_connect(arg, true);
}

/* Value of all unlinks: is the file still there? */
static int unlinked(int err, const char *path)
{
	struct stat about;
	int why = errno, there = lstat(path, &about) == 0;

	errno = why;
	return result(err, there);
}

static int uring_unlink(char **arg, bool worker)
{
	return unlinked(uring((struct io_uring_sqe){.opcode = IORING_OP_UNLINKAT,
						    .fd = AT_FDCWD,
						    .addr = (uintptr_t)arg[0]},
			      worker),
			arg[0]);
}

static int do_uring_unlink(char **arg)
{
	return uring_unlink(arg, false);
}

static int do_worker_unlink(char **arg)
{
	return uring_unlink(arg, true);
}

/* --- files ------------------------------------------------------------------------------------ */

static int do_unlink(char **arg)
{
	return unlinked(unlink(arg[0]), arg[0]);
}

/* unlinks DIR N: makes and unlinks DIR/file N times. Value: how many unlinks went well. */
static int do_unlinks(char **arg)
{
	char path[256];
	long good = 0;

	snprintf(path, sizeof(path), "%s/file", arg[0]);
	for (int i = number(arg[1]); i > 0; i--) {
		close(open(path, O_CREAT | O_WRONLY, 0600));
		good += unlink(path) == 0;
	}
	return result(0, good);
}

/* By the 32-bit convention: $eax, arguments in ebx, ecx, edx; pointers below 4 GiB. */
static long call32(long nr, long a, long b, long c)
{
	long ret = nr;

	asm volatile("int $0x80"
		     : "+a"(ret)
		     : "b"(a), "c"(b), "d"(c)
		     : "memory", "cc", "r8", "r9", "r10", "r11");
	if ((int)ret < 0 && (int)ret > -4096) {
		errno = -(int)ret;
		return -1;
	}
	return ret;
}

#define NR32_UNLINK 10
#define NR32_GETPID 20

static int do_unlink32(char **arg)
{
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (low == MAP_FAILED || strlen(arg[0]) > 4095)
		fail("mmap");
	strcpy(low, arg[0]);
	return unlinked((int)call32(NR32_UNLINK, (long)low, 0, 0), arg[0]);
}

/* Value: is the folder a mount point now (another device than its parent)? */
static int do_mount(char **arg)
{
	char parent[256];
	struct stat in = {0}, out = {0};
	int err = mount(arg[0], arg[1], arg[2], 0, NULL), why = errno;

	snprintf(parent, sizeof(parent), "%s/..", arg[1]);
	if (stat(arg[1], &in) || stat(parent, &out))
		fail(arg[1]);
	if (!err)
		umount2(arg[1], MNT_DETACH);
	errno = why;
	return result(err, in.st_dev != out.st_dev);
}

/* --- processes -------------------------------------------------------------------------------- */

/* kill PID SIGNAL. Value: is there still a process that is no zombie (asked after a moment)? */
static int do_kill(char **arg)
{
	char path[64], state = 'X';
	int err = kill(number(arg[0]), number(arg[1])), why = errno;
	FILE *f;

	usleep(100000);
	snprintf(path, sizeof(path), "/proc/%d/stat", number(arg[0]));
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	errno = why;
	return result(err, state != 'X' && state != 'Z');
}

static int do_ptrace(char **arg)
{
	long err = ptrace(PTRACE_ATTACH, number(arg[0]), NULL, NULL);
	int why = errno;

	if (!err) {
		waitpid(number(arg[0]), NULL, __WALL);
		ptrace(PTRACE_DETACH, number(arg[0]), NULL, NULL);
	}
	errno = why;
	return result(err, err == 0);
}

static int do_traceme(char **arg)
{
	(void)arg;
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
}

/* sleep SECONDS: for others to act on. Says nothing. */
static int do_sleep(char **arg)
{
	return (int)sleep((unsigned)number(arg[0]));
}

/* setuid UID. Value: the effective user then. */
static int do_setuid(char **arg)
{
	int err = setresuid((uid_t)number(arg[0]), (uid_t)number(arg[0]), (uid_t)number(arg[0]));

	return result(err, geteuid());
}

/* regain UID: effective user away from 0, and back by the saved one. */
static int do_regain(char **arg)
{
	int err;

	if (setresuid((uid_t)number(arg[0]), (uid_t)number(arg[0]), 0))
		fail("setresuid");
	err = seteuid(0);
	return result(err, geteuid());
}

/* --- code ------------------------------------------------------------------------------------- */

static int do_finit(char **arg)
{
	int fd = open(arg[0], O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail(arg[0]);
	return result(syscall(SYS_finit_module, fd, "", 0), 0);
}

static int do_init(char **arg)
{
	static const char garbage[4096] = "no module at all";

	(void)arg;
	return result(syscall(SYS_init_module, garbage, sizeof(garbage), ""), 0);
}

/* No segments: what was loaded is dropped, which passes the same gate. */
static int do_kexec(char **arg)
{
	(void)arg;
	return result(syscall(SYS_kexec_load, 0, 0, NULL, 0), 0);
}

static int do_bpf(char **arg)
{
	static const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insn_cnt = 2,
		.insns = (uintptr_t)code,
		.license = (uintptr_t) "GPL",
	};
	long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	(void)arg;
	return result(fd, fd >= 0);
}

static int do_mmap(char **arg)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	(void)arg;
	return result(at == MAP_FAILED ? -1 : 0, at != MAP_FAILED);
}

/* Value: what a call of the code gives, which can run only if the change was allowed. */
static int do_mprotect(char **arg)
{
	static const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	(void)arg;
	if (at == MAP_FAILED)
		fail("mmap");
	memcpy(at, code, sizeof(code));
	err = mprotect(at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	return result(err, err ? 0 : ((int (*)(void))at)());
}

/* --- known numbers of calls ------------------------------------------------------------------- */

/* calls N: N getppid by the 64-bit convention and N getpid by the 32-bit one. Value: those that
 * gave the right answer. */
static int do_calls(char **arg)
{
	long good = 0, self = getpid(), parent = getppid();

	for (int i = number(arg[0]); i > 0; i--) {
		good += syscall(SYS_getppid) == parent;
		good += call32(NR32_GETPID, 0, 0, 0) == self;
	}
	return result(0, good);
}

/* count PROGRAM [ARGUMENT...]: its system calls after its exec, as strace sees them. Value: those
 * by the 64-bit convention; then, as another line, those by the 32-bit one. */
static int do_count(char **arg)
{
	struct __ptrace_syscall_info info;
	long calls[2] = {0, 0};
	int status;

	actor = fork();
	if (actor == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execve(arg[0], arg, environ);
		_exit(71);
	}
	waitpid(actor, &status, 0);
	ptrace(PTRACE_SETOPTIONS, actor, NULL, PTRACE_O_TRACESYSGOOD);
	while (WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) &&
		    ptrace(PTRACE_GET_SYSCALL_INFO, actor, sizeof(info), &info) > 0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY)
			calls[info.arch == AUDIT_ARCH_I386]++;
		ptrace(PTRACE_SYSCALL, actor, NULL, NULL);
		waitpid(actor, &status, 0);
	}
	result(0, calls[0]);
	action = "count32";
	return result(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1, calls[1]);
}

static const struct {
	const char *name;
	int arguments; /* at least */
	int (*run)(char **arg);
} actions[] = {
	{"exec", 1, do_exec},
	{"memfd", 1, do_memfd},
	{"race", 3, do_race},
	{"connect", 2, do_connect},
	{"connects", 3, do_connects},
	{"uring-connect", 2, do_uring_connect},
	{"worker-connect", 2, do_worker_connect},
	{"bind", 2, do_bind},
	{"listen", 2, do_listen},
	{"accept", 2, do_accept},
	{"raw", 0, do_raw},
	{"packet", 0, do_packet},
	{"unlink", 1, do_unlink},
	{"unlinks", 2, do_unlinks},
	{"uring-unlink", 1, do_uring_unlink},
	{"worker-unlink", 1, do_worker_unlink},
	{"unlink32", 1, do_unlink32},
	{"mount", 3, do_mount},
	{"kill", 2, do_kill},
	{"ptrace", 1, do_ptrace},
	{"traceme", 0, do_traceme},
	{"sleep", 1, do_sleep},
	{"setuid", 1, do_setuid},
	{"regain", 1, do_regain},
	{"finit", 1, do_finit},
	{"init", 0, do_init},
	{"kexec", 0, do_kexec},
	{"bpf", 0, do_bpf},
	{"mmap", 0, do_mmap},
	{"mprotect", 0, do_mprotect},
	{"calls", 1, do_calls},
	{"count", 1, do_count},
};

int main(int argc, char **argv)
{
	if (argc > 3 && strcmp(argv[1], "-u") == 0) {
		uid_t uid = (uid_t)number(argv[2]);

		if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
			fail("setresuid");
		argc -= 2;
		argv += 2;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(actions) / sizeof(actions[0]); i++) {
		action = argv[1];
		if (strcmp(action, actions[i].name) == 0 && argc - 2 >= actions[i].arguments)
			return actions[i].run(argv + 2);
	}
	fputs("usage: gates [-u UID] ACTION [ARGUMENT...]\n", stderr);
	return 64;
}
