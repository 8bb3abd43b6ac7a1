// The thirteen VMX instructions, as the guest's processor: each function checks in the order of the manual's pages (SDM 3C 31.3 'VMX
// Instructions') and ends by finish_vmx_instruction, by an exception, or, for VMLAUNCH and VMRESUME, in the guest's guest.
#include "emulate-vmx.h"

#include "ept.h"
#include "exit.h"
#include "nested.h"
#include "operands.h"
#include "shadow.h"
#include "vmcs12.h"

#include "../lib/processor.h"

enum { FLAGS_OF_VMX = 0x8d5, FLAG_CARRY = 1, FLAG_ZERO = 0x40 }; // CF, PF, AF, ZF, SF, OF

void finish_vmx_instruction(enum vmx_result result, enum vm_instruction_error error)
{
	if (result == VM_FAIL_VALID && !self.believed)
		result = VM_FAIL_INVALID; // there is no VMCS in which the error could stand
	if (result == VM_FAIL_VALID)
		nested_write(self.believed, VM_INSTRUCTION_ERROR, error);
	make_current(&vmcs01);
	u64 flags = vmread(GUEST_RFLAGS) & ~(u64)FLAGS_OF_VMX;
	vmwrite(GUEST_RFLAGS, flags | (result == VM_FAIL_INVALID ? FLAG_CARRY : result == VM_FAIL_VALID ? FLAG_ZERO : 0));
	advance_guest(vmread(EXIT_INSTRUCTION_LENGTH));
}

static void succeed(void) { finish_vmx_instruction(VM_SUCCEED, 0); }
static void fail(enum vm_instruction_error error) { finish_vmx_instruction(VM_FAIL_VALID, error); }
static void fail_invalid(void) { finish_vmx_instruction(VM_FAIL_INVALID, 0); }

/** VMX regions are pages of the guest's own memory: we write to them on its behalf. */
static bool is_region_address(u64 pointer) { return (pointer & (PAGE_SIZE - 1)) == 0 && pointer != 0 && ept_allows(pointer, EPT_READ | EPT_WRITE); }

static u32 revision_at(u64 pointer) { return *(const u32 *)at_physical(pointer); }

/** With VMCS shadowing, bit 31 marks a shadow VMCS; without it, the bit must be 0. */
static u32 vmcs_revision_at(u64 pointer) { return revision_at(pointer) & ~(self.use_shadowing ? 1u << 31 : 0); }
static u32 our_revision(void) { return vmcs01.revision; }

/** The pointer that VMXON, VMPTRLD and VMCLEAR take from memory. */
static bool pointer_operand(const struct guest_registers *r, u64 *pointer)
{
	return read_guest_memory(operand_address((u32)vmread(EXIT_INSTRUCTION_INFORMATION), r), pointer);
}

static void emulate_vmxon(const struct guest_registers *r)
{
	u64 pointer;
	if (!(vmread(CR4_READ_SHADOW) & CR4_VMXE)) {
		inject_exception(VECTOR_INVALID_OPCODE, false);
		return;
	}
	if (self.guest_vmx_on) {
		fail(ERROR_VMXON_IN_ROOT);
		return;
	}
	if (!pointer_operand(r, &pointer))
		return;
	if (!is_region_address(pointer) || revision_at(pointer) != our_revision()) {
		fail_invalid();
		return;
	}
	self.guest_vmx_on = true;
	self.guest_vmxon_pointer = pointer;
	self.believed = NULL;
	succeed();
}

static void emulate_vmxoff(void)
{
	self.guest_vmx_on = false;
	self.believed = NULL;
	nested_forget_all();
	shadow_link();
	succeed();
}

static void emulate_vmclear(const struct guest_registers *r)
{
	u64 pointer;
	if (!pointer_operand(r, &pointer))
		return;
	if (!is_region_address(pointer)) {
		fail(ERROR_VMCLEAR_ADDRESS);
		return;
	}
	if (pointer == self.guest_vmxon_pointer) {
		fail(ERROR_VMCLEAR_VMXON_POINTER);
		return;
	}
	bool was_believed = self.believed && self.believed->pointer == pointer;
	if (was_believed)
		self.believed = NULL;
	nested_release(pointer);
	make_current(&vmcs01);
	if (was_believed)
		shadow_link();
	succeed();
}

static void emulate_vmptrld(const struct guest_registers *r)
{
	u64 pointer;
	if (!pointer_operand(r, &pointer))
		return;
	if (!is_region_address(pointer))
		fail(ERROR_VMPTRLD_ADDRESS);
	else if (pointer == self.guest_vmxon_pointer)
		fail(ERROR_VMPTRLD_VMXON_POINTER);
	else if (vmcs_revision_at(pointer) != our_revision())
		fail(ERROR_VMPTRLD_REVISION);
	else {
		self.believed = nested_acquire(pointer);
		bring_own_shadow_up_to_date(self.believed);
		make_current(&vmcs01);
		shadow_link();
		succeed();
	}
}

static void emulate_vmptrst(const struct guest_registers *r)
{
	u64 pointer = self.believed ? self.believed->pointer : ~0ull;
	if (write_guest_memory(operand_address((u32)vmread(EXIT_INSTRUCTION_INFORMATION), r), pointer))
		succeed();
}

enum { OPERAND_IS_REGISTER = 1 << 10 };

