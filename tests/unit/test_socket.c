/* Sockets of a guest's task: found among its files, read, written as flows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ids/proc/socket.h"
#include "tests/unit/fake_kernel.h"

static struct fake *f;
static struct kernel *k;
static void *block[8];
static uint32_t blocks;
static uint64_t task;

static void *alloc(void *ctx, size_t size)
{
	(void)ctx;
	assert_true(blocks < 8);
	return block[blocks++] = test_calloc(1, size);
}

static int open_world(bool old)
{
	f = fake_open(&(struct fake_options){.old_layout = old});
	k = kernel_create(&(struct kernel_ops){.alloc = alloc, .mem = fake_gmem(f)});
	kernel_anchor(k, fake_lstar(f), f->boot_root, false);
	while (kernel_step(k, 1u << 20) == KERNEL_SEARCHING)
		;
	assert_int_equal(kernel_state(k), KERNEL_READY);
	task = fake_task(f, 100, 0, f->init_task, "server");
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return open_world(false);
}

static int set_up_old(void **state)
{
	(void)state;
	return open_world(true);
}

static int tear_down(void **state)
{
	(void)state;
	while (blocks)
		test_free(block[--blocks]);
	fake_close(f);
	return 0;
}

/* An open file with this mode whose private_data leads to a socket. */
static uint64_t socket_file(uint16_t mode, uint64_t sk)
{
	uint64_t file = fake_alloc(f, fake_size(f, "file"));
	uint64_t inode = fake_alloc(f, fake_size(f, "inode"));
	uint64_t socket = fake_alloc(f, fake_size(f, "socket"));

	fake_put(f, file, "file", "f_inode", inode);
	fake_put(f, file, "file", "private_data", socket);
	fake_put(f, inode, "inode", "i_mode", mode);
	fake_put(f, socket, "socket", "sk", sk);
	return file;
}

struct end {
	uint8_t addr[16];
	uint16_t port;
};

static uint64_t make_sock(uint16_t family, uint16_t type, uint16_t proto, uint8_t state,
			  struct end local, struct end remote)
{
	uint64_t sk = fake_alloc(f, fake_size(f, "sock"));
	bool v6 = family == SOCKET_INET6;
	const char *from = v6 ? "skc_v6_rcv_saddr" : "skc_rcv_saddr";
	const char *to = v6 ? "skc_v6_daddr" : "skc_daddr";

	fake_put(f, sk, "sock_common", "skc_family", family);
	fake_put(f, sk, "sock_common", "skc_state", state);
	fake_put(f, sk, "sock", "sk_type", type);
	fake_put(f, sk, "sock", "sk_protocol", proto);
	if (family != SOCKET_INET && !v6)
		return sk;
	memcpy(fake_at(f, sk + fake_offset(f, "sock_common", from), v6 ? 16 : 4), local.addr,
	       v6 ? 16 : 4);
	memcpy(fake_at(f, sk + fake_offset(f, "sock_common", to), v6 ? 16 : 4), remote.addr,
	       v6 ? 16 : 4);
	fake_put(f, sk, "sock_common", "skc_num", local.port);
	fake_put(f, sk, "sock_common", "skc_dport",
		 (uint16_t)(remote.port << 8 | remote.port >> 8));
	return sk;
}

static const struct end here = {{10, 77, 0, 2}, 4000}, there = {{192, 0, 2, 1}, 443}, none;

static uint64_t connection(void)
{
	return make_sock(SOCKET_INET, 1, 6, 1, here, there);
}

static const char *flows(void)
{
	static char text[4096];
	struct json j;

	json_begin(&j, text, sizeof(text));
	json_array(&j, "flows");
	socket_put_flows(k, task, &j);
	json_close(&j);
	assert_true(json_end(&j) > 0);
	return text;
}

static void read_one(void **state)
{
	struct socket_info s;
	uint64_t sk = connection();

	(void)state;
	assert_int_equal(socket_of_file(k, socket_file(0140755, sk)), sk);
	assert_int_equal(socket_read(k, sk, &s), 0);
	assert_int_equal(s.family, SOCKET_INET);
	assert_int_equal(s.protocol, 6);
	assert_int_equal(s.type, 1);
	assert_int_equal(s.state, 1);
	assert_int_equal(s.lport, 4000);
	assert_int_equal(s.rport, 443);
	assert_memory_equal(s.local, here.addr, 16);
	assert_memory_equal(s.remote, there.addr, 16);
}

