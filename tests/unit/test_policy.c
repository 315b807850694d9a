/* Policy at work: every gate with a match, a near miss and a hostile structure; which calls are
 * held; what is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/policy_world.h"

#define WILD 0xffffc90000001000ull /* a kernel address with nothing behind it */

static struct policy *p;
static uint64_t shell, user, root;
static bool held;

static int setup(void **state)
{
	(void)state;
	fake_reset();
	root = fake_task(1, 0, "init", "/sbin/init", 0);
	shell = fake_task(100, 33, "sh", "/usr/bin/dash", root);
	user = fake_task(200, 1000, "nc", "/usr/bin/nc.traditional", shell);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_reset();
	return 0;
}

static void use(const char *lines)
{
	p = fake_policy(lines);
	if (!p)
		fail_msg("refused: %s: %s", lines, fake_refusal);
	assert_string_equal(policy_reason(p), "");
}

static int call(const char *symbol, uint64_t current, uint64_t a, uint64_t b, uint64_t c,
		uint64_t d)
{
	const uint64_t arg[5] = {a, b, c, d, 0};

	return fake_call(p, symbol, current, arg, &held);
}

static uint32_t events(const char *text)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < fake.lines; i++)
		n += strstr(fake.line[i], text) != NULL;
	return n;
}

static void assert_told(const char *text)
{
	if (!fake.lines || !strstr(fake.line[fake.lines - 1], text))
		fail_msg("not told: %s; last: %s", text,
			 fake.lines ? fake.line[fake.lines - 1] : "nothing");
}

/* --- exec ------------------------------------------------------------------------------------- */

static uint64_t bprm_of(uint64_t file, const char *name)
{
	uint64_t bprm = fake_struct();

	fake_set(bprm, "linux_binprm", "file", file);
	fake_set(bprm, "linux_binprm", "filename", fake_text(name));
	return bprm;
}

static int exec_file(uint64_t task, uint64_t file, const char *name)
{
	return call("security_bprm_check", task, bprm_of(file, name), 0, 0, 0);
}

static void test_exec(void **state)
{
	(void)state;
	use("# a comment\ndeny exec path=/tmp/* uid=33\n");
	assert_int_equal(exec_file(shell, fake_file("/tmp/x"), "./x"), 13);
	assert_true(held);
	assert_int_equal(fake.cls[0], EVE_CLASS_URGENT);
	assert_told("\"event_type\":\"syscall\"");
	assert_told("\"syscall\":{\"name\":\"exec\",\"args\":[\"path=/tmp/x\",\"filename=./x\"],"
		    "\"denied\":true,\"errno\":\"EACCES\",\"line\":2,"
		    "\"rule\":\"deny exec path=/tmp/* uid=33\"}");
	assert_told("\"process\":{\"pid\":100,\"comm\":\"sh\"}");
	/* Near misses: another user, another place, the name is not the file. */
	assert_int_equal(exec_file(user, fake_file("/tmp/x"), "./x"), 0);
	assert_int_equal(exec_file(shell, fake_file("/usr/tmp/x"), "/tmp/x"), 0);
	assert_int_equal(exec_file(shell, fake_file("/tmpx"), "x"), 0);
	assert_int_equal(fake.lines, 1);
}

static void test_exec_unreadable(void **state)
{
	uint64_t file;

	(void)state;
	use("allow exec path=/usr/*\ndeny exec path=/tmp/*\n");
	file = fake_file("/usr/bin/id");
	assert_int_equal(exec_file(shell, file, "id"), 0);
	assert_int_equal(fake.lines, 0);
	/* What can't be read is not allowed, and not let through. */
	assert_int_equal(exec_file(shell, WILD, "id"), 13);
	assert_told("\"path=?\"");
	assert_told("\"unread\":true");
	assert_int_equal(call("security_bprm_check", shell, WILD, 0, 0, 0), 13);
	/* A path with no end. */
	fake.path[0].path = "";
	assert_int_equal(exec_file(shell, file, "id"), 13);
}

static void test_memfd(void **state)
{
	uint64_t named = fake_file("/tmp/memfd:evil");

	(void)state;
	use("");
	assert_int_equal(exec_file(user, fake_memfd("evil"), "/proc/self/fd/3"), 0);
	assert_false(held);
	assert_int_equal(fake.cls[0], EVE_CLASS_PROCESS);
	assert_told(
		"\"name\":\"memfd-exec\",\"args\":[\"path=/memfd:evil\",\"flags=memfd+deleted\"],"
		"\"denied\":false}");
	/* A file of that name is no memfd. */
	assert_int_equal(exec_file(user, named, "x"), 0);
	assert_int_equal(fake.lines, 1);
	use("deny memfd-exec\n");
	assert_int_equal(exec_file(user, named, "x"), 0);
	assert_int_equal(exec_file(user, fake_memfd(""), "x"), 13);
	/* `exec` means it, too. */
	use("deny exec path=/memfd:* errno=ENOENT\n");
	assert_int_equal(exec_file(user, fake_memfd("a"), "x"), 2);
	/* Where it can't be told apart, it is not taken for the harmless one. */
	use("deny memfd-exec\n");
	assert_int_equal(exec_file(user, WILD, "x"), 13);
}

