// Start of a hypervisor, at whatever level: load the next module as guest, turn VMX on, describe the guest in a VMCS, enter it. Never returns:
// the loop of run_guest goes round once for each exit. Options: level=K of=N, given by the level below;
// ept=on protects this level from its guest (ept.c), shadowing=on spares the guest exits (shadow.c), no-propagation=on spares
// the levels in between (no-propagation.c), capture=on has interrupts pass through every level
// (interrupts.c), preemption=N brings control back after N ticks (preemption.c).
#include "absence.h"
#include "ept.h"
#include "interrupts.h"
#include "nested.h"
#include "shadow.h"

#include "../lib/serial.h"

struct hypervisor self;
struct vmx_region vmcs01;
struct guest_registers guest_registers;

static void learn_place(const struct multiboot_info *info)
{
	const char *options = command_line(info);
	self.level = (unsigned)number_option(options, "level", 0);
	// the lowest level counts: every module but the last is a hypervisor, and so is this image
	self.levels = (unsigned)number_option(options, "of", info->mods_count);
	self.use_ept = switch_option(options, "ept");
	self.use_shadowing = switch_option(options, "shadowing");
	self.preemption_ticks = number_option(options, "preemption", 0);
	self.captures_interrupts = switch_option(options, "capture");
	serial_start(self.level, "hypervisor");
	print("level %u of %u, options '%s'", (u64)self.level, (u64)self.levels, options);
}

static void describe_guest(const struct guest_start *start)
{
	clear_region(&vmcs01);
	make_current(&vmcs01);
	write_own_controls();
	write_host_state();
	write_guest_state(start);
}

/** From here on, this level runs only between an exit and the next entry. Which VMCS is entered, exit handling decides. */
static _Noreturn void run_guest(const struct guest_start *start)
{
	self.stack_at_exit = ENTER_GUEST(ENTER_NOTHING);
	describe_guest(start);
	guest_registers.rax = MULTIBOOT_LOADED; // as the boot protocol has it
	guest_registers.rbx = start->info;
	for (;;) {
		if (self.captures_interrupts)
			interrupts_before_entry();
		if (ENTER_GUEST(next_entry()))
			handle_exit(&guest_registers);
		else
			handle_refused_entry();
	}
}

void main(const struct multiboot_info *info)
{
	learn_place(info);
	struct guest_start start = load_guest(info);
	enter_vmx_operation();
	nested_start();
	policy_start();
	if (self.use_ept)
		ept_start(info);
	if (self.captures_interrupts)
		interrupts_start();
	if (self.use_shadowing)
		shadow_start();
	if (switch_option(command_line(info), "no-propagation"))
		absence_start();
	absence_insist(self.preemption_ticks != 0);
	print("entering the guest at %x", start.entry);
	run_guest(&start);
}
