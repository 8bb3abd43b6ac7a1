// GDT (null, 64-bit code, data, TSS), TSS and an IDT whose 32 exception vectors report and stop; the others are empty until an image fills them. A TSS must be there because a VM exit
// loads TR from the host state, and a null TR is refused (SDM 3C 27.2.3 'Checks on Host Segment and Descriptor-Table Registers').
#include "descriptors.h"

#include "serial.h"

struct gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_middle;
	u32 offset_high, reserved;
} PACKED;

enum { EXCEPTIONS = 32, VECTORS = 256, STUB_SIZE = 16, INTERRUPT_GATE = 0x8e };

struct task_state task_state = {.io_map = sizeof task_state};

static u64 gdt[5] __attribute__((aligned(16))) = {0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0, 0};
static struct gate idt[VECTORS] __attribute__((aligned(16)));

extern const u8 exception_stubs[];

struct descriptor_register read_gdtr(void) { struct descriptor_register r; asm volatile("sgdt %0" : "=m"(r)); return r; }
struct descriptor_register read_idtr(void) { struct descriptor_register r; asm volatile("sidt %0" : "=m"(r)); return r; }

void set_interrupt_gate(u8 vector, const u8 *handler)
{
	u64 address = (u64)handler;
	idt[vector] = (struct gate){.offset_low = (u16)address, .selector = SELECTOR_CODE, .type = INTERRUPT_GATE,
		.offset_middle = (u16)(address >> 16), .offset_high = (u32)(address >> 32)};
}

static void fill_idt(void)
{
	for (unsigned vector = 0; vector < EXCEPTIONS; vector++)
		set_interrupt_gate((u8)vector, exception_stubs + vector * STUB_SIZE);
}

void load_descriptor_tables(void)
{
	u64 tss = (u64)&task_state;
	gdt[3] = (sizeof task_state - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
	gdt[4] = tss >> 32;
	fill_idt();

	struct descriptor_register gdtr = {sizeof gdt - 1, (u64)gdt}, idtr = {sizeof idt - 1, (u64)idt};
	asm volatile("lgdt %0" : : "m"(gdtr));
	asm volatile("lidt %0" : : "m"(idtr));
	asm volatile("ltr %w0" : : "r"(SELECTOR_TSS));
}

struct exception_frame {
	u64 vector, error_code, rip, cs, rflags, rsp, ss;
};

_Noreturn void unexpected_exception(const struct exception_frame *frame)
{
	stop_with("unexpected exception %u, error code %x, RIP %x, RSP %x", frame->vector, frame->error_code, frame->rip, frame->rsp);
}
