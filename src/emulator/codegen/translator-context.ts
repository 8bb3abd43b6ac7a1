// Back end 2: what a definition emits into a translated region. Operands are constants of the decoded record or locals: the general registers
// live in locals while the region runs, and so do the flags, most of the time only as what they follow from ('pending': the kind of the
// last operation, its operands and its result in four locals). A way out of the region says which pending form is in force in the local
// `lazy`; the pair (R, C) is made of it behind the last block, once, off the path of instructions that complete.
import { formOperands, type Case } from './cases';
import { carryVector, conditionFromPair, type FlagKind } from './flag-formulas';
import { InstructionContext, loadOps, RAX, RDX, RSP, storeOps, type CoreFunction, type Operand, type Size, type StopOrFault } from './instruction-context';
import { coreFunctions, exceptionVectors } from './interpreter-context';
import { cpuCell, machineCell, registerSlot } from './state-layout';
import { Constant, I32, I64, Local, V128, VOID, type FunctionType, type Op, type Value } from './wasm-emitter';

/** A decoded record, read from the code heap. */
export interface DecodedRecord {
  readonly case: Case;
  readonly length: number; readonly ordinal: number; readonly pageOffset: number;
  readonly dst: number; readonly src: number; readonly base: number; readonly index: number; readonly scale: number; readonly aux: number;
  readonly displacement: number; readonly immediate: bigint;
  /** Its address. */
  readonly at: number;
}

/** What the flags follow from: the pair itself, what `lazy` says while the region runs, or a form known here. */
export type PendingFlags = 'pair' | 'dynamic' | PendingForm;
/** `b`: the second operand if it is a constant. `number`: what `lazy` holds. */
export interface PendingForm { readonly number: number; readonly kind: FlagKind; readonly size: Size; readonly b?: Constant }

/** What an instruction does to the flags and whether it can leave the region; found by emitting it once for nothing. */
export interface FlagUse { reads: boolean; kills: boolean; mayLeave: boolean }

/** Where a terminator goes; the region decides how. */
export interface BlockEnds { relative(): void; relativeIf(condition: Value): void; indirect(target: Value): void; fallThrough(): void }

const cpu = (name: string): number => cpuCell(name).address;
const gpr = cpu('gpr');
const bitsOfSize = [8n, 16n, 32n, 64n] as const;
const highByteMask = ~0xff00n, keepMasks = [~0xffn, ~0xffffn] as const;

/** Fixed locals of a region's function: the parameter (which entry), then these; temporaries follow. */
const local = (index: number): Local => new Local(index);
export const regionLocals = {
  entry: local(0), register: Array.from({ length: 16 }, (_, n) => local(1 + n)), flagsR: local(17), flagsC: local(18), base: local(19), rip: local(20),
  a: local(21), b: local(22), result: local(23), carry: local(24), ea: local(25), generation: local(26),
  budget: local(27), lazy: local(28), mapped: local(29), tlb: local(30), ending: local(31), entered: local(32), atEntry: local(33),
} as const;
/** What regions call of the core beside what interpreted instructions call. */
const regionFunctions = [...coreFunctions, { name: 'moreBudget', type: { params: [I32], results: [I32] } }, { name: 'judgeEntry', type: { params: [I32], results: [] } }];
const temporaries32 = 24, temporariesVector = 16, first32 = 34;
const { a: A, b: B, result: RESULT, carry: CARRY } = regionLocals;
export const leave = '$leave';

export class TranslatorContext extends InstructionContext {
  /** Core functions that the region imports, in the order of their indices. */
  readonly imports: { name: CoreFunction; type: FunctionType }[] = [];
  /** Bit per general register: read from memory at entry, written back at every way out. */
  usedRegisters = 0;
  changedRegisters = 0;
  pending: PendingFlags = 'pair';
  readonly forms: PendingForm[] = [];
  ends!: BlockEnds;
  /** Instructions of the block that are counted and not retired while this one runs. */
  notRetired = 0;
  /** Linear distance of the instruction's page from the region's base. */
  pageDistance = 0;
  in64BitMode = true;
  /** Registers whose upper halves are known to be 0 here. */
  narrow = 0;
  private record!: DecodedRecord;
  private use: FlagUse | undefined;
  private conditional = 0;

