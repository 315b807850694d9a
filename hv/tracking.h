/* Address spaces that the guest switches to: counted here, watched and told by the sentry.
 *
 * May call: root_table, hv/event.h. Exit context, any CPU.
 */
#pragma once

#include <stdint.h>

/* The sentry says that `root` is gone. 0 with its switches and the last one's TSC, or -ENOENT. */
int tracking_forget(uint64_t root, uint64_t *switches, uint64_t *last_tsc);

/* The sentry is new: tell it all roots again, a slice at a time. */
void tracking_repeat(void);
