// World switches between the guest and its guest. What the guest asked for by VMLAUNCH or VMRESUME we do with vmcs02; what comes back is an
// exit of vmcs02, and the guest, in its own VMCS, sees an exit that it believes to be its processor's.
// What every exit goes through is kept small, which makes it fast; what a reader steps through first (main.c, exit.c, policy.c) is compiled to be debugged.
#pragma GCC optimize("Os")

#include "nested.h"

#include "emulate-vmx.h"
#include "ept.h"
#include "exit.h"
#include "interrupts.h"
#include "no-propagation.h"
#include "preemption.h"
#include "shadow.h"

/** A field of the VMCS's host-state area, and the guest-state field that a VM exit loads from it. */
struct host_to_guest {
	u16 host, guest;
};

static const struct host_to_guest loaded_by_exit[] = {
	{HOST_CR0, GUEST_CR0}, {HOST_CR3, GUEST_CR3}, {HOST_CR4, GUEST_CR4}, {HOST_CR4, CR4_READ_SHADOW},
	{HOST_ES_SELECTOR, GUEST_ES_SELECTOR}, {HOST_CS_SELECTOR, GUEST_CS_SELECTOR}, {HOST_SS_SELECTOR, GUEST_SS_SELECTOR},
	{HOST_DS_SELECTOR, GUEST_DS_SELECTOR}, {HOST_FS_SELECTOR, GUEST_FS_SELECTOR}, {HOST_GS_SELECTOR, GUEST_GS_SELECTOR},
	{HOST_TR_SELECTOR, GUEST_TR_SELECTOR}, {HOST_FS_BASE, GUEST_FS_BASE}, {HOST_GS_BASE, GUEST_GS_BASE}, {HOST_TR_BASE, GUEST_TR_BASE},
	{HOST_GDTR_BASE, GUEST_GDTR_BASE}, {HOST_IDTR_BASE, GUEST_IDTR_BASE}, {HOST_SYSENTER_CS, GUEST_SYSENTER_CS},
	{HOST_SYSENTER_ESP, GUEST_SYSENTER_ESP}, {HOST_SYSENTER_EIP, GUEST_SYSENTER_EIP},
};

/** What a VM exit loads with constants (SDM 3C 28.5 'Loading Host State'), for a host in 64-bit mode. */
static const struct {
	u16 guest;
	u32 value;
} constants_of_exit[] = {
	{GUEST_CS_BASE, 0}, {GUEST_CS_LIMIT, 0xffffffff}, {GUEST_CS_RIGHTS, 0xa09b},
	{GUEST_SS_BASE, 0}, {GUEST_SS_LIMIT, 0xffffffff}, {GUEST_SS_RIGHTS, 0xc093}, {GUEST_DS_BASE, 0}, {GUEST_DS_LIMIT, 0xffffffff}, {GUEST_DS_RIGHTS, 0xc093},
	{GUEST_ES_BASE, 0}, {GUEST_ES_LIMIT, 0xffffffff}, {GUEST_ES_RIGHTS, 0xc093}, {GUEST_FS_LIMIT, 0xffffffff}, {GUEST_FS_RIGHTS, 0xc093},
	{GUEST_GS_LIMIT, 0xffffffff}, {GUEST_GS_RIGHTS, 0xc093}, {GUEST_TR_LIMIT, 0x67}, {GUEST_TR_RIGHTS, 0x8b},
	{GUEST_LDTR_SELECTOR, 0}, {GUEST_LDTR_RIGHTS, 0x10000}, {GUEST_GDTR_LIMIT, 0xffff}, {GUEST_IDTR_LIMIT, 0xffff},
	{GUEST_DR7, 0x400}, {GUEST_DEBUGCTL, 0},
};

/** The host state that vmcs01 was loaded with last. A hypervisor runs in its host state, so what is equal need not be written again. */
static u64 loaded[ARRAY_LENGTH(loaded_by_exit)];
static u64 times_loaded; // how often it was another; 0 = never loaded

static bool has_unsupported_secondary_controls(struct nested_vmcs *vmcs)
{
	const u32 known = (self.use_ept ? ENABLE_EPT : 0) | (self.use_shadowing ? VMCS_SHADOWING : 0) | (self.use_vpid ? ENABLE_VPID : 0);
	if (!(nested_read(vmcs, PRIMARY_CONTROLS) & ACTIVATE_SECONDARY_CONTROLS))
		return false;
	u64 asked = nested_read(vmcs, SECONDARY_CONTROLS);
	return asked & ~(u64)known || (asked & ENABLE_VPID && !nested_read(vmcs, VPID))
		|| (asked & VMCS_SHADOWING && !shadow_covers(nested_read(vmcs, VMREAD_BITMAP), nested_read(vmcs, VMWRITE_BITMAP)));
}