  /** Ready for a new region. */
  startRegion(in64BitMode: boolean): void {
    this.restart();
    this.imports.length = this.forms.length = 0;
    this.usedRegisters = this.changedRegisters = this.narrow = 0;
    this.pending = 'pair';
    this.in64BitMode = in64BitMode;
    this.firstLocal32 = first32;
    this.firstLocalVector = first32 + temporaries32;
    this.firstLocal64 = first32 + temporaries32 + temporariesVector;
    this.maxUsed = { i32: 0, i64: 1, v128: 0 };
  }
  get locals(): [number, number][] {
    if (this.maxUsed.i32 > temporaries32 || this.maxUsed.v128 > temporariesVector) throw new Error('too many temporaries');
    return [[26, I64], [7 + temporaries32, I32], [temporariesVector, V128], [this.maxUsed.i64, I64]];
  }
  /** Fresh temporaries for code of the region's own. */
  scratch(where: string): void { this.begin(3, { kind: 'register', field: 'dst' }, { kind: 'register', field: 'src' }, where); }
  emitRecord(record: DecodedRecord): void {
    const { definition, form, size } = record.case, { dst, src } = formOperands(form);
    this.record = record;
    this.begin(size, dst, src, definition.name);
    definition.body!(this);
  }
  /** What the records of one instruction do, found in an emitter of its own. */
  useOf(records: readonly DecodedRecord[]): FlagUse {
    this.restart();
    this.use = { reads: false, kills: false, mayLeave: false };
    this.pending = 'pair';
    this.open('block', leave);
    for (const r of records) this.emitRecord(r);
    const found = this.use;
    this.use = undefined;
    return found;
  }

  // ---- constants are folded: counts of shifts, conditions that follow from them
  override binary(name: Op, a: Value, b: Value): Value {
    if (a instanceof Constant && b instanceof Constant) { const value = fold(name, a.value, b.value); if (value !== undefined) return this.constant(BigInt.asUintN(64, value)); }
    return super.binary(name, a, b);
  }
  override compare(name: Op, a: Value, b: Value): Value {
    if (a instanceof Constant && b instanceof Constant) { const value = fold(name, a.value, b.value); if (value !== undefined) return this.constant(value); }
    return super.compare(name, a, b);
  }
  override select(condition: Value, a: Value, b: Value): Value { return condition instanceof Constant ? (condition.value ? a : b) : super.select(condition, a, b); }
  override widen(condition: Value): Value { return condition instanceof Constant ? condition : super.widen(condition); }
  override both(a: Value, b: Value): Value {
    if (a instanceof Constant) return a.value ? b : a;
    if (b instanceof Constant) return b.value ? a : b;
    return super.both(a, b);
  }
  override faultIf(condition: Value, vector: StopOrFault): void {
    if (!(condition instanceof Constant)) super.faultIf(condition, vector);
    else if (condition.value) { this.scratchFault(vector); }
  }
  private scratchFault(vector: StopOrFault): void { this.mayFault(); this.i32(1); this.if(); this.raise(vector); this.abandon(); this.close(); }
  override when(condition: Value, body: () => void, otherwise?: () => void): void {
    if (condition instanceof Constant) { if (condition.value) body(); else otherwise?.(); return; }
    // either arm may set flags: they meet as the pair
    this.noteRead();
    this.materialise();
    const before = this.narrow;
    this.conditional++;
    let after = before;
    super.when(condition, () => { body(); this.materialise(); after &= this.narrow; }, otherwise && (() => { this.narrow = before; otherwise(); this.materialise(); }));
    this.conditional--;
    this.narrow &= after & before;
  }

