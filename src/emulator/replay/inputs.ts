// What enters a machine from outside, as data with its instant, so that it can enter again: a log that a replay reads with a cursor.
import type { Machine, PagingContext, RegisterName } from '../machine';

/** One thing that the host did to the guest. */
export type Input =
  | { readonly kind: 'register'; readonly vcpu: number; readonly name: RegisterName; readonly value: bigint }
  | { readonly kind: 'physical'; readonly address: bigint; readonly bytes: Uint8Array }
  | { readonly kind: 'linear'; readonly vcpu: number; readonly address: bigint; readonly bytes: Uint8Array; readonly context?: PagingContext }
  | { readonly kind: 'vmcs'; readonly pointer: bigint; readonly encoding: number; readonly value: bigint }
  | { readonly kind: 'apic'; readonly vcpu: number; readonly offset: number; readonly value: number }
  | { readonly kind: 'serial'; readonly byte: number }
  | { readonly kind: 'nmi' };

/** Does it. False or a RangeError: the machine refuses, and nothing has changed. */
export function apply(machine: Machine, input: Input): boolean {
  switch (input.kind) {
    case 'register': machine.registers(input.vcpu).set(input.name, input.value); return true;
    case 'physical': return machine.writePhysical(input.address, input.bytes);
    case 'linear': return machine.writeLinear(input.vcpu, input.address, input.bytes, input.context);
    case 'vmcs': return machine.writeVmcs(input.pointer, input.encoding, input.value);
    case 'apic': machine.apic(input.vcpu).write(input.offset, input.value); return true;
    case 'serial': return machine.sendSerial(input.byte);
    case 'nmi': machine.pressNmi(); return true;
  }
}

/** Inputs in the order in which they entered. `position` counts those that the machine's present state has taken. */
export class InputLog {
  private readonly entries: { readonly time: bigint; readonly input: Input }[] = [];
  position = 0;

  get length(): number { return this.entries.length; }
  /** Time of the next input to be taken, undefined = none. */
  get nextTime(): bigint | undefined { return this.entries[this.position]?.time; }
  /** Adds an input that the machine has just taken; what was recorded after it has not happened. */
  add(time: bigint, input: Input): void {
    this.entries.length = this.position;
    this.entries.push({ time, input });
    this.position++;
  }
  clear(): void { this.entries.length = this.position = 0; }
  /** Lets the machine take every input up to a time. */
  take(machine: Machine, time: bigint): void {
    for (let next = this.entries[this.position]; next && next.time <= time; next = this.entries[this.position]) {
      if (!apply(machine, next.input)) throw new Error(`the ${next.input.kind} input at ${next.time} is refused in the replay`);
      this.position++;
    }
  }
}
