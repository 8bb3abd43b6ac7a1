// The steps of the walk. Fields are written with values that are good most of the time; a bad one is refused, and how it is refused is printed.
#include "wander.h"

#include "../lib/descriptors.h"
#include "../lib/processor.h"
#include "../lib/serial.h"

enum { VMCS_COUNT = 2, RIGHTS_CODE64 = 0xa09b, RIGHTS_DATA = 0xc093, RIGHTS_BUSY_TSS = 0x8b, RIGHTS_UNUSABLE = 0x10000 };

static struct vmx_region vmxon_region, regions[VMCS_COUNT];
static u8 msr_bitmap[PAGE_SIZE] PAGE_ALIGNED;

static u32 allowed(u32 msr, u32 wanted) { return (wanted | (u32)read_msr(msr)) & (u32)(read_msr(msr) >> 32); }

static void write_segments(void)
{
	for (unsigned number = 0; number < 8; number++) {
		bool is_code = number == 1, is_ldtr = number == 6, is_tr = number == 7;
		vmwrite(GUEST_ES_SELECTOR + 2 * number, is_code ? SELECTOR_CODE : is_tr ? SELECTOR_TSS : is_ldtr ? 0 : SELECTOR_DATA);
		vmwrite(GUEST_ES_BASE + 2 * number, is_tr ? (u64)&task_state : 0);
		vmwrite(GUEST_ES_LIMIT + 2 * number, is_tr ? sizeof task_state - 1 : is_ldtr ? 0 : ~0u);
		vmwrite(GUEST_ES_RIGHTS + 2 * number, is_code ? RIGHTS_CODE64 : is_tr ? RIGHTS_BUSY_TSS : is_ldtr ? RIGHTS_UNUSABLE : RIGHTS_DATA);
		if (number < 6)
			vmwrite(HOST_ES_SELECTOR + 2 * number, is_code ? SELECTOR_CODE : SELECTOR_DATA);
	}
	vmwrite(HOST_TR_SELECTOR, SELECTOR_TSS);
}

/** Everything that an entry needs, into the current VMCS. An event that is injected finds no gate and becomes an exception, which exits. */
static void fill_vmcs(void)
{
	const struct { u16 field; u64 value; } rows[] = {
		{PIN_BASED_CONTROLS, allowed(IA32_VMX_PINBASED_CTLS, 0)}, {PRIMARY_CONTROLS, allowed(IA32_VMX_PROCBASED_CTLS, USE_MSR_BITMAPS)},
		{EXIT_CONTROLS, allowed(IA32_VMX_EXIT_CTLS, HOST_ADDRESS_SPACE_SIZE)}, {ENTRY_CONTROLS, allowed(IA32_VMX_ENTRY_CTLS, IA32E_MODE_GUEST)},
		{MSR_BITMAP, physical_of(msr_bitmap)}, {EXCEPTION_BITMAP, ~0u}, {PAGE_FAULT_ERROR_CODE_MASK, 0}, {PAGE_FAULT_ERROR_CODE_MATCH, 0},
		{CR3_TARGET_COUNT, 0}, {EXIT_MSR_STORE_COUNT, 0}, {EXIT_MSR_LOAD_COUNT, 0}, {ENTRY_MSR_LOAD_COUNT, 0}, {ENTRY_INTERRUPTION_INFORMATION, 0},
		{CR0_MASK, 0}, {CR0_READ_SHADOW, 0}, {CR4_MASK, CR4_VMXE}, {CR4_READ_SHADOW, 0}, {VMCS_LINK_POINTER, ~0ull},
		{GUEST_CR0, read_cr0()}, {GUEST_CR3, read_cr3()}, {GUEST_CR4, read_cr4()}, {GUEST_GDTR_BASE, read_gdtr().base}, {GUEST_GDTR_LIMIT, read_gdtr().limit},
		{GUEST_IDTR_BASE, read_idtr().base}, {GUEST_IDTR_LIMIT, 0}, {GUEST_SYSENTER_CS, 0}, {GUEST_SYSENTER_ESP, 0}, {GUEST_SYSENTER_EIP, 0},
		{GUEST_DEBUGCTL, 0}, {GUEST_DR7, 0x400}, {GUEST_RSP, 0x1000}, {GUEST_RIP, (u64)inner_guest}, {GUEST_RFLAGS, RFLAGS_FIXED},
		{GUEST_INTERRUPTIBILITY, 0}, {GUEST_ACTIVITY, 0}, {GUEST_PENDING_DEBUG, 0},
		{HOST_CR0, read_cr0()}, {HOST_CR3, read_cr3()}, {HOST_CR4, read_cr4()}, {HOST_FS_BASE, 0}, {HOST_GS_BASE, 0}, {HOST_TR_BASE, (u64)&task_state},
		{HOST_GDTR_BASE, read_gdtr().base}, {HOST_IDTR_BASE, read_idtr().base}, {HOST_SYSENTER_CS, 0}, {HOST_SYSENTER_ESP, 0}, {HOST_SYSENTER_EIP, 0},
		{HOST_RIP, (u64)exited},
	};
	for (unsigned n = 0; n < ARRAY_LENGTH(rows); n++)
		vmwrite(rows[n].field, rows[n].value);
	write_segments();
}

