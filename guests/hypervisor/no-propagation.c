// Watching the levels above, and answering their VMRESUMEs (no-propagation.h). A world is what runs in a vmcs02; levels are relative, the guest is 1.
// Level k's name for a world is the VMCS with which it controls that world; all names of one world lead to the same vmcs02.
// What every exit goes through is kept small, which makes it fast; what a reader steps through first (main.c, exit.c, policy.c) is compiled to be debugged.
#pragma GCC optimize("Os")

#include "no-propagation.h"

#include "absence.h"
#include "nested.h"
#include "operands.h"
#include "shadow.h"

#include "../lib/memory.h"

enum { FLAG_CARRY = 1, FLAG_ZERO = 0x40, OPERAND_IS_REGISTER = 1 << 10 };

/** Worlds whose VMLAUNCH or VMRESUME is on its way through the levels, by level. */
static struct nested_vmcs *asking[MAX_LEVELS];
static unsigned highest_asking;

/** The world, or the shadow VMCS, that a level knows by this name. */
static struct nested_vmcs *named(unsigned level, u64 name)
{
	struct nested_vmcs *vmcs;
	if (level == 1)
		return nested_find(name);
	for (unsigned n = 0; (vmcs = nested_entry(n)); n++)
		if (vmcs->pointer && vmcs->world.names[level] == name)
			return vmcs;
	return NULL;
}

static u64 name_at(const struct nested_vmcs *vmcs, unsigned level) { return level == 1 ? vmcs->pointer : vmcs->world.names[level]; }

/** The world that this world's current VMCS controls. */
static struct nested_vmcs *runs(struct nested_vmcs *vmcs)
{
	struct world *world = &vmcs->world;
	if (!world->runs && world->current)
		world->runs = named(world->level, world->current);
	return world->runs;
}

static void set_current(struct nested_vmcs *vmcs, u64 pointer)
{
	vmcs->world.current = pointer;
	vmcs->world.runs = NULL;
}

/** A VMCS of the level is cleared: what it and the levels above called by it is unknown again. */
static void forget_name(unsigned level, u64 name)
{
	struct nested_vmcs *vmcs;
	for (unsigned n = 0; (vmcs = nested_entry(n)); n++) {
		vmcs->world.runs = NULL;
		if (vmcs->pointer && vmcs->world.names[level] == name)
			memset(&vmcs->world.names[level], 0, (MAX_LEVELS - level) * sizeof name);
	}
}

/** Guest state is remembered until the entry; anything else makes the entry go through all levels. Host state matters to those levels only. */
static void note_write(struct nested_vmcs *writer, u32 encoding, u64 value)
{
	struct nested_vmcs *vmcs = runs(writer);
	if (!vmcs || field_type(encoding) == FIELD_HOST || field_type(encoding) == FIELD_READ_ONLY)
		return;
	struct world *world = &vmcs->world;
	unsigned level = writer->world.level;
	bool is_simple = field_type(encoding) == FIELD_GUEST && row_of_field(encoding) >= 0 && !(encoding & 1) && encoding != VMCS_LINK_POINTER && encoding != PREEMPTION_TIMER_VALUE;
	if (!is_simple || (world->writer && world->writer != level)) {
		world->must_propagate = true;
		return;
	}
	world->writer = level;
	unsigned row = row_of(encoding);
	world->written |= bit_of(row);
	world->values[row % FIELDS_OF_TYPE] = value;
}

static u64 memory_operand(u32 information, const struct guest_registers *registers)
{
	u64 value = 0; // if it is not there, the instruction will not succeed
	peek_guest_memory(operand_address(information, registers), &value);
	return value;
}

/** vmcs02 is current. */
static void note_instruction(struct nested_vmcs *vmcs, u32 reason, const struct guest_registers *registers)
{
	struct observed_instruction *last = &vmcs->world.last;
	u32 information = (u32)vmread(EXIT_INSTRUCTION_INFORMATION);
	last->reason = reason;
	last->next_rip = vmread(GUEST_RIP) + vmread(EXIT_INSTRUCTION_LENGTH);
	if (reason == EXIT_VMPTRLD || reason == EXIT_VMCLEAR)
		last->operand = memory_operand(information, registers);
	if (reason == EXIT_VMWRITE) {
		last->operand = read_register(registers, information >> 28);
		last->value = information & OPERAND_IS_REGISTER ? read_register(registers, information >> 3 & 15) : memory_operand(information, registers);
	}
}

