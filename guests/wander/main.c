// A small hypervisor that wanders: it takes random steps with VMX instructions and two guests of its own, and prints what it sees. Stacked on
// hypervisors it must see the same whatever their options, and so must they: from time to time it has them print a digest of what they keep.
// Options: seed=N chooses the walk, steps=N its length (default: 100), no-digests=on leaves the digests out.
#include "../lib/multiboot.h"
#include "../lib/processor.h"
#include "../lib/serial.h"
#include "wander.h"

enum { VMCALL_DIGEST = 0x4abe0004, MSR_LEVEL = 0x4abe0000, SENTENCE_LEAF = 0x4abe0000, SCRATCH_PORT = 0x3ff };

static u64 state;
static bool has_hypervisors;

/** xorshift64: the same walk everywhere. */
u64 random_below(u64 limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % limit;
}

/** Instructions that the hypervisors below intercept for this level itself. */
static void ask_below(void)
{
	struct cpuid_result answer = cpuid(random_below(2) && has_hypervisors ? SENTENCE_LEAF : (u32)random_below(2), 0);
	print("CPUID %x %x %x %x", (u64)answer.eax, (u64)answer.ebx, (u64)answer.ecx, (u64)answer.edx);
	u8 value = (u8)random_below(256);
	out8(SCRATCH_PORT, value);
	print("port %s, level %u", in8(SCRATCH_PORT) == value ? "keeps" : "loses", has_hypervisors ? read_msr(MSR_LEVEL) : 0);
}

static void ask_for_digests(void)
{
	asm volatile("vmcall" : : "a"((u64)VMCALL_DIGEST) : "rbx", "rcx", "rdx", "memory");
}

void main(const struct multiboot_info *info)
{
	const char *options = command_line(info);
	serial_start((unsigned)number_option(options, "level", 0), "wander");
	has_hypervisors = number_option(options, "level", 0) > 0;
	state = number_option(options, "seed", 1) * 0x9e3779b97f4a7c15;
	start_vmx();
	bool digests = has_hypervisors && !switch_option(options, "no-digests");
	for (u64 step = number_option(options, "steps", 100); step; step--) {
		if (random_below(8) == 0)
			ask_below();
		else
			random_vmx_step();
		if (digests && random_below(16) == 0)
			ask_for_digests();
	}
	print("the walk ends");
	end_run(0);
}
