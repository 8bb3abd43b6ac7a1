// The monitor's whole life: load, enter, handle the exit, enter again. Option: again=N starts the guest N times more after it has ended, each time
// as a new one: out of VMX operation and into it.
#include "monitor.h"

#include "../lib/serial.h"
#include "../lib/vmx.h"

/** From the first instruction of a guest to its end. */
static void run_guest(const struct multiboot_info *info, unsigned level)
{
	struct guest_entry guest = load_first_module(info, level);
	print("one VMCS, one guest, entered at %x", guest.rip);
	start_vmx();
	fill_vmcs(guest.rip);
	struct general_registers registers = {{[RAX] = MULTIBOOT_LOADED, [RBX] = guest.info}};
	struct guest_account account = {.level = level};
	bool launched = false;
	do {
		if (!enter_guest(&registers, launched))
			stop_with("VM entry refused: error %u", vmread(VM_INSTRUCTION_ERROR));
		launched = true;
		account.exits++;
	} while (handle_exit(&registers, &account));
	print("%u exits", account.exits);
}

void main(const struct multiboot_info *info)
{
	unsigned level = (unsigned)number_option(command_line(info), "level", 0);
	serial_start(level, "monitor");
	run_guest(info, level + 1);
	for (u64 times = number_option(command_line(info), "again", 0); times; times--) {
		leave_vmx();
		run_guest(info, level + 1);
	}
	end_run(0);
}
