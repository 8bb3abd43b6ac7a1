// Extended page tables: the guest's memory, without what is ours. Used with the option ept=on.
#pragma once

#include "hypervisor.h"

struct nested_vmcs;

enum ept_rights { EPT_READ = 1, EPT_WRITE = 2, EPT_EXECUTE = 4, EPT_ALL = 7 };

/** Builds the identity map for the guest, from which this level's image and page tables are missing. */
void ept_start(const struct multiboot_info *info);

/** EPT pointer for vmcs01, as the VMCS field has it. */
u64 ept_pointer(void);

/** What every map maps, and what is mapped at all without EPT: the boot protocol's identity map. */
#define MAPPED_BYTES (1ull << 32)

/** What our own map says of an address below MAPPED_BYTES. */
bool ept_own_map_allows(u64 guest_physical, enum ept_rights rights);

/** Whether the guest may use the page at this guest-physical address: what it names in a VMX instruction we access on its behalf. */
static inline bool ept_allows(u64 guest_physical, enum ept_rights rights)
{
	return guest_physical < MAPPED_BYTES && (!self.use_ept || ept_own_map_allows(guest_physical, rights));
}

/** EPT pointer for vmcs02: our own map if the guest uses no EPT for its guest, else tables that hold what both maps allow. */
u64 ept_pointer_for_nested(struct nested_vmcs *vmcs);

/** How an EPT violation of the guest's guest ends. */
enum ept_outcome { EPT_FILLED, EPT_IS_THE_GUESTS, EPT_FORBIDDEN };

/** Adds the page to vmcs02's tables if both maps allow the access. vmcs02 must be current. */
enum ept_outcome ept_nested_violation(struct nested_vmcs *vmcs);

/** INVEPT of the guest: what was built from its tables is forgotten. */
void ept_forget_nested(void);
