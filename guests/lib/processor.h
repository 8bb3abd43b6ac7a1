// Privileged instructions that are not VMX, as functions. Each compiles to the one instruction that its name says.
#pragma once

#include "types.h"

static inline void out8(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline u8 in8(u16 port) { u8 value; asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port)); return value; }

enum { PIC_PRIMARY_DATA = 0x21, PIC_SECONDARY_DATA = 0xa1 };

static inline u64 read_msr(u32 msr)
{
	u32 low, high;
	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static inline void write_msr(u32 msr, u64 value) { asm volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32))); }

struct cpuid_result { u32 eax, ebx, ecx, edx; };

static inline struct cpuid_result cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_result r;
	asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
	return r;
}

static inline u64 read_cr0(void) { u64 v; asm volatile("movq %%cr0, %0" : "=r"(v)); return v; }
static inline u64 read_cr3(void) { u64 v; asm volatile("movq %%cr3, %0" : "=r"(v)); return v; }
static inline u64 read_cr4(void) { u64 v; asm volatile("movq %%cr4, %0" : "=r"(v)); return v; }
static inline void write_cr0(u64 v) { asm volatile("movq %0, %%cr0" : : "r"(v) : "memory"); }
static inline void write_cr4(u64 v) { asm volatile("movq %0, %%cr4" : : "r"(v) : "memory"); }
static inline void halt_processor(void) { asm volatile("cli; hlt"); }

#define IA32_FEATURE_CONTROL 0x3a
#define IA32_SYSENTER_CS 0x174
#define IA32_SYSENTER_ESP 0x175
#define IA32_SYSENTER_EIP 0x176
#define IA32_DEBUGCTL 0x1d9
#define IA32_EFER 0xc0000080
#define IA32_FS_BASE 0xc0000100
#define IA32_GS_BASE 0xc0000101
