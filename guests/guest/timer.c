// Timer interrupts through the guest's own IDT. The APIC is the machine's: nothing stands between it and the guest, however deep, but interrupts.
// Half of the time the guest masks them. (SDM 3A 11.5.4 'APIC Timer', 11.8.4 'Interrupt Acceptance for Fixed Interrupts')
#include "timer.h"

#include "../lib/descriptors.h"
#include "../lib/processor.h"
#include "../lib/serial.h"

enum { VECTOR = 0x61, APIC_ENABLE = 1 << 8, SPURIOUS_VECTOR = 0xff, DIVIDE_BY_16 = 3, TICKS = 3000 };
enum apic_register { APIC_EOI = 0xb0, APIC_SPURIOUS = 0xf0, APIC_LVT_TIMER = 0x320, APIC_INITIAL_COUNT = 0x380, APIC_DIVIDE = 0x3e0 };

extern const u8 timer_interrupt[];

static volatile u64 came;

static void write_apic(enum apic_register at, u32 value) { *(volatile u32 *)(0xfee00000ul + at) = value; }

/** Called by the stub. The timer is armed anew each time, so that a slow machine is not flooded. */
void count_timer_interrupt(void)
{
	came++;
	write_apic(APIC_EOI, 0);
	write_apic(APIC_INITIAL_COUNT, TICKS);
}

void try_timer(u64 interrupts)
{
	if (interrupts == 0)
		return;
	out8(PIC_PRIMARY_DATA, 0xff); // what firmware has left running there has the vectors of exceptions
	out8(PIC_SECONDARY_DATA, 0xff);
	set_interrupt_gate(VECTOR, timer_interrupt);
	write_apic(APIC_SPURIOUS, APIC_ENABLE | SPURIOUS_VECTOR);
	write_apic(APIC_LVT_TIMER, VECTOR);
	write_apic(APIC_DIVIDE, DIVIDE_BY_16);
	write_apic(APIC_INITIAL_COUNT, TICKS);
	u64 while_masked = 0;
	while (came < interrupts) {
		asm volatile("sti" : : : "memory");
		for (unsigned n = 0; n < 100; n++)
			cpuid(0, 0);
		asm volatile("cli" : : : "memory");
		u64 before = came;
		for (unsigned n = 0; n < 100; n++)
			cpuid(0, 0);
		while_masked += came - before;
	}
	write_apic(APIC_INITIAL_COUNT, 0);
	print("%u timer interrupts, %u of them while masked", interrupts, while_masked);
}
