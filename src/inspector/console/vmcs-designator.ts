// Names of VMCSs in commands: `L2` (the one that controls L2 on the processor), `current L1` (the one that L1 believes current), `12` (the one that L1
// keeps for L2; 0 is L0), an address, `L1:` and an address; `@last` after any of L0's means its values at the stop before.
import type { VmcsFieldId } from '../../spec/vmcs-fields';
import type { BelievedVmcs } from '../levels/believed-vmcs';
import type { Context } from '../levels/context';
import { believedVmcs, hardwareVmcs, type VmcsSnapshot, type VmcsSource } from '../vmcs/vmcs-source';
import { contextOfLevel, type ConsoleScope } from './command';

export interface NamedVmcs { readonly source: VmcsSource; readonly since?: VmcsSnapshot }

export const designatorWords: readonly string[] = ['of', 'current', 'now', 'last'];

/** Undefined when the text is no such name. Throws an Error when there is no such VMCS. */
export function vmcsNamed(text: string, scope: ConsoleScope): NamedVmcs | undefined {
  const [, name = '', last] = /^(.*?)(@last)?$/s.exec(text.trim())!, named = /^now$/i.test(name) ? controlling(scope, undefined) : /^last$/i.test(name) ? atLastStop(controlling(scope, undefined))
    : withoutTime(name.trim(), scope);
  return named && (last ? atLastStop(named) : named);
}

function withoutTime(text: string, scope: ConsoleScope): NamedVmcs | undefined {
  if (text === '') return controlling(scope, undefined);
  const [, level] = /^L(\d{1,3})$/i.exec(text) ?? [];
  if (level !== undefined) return controlling(scope, Number(level));
  const [isCurrent, ofLevel] = /^current(?:\s+(?:of\s+)?L?(\d{1,3}))?$/i.exec(text) ?? [];
  if (isCurrent !== undefined) return { source: currentVmcs(contextOfLevel(scope, ofLevel === undefined ? undefined : Number(ofLevel)), scope) };
  const [, keeper, guest] = /^(?:vmcs)?(\d)(\d)$/i.exec(text) ?? [];
  if (keeper !== undefined) return kept(Number(keeper), Number(guest), scope);
  const [isAddress, owner, digits] = /^(?:L(\d{1,3}):)?(0x[0-9a-f]{1,13})$/i.exec(text) ?? [];
  if (isAddress === undefined) return undefined;
  const pointer = Number(digits), inLevel = owner === undefined ? undefined : contextOfLevel(scope, Number(owner));
  if (!inLevel || inLevel.level === 0) return hardware(pointer, scope);
  const belief = inLevel.space.find(pointer);
  if (!belief) throw new Error(`L${owner} has not used a VMCS at ${digits}`);
  return believed(inLevel, belief, scope);
}

/** What a level above L0 knows of one of its VMCSs. */
function believed(context: Context, belief: BelievedVmcs, { before }: ConsoleScope): NamedVmcs {
  const since = before.get(belief);
  return { source: believedVmcs(context, belief), ...since && { since } };
}

/** The VMCS that controls a level on the processor; for L0, its current one. */
function controlling(scope: ConsoleScope, level: number | undefined): NamedVmcs {
  const context = contextOfLevel(scope, level), pointer = context.level > 0 ? context.hardwareVmcs : context.currentVmcs?.pointer ?? -1;
  if (pointer < 0) throw new Error(context.level > 0 ? `L${context.level} has not been entered yet` : 'L0 has no current VMCS');
  return hardware(pointer, scope);
}

function hardware(pointer: number, { session: { machine, tracker }, before }: ConsoleScope): NamedVmcs {
  const belief = tracker.hardwareVmcs(pointer), since = belief && before.get(belief);
  if (!belief) throw new Error(`L0 has not used a VMCS at 0x${pointer.toString(16)}`);
  return { source: hardwareVmcs(machine, pointer, belief), ...since && { since } };
}

/** The VMCS that a level believes current. Throws an Error when it has none. */
export function currentVmcs(context: Context, scope: ConsoleScope): VmcsSource {
  if (!context.currentVmcs) throw new Error(`L${context.level} has no current VMCS`);
  return context.level === 0 ? hardware(context.currentVmcs.pointer, scope).source : believedVmcs(context, context.currentVmcs);
}

function kept(keeper: number, guest: number, scope: ConsoleScope): NamedVmcs {
  if (keeper === 0) return controlling(scope, guest);
  const owner = contextOfLevel(scope, keeper), context = contextOfLevel(scope, guest);
  const belief = context.parent === owner && context.controllingBelief ? context.controllingBelief : owner.believedVmcss.find(({ carried }) => carried === context);
  if (!belief) throw new Error(`no VMCS was seen that L${keeper} keeps for L${guest}`);
  return believed(owner, belief, scope);
}

/** The values of a VMCS of L0 at the stop before. */
function atLastStop({ source, since }: NamedVmcs): NamedVmcs {
  if (!since) throw new Error(`the values of the ${source.title} at the stop before are not known`);
  return {
    source: {
      title: `${source.title} at the stop before`, level: source.level, pointer: source.pointer, readOnly: 'the values are those of an earlier stop',
      read(id: VmcsFieldId) { const value = since.get(id); return value === undefined ? undefined : { value, known: 'held' }; },
    },
  };
}