/** The world runs on: if its last VMX instruction succeeded, what follows from it holds. */
static void settle_instruction(struct nested_vmcs *vmcs)
{
	struct world *world = &vmcs->world;
	u32 reason = world->last.reason;
	if (!reason)
		return;
	world->last.reason = 0;
	if (nested_read(vmcs, GUEST_RIP) != world->last.next_rip || nested_read(vmcs, GUEST_RFLAGS) & (FLAG_CARRY | FLAG_ZERO))
		return;
	switch (reason) {
	case EXIT_VMPTRLD: set_current(vmcs, world->last.operand); break;
	case EXIT_VMXON:
	case EXIT_VMXOFF: set_current(vmcs, 0); break;
	case EXIT_VMWRITE: note_write(vmcs, (u32)world->last.operand, world->last.value); break;
	case EXIT_VMCLEAR:
		if (world->current == world->last.operand)
			set_current(vmcs, 0);
		forget_name(world->level, world->last.operand);
	}
}

static void no_longer_asking(unsigned level)
{
	asking[level] = NULL;
	while (highest_asking && !asking[highest_asking])
		highest_asking--;
}

/** The highest level up to which all levels above the guest ask. */
static unsigned all_asking_up_to(void)
{
	unsigned level = 1;
	while (level < highest_asking && asking[level + 1])
		level++;
	return level;
}

/** The shadow VMCS of ours in which the world's VMREADs and VMWRITEs end; null: it has none. */
static struct vmx_region *shadow_seen_by(struct nested_vmcs *vmcs)
{
	u64 link = nested_read(vmcs, VMCS_LINK_POINTER);
	struct nested_vmcs *holder = link == ~0ull ? NULL : nested_find(link);
	return holder ? holder->shadow : NULL;
}

/** All levels have linked a shadow VMCS to theirs, and the names of those too belong together. */
static void learn_link(struct nested_vmcs *vmcs, unsigned asker)
{
	u64 link = nested_read(vmcs, VMCS_LINK_POINTER);
	if (link == ~0ull)
		return;
	struct nested_vmcs *linked = nested_acquire(link);
	for (unsigned level = 2; level <= asker; level++) {
		struct vmx_region *shadow = shadow_seen_by(asking[level]);
		if (!shadow)
			return;
		linked->world.names[level] = shadow_read_link(shadow);
	}
}

/** The guest enters a world that the given level, and every level below it, has asked for. */
static void learn(struct nested_vmcs *vmcs, unsigned asker)
{
	struct world *world = &vmcs->world;
	world->level = asker + 1;
	world->parent = asking[asker];
	world->must_propagate = false;
	world->writer = 0;
	world->written = 0;
	memset(world->names, 0, sizeof world->names);
	for (unsigned level = 2; level <= asker; level++) {
		world->names[level] = asking[level]->world.current;
		asking[level]->world.runs = vmcs;
	}
	if (self.use_shadowing)
		learn_link(vmcs, asker);
	for (unsigned level = asker; level >= 2; level--)
		no_longer_asking(level);
}

void observe_entry(struct nested_vmcs *vmcs)
{
	unsigned level = vmcs->world.level, asker = level ? level - 1 : highest_asking ? highest_asking : 1;
	settle_instruction(vmcs);
	if (level && asking[level] == vmcs)
		no_longer_asking(level); // it is told that its own entry failed
	if (all_asking_up_to() >= asker && (asker > 1 || level == 0))
		learn(vmcs, asker);
}

/** Brings the link pointer that the level wants into the entry; false: one of the shadow VMCSs is not known. */
static bool merge_link(struct nested_vmcs *vmcs, unsigned level, u64 wanted)
{
	u64 link = ~0ull;
	if (wanted != ~0ull) {
		struct nested_vmcs *linked = named(level, wanted);
		if (!linked)
			return false;
		link = linked->pointer;
	}
	if (nested_read(vmcs, VMCS_LINK_POINTER) != link)
		nested_write(vmcs, VMCS_LINK_POINTER, link);
	return true;
}