static void test_names_and_threads(void **state)
{
	uint64_t worker, file;

	(void)state;
	use("deny exec comm=nc exe=/usr/bin/nc* parent=sh pid=200 euid=!0\n");
	file = fake_file("/bin/sh");
	assert_int_equal(exec_file(user, file, "x"), 13);
	assert_int_equal(exec_file(shell, file, "x"), 0);
	/* A worker of io_uring is its process. */
	worker = fake_task(201, 1000, "iou-wrk-200", "/usr/bin/nc.traditional", shell);
	fake_find(worker)->leader = user;
	fake_find(worker)->tgid = 200;
	fake_find(worker)->flags = TASK_PF_IO_WORKER;
	assert_int_equal(exec_file(worker, file, "x"), 13);
	fake_find(user)->euid = 0;
	fake_find(worker)->euid = 0;
	assert_int_equal(exec_file(worker, file, "x"), 0);
	fake_find(worker)->euid = 1000;
	fake_find(worker)->leader = WILD;
	assert_int_equal(exec_file(worker, file, "x"), 13); /* whose worker? */
	assert_int_equal(exec_file(0, file, "x"), 13);	    /* nobody knows who */
}

static void test_first_match(void **state)
{
	uint64_t file;

	(void)state;
	use("allow exec path=/tmp/good\nalert exec path=/tmp/odd*\ndeny exec path=/tmp/*\n"
	    "allow exec\n");
	file = fake_file("/tmp/good");
	assert_int_equal(exec_file(shell, file, "x"), 0);
	assert_int_equal(fake.lines, 0);
	assert_int_equal(exec_file(shell, fake_file("/tmp/oddity"), "x"), 0);
	assert_told("\"denied\":false,\"line\":2");
	assert_int_equal(fake.cls[0], EVE_CLASS_PROCESS);
	assert_int_equal(exec_file(shell, fake_file("/tmp/bad"), "x"), 13);
	assert_told("\"line\":3");
	assert_int_equal(exec_file(shell, fake_memfd("m"), "x"), 0); /* allowed by the last */
	assert_int_equal(fake.lines, 2);
}

/* --- sockets ---------------------------------------------------------------------------------- */

static uint64_t make_socket(unsigned family, unsigned type, unsigned proto)
{
	uint64_t socket = fake_struct(), sk = fake_struct();

	fake_set(socket, "socket", "sk", sk);
	fake_set(sk, "sock", "__sk_common.skc_family", family);
	fake_set(sk, "sock", "sk_type", type);
	fake_set(sk, "sock", "sk_protocol", proto);
	return socket;
}

/* A shell whose standard input and output are a connection. */
static void test_remote_shell(void **state)
{
	uint64_t sh = fake_file("/bin/sh"), tcp = fake_socket_file(make_socket(2, 1, 6)),
		 tcp6 = fake_socket_file(make_socket(10, 1, 6)),
		 local = fake_socket_file(make_socket(1, 1, 0)), null = fake_file("/dev/null");

	(void)state;
	use("");
	fake.stdio.task = user;
	fake.stdio.file[0] = fake.stdio.file[1] = tcp;
	assert_int_equal(exec_file(user, sh, "sh"), 0);
	assert_false(held);
	assert_told("\"name\":\"socket-exec\",\"args\":[\"path=/bin/sh\",\"flags=socket\"],"
		    "\"denied\":false}");
	/* Another's files; only one of both; a service of systemd; nothing open; wild. */
	assert_int_equal(exec_file(shell, sh, "sh"), 0);
	fake.stdio.file[1] = null;
	assert_int_equal(exec_file(user, sh, "sh"), 0);
	fake.stdio.file[0] = fake.stdio.file[1] = local;
	assert_int_equal(exec_file(user, sh, "sh"), 0);
	fake.stdio.file[0] = 0;
	assert_int_equal(exec_file(user, sh, "sh"), 0);
	fake.stdio.file[0] = fake.stdio.file[1] = WILD;
	assert_int_equal(exec_file(user, sh, "sh"), 0);
	fake.stdio.file[0] = fake.stdio.file[1] = fake_socket_file(WILD);
	assert_int_equal(exec_file(user, sh, "sh"), 0);
	assert_int_equal(fake.lines, 1);
	/* From memory is the worse of both. */
	fake.stdio.file[0] = tcp6;
	fake.stdio.file[1] = tcp;
	assert_int_equal(exec_file(user, fake_memfd("m"), "x"), 0);
	assert_told("\"name\":\"memfd-exec\"");
	assert_told("flags=memfd+deleted+socket");
	use("deny socket-exec\n");
	assert_int_equal(exec_file(user, sh, "sh"), 13);
	assert_int_equal(exec_file(shell, sh, "sh"), 0);
	use("deny exec flags=socket errno=EPERM\n");
	assert_int_equal(exec_file(user, sh, "sh"), 1);
	assert_int_equal(exec_file(shell, sh, "sh"), 0);
	use("off socket-exec\n");
	assert_int_equal(exec_file(user, sh, "sh"), 0);
}

