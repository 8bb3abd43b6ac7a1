// `why`: all that is known of why the machine stands where it stands: the report of the stop, the walks behind a violation or page fault, the checks
// behind a refused entry, the chain behind a triple fault; and at any other stop, the exit that the level in view is dealing with.
import { fieldOf } from '../../spec/bit-layouts';
import { exceptionByVector } from '../../spec/exceptions';
import { exitReasonById } from '../../spec/exit-reasons';
import { switchTitle } from '../exit-trace/trace-details';
import { reasonName } from '../exit-trace/trace-query';
import type { Context } from '../levels/context';
import type { EventRecord } from '../levels/event-words';
import type { LoggedFault } from '../run-control/fault-log';
import { accessesOf, explainEptMisconfiguration, explainEptViolation, explainPageFault, type Access } from '../translation/explain-violation';
import { walkNested } from '../translation/nested-walk';
import { believedVmcs } from '../vmcs/vmcs-source';
import { describeExit } from '../vmcs/describe-exit';
import { levelName } from '../target/machine-session';
import { hex, type Answer, type ConsoleCommand, type ConsoleScope } from './command';
import { lintOf } from './lint-command';
import { currentVmcs } from './vmcs-designator';
import { pagingOf, physicalWalk, stepLines } from '../target/walk-words';

const reasons = {
  exception: exitReasonById('EXCEPTION_OR_NMI').number, tripleFault: exitReasonById('TRIPLE_FAULT').number,
  violation: exitReasonById('EPT_VIOLATION').number, misconfiguration: exitReasonById('EPT_MISCONFIGURATION').number,
};
const pageFault = 14;

type Part = Pick<Answer, 'text' | 'children'>;

export const why: ConsoleCommand = {
  name: 'why', usage: 'why', sentence: 'Why the machine stopped here: the exit, the failed check, the walk behind a fault, the chain of exceptions behind a triple fault.',
  run(argument, scope) {
    if (argument !== '') return undefined;
    const parts = [...ofStop(scope), ...ofHandling(scope)];
    if (parts.length === 0) parts.push({ text: `${levelName(scope.session, scope.frame.context)} runs: it handles no exit, and nothing has failed.` });
    const opened = parts.filter(part => part.children);
    return { text: parts.map(({ text }) => text).join('\n'), ...opened.length > 0 && { children: () => opened.flatMap(part => part.children!()) } };
  },
};

/** The stop itself. */
function ofStop(scope: ConsoleScope): Part[] {
  const { halt, stop } = scope;
  if (!halt || !stop) return [];
  const head: Part = { text: [stop.description, ...stop.report?.details.filter(line => !stop.description.endsWith(line)) ?? []].join('\n') };
  if (halt.kind === 'shutdown' && halt.abort === 0) return [head, ...chainOf(scope, halt.context)];
  if (halt.kind !== 'filter') return [head];
  const { context, result } = halt;
  switch (result.kind) {
    case 'vmExit': return [head, ...context.lastExit ? ofExit(scope, context, context.lastExit) : []];
    case 'tripleFault': return [head, ...chainOf(scope, context)];
    case 'exception': return [head, ...result.index === pageFault ? ofFetch(scope, context) : []];
    case 'entryFailure': case 'vmfail': return [head, ...ofAsker(scope, context.vcpu)];
    default: return [head];
  }
}

/** The level above 0 for which L0 tried the entry that failed: the checks over the VMCS as that level believes it to be, with its own writers. */
function ofAsker(scope: ConsoleScope, vcpu: number): Part[] {
  const waiting = scope.session.tracker.liveContexts.filter(each => each.vcpu === vcpu && each.level > 0 && each.intent?.vmcs && !each.intent.served).sort((a, b) => b.level - a.level);
  return waiting.slice(0, 1).flatMap(asker => {
    const { instruction, vmcs } = asker.intent!;
    return [{ text: `L0 made this entry for the ${instruction} of ${levelName(scope.session, asker)}. As that level wrote it:` }, lintOf(believedVmcs(asker, vmcs!), scope.session)];
  });
}

/** What lies behind an exit. */
function ofExit(scope: ConsoleScope, context: Context, exit: EventRecord): Part[] {
  const { machine } = scope.session;
  switch (exit.entryFailed ? undefined : exit.basicReason) {
    case reasons.violation: return [
      { text: `By the tables of L0, ${explainEptViolation(machine, context.eptp, exit.guestPhysical, exit.qualification).sentence}.` },
      ...verdict(scope, context, exit), physicalWalk(scope.session, context, exit.guestPhysical),
    ];
    case reasons.misconfiguration: return [
      { text: `By the tables of L0, ${explainEptMisconfiguration(machine, context.eptp, exit.guestPhysical).sentence}.` }, physicalWalk(scope.session, context, exit.guestPhysical),
    ];
    case reasons.exception:
      if ((exit.interruptionInfo & 0xff) !== pageFault || (exit.interruptionInfo >>> 8 & 7) !== 3) return [];
      return [pageFaultPart(scope, context, exit.qualification, exit.interruptionError, exit.rip)];
    case reasons.tripleFault: return chainOf(scope, context);
    default: return [];
  }
}

/** Of a nested level: the first level whose own tables refuse the access, or that none does. */
function verdict({ session: { machine } }: ConsoleScope, context: Context, { guestPhysical, qualification }: EventRecord): Part[] {
  if (context.level < 2) return [];
  const { stages, physical } = walkNested(machine, context, guestPhysical), accesses = accessesOf(qualification);
  const refusing = stages.find(({ walk }) => walk && (walk.kind === 'fault' || accesses.some(access => !walk.rights[access])));
  if (refusing) return [{ text: `The tables of L${refusing.keeper} for L${refusing.guest} refuse it: the violation is for L${refusing.keeper} to handle.` }];
  return physical === undefined ? [] : [{ text: `The tables of every level allow it: those that the processor uses for L${context.level} lack the page, and are for L0 to fill.` }];
}

