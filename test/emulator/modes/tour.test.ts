// A tour of the modes outside 64-bit mode, as one program (fixtures/tour.asm, assembled with NASM): real-address mode, 32- and 16-bit protected mode
// with faults of segmentation, gates, level 3, task switches, virtual-8086 mode, 32-bit and PAE paging, back to real-address mode, IA-32e and
// compatibility mode. It prints registers and exception frames on COM1; fixtures/tour.txt is what Bochs 2.7 (corei7_skylake_x) printed.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createTestMachine } from '../vmx/test-machine';

const fixture = (name: string): Buffer => readFileSync(new URL(`fixtures/${name}`, import.meta.url));

it('prints what another emulator prints', async () => {
  const machine = await createTestMachine({ memoryBytes: 16 << 20 }), r = machine.registers(0);
  machine.writePhysical(0x7c00n, fixture('tour.bin'));
  for (const s of ['cs', 'ds', 'es', 'ss', 'fs', 'gs']) { r.set(`${s}.selector`, 0n); r.set(`${s}.base`, 0n); }
  r.set('rip', 0x7e00n);
  let text = '', kind = 'budget';
  for (let n = 0; n < 10 && kind === 'budget'; n++) {
    kind = machine.run(50_000).kind;
    text += Buffer.from(machine.takeSerialOutput()).toString('latin1');
  }
  expect(kind).toBe('idle');
  expect(text.slice(0, text.indexOf('Z00000000') + 10).split('\n')).toEqual(fixture('tour.txt').toString('latin1').split('\n'));
});
