#include <stddef.h>
#include "arch/x86/cpu_name.h"
#include "arch/x86/sentry_vm.h"
#include "arch/x86/string.h"
#include "hv/errno.h"
#include "hv/machine.h"
#include "hv/sentry.h"
#include "hv/sentry_memory.h"
#include "hv/unit.h"

#define HEAP_SIZE    (50ull << 18) /* streams, tables of the engine, lwIP's pools, output queues */
#define SLICE	     65536	   /* bytes filled in one slice of a restart */
#define CTL_CONSTANT offsetof(struct abi_ctl, restarts) /* bytes before what changes */

static struct abi_ctl *ctl;
static uint8_t *data, *private_memory; /* writable segment; stack and heap */
static const uint8_t *pristine_data;
static void *pristine_ctl; /* what the core has told it, which the sentry could overwrite */
static uint64_t data_size, private_size;
static uint64_t entry_rip, entry_rsp;
static uint64_t filled; /* bytes of data, then of private memory, that the restart has done */

struct abi_ctl *sentry_ctl(void)
{
	return ctl;
}

uint8_t *sentry_frames(void)
{
	return (uint8_t *)ctl + ABI_OFF_FRAMES;
}

struct abi_request *sentry_requests(void)
{
	return (struct abi_request *)((uint8_t *)ctl + ABI_OFF_REQ);
}

const struct abi_reply *sentry_replies(void)
{
	return (const struct abi_reply *)((uint8_t *)ctl + ABI_OFF_REP);
}

const uint8_t *sentry_output(void)
{
	return (uint8_t *)ctl + ABI_OFF_OUT;
}

static int map_image(const struct boot_info *info)
{
	uint64_t ro = info->sentry_text_size + info->sentry_rodata_size;
	uint64_t stack_va = ABI_SENTRY_BASE + info->sentry_size + ABI_PAGE; /* behind a hole */
	int err;

	data_size = info->sentry_size - ro;
	private_size = ABI_SENTRY_STACK + HEAP_SIZE;
	data = pages_alloc((uint32_t)(data_size / ABI_PAGE));
	private_memory = pages_alloc((uint32_t)(private_size / ABI_PAGE));
	if (!data || !private_memory)
		return -ENOMEM;
	pristine_data = (const uint8_t *)info->sentry_base + ro;
	err = sentry_vm_map(ABI_SENTRY_BASE, info->sentry_base, info->sentry_text_size, SENTRY_RX);
	err = err
		      ?: sentry_vm_map(ABI_SENTRY_BASE + info->sentry_text_size,
				       info->sentry_base + info->sentry_text_size,
				       info->sentry_rodata_size, SENTRY_RO);
	err = err ?: sentry_vm_map(ABI_SENTRY_BASE + ro, (uint64_t)data, data_size, SENTRY_RW);
	err = err ?: sentry_vm_map(stack_va, (uint64_t)private_memory, private_size, SENTRY_RW);
	ctl->heap = stack_va + ABI_SENTRY_STACK;
	ctl->heap_size = HEAP_SIZE;
	entry_rip = ABI_SENTRY_BASE + info->sentry_entry;
	entry_rsp = stack_va + ABI_SENTRY_STACK - 8; /* as if called: 16-byte aligned less 8 */
	return err;
}

/* RAM as the window shows it: regions without Vigil's block, ascending. */
static void list_ram(const struct boot_info *info)
{
	uint64_t block_end = info->block_base + info->block_size;
	uint32_t n = 0;

	for (uint32_t i = 0; i < info->nregion; i++) {
		const struct boot_region *r = &info->region[i];
		uint64_t base = r->base, end = r->base + r->size;

		if (r->kind != REGION_RAM)
			continue;
		if (base < info->block_base && end > info->block_base && n < ABI_RAM_MAX) {
			ctl->ram[n++] = (struct abi_ram){base, info->block_base - base};
			base = block_end;
		} else if (base >= info->block_base && base < block_end) {
			base = block_end;
		}
		if (base < end && n < ABI_RAM_MAX)
			ctl->ram[n++] = (struct abi_ram){base, end - base};
	}
	ctl->nram = n;
}

static int map_shared(const struct boot_info *info)
{
	uint64_t rules = (info->rules_size + ABI_PAGE - 1) & ~(ABI_PAGE - 1);
	int64_t window;
	int err = sentry_vm_map(ABI_SENTRY_SHARED, (uint64_t)ctl, ABI_SHARED_SIZE, SENTRY_RW);

	err = err ?: sentry_vm_map(ABI_SENTRY_RULES, info->rules_base, rules, SENTRY_RO);
	if (err)
		return err;
	list_ram(info);
	window = sentry_vm_window(ABI_SENTRY_WINDOW, ctl->ram, ctl->nram);
	if (window < 0)
		return (int)window;
	while (ctl->nram && ctl->ram[ctl->nram - 1].base >= (uint64_t)window)
		ctl->nram--;
	ctl->rules = ABI_SENTRY_RULES;
	ctl->rules_size = info->rules_size;
	ctl->window = ABI_SENTRY_WINDOW;
	ctl->window_size = (uint64_t)window;
	return 0;
}

static void fill_ctl(const struct boot_info *info)
{
	ctl->magic = ABI_MAGIC;
	ctl->version = ABI_VERSION;
	ctl->ncpu = info->ncpu;
	ctl->tsc_khz = info->tsc_khz;
	ctl->wall_ns = info->wall_ns;
	ctl->wall_tsc = info->wall_tsc;
	ctl->boot_id = info->random[0] ^ info->random[1];
	ctl->config = info->config;
	arch_platform_name(ctl->platform, sizeof(ctl->platform));
	arch_control_names(ctl->controls, sizeof(ctl->controls));
}

int sentry_memory_init(struct boot_info *info)
{
	int err;

	ctl = pages_alloc((uint32_t)(ABI_ROUND(ABI_SHARED_SIZE) / ABI_PAGE));
	pristine_ctl = pages_alloc((uint32_t)(ABI_ROUND(CTL_CONSTANT) / ABI_PAGE));
	err = ctl && pristine_ctl ? map_image(info) : -ENOMEM;
	err = err ?: map_shared(info);
	if (err)
		return init_error(err, "no memory for the sentry");
	fill_ctl(info);
	memcpy(data, pristine_data, data_size);
	sentry_vm_reset(entry_rip, entry_rsp, ABI_START_RUN);
	return 0;
}

void sentry_memory_keep(void)
{
	memcpy(pristine_ctl, ctl, CTL_CONSTANT);
}

void sentry_memory_restart(void)
{
	filled = 0;
}

bool sentry_memory_slice(void)
{
	uint64_t n = SLICE;

	if (filled < data_size) {
		n = data_size - filled < n ? data_size - filled : n;
		memcpy(data + filled, pristine_data + filled, n);
	} else {
		uint64_t off = filled - data_size;

		n = private_size - off < n ? private_size - off : n;
		memset(private_memory + off, 0, n);
	}
	filled += n;
	if (filled < data_size + private_size)
		return false;
	memcpy(ctl, pristine_ctl, CTL_CONSTANT);
	sentry_vm_reset(entry_rip, entry_rsp, ABI_START_RUN);
	return true;
}

void sentry_memory_explain(const void *record, size_t size)
{
	memcpy((uint8_t *)ctl + ABI_OFF_RECORD, record, size);
	sentry_vm_reset(entry_rip, entry_rsp, ABI_START_EXPLAIN);
}
