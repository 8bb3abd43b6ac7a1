// What an instruction definition sees. Running a definition against a context *emits* WebAssembly; the two back ends differ only in
// where operands, registers and flags live. Values are 64-bit handles, zero-extended to the operand size; arithmetic wraps to it.
//
// An instruction may fault only before its first commit (register, flags or memory write): the context checks that while emitting
// and refuses the definition otherwise. A slow memory access that does not complete abandons the instruction with nothing committed.
import { carryVector, conditionFromPair, type FlagKind } from './flag-formulas';
import { cpuCell } from './state-layout';
import { I64, Local, type Op, op, type Value, VOID, WasmEmitter } from './wasm-emitter';

/** Where an operand is: a register, memory, an immediate, an XMM register. `field` names the record field that holds a register. */
export interface Operand { readonly kind: 'register' | 'memory' | 'immediate' | 'vector'; readonly field: 'dst' | 'src' }

/** log2 of the operand size in bytes: 0 to 3 for general operands, 4 for XMM. */
export type Size = 0 | 1 | 2 | 3 | 4;

export const loadOps: readonly Op[] = ['i64_load8_u', 'i64_load16_u', 'i64_load32_u', 'i64_load'];
export const storeOps: readonly Op[] = ['i64_store8', 'i64_store16', 'i64_store32', 'i64_store'];
const extendOps: readonly Op[] = ['i64_extend8_s', 'i64_extend16_s', 'i64_extend32_s'];
const masks = [0xffn, 0xffffn, 0xffffffffn, -1n] as const;

export const RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7;
export type StopOrFault = 'DE' | 'UD' | 'BR' | 'GP';

const tlbEntries = 1024;
/** Byte offsets of the three tables in a TLB context; entry: u64 tag, i32 addend, u32 code descriptor. */
export const tlbTables = { read: 0, write: 0x4000, execute: 0x8000 } as const;
export const tlbIndexMask = (tlbEntries - 1) << 4;
export const tlbContextBytes = 0xc000;

/** Functions of the core that emitted code calls, by name; the back end knows their indices. */
export type CoreFunction = string;

export abstract class InstructionContext extends WasmEmitter {
  size: Size = 3;
  dst!: Operand;
  src!: Operand;
  where = '';
  protected firstLocal32 = 0;
  protected firstLocal64 = 0;
  protected firstLocalVector = 0;
  private used32 = 0;
  private used64 = 0;
  private usedVector = 0;
  maxUsed = { i32: 0, i64: 0, v128: 0 };
  protected committed = false;
  /** The body emitted so far stores to memory. */
  protected storesToMemory = false;
  /** ... moves the address of its memory operand. */
  protected movesAddress = false;
  private cachedAddress: Value | undefined;
  /** The access under way is one of the stack, not of the memory operand. */
  private onStack = false;
  private updateHost: Local | undefined;

  protected begin(size: Size, dst: Operand, src: Operand, where: string): void {
    this.size = size;
    this.dst = dst;
    this.src = src;
    this.where = where;
    this.used32 = this.used64 = this.usedVector = 0;
    this.committed = false;
    this.storesToMemory = false;
    this.movesAddress = false;
    this.cachedAddress = undefined;
    this.updateHost = undefined;
  }

  // ---- temporaries
  local32(): Local { this.maxUsed.i32 = Math.max(this.maxUsed.i32, ++this.used32); return new Local(this.firstLocal32 + this.used32 - 1); }
  local64(): Local { this.maxUsed.i64 = Math.max(this.maxUsed.i64, ++this.used64); return new Local(this.firstLocal64 + this.used64 - 1); }
  localVector(): Local { this.maxUsed.v128 = Math.max(this.maxUsed.v128, ++this.usedVector); return new Local(this.firstLocalVector + this.usedVector - 1); }
  set32(): Local { const t = this.local32(); this.set(t); return t; }
  set64(): Local { const t = this.local64(); this.set(t); return t; }

