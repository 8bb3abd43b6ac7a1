// Shadow VMCSs. Each entry of vmcs12.c has one, for the few fields that are read or written in every exit. A guest hypervisor that uses shadowing
// for *its* guest names one of its own VMCSs as shadow; it is an entry here, whose shadow holds the same fields, so the processor can be given
// that one: shadowing works at every depth without further copies.
// What every exit goes through is kept small, which makes it fast; what a reader steps through first (main.c, exit.c, policy.c) is compiled to be debugged.
#pragma GCC optimize("Os")

#include "shadow.h"

#include "../lib/memory.h"

enum { BIT_SHADOW_VMCS = 1u << 31 };

/** Exit information is written too: by a guest hypervisor that fills a shadow VMCS for its own guest, as shadow_push does. */
static const u16 shadowed[SHADOWED_FIELDS] = {
	EXIT_REASON, EXIT_QUALIFICATION, EXIT_INSTRUCTION_LENGTH, EXIT_INSTRUCTION_INFORMATION,
	GUEST_CR3, GUEST_RIP, GUEST_RSP, GUEST_RFLAGS, VMCS_LINK_POINTER,
};
enum { LINK = SHADOWED_FIELDS - 1 }; // the last one is ours to translate

/** For VMREAD and VMWRITE alike. A set bit makes the access exit; the bit's number is that of the encoding. */
static u8 bitmap[PAGE_SIZE] PAGE_ALIGNED;

void shadow_start(void)
{
	memset(bitmap, 0xff, PAGE_SIZE);
	for (unsigned n = 0; n < SHADOWED_FIELDS; n++)
		bitmap[shadowed[n] / 8] &= (u8)~(1u << shadowed[n] % 8);
}

u64 shadow_bitmap(void) { return physical_of(bitmap); }

bool shadow_covers(u64 read_bitmap, u64 write_bitmap)
{
	const u8 *reads = at_physical(read_bitmap), *writes = at_physical(write_bitmap);
	for (unsigned n = 0; n < PAGE_SIZE; n++)
		if (bitmap[n] & ~(reads[n] & writes[n]))
			return false;
	return true;
}

bool shadow_holds(enum vmcs_field field) { return !(bitmap[field / 8] >> field % 8 & 1); }

void shadow_create(struct nested_vmcs *vmcs)
{
	clear_region(vmcs->shadow);
	vmcs->shadow->revision |= BIT_SHADOW_VMCS; // the state is 'clear' already, so the type may change
	make_current(vmcs->shadow);
	for (unsigned n = 0; n < SHADOWED_FIELDS; n++)
		vmwrite(shadowed[n], vmcs->shadow_values[n]);
	shadow_push(vmcs);
}

/** Those of a type but for the link pointer, as in a row set. */
static inline u64 shadowed_of_type(enum vmcs_field_type type)
{
	u64 bits = 0;
	for (unsigned n = 0; n < LINK; n++)
		if (field_type(shadowed[n]) == type)
			bits |= bit_of(row_of(shadowed[n]));
	return bits;
}

/** The newest values of all but the link pointer. */
static inline void read_shadowed(struct nested_vmcs *vmcs, u64 values[])
{
	const u64 *newest = vmcs->newest_in_region.of_type;
	if (shadowed_of_type(FIELD_READ_ONLY) & ~newest[FIELD_READ_ONLY] || shadowed_of_type(FIELD_GUEST) & ~newest[FIELD_GUEST])
		make_current(vmcs->hardware);
	for (unsigned n = 0; n < LINK; n++)
		values[n] = nested_read_current(vmcs, shadowed[n]);
}

void shadow_push(struct nested_vmcs *vmcs)
{
	u64 values[SHADOWED_FIELDS]; // all are read before one is written: that needs another VMCS
	values[LINK] = nested_read(vmcs, VMCS_LINK_POINTER);
	read_shadowed(vmcs, values);
	make_current(vmcs->shadow);
	for (unsigned n = 0; n < SHADOWED_FIELDS; n++) {
		if (values[n] == vmcs->shadow_values[n] && !self.may_be_absent)
			continue;
		vmwrite(shadowed[n], values[n]);
		vmcs->shadow_values[n] = values[n];
	}
	vmcs->shadow_is_newer = true;
}

void shadow_fill(struct vmx_region *shadow, struct nested_vmcs *vmcs, u64 link)
{
	u64 values[LINK];
	read_shadowed(vmcs, values);
	make_current(shadow);
	for (unsigned n = 0; n < LINK; n++)
		vmwrite(shadowed[n], values[n]);
	if (link)
		vmwrite(VMCS_LINK_POINTER, link);
}

u64 shadow_read_link(struct vmx_region *shadow)
{
	make_current(shadow);
	return vmread(VMCS_LINK_POINTER);
}

void shadow_take(struct vmx_region *shadow, struct nested_vmcs *vmcs)
{
	make_current(shadow);
	for (unsigned n = 0; n < LINK; n++)
		if (field_type(shadowed[n]) == FIELD_GUEST)
			nested_write(vmcs, shadowed[n], vmread(shadowed[n]));
}

void bring_own_shadow_up_to_date(struct nested_vmcs *vmcs)
{
	const u32 guest = 1u << 1;
	if (self.use_shadowing && vmcs->world.unseen_by & guest)
		shadow_push(vmcs);
	vmcs->world.unseen_by &= ~guest;
}

/** Where another level fills the shadow (no-propagation.c), what it held before is asked from the VMCS itself. */
static void pull_what_others_filled(struct nested_vmcs *vmcs)
{
	u64 values[SHADOWED_FIELDS];
	for (unsigned n = 0; n < SHADOWED_FIELDS; n++)
		values[n] = vmread(shadowed[n]);
	for (unsigned n = 0; n < SHADOWED_FIELDS; n++)
		if (values[n] != nested_read(vmcs, shadowed[n]))
			nested_write(vmcs, shadowed[n], values[n]);
}

void shadow_bring_back(struct nested_vmcs *vmcs)
{
	vmcs->shadow_is_newer = false;
	make_current(vmcs->shadow);
	if (self.may_be_absent) {
		pull_what_others_filled(vmcs);
		return;
	}
	for (unsigned n = 0; n < SHADOWED_FIELDS; n++) {
		u64 value = vmread(shadowed[n]);
		if (value == vmcs->shadow_values[n])
			continue;
		vmcs->shadow_values[n] = value;
		nested_write(vmcs, shadowed[n], value);
	}
}

u64 shadow_owner(u64 link)
{
	struct nested_vmcs *vmcs;
	for (unsigned n = 0; (vmcs = nested_entry(n)); n++)
		if (vmcs->pointer && physical_of(vmcs->shadow) == link)
			return vmcs->pointer;
	return link;
}

void shadow_link_believed(void)
{
	if (self.linked != self.believed)
		vmwrite(VMCS_LINK_POINTER, self.believed ? physical_of(self.believed->shadow) : ~0ull);
	self.linked = self.believed;
	if (self.believed)
		self.believed->shadow_is_newer = true; // or will be
}

u64 shadow_link_for_nested(struct nested_vmcs *vmcs)
{
	u64 link = nested_read(vmcs, VMCS_LINK_POINTER);
	return link == ~0ull ? link : physical_of(nested_acquire(link)->shadow);
}