  // ---- ways out
  protected override mayFault(): void { super.mayFault(); if (this.use) this.use.mayLeave = true; }
  protected override abandon(): void {
    this.sayPending();
    if (this.notRetired) { this.get(regionLocals.budget); this.i32(this.notRetired); this.emit('i32_add'); this.set(regionLocals.budget); }
    this.setRip(this.pageDistance + this.record.pageOffset);
    this.i32(1); this.set(regionLocals.ending);
    this.branch(leave);
  }
  /** RIP as a linear address, by its distance from the region's base. */
  setRip(distance: number): void { this.get(regionLocals.base); this.i64(distance); this.emit('i64_add'); this.set(regionLocals.rip); }
  override callCore(name: CoreFunction): void {
    let index = this.imports.findIndex(i => i.name === name);
    if (index < 0) index = this.imports.push(regionFunctions.find(f => f.name === name)!) - 1;
    this.call(index);
  }
  protected override raise(vector: StopOrFault): void { this.i32(exceptionVectors[vector]); this.callCore('raiseException'); }
  /** Which VMX instructions are recorded while a region is made: where that changes, it leaves them to their procedures. */
  recording = { vmread: false, vmxInstruction: false };
  protected override whetherRecorded(kind: 'vmread' | 'vmxInstruction', recorded: () => void, silent: () => void): void { if (this.recording[kind]) recorded(); else silent(); }
  protected override showInstruction(): void {
    this.i32(0); this.get(regionLocals.budget); this.i32(this.notRetired - 1); this.emit('i32_add'); this.memory('i32_store', machineCell('budget').address);
    this.i32(0); this.get(regionLocals.base); this.i64(this.pageDistance + this.record.pageOffset); this.emit('i64_add'); this.memory('i64_store', cpu('rip'));
    this.i32(0); this.readLocal(RSP); this.memory('i64_store', gpr + RSP * 8);
  }
  protected override recordAddress(): void { this.i32(this.record.at); }
  protected override operandBase(): void { this.i32(this.record.base); }
  protected override tlbBase(): void { this.get(regionLocals.tlb); }
  protected override tlbGeneration(): void { this.get(regionLocals.generation); }

