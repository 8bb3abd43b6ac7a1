// A board without a processor: the devices compiled alone, with a clock that the test turns. Time moves as the run loop moves it:
// timers are handled at their deadlines, in order, on the way.
import asc from 'assemblyscript/asc';
import { existsSync, readFileSync } from 'node:fs';
import { layoutModule } from '../../../src/emulator/codegen/core-constants';
import { deviceCell, deviceLayoutModule } from '../../../src/emulator/codegen/device-layout';
import { processorValuesModule, writeProcessor } from '../../../src/emulator/codegen/processor-table';
import { cpuCell, machineCell, ramBase, region } from '../../../src/emulator/codegen/state-layout';
import { defaultProcessorModel } from '../../../src/spec/processor-models';

interface Devices {
  resetDevices(): void;
  portRead(port: number, bytes: number): number;
  portWrite(port: number, bytes: number, value: number): void;
  mmioRead(physical: bigint, bytes: number): bigint;
  mmioWrite(physical: bigint, value: bigint, bytes: number): void;
  localApicPage(): bigint;
  nextDeviceDeadline(): bigint;
  runDeviceTimers(): void;
  interruptPending(): number;
  acknowledgeInterrupt(): number;
  readTpr(): number;
  writeTpr(value: number): void;
  apicMsrReadable(index: number): number;
  apicMsrRead(index: number): bigint;
  apicMsrWrite(index: number, value: bigint): number;
  tscChanged(): void;
  takeInit(vcpu: number): number;
  initializeLocalApic(vcpu: number): void;
  takeSipi(vcpu: number): number;
  takeNmi(vcpu: number): number;
  vcpuHasEvent(vcpu: number): number;
  vcpuInterruptPending(vcpu: number): number;
  serialInput(byte: number): number;
  pulseNmi(): void;
  firmwareVirtualWire(): void;
  setIrqLine(irq: number, level: number): void;
}

/** Of the core, devices need its state and a way to stop; the run loop behind the real one is not wanted here. */
const sources: Record<string, string> = {
  'board.ts': "export * from './src/emulator/devices/bus'; export { setIrqLine } from './src/emulator/devices/irq-router';",
  'src/emulator/core/generated/layout.ts': layoutModule(),
  'src/emulator/core/generated/processor-values.ts': processorValuesModule(),
  'src/emulator/core/generated/devices.ts': deviceLayoutModule(),
  'src/emulator/core/stop.ts': `import { M_STOP_ADDRESS, M_STOP_KIND, M_STOP_REASON_INDEX } from './generated/layout';
    export function requestStop(kind: u32, index: u32, address: u64): void {
      store<u32>(M_STOP_KIND, kind); store<u32>(M_STOP_REASON_INDEX, index); store<u64>(M_STOP_ADDRESS, address);
    }`,
};
const root = new URL('../../../', import.meta.url);

function sourceText(name: string): string | null {
  if (sources[name] !== undefined) return sources[name];
  const file = new URL(name, root);
  return name.startsWith('src/') && existsSync(file) ? readFileSync(file, 'utf8') : null;
}

/** The module keeps nothing outside its memory, so one instance serves every board of a file, one after the other. */
const memory = new WebAssembly.Memory({ initial: ramBase / 0x10000 });
let compiled: Promise<Devices> | undefined;
async function compile(): Promise<Devices> {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(['board.ts', '--outFile', 'board.wasm', '--runtime', 'stub', '--importMemory', '--noAssert', '-O1'], {
    readFile: sourceText,
    writeFile: (_name, contents) => { if (typeof contents !== 'string') binary = contents; },
    listFiles: () => [],
  });
  if (error || !binary) throw new Error(`the devices do not compile: ${String(stderr)}`);
  const { instance } = await WebAssembly.instantiate(new Uint8Array(binary), { env: { memory, abort: () => { throw new Error('abort'); } } });
  return instance.exports as unknown as Devices;
}

export const never = 0xffff_ffff_ffff_ffffn;
const apicPage = 0xfee00000n, ioApicPage = 0xfec00000n;

/** Registers of the local APIC by offset in its page. */
export const apic = {
  id: 0x20, version: 0x30, tpr: 0x80, ppr: 0xa0, eoi: 0xb0, ldr: 0xd0, dfr: 0xe0, spurious: 0xf0, isr: 0x100, tmr: 0x180, irr: 0x200, esr: 0x280, icrLow: 0x300, icrHigh: 0x310,
  lvtTimer: 0x320, lvtThermal: 0x330, lvtPerformance: 0x340, lint0: 0x350, lint1: 0x360, lvtError: 0x370, initialCount: 0x380, currentCount: 0x390, divide: 0x3e0, selfIpi: 0x3f0,
} as const;

export class Board {
  readonly memory = memory;
  private readonly view = new DataView(memory.buffer);

  private constructor(readonly devices: Devices, vcpus: number, ramBytes: number) {
    new Uint8Array(memory.buffer, 0, region('tlbPool').base).fill(0);
    this.setCell(machineCell('vcpuCount').address, vcpus);
    this.setCell(machineCell('ramSize').address, ramBytes);
    writeProcessor(this.view, defaultProcessorModel);
    this.place(0n);
    this.devices.resetDevices();
  }
  /** A new board; the one made before is gone. */
  static async make({ vcpus = 1, ramBytes = 0x800_0000 } = {}): Promise<Board> { return new Board(await (compiled ??= compile()), vcpus, ramBytes); }

