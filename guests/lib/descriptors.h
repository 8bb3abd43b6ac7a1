// The image's own GDT, TSS and IDT. The selectors are those that the boot protocol gives, so nothing changes for running code.
#pragma once

#include "types.h"

enum { SELECTOR_CODE = 0x08, SELECTOR_DATA = 0x10, SELECTOR_TSS = 0x18 };

struct descriptor_register {
	u16 limit;
	u64 base;
} PACKED;

struct task_state {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, io_map;
} PACKED;

extern struct task_state task_state;

struct descriptor_register read_gdtr(void);
struct descriptor_register read_idtr(void);

void load_descriptor_tables(void);

/** Has interrupts with this vector enter here, with further ones masked. */
void set_interrupt_gate(u8 vector, const u8 *handler);