  // ---- registers
  private readLocal(register: number): void { this.usedRegisters |= 1 << register; this.get(regionLocals.register[register]); }
  private changeLocal(register: number): void { this.usedRegisters |= 1 << register; this.changedRegisters |= 1 << register; this.set(regionLocals.register[register]); }
  override readRegister(register: number, size: number = 3): Value {
    this.readLocal(register);
    if (size < 2 || (size === 2 && !(this.narrow >> register & 1))) this.wrap(size);
    return this.set64();
  }
  protected override setRegister(register: number, value: Value, size: Size): void {
    if (size < 2) {
      this.readLocal(register); this.i64(keepMasks[size as 0]); this.emit('i64_and'); this.get(value); this.wrap(size); this.emit('i64_or');
    } else {
      this.get(value);
      const isNarrow = size === 2 || (value instanceof Constant && value.value >= 0n && value.value < 1n << 32n);
      this.narrow = isNarrow ? this.narrow | 1 << register : this.narrow & ~(1 << register);
    }
    this.changeLocal(register);
  }
  override readHighByte(register: number): Value { this.readLocal(register); this.i64(8); this.emit('i64_shr_u'); this.i64(0xff); this.emit('i64_and'); return this.set64(); }
  /** The value of a slot of the register file, as base, index or operand. */
  private slot(offset: number): Value {
    if (offset < registerSlot.zero) return this.readRegister(offset >> 3);
    if (offset === registerSlot.zero) return this.constant(0);
    if (offset === registerSlot.ea) { this.get(regionLocals.ea); return this.set64(); }
    if (offset === registerSlot.pageBase) { this.get(regionLocals.base); this.i64(this.pageDistance); this.emit('i64_add'); return this.set64(); }
    this.i32(0); this.memory('i64_load', gpr + offset); return this.set64();
  }
  protected override readOperandRegister(operand: Operand, size: number): Value {
    const offset = this.record[operand.field];
    if (offset >= registerSlot.zero) return size < 3 ? this.truncate(this.slot(offset), size) : this.slot(offset);
    if (offset & 7) return this.readHighByte(offset >> 3);
    return this.readRegister(offset >> 3, size);
  }
  protected override writeOperandRegister(operand: Operand, value: Value, size: number): void {
    const offset = this.record[operand.field];
    if (offset === registerSlot.ea) { this.get(value); this.set(regionLocals.ea); return; }
    if (offset >= registerSlot.zero) throw new Error(`${this.where} writes a slot that is not a register`);
    if (!(offset & 7)) { this.setRegister(offset >> 3, value, size as Size); return; }
    this.readLocal(offset >> 3); this.i64(highByteMask); this.emit('i64_and');
    this.get(value); this.i64(0xff); this.emit('i64_and'); this.i64(8); this.emit('i64_shl', 'i64_or');
    this.changeLocal(offset >> 3);
  }
  private vectorAddress(operand: Operand): number { return cpu('xmm') + this.record[operand.field] * 2; }   // slots of 8 bytes, registers of 16
  protected override readOperandVector(operand: Operand): Value {
    this.i32(0); this.simd(0); this.byte(0); this.unsigned(this.vectorAddress(operand));
    const t = this.localVector(); this.set(t); return t;
  }
  protected override writeOperandVector(operand: Operand, value: Value): void { this.i32(0); this.get(value); this.simd(11); this.byte(0); this.unsigned(this.vectorAddress(operand)); }
  protected override readVectorLow(operand: Operand, size: 2 | 3): Value { this.i32(0); this.memory(loadOps[size], this.vectorAddress(operand)); return this.set64(); }
  protected override writeVectorLow(operand: Operand, value: Value, size: 2 | 3): void { this.i32(0); this.get(value); this.memory(storeOps[size], this.vectorAddress(operand)); }
  override readThird(): Value { return this.readRegister(this.record.aux >> 3, this.size); }
  protected override setThird(value: Value): void { this.setRegister(this.record.aux >> 3, value, this.size === 3 ? 3 : 2); }
  override immediate(size: number): Value { return this.constant(BigInt.asUintN(Number(bitsOfSize[size]), this.record.immediate)); }
  override address(): Value {
    const { base, index, scale, displacement } = this.record;
    const relative = base === registerSlot.pageBase, distance = displacement + (relative ? this.pageDistance : 0);
    let terms = 0;
    const term = (): void => { if (terms++) this.emit('i64_add'); };
    if (relative) { this.get(regionLocals.base); term(); } else if (base !== registerSlot.zero) { this.get(this.slot(base)); term(); }
    if (index !== registerSlot.zero) {
      this.get(this.slot(index));
      if (scale) { this.i64(scale); this.emit('i64_shl'); }
      term();
    }
    if (distance !== 0 || terms === 0) { this.i64(distance); term(); }
    return this.set64();
  }
  protected override moved(address: Value, distance: Value): Value {
    const sum = this.add64(address, distance);
    if (this.record.aux === 0) return sum;
    const base = this.slot(this.record.aux);
    return this.add64(base, this.truncate(this.sub64(sum, base), 2));
  }
  override segmentedAddress(): void { throw new Error('operands in segments are not translated'); }
  override enterTranslation(): void { throw new Error('a translated block is not translated again'); }
  override nextRip(): Value {
    this.get(regionLocals.base); this.i64(this.pageDistance + this.record.pageOffset + this.record.length); this.emit('i64_add');
    return this.set64();
  }
  /** The core divides in memory. */
  override divideWide(signed: boolean, divisor: Value): void {
    this.mayFault();
    for (const r of [RAX, RDX]) { this.i32(0); this.readLocal(r); this.memory('i64_store', gpr + r * 8); }
    this.i32(signed ? 1 : 0); this.get(divisor); this.callCore('divideWide');
    this.if(VOID, false); this.abandon(); this.close();
    this.commit();
    for (const r of [RAX, RDX]) { this.i32(0); this.memory('i64_load', gpr + r * 8); this.changeLocal(r); this.narrow &= ~(1 << r); }
  }

