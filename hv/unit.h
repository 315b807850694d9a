/* Units: subsystems of the core register themselves in a linker section; core_init walks the list.
 *
 * The order is the number: 1x machine and memory, 2x tables of virtualization, 3x sentry and
 * channel, 4x devices. An error of any unit ends core_init with it; nothing has been taken over
 * then.
 */
#pragma once

#include "hv/bootinfo.h"

struct unit {
	const char *name;
	/* 0 or negative errno. Runs once on the BSP in the firmware's environment. May set
	 * boot_info->message (init_error) to explain a failure. */
	int (*init)(struct boot_info *info);
};

#define UNIT(order, id, init_fn)                                                                   \
	static const struct unit unit_##id                                                         \
		__attribute__((used, section(".units." #order), aligned(8))) = {#id, init_fn}

/* Write why an initialization failed into boot_info->message, and return `err`. */
int init_error(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
