// The machine behind the façade: one WebAssembly memory, the core and the interpreter over it.
import {
  eventFields, eventKinds, exitRelations, exitTermBytes, exitTestBytes, exitValues, machineCells, mostExitTerms, mostExitTests, cpuCells, cpuStateBytes, ramBase,
  region, stopKinds, translationSlots, type EventKind,
} from './codegen/state-layout';
import { deviceCell, maximumVcpus } from './codegen/device-layout';
import { vmcsFieldByEncoding, vmcsOffset } from '../spec/vmcs-fields';
import { writeProcessor } from './codegen/processor-table';
import { Translator, type TranslatorCore, type TranslatorStatistics } from './codegen/translator';
import { brokenModelRules, defaultProcessorModel, type ProcessorModel } from '../spec/processor-models';
import { EventReader } from './event-ring';
import type { ApicState, EngineModules, ExitTest, Machine, MachineOptions, PagingContext, RegisterFile, RunResult, StopMask, Translation, VmxState, Watch, WatchHit } from './machine';
import { MachineRegisters } from './registers';
import { type Snapshot, type SnapshotCore, Snapshots } from './replay/snapshots';
import { readHits, writeWatches } from './watch-table';

/** Exports of the core that the façade calls. */
interface CoreExports extends SnapshotCore {
  reset(): void;
  beginRun(units: number): void;
  refresh(): void;
  dropCodeAt(offset: number): void;
  watchesChanged(): void;
  setRflagsImage(value: bigint): void;
  taskPriority(): number;
  setTaskPriority(priority: number): void;
  serialInput(byte: number): number;
  pulseNmi(): void;
  readMsrForDebugger(index: number): bigint;
  writeMsrForDebugger(index: number, value: bigint): number;
  hasApicRegister(vcpu: number, offset: number): number;
  inspectApic(vcpu: number, offset: number): number;
  pokeApic(vcpu: number, offset: number, value: number): number;
  inspectTranslation(linear: bigint, cr0: bigint, cr3: bigint, cr4: bigint, efer: bigint, eptp: bigint): number;
  readonly translatedPhysical: WebAssembly.Global;
  readonly translatedGuestPhysical: WebAssembly.Global;
}

const largestMemory = 0xe000_0000;
const noAddress = 0xffff_ffff_ffff_ffffn;
/** Marks hooks on host-physical memory: no canonical linear address looks like that. */
const physicalHook = 1n << 62n;
const defaultEvents: readonly EventKind[] = ['reset', 'vmxInstruction', 'vmread', 'vmExit', 'vmEntry', 'unimplemented', 'tripleFault', 'vcpuSwitch'];

/** Makes a machine in its state after RESET. Throws RangeError for options that no machine can have, or when the memory is not to be had. */
export async function createMachine(modules: EngineModules, options: MachineOptions): Promise<Machine> {
  const { memoryBytes, vcpus = 1, processor = defaultProcessorModel, translator = 'on' } = options;
  if (!Number.isInteger(memoryBytes) || memoryBytes < 0x20_0000 || memoryBytes > largestMemory || memoryBytes % 0x20_0000 !== 0) {
    throw new RangeError('the memory of a machine is 2 MiB to 3.5 GiB, in steps of 2 MiB');
  }
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > maximumVcpus) throw new RangeError(`a machine has 1 to ${maximumVcpus} processors`);
  const [broken] = brokenModelRules(processor);
  if (broken !== undefined) throw new RangeError(broken);
  const pages = (ramBase + memoryBytes) / 0x1_0000;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536 });
  const compile = (m: BufferSource | WebAssembly.Module): Promise<WebAssembly.Module> => m instanceof WebAssembly.Module ? Promise.resolve(m) : WebAssembly.compile(m);
  const [coreModule, interpreterModule] = await Promise.all([compile(modules.core), compile(modules.interpreter)]);
  const core = await WebAssembly.instantiate(coreModule, { env: { memory, abort: () => { throw new Error('the core stopped on an assertion'); } } });
  const translations = new WebAssembly.Table({ initial: translationSlots, element: 'anyfunc' });
  const interpreter = await WebAssembly.instantiate(interpreterModule, { core: { ...core.exports, memory, translations } });
  new Uint8Array(memory.buffer).set(modules.decodeTables, region('decodeTables').base);
  const machine = new WasmMachine(memory, core.exports as unknown as CoreExports, interpreter.exports.run as () => void, memoryBytes, vcpus, processor);
  const always = translator === 'always';
  if (translator !== 'off') machine.translateWith(() => new Translator(memory, core.exports as TranslatorCore, translations, always), always);
  return machine;
}