  // ---- 64-bit operations
  binary(name: Op, a: Value, b: Value): Value { this.get(a); this.get(b); this.emit(name); return this.set64(); }
  compare(name: Op, a: Value, b: Value): Value { this.get(a); this.get(b); this.emit(name); return this.set32(); }
  add64(a: Value, b: Value): Value { return this.binary('i64_add', a, b); }
  sub64(a: Value, b: Value): Value { return this.binary('i64_sub', a, b); }
  and64(a: Value, b: Value): Value { return this.binary('i64_and', a, b); }
  or64(a: Value, b: Value): Value { return this.binary('i64_or', a, b); }
  xor64(a: Value, b: Value): Value { return this.binary('i64_xor', a, b); }
  shl64(a: Value, n: Value): Value { return this.binary('i64_shl', a, n); }
  shr64(a: Value, n: Value): Value { return this.binary('i64_shr_u', a, n); }
  sar64(a: Value, n: Value): Value { return this.binary('i64_shr_s', a, n); }
  unary(name: Op, a: Value): Value { this.get(a); this.emit(name); return this.set64(); }

  // ---- operations wrapped to the operand size
  wrap(size: number = this.size): void { if (size < 3) { this.i64(masks[size as 0]); this.emit('i64_and'); } }
  signExtendTop(size: number): void { if (size < 3) this.emit(extendOps[size]); }
  private sized(name: Op, a: Value, b: Value): Value { this.get(a); this.get(b); this.emit(name); this.wrap(); return this.set64(); }
  add(a: Value, b: Value): Value { return this.sized('i64_add', a, b); }
  sub(a: Value, b: Value): Value { return this.sized('i64_sub', a, b); }
  mul(a: Value, b: Value): Value { return this.sized('i64_mul', a, b); }
  and(a: Value, b: Value): Value { return this.and64(a, b); }
  or(a: Value, b: Value): Value { return this.or64(a, b); }
  xor(a: Value, b: Value): Value { return this.sized('i64_xor', a, b); }
  not(a: Value): Value { return this.xor(a, this.constant(-1)); }
  shl(a: Value, n: Value): Value { return this.sized('i64_shl', a, n); }
  shr(a: Value, n: Value): Value { return this.shr64(a, n); }
  sar(a: Value, n: Value): Value { this.get(a); this.signExtendTop(this.size); this.get(n); this.emit('i64_shr_s'); this.wrap(); return this.set64(); }
  truncate(a: Value, size: number = this.size): Value { if (size >= 3) return a; this.get(a); this.wrap(size); return this.set64(); }
  signExtend(a: Value, from: number): Value { if (from >= 3) return a; this.get(a); this.signExtendTop(from); return this.set64(); }

  // ---- conditions (i32 0 or 1)
  isZero(a: Value): Value { this.get(a); this.emit('i64_eqz'); return this.set32(); }
  notZero(a: Value): Value { return this.compare('i64_ne', a, this.constant(0)); }
  equal(a: Value, b: Value): Value { return this.compare('i64_eq', a, b); }
  above(a: Value, b: Value): Value { return this.compare('i64_gt_u', a, b); }
  below(a: Value, b: Value): Value { return this.compare('i64_lt_u', a, b); }
  select(condition: Value, a: Value, b: Value): Value { this.get(a); this.get(b); this.get(condition); this.emit('select'); return this.set64(); }
  both(a: Value, b: Value): Value { this.get(a); this.get(b); this.emit('i32_and'); return this.set32(); }
  widen(condition: Value): Value { this.get(condition); this.emit('i64_extend_i32_u'); return this.set64(); }
  bit(a: Value, n: Value): Value { return this.and64(this.shr64(a, n), this.constant(1)); }

  // ---- memory, through the software TLB
  protected commit(): void { this.committed = true; }
  protected mayFault(): void { if (this.committed) throw new Error(`${this.where}: may fault after a commit`); }

