/* The alert serial port: taken from the firmware, which otherwise uses every port as a console.
 *
 * Its messages would stand among the events, and its polling for keys would be an exit each time.
 * BSP, boot services available.
 */
#pragma once

#include <stdint.h>
#include "boot/efi.h"

/* Disconnect the firmware's drivers from the UART at I/O port `base` (one of the PC's four; others,
 * and ports that the firmware does not know, are nobody's and stay as they are). */
void serial_take(uint16_t base);

/* Connect them again: Vigil did not start. Nothing happens when none was taken. */
void serial_give_back(void);
