// Operands of an instruction that exited, as the VM-exit instruction information describes them.
#pragma once

#include "hypervisor.h"

enum { REGISTER_RSP = 4 };

/** Value of a general register of the guest, by its number in encodings. */
INLINED u64 read_register(const struct guest_registers *registers, unsigned number)
{
	return number == REGISTER_RSP ? vmread(GUEST_RSP) : registers->by_number[number];
}

INLINED void write_register(struct guest_registers *registers, unsigned number, u64 value)
{
	if (number == REGISTER_RSP)
		vmwrite(GUEST_RSP, value);
	else
		registers->by_number[number] = value;
}

/** Linear address of the memory operand. */
u64 operand_address(u32 information, const struct guest_registers *registers);

/** Reads 8 bytes of the guest's memory as far as they are there; nobody gets a fault. */
bool peek_guest_memory(u64 linear, u64 *value);

/** Accesses 8 bytes of the guest's memory at a linear address; false: the page is not there, and the guest gets its page fault. */
bool read_guest_memory(u64 linear, u64 *value);
bool write_guest_memory(u64 linear, u64 value);
