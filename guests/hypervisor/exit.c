// Every VM exit of this level's world comes here. An exit of the guest is handled; an exit of the guest's guest is delivered to the guest,
// whose hardware we are (nested.c). Before either, the policy may look at it: that is how a level below acts on levels far above.
#include "exit.h"

#include "absence.h"
#include "emulate-vmx.h"
#include "interrupts.h"
#include "nested.h"
#include "no-propagation.h"
#include "preemption.h"

#include "../lib/processor.h"
#include "../lib/serial.h"

void inject_exception(unsigned vector, bool has_error_code)
{
	const u32 valid = 1u << 31, hardware_exception = 3 << 8, deliver_error_code = 1 << 11;
	vmwrite(ENTRY_INTERRUPTION_INFORMATION, valid | hardware_exception | (has_error_code ? deliver_error_code : 0) | vector);
	if (has_error_code)
		vmwrite(ENTRY_EXCEPTION_ERROR_CODE, 0);
}

static void answer_in_registers(struct guest_registers *r, struct cpuid_result answer)
{
	r->rax = answer.eax;
	r->rbx = answer.ebx;
	r->rcx = answer.ecx;
	r->rdx = answer.edx;
}

static void handle_cpuid(struct guest_registers *r)
{
	const u32 cpuid_length = 2;
	answer_in_registers(r, policy_cpuid((u32)r->rax, (u32)r->rcx));
	advance_guest(cpuid_length);
}

static void handle_vmcall(struct guest_registers *r)
{
	const u32 vmcall_length = 3;
	switch ((u32)r->rax) {
	case VMCALL_COUNT_EXITS: r->rax = self.levels; break;
	case VMCALL_REGISTER_ABSENCE: r->rax = absence_register(r->rbx, r->rcx); break;
	case VMCALL_DIGEST: print_digest(); break;
	case VMCALL_SENTENCE: answer_in_registers(r, policy_sentence()); break;
	default: r->rax = ~0u;
	}
	advance_guest(vmcall_length);
}

/** The bitmap lets every MSR through that it covers; what exits is outside its ranges, where processors have nothing. */
static void handle_msr(u32 reason, struct guest_registers *r)
{
	const u32 length = 2;
	if ((u32)r->rcx != MSR_LEVEL) {
		inject_exception(VECTOR_GENERAL_PROTECTION, true);
		return;
	}
	if (reason == EXIT_RDMSR) {
		r->rax = self.level + 1;
		r->rdx = 0;
	}
	advance_guest(length);
}

/** The only bit of a control register that exits is CR4.VMXE (write_own_controls). It is 1 in truth; the guest sees what it wrote. */
static void handle_cr_access(struct guest_registers *r)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	unsigned control_register = qualification & 15, access = qualification >> 4 & 3, number = qualification >> 8 & 15;
	if (control_register != 4 || access != 0)
		stop_with("access to control register %u not expected (qualification %x)", (u64)control_register, qualification);
	u64 value = number == 4 ? vmread(GUEST_RSP) : r->by_number[number];
	if (!(value & CR4_VMXE) && self.guest_vmx_on) {
		inject_exception(VECTOR_GENERAL_PROTECTION, true); // SDM 3C 24.8 'Restrictions on VMX Operation'
		return;
	}
	vmwrite(GUEST_CR4, value | CR4_VMXE);
	vmwrite(CR4_READ_SHADOW, value);
	advance_guest(vmread(EXIT_INSTRUCTION_LENGTH));
}

static void handle_xsetbv(struct guest_registers *r)
{
	asm volatile("xsetbv" : : "a"((u32)r->rax), "d"((u32)r->rdx), "c"((u32)r->rcx));
	advance_guest(3);
}

void refuse_access(void)
{
	print("no guest may access %x (at RIP %x)", vmread(GUEST_PHYSICAL_ADDRESS), vmread(GUEST_RIP));
	inject_exception(VECTOR_GENERAL_PROTECTION, true);
}

static void handle_guest_exit(u32 reason, struct guest_registers *r)
{
	switch (reason) {
	case EXIT_VMCLEAR ... EXIT_VMXON:
	case EXIT_INVEPT:
	case EXIT_INVVPID: emulate_vmx_instruction(reason, r); break;
	case EXIT_CPUID: handle_cpuid(r); break;
	case EXIT_VMCALL: handle_vmcall(r); break;
	case EXIT_RDMSR:
	case EXIT_WRMSR: handle_msr(reason, r); break;
	case EXIT_CR_ACCESS: handle_cr_access(r); break;
	case EXIT_XSETBV: handle_xsetbv(r); break;
	case EXIT_INVD: // what is in the caches is not ours alone to lose
		asm volatile("wbinvd" : : : "memory");
		advance_guest(2);
		break;
	case EXIT_PREEMPTION_TIMER: preemption_back_in_control(); break;
	case EXIT_INTERRUPT_WINDOW: break; // before the next entry there is something to inject
	case EXIT_EPT_VIOLATION: refuse_access(); break;
	case EXIT_GETSEC: inject_exception(VECTOR_INVALID_OPCODE, false); break;
	default: stop_with("exit of the guest not expected: reason %x, qualification %x, RIP %x", (u64)reason, vmread(EXIT_QUALIFICATION), vmread(GUEST_RIP));
	}
}

/** Afterwards the VMCS of whoever runs next is current. */
void handle_exit(struct guest_registers *registers)
{
	if (self.may_be_absent)
		absence_end();
	u32 reason = (u32)vmread(EXIT_REASON);
	self.exits++;
	policy_on_exit(reason, registers);
	if (!self.in_nested) {
		self.vmcs01_launched = true;
		handle_guest_exit(reason, registers);
		return;
	}
	nested_note_exit(self.believed, reason);
	if (!self.answers_entries || !observe_exit(reason, registers))
		deliver_exit(reason);
}

/** VMLAUNCH or VMRESUME failed. The guest's own wishes can be the cause only when it asked us to enter its guest. */
void handle_refused_entry(void)
{
	u32 error = (u32)vmread(VM_INSTRUCTION_ERROR);
	if (!self.in_nested || self.answers_now)
		stop_with("VM entry into %s refused: error %u", self.in_nested ? "a world above the guest" : "the guest", (u64)error);
	reject_nested_entry(error);
}