  // ---- flags
  private noteRead(): void { if (this.use && !this.use.kills) this.use.reads = true; }
  private copy(value: Value, into: Local): void { this.get(value); this.set(into); }
  override flags(kind: FlagKind, result: Value, a: Value = this.constant(0), b: Value = this.constant(0)): void {
    this.commit();
    const keepsCarry = kind === 'inc' || kind === 'dec', old = keepsCarry ? this.carryFlag() : undefined;
    if (this.use && !this.conditional && !this.use.reads) this.use.kills = true;
    if (old) this.copy(old, CARRY);
    const operands = kind === 'logic' || kind === 'zero' ? 0 : keepsCarry || kind === 'overflowed' || kind === 'bit' ? 1 : 2;
    if (operands > 0) this.copy(a, A);
    if (operands > 1 && !(b instanceof Constant)) this.copy(b, B);
    this.copy(result, RESULT);
    this.pending = this.formOf(kind, operands > 1 && b instanceof Constant ? b : undefined);
  }
  private formOf(kind: FlagKind, b: Constant | undefined): PendingForm {
    const found = this.forms.find(f => f.kind === kind && f.size === this.size && f.b?.value === b?.value);
    if (found) return found;
    const form = { number: this.forms.length + 1, kind, size: this.size, b };
    this.forms.push(form);
    return form;
  }
  /** C of a pending form, as a temporary. */
  private carriesOf(form: PendingForm): Value {
    const old = form.kind === 'inc' || form.kind === 'dec' ? this.shl64(CARRY, this.constant(63)) : this.constant(0);
    return carryVector(this, form.kind, form.size, RESULT, A, form.b ?? B, old);
  }
  private resultOf(form: PendingForm): Value { return this.signExtend(RESULT, form.size); }
  private known(): PendingForm | 'pair' {
    if (this.pending === 'dynamic') throw new Error(`${this.where} reads flags that were thought not to be read`);
    return this.pending;
  }
  /** Makes the pair of a pending form. */
  materialise(): void {
    if (this.pending === 'pair') return;
    this.pairOf(this.known() as PendingForm);
    this.pending = 'pair';
  }
  private pairOf(form: PendingForm): void {
    const c = this.carriesOf(form), r = this.resultOf(form);
    this.copy(c, regionLocals.flagsC); this.copy(r, regionLocals.flagsR);
  }
  /** Leaves in `lazy` what is pending. */
  sayPending(): void {
    if (this.pending === 'dynamic') return;
    this.i32(this.pending === 'pair' ? 0 : this.pending.number); this.set(regionLocals.lazy);
  }
  /** The pair, from whatever `lazy` says; after the last instruction. */
  materialiseDynamic(): void {
    if (this.forms.length === 0) return;
    this.scratch('flags at the end of a region');
    this.open('block', '$pair');
    const arms = this.forms.map(f => `form${f.number}`);
    for (const label of [...arms].reverse()) this.open('block', label);
    this.get(regionLocals.lazy); this.branchTable(['$pair', ...arms], '$pair');
    for (const form of this.forms) { this.close(); this.scratch('flags'); this.pairOf(form); this.branch('$pair'); }
    this.close();
  }
  override flagsR(): Value { this.noteRead(); const p = this.known(); return p === 'pair' ? regionLocals.flagsR : this.resultOf(p); }
  override flagsC(): Value { this.noteRead(); const p = this.known(); return p === 'pair' ? regionLocals.flagsC : this.carriesOf(p); }
  protected override setFlagsPair(r: Value, c: Value): void {
    if (this.use && !this.conditional && !this.use.reads) this.use.kills = true;
    this.copy(r, regionLocals.flagsR); this.copy(c, regionLocals.flagsC);
    this.pending = 'pair';
  }
  protected override setFlagsC(c: Value): void {
    this.noteRead();
    if (this.pending !== 'pair') this.copy(this.flagsR(), regionLocals.flagsR);
    this.copy(c, regionLocals.flagsC);
    this.pending = 'pair';
  }
  override carryFlag(): Value {
    this.noteRead();
    const p = this.known();
    if (p !== 'pair') {
      switch (p.kind) {
        case 'sub': return this.widen(this.below(A, p.b ?? B));
        case 'add': return this.widen(this.below(RESULT, A));
        case 'inc': case 'dec': return CARRY;
        case 'logic': case 'zero': return this.constant(0);
        case 'bit': case 'overflowed': case 'carryOverflow': return A;
        default: break;
      }
    }
    return super.carryFlag();
  }
  override condition(): Value { return this.conditionCode(this.record.case.code ?? (this.record.aux & 15)); }
  override conditionCode(code: number): Value {
    this.noteRead();
    const p = this.known(), group = code >> 1;
    if (p === 'pair') return conditionFromPair(this, code, regionLocals.flagsR, regionLocals.flagsC);
    const is = (name: Op, negated: Op, a: Value, b: Value): Value => this.compare(code & 1 ? negated : name, a, b);
    const zero = this.constant(0), truth = (v: boolean): Value => this.constant(v !== ((code & 1) === 1) ? 1 : 0);
    const zeroOr = (flag: Value): Value => { this.get(flag); this.emit('i32_wrap_i64'); this.get(RESULT); this.emit('i64_eqz', 'i32_or'); if (code & 1) this.emit('i32_eqz'); return this.set32(); };
    if (p.kind === 'sub' && (group === 1 || group === 2 || group === 3)) {
      const b = p.b ?? B;
      return group === 1 ? is('i64_lt_u', 'i64_ge_u', A, b) : group === 2 ? is('i64_eq', 'i64_ne', A, b) : is('i64_le_u', 'i64_gt_u', A, b);
    }
    if (p.kind === 'sub' && group >= 6) {
      const wide = (v: Value): Value => v instanceof Constant ? this.constant(BigInt.asIntN(8 << p.size, v.value)) : this.signExtend(v, p.size), a = wide(A), b = wide(p.b ?? B);
      return group === 6 ? is('i64_lt_s', 'i64_ge_s', a, b) : is('i64_le_s', 'i64_gt_s', a, b);
    }
    if (group === 2) return is('i64_eq', 'i64_ne', RESULT, zero);
    if (group === 4 && p.kind !== 'zero') return is('i64_lt_s', 'i64_ge_s', this.resultOf(p), zero);
    if (p.kind === 'logic') {
      switch (group) {
        case 0: case 1: return truth(false);
        case 3: return is('i64_eq', 'i64_ne', RESULT, zero);
        case 6: return is('i64_lt_s', 'i64_ge_s', this.resultOf(p), zero);
        case 7: return is('i64_le_s', 'i64_gt_s', this.resultOf(p), zero);
        default: break;
      }
    }
    if (p.kind === 'add' || p.kind === 'inc' || p.kind === 'dec') {
      if (group === 1) return is('i64_ne', 'i64_eq', this.carryFlag(), zero);
      if (group === 3) return zeroOr(this.carryFlag());
    }
    return conditionFromPair(this, code, this.resultOf(p), this.carriesOf(p));
  }

  // ---- ends of blocks
  override jump(target: Value): void { this.ends.indirect(target); }
  override jumpRelative(): void { this.ends.relative(); }
  override jumpRelativeIf(condition: Value): void { this.ends.relativeIf(condition); }
  override fallThrough(): void { this.ends.fallThrough(); }
}

/** Two constants, as WebAssembly would compute; undefined: left to it. */
function fold(name: Op, x: bigint, y: bigint): bigint | undefined {
  const a = BigInt.asUintN(64, x), b = BigInt.asUintN(64, y), truth = (v: boolean): bigint => (v ? 1n : 0n);
  switch (name) {
    case 'i64_add': return a + b;
    case 'i64_sub': return a - b;
    case 'i64_and': return a & b;
    case 'i64_or': return a | b;
    case 'i64_xor': return a ^ b;
    case 'i64_shl': return a << (b & 63n);
    case 'i64_shr_u': return a >> (b & 63n);
    case 'i64_rem_u': return b === 0n ? undefined : a % b;
    case 'i64_eq': return truth(a === b);
    case 'i64_ne': return truth(a !== b);
    case 'i64_lt_u': return truth(a < b);
    case 'i64_gt_u': return truth(a > b);
    default: return undefined;
  }
}
