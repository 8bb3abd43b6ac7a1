// The engine without its façade: the core and the interpreter over one memory, with the state cells as typed arrays. For tests that run
// many single instructions; 64-bit mode at CPL 3, the places of tools/vectors/layout.ts mapped to RAM.
import { readFileSync } from 'node:fs';
import { Translator, type TranslatorCore } from '../../../src/emulator/codegen/translator';
import { cpuCell, machineCell, ramBase, region, stopKinds, translationSlots } from '../../../src/emulator/codegen/state-layout';
import { writeProcessor } from '../../../src/emulator/codegen/processor-table';
import { defaultProcessorModel } from '../../../src/spec/processor-models';
import { place, type State } from '../../../tools/vectors/layout';
import { noException, type Outcome } from '../../../tools/vectors/vector-file';

const dist = new URL('../../../dist/', import.meta.url);
const memoryBytes = 0x20_0000;
/** Physical addresses of the tables and pages; the rest of the first 2 MiB is free. */
const physical = { pml4: 0x1000, pdpt: 0x2000, dataDirectory: 0x3000, dataTable: 0x4000, codeTable: 0x5000, data: 0x8000, code: 0xa000 } as const;

interface CoreExports {
  reset(vcpu: number): void; beginRun(units: number): void; refresh(): void; rflagsImage(): bigint; setRflagsImage(value: bigint): void;
  invalidateRange(physical: number, bytes: number): void; decodeForInspection(bytes: number): number;
}

const cpu = (name: string): number => cpuCell(name).address;

export class BareEngine {
  readonly memory = new WebAssembly.Memory({ initial: (ramBase + memoryBytes) / 0x1_0000, maximum: 65536 });
  readonly bytes = new Uint8Array(this.memory.buffer);
  readonly view = new DataView(this.memory.buffer);
  readonly gpr = new BigUint64Array(this.memory.buffer, cpu('gpr'), 16);
  readonly xmm = new BigUint64Array(this.memory.buffer, cpu('xmm'), 32);
  readonly core: CoreExports;
  private readonly enter: () => void;
  private readonly window = new Uint8Array(this.memory.buffer, ramBase + physical.data + (place.window - place.dataPage), place.windowBytes);

  readonly translator: Translator | undefined;
  private prepared: Uint8Array = new Uint8Array(0);

