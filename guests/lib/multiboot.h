// The Multiboot 1 information structure, as a loader or the hypervisor below leaves it, and options of the command line.
#pragma once

#include "types.h"

#define MULTIBOOT_LOADED 0x2badb002u

enum { MULTIBOOT_MEMORY = 1 << 0, MULTIBOOT_COMMAND_LINE = 1 << 2, MULTIBOOT_MODULES = 1 << 3, MULTIBOOT_MEMORY_MAP = 1 << 6 };

struct multiboot_info {
	u32 flags;
	u32 mem_lower, mem_upper; // KiB below 640 KiB, KiB above 1 MiB
	u32 boot_device;
	u32 cmdline;
	u32 mods_count, mods_addr;
	u32 symbols[4];
	u32 mmap_length, mmap_addr;
} PACKED;

struct multiboot_module {
	u32 start, end; // end is the first byte after it
	u32 string;
	u32 reserved;
} PACKED;

/** The image's own part of the program: runs on the boot stack, in 64-bit mode, with this image's GDT and IDT. */
void main(const struct multiboot_info *info);

const char *command_line(const struct multiboot_info *info);
const struct multiboot_module *multiboot_modules(const struct multiboot_info *info);

/** Value of `name=value` in a command line; absent or without digits: the default. */
u64 number_option(const char *line, const char *name, u64 otherwise);

/** Whether `name=on` stands in a command line. */
bool switch_option(const char *line, const char *name);
