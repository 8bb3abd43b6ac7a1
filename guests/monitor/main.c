// The monitor's whole life: load, enter, handle the exit, enter again.
#include "monitor.h"

#include "../lib/serial.h"
#include "../lib/vmx.h"

void main(const struct multiboot_info *info)
{
	unsigned level = (unsigned)number_option(command_line(info), "level", 0);
	serial_start(level, "monitor");
	struct guest_entry guest = load_first_module(info, level + 1);
	print("one VMCS, one guest, entered at %x", guest.rip);

	start_vmx();
	fill_vmcs(guest.rip);
	struct general_registers registers = {{[RAX] = MULTIBOOT_LOADED, [RBX] = guest.info}};
	struct guest_account account = {.level = level + 1};
	bool launched = false;
	do {
		if (!enter_guest(&registers, launched))
			stop_with("VM entry refused: error %u", vmread(VM_INSTRUCTION_ERROR));
		launched = true;
		account.exits++;
	} while (handle_exit(&registers, &account));
	print("%u exits", account.exits);
	end_run(0);
}
