// What the parts of the wandering hypervisor share.
#pragma once

#include "../lib/types.h"
#include "../lib/vmx.h"

u64 random_below(u64 limit);

void start_vmx(void);

/** One step, chosen at random: another VMCS current, one cleared, a field written or read, an entry. */
void random_vmx_step(void);

// enter.S
enum vmx_result enter(bool launch); // VM_SUCCEED: the guest ran and exited
extern const u8 exited[], inner_guest[];
