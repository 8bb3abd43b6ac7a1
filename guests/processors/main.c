// A program for several processors. `processors=4` starts that many, `x2apic=on` in x2APIC mode, `passes=N` says how long each part works. It prints
// what must be the same on every run, however the processors take turns.
#include "../lib/memory.h"
#include "../lib/multiboot.h"
#include "../lib/processor.h"
#include "../lib/serial.h"
#include "processors.h"

enum { IA32_TSC_ADJUST = 0x3b };

static u64 passes;

static void expect(const char *what, u64 value, u64 expected)
{
	if (value != expected)
		stop_with("%s: %u, not %u", what, value, expected);
}

// ---- a counter under a lock, one with LOCK alone

static volatile u32 lock;
static volatile u64 guarded;
static u64 counted;

static void take_lock(void)
{
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		asm volatile("pause");
}
static void give_lock(void) { __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }

static void count_up(u32 number)
{
	for (u64 n = 0; n < passes; n++) {
		take_lock();
		guarded = guarded + number + 1;
		give_lock();
		__atomic_fetch_add(&counted, 1, __ATOMIC_SEQ_CST);
	}
}

static void try_counters(void)
{
	on_all(count_up);
	u64 n = processor_count;
	expect("counter under a lock", guarded, passes * n * (n + 1) / 2);
	expect("locked counter", counted, passes * n);
	print("counters: %u and %u", guarded, counted);
}

// ---- two processors send each other interrupts and sleep between

static volatile u32 before_pings;

static void answer_pings(u32 number)
{
	u32 seen = before_pings;
	for (u64 n = 0; n < passes; n++) {
		for (;;) {
			asm volatile("cli");
			if (processors[number].counted != seen)
				break;
			asm volatile("sti; hlt");
		}
		asm volatile("sti");
		seen++;
		send_ipi(IPI_FIXED | IPI_ASSERT | VECTOR_COUNT, processors[0].apic_id);
	}
}

static void try_pings(void)
{
	u32 before = processors[0].counted;
	before_pings = processors[1].counted;
	start_on(1, answer_pings);
	for (u64 n = 0; n < passes; n++) {
		send_ipi(IPI_FIXED | IPI_ASSERT | VECTOR_COUNT, processors[1].apic_id);
		for (;;) {
			asm volatile("cli");
			if (processors[0].counted == before + n + 1)
				break;
			asm volatile("sti; hlt");
		}
		asm volatile("sti");
	}
	wait_for_all();
	print("pings: %u answered", passes);
}

// ---- every way to address an IPI

static u32 total(bool nmis)
{
	u32 sum = 0;
	for (u32 n = 0; n < processor_count; n++)
		sum += nmis ? processors[n].nmis : processors[n].counted;
	return sum;
}

/** Sends and waits for as many deliveries; nobody else may get one. */
static void deliver(const char *what, u32 command, u32 destination, u32 expected)
{
	bool nmis = (command & (7 << 8)) == IPI_NMI;
	u32 before = total(nmis);
	send_ipi(command | IPI_ASSERT, destination);
	for (u32 n = 0; n < 20000 && total(nmis) - before < expected; n++)
		asm volatile("pause");
	for (u32 n = 0; n < 50; n++)
		asm volatile("pause");
	expect(what, total(nmis) - before, expected);
}

static void try_addresses(void)
{
	u32 last = processor_count - 1;
	deliver("self", VECTOR_COUNT | IPI_SELF, 0, 1);
	deliver("all", VECTOR_COUNT | IPI_ALL, 0, processor_count);
	deliver("others", VECTOR_COUNT | IPI_OTHERS, 0, last);
	deliver("one", VECTOR_COUNT, processors[last].apic_id, 1);
	deliver("logical, two", VECTOR_COUNT | IPI_LOGICAL, logical_destination(0) | logical_destination(last), last == 0 ? 1 : 2);
	deliver("lowest priority", VECTOR_COUNT | IPI_LOWEST | IPI_LOGICAL, logical_destination(0) | logical_destination(last), 1);
	deliver("nobody", VECTOR_COUNT, 0x77, 0);
	deliver("NMI to the others", IPI_NMI | IPI_OTHERS, 0, last);
	print("addresses: %u interrupts, %u NMIs", (u64)total(false), (u64)total(true));
}

// ---- a page moves under all of them

static volatile u64 places[2][512] PAGE_ALIGNED;
static u64 table[512] PAGE_ALIGNED, directory[512] PAGE_ALIGNED;
static volatile u64 *const window = (volatile u64 *)0x3f00000000; // its PDPTE is free
static volatile u32 looks;

