// What the machine can be made to stop at, by stable id: VM exits by reason, failed entries, VMfail, VMX instructions, exceptions, triple
// faults. Derived from the tables of the manual, so that every exit reason has a filter. An id may end in `@level`: then only what that level
// does stops (`exit.cpuid@3`).
import { vmxInstructions } from '../../emulator/codegen/state-layout';
import { exceptions } from '../../spec/exceptions';
import { exitReasons } from '../../spec/exit-reasons';

export type FilterKind = 'exit' | 'entryFailure' | 'vmfail' | 'vmxInstruction' | 'exception' | 'tripleFault' | 'switch';

export interface StopFilter {
  readonly id: string;
  readonly kind: FilterKind;
  /** Exit reason, VMX instruction id or vector; undefined: any. */
  readonly index?: number;
  readonly label: string;
  readonly description: string;
  readonly group: string;
  /** One of those that people use: shown from the start. */
  readonly common: boolean;
  /** On until the user decides. */
  readonly enabled: boolean;
}

const common = new Set(['exit', 'exit.cpuid', 'exit.ept-violation', 'exit.ept-misconfiguration', 'exit.vmcall', 'exit.cr-access', 'exit.io-instruction', 'exit.rdmsr', 'exit.wrmsr',
  'vmx', 'entry-failure', 'vmfail', 'triple-fault']);
const enabled = new Set(['exit.cpuid', 'entry-failure', 'triple-fault']);

/** Index of the filters that ask for the handlers of exits alone. */
export const deliverSwitch = 1;

type Row = Omit<StopFilter, 'common' | 'enabled'>;

/** What users look for under another name than that of the reason. */
const plainNames: Readonly<Record<string, string>> = { RDMSR: 'MSR read (RDMSR)', WRMSR: 'MSR write (WRMSR)', IO_INSTRUCTION: 'I/O instruction (IN, OUT)' };

const rows: readonly Row[] = [
  { id: 'exit', kind: 'exit', label: 'Any VM exit', description: 'Every VM exit that the processor makes, at any level.', group: 'VM exits' },
  ...exitReasons.filter(({ nature }) => nature !== 'entry-failure').map(({ number, slug, id, name, cause }): Row =>
    ({ id: `exit.${slug}`, kind: 'exit', index: number, label: `VM exit: ${plainNames[id] ?? name}`, description: cause, group: 'VM exits' })),
  { id: 'entry-failure', kind: 'entryFailure', label: 'VM-entry failure', group: 'VM entries',
    description: 'A VM entry that fails because of controls, host state, guest state or MSR loading: refused by the processor or, for a level above 0, by the software below.' },
  ...exitReasons.filter(({ nature }) => nature === 'entry-failure').map(({ number, slug, name, cause }): Row =>
    ({ id: `exit.${slug}`, kind: 'entryFailure', index: number, label: name, description: cause, group: 'VM entries' })),
  { id: 'vmfail', kind: 'vmfail', label: 'VMfail',
    description: 'A VMX instruction fails, VMfailInvalid or VMfailValid: in the processor or, for a level above 0, by the answer of the software below.', group: 'VMX instructions' },
  { id: 'vmx', kind: 'vmxInstruction', label: 'Any VMX instruction', description: 'Before each VMX instruction, at any level.', group: 'VMX instructions' },
  ...vmxInstructions.map((mnemonic, index): Row =>
    ({ id: `vmx.${mnemonic.toLowerCase()}`, kind: 'vmxInstruction', index, label: `VMX instruction: ${mnemonic}`, description: `Before each ${mnemonic}.`, group: 'VMX instructions' })),
  { id: 'enter', kind: 'switch', label: 'World switch to a level', group: 'World switches',
    description: 'A level begins to execute: a VM entry starts it, lets it go on or runs its handler; L0 by a VM exit. Limit it to a level.' },
  { id: 'enter.handler', kind: 'switch', index: deliverSwitch, label: 'Delivery of a VM exit', description: 'A VM exit reaches the handler of a level above 0.', group: 'World switches' },
  { id: 'triple-fault', kind: 'tripleFault', label: 'Triple fault', description: 'A fault during the delivery of a double fault, at any level.', group: 'Exceptions' },
  { id: 'exception', kind: 'exception', label: 'Any exception', description: 'Every exception that is about to be delivered inside a level.', group: 'Exceptions' },
  ...exceptions.map(({ vector, mnemonic, name, id, cause }): Row =>
    ({ id: `exception.${kebab(id)}`, kind: 'exception', index: vector, label: `Exception: ${mnemonic} ${name}`, description: cause, group: 'Exceptions' })),
];

export const stopFilters: readonly StopFilter[] = rows.map(row => ({ ...row, common: common.has(row.id), enabled: enabled.has(row.id) }));

const byId = new Map(stopFilters.map(filter => [filter.id, filter]));

/** A filter id as the user gives it: the row, and the level that it is limited to. */
export interface FilterId { readonly filter: StopFilter; readonly level?: number }

/** Reads `exit.cpuid` or `exit.cpuid@3`; undefined when there is no such filter. */
export function parseFilterId(id: string): FilterId | undefined {
  const [, name, level] = /^([^@]*)(?:@(\d{1,3}))?$/.exec(id) ?? [];
  const filter = name === undefined ? undefined : byId.get(name);
  return filter && { filter, ...level !== undefined && { level: Number(level) } };
}

export function filterId(filter: string, level?: number): string { return level === undefined ? filter : `${filter}@${level}`; }

function kebab(camelCase: string): string { return camelCase.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`); }
