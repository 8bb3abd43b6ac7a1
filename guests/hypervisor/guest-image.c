// The guest in memory: its image, page tables and Multiboot information, all at a 2 MiB boundary above everything in use. The guest starts
// exactly as this level did, so that it cannot tell from its entry whether a loader or a hypervisor started it.
#include "hypervisor.h"

#include "../lib/elf.h"
#include "../lib/memory.h"
#include "../lib/processor.h"
#include "../lib/serial.h"

enum { LARGE_PAGE = 0x200000, MAPPED_GIB = 4, TABLES = 2 + MAPPED_GIB, ENTRIES = 512, LINE_LENGTH = 256, MAX_MODULES = 32 };
enum { PRESENT = 1, WRITABLE = 2, LARGE = 0x80 };

extern const char image_end[];

/** What the guest finds at RBX, and what it needs behind it: one page. */
struct start_page {
	struct multiboot_info info;
	struct multiboot_module modules[MAX_MODULES];
	char line[LINE_LENGTH];
	u64 gdt[3] __attribute__((aligned(8)));
};

static u64 larger(u64 a, u64 b) { return a > b ? a : b; }

/** First byte above this image, its page tables, the Multiboot information and the modules. */
static u64 first_free(const struct multiboot_info *info)
{
	u64 free = larger(physical_of(image_end), read_cr3() + TABLES * PAGE_SIZE);
	free = larger(free, physical_of(info) + PAGE_SIZE);
	for (unsigned n = 0; n < info->mods_count; n++)
		free = larger(free, multiboot_modules(info)[n].end);
	return free;
}

/** Identity map of the first 4 GiB in pages of 2 MiB: one PML4, one page-directory-pointer table, four page directories. */
static void map_identity(u64 *tables)
{
	u64 *pml4 = tables, *pointers = tables + ENTRIES, *directories = tables + 2 * ENTRIES;
	memset(tables, 0, TABLES * PAGE_SIZE);
	pml4[0] = physical_of(pointers) | PRESENT | WRITABLE;
	for (u64 n = 0; n < MAPPED_GIB; n++)
		pointers[n] = physical_of(directories + n * ENTRIES) | PRESENT | WRITABLE;
	for (u64 n = 0; n < MAPPED_GIB * ENTRIES; n++)
		directories[n] = n * LARGE_PAGE | PRESENT | WRITABLE | LARGE;
}

struct line {
	char *text;
	unsigned length;
};

static void append(struct line *line, const char *text)
{
	while (*text && line->length < LINE_LENGTH - 1)
		line->text[line->length++] = *text++;
	line->text[line->length] = 0;
}

/** Our own options go on to the guest, so that one command line serves the whole stack; our place in the stack does not. */
static void append_inherited(struct line *line, const char *options)
{
	while (*options) {
		bool is_place = (options[0] == 'o' && options[1] == 'f' && options[2] == '=') || (options[0] == 'l' && options[1] == 'e' && options[2] == 'v');
		while (*options && *options != ' ') {
			if (!is_place)
				append(line, (char[]){*options, 0});
			options++;
		}
		if (!is_place)
			append(line, " ");
		while (*options == ' ')
			options++;
	}
}

static void append_number(struct line *line, const char *name, unsigned value)
{
	char digits[] = {(char)('0' + value / 10 % 10), (char)('0' + value % 10), 0};
	append(line, name);
	append(line, value < 10 ? digits + 1 : digits);
}

/** The guest's modules are ours without the first; its command line is ours, then its module's, then its place in the
 * stack: the last word on an option counts. */
static void fill_start_page(struct start_page *page, const struct multiboot_info *info)
{
	const struct multiboot_module *modules = multiboot_modules(info);
	unsigned passed = info->mods_count - 1;
	if (passed > MAX_MODULES)
		stop_with("more than %u modules", (u64)MAX_MODULES);
	memset(page, 0, PAGE_SIZE);
	page->info = *info;
	page->info.flags = (info->flags & (MULTIBOOT_MEMORY | MULTIBOOT_MEMORY_MAP)) | MULTIBOOT_COMMAND_LINE | MULTIBOOT_MODULES;
	page->info.mods_count = passed;
	page->info.mods_addr = (u32)physical_of(page->modules);
	memcpy(page->modules, modules + 1, passed * sizeof *modules);

	struct line line = {page->line, 0};
	append_inherited(&line, command_line(info));
	append(&line, modules[0].string ? at_physical(modules[0].string) : "");
	append_number(&line, line.length && line.text[line.length - 1] != ' ' ? " level=" : "level=", self.level + 1);
	append_number(&line, " of=", self.levels);
	page->info.cmdline = (u32)physical_of(page->line);

	page->gdt[1] = 0x00af9b000000ffff; // selector 08h: 64-bit code
	page->gdt[2] = 0x00cf93000000ffff; // selector 10h: data
}

struct guest_start load_guest(const struct multiboot_info *info)
{
	if (!(info->flags & MULTIBOOT_MODULES) || info->mods_count == 0)
		stop_with("no module to run as guest");
	const struct multiboot_module *module = multiboot_modules(info);
	const void *file = at_physical(module->start);
	u64 size = elf_memory_size(file, module->end - module->start);
	if (size == 0)
		stop_with("the module at %x is not an ELF64 position-independent image", (u64)module->start);

	u64 base = align_up(first_free(info), LARGE_PAGE);
	u64 memory = 0x100000 + (u64)info->mem_upper * 1024;
	if (base + size + (TABLES + 2) * PAGE_SIZE > memory)
		stop_with("no room for the guest at %x in %x bytes of memory", base, memory);

	struct loaded_image image = elf_load(file, base);
	u64 *tables = at_physical(align_up(image.end, PAGE_SIZE));
	struct start_page *page = (struct start_page *)(tables + TABLES * ENTRIES);
	map_identity(tables);
	fill_start_page(page, info);
	return (struct guest_start){.entry = image.entry, .cr3 = physical_of(tables), .info = physical_of(page), .gdt = physical_of(page->gdt)};
}