static const uint8_t peer4[16] = {2, 0, 0x11, 0x5c, 203, 0, 113, 5}; /* port 4444 */
static const uint8_t peer6[28] = {10, 0, 0, 80, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, [23] = 7};
static const uint8_t mapped[28] = {10, 0, 0x11, 0x5c, [18] = 0xff, 0xff, 203, 0, 113, 5};

static void test_connect(void **state)
{
	uint64_t tcp, tcp6, peer, v6, in6;

	(void)state;
	use("deny connect dport=4444 comm=nc addr=203.0.113.0/24 proto=tcp errno=ECONNREFUSED\n"
	    "alert connect addr=2001:db8::/32 dport=1-100 type=stream family=inet6\n"
	    "off connect\n");
	tcp = make_socket(2, 1, 6);
	tcp6 = make_socket(10, 1, 6);
	peer = fake_bytes(peer4, sizeof(peer4));
	v6 = fake_bytes(peer6, sizeof(peer6));
	in6 = fake_bytes(mapped, sizeof(mapped));
	assert_int_equal(call("security_socket_connect", user, tcp, peer, 16, 0), 111);
	assert_true(held);
	assert_told("\"args\":[\"addr=203.0.113.5\",\"dport=4444\",\"family=inet\","
		    "\"type=stream\",\"proto=tcp\"],\"denied\":true,\"errno\":\"ECONNREFUSED\"");
	/* The same peer in the clothes of IPv6. */
	assert_int_equal(call("security_socket_connect", user, tcp6, in6, 28, 0), 111);
	assert_int_equal(call("security_socket_connect", shell, tcp, peer, 16, 0), 0);
	assert_int_equal(call("security_socket_connect", user, make_socket(2, 2, 17), peer, 16, 0),
			 0);
	assert_int_equal(fake.lines, 2);
	assert_int_equal(call("security_socket_connect", user, tcp6, v6, 28, 0), 0);
	assert_told("\"addr=2001:0db8:0000:0000:0000:0000:0000:0007\",\"dport=80\"");
	/* Too short, too long, negative, wild: unknown counts as a match. */
	assert_int_equal(call("security_socket_connect", user, tcp, peer, 7, 0), 111);
	assert_int_equal(call("security_socket_connect", user, tcp, peer, (uint64_t)-1, 0), 111);
	assert_int_equal(call("security_socket_connect", user, tcp, WILD, 16, 0), 111);
	assert_told("\"addr=?\",\"dport=?\"");
	assert_int_equal(call("security_socket_connect", user, WILD, peer, 16, 0), 111);
	assert_told("\"proto=?\"");
	assert_int_equal(call("security_socket_connect", user, tcp, peer, 0x7fffffff, 0), 111);
}

static void test_unix_and_none(void **state)
{
	static const uint8_t name[] = {1, 0, '/', 'r', 'u', 'n', '/', 'x', 0, 'j'};
	static const uint8_t abstract[] = {1, 0, 0, 'a', 'b'};
	static const uint8_t unspec[16] = {0};
	uint64_t sock;

	(void)state;
	use("deny connect path=/run/x\nalert connect path=@ab\nalert connect addr=!10.0.0.0/8\n"
	    "off connect\n");
	sock = make_socket(1, 1, 0);
	assert_int_equal(call("security_socket_connect", user, sock, fake_bytes(name, sizeof(name)),
			      sizeof(name), 0),
			 1);
	assert_told("[\"path=/run/x\",\"family=unix\",\"type=stream\",\"proto=0\"]");
	assert_int_equal(call("security_socket_connect", user, sock,
			      fake_bytes(abstract, sizeof(abstract)), sizeof(abstract), 0),
			 0);
	assert_told("\"path=@ab\"");
	/* Has no address: neither one in 10/8 nor one outside. */
	assert_int_equal(call("security_socket_connect", user, make_socket(2, 1, 6),
			      fake_bytes(unspec, 16), 16, 0),
			 0);
	assert_int_equal(fake.lines, 2);
}

static void test_send(void **state)
{
	uint64_t udp, msg, peer;

	(void)state;
	use("deny send dport=4444\nalert send flags=fastopen\n");
	udp = make_socket(2, 2, 17);
	msg = fake_struct();
	peer = fake_bytes(peer4, sizeof(peer4));
	assert_int_equal(call("security_socket_sendmsg", user, udp, msg, 10, 0), 0);
	assert_int_equal(fake.lines, 0); /* to the peer it is connected to */
	fake_set(msg, "msghdr", "msg_name", peer);
	fake_set(msg, "msghdr", "msg_namelen", 16);
	assert_int_equal(call("security_socket_sendmsg", user, udp, msg, 10, 0), 1);
	fake_set(msg, "msghdr", "msg_name", fake_bytes(peer6, sizeof(peer6)));
	fake_set(msg, "msghdr", "msg_namelen", 28);
	fake_set(msg, "msghdr", "msg_flags", 0x20000000);
	assert_int_equal(call("security_socket_sendmsg", user, udp, msg, 10, 0), 0);
	assert_told("\"flags=fastopen\"");
	assert_int_equal(call("security_socket_sendmsg", user, udp, WILD, 10, 0), 1);
}

