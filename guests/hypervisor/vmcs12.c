// Keeping the guest's VMCSs: the table of fields, the entries, and the lazy copies between region and hardware VMCS (vmcs12.h).
// What every exit goes through is kept small, which makes it fast; what a reader steps through first (main.c, exit.c, policy.c) is compiled to be debugged.
#pragma GCC optimize("Os")

#include "no-propagation.h"
#include "shadow.h"

#include "../lib/memory.h"
#include "../lib/serial.h"

/** Enough for eight levels with shadowing: a guest hypervisor has a VMCS for each level above it, and a shadow for each of theirs. */
enum { ENTRIES = 40 };

/** Every field that a guest hypervisor can use. Others do not exist for it: VMREAD and VMWRITE answer with error 12. */
static const u16 fields[] = {
	GUEST_ES_SELECTOR, GUEST_CS_SELECTOR, GUEST_SS_SELECTOR, GUEST_DS_SELECTOR, GUEST_FS_SELECTOR, GUEST_GS_SELECTOR, GUEST_LDTR_SELECTOR, GUEST_TR_SELECTOR,
	HOST_ES_SELECTOR, HOST_CS_SELECTOR, HOST_SS_SELECTOR, HOST_DS_SELECTOR, HOST_FS_SELECTOR, HOST_GS_SELECTOR, HOST_TR_SELECTOR,
	VPID, IO_BITMAP_A, IO_BITMAP_B, MSR_BITMAP, TSC_OFFSET, EPT_POINTER, VMREAD_BITMAP, VMWRITE_BITMAP, GUEST_PHYSICAL_ADDRESS, VMCS_LINK_POINTER, GUEST_DEBUGCTL,
	PIN_BASED_CONTROLS, PRIMARY_CONTROLS, EXCEPTION_BITMAP, PAGE_FAULT_ERROR_CODE_MASK, PAGE_FAULT_ERROR_CODE_MATCH, CR3_TARGET_COUNT,
	EXIT_CONTROLS, EXIT_MSR_STORE_COUNT, EXIT_MSR_LOAD_COUNT, ENTRY_CONTROLS, ENTRY_MSR_LOAD_COUNT,
	ENTRY_INTERRUPTION_INFORMATION, ENTRY_EXCEPTION_ERROR_CODE, ENTRY_INSTRUCTION_LENGTH, SECONDARY_CONTROLS,
	VM_INSTRUCTION_ERROR, EXIT_REASON, EXIT_INTERRUPTION_INFORMATION, EXIT_INTERRUPTION_ERROR_CODE,
	IDT_VECTORING_INFORMATION, IDT_VECTORING_ERROR_CODE, EXIT_INSTRUCTION_LENGTH, EXIT_INSTRUCTION_INFORMATION,
	GUEST_ES_LIMIT, GUEST_CS_LIMIT, GUEST_SS_LIMIT, GUEST_DS_LIMIT, GUEST_FS_LIMIT, GUEST_GS_LIMIT, GUEST_LDTR_LIMIT, GUEST_TR_LIMIT,
	GUEST_GDTR_LIMIT, GUEST_IDTR_LIMIT,
	GUEST_ES_RIGHTS, GUEST_CS_RIGHTS, GUEST_SS_RIGHTS, GUEST_DS_RIGHTS, GUEST_FS_RIGHTS, GUEST_GS_RIGHTS, GUEST_LDTR_RIGHTS, GUEST_TR_RIGHTS,
	GUEST_INTERRUPTIBILITY, GUEST_ACTIVITY, GUEST_SYSENTER_CS, PREEMPTION_TIMER_VALUE, HOST_SYSENTER_CS,
	CR0_MASK, CR4_MASK, CR0_READ_SHADOW, CR4_READ_SHADOW, EXIT_QUALIFICATION, GUEST_LINEAR_ADDRESS,
	GUEST_CR0, GUEST_CR3, GUEST_CR4,
	GUEST_ES_BASE, GUEST_CS_BASE, GUEST_SS_BASE, GUEST_DS_BASE, GUEST_FS_BASE, GUEST_GS_BASE, GUEST_LDTR_BASE, GUEST_TR_BASE,
	GUEST_GDTR_BASE, GUEST_IDTR_BASE, GUEST_DR7, GUEST_RSP, GUEST_RIP, GUEST_RFLAGS, GUEST_PENDING_DEBUG, GUEST_SYSENTER_ESP, GUEST_SYSENTER_EIP,
	HOST_CR0, HOST_CR3, HOST_CR4, HOST_FS_BASE, HOST_GS_BASE, HOST_TR_BASE, HOST_GDTR_BASE, HOST_IDTR_BASE,
	HOST_SYSENTER_ESP, HOST_SYSENTER_EIP, HOST_RSP, HOST_RIP,
};
_Static_assert(sizeof(struct vmcs12_region) <= PAGE_SIZE, "the region is larger than a page");

