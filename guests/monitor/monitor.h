// A monitor that is no recursive hypervisor: one VMCS, one guest, no VMX for the guest, no EPT. It enters its guest by a function that returns
// at the VM exit, as many hypervisors do; HOST_RSP is written anew for each entry.
#pragma once

#include "../lib/multiboot.h"
#include "../lib/types.h"

/** What the VMCS does not hold of the guest, in the order of the registers' numbers. */
struct general_registers {
	u64 by_number[16]; // RAX, RCX, RDX, RBX, (RSP: in the VMCS), RBP, RSI, RDI, R8 .. R15
};

enum register_number { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

struct guest_entry {
	u64 rip, info;
};

/** enter.S: enters the guest; true after a VM exit, false where the processor refused the entry. */
bool enter_guest(struct general_registers *registers, bool launched);
extern const u8 guest_exited[];

/** load.c: puts the first module behind everything in use. */
struct guest_entry load_first_module(const struct multiboot_info *info, unsigned level);

/** vmcs.c: VMXON, and the one VMCS from the state in which the monitor runs; and VMXOFF, which ends the guest. */
void start_vmx(void);
void leave_vmx(void);
void fill_vmcs(u64 guest_rip);

/** What the guest can ask for: its level, and how many exits it has caused. */
struct guest_account {
	unsigned level;
	u64 exits;
};

/** exits.c: acts on the exit of the current VMCS. False: the guest is at its end. */
bool handle_exit(struct general_registers *registers, const struct guest_account *account);
