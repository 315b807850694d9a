#include "arch/x86/uart.h"
#include "arch/x86/insn.h"

/* Registers (PC16550D data sheet, 8.0). */
#define UART_THR	 0
#define UART_IER	 1
#define UART_FCR	 2
#define UART_LCR	 3
#define UART_MCR	 4
#define UART_LSR	 5
#define UART_SCR	 7
#define LCR_8N1		 0x03
#define LCR_DLAB	 0x80
#define MCR_DTR_RTS	 0x03
#define FCR_ENABLE_CLEAR 0x07
#define LSR_THRE	 0x20
#define WAIT_LOOPS                                                                                 \
	200000 /* port reads, about 1 us each on real machines: more than a FIFO's 1.4 ms */

static uint16_t port;

bool uart_init(uint16_t base)
{
	out8(base + UART_SCR, 0x5a);
	if (in8(base + UART_SCR) != 0x5a)
		return false;
	out8(base + UART_IER, 0);
	out8(base + UART_LCR, LCR_DLAB);
	out8(base + UART_THR, 1); /* divisor 1 */
	out8(base + UART_IER, 0);
	out8(base + UART_LCR, LCR_8N1);
	out8(base + UART_FCR, FCR_ENABLE_CLEAR);
	out8(base + UART_MCR, MCR_DTR_RTS);
	port = base;
	return true;
}

uint32_t uart_room(void)
{
	return port && (in8(port + UART_LSR) & LSR_THRE) ? UART_FIFO : 0;
}

void uart_write(const uint8_t *bytes, uint32_t n)
{
	uint64_t count = n;

	__asm__ volatile("rep outsb" : "+S"(bytes), "+c"(count) : "d"(port) : "memory");
}

void uart_write_polled(const char *text, uint32_t len)
{
	while (len && port) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < WAIT_LOOPS && !n; i++)
			n = uart_room();
		if (!n)
			return; /* nobody takes the bytes: a stuck line must not stop us */
		n = n < len ? n : len;
		uart_write((const uint8_t *)text, n);
		text += n;
		len -= n;
	}
}