static struct vmx_region hardware_regions[ENTRIES], shadow_regions[ENTRIES];
static struct nested_vmcs entries[ENTRIES];
static u64 uses;

u8 rows[32][64];
static u16 fields_of_rows[FIELD_ROWS];

/** Where a pointer was found last, by some of its bits. */
static u8 hints[64];

void nested_start(void)
{
	for (unsigned n = 0; n < ARRAY_LENGTH(fields); n++) {
		enum vmcs_field field = fields[n];
		unsigned row = row_of(field);
		if (fields_of_rows[row])
			stop_with("fields %x and %x have the same row", (u64)fields_of_rows[row], (u64)field);
		fields_of_rows[row] = (u16)field;
		rows[field >> 10][field & 63] = (u8)(row + 1);
		if (field_width(field) == FIELD_64)
			rows[field >> 10][(field & 63) | 1] = (u8)(row + 1); // its high half
	}
}

enum vmcs_field nested_field(unsigned n) { return fields[n]; }
unsigned nested_fields(void) { return ARRAY_LENGTH(fields); }
enum vmcs_field field_of_row(unsigned row) { return fields_of_rows[row]; }

static void free_entry(struct nested_vmcs *vmcs)
{
	shadow_pull(vmcs);
	for (unsigned n = 0; n < ARRAY_LENGTH(fields); n++)
		nested_read(vmcs, fields[n]);
	if (self.answers_entries)
		forget_world(vmcs);
	clear_region(vmcs->hardware);
	if (self.use_shadowing)
		clear_region(vmcs->shadow);
	vmcs->pointer = 0;
}

struct nested_vmcs *nested_entry(unsigned n) { return n < ENTRIES ? &entries[n] : NULL; }

struct nested_vmcs *nested_find(u64 pointer)
{
	u8 *hint = &hints[pointer / PAGE_SIZE % ARRAY_LENGTH(hints)];
	if (entries[*hint].pointer == pointer)
		return &entries[*hint];
	for (u8 n = 0; n < ENTRIES; n++) {
		if (entries[n].pointer != pointer)
			continue;
		*hint = n;
		return &entries[n];
	}
	return NULL;
}

struct nested_vmcs *nested_find_hardware(u64 physical)
{
	unsigned n = (unsigned)((physical - physical_of(hardware_regions)) / sizeof hardware_regions[0]);
	return n < ENTRIES && physical_of(&hardware_regions[n]) == physical && entries[n].pointer ? &entries[n] : NULL;
}

static struct nested_vmcs *make_room(void)
{
	struct nested_vmcs *oldest = &entries[0];
	for (unsigned n = 1; n < ENTRIES && oldest->pointer; n++)
		if (!entries[n].pointer || entries[n].last_use < oldest->last_use)
			oldest = &entries[n];
	if (oldest->pointer && self.answers_entries)
		stop_with("more VMCSs than a level that answers VMRESUMEs can watch"); // the levels above rely on it
	if (oldest->pointer)
		free_entry(oldest);
	return oldest;
}