  /** Leaves the hit condition on the stack; returns the local with the address of the TLB entry. */
  private probe(address: Value, size: number, table: keyof typeof tlbTables): Local {
    const entry = this.local32();
    this.get(address); this.i64(8); this.emit('i64_shr_u', 'i32_wrap_i64'); this.i32(tlbIndexMask); this.emit('i32_and');
    this.tlbBase(); this.emit('i32_add');
    this.tee(entry); this.memory('i64_load', tlbTables[table]);
    this.get(address);
    if (size) { this.i64((1n << BigInt(size)) - 1n); this.emit('i64_add'); }
    this.i64(-4096); this.emit('i64_and');
    this.tlbGeneration(); this.emit('i64_or', 'i64_eq');
    return entry;
  }
  private hostAddress(address: Value, entry: Local, table: keyof typeof tlbTables): void {
    this.get(address); this.emit('i32_wrap_i64'); this.get(entry); this.memory('i32_load', tlbTables[table] + 8); this.emit('i32_add');
  }
  private abandonIfAborted(): void {
    this.i32(0); this.memory('i32_load', cpuCell('abortKind').address);
    this.if(VOID, false); this.abandonAccess(); this.close();
  }
  /** Leaves after a failed access; through the stack segment an address that is not canonical raises #SS, not #GP (SDM 1 3.3.7.1 'Canonical Addressing'). */
  private abandonAccess(): void {
    if (this.onStack) this.i32(RSP * 8); else this.operandBase();
    this.callCore('refineFault');
    this.abandon();
  }

  /** Loads from a linear address. */
  load(address: Value, size: number = this.size): Value {
    this.mayFault();
    const entry = this.probe(address, size, 'read');
    this.if(I64, true);
    this.hostAddress(address, entry, 'read'); this.memory(loadOps[size], 0);
    this.else();
    this.get(address); this.i32(1 << size); this.callCore('slowLoad');
    this.abandonIfAborted();
    this.close();
    return this.set64();
  }
  /** Stores to a linear address; the instruction's last possible fault. */
  store(address: Value, value: Value, size: number = this.size): void {
    this.mayFault();
    this.storesToMemory = true;
    const entry = this.probe(address, size, 'write');
    this.if(VOID, true);
    this.hostAddress(address, entry, 'write'); this.get(value); this.memory(storeOps[size], 0);
    this.else();
    this.get(address); this.get(value); this.i32(1 << size); this.callCore('slowStore');
    this.if(VOID, false); this.abandonAccess(); this.close();
    this.close();
  }
  loadVector(address: Value): Value {
    this.mayFault();
    const entry = this.probe(address, 4, 'read'), host = this.local32();
    this.if(0x7f, true);
    this.hostAddress(address, entry, 'read');
    this.else();
    this.get(address); this.callCore('slowLoadVector');          // leaves the 16 bytes in the scratch area
    this.abandonIfAborted();
    this.close();
    this.set(host); this.get(host);
    this.simd(0); this.byte(0); this.unsigned(0);
    const t = this.localVector(); this.set(t); return t;
  }
  storeVector(address: Value, value: Value): void {
    this.mayFault();
    this.storesToMemory = true;
    const entry = this.probe(address, 4, 'write');
    this.if(VOID, true);
    this.hostAddress(address, entry, 'write'); this.get(value); this.simd(11); this.byte(0); this.unsigned(0);
    this.else();
    this.get(address);
    this.get(value); this.simd(29); this.byte(0);                // i64x2.extract_lane
    this.get(value); this.simd(29); this.byte(1);
    this.callCore('slowStoreVector');
    this.if(VOID, false); this.abandonAccess(); this.close();
    this.close();
  }
  simd(opcode: number): void { this.byte(op.simd); this.unsigned(opcode); }
  simdBinary(opcode: number, a: Value, b: Value): Value { this.get(a); this.get(b); this.simd(opcode); const t = this.localVector(); this.set(t); return t; }