void start_vmx(void)
{
	u32 revision = (u32)read_msr(IA32_VMX_BASIC) & 0x7fffffff;
	vmxon_region.revision = revision;
	if (!(read_msr(IA32_FEATURE_CONTROL) & 1))
		write_msr(IA32_FEATURE_CONTROL, read_msr(IA32_FEATURE_CONTROL) | 5);
	write_cr0(read_cr0() | read_msr(IA32_VMX_CR0_FIXED0));
	write_cr4(read_cr4() | CR4_VMXE);
	if (vmxon(physical_of(&vmxon_region)) != VM_SUCCEED)
		stop_with("VMXON failed");
	for (unsigned n = 0; n < VMCS_COUNT; n++) {
		regions[n].revision = revision;
		vmclear(physical_of(&regions[n]));
		vmptrld(physical_of(&regions[n]));
		fill_vmcs();
	}
}

/** How an instruction ended. */
static void report(const char *what, enum vmx_result result)
{
	print("%s: %s %u", what, result == VM_SUCCEED ? "succeeds" : result == VM_FAIL_INVALID ? "no current VMCS" : "error", result == VM_FAIL_VALID ? vmread(VM_INSTRUCTION_ERROR) : 0);
}

static u64 field_value(enum vmcs_field field)
{
	u64 value = 0;
	bool carry, zero;
	asm volatile("vmread %3, %2" : "=@ccc"(carry), "=@ccz"(zero), "+m"(value) : "r"((u64)field));
	return carry || zero ? ~0ull : value;
}

/** What the exit says. The length and the qualification are not defined for every reason. */
static void report_exit(bool launch)
{
	u64 reason = field_value(EXIT_REASON);
	print("%s: exit %x at %x, RSP %x, flags %x", launch ? "VMLAUNCH" : "VMRESUME", reason, field_value(GUEST_RIP) - (u64)inner_guest, field_value(GUEST_RSP), field_value(GUEST_RFLAGS));
	if (reason & ENTRY_FAILURE || reason == EXIT_EXCEPTION || random_below(16) == 0)
		vmwrite(GUEST_RIP, (u64)inner_guest), vmwrite(GUEST_RFLAGS, RFLAGS_FIXED);
	else if (random_below(8))
		vmwrite(GUEST_RIP, field_value(GUEST_RIP) + field_value(EXIT_INSTRUCTION_LENGTH));
}

static void enter_once(void)
{
	bool launch = random_below(4) == 0;
	enum vmx_result result = enter(launch);
	if (result == VM_SUCCEED)
		report_exit(launch);
	else
		report(launch ? "VMLAUNCH" : "VMRESUME", result);
}

struct written {
	u16 field;
	u64 good, odd; // the odd value may be refused by the entry
};

static void write_something(void)
{
	const u64 event_valid = 1u << 31, reserved_type = 1 << 8, hardware_exception = 3 << 8, invalid_opcode = 6;
	const struct written rows[] = {
		{GUEST_RSP, random_below(1 << 20), 0}, {GUEST_RFLAGS, RFLAGS_FIXED | random_below(2), 0}, {GUEST_CR3, read_cr3(), read_cr3()},
		{GUEST_SYSENTER_ESP, random_below(1 << 20), 1ull << 63}, {GUEST_SYSENTER_CS, random_below(100), 5}, {GUEST_FS_BASE, random_below(1 << 20), 1ull << 62},
		{GUEST_INTERRUPTIBILITY, 0, 3}, {GUEST_ACTIVITY, 0, 9}, {GUEST_GS_LIMIT, 0xffff, 0xffff}, {GUEST_DR7, 0x400, 0x400},
		{EXCEPTION_BITMAP, ~0u, ~0u}, {CR0_READ_SHADOW, random_below(1 << 16), 1}, {TSC_OFFSET, random_below(1000), 7}, {CR3_TARGET_COUNT, random_below(4), 200},
		{ENTRY_INTERRUPTION_INFORMATION, event_valid | hardware_exception | invalid_opcode, event_valid | reserved_type},
		{PIN_BASED_CONTROLS, allowed(IA32_VMX_PINBASED_CTLS, 0), 0}, {HOST_SYSENTER_CS, random_below(50), 3}, {HOST_FS_BASE, random_below(1 << 20), 4},
		{VMCS_LINK_POINTER, ~0ull, 0x1234},
	};
	const struct written *row = &rows[random_below(ARRAY_LENGTH(rows))];
	u64 value = random_below(8) ? row->good : row->odd;
	print("write %x = %x", (u64)row->field, value);
	report("VMWRITE", vmwrite(row->field, value));
}

static void read_something(void)
{
	static const u16 readable[] = {GUEST_RIP, GUEST_RSP, GUEST_RFLAGS, GUEST_CR3, GUEST_CS_RIGHTS, GUEST_SYSENTER_ESP, GUEST_FS_BASE, GUEST_INTERRUPTIBILITY,
		EXCEPTION_BITMAP, CR0_READ_SHADOW, ENTRY_INTERRUPTION_INFORMATION, HOST_RIP, HOST_SYSENTER_CS, VMCS_LINK_POINTER, VMCS_LINK_POINTER + 1, EXIT_REASON, TSC_OFFSET};
	u16 field = readable[random_below(ARRAY_LENGTH(readable))];
	print("read %x = %x", (u64)field, field_value(field));
}

/** The walk would soon stand still on a bad value: now and then the current VMCS is made good again. */
static void repair(void)
{
	print("repair");
	fill_vmcs();
}

void random_vmx_step(void)
{
	u64 region = physical_of(&regions[random_below(VMCS_COUNT)]);
	switch (random_below(32)) {
	case 0 ... 3: report("VMPTRLD", vmptrld(region)); break;
	case 4: report("VMCLEAR", vmclear(region)); break;
	case 5: repair(); break;
	case 6 ... 10: write_something(); break;
	case 11 ... 15: read_something(); break;
	default: enter_once();
	}
}
