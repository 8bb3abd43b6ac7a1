// Back end 1: operands are loads from the decoded record at `pc`, registers and flags are memory. Used for the inlined cases of the run
// loop and for the out-of-line functions, which differ only in how they leave and where they find the TLB.
import { InstructionContext, type CoreFunction, type Operand, type Size, type StopOrFault, loadOps, storeOps, tlbIndexMask, tlbTables } from './instruction-context';
import { conditionFromPair } from './flag-formulas';
import type { Case } from './cases';
import { formOperands } from './cases';
import { blockFields, cpuCell, eventKinds, machineCell, recordFields as record } from './state-layout';
import { type FunctionType, I32, I64, Local, type Value, VOID } from './wasm-emitter';

/** What the interpreter imports from the core, beside the procedures. */
export const coreFunctions: readonly { name: CoreFunction; type: FunctionType }[] = [
  { name: 'slowLoad', type: { params: [I64, I32], results: [I64] } },
  { name: 'slowLoadForUpdate', type: { params: [I64, I32], results: [I64] } },
  { name: 'slowStore', type: { params: [I64, I64, I32], results: [I32] } },
  { name: 'slowLoadVector', type: { params: [I64], results: [I32] } },
  { name: 'slowStoreVector', type: { params: [I64, I64, I64], results: [I32] } },
  { name: 'depositBits', type: { params: [I64, I64], results: [I64] } },
  { name: 'extractBits', type: { params: [I64, I64], results: [I64] } },
  { name: 'accumulateCrc', type: { params: [I64, I64, I64], results: [I64] } },
  { name: 'vectorsUnavailable', type: { params: [], results: [I32] } },
  { name: 'floatsDone', type: { params: [], results: [I32] } },
  { name: 'floatBinary', type: { params: [I32, I32, I64, I64], results: [I64] } },
  { name: 'floatCompare', type: { params: [I32, I32, I64, I64], results: [I64] } },
  { name: 'floatOrder', type: { params: [I32, I32, I64, I64], results: [I64] } },
  { name: 'floatFromInteger', type: { params: [I32, I64], results: [I64] } },
  { name: 'floatToInteger', type: { params: [I32, I32, I32, I64], results: [I64] } },
  { name: 'floatConvert', type: { params: [I32, I64], results: [I64] } },
  { name: 'floatEstimate', type: { params: [I32, I64], results: [I64] } },
  { name: 'refineFault', type: { params: [I32], results: [] } },
  { name: 'divideWide', type: { params: [I32, I64], results: [I32] } },
  { name: 'placeOfField', type: { params: [I64, I32], results: [I32] } },
  { name: 'putField', type: { params: [I64, I64, I32], results: [I32] } },
  { name: 'placeOfRecordedField', type: { params: [I64, I32], results: [I32] } },
  { name: 'putRecordedField', type: { params: [I64, I64, I32], results: [I32] } },
  { name: 'raiseException', type: { params: [I32], results: [] } },
  { name: 'linkBlock', type: { params: [I32, I32, I64], results: [I32] } },
  { name: 'segmentedAddress', type: { params: [I32], results: [I32] } },
  { name: 'proceed', type: { params: [I32], results: [I32] } },
];

export const exceptionVectors: Record<StopOrFault, number> = { DE: 0, BR: 5, UD: 6, GP: 13 };
const cpu = (name: string): number => cpuCell(name).address;
const gpr = cpu('gpr');
const budgetAddress = machineCell('budget').address;

/** Locals of the run loop. Out-of-line functions have only `pc`. */
export const runLocals = { pc: new Local(0), block: new Local(1), budget: new Local(2), nextBlock: new Local(3), tlb: new Local(4) } as const;
export const labels = { exit: '$exit', outer: '$outer', fault: '$fault', abandoned: '$abandoned', newBlock: '$newBlock', unlinked: '$unlinked', next: '$next' } as const;

export class InterpreterContext extends InstructionContext {
  private readonly coreIndex = new Map<string, number>();
  private outOfLine = false;
  private current!: Case;
  /** Local with the TLB generation (run loop only). */
  private generation = new Local(0);
  /** Index of the type of a translated region: entry to ending. */
  regionType = -1;
  /** Function that computes a condition code held in the record. */
  conditionFunction = -1;

