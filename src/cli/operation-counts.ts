// Counts the operations of one hypervisor of a running stack, by kind, from the machine's events: what it does with each kind of exit that it handles
// or forwards (model/recurrence.ts). The hypervisor watched is l_0, whose VMX instructions are events of root operation, or l_1, whose VMX instructions
// exit. Kinds: VMREAD and VMWRITE have their field; VMRESUME has the fields written to the VMCS since it last ran.
import type { Machine } from '../emulator/machine';
import type { LevelTracker } from '../inspector/levels/level-tracker';
import { resumeKind, type TypedBehaviour, type Work } from '../model/recurrence';
import { exitReasonByNumber } from '../spec/exit-reasons';
import { vmcsFieldByEncoding } from '../spec/vmcs-fields';

type EventReader = Parameters<Parameters<Machine['drainEvents']>[0]>[0];

/** An exit that the hypervisor deals with. */
interface Activity { readonly kind: string; readonly role: 'forward' | 'handle'; readonly operations: Map<string, number> }

const nameOfField = (encoding: number): string => vmcsFieldByEncoding(encoding)?.id ?? `field 0x${encoding.toString(16)}`;

export class OperationCounts {
  private readonly forward: Record<string, Work> = {};
  private readonly handle: Record<string, Work> = {};
  /** Current VMCS pointer by level, and fields written to a VMCS since it last ran by level and pointer. */
  private readonly current = new Map<number, bigint>();
  private readonly written = new Map<string, Set<string>>();
  private activity: Activity | undefined;
  private access = '';
  private lastExit = { level: 0, kind: '' };
  /** Counting happens only while this is set; what is known of VMCSs is kept up all the time. */
  counting = false;

  /** `watched`: 0 or 1. `passes`: fields whose accesses do not exit above l_0. */
  constructor(private readonly tracker: LevelTracker, private readonly watched: 0 | 1, private readonly passes: (encoding: number) => boolean) {}

  get behaviour(): TypedBehaviour { return { forward: this.forward, handle: this.handle }; }

  /** Takes an event that the tracker has taken already. `executing`: level that ran before it. */
  feed(event: EventReader, executing: number): void {
    if (event.kind === 'vmxInstruction' || event.kind === 'vmread') this.instruction(event, executing);
    else if (event.kind === 'vmExit') this.exit(event, executing);
    else if (event.kind === 'vmEntry') this.entry();
  }

  private instruction(event: EventReader, level: number): void {
    const done = event.outcome === 'success' || event.outcome === 'exited';
    if (!done) return;
    const name: string = event.instruction, encoding = Number(event.a & 0xffffffffn), isAccess = name === 'VMREAD' || name === 'VMWRITE';
    this.access = isAccess ? `${name} ${nameOfField(encoding)}` : name;
    if (name === 'VMPTRLD') this.current.set(level, event.a);
    if (name === 'VMWRITE' && !this.passes(encoding)) this.writtenBy(level).add(nameOfField(encoding));
    if (this.watched !== 0 || level !== 0) return;
    if (name === resumeKind || name === 'VMLAUNCH') this.finish(this.resumeOf(level));
    else if (!isAccess || !this.passes(encoding)) this.count(this.access);
  }

  private writtenBy(level: number): Set<string> {
    const key = `${level} ${this.current.get(level) ?? 0n}`, set = this.written.get(key) ?? new Set<string>();
    this.written.set(key, set);
    return set;
  }

  /** Kind of the VMRESUME that a level executes now. */
  private resumeOf(level: number): string {
    const fields = this.writtenBy(level), kind = fields.size === 0 ? resumeKind : `${resumeKind} after ${[...fields].sort().join(', ')}`;
    fields.clear();
    return kind;
  }

  private exit(event: EventReader, level: number): void {
    const reason = exitReasonByNumber(event.basicReason)?.id ?? `reason ${event.basicReason}`;
    const kind: string = reason === 'VMREAD' || reason === 'VMWRITE' ? this.access : reason === resumeKind ? this.resumeOf(level) : reason;
    if (this.watched === 1 && level === 1) {
      if (kind.startsWith(resumeKind) || kind === 'VMLAUNCH') this.finish(kind);
      else this.count(kind);
    }
    this.lastExit = { level, kind };
    if (this.watched === 0) this.begin();
  }

  /** l_1 begins when an exit of a level above it is delivered to it. */
  private entry(): void {
    if (this.watched === 1 && this.tracker.lastSwitch?.kind === 'deliver' && this.tracker.lastSwitch.to === 1) this.begin();
  }

  private begin(): void {
    const { level, kind } = this.lastExit;
    this.activity = { kind, role: level === this.watched + 1 ? 'handle' : 'forward', operations: new Map() };
  }

  private count(kind: string): void {
    const operations = this.activity?.operations;
    operations?.set(kind, (operations.get(kind) ?? 0) + 1);
  }

  private finish(resume: string): void {
    const { activity } = this;
    this.activity = undefined;
    if (!activity || !this.counting) return;
    const work: Work = { operations: Object.fromEntries([...activity.operations].sort(([a], [b]) => a < b ? -1 : 1)), resume };
    const table = this[activity.role], before = table[activity.kind];
    if (before && JSON.stringify(before) !== JSON.stringify(work)) {
      throw new Error(`${activity.role} ${activity.kind} is not one kind: ${JSON.stringify(before)} and ${JSON.stringify(work)}`);
    }
    table[activity.kind] = work;
  }
}
