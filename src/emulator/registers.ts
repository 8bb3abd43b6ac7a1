// Registers of a vCPU by name, over the state cells. Setting keeps the core's caches coherent (modes, rights, translations).
import { cpuCell, region } from './codegen/state-layout';
import { msrByName } from '../spec/msrs';
import type { RegisterFile, RegisterName } from './machine';

const gprNames = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
const segments = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'];

interface Slot { readonly offset: number; readonly bytes: 4 | 8 }

const slots = new Map<RegisterName, Slot>();
const base = region('cpu').base;
const add = (name: RegisterName, cell: string, index = 0): void => {
  const { address, type } = cpuCell(cell), bytes = type === 'u64' ? 8 : 4;
  slots.set(name, { offset: address - base + index * bytes, bytes });
};
gprNames.forEach((name, n) => add(name, 'gpr', n));
for (const name of ['rip', 'cr0', 'cr2', 'cr3', 'cr4', 'xcr0', 'xss', 'efer', 'cpl', 'mxcsr', 'activity']) add(name, name);
for (const n of [0, 1, 2, 3, 6, 7]) add(`dr${n}`, 'dr', n);
for (const table of ['gdtr', 'idtr']) { add(`${table}.base`, `${table}Base`); add(`${table}.limit`, `${table}Limit`); }
segments.forEach((name, n) => {
  add(`${name}.selector`, 'segSelector', n); add(`${name}.base`, 'segBase', n); add(`${name}.limit`, 'segLimit', n); add(`${name}.rights`, 'segRights', n);
});
{
  const xmm = cpuCell('xmm').address - base;
  for (let n = 0; n < 16; n++) { slots.set(`xmm${n}.low`, { offset: xmm + 16 * n, bytes: 8 }); slots.set(`xmm${n}.high`, { offset: xmm + 16 * n + 8, bytes: 8 }); }
}

/** What a register file needs of the machine: the bytes of that vCPU's state, and the core for the active one. */
export interface RegisterAccess {
  readonly view: DataView;
  /** WASM address of the vCPU's state: the active place, or where it is parked. */
  address(): number;
  rflags(): bigint;
  setRflags(value: bigint): void;
  taskPriority(): number;
  setTaskPriority(priority: number): void;
  readMsr(index: number): bigint;
  writeMsr(index: number, value: bigint): boolean;
  /** After a change that modes and translations depend on. */
  refresh(): void;
}

export class MachineRegisters implements RegisterFile {
  constructor(private readonly access: RegisterAccess) {}

  get(name: RegisterName): bigint {
    if (name === 'rflags') return this.access.rflags();
    if (name === 'cr8') return BigInt(this.access.taskPriority());
    if (name.startsWith('msr.')) return this.access.readMsr(msrIndex(name));
    const slot = slotOf(name), at = this.access.address() + slot.offset;
    return slot.bytes === 8 ? this.access.view.getBigUint64(at, true) : BigInt(this.access.view.getUint32(at, true));
  }
  set(name: RegisterName, value: bigint): void {
    if (name === 'rflags') { this.access.setRflags(value); this.access.refresh(); return; }
    if (name === 'cr8') {
      if (value < 0n || value > 15n) throw new RangeError('cr8 is 0 to 15');
      this.access.setTaskPriority(Number(value));
      return;
    }
    if (name.startsWith('msr.')) {
      if (!this.access.writeMsr(msrIndex(name), value)) throw new RangeError(`${name} does not take ${value.toString(16)}h`);
      return;
    }
    const slot = slotOf(name), at = this.access.address() + slot.offset;
    if (value < 0n || value >> BigInt(slot.bytes * 8) !== 0n) throw new RangeError(`${name} has ${slot.bytes * 8} bits`);
    if (slot.bytes === 8) this.access.view.setBigUint64(at, value, true); else this.access.view.setUint32(at, Number(value), true);
    if (!gprNames.includes(name)) this.access.refresh();
  }
}

function slotOf(name: RegisterName): Slot {
  const slot = slots.get(name);
  if (!slot) throw new RangeError(`no register named ${name}`);
  return slot;
}
function msrIndex(name: RegisterName): number {
  const msr = msrByName(name.slice(4));
  if (!msr) throw new RangeError(`no register named ${name}`);
  return msr.index;
}
