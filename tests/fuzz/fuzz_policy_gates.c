/* Hostile calls at every gate: arguments, tasks and all of the guest's memory come from the input.
 * Nothing may fault or hang; a denial is an errno of a line; what is told is well formed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/policy_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static const char lines[] =
	"allow exec path=/usr/* uid=0\ndeny exec path=/tmp/*,*a*b*c exe=!/usr/* parent=sh "
	"errno=ENOENT\nwatch all\ndeny connect dport=1-4000 addr=!10.0.0.0/8,fd00::/8 proto=tcp\n"
	"deny connect path=@*\ndeny send flags=fastopen\ndeny bind sport=0-1023\ndeny listen\n"
	"allow accept family=unix\ndeny accept\ndeny socket type=raw\ndeny signal target=*d to=0\n"
	"deny ptrace comm=!gdb\ndeny module-load path=!/lib/*\ndeny bpf cmd=prog-load\n"
	"deny setuid to=0 euid=!0\ndeny mount fstype=tmpfs dev=none\ndeny mprotect "
	"flags=anon+exec\n"
	"deny mmap path=*.so\ndeny unlink path=/usr/*\ntrace all nr=0-1000\n";

/* The guest's memory: every word is some bytes of the input, chosen by its address; some addresses
 * are not mapped. Structures may lie on one another, and lists may be rings. */
static const uint8_t *input;
static size_t input_size;

static int read_input(uint64_t va, void *dst, size_t len)
{
	uint8_t *to = dst;

	if (va >> 47 != 0x1ffff || (va >> 12 & 15) == 15)
		return -EFAULT;
	for (size_t i = 0; i < len; i++)
		to[i] = input[(va + i) % input_size];
	return 0;
}

static uint64_t take(const uint8_t **at, const uint8_t *end)
{
	uint64_t value = 0;
	size_t n = (size_t)(end - *at) < 8 ? (size_t)(end - *at) : 8;

	memcpy(&value, *at, n);
	*at += n;
	return value;
}

static struct policy *make(void)
{
	uint64_t task;

	fake_reset();
	task = fake_task(10, 33, "sh", "/bin/sh", 0);
	fake_follow(task);
	fake_task(11, 0, "sshd", "/usr/sbin/sshd", task);
	return fake_policy(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *end = data + size;
	struct policy *p;
	struct probe_set set;

	if (size < 16 || size > 4096)
		return 0;
	p = make();
	REQUIRE(p);
	set = policy_probes(p);
	input = data;
	input_size = size;
	fake.read = read_input;
	for (unsigned calls = 0; at < end && calls < 64; calls++) {
		const struct probe *probe = &set.probe[*at++ % set.count];
		struct probe_hit hit = {.now_ns = fake_now, .sync = probe->sync};
		uint64_t how = take(&at, end);

		/* Often a task that there is. */
		hit.current = how & 1 ? fake.task[how >> 1 & 1].va : how;
		hit.captured = how & 4 ? 0 : take(&at, end);
		for (unsigned i = 0; i < 5; i++) {
			uint64_t value = take(&at, end);

			hit.arg[i] = value & 1 ? value | 0xffff800000000000ull : value >> 1 & 0xff;
		}
		if (how & 8)
			hit.arg[0] = fake.task[1].va;
		probe->hit(set.ctx, &hit);
		REQUIRE(hit.deny >= 0 && hit.deny <= 133);
		REQUIRE(!hit.deny || hit.sync);
		fake_now += how & 0x10 ? 100000000 : 0;
	}
	(void)policy_step(p, 1, fake_now + 2000000000);
	REQUIRE(policy_stats(p)->told == fake.lines);
	for (uint32_t i = 0; i < fake.lines; i++)
		REQUIRE(fake.line[i][strlen(fake.line[i]) - 1] == '}');
	fake.read = NULL;
	return 0;
}