/** Controls whose effect on vmcs02 we do not provide. Asking for one is refused as a processor without it would refuse. */
static bool has_unsupported_controls(struct nested_vmcs *vmcs)
{
	const u32 entry_known = allowed_control(IA32_VMX_ENTRY_CTLS, LOAD_DEBUG_CONTROLS | IA32E_MODE_GUEST);
	const u32 exit_known = allowed_control(IA32_VMX_EXIT_CTLS, SAVE_DEBUG_CONTROLS | HOST_ADDRESS_SPACE_SIZE);
	return nested_read(vmcs, ENTRY_CONTROLS) & ~(u64)entry_known || nested_read(vmcs, EXIT_CONTROLS) & ~(u64)exit_known
		|| !(nested_read(vmcs, EXIT_CONTROLS) & HOST_ADDRESS_SPACE_SIZE) || has_unsupported_secondary_controls(vmcs)
		|| nested_read(vmcs, ENTRY_MSR_LOAD_COUNT) || nested_read(vmcs, EXIT_MSR_LOAD_COUNT) || nested_read(vmcs, EXIT_MSR_STORE_COUNT);
}

/** The guest's guest has the controls that the guest asked for, and those by which we protect ourselves. */
static void write_merged_controls(struct nested_vmcs *vmcs)
{
	u64 pin_based = nested_read(vmcs, PIN_BASED_CONTROLS);
	vmwrite(PIN_BASED_CONTROLS, self.preemption_ticks ? pin_based | ACTIVATE_PREEMPTION_TIMER : pin_based);
	vmcs->has_timer = preemption_is_needed(vmcs);
	u64 primary = nested_read(vmcs, PRIMARY_CONTROLS);
	u64 secondary = primary & ACTIVATE_SECONDARY_CONTROLS ? nested_read(vmcs, SECONDARY_CONTROLS) : 0;
	if (self.use_ept) {
		secondary |= ENABLE_EPT;
		vmwrite(EPT_POINTER, ept_pointer_for_nested(vmcs));
	}
	if (secondary & ENABLE_VPID)
		vmwrite(VPID, nested_vpid(vmcs));
	if (secondary & ENABLE_VPID && nested_has_changed(vmcs, VPID))
		invvpid(nested_vpid(vmcs)); // ours stays the same, what it stands for does not
	vmcs->has_vpid = secondary & ENABLE_VPID;
	if (secondary)
		vmwrite(SECONDARY_CONTROLS, secondary);
	vmcs->window_is_ours = false; // set again before the entry, if it must be
	vmwrite(PRIMARY_CONTROLS, secondary ? primary | ACTIVATE_SECONDARY_CONTROLS : primary);
	vmcs->controls_stale = false;
}

void enter_nested(struct nested_vmcs *vmcs)
{
	shadow_pull(vmcs);
	if (nested_has_changed_controls(vmcs) && has_unsupported_controls(vmcs)) {
		finish_vmx_instruction(VM_FAIL_VALID, ERROR_ENTRY_CONTROLS);
		return;
	}
	self.answers_now = false;
	if (self.answers_entries)
		observe_entry(vmcs);
	continue_nested(vmcs);
}

void continue_nested(struct nested_vmcs *vmcs)
{
	if (self.answers_entries && self.use_shadowing)
		bring_shadow_up_to_date(vmcs);
	bool link_changed = nested_has_changed(vmcs, VMCS_LINK_POINTER);
	u64 link = link_changed ? shadow_link_for_nested(vmcs) : 0;
	make_current(vmcs->hardware);
	if (link_changed)
		vmwrite(VMCS_LINK_POINTER, link);
	if (!vmcs->prepared) {
		write_host_state();
		vmwrite(EXIT_CONTROLS, allowed_control(IA32_VMX_EXIT_CTLS, SAVE_DEBUG_CONTROLS | HOST_ADDRESS_SPACE_SIZE));
		vmcs->prepared = true;
	}
	if (vmcs->controls_stale || nested_has_changed_controls(vmcs))
		write_merged_controls(vmcs);
	if (vmcs->has_timer)
		preemption_start_nested(vmcs);
	nested_write_changes(vmcs);
	self.in_nested = true;
}

static bool is_vmx_instruction(u32 reason) { return reason >= EXIT_VMCLEAR && reason <= EXIT_VMXON; }

