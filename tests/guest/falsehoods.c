/* falsehoods MIB: memory full of what looks like the kernel's own tables, each page one of: a false
 * VMCOREINFO, false BTF, false kallsyms tokens, the banner of another kernel. Says FILLED and stays
 * until it is ended, writing them anew again and again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

static const char vmcoreinfo[] =
	"OSRELEASE=9.9.9-false\nBUILD-ID=0123456789abcdef0123456789abcdef01234567\nPAGESIZE=4096\n"
	"SYMBOL(init_uts_ns)=ffffffff81000000\nSYMBOL(swapper_pg_dir)=ffffffff81000000\n"
	"KERNELOFFSET=0\nNUMBER(phys_base)=0\nSYMBOL(kallsyms_names)=ffffffff81000000\n"
	"SYMBOL(kallsyms_num_syms)=ffffffff81000000\nSYMBOL(_stext)=ffffffff81000000\n";
static const char banner[] = "Linux version 9.9.9-false (nobody@nowhere) #1 SMP\n";

static void fill(unsigned char *page, unsigned kind)
{
	static const uint32_t btf[] = {0x0001eb9f, 24,	       0,  2000, 2000, 2000,
				       1,	   0x04000001, 64, 2,	 0,    0};
	memset(page, 0, PAGE);
	switch (kind % 4) {
	case 0:
		memcpy(page, vmcoreinfo, sizeof(vmcoreinfo));
		break;
	case 1:
		memcpy(page, btf, sizeof(btf));
		strcpy((char *)page + 24 + 2001, "task_struct");
		break;
	case 2:
		for (unsigned i = 0; i < PAGE; i += 2)
			page[i] = (unsigned char)('a' + i / 2 % 26);
		break;
	default:
		memcpy(page, banner, sizeof(banner));
	}
}

int main(int argc, char **argv)
{
	size_t pages = (size_t)(argc > 1 ? atoi(argv[1]) : 16) << 8;
	unsigned char *all = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (all == MAP_FAILED) {
		perror("falsehoods");
		return 1;
	}
	for (size_t i = 0; i < pages; i++)
		fill(all + i * PAGE, (unsigned)i);
	printf("FILLED %zu pages\n", pages);
	fflush(stdout);
	for (unsigned round = 0;; round++) {
		for (size_t i = 0; i < pages; i += 64)
			fill(all + i * PAGE, round);
		usleep(100000);
	}
}
