// Filling a VMCS: our controls, our host state, and a guest's first state, which is the entry state of the boot protocol.
#include "ept.h"
#include "shadow.h"

#include "../lib/descriptors.h"
#include "../lib/processor.h"
#include "../lib/serial.h"

/** All bits clear: no MSR access exits. MSRs outside the two ranges that it covers always exit. */
static u8 msr_bitmap[PAGE_SIZE] PAGE_ALIGNED;

struct field_value {
	u16 field;
	u64 value;
};

static void write_field(enum vmcs_field field, u64 value)
{
	if (vmwrite(field, value) != VM_SUCCEED)
		stop_with("VMWRITE of field %x failed", (u64)field);
}

static void write_fields(const struct field_value *rows, unsigned count)
{
	for (unsigned n = 0; n < count; n++)
		write_field(rows[n].field, rows[n].value);
}

/** What a control must be: the low half of the capability MSR has the bits that must be 1, the high half those that may be. */
u32 allowed_control(u32 capability_msr, u32 wanted)
{
	const u64 has_true_capabilities = 1ull << 55;
	if (capability_msr >= IA32_VMX_PINBASED_CTLS && capability_msr <= IA32_VMX_ENTRY_CTLS && (read_msr(IA32_VMX_BASIC) & has_true_capabilities))
		capability_msr += IA32_VMX_TRUE_PINBASED_CTLS - IA32_VMX_PINBASED_CTLS;
	u64 capability = read_msr(capability_msr);
	return (wanted | (u32)capability) & (u32)(capability >> 32);
}

static u32 own_secondary_controls(void)
{
	return (self.use_ept ? ENABLE_EPT : 0) | (self.use_shadowing ? VMCS_SHADOWING : 0) | (self.use_vpid ? ENABLE_VPID : 0);
}

/** We ask for as little as the processor allows: CPUID, VMX instructions and the few others that always exit. */
void write_own_controls(void)
{
	const struct field_value rows[] = {
		{PIN_BASED_CONTROLS, allowed_control(IA32_VMX_PINBASED_CTLS, self.preemption_ticks ? ACTIVATE_PREEMPTION_TIMER : 0)},
		{PRIMARY_CONTROLS, allowed_control(IA32_VMX_PROCBASED_CTLS, USE_MSR_BITMAPS | (own_secondary_controls() ? ACTIVATE_SECONDARY_CONTROLS : 0))},
		{EXIT_CONTROLS, allowed_control(IA32_VMX_EXIT_CTLS, HOST_ADDRESS_SPACE_SIZE)},
		{ENTRY_CONTROLS, allowed_control(IA32_VMX_ENTRY_CTLS, IA32E_MODE_GUEST)},
		{MSR_BITMAP, physical_of(msr_bitmap)},
		{EXCEPTION_BITMAP, 0}, {PAGE_FAULT_ERROR_CODE_MASK, 0}, {PAGE_FAULT_ERROR_CODE_MATCH, 0}, {CR3_TARGET_COUNT, 0},
		{EXIT_MSR_STORE_COUNT, 0}, {EXIT_MSR_LOAD_COUNT, 0}, {ENTRY_MSR_LOAD_COUNT, 0}, {ENTRY_INTERRUPTION_INFORMATION, 0},
		// the guest believes that CR4.VMXE is what it wrote; in truth it is 1 as long as VMX is on
		{CR0_MASK, 0}, {CR0_READ_SHADOW, 0}, {CR4_MASK, CR4_VMXE}, {CR4_READ_SHADOW, 0},
		{VMCS_LINK_POINTER, ~0ull},
	};
	write_fields(rows, ARRAY_LENGTH(rows));
	if (own_secondary_controls())
		write_field(SECONDARY_CONTROLS, own_secondary_controls());
	if (self.preemption_ticks)
		write_field(PREEMPTION_TIMER_VALUE, self.preemption_ticks);
	if (self.use_vpid)
		write_field(VPID, VPID_OF_GUEST);
	if (self.use_ept)
		write_field(EPT_POINTER, ept_pointer());
	if (self.use_shadowing) {
		write_field(VMREAD_BITMAP, shadow_bitmap());
		write_field(VMWRITE_BITMAP, shadow_bitmap());
	}
}