/** Addresses of the cells, looked up once: `run` is called for every stop that a condition refuses. */
const at = Object.fromEntries(machineCells.map(({ name, address }) => [name, address]));
const cpuAt = Object.fromEntries(cpuCells.map(({ name, address }) => [name, address]));
const exitTests = region('exitTests'), codeHooks = region('codeHooks'), serialOut = region('serialOut'), cpu = region('cpu'), parkedCpus = region('parkedCpus');
// looked up once: a stack of hypervisors makes millions of events a second, and stops that a condition refuses are hundreds of thousands
const { ringHead, ringTail, deadline, budget, stopKind, stopReasonIndex, stopAddress, translationRequest } = at, { hookSkip, rip: ripCell, segBase } = cpuAt, activeId = cpuAt.id;
const csBase = segBase + 8;

class WasmMachine implements Machine {
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly reader: EventReader;
  private readonly hooks = new Map<bigint, number>();
  private hooksChanged = false;
  private serialTail = 0;
  private readonly snapshots: Snapshots;
  private translator: Translator | undefined;
  private makeTranslator: (() => Translator) | undefined;

  constructor(memory: WebAssembly.Memory, private readonly core: CoreExports, private readonly enter: () => void, readonly memoryBytes: number, readonly vcpuCount: number,
    readonly processor: ProcessorModel) {
    this.view = new DataView(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
    this.reader = new EventReader(this.view);
    this.snapshots = new Snapshots(memory, core, memoryBytes, vcpuCount);
    this.view.setUint32(at.ramSize, memoryBytes, true);
    this.view.setUint32(at.vcpuCount, vcpuCount, true);
    writeProcessor(this.view, processor);
    this.recordEvents(defaultEvents);
    core.reset();
  }

  get activeVcpu(): number { return this.view.getUint32(activeId, true); }
  /** How far the state of a vCPU lies from that of the active one. */
  private offsetOf(vcpu: number): number { return vcpu === this.activeVcpu ? 0 : parkedCpus.base + vcpu * cpu.size - cpu.base; }
  /** Does something of the core as that vCPU, which gets the place of the active one for that long. */
  private as<T>(vcpu: number, use: () => T): T {
    if (vcpu === this.activeVcpu) return use();
    const active = this.bytes.slice(cpu.base, cpu.base + cpuStateBytes), parked = parkedCpus.base + vcpu * cpu.size;
    this.bytes.copyWithin(cpu.base, parked, parked + cpuStateBytes);
    try { return use(); } finally {
      this.bytes.copyWithin(parked, cpu.base, cpu.base + cpuStateBytes);
      this.bytes.set(active, cpu.base);
    }
  }
  /** The same, where the core may choose translations anew. */
  private change<T>(vcpu: number, use: () => T): T {
    const result = this.as(vcpu, use);
    if (vcpu !== this.activeVcpu) this.core.refresh();
    return result;
  }

  time(): bigint { return BigInt.asUintN(64, this.core.timeNow()); }

  run(maxUnits: number): RunResult {
    if (!Number.isInteger(maxUnits) || maxUnits < 1 || maxUnits > 0x7fff_ffff) throw new RangeError('a run is 1 to 2147483647 units long');
    if (this.hooksChanged) this.writeHooks();
    for (let vcpu = 0; vcpu < this.vcpuCount; vcpu++) this.checkPassedHook(this.offsetOf(vcpu));
    const before = this.clock();
    this.core.beginRun(maxUnits);
    do this.enter(); while (this.wantsTranslation());
    const kind = stopKinds[this.view.getUint32(stopKind, true)], index = this.view.getUint32(stopReasonIndex, true), units = this.clock() - before;
    // at the end of the budget the index is the vCPU that retired the last unit; the turn may have passed to another one
    return { kind, vcpu: kind === 'budget' ? index : this.activeVcpu, units, index: kind === 'budget' ? 0 : index, address: this.view.getBigUint64(stopAddress, true) };
  }
  /** Virtual time as a number: deadline less budget. */
  private clock(): number {
    return this.view.getUint32(deadline, true) + this.view.getUint32(deadline + 4, true) * 0x1_0000_0000 - this.view.getInt32(budget, true);
  }
  /** A hook that was stopped at is passed once, but only when the run goes on from there. */
  private checkPassedHook(offset: number): void {
    if (this.view.getInt32(hookSkip + offset, true) === -1 && this.view.getInt32(hookSkip + offset + 4, true) === -1) return;
    const skip = this.view.getBigUint64(hookSkip + offset, true), linearRip = this.view.getBigUint64(ripCell + offset, true) + this.view.getBigUint64(csBase + offset, true);
    if (skip !== linearRip) this.view.setBigUint64(hookSkip + offset, noAddress, true);
  }
  /** Hot blocks are translated from now on. */
  translateWith(make: () => Translator, always: boolean): void {
    this.makeTranslator = make;
    this.view.setUint32(at.translation, always ? 2 : 1, true);
  }
  /** The run loop has left only to have a block translated. */
  private wantsTranslation(): boolean {
    if (this.view.getUint32(translationRequest, true) === 0) return false;
    this.translator ??= this.makeTranslator!();
    this.translator.serve();
    return true;
  }

  setStops(mask: StopMask): void {
    const exits = [0, 0, 0, 0];
    for (const reason of mask.exits ?? []) if (reason >= 0 && reason < 128) exits[reason >> 5] |= 1 << (reason & 31);
    exits.forEach((word, n) => this.view.setUint32(at.stopOnExit + 4 * n, word >>> 0, true));
    this.writeExitTests(mask.exitTests ?? []);
    const bits = (list: Iterable<number> | undefined): number => { let word = 0; for (const n of list ?? []) if (n >= 0 && n < 32) word |= 1 << n; return word >>> 0; };
    this.view.setUint32(at.stopOnVmx, bits(mask.vmxInstructions), true);
    this.view.setUint32(at.stopOnException, bits(mask.exceptions), true);
    const flag = (name: string, on: boolean | undefined): void => this.view.setUint32(at[name], on ? 1 : 0, true);
    this.view.setUint32(at.stopOnEntry, (mask.everyEntry ? 1 : 0) | (mask.answers ? 2 : 0), true);
    flag('stopOnVmfail', mask.vmfail);
    flag('stopOnEntryFailure', mask.entryFailure);
    flag('stopOnTripleFault', mask.tripleFault);
  }

  private writeExitTests(tests: readonly ExitTest[]): void {
    const fits = tests.length <= mostExitTests, { base } = exitTests;
    this.view.setUint32(at.exitTestCount, fits ? tests.length : 0, true);
    for (const [n, test] of (fits ? tests : []).entries()) {
      const terms = test.slice(0, mostExitTerms), start = base + n * exitTestBytes;
      this.view.setUint32(start, terms.length, true);
      for (const [i, { value, mask = noAddress, relation, operand }] of terms.entries()) {
        const term = start + 16 + i * exitTermBytes;
        this.view.setUint32(term, typeof value === 'number' ? exitValues.register + value : value === 'reason' || value === 'vcpu' ? exitValues[value] : exitValues.field + vmcsOffset(value), true);
        this.view.setUint32(term + 4, exitRelations.indexOf(relation), true);
        this.view.setBigUint64(term + 8, operand, true);
        this.view.setBigUint64(term + 16, mask, true);
      }
    }
  }

  addCodeHook(address: bigint, space: 'linear' | 'physical' = 'linear'): void {
    const linear = space === 'physical' ? address | physicalHook : address;
    const count = this.hooks.get(linear) ?? 0;
    this.hooks.set(linear, count + 1);
    if (count === 0) this.hooksChanged = true;
  }
  removeCodeHook(address: bigint, space: 'linear' | 'physical' = 'linear'): void {
    const linear = space === 'physical' ? address | physicalHook : address;
    const count = this.hooks.get(linear) ?? 0;
    if (count > 1) { this.hooks.set(linear, count - 1); return; }
    if (count === 1) { this.hooks.delete(linear); this.hooksChanged = true; }
  }
  passStopsHere(): void {
    this.view.setBigUint64(cpuAt.hookSkip, this.view.getBigUint64(cpuAt.rip, true) + this.view.getBigUint64(cpuAt.segBase + 8, true), true);
    this.view.setBigUint64(cpuAt.hookSkipTime, this.time(), true);
    this.view.setUint32(cpuAt.hookSkipKinds, 0xffff_ffff, true);
  }
  /** The core finds hooks by page offset while it decodes and by full address when it gets there; code with an instruction at an offset that is new or gone is decoded anew. */
  private writeHooks(): void {
    const { base, size } = codeHooks, slots = BigInt(size / 8), offsets = this.bytes.subarray(at.hookOffsets, at.hookOffsets + 4096), before = offsets.slice();
    this.bytes.fill(0xff, base, base + size);
    offsets.fill(0);
    for (const linear of this.hooks.keys()) {
      let n = (linear ^ linear >> 13n) & (slots - 1n);
      while (this.view.getBigUint64(base + Number(n) * 8, true) !== noAddress) n = (n + 1n) & (slots - 1n);
      this.view.setBigUint64(base + Number(n) * 8, linear, true);
      offsets[Number(linear & 0xfffn)] = 1;
    }
    this.view.setUint32(at.hookCount, this.hooks.size, true);
    before.forEach((hooked, offset) => { if (hooked !== offsets[offset]) this.core.dropCodeAt(offset); });
    this.hooksChanged = false;
  }

  setWatches(watches: Iterable<Watch>): void {
    const counts = writeWatches(this.view, [...watches]);
    counts.forEach((count, n) => this.view.setUint32(at.watchCount + 4 * n, count, true));
    this.view.setUint32(at.watchesMemory, counts[0] + counts[1] + counts[2], true);
    this.core.watchesChanged();
  }
  watchHits(): WatchHit[] { return readHits(this.view, this.view.getUint32(at.watchHits, true)); }

  recordEvents(kinds: Iterable<EventKind>): void {
    let mask = 0;
    for (const kind of kinds) mask |= 1 << eventKinds.indexOf(kind);
    this.view.setUint32(at.eventMask, mask >>> 0, true);
  }
  drainEvents(visit: (event: EventReader) => void): void {
    const { view, reader } = this, head = view.getUint32(ringHead, true);
    let tail = view.getUint32(ringTail, true);
    while (tail !== head) {
      reader.seek(tail);
      const { at } = reader;
      if (view.getUint8(at + eventFields.kind) !== 0) visit(reader);
      tail = (tail + view.getUint8(at + eventFields.slots)) >>> 0;
      view.setUint32(ringTail, tail, true);
    }
  }

  registers(vcpu: number): RegisterFile {
    const { core } = this, as = <T>(use: () => T): T => this.as(vcpu, use), change = <T>(use: () => T): T => this.change(vcpu, use);
    this.checkVcpu(vcpu);
    return new MachineRegisters({
      view: this.view, address: () => cpu.base + this.offsetOf(vcpu),
      rflags: () => as(() => BigInt.asUintN(64, core.rflagsImage())), setRflags: value => change(() => core.setRflagsImage(value)),
      taskPriority: () => as(() => core.taskPriority()), setTaskPriority: priority => as(() => core.setTaskPriority(priority)),
      readMsr: index => as(() => BigInt.asUintN(64, core.readMsrForDebugger(index))), writeMsr: (index, value) => change(() => core.writeMsrForDebugger(index, value) === 0),
      refresh: () => change(() => core.refresh()),
    });
  }
  private checkVcpu(vcpu: number): void { if (!Number.isInteger(vcpu) || vcpu < 0 || vcpu >= this.vcpuCount) throw new RangeError(`no vCPU ${vcpu}`); }
  vmx(vcpu: number): VmxState {
    this.checkVcpu(vcpu);
    const offset = this.offsetOf(vcpu), word = (name: string): number => this.view.getUint32(cpuAt[name] + offset, true);
    const pointer = (name: string): bigint | undefined => { const v = this.view.getBigUint64(cpuAt[name] + offset, true); return v === noAddress ? undefined : v; };
    const vmxOn = word('vmxOn') !== 0, eptp = this.view.getBigUint64(cpuAt.eptp + offset, true);
    return {
      vmxOn, nonRoot: word('nonRoot') !== 0, vmxonPointer: vmxOn ? pointer('vmxonPointer') : undefined, currentVmcs: vmxOn ? pointer('currentVmcs') : undefined,
      eptp: eptp === 0n ? undefined : eptp, vpid: word('vpid'),
    };
  }

  apic(vcpu: number): ApicState {
    const base = this.view.getBigUint64(deviceCell('apic', 'base', vcpu), true);
    return {
      base: base & ~0xfffn, enabled: (base & 0x800n) !== 0n, x2apic: (base & 0x400n) !== 0n,
      read: offset => this.core.hasApicRegister(vcpu, offset) ? this.core.inspectApic(vcpu, offset) >>> 0 : undefined,
      write: (offset, value) => { if (!this.core.pokeApic(vcpu, offset, value)) throw new RangeError(`the register at ${offset.toString(16)}h of the APIC cannot be written`); },
    };
  }

  private vmcsField(pointer: bigint, encoding: number): { at: number; bits: number; high: boolean } | undefined {
    const field = vmcsFieldByEncoding(encoding & ~1);
    if (!field || !this.isRam(pointer, 4096)) return undefined;
    const high = (encoding & 1) !== 0;
    if (high && field.width !== 64) return undefined;
    return { at: ramBase + Number(pointer) + vmcsOffset(field.id as never), bits: high ? 32 : field.width === 16 ? 16 : field.width === 32 ? 32 : 64, high };
  }
  readVmcs(pointer: bigint, encoding: number): bigint | undefined {
    const place = this.vmcsField(pointer, encoding);
    if (!place) return undefined;
    const value = this.view.getBigUint64(place.at, true);
    return BigInt.asUintN(place.bits, place.high ? value >> 32n : value);
  }
  writeVmcs(pointer: bigint, encoding: number, value: bigint): boolean {
    const place = this.vmcsField(pointer, encoding);
    if (!place) return false;
    const old = this.view.getBigUint64(place.at, true), wanted = BigInt.asUintN(place.bits, value);
    this.snapshots.written(place.at - ramBase, 8);
    this.core.invalidateRange(place.at - ramBase, 8);
    this.view.setBigUint64(place.at, place.high ? (old & 0xffff_ffffn) | wanted << 32n : wanted, true);
    return true;
  }

  private isRam(address: bigint, length: number): boolean { return address >= 0n && address + BigInt(length) <= BigInt(this.memoryBytes); }
  readPhysical(address: bigint, length: number): Uint8Array | undefined {
    if (!this.isRam(address, length)) return undefined;
    const at = ramBase + Number(address);
    return this.bytes.slice(at, at + length);
  }
  writePhysical(address: bigint, bytes: Uint8Array): boolean {
    if (!this.isRam(address, bytes.length)) return false;
    if (bytes.length === 0) return true;
    this.bytes.set(bytes, ramBase + Number(address));
    this.snapshots.written(Number(address), bytes.length);
    this.core.invalidateRange(Number(address), bytes.length);
    return true;
  }

  translate(vcpu: number, linear: bigint, context?: PagingContext): Translation {
    const read = (name: string): bigint => this.view.getBigUint64(cpuAt[name] + this.offsetOf(vcpu), true);
    const { cr0, cr3, cr4, efer, eptp = 0n } = context ?? { cr0: read('cr0'), cr3: read('cr3'), cr4: read('cr4'), efer: read('efer'), eptp: read('eptp') };
    const pageBytes = this.core.inspectTranslation(BigInt.asIntN(64, linear), cr0, cr3, cr4, efer, eptp) >>> 0;
    const physical = BigInt.asUintN(64, this.core.translatedPhysical.value as bigint), guestPhysical = BigInt.asUintN(64, this.core.translatedGuestPhysical.value as bigint);
    if (pageBytes !== 0) return { kind: 'mapped', guestPhysical, physical, pageBytes };
    const step = Number(physical), names = ['', 'PTE', 'PDE', 'PDPTE', 'PML4E'];
    if (step < 0x100) return { kind: 'fault', step: names[step] };
    return step === 0x100 ? { kind: 'fault', step: 'EPT', guestPhysical } : { kind: 'fault', step: `EPT of the ${names[step & 7]}` };
  }
  /** Calls `use` with each physical piece of a linear range; false when a page is not mapped to RAM. */
  private pieces(vcpu: number, linear: bigint, length: number, context: PagingContext | undefined, use: (physical: bigint, from: number, bytes: number) => void): boolean {
    for (let done = 0; done < length;) {
      const at = BigInt.asUintN(64, linear + BigInt(done)), bytes = Math.min(length - done, 0x1000 - Number(at & 0xfffn));
      const found = this.translate(vcpu, at, context);
      if (found.kind !== 'mapped' || !this.isRam(found.physical, bytes)) return false;
      use(found.physical, done, bytes);
      done += bytes;
    }
    return true;
  }
  readLinear(vcpu: number, linear: bigint, length: number, context?: PagingContext): Uint8Array | undefined {
    const out = new Uint8Array(length);
    const copy = (physical: bigint, from: number, bytes: number): void => out.set(this.bytes.subarray(ramBase + Number(physical), ramBase + Number(physical) + bytes), from);
    return this.pieces(vcpu, linear, length, context, copy) ? out : undefined;
  }
  writeLinear(vcpu: number, linear: bigint, bytes: Uint8Array, context?: PagingContext): boolean {
    // every page is looked at before the first byte is written
    if (!this.pieces(vcpu, linear, bytes.length, context, () => {})) return false;
    return this.pieces(vcpu, linear, bytes.length, context, (physical, from, count) => { this.writePhysical(physical, bytes.subarray(from, from + count)); });
  }

  sendSerial(byte: number): boolean { return this.core.serialInput(byte & 0xff) !== 0; }
  pressNmi(): void { this.core.pulseNmi(); }

  snapshot(): Snapshot { return this.snapshots.take(); }
  restore(snapshot: Snapshot): void {
    this.snapshots.restore(snapshot);
    for (let vcpu = 0; vcpu < this.vcpuCount; vcpu++) this.view.setBigUint64(cpuAt.hookSkip + this.offsetOf(vcpu), noAddress, true);
    this.view.setUint32(ringTail, this.view.getUint32(ringHead, true), true);
    this.serialTail = this.view.getUint32(at.serialHead, true);
  }
  digest(): bigint { return this.snapshots.digest(); }

  takeSerialOutput(): Uint8Array {
    const head = this.view.getUint32(at.serialHead, true), { base, size } = serialOut;
    const from = Math.max(this.serialTail, head - size), out = new Uint8Array(head - from);
    for (let n = from; n < head; n++) out[n - from] = this.bytes[base + n % size];
    this.serialTail = head;
    return out;
  }
  translations(): TranslatorStatistics { return this.translator?.statistics ?? { regions: 0, blocks: 0, bytes: 0, failures: [] }; }
  counters(): { exits: number; entries: number } {
    return { exits: Number(this.view.getBigUint64(at.exits, true)), entries: Number(this.view.getBigUint64(at.entries, true)) };
  }
}
