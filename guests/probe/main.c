// Asks the VMX instructions for their errors, one after the other, and prints what each answers. Run on the bare machine and as guest of
// hypervisors, the output must be the same: that is what makes a hypervisor of nested guests a good one.
#include "../lib/multiboot.h"
#include "../lib/processor.h"
#include "../lib/serial.h"
#include "../lib/vmx.h"

static struct vmx_region vmxon_region, first, second, foreign;

#define NO_SUCH_FIELD ((enum vmcs_field)0x6a7e)

/** The error number is that of the current VMCS; without one there is none to read. */
static void report(const char *what, enum vmx_result result)
{
	switch (result) {
	case VM_SUCCEED: print("%s: succeeds", what); break;
	case VM_FAIL_INVALID: print("%s: fails, no current VMCS", what); break;
	case VM_FAIL_VALID: print("%s: fails with error %u", what, vmread(VM_INSTRUCTION_ERROR)); break;
	}
}

static enum vmx_result vmread_result(u64 field, u64 *value)
{
	bool carry, zero;
	asm volatile("vmread %3, %2" : "=@ccc"(carry), "=@ccz"(zero), "=m"(*value) : "r"(field));
	return VMX_RESULT(carry, zero);
}

static u64 vmptrst(void)
{
	u64 pointer;
	asm volatile("vmptrst %0" : "=m"(pointer) : : "cc");
	return pointer;
}

static enum vmx_result vmlaunch(void)
{
	bool carry, zero;
	asm volatile("vmlaunch" : "=@ccc"(carry), "=@ccz"(zero) : : "memory");
	return VMX_RESULT(carry, zero);
}

static enum vmx_result vmresume(void)
{
	bool carry, zero;
	asm volatile("vmresume" : "=@ccc"(carry), "=@ccz"(zero) : : "memory");
	return VMX_RESULT(carry, zero);
}

static enum vmx_result vmxoff(void)
{
	bool carry, zero;
	asm volatile("vmxoff" : "=@ccc"(carry), "=@ccz"(zero) : : "memory");
	return VMX_RESULT(carry, zero);
}

static void try_vmxon(void)
{
	report("VMXON at an odd address", vmxon(physical_of(&vmxon_region) + 1));
	report("VMXON with another revision", vmxon(physical_of(&foreign)));
	report("VMXON", vmxon(physical_of(&vmxon_region)));
	report("VMXON again", vmxon(physical_of(&vmxon_region)));
}

static void try_without_current(void)
{
	u64 value;
	print("VMPTRST: %s", vmptrst() == ~0ull ? "no pointer" : "a pointer");
	report("VMREAD", vmread_result(GUEST_RIP, &value));
	report("VMWRITE", vmwrite(GUEST_RIP, 1));
	report("VMLAUNCH", vmlaunch());
	report("VMPTRLD at an odd address", vmptrld(physical_of(&first) + 8));
}

static void try_pointers(void)
{
	report("VMCLEAR", vmclear(physical_of(&first)));
	report("VMPTRLD", vmptrld(physical_of(&first)));
	print("VMPTRST: %s", vmptrst() == physical_of(&first) ? "the same pointer" : "another pointer");
	report("VMXON again", vmxon(physical_of(&vmxon_region)));
	report("VMPTRLD at an odd address", vmptrld(physical_of(&first) + 8));
	report("VMPTRLD of the VMXON region", vmptrld(physical_of(&vmxon_region)));
	report("VMPTRLD with another revision", vmptrld(physical_of(&foreign)));
	report("VMCLEAR at an odd address", vmclear(physical_of(&first) + 8));
	report("VMCLEAR of the VMXON region", vmclear(physical_of(&vmxon_region)));
}

static void print_field(const char *what, u64 field)
{
	u64 value = 0;
	enum vmx_result result = vmread_result(field, &value);
	if (result == VM_SUCCEED)
		print("%s = %x", what, value);
	else
		report(what, result);
}

static void try_fields(void)
{
	report("VMREAD of no field", vmread_result(NO_SUCH_FIELD, &(u64){0}));
	report("VMWRITE of no field", vmwrite(NO_SUCH_FIELD, 0));
	report("VMWRITE of a field that exits fill", vmwrite(EXIT_QUALIFICATION, 0x77));
	vmwrite(GUEST_RIP, 0x123456789abcdef0);
	vmwrite(VMCS_LINK_POINTER, 0x1111222233334444);
	vmwrite(VMCS_LINK_POINTER + 1, 0x55556666);
	vmwrite(GUEST_CS_SELECTOR, 0x12345678);
	vmwrite(EXCEPTION_BITMAP, 0xaaaabbbbccccdddd);
	print_field("a natural-width field", GUEST_RIP);
	print_field("a 64-bit field", VMCS_LINK_POINTER);
	print_field("its high half", VMCS_LINK_POINTER + 1);
	print_field("a 16-bit field", GUEST_CS_SELECTOR);
	print_field("a 32-bit field", EXCEPTION_BITMAP);
	print_field("a 32-bit field's high half", EXCEPTION_BITMAP + 1);
}

static void try_entries(void)
{
	report("VMRESUME of a VMCS that was not launched", vmresume());
	report("VMLAUNCH with all controls 0", vmlaunch());
}

static void try_two(void)
{
	report("VMCLEAR of a second VMCS", vmclear(physical_of(&second)));
	report("VMPTRLD of it", vmptrld(physical_of(&second)));
	vmwrite(GUEST_RIP, 0x2222);
	vmptrld(physical_of(&first));
	print_field("RIP of the first", GUEST_RIP);
	vmptrld(physical_of(&second));
	print_field("RIP of the second", GUEST_RIP);
	report("VMCLEAR of the current VMCS", vmclear(physical_of(&second)));
	report("VMREAD then", vmread_result(GUEST_RIP, &(u64){0}));
	vmptrld(physical_of(&second));
	print_field("RIP of the second, current again", GUEST_RIP);
}

void main(const struct multiboot_info *info)
{
	serial_start((unsigned)number_option(command_line(info), "level", 0), "probe");
	u32 revision = (u32)read_msr(IA32_VMX_BASIC) & 0x7fffffff;
	vmxon_region.revision = first.revision = second.revision = revision;
	foreign.revision = revision ^ 1;
	if (!(read_msr(IA32_FEATURE_CONTROL) & 1))
		write_msr(IA32_FEATURE_CONTROL, read_msr(IA32_FEATURE_CONTROL) | 5);
	write_cr0(read_cr0() | read_msr(IA32_VMX_CR0_FIXED0));
	print("CR4.VMXE is %u", read_cr4() >> 13 & 1);
	write_cr4(read_cr4() | CR4_VMXE);
	print("CR4.VMXE is %u", read_cr4() >> 13 & 1);
	try_vmxon();
	try_without_current();
	try_pointers();
	try_fields();
	try_entries();
	try_two();
	report("VMXOFF", vmxoff());
	write_cr4(read_cr4() & ~CR4_VMXE);
	print("CR4.VMXE is %u", read_cr4() >> 13 & 1);
	end_run(0);
}