  constructor(imports: readonly string[]) {
    super();
    imports.forEach((name, i) => this.coreIndex.set(name, i));
  }

  /** Prepares for the bodies of the run loop or of an out-of-line function. */
  place(where: 'run loop' | 'function', locals: { first32: number; firstVector: number; first64: number; generation?: number }): void {
    this.outOfLine = where === 'function';
    this.firstLocal32 = locals.first32;
    this.firstLocalVector = locals.firstVector;
    this.firstLocal64 = locals.first64;
    this.generation = new Local(locals.generation ?? 0);
    this.maxUsed = { i32: 0, i64: 0, v128: 0 };
  }
  emitCase(c: Case): void {
    const { dst, src } = formOperands(c.form);
    this.current = c;
    this.begin(c.size, dst, src, `${c.definition.name} ${c.form} ${8 << c.size}`);
    c.definition.body!(this);
    c.writesMemory = this.storesToMemory;
    c.movesAddress = this.movesAddress;
  }
  /** Emits the general condition function's arm for one code. */
  conditionOf(code: number): Value {
    this.begin(3, { kind: 'register', field: 'dst' }, { kind: 'register', field: 'src' }, `condition ${code}`);
    return conditionFromPair(this, code, this.flagsR(), this.flagsC());
  }

  protected override tlbBase(): void { if (this.outOfLine) { this.i32(0); this.memory('i32_load', cpu('tlbBase')); } else this.get(runLocals.tlb); }
  protected override tlbGeneration(): void { if (this.outOfLine) { this.i32(0); this.memory('i64_load', cpu('tlbGeneration')); } else this.get(this.generation); }
  override callCore(name: CoreFunction): void {
    const index = this.coreIndex.get(name);
    if (index === undefined) throw new Error(`${name} is not imported from the core`);
    this.call(index);
  }
  protected override abandon(): void { if (this.outOfLine) { this.i32(1); this.emit('return'); } else this.branch(labels.fault); }
  protected override moved(address: Value, distance: Value): Value {
    // aux: 0, or the slot of the segment base that the address record added to a 32-bit offset
    const base = this.local64(), sum = this.add64(address, distance);
    const slot = (): void => { this.get(runLocals.pc); this.memory('i32_load8_u', record.aux); };
    slot(); this.memory('i64_load', gpr); this.set(base);
    this.get(base); this.get(this.truncate(this.sub64(sum, base), 2)); this.emit('i64_add');
    this.get(sum);
    slot(); this.emit('select');
    return this.set64();
  }
  protected override whetherRecorded(kind: 'vmread' | 'vmxInstruction', recorded: () => void, silent: () => void): void {
    // in non-root operation they are all of one kind
    const bits = 1 << eventKinds.indexOf(kind) | 1 << eventKinds.indexOf('vmxInstruction');
    this.i32(0); this.memory('i32_load', machineCell('eventMask').address); this.i32(bits); this.emit('i32_and');
    this.if(); recorded(); this.else(); silent(); this.close();
  }
  protected override showInstruction(): void {
    if (!this.outOfLine) throw new Error(`${this.where}: the run loop has saved the budget for functions alone`);
    this.i32(0);
    this.i32(0); this.memory('i32_load', budgetAddress);
    this.i32(0); this.memory('i32_load', cpu('block')); this.memory('i32_load', blockFields.units); this.emit('i32_add');
    this.get(runLocals.pc); this.memory('i32_load8_u', record.ordinal); this.emit('i32_sub'); this.i32(1); this.emit('i32_sub');
    this.memory('i32_store', budgetAddress);
    this.saveRip(runLocals.pc, record.pageOffset);
  }
  protected override operandBase(): void { this.field('base'); }
  protected override recordAddress(): void { this.get(runLocals.pc); }
  protected override raise(vector: StopOrFault): void { this.i32(exceptionVectors[vector]); this.callCore('raiseException'); }

