/* A function of the kernel replaced by ftrace, as live patching does it. Only for test guests. */
#pragma once

/* Calls of `symbol` go to `instead`; *real: where it goes on. One at a time. 0 or negative errno.
 */
int divert(const char *symbol, void *instead, void **real);
void undivert(void);
