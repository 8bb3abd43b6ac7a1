// The recursive hypervisor: what its parts share. The same image runs at every level k and sees the world as Intel's manual has it:
//   vmcs01  controls its guest, the next level;
//   vmcs12  is what that guest, when it is a hypervisor too, believes to be a VMCS: a region in the guest's memory that we keep;
//   vmcs02  is the VMCS with which we really run the guest's guest.
// The numbers are relative: 0 is this level, 1 its guest, 2 the guest's guest, however deep the stack.
#pragma once

#include "../lib/multiboot.h"
#include "../lib/types.h"
#include "../lib/vmx.h"

/** For what takes a few instructions, some of them at compile time: the compiler, told to make the code good to debug, would call it. */
#define INLINED static inline __attribute__((always_inline))

/** General registers of whatever was running when an exit came, in the order of their numbers in instruction encodings. */
struct guest_registers {
	union {
		struct {
			u64 rax, rcx, rdx, rbx, rsp_is_in_the_vmcs, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
		};
		u64 by_number[16];
	};
};

struct nested_vmcs;

/** Everything this level knows. There is one processor, so there is one. */
struct hypervisor {
	bool use_ept, use_shadowing; // options ept=on, shadowing=on
	bool captures_interrupts;    // option capture=on (interrupts.h)
	bool use_vpid;               // the processor offers VPIDs: its guest's translations need not be forgotten at every exit and entry
	bool answers_entries;        // option no-propagation=on, and no level below answers VMRESUMEs (no-propagation.h)
	bool may_be_absent;          // a level below answers VMRESUMEs of those above without us (absence.h)
	bool writes_read_only_fields; // VMWRITE can write every field (IA32_VMX_MISC)
	unsigned level, levels;      // own number from 0, and how many hypervisors are stacked
	u64 stack_at_exit;           // RSP of enter_guest, where an exit finds it again
	u64 preemption_ticks;        // option preemption=N; 0 = the timer is not used
	u64 preemptions;             // how often it ran out
	u64 exits;                   // VM exits that this level has handled or forwarded
	u64 current_vmcs;            // physical address of the VMCS that our own VMPTRLD made current
	bool guest_vmx_on;           // the guest has executed VMXON
	u64 guest_vmxon_pointer;
	struct nested_vmcs *believed; // the VMCS that the guest believes current; null = none
	struct nested_vmcs *linked;  // whose shadow VMCS is linked to vmcs01; null = none
	bool answers_now;            // the entry that we are about to make answers a level above the guest; the guest has not asked for it
	bool in_nested;              // the guest's guest runs (vmcs02), not the guest (vmcs01)
	bool vmcs01_launched;
};

/** VPIDs are ours to choose: each VMCS that we enter has its own. */
enum { VPID_OF_GUEST = 1, FIRST_VPID_OF_NESTED = 2 };

extern struct hypervisor self;
extern struct vmx_region vmcs01;

// guest-image.c
struct guest_start {
	u64 entry, cr3, info, gdt;
};
struct guest_start load_guest(const struct multiboot_info *info);

// vmx-operation.c
void enter_vmx_operation(void);
void clear_region(struct vmx_region *region);
void load_pointer(struct vmx_region *region);

/** VMPTRLD, unless the region is current already. */
INLINED void make_current(struct vmx_region *region)
{
	if (self.current_vmcs != physical_of(region))
		load_pointer(region);
}

// vmcs-setup.c
u32 allowed_control(u32 capability_msr, u32 wanted);
void write_host_state(void);
void write_own_controls(void);
void write_guest_state(const struct guest_start *start);

// world-switch.S
enum entry_kind { ENTER_BY_VMRESUME, ENTER_BY_VMLAUNCH, ENTER_NOTHING };

/** Of whoever exited last, and of whoever is entered next. */
extern struct guest_registers guest_registers;

/** Enters the world of the current VMCS: 1 when an exit comes, 0 if the processor refuses. All registers come from another world then. */
#define ENTER_GUEST(kind) ({ \
	u64 result; \
	asm volatile("call enter_guest" : "=a"(result) : "0"((u64)(kind)) \
		: "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory"); \
	result; })
extern const u8 exit_entry[];

// exit.c
void handle_exit(struct guest_registers *registers);
void handle_refused_entry(void);

// policy.c
void policy_start(void);
void policy_on_exit(u32 reason, struct guest_registers *registers);