/* Without a line: what is of IP, and no more. */
static void test_sockets_by_default(void **state)
{
	uint64_t tcp, tcp6, local;

	(void)state;
	use("");
	tcp = make_socket(2, 1, 6);
	tcp6 = make_socket(10, 1, 6);
	local = make_socket(1, 1, 0);
	call("security_socket_connect", user, local, fake_bytes("\1\0/x", 5), 5, 0);
	call("security_socket_listen", user, local, 5, 0, 0);
	assert_int_equal(fake.lines, 0);
	call("security_socket_connect", user, tcp, fake_bytes(peer4, sizeof(peer4)), 16, 0);
	assert_told("\"name\":\"connect\",\"args\":[\"addr=203.0.113.5\",\"dport=4444\"");
	call("security_socket_bind", user, tcp6, fake_bytes(peer6, sizeof(peer6)), 28, 0);
	assert_told("\"name\":\"bind\"");
	call("security_socket_listen", user, tcp, 5, 0, 0);
	assert_told("\"name\":\"listen\"");
	call("security_socket_accept", user, tcp, 0, 0, 0);
	assert_told("\"name\":\"accept\"");
	for (unsigned i = 0; i < 9; i++)
		call("security_socket_accept", user, tcp, 0, 0, 0);
	assert_int_equal(fake.lines, 3 + 5);
	assert_int_equal(policy_stats(p)->held, 5);
	use("off accept\n");
	call("security_socket_accept", user, tcp, 0, 0, 0);
	assert_int_equal(fake.lines, 3 + 5);
}

static void test_local_ends(void **state)
{
	uint64_t tcp, sk;

	(void)state;
	use("deny bind sport=1-1023 uid=!0\ndeny listen sport=4444\nalert accept "
	    "addr=127.0.0.0/8\n");
	tcp = make_socket(2, 1, 6);
	memcpy(&sk, fake.memory + (tcp - FAKE_BASE) + kernel_offset(NULL, "socket", "sk"), 8);
	assert_int_equal(
		call("security_socket_bind", user, tcp, fake_bytes("\2\0\0\120\0\0\0\0", 8), 16, 0),
		13);
	assert_told("\"sport=80\"");
	assert_int_equal(
		call("security_socket_bind", root, tcp, fake_bytes("\2\0\0\120\0\0\0\0", 8), 16, 0),
		0);
	/* Family 0 is taken for IPv4 by bind(). */
	assert_int_equal(
		call("security_socket_bind", user, tcp, fake_bytes("\0\0\0\120\0\0\0\0", 8), 16, 0),
		13);
	fake_set(sk, "sock", "__sk_common.skc_num", 4444);
	fake_set(sk, "sock", "__sk_common.skc_rcv_saddr", 0x0100007f);
	assert_int_equal(call("security_socket_listen", user, tcp, 5, 0, 0), 13);
	assert_told("\"addr=127.0.0.1\",\"sport=4444\"");
	assert_int_equal(call("security_socket_accept", user, tcp, 0, 0, 0), 0);
	assert_false(held);
	assert_told("\"name\":\"accept\"");
}

static void test_sockets(void **state)
{
	(void)state;
	use("");
	assert_null(fake_probe(p, "security_socket_sendmsg"));
	call("security_socket_create", user, 2, 1, 6, 0);
	call("security_socket_create", user, 17, 3, 0x300, 1); /* the kernel's own */
	assert_int_equal(fake.lines, 0);
	call("security_socket_create", user, 2, 3, 1, 0);
	assert_told("\"name\":\"raw\",\"args\":[\"family=inet\",\"type=raw\",\"proto=icmp\"]");
	call("security_socket_create", user, 17, 2, 0x300, 0);
	assert_told("\"name\":\"packet\",\"args\":[\"family=packet\",\"type=dgram\",\"proto=3\"]");
	use("deny socket family=packet,alg\n");
	assert_int_equal(call("security_socket_create", user, 17, 3, 0, 0), 13);
	assert_int_equal(call("security_socket_create", user, 38, 5, 0, 0), 13);
	assert_int_equal(call("security_socket_create", user, 2, 1, 0, 0), 0);
	use("off socket\n");
	assert_null(fake_probe(p, "security_socket_create"));
}

/* --- other processes -------------------------------------------------------------------------- */

