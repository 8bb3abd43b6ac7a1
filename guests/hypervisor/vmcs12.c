// Keeping the guest's VMCSs: the table of fields, the entries, and the lazy copies between region and hardware VMCS (vmcs12.h).
// What every exit goes through is optimized for speed; what a reader steps through first (main.c, exit.c, policy.c) is not.
#pragma GCC optimize("O2")

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
_Static_assert(ARRAY_LENGTH(fields) <= FIELD_ROWS, "the region has too few places for fields");
_Static_assert(sizeof(struct vmcs12_region) <= PAGE_SIZE, "the region is larger than a page");

static struct vmx_region hardware_regions[ENTRIES], shadow_regions[ENTRIES];
static struct nested_vmcs entries[ENTRIES];
static u64 uses;

/** Row + 1 by width, type and index of the encoding. */
static u8 rows[4][4][32];

/** Where a pointer was found last, by some of its bits. */
static u8 hints[64];

/** Fields that an entry and exit of the guest's guest may change: the guest-state area, the information about the exit, and the event to inject,
 * whose valid bit an exit clears. */
static struct row_set changed_by_processor;

/** Fields that say how the guest's guest runs. */
static struct row_set controls;

/** Row of a field that exists. */
static inline unsigned row_of(enum vmcs_field field) { return rows[field >> 13][field >> 10 & 3][field >> 1 & 31] - 1u; }

void nested_start(void)
{
	for (unsigned row = 0; row < ARRAY_LENGTH(fields); row++) {
		rows[field_width(fields[row])][field_type(fields[row])][fields[row] >> 1 & 31] = (u8)(row + 1);
		if (field_type(fields[row]) == FIELD_GUEST || field_type(fields[row]) == FIELD_READ_ONLY)
			add_row(&changed_by_processor, row);
		if (field_type(fields[row]) == FIELD_CONTROL)
			add_row(&controls, row);
	}
	add_row(&changed_by_processor, (unsigned)row_of_field(ENTRY_INTERRUPTION_INFORMATION));
	// in the guest-state area, but ours to fill: shadow.c, preemption.c
	remove_row(&changed_by_processor, (unsigned)row_of_field(VMCS_LINK_POINTER));
	remove_row(&changed_by_processor, (unsigned)row_of_field(PREEMPTION_TIMER_VALUE));
}

int row_of_field(u32 encoding)
{
	if (encoding & ~0x7c3fu & ~1u || ((encoding & 1) && field_width(encoding) != FIELD_64))
		return -1;
	return rows[field_width(encoding)][field_type(encoding)][encoding >> 1 & 31] - 1;
}

enum vmcs_field field_of_row(unsigned row) { return fields[row]; }
unsigned field_rows(void) { return ARRAY_LENGTH(fields); }

static void free_entry(struct nested_vmcs *vmcs)
{
	shadow_pull(vmcs);
	for (unsigned row = 0; row < ARRAY_LENGTH(fields); row++)
		nested_read(vmcs, fields[row]);
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
		for (unsigned row = 0; row < ARRAY_LENGTH(fields); row++) {
			add_row(&vmcs->newest_in_region, row);
			add_row(&vmcs->to_write, row);
		}
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

u64 nested_read(struct nested_vmcs *vmcs, enum vmcs_field field)
{
	unsigned row = row_of(field);
	if (has_row(&vmcs->newest_in_region, row))
		return vmcs->region->values[row];
	make_current(vmcs->hardware);
	u64 value = vmread(field);
	if (field == VMCS_LINK_POINTER)
		value = shadow_owner(value);
	vmcs->region->values[row] = value;
	add_row(&vmcs->newest_in_region, row);
	return value;
}

static bool has_all(const struct row_set *set, const struct row_set *wanted)
{
	u64 missing = 0;
	for (unsigned word = 0; word < ROW_WORDS; word++)
		missing |= wanted->words[word] & ~set->words[word];
	return !missing;
}

void nested_read_several(struct nested_vmcs *vmcs, const struct several_fields *several, u64 values[])
{
	if (!has_all(&vmcs->newest_in_region, &several->set))
		make_current(vmcs->hardware);
	for (unsigned n = 0; n < several->count; n++) {
		unsigned row = several->rows[n];
		if (!has_row(&vmcs->newest_in_region, row))
			vmcs->region->values[row] = vmread(several->fields[n]);
		values[n] = vmcs->region->values[row];
	}
	for (unsigned word = 0; word < ROW_WORDS; word++)
		vmcs->newest_in_region.words[word] |= several->set.words[word];
}

struct several_fields several_fields(const u16 fields[], unsigned count)
{
	struct several_fields several = {.fields = fields, .count = count};
	for (unsigned n = 0; n < count; n++) {
		several.rows[n] = (u8)row_of(fields[n]);
		add_row(&several.set, several.rows[n]);
	}
	return several;
}

void nested_write(struct nested_vmcs *vmcs, enum vmcs_field field, u64 value)
{
	static const u64 masks[] = {[FIELD_16] = 0xffff, [FIELD_32] = 0xffffffff, [FIELD_64] = ~0ull, [FIELD_NATURAL] = ~0ull};
	unsigned row = row_of(field);
	vmcs->region->values[row] = value & masks[field_width(field)];
	add_row(&vmcs->newest_in_region, row);
	add_row(&vmcs->to_write, row);
	if (field_type(field) == FIELD_HOST)
		vmcs->host_loaded = 0;
}

bool nested_has_changed_controls(const struct nested_vmcs *vmcs)
{
	for (unsigned word = 0; word < ROW_WORDS; word++)
		if (vmcs->to_write.words[word] & controls.words[word])
			return true;
	return false;
}

bool nested_has_changed(const struct nested_vmcs *vmcs, enum vmcs_field field) { return has_row(&vmcs->to_write, row_of(field)); }

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

static void expect_changes(struct nested_vmcs *vmcs)
{
	for (unsigned word = 0; word < ROW_WORDS; word++)
		vmcs->newest_in_region.words[word] &= ~changed_by_processor.words[word];
}

void nested_note_entry_without_us(struct nested_vmcs *vmcs)
{
	memset(&vmcs->to_write, 0, sizeof vmcs->to_write);
	expect_changes(vmcs);
	remove_row(&vmcs->newest_in_region, (unsigned)row_of_field(VMCS_LINK_POINTER)); // that the level below has merged too
	vmcs->shadow_is_newer = false;
	vmcs->hardware_launched = true;
	vmcs->region->launched = true;
}

void nested_write_changes(struct nested_vmcs *vmcs)
{
	for (unsigned word = 0; word < ROW_WORDS; word++) {
		for (u64 left = vmcs->to_write.words[word]; left; left &= left - 1) {
			unsigned row = word * 64 + (unsigned)__builtin_ctzll(left);
			if (is_copied(fields[row]))
				vmwrite(fields[row], vmcs->region->values[row]);
		}
		vmcs->to_write.words[word] = 0;
	}
}

void nested_note_exit(struct nested_vmcs *vmcs, u32 reason)
{
	unsigned row = row_of(EXIT_REASON);
	if (reason & ENTRY_FAILURE)
		remove_row(&vmcs->newest_in_region, row_of(EXIT_QUALIFICATION)); // nothing else was touched
	else
		expect_changes(vmcs);
	vmcs->region->values[row] = reason;
	add_row(&vmcs->newest_in_region, row);
}
