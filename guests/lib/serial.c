// Text on COM1 (a 16550 at port 3F8h). The line is polled: no image uses interrupts. Every level uses the same port, without an exit.
#include "serial.h"

#include <stdarg.h>

#include "processor.h"

enum { COM1 = 0x3f8, INTERRUPT_ENABLE = COM1 + 1, LINE_CONTROL = COM1 + 3, LINE_STATUS = COM1 + 5, EIGHT_BITS = 3, TRANSMITTER_EMPTY = 0x20, DEBUG_EXIT = 0xf4 };

static unsigned line_level;
static const char *line_name = "image";

void serial_start(unsigned level, const char *name)
{
	out8(INTERRUPT_ENABLE, 0);
	out8(LINE_CONTROL, EIGHT_BITS); // no parity, one stop bit; the rate stays as it is
	line_level = level;
	line_name = name;
}

static void put(char c)
{
	// bounded, so that a machine without a serial port still runs
	for (unsigned spins = 0; spins < 100000 && !(in8(LINE_STATUS) & TRANSMITTER_EMPTY); spins++)
		;
	out8(COM1, (u8)c);
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_number(u64 value, unsigned base)
{
	char digits[20];
	unsigned length = 0;
	do {
		digits[length++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (length)
		put(digits[--length]);
}

static void put_formatted(const char *format, va_list arguments)
{
	for (; *format; format++) {
		if (*format != '%') {
			put(*format);
			continue;
		}
		switch (*++format) {
		case 's': put_text(va_arg(arguments, const char *)); break;
		case 'c': put((char)va_arg(arguments, int)); break;
		case 'u': put_number(va_arg(arguments, u64), 10); break;
		case 'x': put_number(va_arg(arguments, u64), 16); break;
		default: put(*format);
		}
	}
}

static void put_line(const char *format, va_list arguments)
{
	for (unsigned n = 0; n < 2 * line_level; n++)
		put(' ');
	put_text(line_name);
	put_text(": ");
	put_formatted(format, arguments);
	put('\n');
}

void print(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	put_line(format, arguments);
	va_end(arguments);
}

_Noreturn void stop_with(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	put_line(format, arguments);
	va_end(arguments);
	end_run(1);
}

_Noreturn void end_run(u8 code)
{
	out8(DEBUG_EXIT, code);
	for (;;)
		halt_processor();
}
