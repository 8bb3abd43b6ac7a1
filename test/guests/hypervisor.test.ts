// The recursive hypervisor: stacks of every depth behave as one processor for the guest, protect themselves, and cost what the model says.
import { describe, expect, test } from 'vitest';
import { runImages } from './run-images';

const stackOf = (hypervisors: number, options: string, guest: string): string[] =>
  [`hypervisor ${options}`.trim(), ...Array.from({ length: hypervisors - 1 }, () => 'hypervisor'), guest];

/** Hardware exits for one VMCALL of the guest, by the number of hypervisors from 1. A CPUID costs those of the VMCALLs by which levels ask each other as well. */
const exitsOfVmcall: [options: string, exits: number[]][] = [
  ['', [1, 5, 40, 356]],
  ['ept=on', [1, 5, 40, 356]],
  ['shadowing=on', [1, 2, 8, 24, 80, 256]],
  ['shadowing=on ept=on', [1, 2, 8, 24, 80]],
  ['no-propagation=on', [1, 5, 36, 291]],
  ['shadowing=on no-propagation=on', [1, 2, 4, 7, 12, 20]],
];

describe.each(exitsOfVmcall)('options "%s"', (options, expected) => {
  test.each(expected.map((exits, n) => [n + 1, exits]))('%i hypervisors: the guest reads the whole sentence; its VMCALL costs %i exits', async (hypervisors, exits) => {
    const cpuid = expected.slice(0, hypervisors!).reduce((sum, each) => sum + each);
    const run = await runImages(stackOf(hypervisors!, options, 'guest rounds=2'), 100_000_000);
    expect([run.kind, run.code]).toEqual(['debugExit', 0]);
    const said = run.lines.filter(line => line.includes('guest: ')).map(line => line.trim());
    expect(said).toContain('guest: CPUID says: turtles all down');
    expect(said).toContain(`guest: the hypervisors' own MSR says that this is level ${hypervisors}`);
    expect(said).toContain(`guest: exits of the machine: ${exits} for a VMCALL, ${cpuid} for a CPUID`);
    expect(said).toContain('guest: 2 rounds, 0 answers differed');
  });
});

const probed = async (stack: readonly string[]): Promise<string[]> => {
  const run = await runImages(stack, 50_000_000);
  expect([run.kind, run.code]).toEqual(['debugExit', 0]);
  return run.lines.map(line => line.trim()).filter(line => line.startsWith('probe: '));
};

describe('VMX instructions answer a guest as they answer on the bare machine', async () => {
  const bare = await probed(['probe']);
  test('the bare machine gives every error that is asked for', () => {
    const errors = [2, 3, 5, 7, 9, 10, 11, 12, 15];
    expect(errors.filter(error => !bare.some(line => line.endsWith(`fails with error ${error}`)))).toEqual([]);
  });
  test.each([
    [1, ''], [2, ''], [3, ''], [1, 'shadowing=on'], [2, 'shadowing=on'], [3, 'shadowing=on ept=on'], [2, 'ept=on'], [3, 'no-propagation=on'], [3, 'shadowing=on no-propagation=on'],
  ] as const)('under %i hypervisors, options "%s"', async (hypervisors, options) => {
    expect(await probed(stackOf(hypervisors, options, 'probe'))).toEqual(bare);
  });
});

describe('ept=on: the guest cannot read the image of any level below', async () => {
  const report = (await runImages(stackOf(3, 'ept=on', 'guest rounds=1'))).lines;
  // every level but the lowest says where it puts its guest; the loader puts the lowest at 2 MiB
  const places = [2, ...report.flatMap(line => /entering the guest at ([0-9a-f]+)$/.exec(line)?.[1] ?? []).map(address => parseInt(address, 16) / 2 ** 20)];

  test.each(places.slice(0, 3).map((place, level) => [level, place]))('level %i, at %i MiB', async (level, place) => {
    const run = await runImages(stackOf(3, 'ept=on', `guest rounds=1 intrude=${place}`));
    expect([run.kind, run.code]).toEqual(['debugExit', 1]);
    expect(run.lines.at(-2)).toMatch(new RegExp(`^ {${2 * level!}}hypervisor: no guest may access ${(place! * 2 ** 20).toString(16)} `));
    expect(run.lines.at(-1)).toMatch(/guest: unexpected exception 13, error code 0/);
  });
  test('its own memory it can read, and without EPT everything', async () => {
    for (const [options, place] of [['ept=on', places[3]], ['', places[0]]] as const) {
      const run = await runImages(stackOf(3, options, `guest rounds=1 intrude=${place}`));
      expect(run.lines.some(line => line.includes('the byte there is 48'))).toBe(true);
    }
  });
});

test('a hypervisor without a guest says so, at its level', async () => {
  const run = await runImages(['hypervisor', 'hypervisor']);
  expect([run.kind, run.code, run.lines.at(-1)]).toEqual(['debugExit', 1, '  hypervisor: no module to run as guest']);
});

describe('a hypervisor of another make in the stack', () => {
  test('gets the questions of its guest unchanged, and its answer passes', async () => {
    const run = await runImages(['hypervisor', 'monitor', 'guest rounds=3'], 50_000_000);
    expect([run.kind, run.code]).toEqual(['debugExit', 0]);
    expect(run.lines.some(line => line.includes('CPUID says: A monitor wrote.'))).toBe(true);
  });
});
