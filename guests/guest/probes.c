// Accesses that a hypervisor may or may not intercept: ports, MSRs, VMCALL. Each prints what came back.
#include "probes.h"

#include "ports.h"

#include "../lib/processor.h"
#include "../lib/serial.h"

enum { VMCALL_COUNT_EXITS = 0x4abe0001, MSR_LEVEL = 0x4abe0000, SENTENCE_LEAF = 0x4abe0000 };

struct vmcall_answer {
	u64 hypervisors, exits;
};

static struct vmcall_answer vmcall(u32 function)
{
	struct vmcall_answer answer = {.exits = 0};
	asm volatile("vmcall" : "=a"(answer.hypervisors), "=c"(answer.exits) : "a"(function) : "memory");
	return answer;
}

u64 count_hypervisors(void) { return vmcall(VMCALL_COUNT_EXITS).hypervisors; }
u64 count_exits(void) { return vmcall(VMCALL_COUNT_EXITS).exits; }

void try_ports(void)
{
	u64 returned = 0;
	for (unsigned value = 1; value < 256; value <<= 1)
		returned += exchange_port((u8)value) == value;
	print("%u of 8 values came back from the port", returned);
}

void try_msrs(bool is_guest)
{
	u64 before = read_msr(IA32_SYSENTER_ESP), pattern = 0x123456789a;
	write_msr(IA32_SYSENTER_ESP, pattern);
	bool kept = read_msr(IA32_SYSENTER_ESP) == pattern;
	write_msr(IA32_SYSENTER_ESP, before);
	print("an MSR %s", kept ? "kept what was written" : "lost what was written");
	if (is_guest)
		print("the hypervisors' own MSR says that this is level %u", read_msr(MSR_LEVEL));
}

void try_intrusion(u64 mebibytes)
{
	if (mebibytes == 0)
		return;
	const volatile u8 *there = at_physical(mebibytes << 20);
	print("reading at %u MiB", mebibytes);
	print("the byte there is %x", (u64)*there);
}

/** A second VMCALL right after the first shows what asking costs by itself. */
void measure_cpuid(void)
{
	u64 first = count_exits();
	u64 second = count_exits();
	cpuid(SENTENCE_LEAF, 0);
	u64 third = count_exits();
	u64 asking = second - first;
	print("exits of the machine: %u for a VMCALL, %u for a CPUID", asking, third - second - asking);
}
