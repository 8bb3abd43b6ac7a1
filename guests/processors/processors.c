// Processors come up through the trampoline, make themselves at home (GDT and TSS of their own, the common IDT, the local APIC) and then
// wait in HLT for work, which arrives as an interprocessor interrupt.
#include "processors.h"

#include "../lib/descriptors.h"
#include "../lib/memory.h"
#include "../lib/processor.h"
#include "../lib/serial.h"

enum { TRAMPOLINE = 0x8000, STACK_SIZE = 8192, ENTRIES = 256, INTERRUPT_GATE = 0x8e, NMI_VECTOR = 2 };
enum { IA32_APIC_BASE = 0x1b, APIC_BASE_BSP = 1 << 8, APIC_BASE_X2APIC = 1 << 10, X2APIC_MSRS = 0x800 };
enum apic_register { APIC_ID = 0x20, APIC_EOI = 0xb0, APIC_LDR = 0xd0, APIC_SPURIOUS = 0xf0, APIC_ICR = 0x300, APIC_ICR_HIGH = 0x310 };
#define APIC_PAGE 0xfee00000ul

struct gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_middle;
	u32 offset_high, reserved;
} PACKED;

struct processor processors[MOST_PROCESSORS];
volatile u32 processor_count = 1;

static struct gate idt[ENTRIES] __attribute__((aligned(16)));
static u64 gdts[MOST_PROCESSORS][5] __attribute__((aligned(16)));
static struct task_state tasks[MOST_PROCESSORS];
static u8 stacks[MOST_PROCESSORS][STACK_SIZE] __attribute__((aligned(16)));
static bool in_x2apic_mode;

static void (*volatile work_of[MOST_PROCESSORS])(u32);

extern const u8 trampoline[], trampoline_end[];
extern u64 trampoline_cr3, trampoline_entry, trampoline_stacks;
extern u32 trampoline_next;
extern struct { u16 limit; u32 base; } PACKED trampoline_gdtr;
/** A cell of the trampoline where it was copied to. */
#define COPIED(cell) (*(volatile typeof(cell) *)at_physical(TRAMPOLINE + ((u64)&cell - (u64)trampoline)))

// ---- the local APIC

static volatile u32 *apic_register(enum apic_register offset) { return at_physical(APIC_PAGE + offset); }

static u32 apic_read(enum apic_register offset) { return in_x2apic_mode ? (u32)read_msr(X2APIC_MSRS + (offset >> 4)) : *apic_register(offset); }

static void apic_write(enum apic_register offset, u32 value)
{
	if (in_x2apic_mode)
		write_msr(X2APIC_MSRS + (offset >> 4), value);
	else
		*apic_register(offset) = value;
}

void send_ipi(u32 command, u32 destination)
{
	if (in_x2apic_mode) {
		write_msr(X2APIC_MSRS + (APIC_ICR >> 4), (u64)destination << 32 | command);
		return;
	}
	*apic_register(APIC_ICR_HIGH) = destination << 24;
	*apic_register(APIC_ICR) = command;
}

void set_logical_destination(u32 number)
{
	if (!in_x2apic_mode)
		*apic_register(APIC_LDR) = 1u << (24 + number);
}
u32 logical_destination(u32 number) { return in_x2apic_mode ? 1u << processors[number].apic_id : 1u << number; }

u32 this_processor(void)
{
	u32 id = apic_read(APIC_ID);
	if (!in_x2apic_mode)
		id >>= 24;
	for (u32 n = 0; n < MOST_PROCESSORS; n++)
		if (processors[n].starts && processors[n].apic_id == id)
			return n;
	stop_with("no processor has the APIC id %u", (u64)id);
}

// ---- interrupts

struct interrupt_frame;

__attribute__((interrupt)) static void on_work(struct interrupt_frame *frame)
{
	(void)frame;
	apic_write(APIC_EOI, 0);
}

__attribute__((interrupt)) static void on_count(struct interrupt_frame *frame)
{
	(void)frame;
	processors[this_processor()].counted++;
	apic_write(APIC_EOI, 0);
}

__attribute__((interrupt)) static void on_nmi(struct interrupt_frame *frame)
{
	(void)frame;
	processors[this_processor()].nmis++;
}

__attribute__((interrupt)) static void on_shootdown(struct interrupt_frame *frame)
{
	(void)frame;
	struct processor *p = &processors[this_processor()];
	asm volatile("invlpg (%0)" : : "r"(p->shot) : "memory");
	p->shot = 0;
	apic_write(APIC_EOI, 0);
}