static void test_signals(void **state)
{
	uint64_t sshd = fake_task(300, 0, "sshd", "/usr/sbin/sshd", root);

	(void)state;
	use("");
	call("security_task_kill", user, shell, 0, 0, 0); /* only asks */
	call("security_task_kill", user, user, 0, 9, 0);
	call("security_task_kill", user, WILD, 0, 0, 0);
	assert_int_equal(fake.lines, 0);
	call("security_task_kill", root, user, 0, 15, 0);
	assert_told("\"name\":\"kill\",\"args\":[\"signal=TERM\",\"target=nc\",\"to=1000\","
		    "\"target_pid=200\"]");
	call("security_task_kill", root, sshd, 0, 1, 0); /* the same user's */
	assert_int_equal(fake.lines, 1);
	use("deny signal signal=KILL target=sshd\n");
	assert_int_equal(call("security_task_kill", root, sshd, 0, 9, 0), 1);
	assert_int_equal(call("security_task_kill", root, sshd, 0, 15, 0), 0);
	assert_int_equal(call("security_task_kill", root, user, 0, 9, 0), 0);
	assert_int_equal(call("security_task_kill", root, WILD, 0, 9, 0), 1);
}

/* The target is gone when the event is written: what was followed of it is told. */
static void test_gone_target(void **state)
{
	struct proc *followed = fake_follow(user);

	(void)state;
	use("");
	snprintf(followed->comm, sizeof(followed->comm), "victim");
	fake_find(user)->va = 1;
	call("security_task_kill", shell, user, 0, 9, 0);
	assert_told("\"target=victim\",\"to=1000\",\"target_pid=200\"");
}

static void test_ptrace(void **state)
{
	(void)state;
	use("");
	call("security_ptrace_access_check", root, user, 0x09, 0, 0); /* ps reads */
	call("security_ptrace_access_check", user, user, 0x12, 0, 0);
	assert_int_equal(fake.lines, 0);
	call("security_ptrace_access_check", shell, user, 0x12, 0, 0);
	assert_told("\"name\":\"ptrace\",\"args\":[\"target=nc\"");
	call("security_ptrace_traceme", user, shell, 0, 0, 0);
	assert_told("\"name\":\"traceme\",\"args\":[\"target=sh\"");
	use("allow ptrace comm=gdb\ndeny ptrace\n");
	assert_int_equal(call("security_ptrace_traceme", user, shell, 0, 0, 0), 1);
	assert_int_equal(call("security_ptrace_access_check", shell, user, 2, 0, 0), 1);
	assert_int_equal(call("security_ptrace_access_check", shell, user, 1, 0, 0), 0);
}

static void test_setuid(void **state)
{
	uint64_t new = fake_struct(), old = fake_struct();

	(void)state;
	use("");
	fake_set(old, "cred", "uid", 1000);
	fake_set(old, "cred", "euid", 1000);
	fake_set(new, "cred", "euid", 1000);
	call("security_task_fix_setuid", user, new, old, 1, 0);
	assert_int_equal(fake.lines, 0);
	fake_set(new, "cred", "euid", 0);
	call("security_task_fix_setuid", user, new, old, 1, 0);
	assert_told("\"name\":\"setuid\",\"args\":[\"to=0\",\"to_uid=0\"]");
	fake_set(old, "cred", "uid", 0);
	call("security_task_fix_setuid", user, new, old, 1, 0);
	assert_int_equal(fake.lines, 1);
	call("commit_creds", root, new, 0, 0, 0);
	assert_int_equal(fake.lines, 1);
	call("commit_creds", user, old, 0, 0, 0);
	assert_int_equal(fake.lines, 1);
	call("commit_creds", user, new, 0, 0, 0);
	assert_told("\"name\":\"creds\",\"args\":[\"to=0\"]");
	assert_int_equal(fake.lines, 2);
	use("deny setuid to=0 uid=1000\nwatch creds\n");
	fake_set(old, "cred", "uid", 1000);
	assert_int_equal(call("security_task_fix_setuid", root, new, old, 1, 0), 1);
	assert_int_equal(call("security_task_fix_setuid", user, WILD, old, 1, 0), 1);
	assert_int_equal(call("commit_creds", user, new, 0, 0, 0), 0);
	assert_false(held);
	assert_told("\"name\":\"creds\",\"args\":[\"to=0\"]");
}

/* --- code for the kernel, mounts, mappings, files --------------------------------------------- */

static void test_loading(void **state)
{
	uint64_t module = fake_file("/lib/modules/x.ko");

	(void)state;
	use("deny module-load path=!/lib/modules/*\ndeny kexec-load\n");
	/* 22: this kernel's READING_MODULE. */
	assert_int_equal(call("security_kernel_read_file", root, module, 22, 0, 0), 0);
	assert_int_equal(call("security_kernel_read_file", root, fake_file("/tmp/r.ko"), 22, 0, 0),
			 1);
	assert_told("\"name\":\"module-load\",\"args\":[\"path=/tmp/r.ko\"]");
	/* From memory there is no path: it does not count as one in /lib/modules. */
	assert_int_equal(call("security_kernel_load_data", root, 2, 0, 0, 0), 1);
	assert_told("\"path=?\",\"flags=anon\"");
	assert_int_equal(call("security_kernel_load_data", root, 3, 0, 0, 0), 1);
	assert_int_equal(call("security_kernel_read_file", root, module, 4, 0, 0), 1);
	assert_int_equal(call("security_kernel_read_file", root, module, 1, 0, 0), 0);
	assert_int_equal(call("security_kernel_read_file", root, module, 6, 0, 0), 0);
	use("");
	call("security_kernel_read_file", root, module, 22, 1, 0);
	assert_true(held); /* the file may be closed a millisecond later */
	assert_told("\"denied\":false}");
}

