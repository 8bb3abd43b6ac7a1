// The timer of the local APIC, as a guest on the bare machine would use it.
#pragma once

#include "../lib/types.h"

/** Waits for so many timer interrupts, executing CPUID meanwhile, and prints how many came; 0: does nothing. */
void try_timer(u64 interrupts);
