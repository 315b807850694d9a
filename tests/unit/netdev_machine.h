/* A machine for the tests of net/dev: ports with PCI configuration, a clock with timers, the
 * sentry's frame pool with verdicts of the test's choice, and a model of the 82540EM good enough
 * for rings and interrupts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/bootinfo.h"
#include "hv/frames.h"
#include "net/dev/e1000.h"

#define NIC_BDF_VALUE 0x0018 /* 00:03.0 */
#define NIC_BAR0      0xfebc0000u
#define NIC_IO	      0xc040u
#define TICKS_PER_US  1000ull

/* Everything back to power-on; the statics of net/dev are not (start path_init or e1000_init
 * anew). */
void machine_reset(void);
/* The same but for ports, PCI configuration and the boot facts. */
void machine_restart(void);
extern struct boot_info boot;

/* --- ports as the guest sees them: handlers first, the machine else --------------------------- */
uint32_t guest_in(uint16_t port, uint8_t size);
void guest_out(uint16_t port, uint8_t size, uint32_t value);
extern unsigned port_exits;		 /* accesses that a handler took */
extern uint32_t cf8;			 /* the machine's address register */
extern uint8_t phys_config[65536][256];	 /* by bus << 8 | devfn; all ones where absent */
extern unsigned phys_reads, phys_writes; /* through the data window */
/* The range whose handler takes `port` now: its base, or -1. */
int range_at(uint16_t port);

/* --- hidden and shadowed memory --------------------------------------------------------------- */
struct hidden_range {
	uint64_t phys, size;
};
extern struct hidden_range hidden[8];
extern unsigned hidden_count;
extern uint64_t shadow_phys;
extern void *shadow_page;
void shadow_guest_write(uint32_t off, uint8_t size, uint32_t value); /* and the handler after it */

/* --- time ------------------------------------------------------------------------------------- */
extern uint64_t now;
/* Let time pass, timers fire in order, `after` (may be NULL) run after each step and timer. */
void advance_us(uint64_t us, void (*after)(void));
extern unsigned timer_fires;

/* --- frames ----------------------------------------------------------------------------------- */
extern bool (*verdict)(const uint8_t *frame, uint32_t len, enum abi_port from); /* true: pass */
extern bool sentry_busy; /* frames_run decides nothing */
extern bool sentry_dead; /* frame_submit delivers at once (fail-open) */
extern unsigned frames_decided;
extern uint8_t told_mac[6]; /* by frames_nic */
unsigned slots_in_use(void);
/* Keep all free slots but `keep` from being allocated. */
void slots_starve(unsigned keep);

/* --- counters --------------------------------------------------------------------------------- */
uint64_t counter(const char *name); /* fails the test when it is not registered */

/* --- the 82540EM ------------------------------------------------------------------------------ */
struct sent_frame {
	uint32_t len;
	uint8_t data[2048];
};
extern struct sent_frame sent[256]; /* the last frames on the wire */
extern unsigned sent_count;
extern uint32_t nic_reg[0x20000 / 4];
extern bool nic_dead;	 /* reset never ends */
extern bool nic_stuck;	 /* nothing is sent */
extern bool nic_address; /* RAL/RAH are loaded by reset (else only the EEPROM has it) */
extern unsigned mmio_count;

/* A frame from the wire: false when the ring is full or receive is off. */
bool wire_receive(const void *frame, uint32_t len);
/* The same with status and errors of the test's choice, `len` as the card reports it. */
bool wire_receive_raw(const void *frame, uint32_t copy, uint16_t len, uint8_t status,
		      uint8_t errors);
/* The card asserts its line. */
bool nic_line(void);
void nic_cause(uint32_t cause);
