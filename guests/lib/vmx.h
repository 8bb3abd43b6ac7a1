// The VMX instructions as functions. At level 0 they act on the processor; above it each one (but for what VMCS shadowing covers) is an exit
// to the hypervisors below: the fewer, the better, because their cost multiplies with every level.
#pragma once

#include "types.h"
#include "vmcs-encodings.h"

#define IA32_VMX_BASIC 0x480
#define IA32_VMX_PINBASED_CTLS 0x481
#define IA32_VMX_PROCBASED_CTLS 0x482
#define IA32_VMX_EXIT_CTLS 0x483
#define IA32_VMX_ENTRY_CTLS 0x484
#define IA32_VMX_MISC 0x485
#define IA32_VMX_CR0_FIXED0 0x486
#define IA32_VMX_CR0_FIXED1 0x487
#define IA32_VMX_CR4_FIXED0 0x488
#define IA32_VMX_CR4_FIXED1 0x489
#define IA32_VMX_PROCBASED_CTLS2 0x48b
#define IA32_VMX_EPT_VPID_CAP 0x48c
#define IA32_VMX_TRUE_PINBASED_CTLS 0x48d // followed by the processor-based, exit and entry ones

#define CR0_NE (1ul << 5)
#define CR4_PAE (1ul << 5)
#define CR4_VMXE (1ul << 13)
#define RFLAGS_FIXED 2ul

/** A VMXON or VMCS region: the processor owns what follows the first words. */
struct vmx_region {
	u32 revision; // bit 31: shadow VMCS
	u32 abort_indicator;
	u8 data[PAGE_SIZE - 8];
} PAGE_ALIGNED;

/** How a VMX instruction ended (SDM 3C 31.2 'Conventions'). */
enum vmx_result { VM_SUCCEED, VM_FAIL_VALID, VM_FAIL_INVALID };

#define VMX_RESULT(carry, zero) ((carry) ? VM_FAIL_INVALID : (zero) ? VM_FAIL_VALID : VM_SUCCEED)

static inline enum vmx_result vmxon(u64 region)
{
	bool carry, zero;
	asm volatile("vmxon (%2)" : "=@ccc"(carry), "=@ccz"(zero) : "r"(&region), "m"(region) : "memory");
	return VMX_RESULT(carry, zero);
}

static inline enum vmx_result vmclear(u64 region)
{
	bool carry, zero;
	asm volatile("vmclear (%2)" : "=@ccc"(carry), "=@ccz"(zero) : "r"(&region), "m"(region) : "memory");
	return VMX_RESULT(carry, zero);
}

static inline enum vmx_result vmptrld(u64 region)
{
	bool carry, zero;
	asm volatile("vmptrld (%2)" : "=@ccc"(carry), "=@ccz"(zero) : "r"(&region), "m"(region) : "memory");
	return VMX_RESULT(carry, zero);
}

/** Forgets what the processor has cached of all EPT structures. */
static inline void invept_all(void)
{
	const u64 all_contexts = 2;
	u64 descriptor[2] = {0, 0};
	asm volatile("invept (%0), %1" : : "r"(descriptor), "r"(all_contexts), "m"(descriptor) : "cc", "memory");
}

/** Forgets what the processor has cached of linear addresses: under one VPID, or under all but 0. */
static inline void invvpid(u16 vpid)
{
	const u64 single_context = 1;
	u64 descriptor[2] = {vpid, 0};
	asm volatile("invvpid (%0), %1" : : "r"(descriptor), "r"(single_context), "m"(descriptor) : "cc", "memory");
}

static inline void invvpid_all(void)
{
	const u64 all_contexts = 2;
	u64 descriptor[2] = {0, 0};
	asm volatile("invvpid (%0), %1" : : "r"(descriptor), "r"(all_contexts), "m"(descriptor) : "cc", "memory");
}

/** Reads a field that exists of a VMCS that is current; nothing can fail then. */
static inline u64 vmread(enum vmcs_field field)
{
	u64 value;
	asm volatile("vmread %1, %0" : "=r"(value) : "r"((u64)field) : "cc");
	return value;
}

static inline enum vmx_result vmwrite(enum vmcs_field field, u64 value)
{
	bool carry, zero;
	asm volatile("vmwrite %3, %2" : "=@ccc"(carry), "=@ccz"(zero) : "r"((u64)field), "r"(value));
	return VMX_RESULT(carry, zero);
}
