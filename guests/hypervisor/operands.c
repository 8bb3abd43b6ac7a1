// Registers and memory operands of the guest (SDM 3C 28.2.5 'Information for VM Exits Due to Instruction Execution'), and its page tables:
// what a VMX instruction names by a linear address must be found by our own walk.
// What every exit goes through is kept small, which makes it fast; what a reader steps through first (main.c, exit.c, policy.c) is compiled to be debugged.
#pragma GCC optimize("Os")

#include "operands.h"

#include "ept.h"
#include "exit.h"

#include "../lib/memory.h"

enum { SEGMENT_FS = 4, SEGMENT_GS = 5, ADDRESS_32 = 1 };
enum { PAGE_PRESENT = 1, PAGE_WRITABLE = 2, PAGE_LARGE = 0x80 };

u64 operand_address(u32 information, const struct guest_registers *registers)
{
	unsigned scale = information & 3, address_size = information >> 7 & 7, segment = information >> 15 & 7;
	bool no_index = information >> 22 & 1, no_base = information >> 27 & 1;
	u64 address = vmread(EXIT_QUALIFICATION); // the displacement; for an address relative to RIP, the whole address
	if (!no_index)
		address += read_register(registers, information >> 18 & 15) << scale;
	if (!no_base)
		address += read_register(registers, information >> 23 & 15);
	if (address_size == ADDRESS_32)
		address = (u32)address;
	if (segment == SEGMENT_FS || segment == SEGMENT_GS)
		address += vmread(segment == SEGMENT_FS ? GUEST_FS_BASE : GUEST_GS_BASE);
	return address;
}

struct translation {
	u8 *bytes;                   // null: the access faults ...
	unsigned vector, error_code; // ... like this
};

/** Walks the guest's four levels of tables. What the map of ept.c forbids is a general-protection fault. */
static struct translation walk(u64 linear, bool write)
{
	const u64 address_bits = 0x000ffffffffff000;
	const struct translation forbidden = {NULL, VECTOR_GENERAL_PROTECTION, 0};
	u64 table = vmread(GUEST_CR3) & address_bits;
	for (unsigned shift = 39; shift >= 12; shift -= 9) {
		if (!ept_allows(table, EPT_READ)) // tables in our own memory
			return forbidden;
		u64 entry = ((const u64 *)at_physical(table))[linear >> shift & 511];
		if (!(entry & PAGE_PRESENT) || (write && !(entry & PAGE_WRITABLE)))
			return (struct translation){NULL, VECTOR_PAGE_FAULT, (entry & PAGE_PRESENT ? 1 : 0) | (write ? 2 : 0)};
		if (shift == 12 || (shift < 39 && (entry & PAGE_LARGE))) {
			u64 offset = (1ull << shift) - 1;
			u64 physical = (entry & address_bits & ~offset) | (linear & offset);
			return ept_allows(physical, write ? EPT_WRITE : EPT_READ) ? (struct translation){.bytes = at_physical(physical)} : forbidden;
		}
		table = entry & address_bits;
	}
	__builtin_unreachable(); // the last level's entries are pages
}

/** Address of a byte of the guest; null: the guest has got the fault that the access causes. */
static u8 *translate(u64 linear, bool write)
{
	struct translation found = walk(linear, write);
	if (found.bytes)
		return found.bytes;
	if (found.vector == VECTOR_PAGE_FAULT)
		asm volatile("movq %0, %%cr2" : : "r"(linear)); // CR2 passes through to whoever runs next
	inject_exception(found.vector, true);
	vmwrite(ENTRY_EXCEPTION_ERROR_CODE, found.error_code);
	return NULL;
}

static bool crosses_page(u64 linear) { return (linear & (PAGE_SIZE - 1)) > PAGE_SIZE - 8; }

bool peek_guest_memory(u64 linear, u64 *value)
{
	const u8 *first = walk(linear, false).bytes, *last = first && crosses_page(linear) ? walk(linear + 7, false).bytes : first + 7;
	if (!first || !last)
		return false;
	u64 in_first = crosses_page(linear) ? PAGE_SIZE - (linear & (PAGE_SIZE - 1)) : 8;
	memcpy(value, first, in_first);
	memcpy((u8 *)value + in_first, last + 1 - (8 - in_first), 8 - in_first);
	return true;
}

bool read_guest_memory(u64 linear, u64 *value)
{
	u8 bytes[8];
	const u8 *first = translate(linear, false);
	const u8 *last = first && crosses_page(linear) ? translate(linear + 7, false) : first + 7;
	if (!first || !last)
		return false;
	if (!crosses_page(linear)) {
		*value = *(const u64 *)first;
		return true;
	}
	u64 in_first = PAGE_SIZE - (linear & (PAGE_SIZE - 1));
	for (unsigned n = 0; n < 8; n++)
		bytes[n] = n < in_first ? first[n] : last[(long)n - 7];
	__builtin_memcpy(value, bytes, 8);
	return true;
}

bool write_guest_memory(u64 linear, u64 value)
{
	u8 *first = translate(linear, true);
	u8 *last = first && crosses_page(linear) ? translate(linear + 7, true) : first + 7;
	if (!first || !last)
		return false;
	u64 in_first = crosses_page(linear) ? PAGE_SIZE - (linear & (PAGE_SIZE - 1)) : 8;
	for (unsigned n = 0; n < 8; n++)
		*(n < in_first ? first + n : last + ((long)n - 7)) = (u8)(value >> 8 * n);
	return true;
}