/** Reads, while vmcs02 is current, what the guest will ask for: later each would take two changes of the current VMCS. */
static void foresee_reads(struct nested_vmcs *vmcs, u32 reason)
{
	nested_read_current(vmcs, GUEST_RIP);
	if (!is_vmx_instruction(reason))
		return;
	nested_read_current(vmcs, EXIT_INSTRUCTION_LENGTH);
	nested_read_current(vmcs, EXIT_INSTRUCTION_INFORMATION);
	nested_read_current(vmcs, GUEST_RFLAGS);
}

/** The part of the host state that is the same at every exit, as a rule. */
static void load_lasting_host_state(struct nested_vmcs *vmcs)
{
	bool is_first = times_loaded == 0, is_other = is_first;
	for (unsigned n = 0; n < ARRAY_LENGTH(loaded_by_exit); n++) {
		u64 value = nested_read(vmcs, loaded_by_exit[n].host);
		if (!is_first && loaded[n] == value)
			continue;
		is_other = true;
		vmwrite(loaded_by_exit[n].guest, value);
		loaded[n] = value;
	}
	if (is_first)
		for (unsigned n = 0; n < ARRAY_LENGTH(constants_of_exit); n++)
			vmwrite(constants_of_exit[n].guest, constants_of_exit[n].value);
	times_loaded += is_other;
	vmcs->host_loaded = times_loaded;
}

static void load_host_state(struct nested_vmcs *vmcs)
{
	make_current(&vmcs01);
	if (!times_loaded || vmcs->host_loaded != times_loaded)
		load_lasting_host_state(vmcs);
	vmwrite(GUEST_RIP, nested_read(vmcs, HOST_RIP));
	vmwrite(GUEST_RSP, nested_read(vmcs, HOST_RSP));
	vmwrite(GUEST_RFLAGS, RFLAGS_FIXED);
}

/** An exit that nobody above is to see interrupted the delivery of an event: the event is delivered again. */
static void repeat_interrupted_event(void)
{
	const u32 valid = 1u << 31, has_error_code = 1 << 11;
	u32 event = (u32)vmread(IDT_VECTORING_INFORMATION);
	if (!(event & valid))
		return;
	vmwrite(ENTRY_INTERRUPTION_INFORMATION, event & ~(1u << 12)); // bit 12 is undefined there and must be 0 here
	if (event & has_error_code)
		vmwrite(ENTRY_EXCEPTION_ERROR_CODE, vmread(IDT_VECTORING_ERROR_CODE));
	vmwrite(ENTRY_INSTRUCTION_LENGTH, vmread(EXIT_INSTRUCTION_LENGTH)); // used for software interrupts and exceptions only
}

static void note_launched(struct nested_vmcs *vmcs)
{
	vmcs->hardware_launched = true;
	vmcs->region->launched = true;
}

/** EPT violations are ours first: vmcs02's tables are filled as they are needed. True: the guest's guest goes on. */
static bool handle_ept_violation(struct nested_vmcs *vmcs)
{
	enum ept_outcome outcome = ept_nested_violation(vmcs);
	if (outcome == EPT_IS_THE_GUESTS)
		return false;
	note_launched(vmcs);
	if (outcome == EPT_FORBIDDEN)
		refuse_access();
	else
		repeat_interrupted_event();
	return true;
}

void deliver_exit(u32 reason)
{
	struct nested_vmcs *vmcs = self.believed;
	if (reason == EXIT_EPT_VIOLATION && self.use_ept && handle_ept_violation(vmcs))
		return;
	if ((reason == EXIT_INTERRUPT_WINDOW && interrupts_window_was_ours()) || (reason == EXIT_PREEMPTION_TIMER && preemption_handle_nested(vmcs))) {
		note_launched(vmcs);
		return; // the guest's guest goes on
	}
	self.in_nested = false;
	if (!(reason & ENTRY_FAILURE))
		note_launched(vmcs);
	if (self.answers_entries)
		note_delivery(vmcs);
	if (!self.use_shadowing)
		foresee_reads(vmcs, reason);
	else if (!self.may_be_absent)
		shadow_push(vmcs); // else the level that answers VMRESUMEs does it
	if (self.use_vpid && !vmcs->has_vpid)
		invvpid(VPID_OF_GUEST); // an exit without VPID makes the guest's processor forget its host's translations too
	load_host_state(vmcs);
	shadow_link();
}

void reject_nested_entry(u32 error)
{
	self.in_nested = false;
	self.believed->world.must_propagate = true; // whoever asked must be told the next time too
	finish_vmx_instruction(VM_FAIL_VALID, error);
}
