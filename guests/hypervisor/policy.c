// What this level adds to what passes through it: the proof that every level is in control. To answer one CPUID leaf for our guest we ask the
// level below, which asks the one below it; on the way up each level writes its share of a sentence, and no level writes all of it.
#include "hypervisor.h"
#include "exit.h"

#include "../lib/processor.h"

enum { SENTENCE_LEAF = 0x4abe0000 };

static const char sentence[16] __attribute__((nonstring)) = "turtles all down";

/** Our characters in a register of the answer, and the bits that they take. */
static struct share {
	u32 bits, text;
} shares[4];

/** Ours are the characters whose place, counted over all registers, is our level modulo the number of levels. */
void policy_start(void)
{
	for (unsigned place = self.level; place < sizeof sentence; place += self.levels) {
		struct share *share = &shares[place / 4];
		share->bits |= 0xffu << place % 4 * 8;
		share->text |= (u32)(u8)sentence[place] << place % 4 * 8;
	}
}

static u32 with_our_share(u32 value, const struct share *share) { return (value & ~share->bits) | share->text; }

/** A hypervisor of another make knows nothing of it, and answers as it answers every unknown function. */
static struct cpuid_result ask_level_below(void)
{
	struct cpuid_result r;
	asm volatile("vmcall" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(VMCALL_SENTENCE), "b"(0), "c"(0), "d"(0));
	if (r.eax == ~0u)
		r = (struct cpuid_result){ 0 };
	return r;
}

struct cpuid_result policy_sentence(void)
{
	struct cpuid_result answer = { 0 };
	if (self.level != 0)
		answer = ask_level_below();
	answer.eax = with_our_share(answer.eax, &shares[0]);
	answer.ebx = with_our_share(answer.ebx, &shares[1]);
	answer.ecx = with_our_share(answer.ecx, &shares[2]);
	answer.edx = with_our_share(answer.edx, &shares[3]);
	return answer;
}

struct cpuid_result policy_cpuid(u32 leaf, u32 subleaf)
{
	// the level below answers for the processor, as it would answer the guest
	return leaf == SENTENCE_LEAF ? policy_sentence() : cpuid(leaf, subleaf);
}

/** VMCALL 'count': the lowest level sees every exit of the machine, so it answers, however deep the caller. */
static void answer_vmcall(struct guest_registers *r)
{
	if (self.level == 0 && (u32)r->rax == VMCALL_COUNT_EXITS)
		r->rcx = self.exits;
}

void policy_on_exit(u32 reason, struct guest_registers *registers)
{
	if (reason == EXIT_VMCALL)
		answer_vmcall(registers);
}
