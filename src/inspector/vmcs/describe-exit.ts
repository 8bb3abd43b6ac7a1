// A VM exit in words: the reason, its qualification as one sentence, what the information fields say, and the failed check when it is an entry that
// the processor refused. Works on the record of an exit, so that it can be asked of any level that is suspended. SDM 3C 28.2.
import { decodeBits, fieldOf, generalRegisterNames, layoutField, type DecodedBits, type LayoutName } from '../../spec/bit-layouts';
import { citation, entryChecks, type EntryCheck } from '../../spec/entry-checks';
import { exceptionByVector } from '../../spec/exceptions';
import { decodeQualification, type DecodedQualification } from '../../spec/exit-qualifications';
import { exitReasonByNumber, instructionInfoLayout, type ExitReason } from '../../spec/exit-reasons';
import { msrByIndex } from '../../spec/msrs';
import { vmcsFieldByEncoding } from '../../spec/vmcs-fields';
import type { EventRecord } from '../levels/event-words';

/** What an exit record holds, as numbers; `EventRecord` fits. */
export type ExitSource = Pick<EventRecord, 'reasonField' | 'qualification' | 'guestPhysical' | 'guestLinear' | 'instructionLength' | 'interruptionInfo' | 'interruptionError'
  | 'vectoringInfo' | 'vectoringError' | 'instructionInfo' | 'failedCheck' | 'rip' | 'gpr'>;

/** An event as an interruption-information field tells it. */
export interface InterruptionText { readonly vector: number; readonly type: string; readonly text: string; readonly errorCode?: number }