  private field(name: 'dst' | 'src' | 'base' | 'index'): void { this.get(runLocals.pc); this.memory('i32_load8_u', record[name]); }
  override readRegister(register: number, size: number = 3): Value { this.i32(0); this.memory(loadOps[size], gpr + register * 8); return this.set64(); }
  protected override setRegister(register: number, value: Value, size: Size): void { this.i32(0); this.get(value); this.memory(size >= 2 ? 'i64_store' : storeOps[size], gpr + register * 8); }
  override readHighByte(register: number): Value { this.i32(0); this.memory('i64_load8_u', gpr + register * 8 + 1); return this.set64(); }
  protected override readOperandRegister(operand: Operand, size: number): Value { this.field(operand.field); this.memory(loadOps[size], gpr); return this.set64(); }
  protected override writeOperandRegister(operand: Operand, value: Value, size: number): void {
    this.field(operand.field);
    this.get(value);
    this.memory(size >= 2 ? 'i64_store' : storeOps[size], gpr);
  }
  private vectorAddress(operand: Operand): void { this.field(operand.field); this.i32(1); this.emit('i32_shl'); }   // slots of 8 bytes, registers of 16
  protected override readOperandVector(operand: Operand): Value {
    this.vectorAddress(operand);
    this.simd(0); this.byte(0); this.unsigned(cpu('xmm'));
    const t = this.localVector(); this.set(t); return t;
  }
  protected override writeOperandVector(operand: Operand, value: Value): void {
    this.vectorAddress(operand); this.get(value);
    this.simd(11); this.byte(0); this.unsigned(cpu('xmm'));
  }
  protected override readVectorLow(operand: Operand, size: 2 | 3): Value { this.vectorAddress(operand); this.memory(loadOps[size], cpu('xmm')); return this.set64(); }
  protected override writeVectorLow(operand: Operand, value: Value, size: 2 | 3): void { this.vectorAddress(operand); this.get(value); this.memory(storeOps[size], cpu('xmm')); }
  override readThird(): Value { this.get(runLocals.pc); this.memory('i32_load8_u', record.aux); this.memory(loadOps[this.size], gpr); return this.set64(); }
  protected override setThird(value: Value): void {
    this.get(runLocals.pc); this.memory('i32_load8_u', record.aux);
    this.get(value); this.memory('i64_store', gpr);
  }
  override immediate(size: number): Value { this.get(runLocals.pc); this.memory(loadOps[size], record.immediate); return this.set64(); }
  override address(): Value {
    this.field('base'); this.memory('i64_load', gpr);
    this.field('index'); this.memory('i64_load', gpr);
    this.get(runLocals.pc); this.memory('i64_load8_u', record.scale);
    this.emit('i64_shl', 'i64_add');
    this.get(runLocals.pc); this.memory('i64_load32_s', record.displacement);
    this.emit('i64_add');
    return this.set64();
  }
  override segmentedAddress(): void {
    this.get(runLocals.pc); this.callCore('segmentedAddress');
    this.if(VOID, false); this.abandon(); this.close();
  }
  override nextRip(): Value {
    this.i32(0); this.memory('i64_load', cpu('pageBase'));
    this.get(runLocals.pc); this.memory('i64_load16_u', record.pageOffset); this.emit('i64_add');
    this.get(runLocals.pc); this.memory('i64_load8_u', record.length); this.emit('i64_add');
    return this.set64();
  }
  override condition(): Value {
    if (this.current.code !== undefined) return conditionFromPair(this, this.current.code, this.flagsR(), this.flagsC());
    this.get(runLocals.pc); this.memory('i32_load8_u', record.aux); this.i32(15); this.emit('i32_and');
    this.call(this.conditionFunction);
    return this.set32();
  }
  override flagsR(): Value { this.i32(0); this.memory('i64_load', cpu('flagsR')); return this.set64(); }
  override flagsC(): Value { this.i32(0); this.memory('i64_load', cpu('flagsC')); return this.set64(); }
  protected override setFlagsPair(r: Value, c: Value): void { this.i32(0); this.get(r); this.memory('i64_store', cpu('flagsR')); this.setFlagsC(c); }
  protected override setFlagsC(c: Value): void { this.i32(0); this.get(c); this.memory('i64_store', cpu('flagsC')); }

