// Both sides of the record of absences (absence.h). A record's address passes through every level between its owner and the lowest, and each
// checks it against its own map (ept.c): nobody can have the lowest level write where the asker could not write itself.
#include "absence.h"

#include "ept.h"
#include "exit.h"

static struct absence ours;
static struct absence *records[MAX_LEVELS]; // by level, relative: the guest is 1

static bool ask_level_below(u64 record, u64 distance)
{
	u64 answer;
	asm volatile("vmcall" : "=a"(answer), "+b"(record), "+c"(distance) : "0"((u64)VMCALL_REGISTER_ABSENCE) : "rdx", "memory");
	return answer == 1; // a hypervisor of another make answers with all ones
}

void absence_start(void)
{
	self.may_be_absent = self.level > 0 && ask_level_below(physical_of(&ours), 1);
	self.answers_entries = !self.may_be_absent;
}

bool absence_register(u64 record, u64 distance)
{
	u64 last = record + sizeof(struct absence) - 1;
	if (distance == 0 || distance >= MAX_LEVELS || last < record || !ept_allows(record, EPT_READ | EPT_WRITE) || !ept_allows(last, EPT_READ | EPT_WRITE))
		return false;
	if (self.may_be_absent)
		return ask_level_below(record, distance + 1);
	if (self.answers_entries)
		records[distance] = at_physical(record);
	return self.answers_entries;
}

void absence_end(void)
{
	for (u64 n = 0; n < ours.count; n++) {
		struct nested_vmcs *vmcs = nested_find_hardware(ours.entered[n]);
		nested_note_entry_without_us(vmcs);
		self.believed = vmcs;
		self.in_nested = true;
		self.current_vmcs = ours.entered[n];
	}
	ours.count = 0;
}

void absence_insist(bool wanted) { ours.insists = wanted; }

bool absence_is_possible(unsigned levels)
{
	for (unsigned level = 1; level <= levels; level++)
		if (!records[level] || records[level]->insists)
			return false;
	return true;
}

void absence_note(unsigned level, u64 entered_vmcs)
{
	struct absence *record = records[level];
	u64 kept = 0;
	for (u64 n = 0; n < record->count && n < MAX_LEVELS; n++) // each VMCS stands there once, in the order of the last entries
		if (record->entered[n] != entered_vmcs)
			record->entered[kept++] = record->entered[n];
	record->entered[kept++] = entered_vmcs;
	record->count = kept;
}
