/* The guest for the tests of net/dev: finds the virtual card by PCI configuration cycles, sets it
 * up in Linux' order, and drives its rings with Linux' rules for notifications and interrupts
 * (including what makes Linux disable an interrupt line). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DRV_SIZE      256
#define DRV_RX_BUFFER 1530

struct drv_queue {
	uint64_t desc, avail, used, buffers;
	uint16_t avail_idx, kicked_idx, used_idx;
	uint16_t in_use; /* descriptors with the device */
};

struct drv {
	uint16_t io;			     /* base of the virtio BAR */
	uint8_t bar;			     /* its number */
	uint8_t common, notify, isr, device; /* offsets in it */
	uint32_t notify_step;
	uint64_t features;
	struct drv_queue queue[2];
	uint32_t rx_buffer; /* bytes of each receive buffer */

	unsigned received, received_bytes;
	uint8_t last[2048]; /* the last frame received */
	uint32_t last_len;
	void (*on_frame)(const uint8_t *frame, uint32_t len);

	unsigned irqs, empty, config_changes, kicks;
	bool masked;	    /* the guest's interrupts are off */
	bool line_disabled; /* "nobody cared" */
	unsigned irq_count, unhandled;
	uint64_t last_unhandled;
};

extern struct drv drv;

uint32_t cfg_read(uint16_t bdf, uint8_t off, uint8_t size);
void cfg_write(uint16_t bdf, uint8_t off, uint8_t size, uint32_t value);

uint32_t bar_in(uint8_t off, uint8_t size);
void bar_out(uint8_t off, uint8_t size, uint32_t value);

/* Find capabilities and the BAR, assign it to `port`, switch decoding on. */
void drv_probe(uint16_t port);
/* Reset to DRIVER_OK with `features` of the offered ones; receive buffers posted. */
void drv_start(uint64_t features);
/* The same, step by step. */
void drv_negotiate(uint64_t features);
void drv_setup_queues(void);
void drv_ok(void);
void drv_fill_rx(void);

/* Send a frame in one descriptor: true when the driver notified. Fails the test when the ring is
 * full. */
bool drv_send(const void *frame, uint32_t len);
/* Put a chain head into a queue's available ring, and notify as the rules say. */
bool drv_offer(unsigned q, uint16_t head);
void drv_desc(unsigned q, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);
uint16_t drv_tx_room(void);
/* Take interrupts as long as the line is up. */
void drv_irq(void);
/* What NAPI does: take all used entries of both rings, ask for interrupts again. */
void drv_poll(void);
