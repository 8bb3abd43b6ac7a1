// A level that may be absent. With the option no-propagation=on, the lowest level answers VMRESUMEs of the levels above without those in between
// (no-propagation.h). Such a level was not asked; it must learn, before it looks at the next exit, which of its VMCSs were entered meanwhile.
// So each level gives the lowest one the address of a record; the lowest writes what it did there.
#pragma once

#include "vmcs12.h"

/** Filled by the level that answers, read and emptied by the absent one. */
struct absence {
	u64 insists;             // the level must be asked, whatever else: there is something that it has to do at the next entry
	u64 count;
	u64 entered[MAX_LEVELS]; // physical addresses of VMCSs of the absent level; the last one is current now
};

/** Asks the level below to have this level's record registered, with the option no-propagation=on. No answer: we are the lowest, and answer. */
void absence_start(void);

/** The guest, or a level that stands `distance` above us, asks for registration of its record. False: nobody here answers VMRESUMEs. */
bool absence_register(u64 record, u64 distance);

/** First thing after an exit, if this level may have been absent: does the bookkeeping of what others did for us. */
void absence_end(void);

/** Whether we insist on being asked. */
void absence_insist(bool wanted);

/** For the level that answers: whether all levels from 1 to the given one have registered and can be left out, and adding to the record of one of them. */
bool absence_is_possible(unsigned levels);
void absence_note(unsigned level, u64 entered_vmcs);
