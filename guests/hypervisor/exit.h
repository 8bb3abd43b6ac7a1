// Handling of exits: what exit.c offers to the files that emulate instructions, and the calls that guests can make.
#pragma once

#include "hypervisor.h"

/** Functions of VMCALL, in EAX. Exits: number of hypervisors in EAX, exits in RCX. Sentence: as far as this level and those below have written it,
 * in EAX to EDX. Register absence: record in RBX, distance in RCX; 1 in RAX if done (absence.h).
 * Digest: every level prints its own (digest.c). An unknown function is answered with all ones in EAX. */
enum vmcall_function { VMCALL_COUNT_EXITS = 0x4abe0001, VMCALL_SENTENCE, VMCALL_REGISTER_ABSENCE, VMCALL_DIGEST };

enum { VECTOR_INVALID_OPCODE = 6, VECTOR_GENERAL_PROTECTION = 13, VECTOR_PAGE_FAULT = 14 };

/** An MSR that no processor has: the hypervisor of whoever asks answers with the asker's level, and keeps nothing that is written. */
enum { MSR_LEVEL = 0x4abe0000 };

/** Lets the guest continue after the instruction that exited. */
INLINED void advance_guest(u64 instruction_length) { vmwrite(GUEST_RIP, vmread(GUEST_RIP) + instruction_length); }

/** Lets the guest continue with an exception at the instruction that exited. */
void inject_exception(unsigned vector, bool has_error_code);

/** Whoever runs in the current VMCS touched what is ours (ept.c): it gets #GP. */
void refuse_access(void);

/** The sentence as far as this level and those below write it. */
struct cpuid_result policy_sentence(void);
/** Prints a digest of what this level keeps, and has the levels below print theirs. */
void print_digest(void);

/** What our guest's CPUID answers. */
struct cpuid_result policy_cpuid(u32 leaf, u32 subleaf);