static void emulate_vmread(struct guest_registers *r)
{
	u32 information = (u32)vmread(EXIT_INSTRUCTION_INFORMATION);
	u64 encoding = read_register(r, information >> 28);
	if (!self.believed) {
		fail_invalid();
		return;
	}
	if (encoding >> 32 || row_of_field((u32)encoding) < 0) {
		fail(ERROR_UNSUPPORTED_FIELD);
		return;
	}
	if (is_shadowed((u32)encoding & ~1u))
		shadow_pull(self.believed); // a high half: only whole fields are in the bitmaps
	u64 value = nested_read(self.believed, (u32)encoding & ~1u);
	self.believed->shadow_is_newer = self.use_shadowing; // it goes on being used
	make_current(&vmcs01);
	if (encoding & 1)
		value >>= 32; // the high half of a 64-bit field
	if (information & OPERAND_IS_REGISTER)
		write_register(r, information >> 3 & 15, value);
	else if (!write_guest_memory(operand_address(information, r), value))
		return;
	succeed();
}

static void emulate_vmwrite(const struct guest_registers *r)
{
	u32 information = (u32)vmread(EXIT_INSTRUCTION_INFORMATION);
	u64 encoding = read_register(r, information >> 28), value;
	if (!self.believed) {
		fail_invalid();
		return;
	}
	if (information & OPERAND_IS_REGISTER)
		value = read_register(r, information >> 3 & 15);
	else if (!read_guest_memory(operand_address(information, r), &value))
		return;
	if (encoding >> 32 || row_of_field((u32)encoding) < 0) {
		fail(ERROR_UNSUPPORTED_FIELD);
		return;
	}
	if (field_type((u32)encoding) == FIELD_READ_ONLY && !self.writes_read_only_fields) {
		fail(ERROR_READ_ONLY_FIELD);
		return;
	}
	enum vmcs_field field = (u32)encoding & ~1u;
	if (is_shadowed(field))
		shadow_pull(self.believed);
	if (encoding & 1)
		value = value << 32 | (u32)nested_read(self.believed, field);
	nested_write(self.believed, field, value);
	if (is_shadowed(field))
		shadow_push(self.believed);
	succeed();
}

static void emulate_entry(bool is_launch)
{
	if (!self.believed) {
		fail_invalid();
		return;
	}
	bool launched = self.believed->region->launched;
	if (is_launch && launched)
		fail(ERROR_VMLAUNCH_NOT_CLEAR);
	else if (!is_launch && !launched)
		fail(ERROR_VMRESUME_NOT_LAUNCHED);
	else
		enter_nested(self.believed);
}

enum invalidation_type { INDIVIDUAL_ADDRESS, SINGLE_CONTEXT, ALL_CONTEXTS, SINGLE_CONTEXT_RETAINING_GLOBALS };

static u64 type_operand(const struct guest_registers *r) { return read_register(r, vmread(EXIT_INSTRUCTION_INFORMATION) >> 28); }

/** The tables that we made from the guest's are made again when they are needed. */
static void emulate_invept(const struct guest_registers *r)
{
	u64 type = type_operand(r);
	if (!self.use_ept) {
		inject_exception(VECTOR_INVALID_OPCODE, false);
	} else if (type != SINGLE_CONTEXT && type != ALL_CONTEXTS) {
		fail(ERROR_INVALIDATION_OPERAND);
	} else {
		ept_forget_nested();
		succeed();
	}
}

/** The guest's VPIDs are not ours: whatever it names, all are forgotten. More may always be forgotten than is asked for. */
static void emulate_invvpid(const struct guest_registers *r)
{
	u64 type = type_operand(r), vpid;
	if (!self.use_vpid) {
		inject_exception(VECTOR_INVALID_OPCODE, false);
		return;
	}
	if (type > SINGLE_CONTEXT_RETAINING_GLOBALS) {
		fail(ERROR_INVALIDATION_OPERAND);
		return;
	}
	if (!pointer_operand(r, &vpid))
		return;
	if (vpid >> 16 || (vpid == 0 && type != ALL_CONTEXTS)) {
		fail(ERROR_INVALIDATION_OPERAND);
		return;
	}
	invvpid_all();
	succeed();
}

bool emulate_vmx_instruction(u32 reason, struct guest_registers *r)
{
	bool is_vmx = (reason >= EXIT_VMCLEAR && reason <= EXIT_VMXON) || reason == EXIT_INVEPT || reason == EXIT_INVVPID;
	if (!is_vmx)
		return false;
	if (!self.guest_vmx_on && reason != EXIT_VMXON) {
		inject_exception(VECTOR_INVALID_OPCODE, false);
		return true;
	}
	switch (reason) {
	case EXIT_VMXON: emulate_vmxon(r); break;
	case EXIT_VMXOFF: emulate_vmxoff(); break;
	case EXIT_VMCLEAR: emulate_vmclear(r); break;
	case EXIT_VMPTRLD: emulate_vmptrld(r); break;
	case EXIT_VMPTRST: emulate_vmptrst(r); break;
	case EXIT_VMREAD: emulate_vmread(r); break;
	case EXIT_VMWRITE: emulate_vmwrite(r); break;
	case EXIT_VMLAUNCH: emulate_entry(true); break;
	case EXIT_VMRESUME: emulate_entry(false); break;
	case EXIT_INVEPT: emulate_invept(r); break;
	default: emulate_invvpid(r);
	}
	return true;
}