/** `rip`: of the faulting instruction. Without EFER.NXE a fetch looks like a read, but for its address. */
function pageFaultPart({ session }: ConsoleScope, context: Context, address: bigint, errorCode: number, rip: bigint): Part {
  const bit = (id: 'wr' | 'us' | 'id'): boolean => fieldOf('pageFaultErrorCode', id, BigInt(errorCode)) === 1n;
  const access: Access = bit('id') || !bit('wr') && address === rip ? 'execute' : bit('wr') ? 'write' : 'read';
  const { sentence, walk } = explainPageFault(session.machine, pagingOf(session, context), address, access, bit('us'));
  return { text: [`${sentence}.`, `${walk.name} of L${context.level}: linear ${hex(address)}`, ...stepLines(walk)].join('\n') };
}

/** A page fault about to be delivered: CR2 is not loaded yet, but a fetch faults at RIP. */
function ofFetch(scope: ConsoleScope, context: Context): Part[] {
  const rip = scope.session.registers.value(context, 'rip') ?? 0n;
  const { sentence, walk } = explainPageFault(scope.session.machine, pagingOf(scope.session, context), rip, 'execute', false);
  if (walk.kind === 'mapped') return [{ text: 'The instruction itself is mapped: it accesses memory that is not. CR2 has the address after one instruction step; `walk cr2` then shows the entries.' }];
  return [{ text: [`${sentence}.`, `${walk.name} of L${context.level}: linear ${hex(rip)}`, ...stepLines(walk)].join('\n') }];
}

/** The exceptions that led to a triple fault, the first one first, and what stands in the way of each delivery. */
function chainOf(scope: ConsoleScope, context: Context): Part[] {
  const chain = scope.session.control.faults.chain(context.vcpu);
  if (chain.length === 0) return [];
  const lines = chain.flatMap((fault, n) => [`${n + 1}. ${faultText(fault)}`, `   ${deliveryText(scope, context, fault.vector)}`]);
  const [first] = chain, walk = first.vector === pageFault ? [pageFaultPart(scope, context, first.address, first.errorCode ?? 0, first.rip)] : [];
  return [{ text: ['The exceptions, the first one first:', ...lines, 'The delivery of the last one failed too: a triple fault.'].join('\n') }, ...walk];
}

function faultText({ vector, errorCode, address, rip }: LoggedFault): string {
  const row = exceptionByVector(vector), name = row ? `${row.mnemonic} (${row.name})` : `exception ${vector}`;
  return `${name}${errorCode === undefined ? '' : `, error code ${hex(errorCode)}`}${vector === pageFault ? ` for linear ${hex(address)}` : ''}, at ${hex(rip)}`;
}

/** Whether the IDT of a level has a gate for a vector, as the delivery in 64-bit mode looks at it (SDM 3A 'Exception and Interrupt Handling in 64-bit Mode'). */
function deliveryText({ session: { registers, memory } }: ConsoleScope, context: Context, vector: number): string {
  const base = registers.value(context, 'idtr.base'), limit = registers.value(context, 'idtr.limit');
  if (base === undefined || limit === undefined) return 'where the IDT is, is not known';
  const isLong = ((registers.value(context, 'efer') ?? 0n) & 0x400n) !== 0n, size = isLong ? 16 : 8, at = BigInt.asUintN(64, base + BigInt(vector * size));
  if (BigInt(vector * size + size - 1) > limit) return `its gate lies beyond the limit of the IDT (base ${hex(base)}, limit ${hex(limit)})`;
  const gate = memory.readLinear(context, at, size);
  if (!gate) return `its gate at ${hex(at)} is not mapped (IDT base ${hex(base)})`;
  if ((gate[5] & 0x80) === 0) return `its gate at ${hex(at)} is not present`;
  if (isLong && (gate[5] & 0x1e) !== 0xe) return `its gate at ${hex(at)} is no interrupt or trap gate`;
  const view = new DataView(gate.buffer, gate.byteOffset, size), low = BigInt(view.getUint16(0, true)) | BigInt(view.getUint16(6, true)) << 16n;
  return `its gate at ${hex(at)} leads to ${hex(isLong ? low | BigInt(view.getUint32(8, true)) << 32n : low)}: its code segment or stack failed`;
}

/** What the level in view is dealing with: the exit that was delivered to it, or the entry or VMX instruction of its own that failed. */
function ofHandling(scope: ConsoleScope): Part[] {
  const { session: { tracker }, frame: { context }, halt } = scope, handled = tracker.handledBy(context), last = tracker.lastSwitch, parts: Part[] = [];
  if (handled?.lastExit && !(halt?.kind === 'filter' && halt.result.kind === 'vmExit' && halt.context === handled)) {
    const { summary } = describeExit(handled.lastExit);
    parts.push({ text: `L${context.level} handles an exit of ${levelName(scope.session, handled)}: ${summary}` }, ...ofExit(scope, handled, handled.lastExit));
  }
  // A level above 0 learns from the software below that its entry failed: the checks are run over the VMCS as it believes it to be.
  const refused = last && last.toContext === context.id && context.level > 0 && (last.kind === 'vmfail' || last.kind === 'deliver' && last.entryFailed);
  if (refused && context.currentVmcs) {
    parts.push({ text: `The software below answered: ${switchTitle({ ...last, name: reasonName(last.reason) })}` }, lintOf(currentVmcs(context, scope), scope.session));
  }
  return parts;
}