static void set_gate(unsigned vector, void *handler)
{
	u64 at = (u64)handler;
	idt[vector] = (struct gate){.offset_low = (u16)at, .selector = SELECTOR_CODE, .type = INTERRUPT_GATE, .offset_middle = (u16)(at >> 16), .offset_high = (u32)(at >> 32)};
}

static void make_idt(void)
{
	struct descriptor_register old = read_idtr();
	memcpy(idt, at_physical(old.base), old.limit + 1u);
	set_gate(NMI_VECTOR, on_nmi);
	set_gate(VECTOR_WORK, on_work);
	set_gate(VECTOR_COUNT, on_count);
	set_gate(VECTOR_SHOOTDOWN, on_shootdown);
}

// ---- coming up

static void set_up(u32 number)
{
	struct processor *p = &processors[number];
	u64 *gdt = gdts[number], tss = (u64)&tasks[number];
	memcpy(gdt, at_physical(read_gdtr().base), 3 * sizeof *gdt);
	tasks[number].io_map = sizeof tasks[number];
	gdt[3] = (sizeof tasks[number] - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
	gdt[4] = tss >> 32;
	struct descriptor_register gdtr = {sizeof gdts[number] - 1, (u64)gdt}, idtr = {sizeof idt - 1, (u64)idt};
	asm volatile("lgdt %0" : : "m"(gdtr));
	asm volatile("lidt %0" : : "m"(idtr));
	asm volatile("ltr %w0" : : "r"(SELECTOR_TSS));

	u64 base = read_msr(IA32_APIC_BASE);
	p->bootstrap = base & APIC_BASE_BSP;
	if (in_x2apic_mode)
		write_msr(IA32_APIC_BASE, base | APIC_BASE_X2APIC);
	apic_write(APIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS);
	p->apic_id = in_x2apic_mode ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
	p->cpuid_id = cpuid(1, 0).ebx >> 24;
	p->topology_id = cpuid(0xb, 0).edx;
	set_logical_destination(number);
	p->starts++;
}

/** Reached from the trampoline, on a stack of its own. */
static void enter_processor(u32 number)
{
	set_up(number);
	__atomic_fetch_add(&processor_count, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		asm volatile("cli");
		void (*work)(u32) = work_of[number];
		if (work) {
			asm volatile("sti");
			work(number);
			work_of[number] = NULL;
		} else {
			asm volatile("sti; hlt");
		}
	}
}

static void wait_for_count(u32 count)
{
	while (processor_count < count)
		asm volatile("pause");
}

void start_processors(u32 count, bool x2apic)
{
	in_x2apic_mode = x2apic;
	make_idt();
	set_up(0);
	memcpy(at_physical(TRAMPOLINE), trampoline, (size_t)(trampoline_end - trampoline));
	COPIED(trampoline_cr3) = read_cr3();
	COPIED(trampoline_entry) = (u64)enter_processor;
	COPIED(trampoline_stacks) = (u64)stacks;
	COPIED(trampoline_next) = 1;
	COPIED(trampoline_gdtr.limit) = read_gdtr().limit;
	COPIED(trampoline_gdtr.base) = (u32)read_gdtr().base;
	send_ipi(IPI_INIT | IPI_ASSERT | IPI_OTHERS, 0);
	send_ipi(IPI_STARTUP | IPI_ASSERT | IPI_OTHERS | TRAMPOLINE / PAGE_SIZE, 0);
	send_ipi(IPI_STARTUP | IPI_ASSERT | IPI_OTHERS | TRAMPOLINE / PAGE_SIZE, 0); // finds nobody waiting, and is lost
	wait_for_count(count);
	asm volatile("sti");
}

/** INIT and a start-up IPI to one processor that is up: it goes through the trampoline once more, with its old number. */
void start_up_again(u32 number)
{
	u32 before = processor_count;
	COPIED(trampoline_next) = number;
	send_ipi(IPI_INIT | IPI_ASSERT, processors[number].apic_id);
	send_ipi(IPI_STARTUP | IPI_ASSERT | TRAMPOLINE / PAGE_SIZE, processors[number].apic_id);
	wait_for_count(before + 1);
	processor_count = before;
}

// ---- work

void start_on(u32 number, void (*work)(u32))
{
	work_of[number] = work;
	send_ipi(IPI_FIXED | IPI_ASSERT | VECTOR_WORK, processors[number].apic_id);
}

void wait_for_all(void)
{
	for (u32 n = 1; n < processor_count; n++)
		while (work_of[n])
			asm volatile("pause");
}

void on_all(void (*work)(u32))
{
	for (u32 n = 1; n < processor_count; n++)
		start_on(n, work);
	work(0);
	wait_for_all();
}
