// `walk` and `ept`: the translation of an address entry by entry, through the paging of the level and the tables of every level below it.
import type { Context } from '../levels/context';
import { walkNested, type Stage } from '../translation/nested-walk';
import type { PagingContext } from '../../emulator/machine';
import { rightsText } from '../translation/explain-violation';
import { walkPaging, type Walk, type WalkStep } from '../translation/page-walk';
import type { MachineSession } from '../target/machine-session';
import type { VariableNode } from '../target/variable-tree';
import { bitNode } from '../target/vmcs-nodes';
import { hex, levelNames, splitLevel, type Answer, type ConsoleCommand } from './command';
import { placeOf } from './places';

export const walk: ConsoleCommand = {
  name: 'walk', usage: 'walk ADDRESS [at L2]', sentence: 'Translates a linear address: every paging entry, then every EPT entry of every level down to host memory.',
  run(argument, scope) {
    const { rest, level } = splitLevel(argument), place = placeOf(rest, scope, level);
    if (!place) return undefined;
    if (place.space === 'physical') throw new Error('a physical address is not translated');
    return place.space === 'linear' ? linearWalk(scope.session, place.context, place.address) : physicalWalk(scope.session, place.context, place.address);
  },
  complete: levelNames,
};

export const ept: ConsoleCommand = {
  name: 'ept', usage: 'ept GPA [at L2]', sentence: 'Translates a guest-physical address of a level: every EPT entry of every level down to host memory.',
  run(argument, scope) {
    const { rest, level } = splitLevel(argument), place = placeOf(rest, scope, level);
    if (!place) return undefined;
    if (place.context.level === 0) throw new Error('memory of L0 is host memory: name a level above, as in `ept 0x1000 at L1`');
    return physicalWalk(scope.session, place.context, place.address);
  },
  complete: levelNames,
};

/** Paging of a level, of the executing one too. */
export function pagingOf({ registers }: MachineSession, context: Context): PagingContext {
  const value = (name: string): bigint => registers.value(context, name) ?? 0n;
  return registers.paging(context) ?? { cr0: value('cr0'), cr3: value('cr3'), cr4: value('cr4'), efer: value('efer'), ...context.eptp !== 0n && { eptp: context.eptp } };
}

function linearWalk(session: MachineSession, context: Context, linear: bigint): Answer {
  const paging = walkPaging(session.machine, pagingOf(session, context), linear), title = `${paging.name} of L${context.level}: linear ${hex(linear)}`;
  if (paging.kind === 'fault') {
    // An entry that could not be read: the way to it says why.
    const last = paging.steps.at(-1), entry = last?.ept?.kind === 'fault' ? physicalWalk(session, context, last.address) : undefined;
    return { text: [title, ...stepLines(paging), `  ${paging.reason}`, ...entry ? [entry.text] : []].join('\n'), children: () => [walkNode(title, paging), ...entry?.children?.() ?? []] };
  }
  const below = context.level === 0 ? undefined : physicalWalk(session, context, paging.address), space = context.level === 0 ? 'physical' : `guest-physical of L${context.level}`;
  return {
    text: [title, ...stepLines(paging), `  = ${space} ${hex(paging.address)}, ${rightsText(paging.rights)}, page of ${pageText(paging.pageBytes)}`, ...below ? [below.text] : []].join('\n'),
    children: () => [walkNode(title, paging), ...below?.children?.() ?? []],
    ...below?.memory !== undefined ? { memory: below.memory } : context.level === 0 && { memory: `phys:${hex(paging.address)}` },
  };
}

/** The way of a guest-physical address, as text and tree. */
export function physicalWalk({ machine }: MachineSession, context: Context, guestPhysical: bigint): Answer {
  const { stages, hardware, physical } = walkNested(machine, context, guestPhysical), lines = stages.flatMap(stageLines), isNested = stages.length > 1;
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
    children: () => [...stages.flatMap(stage => stage.walk ? [walkNode(stageTitle(stage), stage.walk)] : []), ...isNested ? [walkNode(title, hardware)] : []],
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

function walkNode(name: string, found: Walk): VariableNode {
  return {
    name, value: found.kind === 'mapped' ? hex(found.address) : found.reason,
    ...found.steps.length > 0 && {
      children: () => found.steps.map((step): VariableNode => ({
        name: `${step.name} [${step.index}]`, value: stepValue(step), ...step.physical !== undefined && { memory: `phys:${hex(step.physical)}` }, fixed: 'write it in the memory view',
        children: () => [...step.bits.map(bitNode), ...step.ept ? [walkNode(`address of the entry`, step.ept)] : []],
      })),
    },
  };
}
