// Several processors: starting them, their local APICs, and work for all of them at once (SDM 3A 'Multiple-Processor Management').
#pragma once

#include "../lib/types.h"

enum { MOST_PROCESSORS = 8 };

/** Vectors of interprocessor interrupts; what they do is noted for the processor that takes them. */
enum ipi_vector { VECTOR_WORK = 0x40, VECTOR_COUNT = 0x41, VECTOR_SHOOTDOWN = 0x42, VECTOR_SPURIOUS = 0xff };

// delivery of an IPI, as in the interrupt command register (SDM 3A 'Interrupt Command Register (ICR)')
enum ipi_mode { IPI_FIXED = 0, IPI_LOWEST = 1 << 8, IPI_NMI = 4 << 8, IPI_INIT = 5 << 8, IPI_STARTUP = 6 << 8, IPI_LOGICAL = 1 << 11, IPI_ASSERT = 1 << 14,
	IPI_SELF = 1 << 18, IPI_ALL = 2 << 18, IPI_OTHERS = 3 << 18 };

struct processor {
	u32 apic_id;    // as its local APIC says
	u32 cpuid_id;   // CPUID leaf 1
	u32 topology_id;// CPUID leaf 0BH
	bool bootstrap; // IA32_APIC_BASE
	volatile u32 counted, nmis, starts;
	volatile u64 shot; // address to be forgotten, 0 = done
};

extern struct processor processors[MOST_PROCESSORS];
extern volatile u32 processor_count;

/** Starts all others with INIT and two start-up IPIs, and waits for `count` in all; they then wait in HLT. `x2apic`: mode of the local APICs. */
void start_processors(u32 count, bool x2apic);

/** Number of the processor that runs: the order in which they came up. The bootstrap processor is 0. */
u32 this_processor(void);

void send_ipi(u32 command, u32 destination);
/** Sets the logical destination of the processor that runs, flat model: bit `number` (xAPIC mode). */
void set_logical_destination(u32 number);
u32 logical_destination(u32 number);

/** Every processor, the one that runs included, calls `work` with its number; returns when all have. */
void on_all(void (*work)(u32 number));
/** One processor does; returns at once. */
void start_on(u32 number, void (*work)(u32 number));
void wait_for_all(void);

void start_up_again(u32 number);
