// ELF64: loading a guest's image, and the relocation that every image applies to itself before anything else runs.
#include "elf.h"

#include "memory.h"

enum { TYPE_SHARED = 3, MACHINE_X86_64 = 62, SEGMENT_LOAD = 1, R_X86_64_RELATIVE = 8 };

extern char image_start[];
extern const struct elf_relocation relocations_start[], relocations_end[];

/** The image is linked at 0 and the linker leaves only relative relocations: adding the load address to each is all. */
void relocate_image(void)
{
	for (const struct elf_relocation *r = relocations_start; r < relocations_end; r++)
		if ((u32)r->info == R_X86_64_RELATIVE)
			*(u64 *)(image_start + r->offset) = (u64)image_start + r->addend;
}

static const struct elf_program_header *segment(const struct elf_header *elf, unsigned n)
{
	return (const void *)((const u8 *)elf + elf->program_headers + n * (u64)elf->program_header_size);
}

static bool is_loadable(const struct elf_header *elf, u64 size)
{
	static const u8 ident[] = {0x7f, 'E', 'L', 'F', 2 /* 64-bit */, 1 /* little-endian */, 1};
	if (size < sizeof *elf)
		return false;
	for (unsigned n = 0; n < sizeof ident; n++)
		if (elf->ident[n] != ident[n])
			return false;
	return elf->type == TYPE_SHARED && elf->machine == MACHINE_X86_64 && elf->program_header_size >= sizeof(struct elf_program_header)
		&& elf->program_headers <= size && elf->program_header_count * (u64)elf->program_header_size <= size - elf->program_headers;
}

u64 elf_memory_size(const void *file, u64 size)
{
	const struct elf_header *elf = file;
	u64 end = 0;
	if (!is_loadable(elf, size))
		return 0;
	for (unsigned n = 0; n < elf->program_header_count; n++) {
		const struct elf_program_header *p = segment(elf, n);
		if (p->type != SEGMENT_LOAD)
			continue;
		if (p->offset > size || p->file_size > size - p->offset || p->file_size > p->memory_size)
			return 0;
		if (p->virtual_address + p->memory_size > end)
			end = p->virtual_address + p->memory_size;
	}
	return end;
}

struct loaded_image elf_load(const void *file, u64 base)
{
	const struct elf_header *elf = file;
	struct loaded_image image = {.entry = base + elf->entry, .end = base};
	for (unsigned n = 0; n < elf->program_header_count; n++) {
		const struct elf_program_header *p = segment(elf, n);
		if (p->type != SEGMENT_LOAD)
			continue;
		u8 *to = at_physical(base + p->virtual_address);
		memcpy(to, (const u8 *)file + p->offset, p->file_size);
		memset(to + p->file_size, 0, p->memory_size - p->file_size);
		u64 end = physical_of(to) + p->memory_size;
		if (end > image.end)
			image.end = end;
	}
	return image;
}
