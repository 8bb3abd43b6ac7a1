// A stack of hypervisors as a generator of events, with the truth beside it: which level runs after each event. Every exit of level x is
// delivered through levels 0 .. x-1, each forwarding it to the next, and a VMX instruction of a level above 0 is such an exit itself.
import type { EventReader } from '../../../src/emulator/event-ring';
import { vmxInstructions } from '../../../src/emulator/codegen/state-layout';
import { guestField, hostField } from '../../../src/inspector/levels/entry-match';
import { EventStream, type MachineState } from './event-stream';

export interface StackOptions {
  readonly levels: number;
  /** 'own': an image of its own place per level; 'same': one place, CR3 and stack for all, told apart by EPT alone. */
  readonly addresses: 'own' | 'same';
  /** 'per level', or 'one': L0 uses a single VMCS for everything; 'vmcs02': one for level 1 and one for all above. */
  readonly hardware: 'per level' | 'one' | 'vmcs02';
  readonly ept: boolean;
  /** VMREADs per handler. */
  readonly reads?: number;
  /** The record of a VMX instruction stands after that of its exit. */
  readonly instructionAfterExit?: boolean;
  /** L0 forwards exits to the responsible level at once instead of through all levels. */
  readonly shortcut?: boolean;
}

const reasonOf: Record<string, number> = { VMCALL: 18, VMCLEAR: 19, VMLAUNCH: 20, VMPTRLD: 21, VMPTRST: 22, VMREAD: 23, VMRESUME: 24, VMWRITE: 25, VMXOFF: 26, VMXON: 27 };

export class NestedStack {
  readonly stream: EventStream;
  /** The level that runs now. */
  truth = 0;
  exits = 0;
  /** Where each level is, or will be when it goes on. */
  readonly state: { rip: bigint; rsp: bigint; cr3: bigint; rflags: bigint; gpr: bigint[] }[];
  private readonly launched = new Set<string>();
  private readonly current = new Map<number, bigint>();

  constructor(readonly options: StackOptions, visit: (event: EventReader) => void) {
    this.stream = new EventStream(visit);
    this.state = Array.from({ length: options.levels + 1 }, (_, level) => ({ ...this.at(level, 0x10n), rflags: 2n, gpr: Array.from({ length: 16 }, (_,
    n) => BigInt(level * 100 + n)) }));
  }

  /** Place of level's code at an offset of its image. */
  at(level: number, offset: bigint): { rip: bigint; rsp: bigint; cr3: bigint } {
    const base = this.options.addresses === 'own' ? BigInt(level + 1) * 0x100_0000n : 0x100_0000n;
    return { rip: base + offset, rsp: base + 0xf000n, cr3: this.options.addresses === 'own' ? base + 0x1000n : 0x1000n };
  }
  handler(level: number): { rip: bigint; rsp: bigint; cr3: bigint } { return { ...this.at(level, 0x100n), rsp: this.at(level, 0n).rsp - 0x100n }; }
  hardwareVmcs(level: number): bigint {
    const { hardware } = this.options;
    return 0x8000n + 0x1000n * BigInt(hardware === 'one' ? 1 : hardware === 'vmcs02' ? Math.min(level, 2) : level);
  }
  /** The VMCS that `holder` uses for `guest`, in holder's memory. */
  pointer(holder: number, guest: number): bigint { return holder === 0 ? this.hardwareVmcs(guest) : 0x4_0000n + BigInt(guest) * 0x1000n; }
  eptp(level: number): bigint { return this.options.ept ? 0x70_0000n + BigInt(level) * 0x1_0000n + 0x1en : 0n; }

  /** L0 starts level 1, which starts level 2, and so on; the last level is a guest that only computes. */
  boot(): void {
    for (let level = 0; level < this.options.levels; level++) {
      this.go(level, 0x20n);
      this.operation(level, 'VMXON', 0x3000n);
      this.operation(level, 'VMCLEAR', this.pointer(level, level + 1));
      this.enter(level, level + 1, this.at(level + 1, 0x10n));
    }
  }

  /** The guest on top executes an instruction that exits (CPUID by default) and is let past it. */
  guestExit(reason = 10, length = 2): void {
    const top = this.options.levels, state = this.state[top];
    this.go(top, 0x40n);
    this.leave(top, reason, length, handlerLevel => this.enter(handlerLevel, top, { rip: state.rip + BigInt(length), rsp: state.rsp, cr3: state.cr3 }));
  }

