// The registers that a debugger shows, one a row: group, width, bit layout, and the fields of a VMCS that hold them while their owner does not run.
// A register without such fields is either general (software switches it) or not switched by VM entries and exits at all.
import type { LayoutName } from '../../spec/bit-layouts';
import { isVmcsFieldId, type VmcsFieldId } from '../../spec/vmcs-fields';

export type RegisterGroup = 'general' | 'control' | 'segments' | 'tables' | 'debug' | 'vector';

export interface RegisterRow {
  /** As the machine names it. */
  readonly name: string;
  readonly group: RegisterGroup;
  readonly bits: 16 | 32 | 64;
  readonly layout?: LayoutName;
  /** Number in encoding order, of general registers other than RSP. */
  readonly general?: number;
  readonly guestField?: VmcsFieldId;
  readonly hostField?: VmcsFieldId;
}

/** General registers in encoding order. */
export const generalNames = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const;
export const segmentNames = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;

const field = (text: string): VmcsFieldId | undefined => isVmcsFieldId(text) ? text : undefined;
/** A register with the VMCS fields that end in `suffix`, where those exist. */
const row = (name: string, group: RegisterGroup, bits: RegisterRow['bits'], suffix: string, layout?: LayoutName): RegisterRow =>
  ({ name, group, bits, layout, guestField: field(`GUEST_${suffix}`), hostField: field(`HOST_${suffix}`) });

export const registerTable: readonly RegisterRow[] = [
  ...generalNames.map((name, n): RegisterRow => name === 'rsp' ? row('rsp', 'general', 64, 'RSP') : { name, group: 'general', bits: 64, general: n }),
  row('rip', 'general', 64, 'RIP'),
  row('rflags', 'general', 64, 'RFLAGS', 'rflags'),
  row('cr0', 'control', 64, 'CR0', 'cr0'),
  { name: 'cr2', group: 'control', bits: 64 },
  row('cr3', 'control', 64, 'CR3', 'cr3'),
  row('cr4', 'control', 64, 'CR4', 'cr4'),
  { name: 'cr8', group: 'control', bits: 64, layout: 'cr8' },
  row('efer', 'control', 64, 'IA32_EFER', 'efer'),
  ...segmentNames.flatMap((name): RegisterRow[] => [
    row(`${name}.selector`, 'segments', 16, `${name.toUpperCase()}_SELECTOR`, 'selector'),
    row(`${name}.base`, 'segments', 64, `${name.toUpperCase()}_BASE`),
    row(`${name}.limit`, 'segments', 32, `${name.toUpperCase()}_LIMIT`),
    row(`${name}.rights`, 'segments', 32, `${name.toUpperCase()}_ACCESS_RIGHTS`, 'accessRights'),
  ]),
  ...['gdtr', 'idtr'].flatMap((name): RegisterRow[] => [row(`${name}.base`, 'tables', 64, `${name.toUpperCase()}_BASE`), row(`${name}.limit`, 'tables', 16, `${name.toUpperCase()}_LIMIT`)]),
  ...[0, 1, 2, 3].map((n): RegisterRow => ({ name: `dr${n}`, group: 'debug', bits: 64 })),
  { name: 'dr6', group: 'debug', bits: 64, layout: 'dr6' },
  row('dr7', 'debug', 64, 'DR7', 'dr7'),
  { name: 'xcr0', group: 'control', bits: 64 },
  { name: 'mxcsr', group: 'vector', bits: 32 },
  ...Array.from({ length: 16 }, (_, n) => ['low', 'high'].map((half): RegisterRow => ({ name: `xmm${n}.${half}`, group: 'vector', bits: 64 }))).flat(),
];

const byName = new Map(registerTable.map(each => [each.name, each]));

/** The row of a register by its name in lower case, undefined if there is none. */
export function registerRow(name: string): RegisterRow | undefined { return byName.get(name); }
