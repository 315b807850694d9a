/* Port I/O interception: who handles which ports of the guest.
 *
 * May call: arch (I/O bitmap). Called by: net/dev, hv at init. Ranges may be moved at run time (a
 * BAR that the guest programs).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "arch/x86/io_access.h"

/* Carries out one access that lies wholly in the handler's range (one that crosses a range's end is
 * split by bytes). Exit context on the accessing CPU, no lock held, must not block. */
typedef void io_handler(void *ctx, struct io_access *access);

#define IO_RANGES 16

/* Intercept `count` ports from `base`. Returns an id for io_move, or -ENOSPC, -EINVAL (beyond
 * 0x10000), -EEXIST (overlaps another range). At init, or in exit context. */
int io_register(uint16_t base, uint32_t count, io_handler *handler, void *ctx);

/* Move range `id` to `base`, or take it away from the guest's ports with `enable` false (accesses
 * then reach the machine). -EEXIST when it would overlap another range, -EINVAL as above: the range
 * is then disabled. Exit context, any CPU; takes effect on all CPUs with their next access. */
int io_move(int id, uint16_t base, bool enable);

/* The machine's ports, for handlers that pass an access on. `size` is 1, 2 or 4. In line in the
 * core, because PCI configuration accesses are hot; host tests bring their own. */
#ifdef VIGIL_CORE
#include "arch/x86/insn.h"
#else
uint32_t io_in(uint16_t port, uint8_t size);
void io_out(uint16_t port, uint8_t size, uint32_t value);
#endif