  // ---- ends of blocks (run loop only)
  private follow(link: 'link0' | 'link1', target: () => Value): void {
    this.get(runLocals.pc); this.memory('i32_load', record[link]); this.tee(runLocals.nextBlock);
    this.branchIf(labels.newBlock);
    const t = target();                                             // through memory: a local that lives around the loop costs every instruction
    this.i32(0); this.get(t); this.memory('i64_store', cpu('transferTarget'));
    this.i32(record[link]); this.set(runLocals.nextBlock);
    this.branch(labels.unlinked);
  }
  /** The common end of direct transfers whose record holds no link (`nextBlock`: its offset): one inside the page gets it, one to another page never has one. */
  emitUnlinked(): void {
    this.begin(3, { kind: 'register', field: 'dst' }, { kind: 'register', field: 'src' }, 'unlinked transfer');
    this.i32(0); this.memory('i64_load', cpu('transferTarget'));
    const target = this.set64();
    this.get(target); this.i32(0); this.memory('i64_load', cpu('pageBase')); this.emit('i64_xor'); this.i64(-4096); this.emit('i64_and', 'i64_eqz');
    this.if();
    this.saveBudget();
    this.get(runLocals.pc); this.get(runLocals.nextBlock); this.get(target); this.callCore('linkBlock'); this.set(runLocals.nextBlock);
    this.branch(labels.newBlock);
    this.close();
    this.jump(target);
  }
  saveBudget(): void { this.i32(0); this.get(runLocals.budget); this.memory('i32_store', budgetAddress); }
  override jumpRelative(): void { this.follow('link0', () => this.add64(this.nextRip(), this.immediate(3))); }
  override fallThrough(): void { this.follow('link0', () => this.nextRip()); }
  override jumpRelativeIf(condition: Value): void {
    this.get(condition); this.if(); this.jumpRelative(); this.close();
    this.follow('link1', () => this.nextRip());
  }
  override jump(target: Value): void {
    const entry = this.local32(), page = this.local64();
    this.get(target); this.i64(8); this.emit('i64_shr_u', 'i32_wrap_i64'); this.i32(tlbIndexMask); this.emit('i32_and');
    this.tlbBase(); this.emit('i32_add'); this.tee(entry); this.memory('i64_load', tlbTables.execute);
    this.get(target); this.i64(-4096); this.emit('i64_and'); this.tee(page); this.tlbGeneration(); this.emit('i64_or', 'i64_eq');
    this.if(VOID, true);
    this.get(entry); this.memory('i32_load', tlbTables.execute + 12);
    this.get(target); this.emit('i32_wrap_i64'); this.i32(4095); this.emit('i32_and'); this.i32(2); this.emit('i32_shl', 'i32_add');
    this.memory('i32_load', 0); this.tee(runLocals.nextBlock);
    this.if(VOID, true);
    this.i32(0); this.get(page); this.memory('i64_store', cpu('pageBase'));
    this.branch(labels.newBlock);
    this.close();
    this.close();
    this.saveBudget();
    this.i32(0); this.i32(0); this.get(target); this.callCore('linkBlock'); this.set(runLocals.nextBlock);
    this.branch(labels.newBlock);
  }
  /** The region gets the budget as it was before this block was counted, and returns the next block, 0 (RIP says where), or 1: an instruction was abandoned. */
  override enterTranslation(): void {
    const { block, budget, nextBlock } = runLocals;
    this.get(budget); this.get(block); this.memory('i32_load', blockFields.units); this.emit('i32_add'); this.set(budget);
    this.saveBudget();
    this.get(block); this.memory('i32_load', blockFields.entry);
    this.get(block); this.memory('i32_load', blockFields.slot);
    this.emit('call_indirect'); this.unsigned(this.regionType); this.unsigned(0);
    this.set(nextBlock);
    this.i32(0); this.memory('i32_load', budgetAddress); this.set(budget);
    this.get(nextBlock); this.i32(1); this.emit('i32_ne'); this.branchIf(labels.newBlock);
    this.branch(labels.abandoned);
  }
  /** CPU_RIP = linear address of the record's instruction minus the CS base; the address of the record is on no stack but in `from`. */
  saveRip(from: Local, offsetField: number): void {
    this.i32(0);
    this.i32(0); this.memory('i64_load', cpu('pageBase'));
    this.get(from); this.memory('i64_load16_u', offsetField); this.emit('i64_add');
    this.i32(0); this.memory('i64_load', cpu('segBase') + 8); this.emit('i64_sub');
    this.memory('i64_store', cpu('rip'));
  }
}
