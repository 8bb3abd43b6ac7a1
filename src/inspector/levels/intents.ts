// What a level expects of the guest that it enters: docs/level-rule.md, 'Beliefs'.
import type { BelievedVmcs } from './believed-vmcs';
import type { Context, Intent } from './context';
import { guestField } from './entry-match';
import { word } from './event-words';

/** Opens the intent of a VMLAUNCH or VMRESUME of `context`, with what its guest should look like. `sequence`: number of the event. */
export function openIntent(context: Context, isLaunch: boolean, sequence: number): void {
  const intent = context.openIntent(), vmcs = context.currentVmcs;
  intent.instruction = isLaunch ? 'VMLAUNCH' : 'VMRESUME';
  intent.vmcs = vmcs;
  intent.openedAt = sequence;
  intent.served = false;
  intent.knows = 0;
  if (!vmcs) return;
  const child = vmcs.carried, last = child && child.switches > 0 && child.state !== 'ended' ? child.last.words : undefined;
  expect(intent, vmcs, 0, guestField.rip, last, word.rip);
  expect(intent, vmcs, 1, guestField.rsp, last, word.rsp);
  expect(intent, vmcs, 2, guestField.cr3, last, word.cr3);
}
/** What the context wrote since its guest ran, else where the guest stood at its last exit, else what it wrote before. */
function expect(intent: Intent, vmcs: BelievedVmcs, item: number, field: number, last: Uint32Array | undefined, at: number): void {
  const fresh = vmcs.knows(field, vmcs.ranAt);
  if (!fresh && !last && !vmcs.knows(field)) return;
  const fromField = fresh || !last;
  intent.expected[item * 2] = fromField ? vmcs.low(field) : last[at];
  intent.expected[item * 2 + 1] = fromField ? vmcs.high(field) : last[at + 1];
  intent.knows |= 1 << item;
}