  // ---- SSE
  /** #UD or #NM when the system has SSE off: the first thing that an SSE instruction does. */
  sseIsOn(): void {
    this.mayFault();
    const at = (name: string, mask: number): void => { this.i32(0); this.memory('i32_load', cpuCell(name).address); this.i32(mask); this.emit('i32_and'); };
    at('cr0', 0xc); at('cr4', 0x200); this.i32(0x200); this.emit('i32_xor', 'i32_or');
    this.if(VOID, false); this.callCore('vectorsUnavailable'); this.emit('drop'); this.abandon(); this.close();
  }
  /** After the last lane, before the first write: MXCSR gets the flags of the lanes, or the instruction ends with #XM. */
  floatsDone(): void {
    this.mayFault();
    this.callCore('floatsDone');
    this.if(VOID, false); this.abandon(); this.close();
  }
  /** A function of the core with leading i32 numbers: lanes of floating-point instructions. */
  lane(name: CoreFunction, numbers: readonly (number | Value)[], ...values: Value[]): Value {
    for (const n of numbers) if (typeof n === 'number') this.i32(n); else { this.get(n); this.emit('i32_wrap_i64'); }
    return this.pure(name, ...values);
  }
  simdUnary(opcode: number, a: Value): Value { this.get(a); this.simd(opcode); const t = this.localVector(); this.set(t); return t; }
  /** A shift of all lanes by a 64-bit count. */
  simdShift(opcode: number, a: Value, count: Value): Value { this.get(a); this.get(count); this.emit('i32_wrap_i64'); this.simd(opcode); const t = this.localVector(); this.set(t); return t; }
  /** A result of 32 bits (bit masks), zero-extended. */
  simdMask(opcode: number, a: Value): Value { this.get(a); this.simd(opcode); this.emit('i64_extend_i32_u'); return this.set64(); }
  vectorOf(low: Value, high: Value): Value {
    this.get(low); this.simd(0x12); this.get(high); this.simd(0x1e); this.byte(1);
    const t = this.localVector(); this.set(t); return t;
  }
  splat64(v: Value): Value { this.get(v); this.simd(0x12); const t = this.localVector(); this.set(t); return t; }
  quad(v: Value, n: 0 | 1): Value { this.get(v); this.simd(0x1d); this.byte(n); return this.set64(); }
  /** i8x16.shuffle: lanes 0 to 15 of `a`, 16 to 31 of `b`. */
  shuffle(a: Value, b: Value, lanes: readonly number[]): Value { this.get(a); this.get(b); this.simd(0x0d); this.raw(lanes); const t = this.localVector(); this.set(t); return t; }
  /** 16 bytes of an operand; memory must be aligned to 16 bytes unless the instruction is one of the unaligned moves. */
  readWide(operand: Operand, aligned = true): Value {
    if (operand.kind === 'memory' && aligned) this.mustBeAligned();
    return this.readVector(operand);
  }
  writeWide(operand: Operand, value: Value, aligned = true): void {
    if (operand.kind === 'memory' && aligned) this.mustBeAligned();
    this.writeVector(operand, value);
  }
  private mustBeAligned(): void { this.faultIf(this.notZero(this.and64(this.effective(), this.constant(15))), 'GP'); }
  /** The low 4 or 8 bytes of an XMM register, or so many of memory, or a general register. */
  readLow(operand: Operand, size: 2 | 3): Value { return operand.kind === 'vector' ? this.readVectorLow(operand, size) : this.read(operand, size); }
  /** Writes the low 4 or 8 bytes and keeps the rest of an XMM register. */
  writeLow(operand: Operand, value: Value, size: 2 | 3): void {
    if (operand.kind === 'vector') { this.commit(); this.writeVectorLow(operand, value, size); } else this.write(operand, value, size);
  }
  protected abstract readVectorLow(operand: Operand, size: 2 | 3): Value;
  protected abstract writeVectorLow(operand: Operand, value: Value, size: 2 | 3): void;

  /** Moves the memory operand by a byte distance (bit tests with a register offset); before its first access. */
  moveEffective(distance: Value): void {
    this.movesAddress = true;
    this.cachedAddress = this.moved(this.effective(), distance);
  }
  /** A linear address moved inside its segment: with a 32-bit address size the offset wraps at 4 GBytes. */
  protected abstract moved(address: Value, distance: Value): Value;
  /** Linear address of the memory operand, computed once. */
  effective(): Value {
    if (!this.cachedAddress) {
      const a = this.address();
      if (a instanceof Local) this.cachedAddress = a; else { this.get(a); this.cachedAddress = this.set64(); }
    }
    return this.cachedAddress;
  }

