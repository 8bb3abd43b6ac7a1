// ELF64 position-independent images: loading one as a guest, and relocating the image that runs (SysV ABI, x86-64 supplement).
#pragma once

#include "types.h"

struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, program_headers, section_headers;
	u32 flags;
	u16 header_size, program_header_size, program_header_count;
	u16 section_header_size, section_header_count, section_names;
} PACKED;

struct elf_program_header {
	u32 type, flags;
	u64 offset, virtual_address, physical_address, file_size, memory_size, alignment;
} PACKED;

struct elf_relocation {
	u64 offset, info, addend;
} PACKED;

struct loaded_image {
	u64 entry; // where execution begins
	u64 end;   // first byte after the image, its zeroed data included
};

/** Size in memory of the image in `file`, from its first byte; 0 if it is not an ELF64 x86-64 position-independent image. */
u64 elf_memory_size(const void *file, u64 size);

/** Copies the image's segments to `base`. The image relocates itself. */
struct loaded_image elf_load(const void *file, u64 base);