static void test_bpf(void **state)
{
	uint32_t attr[4] = {6};

	(void)state;
	use("");
	call("security_bpf", root, 1, 0, 0, 0);
	assert_int_equal(fake.lines, 0);
	call("security_bpf", user, 1, 0, 0, 0);
	assert_told("\"args\":[\"cmd=map-lookup\"]");
	call("security_bpf", root, 5, WILD, 0, 0); /* a program: root's, too */
	assert_told("\"args\":[\"cmd=prog-load\"]");
	use("deny bpf cmd=prog-load,map-create uid=!0\n");
	assert_int_equal(call("security_bpf", user, 5, fake_bytes(attr, 16), 16, 0), 1);
	assert_told("\"args\":[\"cmd=prog-load\",\"prog_type=6\"]");
	assert_int_equal(call("security_bpf", user, 1, 0, 0, 0), 0);
}

static void test_mounts(void **state)
{
	uint64_t at = fake_struct(), from = fake_struct(), mnt, sb, type;

	(void)state;
	fake_path(at, "/mnt");
	fake_path(from, "/");
	use("deny mount fstype=tmpfs path=/mnt*\n");
	assert_int_equal(
		call("security_sb_mount", root, fake_text("none"), at, fake_text("tmpfs"), 0), 1);
	assert_told("[\"path=/mnt\",\"dev=none\",\"fstype=tmpfs\"]");
	assert_int_equal(call("security_sb_mount", root, fake_text("/a"), at, 0, 0x1000), 0);
	assert_told("\"name\":\"mount\",\"args\":[\"path=/mnt\",\"dev=/a\",\"flags=bind\"]");
	assert_int_equal(fake.lines, 2);
	assert_int_equal(call("security_sb_mount", root, 0, at, 0, 0x1021), 0);
	assert_int_equal(fake.lines, 2); /* a change of what is mounted */
	assert_int_equal(call("security_sb_mount", root, 0, at, WILD, 0), 1);
	/* The newer interface. */
	mnt = fake_struct(), sb = fake_struct(), type = fake_struct();
	fake_set(from, "path", "mnt", mnt);
	fake_set(mnt, "vfsmount", "mnt_sb", sb);
	fake_set(sb, "super_block", "s_type", type);
	fake_set(type, "file_system_type", "name", fake_text("tmpfs"));
	assert_int_equal(call("security_move_mount", root, from, at, 0, 0), 1);
	fake_set(type, "file_system_type", "name", fake_text("ext4"));
	assert_int_equal(call("security_move_mount", root, from, at, 0, 0), 0);
	use("deny mount flags=remount\n");
	assert_int_equal(call("security_sb_mount", root, 0, at, 0, 0x21), 1);
}

static void test_mappings(void **state)
{
	uint64_t vma = fake_struct(), file = fake_file("/tmp/lib.so");

	(void)state;
	use("");
	assert_null(fake_probe(p, "security_file_mprotect"));
	assert_null(fake_probe(p, "security_mmap_file"));
	use("deny mprotect flags=anon uid=1000\nalert mmap\n");
	assert_int_equal(call("security_file_mprotect", user, vma, 7, 7, 0), 13);
	assert_told("\"flags=write+exec+anon\"");
	assert_int_equal(call("security_file_mprotect", user, vma, 5, 5, 0), 0);
	assert_int_equal(call("security_file_mprotect", shell, vma, 7, 7, 0), 0);
	fake_set(vma, "vm_area_struct", "vm_file", file);
	assert_int_equal(call("security_file_mprotect", user, vma, 7, 7, 0), 0);
	assert_int_equal(call("security_file_mprotect", user, WILD, 7, 7, 0), 13);
	assert_int_equal(call("security_mmap_file", user, file, 6, 2, 0), 0);
	assert_told("\"name\":\"mmap\",\"args\":[\"path=/tmp/lib.so\",\"flags=write+exec\"]");
	assert_int_equal(call("security_mmap_file", user, 0, 3, 2, 0), 0);
	assert_int_equal(events("\"name\":\"mmap\""), 1);
}

