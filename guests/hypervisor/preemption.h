// The VMX-preemption timer (SDM 3C 26.5.1 'VMX-Preemption Timer'), with the option preemption=N: this level gets control back after N ticks in which
// nothing else has brought it back. A guest hypervisor may use the timer too: then its guest runs with whatever is left of the shorter time.
#pragma once

#include "vmcs12.h"

/** Whether vmcs02 needs the timer, for us or for the guest. */
bool preemption_is_needed(struct nested_vmcs *vmcs);

/** Before an entry that the guest asked for, vmcs02 current: its guest has its whole time again. */
void preemption_start_nested(struct nested_vmcs *vmcs);

/** The timer of vmcs02 has run out. True: it was ours, and the guest's guest goes on; false: the guest's time is over too. */
bool preemption_handle_nested(struct nested_vmcs *vmcs);

/** Ours has run out. */
void preemption_back_in_control(void);
