/* The end of Vigil, by its own fault. */
#pragma once

/* A broken invariant of our own: print CPU, exit reason, guest RIP and backtrace on the channel and
 * stop this CPU for good. Never reachable by what a guest, frame or file contains. Any context. */
__attribute__((noreturn, format(printf, 1, 2))) void panic(const char *fmt, ...);
