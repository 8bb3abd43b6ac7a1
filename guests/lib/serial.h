// Text on the first serial port, and the debug exit port that ends a run.
#pragma once

#include "types.h"

/** Makes the port ready. Every line that this image prints begins with two spaces for each level, and with a name. */
void serial_start(unsigned level, const char *name);

/** Prints a line. Conversions: %s string, %c character, %u unsigned, %x hexadecimal (both take u64), %%. A newline is added. */
void print(const char *format, ...);

/** Prints a line and ends the run with a code that is not 0. */
_Noreturn void stop_with(const char *format, ...);

/** Ends the run by the debug exit port; where there is none the processor halts. */
_Noreturn void end_run(u8 code);