static void test_unlink(void **state)
{
	uint64_t file = fake_file("/usr/bin/nc.traditional"),
		 other = fake_file("/tmp/nc.traditional");
	uint64_t mm = fake_struct(), dir = fake_struct(), dentry, other_dentry;

	(void)state;
	fake_set(user, "task_struct", "mm", mm);
	fake_set(mm, "mm_struct", "exe_file", file);
	fake_follow(shell);
	fake_follow(user);
	fake_path(dir, "/usr/bin");
	memcpy(&dentry,
	       fake.memory + (file - FAKE_BASE) + kernel_offset(NULL, "file", "f_path.dentry"), 8);
	memcpy(&other_dentry,
	       fake.memory + (other - FAKE_BASE) + kernel_offset(NULL, "file", "f_path.dentry"), 8);
	use("");
	call("security_path_unlink", root, dir, other_dentry, 0, 0); /* only the name is the same */
	assert_int_equal(fake.lines, 0);
	call("security_path_unlink", root, WILD, dentry, 0, 0);
	assert_told("\"name\":\"unlink-running\",\"args\":[\"path=/usr/bin/nc.traditional\","
		    "\"target_pid=200\"]");
	use("deny unlink path=/usr/*\n");
	assert_int_equal(call("security_path_unlink", root, dir, other_dentry, 0, 0), 1);
	assert_told("\"name\":\"unlink\",\"args\":[\"path=/usr/bin/nc.traditional\"]");
	assert_int_equal(call("security_path_unlink", root, dir, dentry, 0, 0), 1);
	fake.path[2].path = "/tmp";
	assert_int_equal(call("security_path_unlink", root, dir, other_dentry, 0, 0), 0);
	use("deny unlink-running\n");
	assert_int_equal(call("security_path_unlink", root, dir, other_dentry, 0, 0), 0);
	assert_int_equal(call("security_path_unlink", root, dir, dentry, 0, 0), 1);
	assert_int_equal(call("security_path_unlink", root, WILD, WILD, 0, 0), 0);
}

static void test_trace(void **state)
{
	uint64_t regs[21] = {0};

	(void)state;
	use("");
	assert_null(fake_probe(p, "x64_sys_call"));
	use("trace comm=nc nr=0-100\n");
	regs[14] = 0x7fff0000; /* rdi */
	regs[13] = 2;	       /* rsi */
	regs[7] = 3;	       /* r10 */
	regs[5] = 9;	       /* ebx */
	call("x64_sys_call", user, fake_bytes(regs, sizeof(regs)), 59, 0, 0);
	assert_told("\"syscall\":{\"nr\":59,\"abi\":\"x86-64\",\"name\":\"execve\",\"args\":["
		    "\"0x7fff0000\",\"0x2\",\"0x0\",\"0x3\",\"0x0\",\"0x0\"],\"denied\":false,"
		    "\"line\":1");
	call("x64_sys_call", shell, fake_bytes(regs, sizeof(regs)), 59, 0, 0);
	call("x64_sys_call", user, fake_bytes(regs, sizeof(regs)), 231, 0, 0);
	assert_int_equal(fake.lines, 1);
	call("ia32_sys_call", user, fake_bytes(regs, sizeof(regs)), 11, 0, 0);
	assert_told("\"nr\":11,\"abi\":\"i386\",\"name\":\"execve\",\"args\":[\"0x9\"");
	use("trace all\n");
	call("x64_sys_call", 0, WILD, 999, 0, 0);
	assert_told("\"nr\":999,\"abi\":\"x86-64\",\"name\":\"#999\",\"args\":[]");
}

/* --- what is told, and when ------------------------------------------------------------------- */

static void test_limit(void **state)
{
	uint64_t file, bprm;

	(void)state;
	use("deny exec path=/tmp/*\nalert exec\n");
	file = fake_file("/tmp/x");
	bprm = bprm_of(file, "x");
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(call("security_bprm_check", user, bprm, 0, 0, 0), 13);
	assert_int_equal(fake.lines, 20);
	assert_int_equal(policy_stats(p)->denied, 100);
	assert_int_equal(policy_stats(p)->held, 80);
	assert_int_equal(policy_step(p, 5000, fake_now), 6000); /* the second is not over */
	assert_int_equal(fake.lines, 20);
	assert_int_equal(policy_step(p, 6000, fake_now + 1000000000), 0);
	assert_int_equal(fake.lines, 21);
	assert_told("\"syscall\":{\"name\":\"exec\",\"held_back\":80,\"held_back_denied\":80,"
		    "\"line\":1");
	assert_int_equal(fake.cls[20], EVE_CLASS_URGENT);
	/* The next second begins anew; a hit in it brings the last one's sum, too. */
	for (unsigned second = 1; second < 3; second++) {
		fake_now += 1000000000;
		for (unsigned i = 0; i < 21; i++)
			call("security_bprm_check", user, bprm, 0, 0, 0);
	}
	assert_int_equal(fake.lines, 21 + 20 + 1 + 20);
	assert_int_equal(policy_stats(p)->told, fake.lines);
}

static void test_no_room(void **state)
{
	uint64_t file = fake_file("/tmp/x");

	(void)state;
	use("deny exec\n");
	fake.full = true;
	assert_int_equal(exec_file(user, file, "x"), 13); /* denied all the same */
	assert_int_equal(fake.lines, 0);
	assert_int_equal(fake.seq, 1); /* a hole that `lost` explains */
	assert_int_equal(policy_stats(p)->told, 0);
	/* A sum that finds no room is kept. */
	for (unsigned i = 0; i < 29; i++)
		exec_file(user, file, "x");
	assert_int_equal(policy_step(p, 6000, fake_now + 1000000000), 7000);
	fake.full = false;
	assert_int_equal(policy_step(p, 7000, fake_now + 2000000000), 0);
	assert_told("\"held_back\":10,\"held_back_denied\":10");
	assert_int_equal(fake.lines, 1);
}

