// Extended page tables (SDM 3C 29.3 'The Extended Page Table Mechanism (EPT)'). Guest-physical equals physical at every level, so a map says only
// what may be accessed. Our image and page tables may not: a guest cannot see or change its hypervisor, and because every level does so and
// vmcs02 gets what *both* maps allow, no level can reach any level below it.
#include "ept.h"

#include "vmcs12.h"

#include "../lib/memory.h"
#include "../lib/processor.h"
#include "../lib/serial.h"

enum { ENTRIES = 512, POOL_PAGES = 128, TABLE_PAGES = 6, FOUR_LEVELS = 3 << 3, WRITE_BACK = 6, LEAF_WRITE_BACK = WRITE_BACK << 3, LARGE = 0x80 };
enum { RIGHTS_IN_QUALIFICATION = 3, TOP_SHIFT = 39, LARGE_SHIFT = 21, PAGE_SHIFT = 12 };
#define ADDRESS_BITS 0x000ffffffffff000ull

extern const char image_start[], image_end[];

static u64 pool[POOL_PAGES][ENTRIES] PAGE_ALIGNED;
static unsigned used, used_by_own; // pages of the pool: our own map first, then those of guests' guests
static u64 *own_root;

static u64 *new_table(void)
{
	if (used == POOL_PAGES)
		return NULL;
	return memset(pool[used++], 0, PAGE_SIZE);
}

/** Entry of the table that lies `shift` bits up, making the tables on the way; null if the pool is empty. A large page on the way is split. */
static u64 *entry_for(u64 *table, u64 address, unsigned shift)
{
	for (unsigned at = TOP_SHIFT; at > shift; at -= 9) {
		u64 *entry = &table[address >> at & (ENTRIES - 1)];
		if (!(*entry & EPT_ALL) || (*entry & LARGE)) {
			u64 *next = new_table(), old = *entry;
			if (!next)
				return NULL;
			for (u64 n = 0; (old & LARGE) && n < ENTRIES; n++)
				next[n] = (old & ~(u64)LARGE) + (n << (at - 9));
			*entry = physical_of(next) | EPT_ALL;
		}
		table = at_physical(*entry & ADDRESS_BITS);
	}
	return &table[address >> shift & (ENTRIES - 1)];
}

struct ept_page {
	u64 address;     // where the guest-physical address leads
	unsigned rights; // 0: not mapped
	unsigned shift;  // size of the page
};

/** Follows a guest-physical address through tables, ours or a guest's. */
static struct ept_page walk(const u64 *table, u64 address)
{
	unsigned rights = EPT_ALL;
	for (unsigned shift = TOP_SHIFT;; shift -= 9) {
		u64 entry = table[address >> shift & (ENTRIES - 1)];
		rights &= entry;
		if (!(entry & EPT_ALL))
			return (struct ept_page){0, 0, shift};
		if (shift == PAGE_SHIFT || (shift <= 30 && (entry & LARGE))) {
			u64 offset = (1ull << shift) - 1;
			return (struct ept_page){(entry & ADDRESS_BITS & ~offset) | (address & offset), rights, shift};
		}
		table = at_physical(entry & ADDRESS_BITS);
	}
}

static void protect(u64 start, u64 end)
{
	for (u64 page = start & -PAGE_SIZE; page < end; page += PAGE_SIZE)
		*entry_for(own_root, page, PAGE_SHIFT) = 0;
}

void ept_start(const struct multiboot_info *info)
{
	u64 memory = 0x100000 + (u64)info->mem_upper * 1024;
	own_root = new_table();
	for (u64 address = 0; address < MAPPED_BYTES; address += 1ull << LARGE_SHIFT)
		*entry_for(own_root, address, LARGE_SHIFT) = address | LARGE | EPT_ALL | (address < memory ? LEAF_WRITE_BACK : 0);
	protect(physical_of(image_start), physical_of(image_end));
	protect(read_cr3(), read_cr3() + TABLE_PAGES * PAGE_SIZE);
	used_by_own = used;
}

static u64 pointer_to(const u64 *root) { return physical_of(root) | FOUR_LEVELS | WRITE_BACK; }

u64 ept_pointer(void) { return pointer_to(own_root); }

bool ept_own_map_allows(u64 guest_physical, enum ept_rights rights) { return (walk(own_root, guest_physical).rights & rights) == rights; }

static bool uses_ept(struct nested_vmcs *vmcs)
{
	return nested_read(vmcs, PRIMARY_CONTROLS) & ACTIVATE_SECONDARY_CONTROLS && nested_read(vmcs, SECONDARY_CONTROLS) & ENABLE_EPT;
}

u64 ept_pointer_for_nested(struct nested_vmcs *vmcs)
{
	if (!uses_ept(vmcs))
		return ept_pointer();
	u64 asked = nested_read(vmcs, EPT_POINTER);
	if (!vmcs->ept_root || vmcs->ept_built_from != asked) {
		if (used == POOL_PAGES)
			ept_forget_nested();
		vmcs->ept_root = new_table();
		vmcs->ept_built_from = asked;
	}
	return pointer_to(vmcs->ept_root);
}

/** What the guest's own tables, and then ours, say of an access of its guest. */
static enum ept_outcome combine(struct nested_vmcs *vmcs, u64 address, unsigned access, struct ept_page *page)
{
	struct ept_page theirs = walk(at_physical(nested_read(vmcs, EPT_POINTER) & ADDRESS_BITS), address);
	if ((theirs.rights & access) != access) {
		u64 qualification = nested_read(vmcs, EXIT_QUALIFICATION) & ~(u64)(EPT_ALL << RIGHTS_IN_QUALIFICATION);
		nested_write(vmcs, EXIT_QUALIFICATION, qualification | theirs.rights << RIGHTS_IN_QUALIFICATION);
		return EPT_IS_THE_GUESTS;
	}
	struct ept_page ours = walk(own_root, theirs.address);
	if ((ours.rights & access) != access)
		return EPT_FORBIDDEN; // its map promised what it has not got; asked again, it would promise it again
	*page = (struct ept_page){ours.address, theirs.rights & ours.rights, theirs.shift < ours.shift ? theirs.shift : ours.shift};
	if (page->shift > LARGE_SHIFT)
		page->shift = LARGE_SHIFT;
	return EPT_FILLED;
}

enum ept_outcome ept_nested_violation(struct nested_vmcs *vmcs)
{
	if (!uses_ept(vmcs))
		return EPT_FORBIDDEN;
	u64 address = nested_read(vmcs, GUEST_PHYSICAL_ADDRESS);
	struct ept_page page;
	enum ept_outcome outcome = combine(vmcs, address, nested_read(vmcs, EXIT_QUALIFICATION) & EPT_ALL, &page);
	if (outcome != EPT_FILLED)
		return outcome;
	u64 *entry = entry_for(vmcs->ept_root, address, page.shift);
	if (!entry) { // no tables left: start again with this page
		ept_forget_nested();
		vmwrite(EPT_POINTER, ept_pointer_for_nested(vmcs));
		entry = entry_for(vmcs->ept_root, address, page.shift);
	}
	u64 offset = (1ull << page.shift) - 1;
	*entry = (page.address & ~offset) | page.rights | LEAF_WRITE_BACK | (page.shift > PAGE_SHIFT ? LARGE : 0);
	return EPT_FILLED;
}

void ept_forget_nested(void)
{
	used = used_by_own;
	nested_forget_ept();
	if (self.use_ept)
		invept_all();
}
