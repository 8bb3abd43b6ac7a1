// The last exceptions that were delivered, or failed to be, on any level: at a triple fault, the chain that led to it. A handful, kept in place.
import type { EventReader } from '../../emulator/event-ring';

export interface LoggedFault {
  readonly vcpu: number;
  readonly vector: number;
  readonly errorCode?: number;
  /** Of a page fault: what CR2 gets. */
  readonly address: bigint;
  /** Of the instruction that was interrupted: faults of one chain share it. */
  readonly rip: bigint;
  readonly time: bigint;
}

const capacity = 16;

export class FaultLog {
  private readonly faults: LoggedFault[] = [];

  take(event: EventReader): void {
    if (this.faults.length === capacity) this.faults.shift();
    this.faults.push({
      vcpu: event.vcpu, vector: event.aux & 0xff, ...event.aux & 0x100 && { errorCode: Number(event.a) }, address: event.b, rip: event.rip, time: event.time,
    });
  }

  /** The exceptions at the end of the log that belong together on a vCPU: the first, and those that its delivery met. */
  chain(vcpu: number): readonly LoggedFault[] {
    const own = this.faults.filter(fault => fault.vcpu === vcpu), last = own.at(-1);
    if (!last) return [];
    let start = own.length - 1;
    while (start > 0 && own[start - 1].rip === last.rip && own[start].time - own[start - 1].time <= 1n) start--;
    return own.slice(start);
  }
}
