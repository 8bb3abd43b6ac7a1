// Turning VMX on, and the regions that VMX uses (SDM 3C 24.7 'Enabling and Entering VMX Operation').
#include "hypervisor.h"

#include "../lib/processor.h"
#include "../lib/serial.h"

enum { FEATURE_CONTROL_LOCKED = 1, FEATURE_CONTROL_VMX = 4, CPUID_VMX = 1 << 5 };

static struct vmx_region vmxon_region;

static u32 revision(void) { return (u32)read_msr(IA32_VMX_BASIC) & 0x7fffffff; }

/** Firmware may leave the choice open; then it is made here, for good. */
static void allow_vmx(void)
{
	u64 control = read_msr(IA32_FEATURE_CONTROL);
	if (!(control & FEATURE_CONTROL_LOCKED))
		write_msr(IA32_FEATURE_CONTROL, control | FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX);
	else if (!(control & FEATURE_CONTROL_VMX))
		stop_with("VMX is locked off by IA32_FEATURE_CONTROL");
}

static bool has_secondary_control(u32 control)
{
	return allowed_control(IA32_VMX_PROCBASED_CTLS, ACTIVATE_SECONDARY_CONTROLS) & ACTIVATE_SECONDARY_CONTROLS
		&& allowed_control(IA32_VMX_PROCBASED_CTLS2, control) & control;
}

/** What the options ask for must be there. Shadow VMCSs hold exit information, which we must be able to write. */
static void check_options(void)
{
	self.writes_read_only_fields = read_msr(IA32_VMX_MISC) >> 29 & 1;
	if (self.preemption_ticks && !(allowed_control(IA32_VMX_PINBASED_CTLS, ACTIVATE_PREEMPTION_TIMER) & ACTIVATE_PREEMPTION_TIMER))
		stop_with("this processor has no VMX-preemption timer");
	const u64 invvpid = 1ull << 32, single_and_all_contexts = 3ull << 41;
	self.use_vpid = has_secondary_control(ENABLE_VPID)
		&& (read_msr(IA32_VMX_EPT_VPID_CAP) & (invvpid | single_and_all_contexts)) == (invvpid | single_and_all_contexts);
	if (self.use_ept && !has_secondary_control(ENABLE_EPT))
		stop_with("this processor has no EPT");
	if (self.use_shadowing && !(has_secondary_control(VMCS_SHADOWING) && self.writes_read_only_fields))
		stop_with("this processor has no VMCS shadowing");
}

void enter_vmx_operation(void)
{
	check_options();
	if (!(cpuid(1, 0).ecx & CPUID_VMX))
		stop_with("this processor has no VMX");
	allow_vmx();
	write_cr0((read_cr0() | read_msr(IA32_VMX_CR0_FIXED0)) & read_msr(IA32_VMX_CR0_FIXED1));
	write_cr4((read_cr4() | CR4_VMXE | read_msr(IA32_VMX_CR4_FIXED0)) & read_msr(IA32_VMX_CR4_FIXED1));
	vmxon_region.revision = revision();
	if (vmxon(physical_of(&vmxon_region)) != VM_SUCCEED)
		stop_with("VMXON failed");
}

/** Makes a region fit for a new VMCS: its launch state becomes 'clear'. */
void clear_region(struct vmx_region *region)
{
	region->revision = revision();
	if (vmclear(physical_of(region)) != VM_SUCCEED)
		stop_with("VMCLEAR failed");
	if (self.current_vmcs == physical_of(region))
		self.current_vmcs = 0;
}

void load_pointer(struct vmx_region *region)
{
	if (vmptrld(physical_of(region)) != VM_SUCCEED)
		stop_with("VMPTRLD failed");
	self.current_vmcs = physical_of(region);
}
