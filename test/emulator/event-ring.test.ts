// The event ring when its reader is slow: the run stops for it, but a stop that was asked for is never lost to it.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { bootImages } from '../../src/emulator/boot';
import { eventSlots } from '../../src/emulator/codegen/state-layout';
import { exitReasons } from '../../src/spec/exit-reasons';
import { createTestMachine } from './vmx/test-machine';

const image = new Uint8Array(readFileSync(new URL('../../guests/images/bench.elf', import.meta.url)));
const cpuidExit = exitReasons.find(reason => reason.id === 'CPUID')!.number;

it('every exit stops the run, also when the ring is nearly full', async () => {
  const machine = await createTestMachine({ memoryBytes: 32 << 20 });
  bootImages(machine, { program: image, commandLine: 'cpuid-exit=3', modules: [] });
  machine.setStops({ exits: [cpuidExit] });
  const kinds = new Map<string, number>();
  let exitEvents = 0, slots = 0;
  for (let ends = 0; ends < 3;) {
    const { kind } = machine.run(1_000_000);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    if (kind === 'debugExit') ends++;
    // a round trip takes 12 slots: the ring is left to fill until the machine asks for a reader, but not to overflow
    slots += kind === 'vmExit' ? 12 : 0;
    if (slots > eventSlots - 220) { slots = 0; machine.drainEvents(event => { if (event.kind === 'vmExit' && event.basicReason === cpuidExit) exitEvents++; }); }
  }
  machine.drainEvents(event => { if (event.kind === 'vmExit' && event.basicReason === cpuidExit) exitEvents++; });
  expect(kinds.get('vmExit')).toBe(3000);
  expect(exitEvents).toBe(3000);
  expect(kinds.get('ringFull')).toBeGreaterThan(0);
});
