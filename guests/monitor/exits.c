// What the monitor does for its guest: CPUID without VMX and with a sentence of its own, ports passed on, VMX refused. It answers the questions
// that guests put to the recursive hypervisor (the level in an MSR, the count of exits by VMCALL), so that the same guest runs on both.
#include "monitor.h"

#include "../lib/processor.h"
#include "../lib/serial.h"
#include "../lib/vmx.h"

enum { REASON_HLT = 12, REASON_IO = 30, SENTENCE = 0x4abe0000, LEVEL_MSR = 0x4abe0000, CALL_COUNT_EXITS = 0x4abe0001, UNDEFINED_OPCODE = 6, PROTECTION_FAULT = 13 };

static void skip_instruction(void) { vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(EXIT_INSTRUCTION_LENGTH)); }

static void raise(unsigned vector)
{
	const u32 valid = 1u << 31, hardware_exception = 3 << 8, with_error_code = vector == PROTECTION_FAULT ? 1 << 11 : 0;
	if (with_error_code)
		vmwrite(ENTRY_EXCEPTION_ERROR_CODE, 0);
	vmwrite(ENTRY_INTERRUPTION_INFORMATION, valid | hardware_exception | with_error_code | vector);
}

static u32 four_characters(const char *text)
{
	return (u32)text[0] | (u32)text[1] << 8 | (u32)text[2] << 16 | (u32)text[3] << 24;
}

static void answer_cpuid(u64 *r)
{
	static const char sentence[] = "A monitor wrote.";
	u32 leaf = (u32)r[RAX];
	struct cpuid_result answer = cpuid(leaf, (u32)r[RCX]);
	if (leaf == 1)
		answer.ecx &= ~(1u << 5); // no VMX here
	if (leaf == SENTENCE)
		answer = (struct cpuid_result){four_characters(sentence), four_characters(sentence + 4), four_characters(sentence + 8), four_characters(sentence + 12)};
	r[RAX] = answer.eax;
	r[RBX] = answer.ebx;
	r[RCX] = answer.ecx;
	r[RDX] = answer.edx;
	skip_instruction();
}

static u32 input(u16 port, unsigned bytes)
{
	u32 value = 0;
	switch (bytes) {
	case 1: asm volatile("inb %w1, %b0" : "+a"(value) : "Nd"(port)); break;
	case 2: asm volatile("inw %w1, %w0" : "+a"(value) : "Nd"(port)); break;
	default: asm volatile("inl %w1, %0" : "+a"(value) : "Nd"(port));
	}
	return value;
}

static void output(u16 port, unsigned bytes, u32 value)
{
	switch (bytes) {
	case 1: asm volatile("outb %b0, %w1" : : "a"(value), "Nd"(port)); break;
	case 2: asm volatile("outw %w0, %w1" : : "a"(value), "Nd"(port)); break;
	default: asm volatile("outl %0, %w1" : : "a"(value), "Nd"(port));
	}
}

/** Every port exits. The qualification has size - 1 in bits 2:0, the direction in bit 3, string in bit 4, the port in bits 31:16. */
static void pass_port_access(u64 *r)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	unsigned bytes = (qualification & 7) + 1;
	u16 port = (u16)(qualification >> 16);
	bool is_input = qualification >> 3 & 1, is_string = qualification >> 4 & 1;
	if (is_string)
		stop_with("string input and output is not passed on (port %x)", (u64)port);
	if (!is_input) {
		output(port, bytes, (u32)r[RAX]);
	} else {
		const u64 kept = bytes == 1 ? ~0xffull : bytes == 2 ? ~0xffffull : 0; // a 32-bit result clears the upper half
		r[RAX] = (r[RAX] & kept) | input(port, bytes);
	}
	skip_instruction();
}

/** CR3 where the processor always exits for it; CR4 where the guest reaches for VMXE, which it is refused. */
static void access_control_register(u64 *r)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	unsigned which = qualification & 15, access = qualification >> 4 & 3, number = qualification >> 8 & 15;
	u64 value = number == RSP ? vmread(GUEST_RSP) : r[number];
	enum { TO, FROM };
	if (which == 3 && access == TO) {
		vmwrite(GUEST_CR3, value & ~(1ull << 63));
	} else if (which == 3 && access == FROM && number == RSP) {
		vmwrite(GUEST_RSP, vmread(GUEST_CR3));
	} else if (which == 3 && access == FROM) {
		r[number] = vmread(GUEST_CR3);
	} else {
		raise(PROTECTION_FAULT);
		return;
	}
	skip_instruction();
}

/** The bitmap covers all MSRs that processors have; of what is outside, only the one that tells the level is there. */
static void access_msr(u64 *r, bool is_read, unsigned level)
{
	if ((u32)r[RCX] != LEVEL_MSR || !is_read) {
		raise(PROTECTION_FAULT);
		return;
	}
	r[RAX] = level;
	r[RDX] = 0;
	skip_instruction();
}

static void answer_call(u64 *r, const struct guest_account *account)
{
	if ((u32)r[RAX] == CALL_COUNT_EXITS) {
		r[RAX] = account->level;
		r[RCX] = account->exits;
	} else {
		r[RAX] = ~0u;
	}
	skip_instruction();
}

bool handle_exit(struct general_registers *registers, const struct guest_account *account)
{
	u64 *r = registers->by_number;
	u32 reason = (u32)vmread(EXIT_REASON);
	switch (reason) {
	case EXIT_CPUID: answer_cpuid(r); return true;
	case REASON_IO: pass_port_access(r); return true;
	case EXIT_CR_ACCESS: access_control_register(r); return true;
	case EXIT_RDMSR:
	case EXIT_WRMSR: access_msr(r, reason == EXIT_RDMSR, account->level); return true;
	case EXIT_INVD: asm volatile("wbinvd" : : : "memory"); skip_instruction(); return true;
	case EXIT_VMCALL: answer_call(r, account); return true;
	case EXIT_XSETBV:
		asm volatile("xsetbv" : : "a"((u32)r[RAX]), "d"((u32)r[RDX]), "c"((u32)r[RCX]));
		skip_instruction();
		return true;
	case EXIT_GETSEC: case EXIT_VMCLEAR: case EXIT_VMLAUNCH: case EXIT_VMPTRLD: case EXIT_VMPTRST: case EXIT_VMREAD: case EXIT_VMRESUME:
	case EXIT_VMWRITE: case EXIT_VMXOFF: case EXIT_VMXON: case EXIT_INVEPT: case EXIT_INVVPID: raise(UNDEFINED_OPCODE); return true;
	case REASON_HLT: print("the guest halted"); return false;
	case EXIT_TRIPLE_FAULT: print("the guest shut down (triple fault), RIP %x", vmread(GUEST_RIP)); return false;
	default: print("exit not expected: reason %x, qualification %x", (u64)reason, vmread(EXIT_QUALIFICATION)); return false;
	}
}
