// Moving a level that executes: to another statement, or back to the beginning of a frame. Registers change, memory does not; arguments that the
// function has overwritten keep what they have.
import { addressIn, placesOfLine } from '../images/breakpoint-places';
import type { StackFrame } from '../images/stack-frames';
import type { Context } from '../levels/context';
import { TargetError } from '../target-types';
import { levelName, symbolAt, type MachineSession } from './machine-session';

export interface Destination { readonly context: Context; readonly address: bigint; readonly label: string; readonly line: number }

/** Where code of a line begins, in every level that has it. */
export function destinations(session: MachineSession, paths: readonly string[], line: number): Destination[] {
  const { images, tracker } = session;
  for (const path of paths) {
    const places = placesOfLine(images.images, path, line);
    const found = places.flatMap(place => tracker.liveContexts.flatMap((context): Destination[] => {
      const address = addressIn(images, context, place);
      return address === undefined ? [] : [{ context, address, line: place.line ?? line, label: `${levelName(session, context)}: ${symbolAt(images, context, address).symbol ?? ''} (0x${address.toString(16)})` }];
    }));
    if (found.length > 0) return found;
  }
  return [];
}

/** Sets the next instruction of a level. Throws TargetError when the level does not execute. */
export function moveTo({ registers }: MachineSession, context: Context, address: bigint): void {
  if (context.state !== 'executing') throw new TargetError('notExecuting', { level: `L${context.level}` });
  registers.set(context, 'rip', address);
}

/** Registers that a function gives back as it found them, by their DWARF numbers (System V ABI AMD64). */
const preserved: readonly (readonly [number, string])[] = [[3, 'rbx'], [6, 'rbp'], [12, 'r12'], [13, 'r13'], [14, 'r14'], [15, 'r15']];
const returnAddressBytes = 8n;

/** Why a frame cannot be restarted; undefined when it can. */
export function restartProblem(frame: StackFrame): string | undefined {
  if (frame.context.state !== 'executing') return `L${frame.context.level} does not execute`;
  if (frame.isInlined) return 'it is inlined into its caller';
  if (frame.cfa === undefined || !frame.mapped) return 'where it began is not known';
  return undefined;
}

/** Goes back to the first instruction of a frame's function, with the stack and the preserved registers as they were there. Throws TargetError. */
export function restartFrame({ registers, frames }: MachineSession, frame: StackFrame): void {
  const { context, mapped, cfa, address, isReturnAddress } = frame, problem = restartProblem(frame), linked = mapped && BigInt.asUintN(64, address - mapped.bias - (isReturnAddress ? 1n : 0n));
  const entry = linked === undefined ? undefined : mapped!.image.symbols.functionAt(linked)?.address;
  if (problem !== undefined || entry === undefined) throw new TargetError('noRestart', { frame: frame.name, reason: problem ?? 'its function is not known' });
  // the caller has the registers as they were at the call
  const own = frames.own(context), at = own.findIndex(each => each.cfa === cfa && each.address === address), caller = own.slice(at + 1).find(each => each.registers !== own[at].registers);
  for (const [number, name] of preserved) {
    const value = caller?.registers[number];
    if (value !== undefined) registers.set(context, name, value);
  }
  registers.set(context, 'rsp', BigInt.asUintN(64, cfa! - returnAddressBytes));
  registers.set(context, 'rip', BigInt.asUintN(64, entry + mapped!.bias));
}