static void look(u32 number)
{
	(void)number;
	expect("what the window shows", *window, looks + 1);
}

static void try_shootdown(void)
{
	u64 *top = at_physical(read_cr3() & ~0xffful), *second = at_physical(top[0] & ~0xffful);
	places[0][0] = 1;
	places[1][0] = 2;
	second[(u64)window >> 30 & 511] = physical_of(directory) | 3;
	directory[0] = physical_of(table) | 3;
	for (u64 n = 0; n < passes / 8 + 2; n++) {
		looks = n % 2;
		table[0] = physical_of((void *)places[looks]) | 3;
		for (u32 p = 0; p < processor_count; p++)
			processors[p].shot = (u64)window;
		send_ipi(IPI_FIXED | IPI_ASSERT | IPI_ALL | VECTOR_SHOOTDOWN, 0);
		for (u32 p = 0; p < processor_count; p++)
			while (processors[p].shot)
				asm volatile("pause");
		on_all(look);
	}
	print("shootdown: every processor sees the page that moved");
}

// ---- code changes under all of them

static u8 patched[16] __attribute__((aligned(64))) = {0xb8, 0, 0, 0, 0, 0xc3}; // MOV EAX, imm32; RET
static volatile u32 patch;

static void call_patched(u32 number)
{
	(void)number;
	for (u32 n = 0; n < 20; n++) {
		cpuid(0, 0); // serializes
		expect("value of the changed code", ((u32 (*)(void))patched)(), patch);
	}
}

static void try_code(void)
{
	for (u64 n = 0; n < passes / 8 + 2; n++) {
		patch = (u32)n + 1;
		memcpy(patched + 1, (void *)&patch, sizeof patch);
		on_all(call_patched);
	}
	print("code: every processor runs what was written");
}

// ---- waiting for a store

static volatile u64 bell __attribute__((aligned(64)));
static volatile u32 woken;

static void wait_for_bell(u32 number)
{
	(void)number;
	while (!bell) {
		asm volatile("monitor" : : "a"(&bell), "c"(0), "d"(0));
		if (!bell)
			asm volatile("mwait" : : "a"(0), "c"(0));
	}
	__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
}

static void try_monitor(void)
{
	for (u32 n = 1; n < processor_count; n++)
		start_on(n, wait_for_bell);
	bell = 1;
	wait_for_all();
	expect("processors that a store woke", woken, processor_count - 1);
	print("monitor: %u woken", (u64)woken);
}

// ---- clocks

static volatile u64 latest;
static u64 adjustments[MOST_PROCESSORS];

static u64 read_tsc(void)
{
	u32 low, high;
	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

static void watch_clock(u32 number)
{
	(void)number;
	for (u64 n = 0; n < passes; n++) {
		take_lock();
		u64 now = read_tsc();
		if (now < latest)
			stop_with("the time-stamp counter runs backwards: %u after %u", now, latest);
		latest = now;
		give_lock();
	}
}

static void adjust(u32 number)
{
	write_msr(IA32_TSC_ADJUST, number * 1000000ull);
	adjustments[number] = read_msr(IA32_TSC_ADJUST);
	write_msr(IA32_TSC_ADJUST, 0);
}

static void try_clocks(void)
{
	on_all(watch_clock);
	on_all(adjust);
	for (u32 n = 0; n < processor_count; n++)
		expect("IA32_TSC_ADJUST", adjustments[n], n * 1000000ull);
	print("clocks: one time for all");
}

void main(const struct multiboot_info *info)
{
	const char *line = command_line(info);
	u32 count = (u32)number_option(line, "processors", 2);
	passes = number_option(line, "passes", 100);
	serial_start(0, "processors");
	start_processors(count, switch_option(line, "x2apic"));
	for (u32 n = 0; n < count; n++) {
		const struct processor *p = &processors[n];
		print("%u: APIC id %u, CPUID %u and %u%s", (u64)n, (u64)p->apic_id, (u64)p->cpuid_id, (u64)p->topology_id, p->bootstrap ? ", bootstrap" : "");
	}
	try_counters();
	if (count > 1)
		try_pings();
	try_addresses();
	try_shootdown();
	try_code();
	try_monitor();
	try_clocks();
	if (count > 1) {
		start_up_again(1);
		expect("starts of processor 1", processors[1].starts, 2);
		try_pings();
	}
	end_run(0);
}
