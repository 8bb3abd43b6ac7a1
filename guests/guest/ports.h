// Port accesses in assembly: a place to step through that is not C.
#pragma once

#include "../lib/types.h"

/** Writes a value to the scratch register of the serial port and reads it back; returns what was read. */
u8 exchange_port(u8 value);