  // ---- operands
  read(operand: Operand, size: number = this.size): Value {
    switch (operand.kind) {
      case 'register': return this.readOperandRegister(operand, size);
      case 'memory': return this.load(this.effective(), size);
      case 'immediate': return this.immediate(size);
      case 'vector': throw new Error(`${this.where}: general read of a vector operand`);
    }
  }
  /** Reads an operand that `write` will update: a memory operand needs write permission already now (SDM 3A 4.7 'Page-Fault Exceptions', W/R flag). */
  readForUpdate(operand: Operand, size: number = this.size): Value {
    if (operand.kind !== 'memory') return this.read(operand, size);
    this.mayFault();
    this.storesToMemory = true;
    const address = this.effective();
    const entry = this.probe(address, size, 'write'), host = this.local32(), value = this.local64();
    this.if(VOID, true);
    this.hostAddress(address, entry, 'write'); this.tee(host); this.memory(loadOps[size], 0); this.set(value);
    this.else();
    this.i32(0); this.set(host);
    this.get(address); this.i32(1 << size); this.callCore('slowLoadForUpdate'); this.set(value);
    this.abandonIfAborted();
    this.close();
    this.updateHost = host;
    return value;
  }
  write(operand: Operand, value: Value, size: number = this.size): void {
    if (operand.kind === 'register') { this.commit(); this.writeOperandRegister(operand, value, size); return; }
    if (!this.updateHost) { this.store(this.effective(), value, size); return; }
    // the page was probed for writing by readForUpdate: this store cannot fault
    this.get(this.updateHost);
    this.if(VOID, true);
    this.get(this.updateHost); this.get(value); this.memory(storeOps[size], 0);
    this.else();
    this.get(this.effective()); this.get(value); this.i32(1 << size); this.callCore('slowStore'); this.emit('drop');
    this.close();
  }
  /** Writes a register; a 32-bit result clears the upper half, smaller ones keep it. */
  writeRegister(register: number, value: Value, size: Size = 3): void { this.commit(); this.setRegister(register, value, size); }
  /** Writes bits 15:8 of a register. */
  writeHighByte(register: number, value: Value): void {
    const kept = this.and64(this.readRegister(register), this.constant(~0xff00n));
    this.writeRegister(register, this.or64(kept, this.shl64(this.and64(value, this.constant(255)), this.constant(8))));
  }
  /** rDX:rAX / divisor, 128 by 64 bits, by the core. */
  divideWide(signed: boolean, divisor: Value): void {
    this.mayFault();
    this.i32(signed ? 1 : 0); this.get(divisor); this.callCore('divideWide');
    this.if(VOID, false); this.abandon(); this.close();
    this.commit();
  }
  push(value: Value): void {
    const bytes = this.size === 1 ? 2 : 8, top = this.add64(this.readRegister(RSP), this.constant(-bytes));
    this.onStack = true;
    this.store(top, value, this.size === 1 ? 1 : 3);
    this.onStack = false;
    this.writeRegister(RSP, top);
  }
  /** The value on top of the stack; the caller then writes and calls `popped`, so that POP RSP and POP to memory come out right. */
  peek(): Value {
    this.onStack = true;
    const value = this.load(this.readRegister(RSP), this.size === 1 ? 1 : 3);
    this.onStack = false;
    return value;
  }
  popped(extra: Value = this.constant(0)): void {
    const bytes = this.size === 1 ? 2 : 8;
    this.writeRegister(RSP, this.add64(this.add64(this.readRegister(RSP), this.constant(bytes)), extra));
  }
  readVector(operand: Operand): Value { return operand.kind === 'memory' ? this.loadVector(this.effective()) : this.readOperandVector(operand); }
  writeVector(operand: Operand, value: Value): void {
    if (operand.kind === 'memory') { this.storeVector(this.effective(), value); return; }
    this.commit();
    this.writeOperandVector(operand, value);
  }

