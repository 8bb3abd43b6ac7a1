// What this level adds to exits that pass through it, whoever they are for: the proof that every level is in control. Each level writes its
// share of a sentence into the registers of a CPUID answer, and no level writes all of it. Exits come to the lowest level first.
#include "hypervisor.h"
#include "exit.h"

enum { SENTENCE_LEAF = 0x4abe0000 };

static const char sentence[16] __attribute__((nonstring)) = "turtles all down";

/** Our characters of the four that a register carries: those whose place, counted over all registers, is ours modulo the number of levels. */
static u32 our_share(u32 value, unsigned first_place)
{
	for (unsigned byte = 0; byte < 4; byte++) {
		if ((first_place + byte) % self.levels != self.level)
			continue;
		value &= ~(0xffu << 8 * byte);
		value |= (u32)(u8)sentence[first_place + byte] << 8 * byte;
	}
	return value;
}

/** An answer of CPUID leaves the upper halves of registers zero. Until it is complete, that of RAX keeps the question for the levels above. */
static void answer_cpuid(struct guest_registers *r)
{
	if (self.level == 0) {
		u32 question = (u32)r->rax;
		if (question != SENTENCE_LEAF) {
			r->rax = question; // so that no guest can make the upper levels believe that it asked
			return;
		}
		r->rax = (u64)question << 32;
		r->rbx = r->rcx = r->rdx = 0;
	}
	if (r->rax >> 32 != SENTENCE_LEAF)
		return;
	r->rax = (r->rax & ~0xffffffffull) | our_share((u32)r->rax, 0);
	r->rbx = our_share((u32)r->rbx, 4);
	r->rcx = our_share((u32)r->rcx, 8);
	r->rdx = our_share((u32)r->rdx, 12);
}

/** VMCALL 'count': the lowest level sees every exit of the machine, so it answers, however deep the caller. */
static void answer_vmcall(struct guest_registers *r)
{
	if (self.level == 0 && (u32)r->rax == VMCALL_COUNT_EXITS)
		r->rcx = self.exits;
}

void policy_on_exit(u32 reason, struct guest_registers *registers)
{
	switch (reason) {
	case EXIT_CPUID: answer_cpuid(registers); break;
	case EXIT_VMCALL: answer_vmcall(registers); break;
	}
}

bool policy_answered_cpuid(const struct guest_registers *r) { return r->rax >> 32 == SENTENCE_LEAF; }
