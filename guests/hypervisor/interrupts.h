// Interrupts of the machine, with the option capture=on.
//
// Without it no level looks at them: they do not exit, every level runs masked, and so they wait until somebody runs who has not masked them. With it
// each level opens itself to interrupts before an entry. What waits is captured by its IDT and injected, with the same vector, into whoever is entered:
// at once if that one would take an interrupt now, else when it will (interrupt-window exiting). If it is a hypervisor, its IDT captures it in turn.
#pragma once

#include "hypervisor.h"

/** Fills the IDT. */
void interrupts_start(void);

/** Last thing before an entry; the VMCS to be entered is current. */
void interrupts_before_entry(void);

/** The guest, or its guest, would take an interrupt now. True: we wanted to know; false: only the guest did. */
bool interrupts_window_was_ours(void);
