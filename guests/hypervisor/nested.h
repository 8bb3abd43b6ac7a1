// Entering the guest's guest on the guest's behalf, and delivering its exits to the guest.
#pragma once

#include "vmcs12.h"

/** VMLAUNCH or VMRESUME of the guest: makes vmcs02 current and fits it to the VMCS that the guest believes current. */
void enter_nested(struct nested_vmcs *vmcs);

/** Fits vmcs02 to the VMCS and makes it current: the rest of enter_nested, for an entry that somebody else asked for. */
void continue_nested(struct nested_vmcs *vmcs);

/** An exit of the guest's guest: the guest finds it in its VMCS and continues at its host state. */
void deliver_exit(u32 reason);

/** The processor refused the entry that the guest asked for: the guest's instruction fails with the same error. */
void reject_nested_entry(u32 error);

/** How the VMCS that is about to be entered must be entered. */
INLINED enum entry_kind next_entry(void)
{
	bool launched = self.in_nested ? self.believed->hardware_launched : self.vmcs01_launched;
	return launched ? ENTER_BY_VMRESUME : ENTER_BY_VMLAUNCH;
}
