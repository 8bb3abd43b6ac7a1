// Why an access exited with an EPT violation or misconfiguration, or faulted: the walk, the entry at which it ends, and the sentence for it.
import type { Machine, PagingContext } from '../../emulator/machine';
import { fieldOf } from '../../spec/bit-layouts';
import { walkEpt, walkPaging, type Rights, type Walk, type WalkStep } from './page-walk';

export interface AccessExplanation {
  /** One sentence: `a write to guest-physical 0x5000 is refused: the EPT PTE at 0xc028 does not allow writing (r-x → 0x21000)`. */
  readonly sentence: string;
  readonly walk: Walk;
  /** The entry that decides, undefined when the walk allows the access now (the tables were changed since). */
  readonly entry?: WalkStep;
}

export type Access = 'read' | 'write' | 'execute';

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const words: Record<Access, { readonly noun: string; readonly verb: string }> = {
  read: { noun: 'a read of', verb: 'reading' }, write: { noun: 'a write to', verb: 'writing' }, execute: { noun: 'an instruction fetch from', verb: 'execution' },
};

/** The accesses that the qualification of an EPT violation names (a read-modify-write names two). */
export function accessesOf(qualification: bigint): Access[] {
  const has = (id: 'read' | 'write' | 'fetch'): boolean => fieldOf('qualificationEptViolation', id, qualification) === 1n;
  return [...has('read') ? ['read' as const] : [], ...has('write') ? ['write' as const] : [], ...has('fetch') ? ['execute' as const] : []];
}

/** Explains an EPT violation of a guest that runs under `eptp`, from the exit qualification and guest-physical address. */
export function explainEptViolation(machine: Machine, eptp: bigint, guestPhysical: bigint, qualification: bigint): AccessExplanation {
  const accesses = accessesOf(qualification);
  return explain(walkEpt(machine, eptp, guestPhysical), accesses.length > 0 ? accesses : ['read'], `guest-physical ${hex(guestPhysical)}`);
}

/** Explains a misconfiguration: the entry that the processor refuses. */
export function explainEptMisconfiguration(machine: Machine, eptp: bigint, guestPhysical: bigint): AccessExplanation {
  const walk = walkEpt(machine, eptp, guestPhysical), entry = walk.steps[walk.steps.length - 1];
  if (walk.kind === 'mapped') return { sentence: `the EPT entries for guest-physical ${hex(guestPhysical)} are in order now: they were changed since`, walk };
  return { sentence: `${walk.reason} (${entry ? `at ${hex(entry.address)}: ${entry.text}` : 'no entry was read'})`, walk, entry };
}

/** Explains a page fault at a linear address; `user`: the access was made at CPL 3. */
export function explainPageFault(machine: Machine, context: PagingContext, linear: bigint, access: Access, user: boolean): AccessExplanation {
  const walk = walkPaging(machine, context, linear);
  const deciding = walk.kind === 'mapped' && user && !walk.rights.user ? walk.steps.find(step => step.value !== undefined && (step.value & 4n) === 0n) : undefined;
  if (deciding) {
    const sentence = `${words[access].noun} ${hex(linear)} at CPL 3 is refused: the ${deciding.name} at ${hex(deciding.address)} is for the supervisor (${deciding.text})`;
    return { sentence, walk, entry: deciding };
  }
  return explain(walk, [access], `linear ${hex(linear)}`);
}

function explain(walk: Walk, accesses: readonly Access[], where: string): AccessExplanation {
  const what = accesses.map(access => words[access].noun).join(' and ');
  if (walk.kind === 'fault') {
    const entry = walk.steps[walk.steps.length - 1];
    return { sentence: `${what} ${where} is refused: ${walk.reason}${entry ? ` (entry ${entry.index} of its table, at ${hex(entry.address)})` : ''}`, walk, ...entry && { entry } };
  }
  const refused = accesses.find(access => !walk.rights[access]);
  const entry = refused && walk.steps.find(step => !allows(step, refused));
  if (!refused || !entry) return { sentence: `the entries for ${where} allow the access now: they were changed since`, walk };
  return { sentence: `${what} ${where} is refused: the ${entry.name} at ${hex(entry.address)} does not allow ${words[refused].verb} (${entry.text})`, walk, entry };
}

function allows(step: WalkStep, access: Access): boolean {
  const bit = (id: string): boolean => step.bits.find(each => each.id === id)?.value === 1n;
  if (step.layout === 'eptEntry') return bit(access);
  return access === 'write' ? bit('rw') : access === 'execute' ? !bit('xd') : true;
}

/** What all levels of tables allow, `rwx`. */
export const rightsText = ({ read, write, execute }: Rights): string => `${read ? 'r' : '-'}${write ? 'w' : '-'}${execute ? 'x' : '-'}`;
