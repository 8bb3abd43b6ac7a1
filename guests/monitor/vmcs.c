// VMX turned on, and the one VMCS. Guest and host start from the same state, the monitor's own: what the boot protocol gives is what it has.
#include "monitor.h"

#include "../lib/descriptors.h"
#include "../lib/processor.h"
#include "../lib/serial.h"
#include "../lib/vmx.h"

enum { FEATURE_LOCKED_WITH_VMX = 5, CONTROL_HLT_EXITING = 1 << 7, CONTROL_ALL_PORTS_EXIT = 1 << 24 };
enum { CODE_64_BIT = 0xa09b, DATA_WRITABLE = 0xc093, TSS_BUSY = 0x8b, NOT_USABLE = 0x10000 };

static struct vmx_region vmxon_area, vmcs_area;
static u8 no_msr_exits[PAGE_SIZE] PAGE_ALIGNED;

static void require(enum vmx_result result, const char *what)
{
	if (result != VM_SUCCEED)
		stop_with("%s failed", what);
}

/** The half of a capability MSR that must be 1, and the half that may be (SDM 3D Appendix A 'VMX Capability Reporting Facility'). */
static u32 settle(u32 msr, u32 wanted)
{
	u64 allowed = read_msr(msr);
	return (wanted | (u32)allowed) & (u32)(allowed >> 32);
}

void start_vmx(void)
{
	const u32 vmx = 1 << 5, revision = (u32)read_msr(IA32_VMX_BASIC) & 0x7fffffff;
	if (!(cpuid(1, 0).ecx & vmx))
		stop_with("this processor has no VMX");
	if (!(read_msr(IA32_FEATURE_CONTROL) & 1))
		write_msr(IA32_FEATURE_CONTROL, FEATURE_LOCKED_WITH_VMX);
	write_cr0(read_cr0() | read_msr(IA32_VMX_CR0_FIXED0));
	write_cr4(read_cr4() | read_msr(IA32_VMX_CR4_FIXED0));
	vmxon_area.revision = vmcs_area.revision = revision;
	require(vmxon(physical_of(&vmxon_area)), "VMXON");
	require(vmclear(physical_of(&vmcs_area)), "VMCLEAR");
	require(vmptrld(physical_of(&vmcs_area)), "VMPTRLD");
}

void leave_vmx(void)
{
	require(vmclear(physical_of(&vmcs_area)), "VMCLEAR");
	asm volatile("vmxoff" : : : "cc", "memory");
}

static void set(enum vmcs_field field, u64 value)
{
	require(vmwrite(field, value), "VMWRITE");
}

static void set_controls(void)
{
	set(PIN_BASED_CONTROLS, settle(IA32_VMX_PINBASED_CTLS, 0));
	set(PRIMARY_CONTROLS, settle(IA32_VMX_PROCBASED_CTLS, CONTROL_HLT_EXITING | CONTROL_ALL_PORTS_EXIT | USE_MSR_BITMAPS));
	set(EXIT_CONTROLS, settle(IA32_VMX_EXIT_CTLS, HOST_ADDRESS_SPACE_SIZE));
	set(ENTRY_CONTROLS, settle(IA32_VMX_ENTRY_CTLS, IA32E_MODE_GUEST));
	set(MSR_BITMAP, physical_of(no_msr_exits));
	set(EXCEPTION_BITMAP, 0);
	set(PAGE_FAULT_ERROR_CODE_MASK, 0);
	set(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	set(CR3_TARGET_COUNT, 0);
	set(EXIT_MSR_STORE_COUNT, 0);
	set(EXIT_MSR_LOAD_COUNT, 0);
	set(ENTRY_MSR_LOAD_COUNT, 0);
	set(ENTRY_INTERRUPTION_INFORMATION, 0);
	set(CR0_MASK, 0);
	set(CR0_READ_SHADOW, 0);
	set(CR4_MASK, CR4_VMXE); // the one bit that the guest may not have
	set(CR4_READ_SHADOW, read_cr4() & ~CR4_VMXE);
	set(VMCS_LINK_POINTER, ~0ull);
}

/** Segment registers have fields in the order ES, CS, SS, DS, FS, GS, LDTR, TR, two encodings apart. */
static void set_segment(unsigned number, u64 selector, u64 base, u64 limit, u64 rights)
{
	set(GUEST_ES_SELECTOR + 2 * number, selector);
	set(GUEST_ES_BASE + 2 * number, base);
	set(GUEST_ES_LIMIT + 2 * number, limit);
	set(GUEST_ES_RIGHTS + 2 * number, rights);
}

static void set_guest_state(u64 rip)
{
	enum { ES, CS, SS, DS, FS, GS, LDTR, TR };
	for (unsigned number = ES; number <= GS; number++)
		set_segment(number, number == CS ? SELECTOR_CODE : SELECTOR_DATA, 0, ~0u, number == CS ? CODE_64_BIT : DATA_WRITABLE);
	set_segment(LDTR, 0, 0, 0, NOT_USABLE);
	set_segment(TR, SELECTOR_TSS, (u64)&task_state, sizeof task_state - 1, TSS_BUSY);
	set(GUEST_CR0, read_cr0());
	set(GUEST_CR3, read_cr3());
	set(GUEST_CR4, read_cr4());
	set(GUEST_GDTR_BASE, read_gdtr().base);
	set(GUEST_GDTR_LIMIT, read_gdtr().limit);
	set(GUEST_IDTR_BASE, read_idtr().base);
	set(GUEST_IDTR_LIMIT, read_idtr().limit);
	set(GUEST_SYSENTER_CS, 0);
	set(GUEST_SYSENTER_ESP, 0);
	set(GUEST_SYSENTER_EIP, 0);
	set(GUEST_DEBUGCTL, 0);
	set(GUEST_DR7, 0x400);
	set(GUEST_RSP, 0); // the image brings its own stack
	set(GUEST_RIP, rip);
	set(GUEST_RFLAGS, RFLAGS_FIXED);
	set(GUEST_INTERRUPTIBILITY, 0);
	set(GUEST_ACTIVITY, 0);
	set(GUEST_PENDING_DEBUG, 0);
}

/** All but HOST_RSP, which enter_guest writes. */
static void set_host_state(void)
{
	for (unsigned number = 0; number < 6; number++)
		set(HOST_ES_SELECTOR + 2 * number, number == 1 ? SELECTOR_CODE : SELECTOR_DATA);
	set(HOST_TR_SELECTOR, SELECTOR_TSS);
	set(HOST_CR0, read_cr0());
	set(HOST_CR3, read_cr3());
	set(HOST_CR4, read_cr4());
	set(HOST_FS_BASE, 0);
	set(HOST_GS_BASE, 0);
	set(HOST_TR_BASE, (u64)&task_state);
	set(HOST_GDTR_BASE, read_gdtr().base);
	set(HOST_IDTR_BASE, read_idtr().base);
	set(HOST_SYSENTER_CS, 0);
	set(HOST_SYSENTER_ESP, 0);
	set(HOST_SYSENTER_EIP, 0);
	set(HOST_RIP, (u64)guest_exited);
}

void fill_vmcs(u64 guest_rip)
{
	set_controls();
	set_guest_state(guest_rip);
	set_host_state();
}
