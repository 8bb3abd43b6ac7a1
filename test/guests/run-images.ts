// Boots tracked guest images on a machine and runs them to the debug exit port, with the level tracker watching.
import { readFileSync } from 'node:fs';
import { bootImages } from '../../src/emulator/boot';
import { LevelTracker } from '../../src/inspector/levels/level-tracker';
import { createTestMachine } from '../emulator/vmx/test-machine';

const images = new URL('../../guests/images/', import.meta.url);
const unitsPerRun = 100_000;

/** An image of guests/images with its command line, as in `guest rounds=3`. */
const imageOf = (line: string): { name: string; bytes: Uint8Array; commandLine: string } => {
  const [name = '', ...options] = line.split(' ');
  return { name, bytes: readFileSync(new URL(`${name}.elf`, images)), commandLine: options.join(' ') };
};

export interface RunOfImages {
  /** What stopped the machine: the debug exit port, or the budget when it went on. */
  readonly kind: string;
  readonly code: number;
  readonly lines: readonly string[];
  readonly tracker: LevelTracker;
  /** Hardware exits by reason. */
  readonly exits: ReadonlyMap<number, number>;
}

/** Runs the first image with the others as modules, at most `budget` units. */
export async function runImages(stack: readonly string[], budget = 20_000_000): Promise<RunOfImages> {
  const [program, ...modules] = stack.map(imageOf);
  const machine = await createTestMachine({ memoryBytes: 64 * 2 ** 20 });
  bootImages(machine, { program: program!.bytes, commandLine: program!.commandLine, modules });
  const tracker = new LevelTracker(), exits = new Map<number, number>();
  let text = '';
  for (let left = budget; ;) {
    const result = machine.run(Math.min(left, unitsPerRun));
    left -= result.units;
    machine.drainEvents(event => {
      tracker.feed(event);
      if (event.kind === 'vmExit') exits.set(event.aux & 0xffff, (exits.get(event.aux & 0xffff) ?? 0) + 1);
    });
    text += new TextDecoder().decode(machine.takeSerialOutput());
    if (!['budget', 'ringFull'].includes(result.kind) || left <= 0) return { kind: result.kind, code: result.index, lines: text.split('\n').filter(line => line !== ''), tracker, exits };
  }
}
