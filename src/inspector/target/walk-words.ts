// The translation of an address as text and as a tree: every paging entry of the level, then the tables of every level below it, down to host memory.
import type { Context } from '../levels/context';
import { walkNested, type Stage } from '../translation/nested-walk';
import type { PagingContext } from '../../emulator/machine';
import { rightsText } from '../translation/explain-violation';
import { walkPaging, type Walk, type WalkStep } from '../translation/page-walk';
import { bitNodes } from './bit-nodes';
import type { MachineSession } from './machine-session';
import { numberInMemory } from './memory-values';
import { setterOf, type Settable, type VariableNode } from './variable-tree';

/** Text for the console; `memory`: where the address comes to. */
export interface WalkAnswer { readonly text: string; readonly children: () => readonly VariableNode[]; readonly memory?: string }
type Parts = Pick<MachineSession, 'machine' | 'registers' | 'memory'>;

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Paging of a level, of the executing one too. */
export function pagingOf({ registers }: Pick<MachineSession, 'registers'>, context: Context): PagingContext {
  const value = (name: string): bigint => registers.value(context, name) ?? 0n;
  return registers.paging(context) ?? { cr0: value('cr0'), cr3: value('cr3'), cr4: value('cr4'), efer: value('efer'), ...context.eptp !== 0n && { eptp: context.eptp } };
}

/** The way of a linear address. */
export function linearWalk(session: Parts, context: Context, linear: bigint): WalkAnswer {
  const paging = walkPaging(session.machine, pagingOf(session, context), linear), title = `${paging.name} of L${context.level}: linear ${hex(linear)}`;
  if (paging.kind === 'fault') {
    // An entry that could not be read: the way to it says why.
    const last = paging.steps.at(-1), entry = last?.ept?.kind === 'fault' ? physicalWalk(session, context, last.address) : undefined;
    return { text: [title, ...stepLines(paging), `  ${paging.reason}`, ...entry ? [entry.text] : []].join('\n'), children: () => [walkNode(session, context, title, paging), ...entry?.children() ?? []] };
  }
  const below = context.level === 0 ? undefined : physicalWalk(session, context, paging.address), space = context.level === 0 ? 'physical' : `guest-physical of L${context.level}`;
  return {
    text: [title, ...stepLines(paging), `  = ${space} ${hex(paging.address)}, ${rightsText(paging.rights)}, page of ${pageText(paging.pageBytes)}`, ...below ? [below.text] : []].join('\n'),
    children: () => [walkNode(session, context, title, paging), ...below?.children() ?? []],
    ...below?.memory !== undefined ? { memory: below.memory } : context.level === 0 && { memory: `phys:${hex(paging.address)}` },
  };
}

/** The way of a guest-physical address, as text and tree. */
export function physicalWalk(parts: Parts, context: Context, guestPhysical: bigint): WalkAnswer {
  const { machine } = parts, { stages, hardware, physical } = walkNested(machine, context, guestPhysical), lines = stages.flatMap(stageLines), isNested = stages.length > 1;
  const title = `EPT that the processor uses for L${context.level}: guest-physical ${hex(guestPhysical)}`;
  if (isNested) {
    lines.push(title, ...stepLines(hardware), `  ${endOf(hardware, 0)}`);
    if (physical !== undefined && hardware.kind === 'mapped' && hardware.address !== physical) {
      lines.push(`The tables of the levels come to ${hex(physical)}, those of L0 to ${hex(hardware.address)}: L0's are out of date, or L0 moves the page.`);
    }
  }
  const end = physical ?? (hardware.kind === 'mapped' ? hardware.address : undefined);
  return {
    text: lines.join('\n'),
    children: () => [...stages.flatMap(stage => stage.walk ? [walkNode(parts, context, stageTitle(stage), stage.walk)] : []), ...isNested ? [walkNode(parts, context, title, hardware)] : []],
    ...end !== undefined && { memory: `phys:${hex(end)}` },
  };
}

const stageTitle = ({ guest, keeper, eptp, walk: found }: Stage): string =>
  `${eptp === 0n ? `No EPT of L${keeper}` : `EPT of L${keeper}`} for L${guest}${eptp ? ` (EPTP ${hex(eptp)})` : ''}${found ? `: guest-physical ${hex(found.from)}` : ''}`;

function stageLines(stage: Stage): string[] {
  if (!stage.walk) return [`${stageTitle(stage)}: which tables L${stage.keeper} uses was not seen`];
  return [stageTitle(stage), ...stepLines(stage.walk), `  ${endOf(stage.walk, stage.keeper)}`];
}

function endOf(found: Walk, keeper: number): string {
  if (found.kind === 'fault') return found.reason;
  return `= ${keeper === 0 ? 'physical' : `guest-physical of L${keeper}`} ${hex(found.address)}, ${rightsText(found.rights)}${found.steps.length > 0 ? `, page of ${pageText(found.pageBytes)}` : ''}`;
}

const pageText = (bytes: number): string => bytes >= 2 ** 30 ? `${bytes / 2 ** 30} GiB` : bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes / 1024} KiB`;

const stepValue = ({ value, text }: WalkStep): string => value === undefined ? text : `${hex(value)}  ${text}`;
export const stepLines = ({ steps }: Walk): string[] => steps.map(step => `  ${step.name.padEnd(10)} [${String(step.index).padStart(3)}] at ${hex(step.address)}: ${stepValue(step)}`);

function walkNode(parts: Parts, context: Context, name: string, found: Walk): VariableNode {
  return {
    name, value: found.kind === 'mapped' ? hex(found.address) : found.reason,
    ...found.steps.length > 0 && { children: () => found.steps.map(step => stepNode(parts, context, step)) },
  };
}

/** One entry; it can be set where it was read, bit by bit too. */
function stepNode({ memory, ...parts }: Parts, context: Context, step: WalkStep): VariableNode {
  const { name, index, physical, value, layout, ept, bytes } = step;
  const entry: Settable | undefined = physical === undefined || value === undefined ? undefined : numberInMemory(memory, context, 'physical', physical, bytes);
  return {
    name: `${name} [${index}]`, value: stepValue(step), ...physical !== undefined && { memory: `phys:${hex(physical)}` },
    ...entry ? { set: setterOf(name, entry) } : { fixed: 'the entry lies outside memory' },
    children: () => [...value === undefined ? [] : bitNodes(layout, value, entry), ...ept ? [walkNode({ memory, ...parts }, context, 'address of the entry', ept)] : []],
  };
}
