// A guest that goes nowhere straight: each round leads through a fault that its handler repairs, software interrupts, a far call, a system call, a
// repeated string instruction, the shadows of STI and MOV SS, an NMI, HLT. For steps of a debugger, each of which must end right behind its
// detour. Options: rounds=N ends after N rounds (default: forever), halt=on ends by HLT; sleep=on has it wait for the APIC's timer in
// each round, far=M read at M MiB and 2 MiB further in each round, forbidden=M at M MiB.
#include "detours.h"

#include "../lib/descriptors.h"
#include "../lib/multiboot.h"
#include "../lib/processor.h"
#include "../lib/serial.h"

enum { UNDEFINED_OPCODE = 6, PROTECTION_FAULT = 13, BREAKPOINT = 3, NMI = 2, SOFTWARE_INTERRUPT = 0x40, INTERRUPT = 0x61 };
enum { APIC_ENABLE = 1 << 8, SPURIOUS_VECTOR = 0xff, DIVIDE_BY_1 = 0xb, SELF = 1 << 18, ASSERT = 1 << 14, DELIVER_NMI = 4 << 8 };
enum apic_register { APIC_SPURIOUS = 0xf0, APIC_COMMAND = 0x300, APIC_LVT_TIMER = 0x320, APIC_INITIAL_COUNT = 0x380, APIC_DIVIDE = 0x3e0 };
enum { IA32_STAR = 0xc0000081, IA32_LSTAR = 0xc0000082, IA32_FMASK = 0xc0000084, SYSCALL_ENABLE = 1, TICKS = 200, COPIED = 300, FURTHER_MIB = 2, MOST_PLACES = 8 };

static struct {
	u64 offset;
	u16 selector;
} PACKED far_pointer;
static u8 source[COPIED], target[COPIED];
static u64 sum; // of what was read

static volatile u32 *apic(enum apic_register at) { return (volatile u32 *)(0xfee00000ul + at); }

static void prepare(void)
{
	out8(PIC_PRIMARY_DATA, 0xff); // what firmware has left running there has the vectors of exceptions
	out8(PIC_SECONDARY_DATA, 0xff);
	set_interrupt_gate(UNDEFINED_OPCODE, repair_fault);
	set_interrupt_gate(PROTECTION_FAULT, repair_protection_fault);
	set_interrupt_gate(BREAKPOINT, take_software_interrupt);
	set_interrupt_gate(SOFTWARE_INTERRUPT, take_software_interrupt);
	set_interrupt_gate(NMI, take_nmi);
	set_interrupt_gate(INTERRUPT, end_interrupt);
	*apic(APIC_SPURIOUS) = APIC_ENABLE | SPURIOUS_VECTOR;
	*apic(APIC_LVT_TIMER) = INTERRUPT;
	*apic(APIC_DIVIDE) = DIVIDE_BY_1;
	write_msr(IA32_STAR, (u64)SELECTOR_CODE << 32);
	write_msr(IA32_LSTAR, (u64)system_entry);
	write_msr(IA32_FMASK, 0);
	write_msr(IA32_EFER, read_msr(IA32_EFER) | SYSCALL_ENABLE);
	far_pointer.offset = (u64)far_routine;
	far_pointer.selector = SELECTOR_CODE;
}

static void one_round(bool sleeps, u64 far_mib, u64 forbidden_mib)
{
	fault_and_be_repaired();
	read_missing_msr();
	interrupt_itself();
	call_far(&far_pointer);
	call_system();
	copy(target, source, sizeof target);
	interrupts_behind_shadows(apic(APIC_COMMAND), SELF | ASSERT | INTERRUPT);
	be_interrupted(apic(APIC_COMMAND), SELF | ASSERT | DELIVER_NMI);
	if (far_mib)
		sum += read_byte(at_physical(far_mib << 20));
	if (forbidden_mib)
		sum += read_byte(at_physical(forbidden_mib << 20));
	if (sleeps) {
		*apic(APIC_INITIAL_COUNT) = TICKS;
		sleep_until_interrupt();
	}
}

void main(const struct multiboot_info *info)
{
	const char *options = command_line(info);
	serial_start((unsigned)number_option(options, "level", 0), "detours");
	u64 rounds = number_option(options, "rounds", 0), far_mib = number_option(options, "far", 0), forbidden_mib = number_option(options, "forbidden", 0);
	bool sleeps = switch_option(options, "sleep");
	prepare();
	for (u64 round = 0; rounds == 0 || round < rounds; round++)
		one_round(sleeps, far_mib ? far_mib + round % MOST_PLACES * FURTHER_MIB : 0, forbidden_mib);
	print("%u rounds", rounds);
	if (switch_option(options, "halt"))
		halt_processor();
	end_run(0);
}
