// The exit of a context as the fields of a condition, read from its record without making anything: one object serves every exit.
import { bitOf, layoutField } from '../../spec/bit-layouts';
import { exitReasonByNumber, exitReasonById } from '../../spec/exit-reasons';
import type { Context } from '../levels/context';
import { word } from '../levels/event-words';
import type { ExitFields } from './scope';

const reasons = {
  cpuid: exitReasonById('CPUID').number, rdmsr: exitReasonById('RDMSR').number, wrmsr: exitReasonById('WRMSR').number, io: exitReasonById('IO_INSTRUCTION').number,
  eptViolation: exitReasonById('EPT_VIOLATION').number, exception: exitReasonById('EXCEPTION_OR_NMI').number, interrupt: exitReasonById('EXTERNAL_INTERRUPT').number,
};
const portShift = layoutField('qualificationIoInstruction', 'port').bits[1], linearValid = Number(bitOf('qualificationEptViolation', 'linearValid'));
const rax = word.gpr, rcx = word.gpr + 2;

/** Which addresses an exit tells, by basic reason. */
const tells = Array.from({ length: 128 }, (_, reason) => {
  const row = exitReasonByNumber(reason);
  return { physical: row?.guestPhysicalAddress === true || row?.guestPhysicalAddress === 'conditional', linear: row?.guestLinearAddress === true || row?.guestLinearAddress === 'conditional' };
});

export class CurrentExit implements ExitFields {
  private words = new Uint32Array(0);
  private context: Context | undefined;
  /** Level that handles the exit; 0 at the exit itself. */
  to = 0;

  /** Looks at the last exit of a context from now on. */
  of(context: Context, to = 0): this {
    this.context = context;
    this.words = context.last.words as Uint32Array<ArrayBuffer>;
    this.to = to;
    return this;
  }

  get reason(): number { return this.words[word.aux] & 0xffff; }
  get from(): number { return this.context?.level ?? NaN; }
  get vcpu(): number { return this.context?.vcpu ?? NaN; }
  get leaf(): number { return this.reason === reasons.cpuid ? this.words[rax] : NaN; }
  get subleaf(): number { return this.reason === reasons.cpuid ? this.words[rcx] : NaN; }
  get msr(): number { return this.reason === reasons.rdmsr || this.reason === reasons.wrmsr ? this.words[rcx] : NaN; }
  get port(): number { return this.reason === reasons.io ? this.words[word.a] >>> portShift & 0xffff : NaN; }
  get vector(): number {
    const { reason } = this, info = this.words[word.interruptionInfo];
    return (reason === reasons.exception || reason === reasons.interrupt) && info >>> 31 === 1 ? info & 0xff : NaN;
  }
  get length(): number { return this.words[word.instructionLength]; }
  get qualification(): bigint { return this.context?.last.qualification ?? 0n; }
  get gpa(): bigint | undefined { return tells[this.reason & 127].physical ? this.context?.last.guestPhysical : undefined; }
  get gla(): bigint | undefined {
    if (!tells[this.reason & 127].linear || this.reason === reasons.eptViolation && (this.words[word.a] & linearValid) === 0) return undefined;
    return this.context?.last.guestLinear;
  }
}
