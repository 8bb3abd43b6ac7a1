// Capturing and injecting (interrupts.h). Whether a guest takes an interrupt: SDM 3C 25.4.1 'Guest Register State' (RFLAGS.IF) and 25.4.2 'Guest
// Non-Register State' (blocking by STI and MOV SS); the injection: 27.6 'Event Injection'. The guest's handler ends it in the interrupt controller.
#include "interrupts.h"

#include "absence.h"
#include "vmcs12.h"

#include "../lib/descriptors.h"
#include "../lib/processor.h"
#include "../lib/serial.h"

enum { FIRST_VECTOR = 32, VECTORS = 256, STUB_SIZE = 16, FLAG_INTERRUPTS = 1 << 9, BLOCKED_BY_STI_OR_MOV_SS = 3, EVENT_VALID = 1u << 31 };

extern const u8 interrupt_stubs[];

/** Vectors that wait for injection. Written by the stubs too, but only where interrupts are open. */
static u64 captured[VECTORS / 64];
static bool anything_captured;
static bool window_of_vmcs01; // we have asked for interrupt-window exiting there

/** Firmware leaves the old interrupt controller with vectors that are those of exceptions. Who wants it programs it anew. */
static void mask_legacy_interrupts(void)
{
	out8(PIC_PRIMARY_DATA, 0xff);
	out8(PIC_SECONDARY_DATA, 0xff);
}

void interrupts_start(void)
{
	if (self.level == 0)
		mask_legacy_interrupts();
	for (unsigned vector = FIRST_VECTOR; vector < VECTORS; vector++)
		set_interrupt_gate((u8)vector, interrupt_stubs + (vector - FIRST_VECTOR) * STUB_SIZE);
}

/** Called by the stubs, with interrupts masked. */
void capture_interrupt(u64 vector)
{
	static bool said;
	captured[vector / 64] |= 1ull << vector % 64;
	anything_captured = true;
	if (!said)
		print("captured an interrupt, vector %u", vector);
	said = true;
}

/** The highest vector has the highest priority, as in the interrupt controller. */
static unsigned take_highest(void)
{
	unsigned word = VECTORS / 64 - 1;
	while (!captured[word])
		word--;
	unsigned bit = 63 - (unsigned)__builtin_clzll(captured[word]);
	captured[word] &= ~(1ull << bit);
	anything_captured = captured[0] | captured[1] | captured[2] | captured[3];
	return word * 64 + bit;
}

static bool takes_interrupt_now(void)
{
	return vmread(GUEST_RFLAGS) & FLAG_INTERRUPTS && !(vmread(GUEST_INTERRUPTIBILITY) & BLOCKED_BY_STI_OR_MOV_SS) && !(vmread(ENTRY_INTERRUPTION_INFORMATION) & EVENT_VALID);
}

static bool *window_flag(void) { return self.in_nested ? &self.believed->window_is_ours : &window_of_vmcs01; }

/** Interrupt-window exiting is on for us or because the guest wants it for its guest. */
static void want_window(bool wanted)
{
	bool *ours = window_flag();
	if (*ours == wanted)
		return;
	*ours = wanted;
	bool for_guest = self.in_nested && nested_read(self.believed, PRIMARY_CONTROLS) & INTERRUPT_WINDOW_EXITING;
	u64 controls = vmread(PRIMARY_CONTROLS) & ~(u64)INTERRUPT_WINDOW_EXITING;
	vmwrite(PRIMARY_CONTROLS, wanted || for_guest ? controls | INTERRUPT_WINDOW_EXITING : controls);
}

void interrupts_before_entry(void)
{
	asm volatile("sti; nop; cli" : : : "memory"); // what waits comes after the NOP
	if (anything_captured && takes_interrupt_now())
		vmwrite(ENTRY_INTERRUPTION_INFORMATION, EVENT_VALID | take_highest());
	want_window(anything_captured);
	absence_insist(anything_captured || self.preemption_ticks); // what we hold must get its chance at every entry
}

bool interrupts_window_was_ours(void) { return *window_flag(); }