  /** Puts a level at an offset of its code. */
  go(level: number, offset: bigint): void { this.state[level].rip = this.at(level, offset).rip; }

  /** A VMX instruction of a level: done at once by L0, an exit otherwise. `answer`: RFLAGS with which it comes back. */
  operation(level: number, name: (typeof vmxInstructions)[number], operand: bigint, value = 0n, answer = 2n): void {
    const state = this.state[level], isField = name === 'VMREAD' || name === 'VMWRITE';
    if (name === 'VMPTRLD') this.current.set(level, operand);
    if (level === 0) {
      this.stream.instruction(state, { name, root: true, operand, value, current: this.current.get(0), destination: name === 'VMREAD' ? 0 : undefined });
      state.rip += 3n;
      return;
    }
    const instruction = (): void => this.stream.instruction(state, { name, operand, value: name === 'VMREAD' ? 0n : value, destination: name === 'VMREAD' ? 3 : undefined });
    this.leave(level, reasonOf[name], isField ? 4 : 3, handler => {
      const after = { ...state, rip: state.rip + (isField ? 4n : 3n) };
      this.state[level].gpr[3] = name === 'VMREAD' ? value : this.state[level].gpr[3];
      this.enter(handler, level, after, answer);
    }, instruction);
  }

  /** Level `holder` enters level `guest` in that state. */
  enter(holder: number, guest: number, target: { rip: bigint; rsp: bigint; cr3: bigint }, rflags = 2n): void {
    const pointer = this.pointer(holder, guest), id = `${holder} ${guest}`, first = !this.launched.has(id);
    this.operation(holder, 'VMPTRLD', pointer);
    if (first) {
      const host = this.handler(holder);
      const fields = [[hostField.rip, host.rip], [hostField.rsp, host.rsp], [hostField.cr3, host.cr3], [guestField.eptp, this.eptp(guest)]] as const;
      for (const [field, value] of fields) this.operation(holder, 'VMWRITE', BigInt(field), value);
    }
    for (const [field, value] of [[guestField.rip, target.rip], [guestField.rsp, target.rsp],
    [guestField.cr3, target.cr3]] as const) this.operation(holder, 'VMWRITE', BigInt(field), value);
    this.launched.add(id);
    const name = first ? 'VMLAUNCH' : 'VMRESUME', state = this.state[holder];
    if (holder === 0) {
      this.stream.instruction(state, { name, root: true, current: pointer });
      this.arrive(guest, target, rflags, first);
      return;
    }
    this.go(holder, first ? 0x80n : 0x90n);
    const instruction = (): void => this.stream.instruction(state, { name });
    this.leave(holder, reasonOf[name], 3, below => this.enter(below, guest, target, rflags), instruction);
  }

  /** The hardware entry. */
  arrive(guest: number, target: MachineState, rflags: bigint, first: boolean): void {
    Object.assign(this.state[guest], { rip: target.rip, rsp: target.rsp, cr3: target.cr3, rflags });
    this.truth = guest;
    this.stream.entry(this.state[guest], { vmcs: this.hardwareVmcs(guest), eptp: this.eptp(guest), resume: !first });
  }

  /** A hardware exit of `level`, delivered through the levels below it; then `atHandler` runs in the one responsible. */
  leave(level: number, reason: number, length: number, atHandler: (level: number) => void, instruction?: () => void): void {
    if (!this.options.instructionAfterExit) instruction?.();
    this.exits++;
    this.truth = 0;
    this.stream.exit(this.state[level], { reason, length, vmcs: this.hardwareVmcs(level) });
    if (this.options.instructionAfterExit) instruction?.();
    this.go(0, 0x100n);
    for (let below = 0; below < level - 1; below++) {
      this.read(below);
      const next = this.options.shortcut ? level - 1 : below + 1;
      this.enter(below, next, this.handler(next));
      if (this.options.shortcut) below = level - 2;
    }
    this.read(level - 1);
    atHandler(level - 1);
  }
  private read(level: number): void {
    for (let n = 0; n < (this.options.reads ?? 1); n++) this.operation(level, 'VMREAD', 0x4402n, 10n);
  }
}
