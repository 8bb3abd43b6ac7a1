// One machine with everything that watches it, from load to a restart or the end of the session.
import type { Machine } from '../../emulator/machine';
import type { ImageMap } from '../images/image-map';
import type { StackFrames } from '../images/stack-frames';
import type { Context } from '../levels/context';
import type { LevelTracker } from '../levels/level-tracker';
import type { LevelRegisters } from '../registers/level-registers';
import type { ArmedFilters } from '../run-control/armed-filters';
import type { CodeBreakpoints } from '../run-control/code-breakpoints';
import type { DataBreakpoints } from '../run-control/data-breakpoints';
import type { World } from '../run-control/plan';
import type { RunControl } from '../run-control/run-control';
import type { LoadedImage } from '../target-types';
import type { LevelMemory } from '../translation/level-memory';
import type { Evaluator } from './evaluator';
import type { ValueFormat } from './value-format';

export interface MachineSession {
  readonly machine: Machine;
  readonly tracker: LevelTracker;
  readonly registers: LevelRegisters;
  readonly memory: LevelMemory;
  readonly images: ImageMap;
  readonly frames: StackFrames;
  readonly filters: ArmedFilters;
  readonly breakpoints: CodeBreakpoints;
  readonly data: DataBreakpoints;
  readonly control: RunControl;
  readonly world: World;
  readonly evaluator: Evaluator;
  /** Outlives the machine. */
  readonly format: ValueFormat;
  readonly loaded: readonly LoadedImage[];
}

/** Name of the image that a context runs; undefined while it is not known. */
export function imageOf({ images, registers }: Pick<MachineSession, 'images' | 'registers'>, context: Context): string | undefined {
  const [known] = images.inContext(context);
  if (known) return known.image.name;
  const rip = registers.value(context, 'rip');
  return rip === undefined ? undefined : images.at(context, rip)?.image.name;
}

/** `L2 · hypervisor`, or `vCPU 1 · L2 · hypervisor` where there are several; a level that the tracker guessed has a question mark. */
export function levelName(session: Pick<MachineSession, 'images' | 'registers' | 'machine' | 'tracker'>, context: Context): string {
  const siblings = session.tracker.liveContexts.filter(({ level, vcpu }) => level === context.level && vcpu === context.vcpu).length > 1;
  return [
    ...session.machine.vcpuCount > 1 ? [`vCPU ${context.vcpu}`] : [], `L${context.level}${context.uncertain ? '?' : ''}`, imageOf(session, context) ?? 'unknown image',
    ...siblings && context.key >= 0 ? [`VMCS 0x${context.key.toString(16)}`] : [],
  ].join(' · ');
}

/** Symbol and source line of an address of a context, as far as they are known. */
export function symbolAt(images: ImageMap, context: Context, address: bigint): { symbol?: string; source?: string; line?: number } {
  const mapped = images.at(context, address);
  if (!mapped) return {};
  const linked = BigInt.asUintN(64, address - mapped.bias), { symbols } = mapped.image, at = symbols.symbolAt(linked), line = symbols.lineAt(linked);
  return {
    ...at && { symbol: at.offset === 0n ? at.symbol.name : `${at.symbol.name}+0x${at.offset.toString(16)}` }, ...line && line.line > 0 && { source: line.file, line: line.line },
  };
}