struct nested_vmcs *nested_acquire(u64 pointer)
{
	struct nested_vmcs *vmcs = nested_find(pointer);
	if (!vmcs) {
		vmcs = make_room();
		memset(vmcs, 0, sizeof *vmcs);
		vmcs->pointer = pointer;
		vmcs->region = at_physical(pointer);
		vmcs->hardware = &hardware_regions[vmcs - entries];
		vmcs->controls_stale = true;
		vmcs->shadow = &shadow_regions[vmcs - entries];
		clear_region(vmcs->hardware);
		for (unsigned n = 0; n < ARRAY_LENGTH(fields); n++)
			add_row(&vmcs->to_write, row_of(fields[n]));
		vmcs->newest_in_region = vmcs->to_write;
		if (self.linked == vmcs)
			self.linked = NULL; // the place is the same, the shadow VMCS is another
		if (self.use_shadowing)
			shadow_create(vmcs);
	}
	vmcs->last_use = ++uses;
	return vmcs;
}

void nested_release(u64 pointer)
{
	struct nested_vmcs *vmcs = nested_find(pointer);
	if (vmcs)
		free_entry(vmcs);
	((struct vmcs12_region *)at_physical(pointer))->launched = false;
}

u16 nested_vpid(const struct nested_vmcs *vmcs) { return (u16)(FIRST_VPID_OF_NESTED + (vmcs - entries)); }

void nested_forget_all(void) { memset(entries, 0, sizeof entries); }

u64 nested_fetch(struct nested_vmcs *vmcs, unsigned row)
{
	enum vmcs_field field = fields_of_rows[row];
	make_current(vmcs->hardware);
	u64 value = vmread(field);
	if (field == VMCS_LINK_POINTER)
		value = shadow_owner(value);
	vmcs->region->values[row] = value;
	add_row(&vmcs->newest_in_region, row);
	return value;
}

void nested_forget_ept(void)
{
	for (unsigned n = 0; n < ENTRIES; n++)
		entries[n].ept_root = NULL, entries[n].controls_stale = true;
}

/** Of a VMCS of the guest, the guest state and most controls hold for its guest as they are. Host state is ours: exits come to us. */
static bool is_copied(enum vmcs_field field)
{
	switch (field) {
	case PIN_BASED_CONTROLS:
	case PREEMPTION_TIMER_VALUE:
	case PRIMARY_CONTROLS:
	case SECONDARY_CONTROLS:
	case EXIT_CONTROLS:
	case VMCS_LINK_POINTER:
	case VPID:
	case EPT_POINTER: return false;
	default: return field_type(field) == FIELD_GUEST || field_type(field) == FIELD_CONTROL;
	}
}

void nested_note_entry_without_us(struct nested_vmcs *vmcs)
{
	memset(&vmcs->to_write, 0, sizeof vmcs->to_write);
	nested_expect_changes(vmcs);
	remove_row(&vmcs->newest_in_region, row_of(VMCS_LINK_POINTER)); // that the level below has merged too
	vmcs->shadow_is_newer = false;
	vmcs->hardware_launched = true;
	vmcs->region->launched = true;
}

static void write_changes_of_type(struct nested_vmcs *vmcs, enum vmcs_field_type type)
{
	for (u64 left = vmcs->to_write.of_type[type]; left; left &= left - 1) {
		unsigned row = type * FIELDS_OF_TYPE + (unsigned)__builtin_ctzll(left);
		if (is_copied(fields_of_rows[row]))
			vmwrite(fields_of_rows[row], vmcs->region->values[row]);
	}
	vmcs->to_write.of_type[type] = 0;
}

void nested_write_changes(struct nested_vmcs *vmcs)
{
	write_changes_of_type(vmcs, FIELD_CONTROL);
	write_changes_of_type(vmcs, FIELD_GUEST);
	vmcs->to_write.of_type[FIELD_READ_ONLY] = vmcs->to_write.of_type[FIELD_HOST] = 0;
}