export interface ExitDescription {
  /** Basic exit reason. */
  readonly reason: number;
  readonly name: string;
  /** `ept-violation`. */
  readonly slug: string;
  readonly entryFailed: boolean;
  /** One sentence on what the guest did: `CPUID leaf 0xd, subleaf 0`, `write to MSR 0xc0000080 (IA32_EFER)`. */
  readonly summary: string;
  readonly qualification: DecodedQualification;
  readonly qualificationText: string;
  readonly instructionLength?: number;
  readonly guestPhysical?: bigint;
  readonly guestLinear?: bigint;
  readonly interruption?: InterruptionText;
  /** The event whose delivery the exit interrupted. */
  readonly vectoring?: InterruptionText;
  readonly instructionInfo?: { readonly value: number; readonly layout: LayoutName; readonly bits: readonly DecodedBits[] };
  /** The check that refused the entry. */
  readonly failedCheck?: { readonly check: EntryCheck; readonly citation: string };
  /** Lines for a report, most telling first. */
  readonly details: readonly string[];
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

export function describeExit(exit: ExitSource): ExitDescription {
  const reason = exit.reasonField & 0xffff, entryFailed = exit.reasonField >>> 31 === 1, row = exitReasonByNumber(reason);
  const name = row?.name ?? `reason ${reason}`, interruptionInfo = entryFailed ? 0 : exit.interruptionInfo;
  const qualification = decodeQualification(reason, exit.qualification, BigInt(exit.interruptionInfo >>> 0));
  const qualificationText = sentenceOf(qualification);
  const layout = row && row.instructionInfo !== false ? instructionInfoLayout(row.id) : undefined;
  const interruption = row?.interruptionInfo ? describeInterruption(interruptionInfo, exit.interruptionError) : undefined;
  const vectoring = entryFailed ? undefined : describeInterruption(exit.vectoringInfo, exit.vectoringError);
  const check = exit.failedCheck > 0 ? entryChecks[exit.failedCheck - 1] : undefined;
  const linearValid = reason === 48 ? (exit.qualification >> 7n & 1n) === 1n : row?.guestLinearAddress === true;
  const parts: Omit<ExitDescription, 'details' | 'summary'> = {
    reason, name, slug: row?.slug ?? `reason-${reason}`, entryFailed, qualification, qualificationText,
    ...row?.instructionLength && !entryFailed && { instructionLength: exit.instructionLength },
    ...row?.guestPhysicalAddress && { guestPhysical: exit.guestPhysical }, ...linearValid && { guestLinear: exit.guestLinear },
    ...interruption && { interruption }, ...vectoring && { vectoring },
    ...layout && { instructionInfo: { value: exit.instructionInfo, layout, bits: decodeBits(layout, BigInt(exit.instructionInfo >>> 0)) } },
    ...check && { failedCheck: { check, citation: citation(check) } },
  };
  const summary = summaryOf(parts, exit, row);
  return { ...parts, summary, details: detailsOf(parts, summary, row) };
}

/** An interruption-information field, undefined when it is not valid. SDM 3C 25.9.2 'Information for VM Exits Due to Vectored Events'. */
export function describeInterruption(info: number, error: number): InterruptionText | undefined {
  const word = BigInt(info >>> 0), part = (id: 'valid' | 'vector' | 'type' | 'errorCodeValid'): bigint => fieldOf('vmExitInterruptionInfo', id, word);
  if (part('valid') === 0n) return undefined;
  const vector = Number(part('vector')), type = layoutField('vmExitInterruptionInfo', 'type').values?.[Number(part('type'))] ?? 'event';
  const exception = /exception/.test(type) ? exceptionByVector(vector) : undefined;
  const name = exception ? `${exception.mnemonic} (${exception.name})` : type === 'NMI' ? 'NMI' : `${type} ${hex(vector)}`;
  const hasError = part('errorCodeValid') === 1n;
  return { vector, type, text: hasError ? `${name}, error code ${hex(error)}${errorText(vector, error)}` : name, ...hasError && { errorCode: error } };
}

function errorText(vector: number, error: number): string {
  const layout: LayoutName | undefined = vector === 14 ? 'pageFaultErrorCode' : [10, 11, 12, 13].includes(vector) && error !== 0 ? 'selectorErrorCode' : undefined;
  if (!layout) return '';
  const set = decodeBits(layout, BigInt(error)).filter(({ value, bits: [high, low] }) => value !== 0n && high === low).map(({ name }) => name);
  return set.length > 0 ? ` (${set.join(', ')})` : '';
}

/** `IN from port 0x60, 1 byte`: what the qualification says. */
function sentenceOf(qualification: DecodedQualification): string {
  switch (qualification.kind) {
    case 'none': return '';
    case 'address': return hex(qualification.value);
    case 'number': return qualification.text ?? hex(qualification.value);
    case 'bits': return qualification.fields!.flatMap(({ name, value, text, bits: [high, low] }) =>
      high === low && text === undefined ? value === 1n ? [name] : [] : [text === undefined ? `${name} ${hex(value)}` : `${name}: ${text}`]).join(', ');
  }
}

type Parts = Omit<ExitDescription, 'details' | 'summary'>;

/** The reason with what matters of it. */
function summaryOf(parts: Parts, exit: ExitSource, row: ExitReason | undefined): string {
  const low = (n: number): bigint => exit.gpr(n) & 0xffff_ffffn;
  const field = (id: string): bigint => parts.qualification.fields?.find(each => each.id === id)?.value ?? 0n;
  const fieldText = (id: string): string | undefined => parts.qualification.fields?.find(each => each.id === id)?.text;
  if (parts.entryFailed) {
    const why = parts.failedCheck?.check.rule ?? (parts.qualificationText === '0x0' ? '' : parts.qualificationText);
    return why === '' ? parts.name : `${parts.name}: ${why}`;
  }
  switch (row?.id) {
    case 'CPUID': return `CPUID leaf ${hex(low(0))}, subleaf ${hex(low(1))}`;
    case 'RDMSR': case 'WRMSR': {
      const index = Number(low(1)), name = msrByIndex(index)?.name, value = `${hex(low(2) << 32n | low(0))}`;
      return `${row.id === 'RDMSR' ? 'read of' : 'write to'} MSR ${hex(index)}${name ? ` (${name})` : ''}${row.id === 'WRMSR' ? ` of ${value}` : ''}`;
    }
    case 'IO_INSTRUCTION': {
      const isIn = fieldText('direction') === 'IN', size = fieldText('size') ?? '', string = field('string') === 1n;
      return `${string ? isIn ? 'INS' : 'OUTS' : isIn ? 'IN' : 'OUT'} ${isIn ? 'from' : 'to'} port ${hex(field('port'))}, ${size}${isIn || string ? '' : `: ${hex(low(0))}`}`;
    }
    case 'CR_ACCESS': return crAccess(field, fieldText, exit);
    case 'MOV_DR': return parts.qualificationText;
    case 'EPT_VIOLATION': {
      const access = [['read', 'read'], ['write', 'write'], ['fetch', 'fetch']].filter(([id]) => field(id) === 1n).map(([, text]) => text).join(' and ') || 'access';
      const allowed = `${field('readable') ? 'r' : '-'}${field('writable') ? 'w' : '-'}${field('executable') ? 'x' : '-'}`;
      const at = parts.guestLinear === undefined ? '' : `, linear ${hex(parts.guestLinear)}`, walk = parts.guestLinear !== undefined && field('final') === 0n ? ' during the page walk' : '';
      return `EPT violation: ${access} of guest-physical ${hex(exit.guestPhysical)}${at}${walk}, EPT allows ${allowed}`;
    }
    case 'EPT_MISCONFIGURATION': return `EPT misconfiguration at guest-physical ${hex(exit.guestPhysical)}`;
    case 'EXCEPTION_OR_NMI':
      if (!parts.interruption) return row.name;
      return parts.qualification.format === 'pageFault' ? `${parts.interruption.text} at ${hex(exit.qualification)}` : parts.interruption.text;
    case 'EXTERNAL_INTERRUPT': return parts.interruption ? `external interrupt ${hex(parts.interruption.vector)}` : row.name;
    case 'VMREAD': case 'VMWRITE': {
      const info = (id: 'register1' | 'register2' | 'isRegister'): number => Number(fieldOf('instructionInfoVmreadVmwrite', id, BigInt(exit.instructionInfo >>> 0)));
      const encoding = Number(exit.gpr(info('register2')) & 0xffffn), field = vmcsFieldByEncoding(encoding)?.id ?? hex(encoding);
      const operand = info('isRegister') ? generalRegisterNames[info('register1')] : 'memory';
      return `${row.id} of ${field}, ${row.id === 'VMREAD' ? 'into' : 'from'} ${operand}${row.id === 'VMWRITE' && info('isRegister') ? `: ${hex(exit.gpr(info('register1')))}` : ''}`;
    }
    case 'INVLPG': return `INVLPG ${hex(exit.qualification)}`;
    case 'TASK_SWITCH': return `task switch to TSS selector ${hex(exit.qualification & 0xffffn)}`;
    default: return row?.name ?? parts.name;
  }
}

function crAccess(field: (id: string) => bigint, text: (id: string) => string | undefined, exit: ExitSource): string {
  const control = text('register') ?? 'CR0', general = text('generalRegister') ?? 'memory', kind = text('accessType');
  switch (kind) {
    case 'MOV to CR': return `MOV to ${control} from ${general}: ${hex(exit.gpr(Number(field('generalRegister'))))}`;
    case 'MOV from CR': return `MOV from ${control} to ${general}`;
    case 'LMSW': return `LMSW: ${hex(field('lmswSource'))}`;
    default: return kind ?? 'control-register access';
  }
}

function detailsOf(parts: Parts, summary: string, row: ExitReason | undefined): string[] {
  const lines = [summary];
  if (row) lines.push(row.cause);
  if (parts.failedCheck) {
    const { check } = parts.failedCheck;
    lines.push(`Check ${check.id}: ${parts.failedCheck.citation}`, check.rule, check.hint, `Fields: ${check.fields.join(', ')}`);
  }
  if (parts.qualificationText && parts.qualification.kind !== 'none') lines.push(`Exit qualification ${hex(parts.qualification.value)}: ${parts.qualificationText}`);
  if (parts.guestPhysical !== undefined) lines.push(`Guest-physical address ${hex(parts.guestPhysical)}`);
  if (parts.guestLinear !== undefined) lines.push(`Guest-linear address ${hex(parts.guestLinear)}`);
  if (parts.interruption) lines.push(`Event: ${parts.interruption.text}`);
  if (parts.vectoring) lines.push(`During the delivery of ${parts.vectoring.text}`);
  if (parts.instructionLength !== undefined) lines.push(`Instruction length ${parts.instructionLength}`);
  return lines.filter((line, n) => line !== '' && lines.indexOf(line) === n);
}
