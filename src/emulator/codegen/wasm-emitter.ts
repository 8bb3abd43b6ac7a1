// Emits WebAssembly: opcodes, LEB numbers, structured labels by name, function bodies and whole modules.
// Nothing here knows of x86. A `Value` is a handle of a local or a constant; it is never a run-time number in TypeScript.

/** A 64-bit (or, for conditions, 32-bit) run-time value: a local, or a constant known while emitting. */
export type Value = Local | Constant;
export class Local { constructor(readonly index: number) {} }
export class Constant { constructor(readonly value: bigint) {} }

export const I32 = 0x7f, I64 = 0x7e, V128 = 0x7b, VOID = 0x40;

/** Opcodes by the names of the WebAssembly text format. */
export const op = {
  unreachable: 0x00, block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c, br_if: 0x0d, br_table: 0x0e, return: 0x0f, call: 0x10, call_indirect: 0x11,
  drop: 0x1a, select: 0x1b, local_get: 0x20, local_set: 0x21, local_tee: 0x22,
  i32_load: 0x28, i64_load: 0x29, i32_load8_u: 0x2d, i32_load16_u: 0x2f, i64_load8_u: 0x31, i64_load16_u: 0x33, i64_load32_s: 0x34, i64_load32_u: 0x35,
  i32_store: 0x36, i64_store: 0x37, i32_store8: 0x3a, i64_store8: 0x3c, i64_store16: 0x3d, i64_store32: 0x3e,
  i32_const: 0x41, i64_const: 0x42, i32_eqz: 0x45, i32_eq: 0x46, i32_ne: 0x47, i32_lt_s: 0x48, i32_lt_u: 0x49, i32_gt_s: 0x4a, i32_gt_u: 0x4b, i32_le_s: 0x4c, i32_ge_s: 0x4e, i32_ge_u: 0x4f,
  i64_eqz: 0x50, i64_eq: 0x51, i64_ne: 0x52, i64_lt_s: 0x53, i64_lt_u: 0x54, i64_gt_s: 0x55, i64_gt_u: 0x56, i64_le_s: 0x57, i64_le_u: 0x58, i64_ge_s: 0x59, i64_ge_u: 0x5a,
  i32_add: 0x6a, i32_sub: 0x6b, i32_mul: 0x6c, i32_and: 0x71, i32_or: 0x72, i32_xor: 0x73, i32_shl: 0x74, i32_shr_s: 0x75, i32_shr_u: 0x76,
  i64_clz: 0x79, i64_ctz: 0x7a, i64_popcnt: 0x7b, i64_add: 0x7c, i64_sub: 0x7d, i64_mul: 0x7e, i64_div_s: 0x7f, i64_div_u: 0x80, i64_rem_s: 0x81, i64_rem_u: 0x82,
  i64_and: 0x83, i64_or: 0x84, i64_xor: 0x85, i64_shl: 0x86, i64_shr_s: 0x87, i64_shr_u: 0x88, i64_rotl: 0x89, i64_rotr: 0x8a,
  i32_wrap_i64: 0xa7, i64_extend_i32_s: 0xac, i64_extend_i32_u: 0xad, i64_extend8_s: 0xc2, i64_extend16_s: 0xc3, i64_extend32_s: 0xc4, simd: 0xfd,
} as const;
export type Op = keyof typeof op;

const smallConstants = Array.from({ length: 257 }, (_, i) => new Constant(BigInt(i - 1)));

export class WasmEmitter {
  protected bytes = new Uint8Array(1 << 16);
  protected length = 0;
  private labels: string[] = [];
  // the position of the last local.set, so that a get of the same local right after it becomes a tee
  private setAt = -1;
  private setEnd = -1;
  private setLocal = -1;
  private hints: BranchHint[] = [];

  /** Starts a fresh body. */
  restart(): void { this.length = 0; this.setEnd = -1; this.labels = []; this.hints = []; }
  /** The bytes since `restart`. */
  take(): Uint8Array { return this.bytes.slice(0, this.length); }
  /** The hints since `restart`, which begins a new list. */
  get branchHints(): readonly BranchHint[] { return this.hints; }
  get emitted(): number { return this.length; }

