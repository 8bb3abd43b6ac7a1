/**
 * Formats of the exit qualification: SDM 3C 28.2.1 'Basic VM-Exit Information'.
 *
 * A format is a bit layout, an address, or a number. Which format an exit uses is a column of exit-reasons.ts;
 * exits without one clear the field to 0.
 */
import { decodeBits } from './bit-layouts';
import type { DecodedBits, LayoutName } from './bit-layouts';
import { exitReasonByNumber } from './exit-reasons';

export type QualificationFormat = keyof typeof qualificationFormats;

export interface QualificationFormatRow {
  /** bits: decoded by `layout`; address: linear, guest-virtual; number: see `values`; none: 0; byVector: as the interruption information says. */
  readonly kind: 'none' | 'bits' | 'address' | 'number' | 'byVector';
  readonly meaning: string;
  readonly layout?: LayoutName;
  readonly values?: Readonly<Record<number, string>>;
}

export const qualificationFormats = {
  none: { kind: 'none', meaning: 'The field is 0.' },
  exceptionOrNmi: { kind: 'byVector', meaning: 'For #DB the conditions of the exception, for #PF the faulting linear address, otherwise 0.' },
  debugException: { kind: 'bits', meaning: 'Conditions of the debug exception; DR6 itself is not changed.', layout: 'qualificationDebugException' },
  pageFault: { kind: 'address', meaning: 'Faulting linear address; CR2 itself is not changed.' },
  sipi: { kind: 'bits', meaning: 'Vector of the SIPI.', layout: 'qualificationSipi' },
  ioSmi: { kind: 'bits', meaning: 'The I/O instruction that had just retired.', layout: 'qualificationIoSmi' },
  taskSwitch: { kind: 'bits', meaning: 'The task switch.', layout: 'qualificationTaskSwitch' },
  linearAddressOperand: { kind: 'address', meaning: 'Linear address of the operand.' },
  instructionDisplacement: { kind: 'number', meaning: 'Displacement of the memory operand, sign-extended; with RIP-relative addressing, plus the address of the next instruction.' },
  crAccess: { kind: 'bits', meaning: 'The access to the control register.', layout: 'qualificationCrAccess' },
  movDr: { kind: 'bits', meaning: 'The access to the debug register.', layout: 'qualificationMovDr' },
  ioInstruction: { kind: 'bits', meaning: 'The I/O instruction.', layout: 'qualificationIoInstruction' },
  msrWrite: { kind: 'bits', meaning: 'Which form of the instruction.', layout: 'qualificationMsrWrite' },
  entryFailureGuestState: {
    kind: 'number', meaning: 'Which group of checks failed.',
    values: { 0: 'a check that has no number of its own', 2: 'loading the PDPTEs', 3: 'injection of an NMI while events are blocked by STI', 4: 'VMCS link pointer' },
  },
  entryFailureMsrLoading: { kind: 'number', meaning: 'Number of the entry that failed, counted from 1.' },
  mwait: { kind: 'bits', meaning: 'State of the monitor.', layout: 'qualificationMwait' },
  apicAccess: { kind: 'bits', meaning: 'The access to the APIC-access page.', layout: 'qualificationApicAccess' },
  eoiInduced: { kind: 'bits', meaning: 'The virtual interrupt.', layout: 'qualificationEoiInduced' },
  eptViolation: { kind: 'bits', meaning: 'The access, and what the EPT entries allow.', layout: 'qualificationEptViolation' },
  wbinvd: { kind: 'bits', meaning: 'Which of the two instructions.', layout: 'qualificationWbinvd' },
  apicWrite: { kind: 'bits', meaning: 'The register of the virtual APIC.', layout: 'qualificationApicWrite' },
  pmlFull: { kind: 'bits', meaning: 'State of NMI blocking.', layout: 'qualificationPmlFull' },
  spp: { kind: 'bits', meaning: 'The kind of event.', layout: 'qualificationSpp' },
  instructionTimeout: { kind: 'bits', meaning: 'State of the guest.', layout: 'qualificationInstructionTimeout' },
  msrList: { kind: 'number', meaning: 'Index of the MSR that caused the exit; 0 without MSR bitmaps.' },
  msrImmediate: { kind: 'number', meaning: 'Index of the MSR.' },
} as const satisfies Record<string, QualificationFormatRow>;

export interface DecodedQualification {
  readonly format: QualificationFormat;
  readonly kind: 'none' | 'bits' | 'address' | 'number';
  readonly meaning: string;
  readonly value: bigint;
  /** Of kind 'bits'. */
  readonly fields?: readonly DecodedBits[];
  /** What the number stands for, where the format says so. */
  readonly text?: string;
}

/**
 * Reads an exit qualification.
 * @param reason exit-reason field or basic exit reason; only bits 15:0 count
 * @param interruptionInfo VM-exit interruption information: an exception's vector decides the format of exit 0
 */
export function decodeQualification(reason: number, value: bigint, interruptionInfo = 0n): DecodedQualification {
  return decodeFormat(formatOf(reason, interruptionInfo), value);
}

function formatOf(reason: number, interruptionInfo: bigint): QualificationFormat {
  const format = exitReasonByNumber(reason)?.qualification ?? 'none';
  if (format !== 'exceptionOrNmi') return format;
  const vector = Number(interruptionInfo & 0xffn);
  return vector === 1 ? 'debugException' : vector === 14 ? 'pageFault' : 'none';
}

function decodeFormat(format: QualificationFormat, value: bigint): DecodedQualification {
  const row: QualificationFormatRow = qualificationFormats[format];
  const common = { format, meaning: row.meaning, value };
  switch (row.kind) {
    case 'bits': return { ...common, kind: 'bits', fields: decodeBits(row.layout!, value) };
    case 'byVector': return { ...common, kind: 'none' };
    default: {
      const text = row.values?.[Number(value)];
      return { ...common, kind: row.kind, ...(text !== undefined && { text }) };
    }
  }
}
