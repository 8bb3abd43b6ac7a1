// A guest that shares the host's page tables and segments, just enough of a VMCS to enter it, and an IDT gate for page faults.
#include "worlds.h"

#include "../lib/descriptors.h"
#include "../lib/processor.h"
#include "../lib/serial.h"

enum { VMX_BASIC = 0x480, VMX_PIN = 0x481, VMX_PRIMARY = 0x482, VMX_EXIT = 0x483, VMX_ENTRY = 0x484, VMX_SECONDARY = 0x48b };
enum { PRIMARY_SECONDARY = 1u << 31, SECONDARY_EPT = 1 << 1, SECONDARY_VPID = 1 << 5, EXIT_HOST_64BIT = 1 << 9, ENTRY_GUEST_64BIT = 1 << 9 };
enum { CODE_RIGHTS = 0xa09b, DATA_RIGHTS = 0xc093, TSS_RIGHTS = 0x8b, UNUSABLE = 0x10000 };
enum { PAGE_FAULT = 14, STORE_LENGTH = 3, CPUID_LENGTH = 2, THOUSAND = 1000 };

/** Linear addresses of the boot protocol's identity map: the first is mapped but absent from the EPT, the second is not mapped. */
static const u64 beyond_ept = 1ul << 30, beyond_paging = 1ul << 32;

extern const u8 guest_cpuid[], guest_touch[], page_fault_handler[];
u64 enter_world(u64 count, u64 length, u64 address);
u64 touch_often(u64 count, u64 length, u64 address);

static u8 vmxon_region[PAGE_SIZE] PAGE_ALIGNED, vmcs_region[PAGE_SIZE] PAGE_ALIGNED;
static u64 ept_pml4[512] PAGE_ALIGNED, ept_pdpt[512] PAGE_ALIGNED, ept_directory[512] PAGE_ALIGNED;

struct field { u32 encoding; u64 value; };

static void write_fields(const struct field *fields, unsigned count)
{
	for (unsigned n = 0; n < count; n++) {
		bool failed;
		asm volatile("vmwrite %2, %1; setna %0" : "=qm"(failed) : "r"((u64)fields[n].encoding), "r"(fields[n].value) : "cc");
		if (failed)
			stop_with("VMWRITE of field %x failed", (u64)fields[n].encoding);
	}
}

/** The control word with what is wanted, as the capability MSR allows it. */
static u64 control(u32 msr, u32 wanted)
{
	u64 allowed = read_msr(msr);
	return (wanted | (u32)allowed) & allowed >> 32;
}

static u32 start_region(u8 *region)
{
	*(u32 *)region = (u32)read_msr(VMX_BASIC) & 0x7fffffff;
	return *(u32 *)region;
}

static void enter_vmx_operation(void)
{
	static bool entered;
	if (entered)
		return;
	entered = true;
	if (!(cpuid(1, 0).ecx & 1 << 5))
		stop_with("the processor has no VMX");
	if (!(read_msr(IA32_FEATURE_CONTROL) & 1))
		write_msr(IA32_FEATURE_CONTROL, 5); // locked, VMX outside SMX
	write_cr4(read_cr4() | 1 << 13);
	start_region(vmxon_region);
	u64 pointer = physical_of(vmxon_region);
	asm volatile("vmxon %0" : : "m"(pointer) : "cc", "memory");
}