  byte(value: number): void {
    if (this.length === this.bytes.length) { const grown = new Uint8Array(this.bytes.length * 2); grown.set(this.bytes); this.bytes = grown; }
    this.bytes[this.length++] = value;
  }
  raw(bytes: Uint8Array | readonly number[]): void { for (const b of bytes) this.byte(b); }
  unsigned(value: number): void {
    let v = value >>> 0;
    while (v > 127) { this.byte((v & 127) | 128); v >>>= 7; }
    this.byte(v);
  }
  private signedNumber(value: number): void {
    let v = value | 0;
    for (;;) {
      const b = v & 127;
      v >>= 7;
      if ((v === 0 && !(b & 64)) || (v === -1 && (b & 64) !== 0)) { this.byte(b); return; }
      this.byte(b | 128);
    }
  }
  private signed(value: bigint): void {
    let v = value;
    for (;;) {
      const b = Number(v & 127n);
      v >>= 7n;
      if ((v === 0n && !(b & 64)) || (v === -1n && (b & 64))) { this.byte(b); return; }
      this.byte(b | 128);
    }
  }
  text(value: string): void { this.unsigned(value.length); for (let i = 0; i < value.length; i++) this.byte(value.charCodeAt(i)); }

  /** Plain opcodes, in order. */
  emit(...names: Op[]): void { for (const name of names) this.byte(op[name]); }
  /** A load or store with a constant offset; the address (i32) and the value are on the stack. */
  memory(name: Op, offset: number): void { this.byte(op[name]); this.byte(0); this.unsigned(offset); }
  i32(value: number): void { this.byte(op.i32_const); this.signedNumber(value); }
  i64(value: bigint | number): void {
    this.byte(op.i64_const);
    if (typeof value === 'number' && value === (value | 0)) this.signedNumber(value); else this.signed(BigInt.asIntN(64, BigInt(value)));
  }

  constant(value: bigint | number): Constant {
    const v = BigInt(value);
    return v >= -1n && v < 256n ? smallConstants[Number(v) + 1] : new Constant(v);
  }
  get(value: Value): void {
    if (value instanceof Constant) { this.i64(value.value); return; }
    if (this.length === this.setEnd && value.index === this.setLocal) { this.bytes[this.setAt] = op.local_tee; this.setEnd = -1; return; }
    this.byte(op.local_get);
    this.unsigned(value.index);
  }
  set(local: Local): void {
    this.setAt = this.length;
    this.byte(op.local_set);
    this.unsigned(local.index);
    this.setEnd = this.length;
    this.setLocal = local.index;
  }
  tee(local: Local): void { this.byte(op.local_tee); this.unsigned(local.index); }

  open(name: 'block' | 'loop' | 'if', label: string, type = VOID): void { this.byte(op[name]); this.byte(type); this.labels.push(label); }
  close(): void { this.byte(op.end); this.labels.pop(); this.setEnd = -1; }
  /** `usual`: what the condition is nearly always. Compilers lay the other way aside, with whatever it wants saved. */
  if(type = VOID, usual?: boolean): void { this.hint(usual); this.open('if', 'if', type); }
  private hint(usual: boolean | undefined): void { if (usual !== undefined) this.hints.push({ at: this.length, usual }); }
  else(): void { this.byte(op.else); this.setEnd = -1; }
  /** Relative depth of a label, for br and br_table. */
  depth(label: string): number {
    const at = this.labels.lastIndexOf(label);
    if (at < 0) throw new Error(`no open label ${label}`);
    return this.labels.length - 1 - at;
  }
  isOpen(label: string): boolean { return this.labels.includes(label); }
  branch(label: string): void { this.emit('br'); this.unsigned(this.depth(label)); }
  branchIf(label: string, usual?: boolean): void { this.hint(usual); this.emit('br_if'); this.unsigned(this.depth(label)); }
  branchTable(labels: readonly string[], otherwise: string): void {
    this.emit('br_table');
    this.unsigned(labels.length);
    for (const label of labels) this.unsigned(this.depth(label));
    this.unsigned(this.depth(otherwise));
  }
  call(functionIndex: number): void { this.emit('call'); this.unsigned(functionIndex); }
}