  // ---- flags
  /** Sets all six arithmetic flags from the operation. */
  flags(kind: FlagKind, result: Value, a: Value = this.constant(0), b: Value = this.constant(0)): void {
    this.commit();
    const old = kind === 'inc' || kind === 'dec' ? this.flagsC() : this.constant(0);
    this.setFlagsPair(this.signExtend(result, this.size), carryVector(this, kind, this.size, result, a, b, old));
  }
  /** CF as 0 or 1. */
  carryFlag(): Value { return this.shr64(this.flagsC(), this.constant(63)); }
  /** SF ZF AF PF CF in their places of the low byte, with bit 1 set. */
  flagsImage(): Value {
    const place = (v: Value, n: number): Value => this.shl64(v, this.constant(n));
    const pair = (code: number): Value => this.widen(conditionFromPair(this, code, this.flagsR(), this.flagsC()));
    const auxiliary = this.and64(this.shr64(this.flagsC(), this.constant(3)), this.constant(1));
    const parts = [this.carryFlag(), this.constant(2), place(pair(10), 2), place(auxiliary, 4), place(pair(4), 6), place(pair(8), 7)];
    return parts.reduce((a, b) => this.or64(a, b));
  }
  /** Sets SF ZF AF PF CF from the low byte of a value, keeps OF. */
  setFlagsImage(value: Value): void {
    this.commit();
    const at = (n: number): Value => this.bit(value, this.constant(n)), one = this.constant(1);
    const old = this.flagsC(), overflow = this.shr64(this.xor64(old, this.shl64(old, one)), this.constant(63));
    const result = this.xor64(at(6), one), carry = at(0);
    const parity = this.xor64(this.xor64(at(2), one), result);
    const c = [[carry, 63], [this.xor64(carry, overflow), 62], [at(4), 3], [at(7), 16], [parity, 8]] as const;
    this.setFlagsPair(result, c.map(([v, n]) => this.shl64(v, this.constant(n))).reduce((a, b) => this.or64(a, b)));
  }
  /** Sets CF and OF (0 or 1 each), keeps the others: rotates. */
  setCarryOverflow(carry: Value, overflow: Value): void {
    this.commit();
    const kept = this.and64(this.flagsC(), this.constant(0x3fffffffffffffffn));
    const top = this.shl64(carry, this.constant(63)), below = this.shl64(this.xor64(carry, overflow), this.constant(62));
    this.setFlagsC(this.or64(this.or64(kept, top), below));
  }
  /** Sets OF alone: 62 follows it, CF stays. */
  setOverflow(overflow: Value): void {
    this.commit();
    const old = this.flagsC(), carry = this.carryFlag();
    const below = this.shl64(this.xor64(carry, overflow), this.constant(62));
    this.setFlagsC(this.or64(this.and64(old, this.constant(~(1n << 62n))), below));
  }
  /** OF as 0 or 1. */
  overflowFlag(): Value { const c = this.flagsC(); return this.shr64(this.xor64(c, this.shl64(c, this.constant(1))), this.constant(63)); }
  /** Sets CF alone: OF (63 xor 62) is kept by flipping both. */
  setCarry(carry: Value): void {
    this.commit();
    const old = this.flagsC();
    const differs = this.and64(this.xor64(old, this.shl64(carry, this.constant(63))), this.constant(1n << 63n));
    this.setFlagsC(this.xor64(old, this.or64(differs, this.shr64(differs, this.constant(1)))));
  }

  // ---- faults and control
  faultIf(condition: Value, vector: StopOrFault): void {
    this.mayFault();
    this.get(condition); this.if(VOID, false); this.raise(vector); this.abandon(); this.close();
  }
  /** The target of a near branch, before the first commit: #GP(0) at the branch when it is not canonical. */
  mustBeCanonical(target: Value): void {
    const shift = this.constant(16);
    this.faultIf(this.compare('i64_ne', this.sar64(this.shl64(target, shift), shift), target), 'GP');
  }
  when(condition: Value, body: () => void, otherwise?: () => void): void {
    const before = this.committed;
    this.get(condition); this.if();
    body();
    const after = this.committed;
    if (otherwise) { this.else(); this.committed = before; otherwise(); }
    this.close();
    this.committed = this.committed || after;
  }

