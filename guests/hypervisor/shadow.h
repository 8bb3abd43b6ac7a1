// VMCS shadowing (SDM 3C 25.10 'VMCS Types: Ordinary and Shadow'), with the option shadowing=on: the guest's VMREAD and VMWRITE of the fields
// that matter in every exit act on a VMCS of ours that is linked to vmcs01, and do not exit.
#pragma once

#include "vmcs12.h"

/** Prepares the bitmap. */
void shadow_start(void);

/** Address for the fields VMREAD_BITMAP and VMWRITE_BITMAP of vmcs01. */
u64 shadow_bitmap(void);

/** Whether a guest's bitmaps let nothing through that our shadow VMCSs do not hold. */
bool shadow_covers(u64 read_bitmap, u64 write_bitmap);

bool shadow_holds(enum vmcs_field field);
INLINED bool is_shadowed(enum vmcs_field field) { return self.use_shadowing && shadow_holds(field); }

/** Makes the shadow VMCS of a new entry. */
void shadow_create(struct nested_vmcs *vmcs);

/** Brings the newest values into the shadow VMCS: after an exit, and after we changed a shadowed field on the guest's behalf. */
void shadow_push(struct nested_vmcs *vmcs);

/** Brings what the guest has written back: before an entry, and before the fields are looked at. */
void shadow_bring_back(struct nested_vmcs *vmcs);
INLINED void shadow_pull(struct nested_vmcs *vmcs)
{
	if (vmcs->shadow_is_newer)
		shadow_bring_back(vmcs);
}

/** The guest makes the VMCS current: its shadow gets an exit that was not delivered, if there was one. */
void bring_own_shadow_up_to_date(struct nested_vmcs *vmcs);

/** For the level that answers VMRESUMEs (no-propagation.c), on a shadow VMCS that a level above sees. Takes the guest state that the level wrote into
 * the entry; or fills in what that level should see, without the link pointer if that is 0. */
void shadow_take(struct vmx_region *shadow, struct nested_vmcs *vmcs);
void shadow_fill(struct vmx_region *shadow, struct nested_vmcs *vmcs, u64 link);
u64 shadow_read_link(struct vmx_region *shadow);

/** The guest's VMCS whose shadow lies at this address: what a link pointer of ours stands for. */
u64 shadow_owner(u64 link);

/** Links the shadow of the VMCS that the guest believes current to vmcs01, which must be current; no such VMCS: no link. */
void shadow_link_believed(void);
INLINED void shadow_link(void)
{
	if (self.use_shadowing)
		shadow_link_believed();
}

/** Link pointer for vmcs02: the guest names a shadow VMCS of its own, and what the processor needs is the one that we keep for it. */
u64 shadow_link_for_nested(struct nested_vmcs *vmcs);
