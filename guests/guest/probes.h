// Questions that a guest can put to what it runs on.
#pragma once

#include "../lib/types.h"

/** Number of hypervisors below, by VMCALL; 0 on a bare processor, where VMCALL does not exist and must not be tried. */
u64 count_hypervisors(void);

/** VM exits of the whole machine so far, by VMCALL: the lowest hypervisor sees them all. */
u64 count_exits(void);

/** Exchanges a few values through the port of ports.S and prints how many came back. */
void try_ports(void);

/** Writes an MSR that no exit guards, reads it back and restores it. With hypervisors below, also asks an MSR that only they have. */
void try_msrs(bool is_guest);

/** Reads the byte at so many MiB and prints it; 0: does nothing. What is not the guest's to read ends in an exception. */
void try_intrusion(u64 mebibytes);

/** Prints how many exits of the machine one CPUID costs. */
void measure_cpuid(void);
