// The VMCSs that the guest believes in (vmcs12): where their fields are kept, and which of the copies is the newest.
// Each has a region in the guest's memory, in a format of our own, and a hardware VMCS of ours (vmcs02) in which the guest's guest runs.
// Fields are copied as late as possible: a field that the processor may change is read from vmcs02 when somebody wants it, and a field that
// the guest writes goes to vmcs02 at the next entry. This level's own VMREAD and VMWRITE are exits, if it is not the lowest.
#pragma once

#include "hypervisor.h"

enum { FIELD_ROWS = 128, ROW_WORDS = FIELD_ROWS / 64 };

/** A set of fields, by row of the field table. */
struct row_set {
	u64 words[ROW_WORDS];
};

static inline bool has_row(const struct row_set *set, unsigned row) { return set->words[row / 64] >> row % 64 & 1; }
static inline void add_row(struct row_set *set, unsigned row) { set->words[row / 64] |= 1ull << row % 64; }
static inline void remove_row(struct row_set *set, unsigned row) { set->words[row / 64] &= ~(1ull << row % 64); }

/** What the guest's VMCS region holds after the revision: opaque to the guest, as a processor's format is. */
struct vmcs12_region {
	u32 revision, abort_indicator;
	u32 launched, reserved;
	u64 values[FIELD_ROWS];
};

struct nested_vmcs {
	u64 pointer;                  // guest-physical address of the region; 0 = this entry is free
	struct vmcs12_region *region;
	struct vmx_region *hardware;  // vmcs02
	struct vmx_region *shadow;    // shadow VMCS for the guest's accesses (shadow.h)
	bool shadow_is_newer;         // the guest may have written to it
	bool prepared;                // the hardware VMCS has our host state
	bool hardware_launched;
	struct row_set newest_in_region; // the others are newer in the hardware VMCS
	struct row_set to_write;      // newer in the region than in the hardware VMCS
	bool controls_stale;          // the merged controls must be written anew before the next entry
	u64 *ept_root;                // tables of vmcs02, if the guest uses EPT for its guest; null = none yet
	u64 ept_built_from;           // the EPT pointer that they were built for
	u64 last_use;
};

/** Row of a field in the table; -1 if no such field exists here. The access type (bit 0 of the encoding) is left out. */
int row_of_field(u32 encoding);
enum vmcs_field field_of_row(unsigned row);

/** The entry for a pointer; makes one, if need be in place of the one that was not used for longest. */
struct nested_vmcs *nested_acquire(u64 pointer);

/** VMCLEAR: everything is in the region afterwards, and the entry is free. */
void nested_release(u64 pointer);

/** Forgets all entries (VMXOFF). */
void nested_forget_all(void);

/** These may make another VMCS current; whoever goes on with vmcs01 makes it current again. */
u64 nested_read(struct nested_vmcs *vmcs, enum vmcs_field field);
void nested_write(struct nested_vmcs *vmcs, enum vmcs_field field, u64 value);

/** Whether the guest has written the field since its guest last ran (or has never run). */
bool nested_has_changed(const struct nested_vmcs *vmcs, enum vmcs_field field);

/** No vmcs02 has EPT tables any more. */
void nested_forget_ept(void);

/** The guest's guest has run since, or will: what the processor may change is newer in the hardware VMCS. */
void nested_expect_changes(struct nested_vmcs *vmcs);

/** Brings the hardware VMCS, which must be current, up to date: called before an entry.
 * Controls that depend on ours too are left to the caller: primary, secondary and exit controls, the EPT pointer and the link pointer. */
void nested_write_changes(struct nested_vmcs *vmcs);

/** Notes the exit reason, which the caller has read already, and that a pending injection is done. */
void nested_note_exit(struct nested_vmcs *vmcs, u32 reason);
