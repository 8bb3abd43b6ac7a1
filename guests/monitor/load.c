// The guest in memory. It shares the monitor's page tables and descriptor tables as they are at its entry: there is no protection here, which
// is the point of comparison with the recursive hypervisor.
#include "monitor.h"

#include "../lib/elf.h"
#include "../lib/memory.h"
#include "../lib/serial.h"

enum { IMAGE_ALIGNMENT = 0x200000 };

extern const char image_end[];

static struct multiboot_info guest_info;
static char guest_line[256];

static u64 end_of_everything(const struct multiboot_info *info)
{
	u64 end = physical_of(image_end);
	for (unsigned n = 0; n < info->mods_count; n++)
		if (multiboot_modules(info)[n].end > end)
			end = multiboot_modules(info)[n].end;
	return end;
}

/** The module's own command line, then the level at which it runs. */
static void write_line(const char *options, unsigned level)
{
	const char suffix[] = {' ', 'l', 'e', 'v', 'e', 'l', '=', (char)('0' + level % 10), 0};
	unsigned length = 0;
	while (*options && length < sizeof guest_line - sizeof suffix)
		guest_line[length++] = *options++;
	memcpy(guest_line + length, suffix, sizeof suffix);
}

struct guest_entry load_first_module(const struct multiboot_info *info, unsigned level)
{
	if (!(info->flags & MULTIBOOT_MODULES) || info->mods_count == 0)
		stop_with("no module to run");
	const struct multiboot_module *module = multiboot_modules(info);
	const void *file = at_physical(module->start);
	u64 size = elf_memory_size(file, module->end - module->start), base = align_up(end_of_everything(info), IMAGE_ALIGNMENT);
	if (size == 0)
		stop_with("the module at %x is not an image", (u64)module->start);
	if (base + size > 0x100000 + (u64)info->mem_upper * 1024)
		stop_with("no room for the module at %x", base);

	guest_info = *info;
	guest_info.flags |= MULTIBOOT_COMMAND_LINE;
	guest_info.mods_count = info->mods_count - 1;
	guest_info.mods_addr = info->mods_addr + sizeof *module;
	write_line(module->string ? at_physical(module->string) : "", level);
	guest_info.cmdline = (u32)physical_of(guest_line);
	return (struct guest_entry){.rip = elf_load(file, base).entry, .info = physical_of(&guest_info)};
}
