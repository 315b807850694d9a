/* The loader's messages: ConOut and a polled 16550. */
#include "boot/console.h"

#include <stdarg.h>
#include "boot/efi.h"
#include "boot/io.h"
#include "hv/log.h"

#define LINE_MAX 240
#define KEPT_MAX 2048

/* 16550 registers (PC16550D data sheet, table II) */
enum { UART_DATA = 0, UART_IER = 1, UART_FCR = 2, UART_LCR = 3, UART_MCR = 4, UART_LSR = 5 };
enum { UART_SCRATCH = 7 };
#define LCR_8N1	     0x03
#define LCR_DLAB     0x80
#define FCR_ON_CLEAR 0x07
#define MCR_DTR_RTS  0x03
#define LSR_THR_FREE 0x20
/* A byte takes 87 us at 115,200 baud and a port read about 1 us: 100 times what is needed. */
#define SERIAL_SPINS 10000

static uint16_t serial_port;
static char kept[KEPT_MAX];
static size_t kept_len;

static void serial_byte(char c)
{
	for (unsigned spin = 0; spin < SERIAL_SPINS; spin++) {
		if (port_in8((uint16_t)(serial_port + UART_LSR)) & LSR_THR_FREE) {
			port_out8((uint16_t)(serial_port + UART_DATA), (uint8_t)c);
			return;
		}
	}
	serial_port = 0; /* stuck */
}

static void serial_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len && serial_port; i++)
		serial_byte(text[i]);
}

void console_serial(uint16_t port)
{
	if (port) {
		port_out8((uint16_t)(port + UART_SCRATCH), 0x5a);
		if (port_in8((uint16_t)(port + UART_SCRATCH)) != 0x5a) {
			say("no serial port at 0x%x: alerts will not be seen", port);
			kept_len = 0;
			return;
		}
		port_out8((uint16_t)(port + UART_IER), 0);
		port_out8((uint16_t)(port + UART_LCR), LCR_DLAB | LCR_8N1);
		port_out8((uint16_t)(port + UART_DATA), 1); /* divisor 1: 115,200 baud */
		port_out8((uint16_t)(port + UART_IER), 0);
		port_out8((uint16_t)(port + UART_LCR), LCR_8N1);
		port_out8((uint16_t)(port + UART_FCR), FCR_ON_CLEAR);
		port_out8((uint16_t)(port + UART_MCR), MCR_DTR_RTS);
	}
	serial_port = port;
	serial_text(kept, kept_len);
	kept_len = 0;
}

static void keep(const char *text, size_t len)
{
	for (size_t i = 0; i < len && kept_len < KEPT_MAX; i++)
		kept[kept_len++] = text[i];
}

void say(const char *fmt, ...)
{
	static bool first = true;
	char line[LINE_MAX + 3];
	CHAR16 wide[LINE_MAX + 3];
	va_list args;
	size_t len;

	len = format_text(line, LINE_MAX, "vigil: ");
	va_start(args, fmt);
	len += format_line(line + len, LINE_MAX - len, fmt, args);
	va_end(args);
	line[len++] = '\r';
	line[len++] = '\n';
	line[len] = 0;
	for (size_t i = 0; i <= len; i++)
		wide[i] = (CHAR16)line[i];
	/* The firmware may have left the cursor in the middle of a line. */
	if (first && efi_system->ConOut)
		efi_system->ConOut->OutputString(efi_system->ConOut, (CHAR16 *)L"\r\n");
	first = false;
	if (efi_system->ConOut)
		efi_system->ConOut->OutputString(efi_system->ConOut, wide);
	if (serial_port)
		serial_text(line, len);
	else
		keep(line, len);
}