static void others(void **state)
{
	struct socket_info s;

	(void)state;
	/* A pipe whose private_data looks like a socket; a socket of AF_UNIX; a wild pointer. */
	assert_int_equal(socket_of_file(k, socket_file(0010755, connection())), 0);
	assert_int_equal(socket_of_file(k, socket_file(0140755, make_sock(1, 1, 0, 1, none, none))),
			 0);
	assert_int_equal(socket_of_file(k, socket_file(0140755, 0xdead000000000000)), 0);
	assert_int_equal(socket_of_file(k, 0), 0);
	assert_int_equal(socket_read(k, 0, &s), -14);
	assert_int_equal(socket_read(k, 0xffffdead00000000, &s), -14);
}

static void mapped(void **state)
{
	static const struct end any6, from = {{[10] = 0xff, 0xff, 10, 77, 0, 2}, 80},
				      to = {{[10] = 0xff, 0xff, 192, 0, 2, 1}, 5000},
				      real = {{0xfd, 0x77, [15] = 2}, 80};
	struct socket_info s;

	(void)state;
	assert_int_equal(socket_read(k, make_sock(SOCKET_INET6, 1, 6, 1, from, to), &s), 0);
	assert_int_equal(s.family, SOCKET_INET);
	assert_memory_equal(s.local, here.addr, 16);
	assert_memory_equal(s.remote, there.addr, 16);
	assert_int_equal(socket_read(k, make_sock(SOCKET_INET6, 1, 6, 10, any6, any6), &s), 0);
	assert_int_equal(s.family, SOCKET_INET6);
	assert_int_equal(socket_read(k, make_sock(SOCKET_INET6, 1, 6, 10, real, any6), &s), 0);
	assert_int_equal(s.family, SOCKET_INET6);
	assert_memory_equal(s.local, real.addr, 16);
}

static void as_flows(void **state)
{
	static const struct end v6 = {{0xfd, 0x77, [15] = 2}, 53};
	uint64_t file = socket_file(0140755, connection());

	(void)state;
	assert_string_equal(flows(), "{\"flows\":[]}"); /* no files at all */
	fake_open_file(f, task, 0, fake_file(f, "/dev/null"));
	fake_open_file(f, task, 3, file);
	fake_open_file(f, task, 4, file); /* dup2() */
	fake_open_file(f, task, 20,
		       socket_file(0140755, make_sock(SOCKET_INET, 1, 6, 10, here, none)));
	fake_open_file(f, task, 40,
		       socket_file(0140755, make_sock(SOCKET_INET6, 2, 17, 7, v6, none)));
	fake_open_file(f, task, 41,
		       socket_file(0140755, make_sock(SOCKET_INET, 3, 1, 7, none, none)));
	fake_open_file(f, task, 63,
		       socket_file(0140755, make_sock(SOCKET_PACKET, 3, 8, 0, none, none)));
	assert_string_equal(
		flows(),
		"{\"flows\":[{\"proto\":\"TCP\",\"state\":\"established\",\"src_ip\":\"10.77.0.2\","
		"\"src_port\":4000,\"dest_ip\":\"192.0.2.1\",\"dest_port\":443},"
		"{\"proto\":\"TCP\",\"state\":\"listening\",\"src_ip\":\"10.77.0.2\","
		"\"src_port\":4000},"
		"{\"proto\":\"UDP\",\"src_ip\":\"fd77:0000:0000:0000:0000:0000:0000:0002\","
		"\"src_port\":53},"
		"{\"proto\":\"ICMP\",\"src_ip\":\"0.0.0.0\"},{\"proto\":\"PACKET\"}]}");
}

/* As many as an event holds, and no more looks than stated, whatever the guest says. */
static void many(void **state)
{
	uint64_t files, fdt, before;
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		fake_open_file(f, task, i, socket_file(0140755, connection()));
	for (const char *at = flows(); (at = strstr(at, "proto")); at++)
		n++;
	assert_int_equal(n, SOCKET_FLOWS);
	files = fake_get(f, task + fake_offset(f, "task_struct", "files"));
	fdt = fake_get(f, files + fake_offset(f, "files_struct", "fdt"));
	fake_put(f, fdt, "fdtable", "max_fds", 0xffffffff);
	fake_put(f, fdt, "fdtable", "fd", f->direct_map + 0x400000);
	before = f->pages;
	(void)flows();
	assert_true(f->pages - before < SOCKET_FDS * 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(read_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(read_one, set_up_old, tear_down),
		cmocka_unit_test_setup_teardown(others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mapped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(as_flows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(as_flows, set_up_old, tear_down),
		cmocka_unit_test_setup_teardown(many, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