  /** `translated`: every instruction that can be translated is, before it runs. */
  constructor({ translated = false } = {}) {
    const translations = new WebAssembly.Table({ initial: translationSlots, element: 'anyfunc' });
    const load = (name: string, imports: WebAssembly.Imports): WebAssembly.Exports => new WebAssembly.Instance(new WebAssembly.Module(readFileSync(new URL(name, dist))), imports).exports;
    const core = load('core.wasm', { env: { memory: this.memory, abort: () => { throw new Error('the core stopped on an assertion'); } } });
    this.enter = load('interpreter.wasm', { core: { ...core, memory: this.memory, translations } }).run as () => void;
    this.core = core as unknown as CoreExports;
    if (translated) {
      this.translator = new Translator(this.memory, core as TranslatorCore, translations, true);
      this.view.setUint32(machineCell('translation').address, 2, true);
    }
    this.bytes.set(readFileSync(new URL('decode-tables.bin', dist)), region('decodeTables').base);
    this.view.setUint32(machineCell('ramSize').address, memoryBytes, true);
    this.view.setUint32(machineCell('vcpuCount').address, 1, true);
    writeProcessor(this.view, defaultProcessorModel);
    this.core.reset(0);
    this.view.setUint32(machineCell('stopOnException').address, 0xffff_ffff, true);
    this.userMode();
  }
  private set(name: string, value: bigint, index = 0): void {
    const c = cpuCell(name);
    if (c.type === 'u64') this.view.setBigUint64(c.address + 8 * index, value, true); else this.view.setUint32(c.address + 4 * index, Number(value), true);
  }
  /** 64-bit mode at CPL 3 as the recording process has it: flat segments, RFLAGS.IF set, IOPL 0, SSE enabled, #AC off. */
  private userMode(): void {
    const entry = (table: number, index: number, value: number): void => this.view.setBigUint64(ramBase + table + 8 * index, BigInt(value), true);
    const user = 7;
    entry(physical.pml4, 0, physical.pdpt | user);
    entry(physical.pdpt, 0, physical.dataDirectory | user);
    entry(physical.dataDirectory, place.dataPage >> 21, physical.dataTable | user);
    entry(physical.dataDirectory, place.codePage >> 21, physical.codeTable | user);
    for (let n = 0; n < place.dataBytes; n += 0x1000) entry(physical.dataTable, n >> 12, physical.data + n | user);
    entry(physical.codeTable, 0, physical.code | user);
    this.set('cr0', 0x8000_0033n);
    this.set('cr3', BigInt(physical.pml4));
    this.set('cr4', 0x1_0620n);
    this.set('efer', 0xd01n);
    this.set('cpl', 3n);
    const segment = (n: number, selector: number, rights: number): void => {
      this.set('segSelector', BigInt(selector), n);
      this.set('segRights', BigInt(rights), n);
      this.set('segLimit', 0xffff_ffffn, n);
      this.set('segBase', 0n, n);
    };
    for (const n of [0, 3, 4, 5]) segment(n, 0, 0xc0f3);
    segment(1, 0x33, 0xa0fb);
    segment(2, 0x2b, 0xc0f3);
    this.set('segBase', BigInt(place.gsBase), 5);
    segment(7, 0x40, 0x8b);
    this.set('segLimit', 0x40n, 7);                                                  // too short for an I/O permission bitmap
    this.core.refresh();
  }
  /** Bytes of the two data pages, as they are. */
  get data(): Uint8Array { return this.bytes.subarray(ramBase + physical.data, ramBase + physical.data + place.dataBytes); }
  /** Sets a cell of the processor's state and makes the core follow. */
  setCell(name: string, value: bigint): void { this.set(name, value); this.core.refresh(); }
  getCell(name: string): bigint { const c = cpuCell(name); return c.type === 'u64' ? this.view.getBigUint64(c.address, true) : BigInt(this.view.getUint32(c.address, true)); }
  /** Code of that size from now on: 64-bit mode, or compatibility mode. */
  setCodeSize(bits: 16 | 32 | 64): void { this.set('segRights', bits === 64 ? 0xa0fbn : bits === 32 ? 0xc0fbn : 0x80fbn, 1); this.core.refresh(); }
  /** Puts a state and an instruction in place, to be run from its first byte. */
  prepare(code: Uint8Array, state: State, mxcsr: number): void {
    const page = ramBase + physical.code, at = page + (place.code - place.codePage);
    if (code.length !== this.prepared.length || code.some((byte, n) => byte !== this.prepared[n])) {
      this.bytes.fill(0xcc, page, page + 0x1000);
      this.bytes.set(code, at);
      this.core.invalidateRange(physical.code, 0x1000);
      this.prepared = code;
    }
    this.gpr.set(state.gpr);
    this.xmm.set(state.xmm);
    this.data.fill(0);
    this.window.set(new Uint8Array(state.window.buffer));
    this.core.setRflagsImage(BigInt(state.rflags));
    this.view.setUint32(cpu('mxcsr'), mxcsr, true);
    this.view.setBigUint64(cpu('rip'), BigInt(place.code), true);
    this.view.setBigUint64(cpuCell('hookSkip').address, 0xffff_ffff_ffff_ffffn, true);
  }
  /** Runs one unit (or so many) and says what came of it; the arrays of the outcome are the engine's own. */
  step(units = 1): Outcome {
    this.core.beginRun(units);
    for (;;) {
      this.enter();
      if (!this.translator || this.view.getUint32(machineCell('translationRequest').address, true) === 0) break;
      this.translator.serve();
    }
    const stop = stopKinds[this.view.getUint32(machineCell('stopKind').address, true)];
    const exception = stop === 'exception' ? this.view.getUint32(machineCell('stopReasonIndex').address, true) : noException;
    const pageFault = exception === 14;
    return {
      exception, error: pageFault ? this.view.getUint32(cpu('faultError'), true) : 0, cr2: pageFault ? this.view.getBigUint64(cpu('faultAddress'), true) : 0n,
      gpr: this.gpr, xmm: this.xmm, rflags: Number(this.core.rflagsImage()), rip: this.view.getBigUint64(cpu('rip'), true), mxcsr: this.view.getUint32(cpu('mxcsr'), true), window: this.window,
    };
  }
}
