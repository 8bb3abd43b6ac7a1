// Round trips between worlds: guest and host, fault and handler. Minimal handlers, so that the machine's own work is what is measured.
#pragma once

#include "../lib/types.h"

/** `passes` thousands of CPUID exits: the handler reads the exit reason, advances RIP and resumes. Returns the exits handled. */
u64 world_cpuid(u64 passes);
/** `passes` thousands of EPT violations of which the handler skips the instruction. */
u64 world_ept(u64 passes);
/** `passes` thousands of page faults of which the handler skips the instruction. */
u64 world_page_fault(u64 passes);