/** What the level wrote without an exit, into the shadow VMCS that it sees. */
static bool merge_shadow(struct nested_vmcs *vmcs, struct nested_vmcs *by)
{
	struct vmx_region *shadow = shadow_seen_by(by);
	if (!shadow)
		return true;
	shadow_pull(vmcs); // the guest's own changes come first, those of the levels above prevail
	if (!merge_link(vmcs, by->world.level, shadow_read_link(shadow)))
		return false;
	shadow_take(shadow, vmcs);
	return true;
}

static void merge_writes(struct nested_vmcs *vmcs)
{
	struct world *world = &vmcs->world;
	for (u64 left = world->written; left; left &= left - 1) {
		unsigned place = (unsigned)__builtin_ctzll(left);
		nested_write(vmcs, field_of_row(FIELD_GUEST * FIELDS_OF_TYPE + place), world->values[place]);
	}
	world->written = 0;
	world->writer = 0;
}

/** The levels from 1 to that below the asker have another VMCS current now, and will be told. */
static void advance_levels_between(struct nested_vmcs *from, struct nested_vmcs *to)
{
	for (struct nested_vmcs *at = from->world.parent; at; at = at->world.parent) {
		at->world.current = to->world.names[at->world.level];
		at->world.runs = to;
	}
	for (unsigned level = 1; level < from->world.level; level++) {
		absence_note(level, name_at(to, level));
		from->world.unseen_by |= 1u << level;
	}
}

static bool answer_vmresume(struct nested_vmcs *from)
{
	unsigned level = from->world.level;
	struct nested_vmcs *to = level ? runs(from) : NULL;
	if (!to || !to->world.level || to->world.must_propagate || (to->world.writer && to->world.writer != level))
		return false;
	if (highest_asking && to->world.level > highest_asking)
		return false; // part of an entry on its way down: the levels below have to learn it too
	if (!to->hardware_launched || nested_has_changed_controls(to) || !absence_is_possible(level - 1))
		return false;
	if (self.use_shadowing && !merge_shadow(to, from))
		return false;
	merge_writes(to);
	advance_levels_between(from, to);
	self.believed = to;
	self.answers_now = true;
	settle_instruction(to);
	if (asking[to->world.level] == to)
		no_longer_asking(to->world.level);
	continue_nested(to);
	return true;
}

bool observe_exit(u32 reason, const struct guest_registers *registers)
{
	struct nested_vmcs *vmcs = self.believed;
	unsigned level = vmcs->world.level;
	switch (reason) {
	case EXIT_VMPTRLD:
	case EXIT_VMCLEAR:
	case EXIT_VMWRITE:
	case EXIT_VMXON:
	case EXIT_VMXOFF: note_instruction(vmcs, reason, registers); return false;
	case EXIT_VMRESUME:
		if (answer_vmresume(vmcs))
			return true;
		break;
	case EXIT_VMLAUNCH: break;
	default: return false;
	}
	if (level) {
		asking[level] = vmcs;
		if (level > highest_asking)
			highest_asking = level;
	}
	return false;
}

void forget_world(struct nested_vmcs *vmcs)
{
	struct nested_vmcs *other;
	for (unsigned n = 0; (other = nested_entry(n)); n++) {
		if (other->world.runs == vmcs)
			other->world.runs = NULL;
		if (other->world.parent == vmcs)
			other->world.level = 0; // its next entry will go through all levels
	}
	if (asking[vmcs->world.level] == vmcs)
		no_longer_asking(vmcs->world.level);
}

void note_delivery(struct nested_vmcs *vmcs)
{
	const u32 guest_itself = 1u << 0 | 1u << 1;
	vmcs->world.unseen_by = vmcs->world.level ? ((1u << vmcs->world.level) - 1) & ~guest_itself : 0;
}

void bring_shadow_up_to_date(struct nested_vmcs *vmcs)
{
	struct world *world = &vmcs->world;
	struct nested_vmcs *other = world->level ? runs(vmcs) : NULL;
	if (!other || !(other->world.unseen_by >> world->level & 1))
		return;
	struct vmx_region *shadow = shadow_seen_by(vmcs);
	if (!shadow)
		return;
	u64 link = nested_read(other, VMCS_LINK_POINTER);
	if (link != ~0ull)
		link = nested_acquire(link)->world.names[world->level];
	shadow_fill(shadow, other, link);
	other->world.unseen_by &= ~(1u << world->level);
}
