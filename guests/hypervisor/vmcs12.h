// The VMCSs that the guest believes in (vmcs12): where their fields are kept, and which of the copies is the newest.
// Each has a region in the guest's memory, in a format of our own, and a hardware VMCS of ours (vmcs02) in which the guest's guest runs.
// Fields are copied as late as possible: a field that the processor may change is read from vmcs02 when somebody wants it, and a field that
// the guest writes goes to vmcs02 at the next entry. This level's own VMREAD and VMWRITE are exits, if it is not the lowest.
#pragma once

#include "hypervisor.h"

enum { FIELD_TYPES = 4, FIELDS_OF_TYPE = 64, FIELD_ROWS = FIELD_TYPES * FIELDS_OF_TYPE, MAX_LEVELS = 16, SHADOWED_FIELDS = 9 };

/** Row of a field that exists, in every array of values: by type, within a type by width, within a width by index. */
INLINED unsigned row_of(enum vmcs_field field)
{
	static const u8 first[4][FIELD_TYPES] = { // no field reaches into the rows of the next width, which nested_start makes sure of
		//                 control, read-only, guest, host
		[FIELD_16]      = {0,       0,         0,     0},
		[FIELD_64]      = {1,       0,         8,     8},
		[FIELD_32]      = {22,      1,         16,    8},
		[FIELD_NATURAL] = {40,      16,        40,    16},
	};
	return field_type(field) * FIELDS_OF_TYPE + first[field_width(field)][field_type(field)] + (field >> 1 & 31);
}

/** A set of fields, by row: a word for each type, so that a question about all fields of a type is one about a word. */
struct row_set {
	u64 of_type[FIELD_TYPES];
};

INLINED u64 bit_of(unsigned row) { return 1ull << row % FIELDS_OF_TYPE; }
INLINED bool has_row(const struct row_set *set, unsigned row) { return set->of_type[row / FIELDS_OF_TYPE] & bit_of(row); }
INLINED void add_row(struct row_set *set, unsigned row) { set->of_type[row / FIELDS_OF_TYPE] |= bit_of(row); }
INLINED void remove_row(struct row_set *set, unsigned row) { set->of_type[row / FIELDS_OF_TYPE] &= ~bit_of(row); }

/** What the guest's VMCS region holds after the revision: opaque to the guest, as a processor's format is. */
struct vmcs12_region {
	u32 revision, abort_indicator;
	u32 launched, reserved;
	u64 values[FIELD_ROWS];
};

/** A VMX instruction of a level above that the guest has yet to emulate: whether it succeeds shows when its level runs on. */
struct observed_instruction {
	u32 reason;   // 0 = none
	u64 next_rip; // where its level goes on after success
	u64 operand;  // a VMCS pointer, or the encoding of a field
	u64 value;    // what VMWRITE writes
};

/** What we have seen of the world that runs in a vmcs02, if we answer its VMRESUMEs (no-propagation.c). Levels are relative: the guest is 1. */
struct world {
	unsigned level;                // who runs in it; 0 = not known
	struct nested_vmcs *parent;    // the world that asked for the entry; null = the guest
	u64 names[MAX_LEVELS];         // by level: the VMCS with which that level controls it; 0 = not known. Level 1's is the entry's pointer
	u64 current;                   // the VMCS that it believes current; 0 = none
	struct nested_vmcs *runs;      // the world that this VMCS controls, if already looked up
	struct observed_instruction last;
	bool must_propagate;           // the next entry must go through all levels
	unsigned writer;               // level that wrote to its VMCS since it last ran; 0 = none
	u64 written;                   // those fields, guest state only, as in a row set ...
	u64 values[FIELDS_OF_TYPE];    // ... and their values
	u32 unseen_by;                 // levels (bits) whose shadow VMCS does not hold its last exit yet
};

struct nested_vmcs {
	u64 pointer;                  // guest-physical address of the region; 0 = this entry is free
	struct vmcs12_region *region;
	struct vmx_region *hardware;  // vmcs02
	struct vmx_region *shadow;    // shadow VMCS for the guest's accesses (shadow.h)
	bool shadow_is_newer;         // the guest may have written to it
	u64 shadow_values[SHADOWED_FIELDS]; // what it holds, but for what a guest has written since
	bool prepared;                // the hardware VMCS has our host state
	bool hardware_launched;
	bool has_timer;               // vmcs02 uses the preemption timer
	u64 timer_left, timer_programmed; // ticks: of the guest's time for its guest, and in the hardware VMCS (preemption.c)
	bool window_is_ours;          // interrupt-window exiting is on for us (interrupts.c)
	bool has_vpid;                // the guest's guest runs under a VPID
	struct row_set newest_in_region; // the others are newer in the hardware VMCS
	struct row_set to_write;      // newer in the region than in the hardware VMCS
	bool controls_stale;          // the merged controls must be written anew before the next entry
	u64 *ept_root;                // tables of vmcs02, if the guest uses EPT for its guest; null = none yet
	u64 ept_built_from;           // the EPT pointer that they were built for
	u64 host_loaded;              // the host state that vmcs01 got last is this one's, if the numbers agree (nested.c)
	u64 last_use;
	struct world world;
};

/** Fills the tables that are made from the table of fields. */
void nested_start(void);