/** Where and how this level continues at a VM exit: the state it runs in now, in the middle of enter_guest. */
void write_host_state(void)
{
	const struct field_value rows[] = {
		{HOST_CR0, read_cr0()}, {HOST_CR3, read_cr3()}, {HOST_CR4, read_cr4()},
		{HOST_ES_SELECTOR, SELECTOR_DATA}, {HOST_CS_SELECTOR, SELECTOR_CODE}, {HOST_SS_SELECTOR, SELECTOR_DATA}, {HOST_DS_SELECTOR, SELECTOR_DATA},
		{HOST_FS_SELECTOR, SELECTOR_DATA}, {HOST_GS_SELECTOR, SELECTOR_DATA}, {HOST_TR_SELECTOR, SELECTOR_TSS},
		{HOST_FS_BASE, 0}, {HOST_GS_BASE, 0}, {HOST_TR_BASE, (u64)&task_state},
		{HOST_GDTR_BASE, read_gdtr().base}, {HOST_IDTR_BASE, read_idtr().base},
		{HOST_SYSENTER_CS, 0}, {HOST_SYSENTER_ESP, 0}, {HOST_SYSENTER_EIP, 0},
		{HOST_RSP, self.stack_at_exit}, {HOST_RIP, (u64)exit_entry},
	};
	write_fields(rows, ARRAY_LENGTH(rows));
}

enum { RIGHTS_CODE64 = 0xa09b, RIGHTS_DATA = 0xc093, RIGHTS_BUSY_TSS = 0x8b, RIGHTS_UNUSABLE = 0x10000 };

/** Selectors, bases, limits and rights have encodings in the same order: ES, CS, SS, DS, FS, GS, LDTR, TR. */
static void write_segment(unsigned number, u64 selector, u64 limit, u64 rights)
{
	write_field(GUEST_ES_SELECTOR + 2 * number, selector);
	write_field(GUEST_ES_BASE + 2 * number, 0);
	write_field(GUEST_ES_LIMIT + 2 * number, limit);
	write_field(GUEST_ES_RIGHTS + 2 * number, rights);
}

void write_guest_state(const struct guest_start *start)
{
	const struct field_value rows[] = {
		{GUEST_CR0, read_cr0()}, {GUEST_CR3, start->cr3}, {GUEST_CR4, CR4_PAE | CR4_VMXE | read_msr(IA32_VMX_CR4_FIXED0)},
		{CR4_READ_SHADOW, CR4_PAE},
		{GUEST_GDTR_BASE, start->gdt}, {GUEST_GDTR_LIMIT, 23}, {GUEST_IDTR_BASE, 0}, {GUEST_IDTR_LIMIT, 0},
		{GUEST_RIP, start->entry}, {GUEST_RSP, 0}, {GUEST_RFLAGS, RFLAGS_FIXED}, {GUEST_DR7, 0x400},
		{GUEST_DEBUGCTL, 0}, {GUEST_SYSENTER_CS, 0}, {GUEST_SYSENTER_ESP, 0}, {GUEST_SYSENTER_EIP, 0},
		{GUEST_INTERRUPTIBILITY, 0}, {GUEST_ACTIVITY, 0}, {GUEST_PENDING_DEBUG, 0},
	};
	write_fields(rows, ARRAY_LENGTH(rows));
	enum { ES, CS, SS, DS, FS, GS, LDTR, TR };
	for (unsigned number = ES; number <= GS; number++)
		write_segment(number, number == CS ? SELECTOR_CODE : SELECTOR_DATA, 0xffffffff, number == CS ? RIGHTS_CODE64 : RIGHTS_DATA);
	write_segment(LDTR, 0, 0, RIGHTS_UNUSABLE);
	write_segment(TR, 0, 0x67, RIGHTS_BUSY_TSS);
}