  cell(address: number): number { return this.view.getUint32(address, true); }
  setCell(address: number, value: number): void { this.view.setUint32(address, value, true); }
  cell64(address: number): bigint { return this.view.getBigUint64(address, true); }
  setCell64(address: number, value: bigint): void { this.view.setBigUint64(address, value, true); }
  deviceCell(device: string, name: string, instance = 0): number { return this.cell(deviceCell(device, name, instance)); }
  machineCell(name: string): number { return this.cell(machineCell(name).address); }

  // ---- time

  /** The run loop has 1,000 units left of its budget, so that attention is visible. */
  private place(time: bigint): void {
    this.view.setBigUint64(machineCell('deadline').address, time + 1000n, true);
    this.view.setInt32(machineCell('budget').address, 1000, true);
  }
  get time(): bigint { return this.cell64(machineCell('deadline').address) - BigInt(this.view.getInt32(machineCell('budget').address, true)); }
  /** Something has asked the run loop to look at events since time last moved. */
  get attention(): boolean { return this.view.getInt32(machineCell('budget').address, true) === 0; }
  calm(): void { this.place(this.time); }

  /** Moves time on, handling timers when they are due. */
  advanceTo(time: bigint): void {
    for (let due = this.deadline; due <= time; due = this.deadline) {
      this.place(due);
      this.devices.runDeviceTimers();
      if (this.deadline <= due) throw new Error(`the timer due at ${due} stays due`);
    }
    this.place(time);
  }
  advance(units: number | bigint): void { this.advanceTo(this.time + BigInt(units)); }
  /** Moves time without handling timers, as a long instruction does. */
  jumpTo(time: bigint): void { this.place(time); }
  /** Time of the next timer event; `never`. (The border passes 64-bit numbers as signed ones.) */
  get deadline(): bigint { return BigInt.asUintN(64, this.devices.nextDeviceDeadline()); }
  /** Time of the next timer event, relative to now; undefined = none. */
  get untilDeadline(): bigint | undefined {
    return this.deadline === never ? undefined : this.deadline - this.time;
  }

  // ---- as software does it

  in(port: number, bytes = 1): number { return this.devices.portRead(port, bytes) >>> 0; }
  out(port: number, value: number, bytes = 1): void { this.devices.portWrite(port, bytes, value); }
  /** The vCPU that executes from now on. */
  activate(vcpu: number): void {
    this.setCell(cpuCell('id').address, vcpu);
    this.setCell64(cpuCell('apicBase').address, this.devices.apicMsrRead(0x1b));
  }
  readApic(register: number): number { return Number(this.devices.mmioRead(apicPage + BigInt(register), 4)); }
  writeApic(register: number, value: number): void { this.devices.mmioWrite(apicPage + BigInt(register), BigInt(value >>> 0), 4); }
  /** Enables the active vCPU's APIC by software. */
  enableApic(): void { this.writeApic(apic.spurious, 0x1ff); }
  enterX2apic(): void { this.devices.apicMsrWrite(0x1b, this.devices.apicMsrRead(0x1b) | 0x400n); }
  readMsr(register: number): bigint { return BigInt.asUintN(64, this.devices.apicMsrRead(0x800 + register / 16)); }
  /** False: general protection. */
  writeMsr(register: number, value: bigint | number): boolean { return this.devices.apicMsrWrite(0x800 + register / 16, BigInt(value)) !== 0; }

  readIoApic(index: number): number {
    this.devices.mmioWrite(ioApicPage, BigInt(index), 4);
    return Number(this.devices.mmioRead(ioApicPage + 0x10n, 4));
  }
  writeIoApic(index: number, value: number): void {
    this.devices.mmioWrite(ioApicPage, BigInt(index), 4);
    this.devices.mmioWrite(ioApicPage + 0x10n, BigInt(value >>> 0), 4);
  }
  /** Writes a redirection entry: low half (vector, mode, flags) and destination. */
  redirect(pin: number, low: number, destination = 0): void {
    this.writeIoApic(0x11 + 2 * pin, destination << 24);
    this.writeIoApic(0x10 + 2 * pin, low);
  }

  /** Vector that would be delivered now to the active vCPU, undefined = none. */
  get pending(): number | undefined {
    const pending = this.devices.interruptPending();
    return pending & 0x100 ? pending & 0xff : undefined;
  }
  pendingOf(vcpu: number): number | undefined {
    const pending = this.devices.vcpuInterruptPending(vcpu);
    return pending & 0x100 ? pending & 0xff : undefined;
  }
  acknowledge(): number { return this.devices.acknowledgeInterrupt(); }
  line(irq: number, level: boolean): void { this.devices.setIrqLine(irq, level ? 1 : 0); }
  /** The pair as a PC's firmware or kernel sets it up: vectors at `base` and `base + 8`, all unmasked. */
  initializePics(base = 0x20, icw4 = 1): void {
    for (const [port, vector, cascade] of [[0x20, base, 4], [0xa0, base + 8, 2]] as const) {
      this.out(port, 0x11);
      this.out(port + 1, vector);
      this.out(port + 1, cascade);
      this.out(port + 1, icw4);
    }
  }

  serialOutput(): string {
    const head = this.machineCell('serialHead'), { base, size } = region('serialOut');
    return Array.from({ length: Math.min(head, size) }, (_, i) => String.fromCharCode(this.view.getUint8(base + ((head - Math.min(head, size) + i) % size)))).join('');
  }
}