/** Row + 1 by encoding: bits 14:10 (width and type), bits 5:0 (index and access type). 0: no such field exists here. */
extern u8 rows[32][64];

/** Row of a field by any encoding that a guest may think of, that of a high half included; -1 if no such field exists here. */
INLINED int row_of_field(u64 encoding) { return encoding & ~0x7c3full ? -1 : rows[encoding >> 10][encoding & 63] - 1; }

/** The n-th field that exists; a row's field. */
enum vmcs_field nested_field(unsigned n);
unsigned nested_fields(void);
enum vmcs_field field_of_row(unsigned row);

/** The entry for a pointer; makes one, if need be in place of the one that was not used for longest. */
struct nested_vmcs *nested_acquire(u64 pointer);

/** VMCLEAR: everything is in the region afterwards, and the entry is free. */
void nested_release(u64 pointer);

/** The entry for a pointer, or for a hardware VMCS of ours; null: there is none. */
struct nested_vmcs *nested_find(u64 pointer);
struct nested_vmcs *nested_find_hardware(u64 physical);

/** The n-th entry, used or free; null: there are no more. */
struct nested_vmcs *nested_entry(unsigned n);

/** Forgets all entries (VMXOFF). */
void nested_forget_all(void);

/** The value of a row from the hardware VMCS, which is made current; from then on it is in the region too. */
u64 nested_fetch(struct nested_vmcs *vmcs, unsigned row);

/** These may make another VMCS current; whoever goes on with vmcs01 makes it current again. */
INLINED u64 nested_read_row(struct nested_vmcs *vmcs, unsigned row)
{
	return has_row(&vmcs->newest_in_region, row) ? vmcs->region->values[row] : nested_fetch(vmcs, row);
}

INLINED u64 nested_read(struct nested_vmcs *vmcs, enum vmcs_field field) { return nested_read_row(vmcs, row_of(field)); }

/** The same for a field other than the link pointer while the hardware VMCS is current. */
INLINED u64 nested_read_current(struct nested_vmcs *vmcs, enum vmcs_field field)
{
	unsigned row = row_of(field);
	if (has_row(&vmcs->newest_in_region, row))
		return vmcs->region->values[row];
	add_row(&vmcs->newest_in_region, row);
	return vmcs->region->values[row] = vmread(field);
}

INLINED void nested_write(struct nested_vmcs *vmcs, enum vmcs_field field, u64 value)
{
	unsigned row = row_of(field);
	vmcs->region->values[row] = field_width(field) == FIELD_16 ? (u16)value : field_width(field) == FIELD_32 ? (u32)value : value;
	add_row(&vmcs->newest_in_region, row);
	add_row(&vmcs->to_write, row);
	if (field_type(field) == FIELD_HOST)
		vmcs->host_loaded = 0;
}

/** The VPID of vmcs02, if the guest has given its guest one. */
u16 nested_vpid(const struct nested_vmcs *vmcs);

/** Whether the guest has written the field since its guest last ran (or has never run). */
INLINED bool nested_has_changed(const struct nested_vmcs *vmcs, enum vmcs_field field) { return has_row(&vmcs->to_write, row_of(field)); }

/** Whether any of the guest's changes concerns more than guest and host state. */
INLINED bool nested_has_changed_controls(const struct nested_vmcs *vmcs) { return vmcs->to_write.of_type[FIELD_CONTROL]; }

/** The guest's guest has run without us, by a level below that merged what the guest had written. */
void nested_note_entry_without_us(struct nested_vmcs *vmcs);

/** No vmcs02 has EPT tables any more. */
void nested_forget_ept(void);

/** Brings the hardware VMCS, which must be current, up to date: called before an entry.
 * Controls that depend on ours too are left to the caller: pin-based, primary, secondary and exit controls, the VPID, the EPT pointer and the link pointer. */
void nested_write_changes(struct nested_vmcs *vmcs);

/** What an entry and exit of the guest's guest may have changed is newer in the hardware VMCS: the guest-state area, the information about the exit,
 * and the event to inject, whose valid bit an exit clears. The link pointer and the timer are in the guest-state area, but ours to fill (shadow.c, preemption.c). */
INLINED void nested_expect_changes(struct nested_vmcs *vmcs)
{
	u64 *newest = vmcs->newest_in_region.of_type;
	newest[FIELD_READ_ONLY] = 0;
	newest[FIELD_GUEST] &= bit_of(row_of(VMCS_LINK_POINTER)) | bit_of(row_of(PREEMPTION_TIMER_VALUE));
	newest[FIELD_CONTROL] &= ~bit_of(row_of(ENTRY_INTERRUPTION_INFORMATION));
}

/** The guest's guest has run, or its entry has failed in the guest state: what the processor has changed is newer in the hardware VMCS now. Not called
 * for an entry that was refused, which changes nothing: a hardware VMCS that was never left may hold what was there before its guest's. */
INLINED void nested_note_exit(struct nested_vmcs *vmcs, u32 reason)
{
	if (reason & ENTRY_FAILURE)
		remove_row(&vmcs->newest_in_region, row_of(EXIT_QUALIFICATION)); // nothing else was touched
	else
		nested_expect_changes(vmcs);
	vmcs->region->values[row_of(EXIT_REASON)] = reason;
	add_row(&vmcs->newest_in_region, row_of(EXIT_REASON));
}