/* Held are only calls that a line can deny, and those whose arguments are gone soon. */
static void test_held(void **state)
{
	static const struct {
		const char *lines, *symbol;
		bool held;
	} cases[] = {
		{"", "security_bprm_check", false},
		{"alert exec", "security_bprm_check", false},
		{"alert exec\ndeny memfd-exec", "security_bprm_check", true},
		{"", "security_socket_create", false},
		{"deny raw", "security_socket_create", true},
		{"alert connect", "security_socket_connect", true},
		{"watch listen", "security_socket_listen", false},
		{"", "security_task_kill", false},
		{"allow kill", "security_task_kill", false},
		{"deny kill", "security_task_kill", true},
		{"", "security_ptrace_access_check", false},
		{"", "security_sb_mount", true},
		{"", "security_bpf", false},
		{"watch creds", "commit_creds", false},
		{"", "security_path_unlink", false},
		{"deny unlink-running", "security_path_unlink", true},
		{"alert unlink uid=33", "security_path_unlink", false},
		{"alert unlink path=/tmp/*", "security_path_unlink",
		 true}, /* else it is not known */
		{"allow unlink path=/tmp/*", "security_path_unlink", true},
		{"alert exec path=/tmp/*", "security_bprm_check", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		use(cases[i].lines);
		if (!fake_probe(p, cases[i].symbol) ||
		    fake_probe(p, cases[i].symbol)->sync != cases[i].held)
			fail_msg("%s: %s", cases[i].lines, cases[i].symbol);
	}
	use("off all\n");
	assert_int_equal(policy_probes(p).count, 0);
	use("watch all\n");
	assert_int_equal(policy_probes(p).count, 20); /* all but the two of trace */
}

static void test_kernel_without(void **state)
{
	(void)state;
	fake.no_symbol = "security_path_unlink";
	use("deny exec\n"); /* a default that is missing is no news */
	p = fake_policy("deny unlink\ndeny exec\n");
	assert_non_null(strstr(policy_reason(p), "for: unlink, unlink-running"));
	assert_int_equal(exec_file(user, fake_file("/x"), "x"), 13);
	fake.no_symbol = NULL;
	/* It has the function, but no place for a hook. */
	use("deny exec\nalert bind\n");
	policy_unhooked(p, "security_bprm_check");
	assert_non_null(strstr(policy_reason(p), "for: exec, memfd-exec"));
	policy_unhooked(p, "security_socket_bind");
	policy_unhooked(p, "security_sb_mount");
	assert_non_null(strstr(policy_reason(p), "for: exec, memfd-exec, bind"));
	fake.no_member = "msg_name";
	p = fake_policy("deny send\n");
	assert_non_null(strstr(policy_reason(p), "for: send"));
	/* No gate that can't be read denies everything. */
	assert_int_equal(call("security_socket_sendmsg", user, WILD, WILD, 0, 0), 0);
	fake.no_btf = true;
	p = fake_policy("deny exec\n");
	assert_non_null(strstr(policy_reason(p), "structures are not known"));
	assert_int_equal(exec_file(user, fake_file("/y"), "x"), 0);
	p = fake_policy("");
	assert_string_equal(policy_reason(p), "");
	fake.no_btf = false;
}

static void *some_alloc(void *ctx, size_t size)
{
	unsigned *left = ctx;

	return (*left)-- ? calloc(1, size) : NULL;
}

static void test_memory(void **state)
{
	unsigned left = 0;
	struct policy_ops ops = {.ctx = &left, .alloc = some_alloc, .eve = &fake.eve};

	(void)state;
	assert_null(policy_create(&ops, NULL));
}

/* A name that grew since ids/proc saw it: what was followed counts for calls that are not held. */
static void test_followed_names(void **state)
{
	(void)state;
	fake_follow(user);
	use("alert exec comm=nc\n");
	snprintf(fake_find(user)->comm, 16, "newname"); /* the exec is through */
	exec_file(user, fake_file("/bin/newname"), "x");
	assert_false(held);
	assert_told("\"path=/bin/newname\"");
	assert_told("\"process\":{\"pid\":200}");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_exec),	       T(test_exec_unreadable),
		T(test_memfd),	       T(test_names_and_threads),
		T(test_first_match),   T(test_connect),
		T(test_unix_and_none), T(test_remote_shell),
		T(test_send),	       T(test_sockets_by_default),
		T(test_local_ends),    T(test_sockets),
		T(test_signals),       T(test_gone_target),
		T(test_ptrace),	       T(test_setuid),
		T(test_loading),       T(test_bpf),
		T(test_mounts),	       T(test_mappings),
		T(test_unlink),	       T(test_trace),
		T(test_limit),	       T(test_no_room),
		T(test_held),	       T(test_kernel_without),
		T(test_memory),	       T(test_followed_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
