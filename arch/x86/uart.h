/* The 16550 of the alert channel: polled, transmit only, its interrupts off.
 * Any context of the core. May call: nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* 115,200 baud, 8N1, FIFOs on. False: there is no UART at `base` (scratch register test). */
bool uart_init(uint16_t base);

#define UART_FIFO 16 /* bytes (PC16550D) */

/* Bytes that may be written now without waiting: 0 or UART_FIFO. */
uint32_t uart_room(void);

/* Write `n` bytes for which there is room. */
void uart_write(const uint8_t *bytes, uint32_t n);

/* Write with a bounded wait for room: for the time before the launch, and for a panic. */
void uart_write_polled(const char *text, uint32_t len);