/** Makes a fresh VMCS current whose guest begins at `rip`. It has a VPID, as the guests of all hypervisors have: no world switch flushes. */
static void start_vmcs(const u8 *rip, bool ept)
{
	start_region(vmcs_region);
	u64 pointer = physical_of(vmcs_region);
	asm volatile("vmclear %0; vmptrld %0" : : "m"(pointer) : "cc", "memory");
	ept_pml4[0] = physical_of(ept_pdpt) | 7;
	ept_pdpt[0] = physical_of(ept_directory) | 7;
	for (u64 n = 0; n < ARRAY_LENGTH(ept_directory); n++)
		ept_directory[n] = n << 21 | 0xb7; // 2 MiB, write-back, all rights

	struct descriptor_register gdtr = read_gdtr(), idtr = read_idtr();
	u64 tss = physical_of(&task_state);
	const struct field fields[] = {
		{0x4000, control(VMX_PIN, 0)}, {0x4002, control(VMX_PRIMARY, PRIMARY_SECONDARY)},
		{0x400c, control(VMX_EXIT, EXIT_HOST_64BIT)}, {0x4012, control(VMX_ENTRY, ENTRY_GUEST_64BIT)},
		{0x4004, 0}, {0x400e, 0}, {0x4010, 0}, {0x4014, 0}, {0x4016, 0}, {0x400a, 0}, {0x6000, 0}, {0x6002, 0}, {0x2800, ~0ul},
		// guest: selectors, limits, rights, bases
		{0x0800, SELECTOR_DATA}, {0x0802, SELECTOR_CODE}, {0x0804, SELECTOR_DATA}, {0x0806, SELECTOR_DATA}, {0x0808, SELECTOR_DATA}, {0x080a, SELECTOR_DATA},
		{0x080c, 0}, {0x080e, SELECTOR_TSS},
		{0x4800, ~0u}, {0x4802, ~0u}, {0x4804, ~0u}, {0x4806, ~0u}, {0x4808, ~0u}, {0x480a, ~0u}, {0x480c, 0}, {0x480e, sizeof task_state - 1},
		{0x4810, gdtr.limit}, {0x4812, idtr.limit},
		{0x4814, DATA_RIGHTS}, {0x4816, CODE_RIGHTS}, {0x4818, DATA_RIGHTS}, {0x481a, DATA_RIGHTS}, {0x481c, DATA_RIGHTS}, {0x481e, DATA_RIGHTS},
		{0x4820, UNUSABLE}, {0x4822, TSS_RIGHTS},
		{0x6806, 0}, {0x6808, 0}, {0x680a, 0}, {0x680c, 0}, {0x680e, 0}, {0x6810, 0}, {0x6812, 0}, {0x6814, tss}, {0x6816, gdtr.base}, {0x6818, idtr.base},
		// guest: registers and state
		{0x6800, read_cr0()}, {0x6802, read_cr3()}, {0x6804, read_cr4()}, {0x681a, 0x400}, {0x681c, 0}, {0x681e, physical_of(rip)}, {0x6820, 2}, {0x6822, 0},
		{0x4824, 0}, {0x4826, 0}, {0x482a, 0}, {0x6824, 0}, {0x6826, 0}, {0x2802, 0},
		// host
		{0x0c00, SELECTOR_DATA}, {0x0c02, SELECTOR_CODE}, {0x0c04, SELECTOR_DATA}, {0x0c06, SELECTOR_DATA}, {0x0c08, SELECTOR_DATA}, {0x0c0a, SELECTOR_DATA}, {0x0c0c, SELECTOR_TSS},
		{0x6c00, read_cr0()}, {0x6c02, read_cr3()}, {0x6c04, read_cr4()}, {0x6c06, 0}, {0x6c08, 0}, {0x6c0a, tss}, {0x6c0c, gdtr.base}, {0x6c0e, idtr.base},
		{0x4c00, 0}, {0x6c10, 0}, {0x6c12, 0},
	};
	write_fields(fields, ARRAY_LENGTH(fields));
	const struct field secondary_fields[] = {
		{0x401e, control(VMX_SECONDARY, SECONDARY_VPID | (ept ? SECONDARY_EPT : 0))}, {0x0000, 1}, {0x201a, physical_of(ept_pml4) | 0x1e},
	};
	write_fields(secondary_fields, ARRAY_LENGTH(secondary_fields));
}

static u64 enter(u64 exits, u64 length)
{
	u64 handled = enter_world(exits, length, beyond_ept);
	if (handled != exits)
		stop_with("%u exits were handled, not %u", handled, exits);
	return handled;
}

u64 world_cpuid(u64 passes)
{
	enter_vmx_operation();
	start_vmcs(guest_cpuid, false);
	return enter(passes * THOUSAND, CPUID_LENGTH);
}

u64 world_ept(u64 passes)
{
	enter_vmx_operation();
	start_vmcs(guest_touch, true);
	return enter(passes * THOUSAND, STORE_LENGTH);
}

u64 world_page_fault(u64 passes)
{
	struct descriptor_register idtr = read_idtr();
	u32 *gate = at_physical(idtr.base + PAGE_FAULT * 16);
	u64 handler = (u64)page_fault_handler;
	gate[0] = SELECTOR_CODE << 16 | (handler & 0xffff);
	gate[1] = (u32)(handler & 0xffff0000) | 0x8e00;
	gate[2] = (u32)(handler >> 32);
	return touch_often(passes * THOUSAND, STORE_LENGTH, beyond_paging);
}
