// VMRESUME without propagation, with the option no-propagation=on: the lowest level answers it, whatever level executes it.
//
// Otherwise a VMRESUME of level 3 goes up through levels 1 and 2; level 2 fits its VMCS to what level 3 has changed and executes VMRESUME, which
// goes to level 1, which does the same, and the entry that we make in the end holds what level 3 wanted. So it goes the first time. Meanwhile we
// see every VMX instruction of every level, and learn which VMCS each one made current for which VMCS of the level above. From then on we make the
// same entry at once: what the level wrote is merged into vmcs02, and the levels in between are told of it when they next see an exit (absence.h).
// An entry that changes more than guest state goes through all levels again, as does the one after a VMCLEAR.
#pragma once

#include "vmcs12.h"

/** An exit of the guest's guest, or of a world above it, before it is delivered. True: it was a VMRESUME, and vmcs02 is ready for the entry. */
bool observe_exit(u32 reason, const struct guest_registers *registers);

/** The guest enters a world by VMLAUNCH or VMRESUME. Everything that it wrote is in the entry; nothing is in vmcs02 yet. */
void observe_entry(struct nested_vmcs *vmcs);

/** The entry is about to be freed. */
void forget_world(struct nested_vmcs *vmcs);

/** An exit of a world is delivered: the guest has got it in its shadow VMCS, the levels above it have not. */
void note_delivery(struct nested_vmcs *vmcs);

/** Before any entry of a world: its shadow VMCS gets what the levels in between did not see. */
void bring_shadow_up_to_date(struct nested_vmcs *vmcs);
