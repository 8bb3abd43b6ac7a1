// The thirteen VMX instructions, as the guest's processor: each function checks in the order of the manual's pages (SDM 3C 31.3 'VMX
// Instructions') and ends by finish_vmx_instruction, by an exception, or, for VMLAUNCH and VMRESUME, in the guest's guest.
// What every exit goes through is kept small, which makes it fast; what a reader steps through first (main.c, exit.c, policy.c) is compiled to be debugged.
#pragma GCC optimize("Os")

#include "emulate-vmx.h"

#include "ept.h"
#include "exit.h"
#include "nested.h"
#include "operands.h"
#include "shadow.h"
#include "vmcs12.h"

#include "../lib/processor.h"

enum { FLAGS_OF_VMX = 0x8d5, FLAG_CARRY = 1, FLAG_ZERO = 0x40 }; // CF, PF, AF, ZF, SF, OF

/** The guest goes on behind the instruction, with the flags that say how it ended. vmcs01 is current. */
static inline void finish_with_flags(u64 flags)
{
	vmwrite(GUEST_RFLAGS, (vmread(GUEST_RFLAGS) & ~(u64)FLAGS_OF_VMX) | flags);
	advance_guest(vmread(EXIT_INSTRUCTION_LENGTH));
}

void finish_vmx_instruction(enum vmx_result result, enum vm_instruction_error error)
{
	if (result == VM_FAIL_VALID && !self.believed)
		result = VM_FAIL_INVALID; // there is no VMCS in which the error could stand
	if (result == VM_FAIL_VALID) {
		nested_write(self.believed, VM_INSTRUCTION_ERROR, error);
		self.believed->shadow_is_newer = self.use_shadowing; // an entry was tried, and the guest goes on writing to it
	}
	make_current(&vmcs01);
	finish_with_flags(result == VM_FAIL_INVALID ? FLAG_CARRY : result == VM_FAIL_VALID ? FLAG_ZERO : 0);
}

static void succeed(void)
{
	make_current(&vmcs01);
	finish_with_flags(0);
}

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

static void emulate_vmxon(struct guest_registers *r)
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

static void emulate_vmxoff(struct guest_registers *)
{
	self.guest_vmx_on = false;
	self.believed = NULL;
	nested_forget_all();
	shadow_link();
	succeed();
}

static void emulate_vmclear(struct guest_registers *r)
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

static void emulate_vmptrld(struct guest_registers *r)
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

static void emulate_vmptrst(struct guest_registers *r)
{
	u64 pointer = self.believed ? self.believed->pointer : ~0ull;
	if (write_guest_memory(operand_address((u32)vmread(EXIT_INSTRUCTION_INFORMATION), r), pointer))
		succeed();
}

enum { OPERAND_IS_REGISTER = 1 << 10 };

static void emulate_vmread(struct guest_registers *r)
{
	struct nested_vmcs *vmcs = self.believed;
	u32 information = (u32)vmread(EXIT_INSTRUCTION_INFORMATION);
	u64 encoding = read_register(r, information >> 28);
	if (!vmcs) {
		fail_invalid();
		return;
	}
	int row = row_of_field(encoding);
	if (row < 0) {
		fail(ERROR_UNSUPPORTED_FIELD);
		return;
	}
	if (is_shadowed(encoding & ~1u)) { // a high half: only whole fields are in the bitmaps
		shadow_pull(vmcs);
		vmcs->shadow_is_newer = true; // it goes on being used
	}
	u64 value = nested_read_row(vmcs, (unsigned)row);
	make_current(&vmcs01);
	if (encoding & 1)
		value >>= 32; // the high half of a 64-bit field
	if (information & OPERAND_IS_REGISTER)
		write_register(r, information >> 3 & 15, value);
	else if (!write_guest_memory(operand_address(information, r), value))
		return;
	succeed();
}

static void emulate_vmwrite(struct guest_registers *r)
{
	struct nested_vmcs *vmcs = self.believed;
	u32 information = (u32)vmread(EXIT_INSTRUCTION_INFORMATION);
	u64 encoding = read_register(r, information >> 28), value;
	if (!vmcs) {
		fail_invalid();
		return;
	}
	if (information & OPERAND_IS_REGISTER)
		value = read_register(r, information >> 3 & 15);
	else if (!read_guest_memory(operand_address(information, r), &value))
		return;
	if (row_of_field(encoding) < 0) {
		fail(ERROR_UNSUPPORTED_FIELD);
		return;
	}
	if (field_type((u32)encoding) == FIELD_READ_ONLY && !self.writes_read_only_fields) {
		fail(ERROR_READ_ONLY_FIELD);
		return;
	}
	enum vmcs_field field = (u32)encoding & ~1u;
	bool is_in_shadow = is_shadowed(field);
	if (is_in_shadow)
		shadow_pull(vmcs);
	if (encoding & 1)
		value = value << 32 | (u32)nested_read(vmcs, field);
	nested_write(vmcs, field, value);
	if (is_in_shadow)
		shadow_push(vmcs);
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
static void emulate_invept(struct guest_registers *r)
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
static void emulate_invvpid(struct guest_registers *r)
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

static void emulate_vmlaunch(struct guest_registers *) { emulate_entry(true); }
static void emulate_vmresume(struct guest_registers *) { emulate_entry(false); }

static void (*const emulations[])(struct guest_registers *) = {
	[EXIT_VMCLEAR] = emulate_vmclear, [EXIT_VMLAUNCH] = emulate_vmlaunch, [EXIT_VMPTRLD] = emulate_vmptrld, [EXIT_VMPTRST] = emulate_vmptrst,
	[EXIT_VMREAD] = emulate_vmread, [EXIT_VMRESUME] = emulate_vmresume, [EXIT_VMWRITE] = emulate_vmwrite, [EXIT_VMXOFF] = emulate_vmxoff,
	[EXIT_VMXON] = emulate_vmxon, [EXIT_INVEPT] = emulate_invept, [EXIT_INVVPID] = emulate_invvpid,
};

void emulate_vmx_instruction(u32 reason, struct guest_registers *r)
{
	if (self.guest_vmx_on || reason == EXIT_VMXON)
		emulations[reason](r);
	else
		inject_exception(VECTOR_INVALID_OPCODE, false);
}