  // ---- the back end
  protected abstract tlbBase(): void;
  protected abstract tlbGeneration(): void;
  protected abstract callCore(name: CoreFunction): void;
  /** Leaves the instruction with nothing committed. */
  protected abstract abandon(): void;
  /** Leaves the address of the decoded record on the stack. */
  protected abstract recordAddress(): void;
  /** Leaves the register-file offset of the memory operand's base on the stack. */
  protected abstract operandBase(): void;
  protected abstract raise(vector: StopOrFault): void;
  abstract readRegister(register: number, size?: number): Value;
  protected abstract setRegister(register: number, value: Value, size: Size): void;
  /** Bits 15:8 of a register. */
  abstract readHighByte(register: number): Value;
  protected abstract readOperandRegister(operand: Operand, size: number): Value;
  protected abstract writeOperandRegister(operand: Operand, value: Value, size: number): void;
  protected abstract readOperandVector(operand: Operand): Value;
  protected abstract writeOperandVector(operand: Operand, value: Value): void;
  /** The register in VEX.vvvv. */
  abstract readThird(): Value;
  protected abstract setThird(value: Value): void;
  writeThird(value: Value): void { this.commit(); this.setThird(value); }
  /** A pure function of the core. */
  pure(name: CoreFunction, ...values: Value[]): Value {
    for (const v of values) this.get(v);
    this.callCore(name);
    return this.set64();
  }
  /**
   * A function of the core that does what an instruction usually does, and one that does the same with an event. They return 0 (i32) when they have left
   * all to the instruction's procedure, which comes next; the first does while such events are recorded. `kind`: of the event in root operation.
   */
  usually(name: CoreFunction, recorded: CoreFunction, kind: 'vmread' | 'vmxInstruction', ...values: Value[]): Value {
    this.mayFault();
    const result = this.local32();
    const call = (f: CoreFunction): void => { for (const v of values) this.get(v); this.recordAddress(); this.callCore(f); this.set(result); };
    this.whetherRecorded(kind, () => { this.showInstruction(); call(recorded); }, () => call(name));
    this.get(result); this.emit('i32_eqz'); this.if(VOID, false); this.abandon(); this.close();
    return result;
  }
  /** Emits one of both, or a choice between them: such events are recorded, or nobody asks for them. */
  protected abstract whetherRecorded(kind: 'vmread' | 'vmxInstruction', recorded: () => void, silent: () => void): void;
  /** Puts into memory what an event tells: RIP of this instruction, RSP, and the budget as it is behind it. */
  protected abstract showInstruction(): void;
  /** The quadword at an address of this memory. */
  loadHost(host: Value): Value { this.get(host); this.memory('i64_load', 0); return this.set64(); }
  abstract immediate(size: number): Value;
  /** Linear address of the memory operand (for LEA: its offset, the decoder leaves the segment out). */
  abstract address(): Value;
  /** Outside 64-bit mode: checks the memory operand that this record describes against its segment, and leaves its linear address in the slot `ea`. */
  abstract segmentedAddress(): void;
  abstract nextRip(): Value;
  /** The condition code of the encoding (Jcc, SETcc, CMOVcc). */
  abstract condition(): Value;
  /** The truth (i32) of a condition code that the definition names. */
  conditionCode(code: number): Value { return conditionFromPair(this, code, this.flagsR(), this.flagsC()); }
  abstract flagsR(): Value;
  abstract flagsC(): Value;
  protected abstract setFlagsPair(r: Value, c: Value): void;
  protected abstract setFlagsC(c: Value): void;
  abstract jump(target: Value): void;
  abstract jumpRelative(): void;
  abstract jumpRelativeIf(condition: Value): void;
  /** Goes on in the translated region that the running block enters. */
  abstract enterTranslation(): void;
  /** Ends the block at the next instruction (the decoder adds it at page ends and after long blocks). */
  abstract fallThrough(): void;
}
