// Addresses as arguments of commands: an expression, or one in a space (`L2:rsp`, `gpa1:0x1000`, `phys:0x2000`), as a place in memory.
import type { Context } from '../levels/context';
import type { AddressSpace } from '../translation/level-memory';
import { contextOfLevel, hex, type ConsoleScope } from './command';

export interface CommandPlace { readonly context: Context; readonly space: AddressSpace; readonly address: bigint }

/** Undefined when the text is no expression. Throws an Error when it has no value, or the level does not exist. */
export function placeOf(text: string, scope: ConsoleScope, level?: number): CommandPlace | undefined {
  const { evaluator } = scope.session;
  if (text === '' || !evaluator.parses(text)) return undefined;
  const context = contextOfLevel(scope, level), frame = context === scope.frame.context ? scope.frame : evaluator.innermost(context);
  const place = evaluator.place(text, frame), owner = level === undefined && place.level !== undefined ? contextOfLevel(scope, place.level) : context;
  if (place.space === undefined) return { context: owner, space: 'linear', address: place.address };
  return { context: owner, space: place.space, address: place.address };
}

/** What stands before the number of an address in the space of a place. */
export function placePrefix({ context, space }: Pick<CommandPlace, 'context' | 'space'>): string {
  if (space === 'physical') return 'phys:';
  return `${space === 'linear' ? 'L' : 'gpa'}${context.level}${context.vcpu > 0 ? `.${context.vcpu}` : ''}:`;
}
export const placeText = (place: CommandPlace): string => placePrefix(place) + hex(place.address);