export interface FunctionType { readonly params: readonly number[]; readonly results: readonly number[] }
/** What the condition of the `if` or `br_if` at a byte of the code is nearly always. */
export interface BranchHint { readonly at: number; readonly usual: boolean }
export interface FunctionBody {
  readonly type: FunctionType; readonly locals: readonly (readonly [count: number, type: number])[]; readonly code: Uint8Array; readonly exportName?: string;
  readonly hints?: readonly BranchHint[];
}
export interface ModuleParts {
  readonly importModule: string;
  readonly imports: readonly { name: string; type: FunctionType }[];
  readonly memoryPages: { min: number; max: number };
  readonly functions: readonly FunctionBody[];
  /** A table of functions that is imported, for call_indirect on table 0. */
  readonly importedTable?: string;
  /** Function indices (imports first) of the module's own table, for call_indirect on the table after the imported one. */
  readonly table?: readonly number[];
}

/** Interns function types so that call_indirect can name them while bodies are emitted. */
export class TypeSection {
  readonly types: FunctionType[] = [];
  indexOf(type: FunctionType): number {
    const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((x, i) => x === b[i]);
    let at = this.types.findIndex(t => same(t.params, type.params) && same(t.results, type.results));
    if (at < 0) at = this.types.push(type) - 1;
    return at;
  }
}

/** Assembles a module whose memory is imported as `memory`. Function indices: imports first, then `functions` in order. */
export function assembleModule(parts: ModuleParts, types: TypeSection): Uint8Array {
  const e = new WasmEmitter();
  const section = (id: number, write: (s: WasmEmitter) => void): void => {
    const body = new WasmEmitter();
    write(body);
    e.byte(id);
    e.unsigned(body.emitted);
    e.raw(body.take());
  };
  for (const f of [...parts.imports, ...parts.functions]) types.indexOf(f.type);
  e.raw([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  section(1, s => {
    s.unsigned(types.types.length);
    for (const t of types.types) { s.byte(0x60); s.unsigned(t.params.length); s.raw(t.params); s.unsigned(t.results.length); s.raw(t.results); }
  });
  section(2, s => {
    s.unsigned(parts.imports.length + (parts.importedTable ? 2 : 1));
    for (const i of parts.imports) { s.text(parts.importModule); s.text(i.name); s.byte(0); s.unsigned(types.indexOf(i.type)); }
    s.text(parts.importModule); s.text('memory'); s.raw([2, 1]); s.unsigned(parts.memoryPages.min); s.unsigned(parts.memoryPages.max);
    if (parts.importedTable) { s.text(parts.importModule); s.text(parts.importedTable); s.raw([1, 0x70, 0, 0]); }
  });
  section(3, s => { s.unsigned(parts.functions.length); for (const f of parts.functions) s.unsigned(types.indexOf(f.type)); });
  if (parts.table) { const n = parts.table.length; section(4, s => { s.unsigned(1); s.raw([0x70, 1]); s.unsigned(n); s.unsigned(n); }); }
  const exported = parts.functions.map((f, i) => ({ name: f.exportName, index: parts.imports.length + i })).filter(x => x.name !== undefined);
  section(7, s => { s.unsigned(exported.length); for (const x of exported) { s.text(x.name!); s.byte(0); s.unsigned(x.index); } });
  if (parts.table) {
    const table = parts.table;
    section(9, s => { s.unsigned(1);
      if (parts.importedTable) s.raw([2, 1]); else s.byte(0);                               // with the index of the table, or without
      s.i32(0); s.emit('end');
      if (parts.importedTable) s.byte(0);
      s.unsigned(table.length); for (const f of table) s.unsigned(f); });
  }
  const bodies = parts.functions.map(({ locals, code }) => {
    const head = new WasmEmitter();
    head.unsigned(locals.length);
    for (const [count, type] of locals) { head.unsigned(count); head.byte(type); }
    return { head: head.take(), code };
  });
  // the section of the branch-hinting proposal; engines that do not know it pass over it
  section(0, s => {
    s.text('metadata.code.branch_hint');
    const hinted = parts.functions.map(({ hints = [] }, n) => ({ n, hints })).filter(({ hints }) => hints.length > 0);
    s.unsigned(hinted.length);
    for (const { n, hints } of hinted) {
      s.unsigned(parts.imports.length + n);
      s.unsigned(hints.length);
      for (const { at, usual } of hints) { s.unsigned(bodies[n].head.length + at); s.unsigned(1); s.byte(usual ? 1 : 0); }
    }
  });
  section(10, s => {
    s.unsigned(bodies.length);
    for (const { head, code } of bodies) { s.unsigned(head.length + code.length); s.raw(head); s.raw(code); }
  });
  return e.take();
}
