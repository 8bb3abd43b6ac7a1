// What main.c and the assembly share. Every routine does the same each time it is called.
#pragma once

#include "../lib/types.h"

// detours.S: the detours
void fault_and_be_repaired(void);
void read_missing_msr(void);
u8 read_byte(const volatile u8 *at);
void interrupt_itself(void);
void call_far(const void *far_pointer);
void call_system(void);
void copy(void *to, const void *from, u64 bytes);
void interrupts_behind_shadows(volatile u32 *command, u32 value);
void be_interrupted(volatile u32 *command, u32 value);
void sleep_until_interrupt(void);

// detours.S: where they lead
extern const u8 repair_fault[], repair_protection_fault[], take_software_interrupt[], end_interrupt[], take_nmi[], far_routine[], system_entry[];
