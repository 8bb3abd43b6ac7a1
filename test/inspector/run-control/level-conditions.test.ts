// Conditions on the level that exited are judged by the events of a run: the machine goes back to an exit that is wanted. What is found is what a machine
// finds that stops at every exit, to the bit.
import { describe, expect, it } from 'vitest';
import type { Context } from '../../../src/inspector/levels/context';
import type { MachineSession } from '../../../src/inspector/target/machine-session';
import { image, open } from './truth';

interface Found { readonly time: bigint; readonly reason: number; readonly level: number; readonly switches: number; readonly digest: bigint; readonly text: string }

/** The first stops under a condition; `wants` is what it means. */
async function stops(program: string, modules: readonly string[], condition: string, wants: (context: Context) => boolean, count: number, prepare: (session: MachineSession) => void): Promise<{ found: Found[]; runs: number }> {
  let text = '', runs = 0;
  const session = await open(image(program), modules.map(image), { emit: event => { if (event.event === 'output') text += event.text; } }), { machine, tracker, control, filters } = session, found: Found[] = [];
  expect(filters.set([{ filter: 'exit', condition }], () => wants)).toEqual([{ verified: true }]);
  const run = machine.run.bind(machine);
  machine.run = units => { runs++; return run(units); };
  prepare(session);
  while (found.length < count) {
    const halt = await control.resume();
    if (halt.kind === 'debugExit') break;
    if (halt.kind === 'breakpoint') continue;
    if (halt.kind !== 'filter') throw new Error(halt.kind);
    found.push({ time: machine.time(), reason: halt.result.index, level: halt.context.level, switches: tracker.switches.count, digest: machine.digest(), text });
  }
  return { found, runs };
}

const demonstration: [string, string[]] = ['hypervisor', ['hypervisor', 'hypervisor', 'guest rounds=40']];
describe.each<[name: string, program: string, modules: string[]]>([
  ['three hypervisors', ...demonstration], ['three hypervisors with shadowing', 'hypervisor shadowing=on', demonstration[1]], ['a monitor of one VMCS', 'monitor', ['guest rounds=300']],
  ['a monitor above a hypervisor', 'hypervisor', ['monitor', 'detours rounds=4']],
])('%s', (_, program, modules) => {
  it.each<[condition: string, wants: (context: Context) => boolean]>([
    ['level == 1', ({ level }) => level === 1], ['level >= 2', ({ level }) => level >= 2], ['from == 3 || leaf == 3', ({ level }) => level === 3], ['level == 7', () => false],
    // more than the level decides
    ['level == 1', ({ level, last }) => level === 1 && last.basicReason === 18], ['level != 0', ({ switches }) => switches % 50 === 0],
  ])('%s', async (condition, wants) => {
    const passes = ({ machine }: MachineSession): void => { machine.setStops({}); }, late = await stops(program, modules, condition, wants, 40, passes), each = await stops(program, modules, '1', wants, 40, passes);
    expect(late.found).toEqual(each.found);
    expect(late.runs).toBeLessThanOrEqual(each.runs + 200);
  });
});

it('a level that never exits costs no stops', async () => {
  const late = await stops(...demonstration, 'level == 7', () => false, 1, () => {}), each = await stops(...demonstration, '1', () => false, 1, () => {});
  expect(late.found).toEqual([]);
  expect(late.runs * 20).toBeLessThan(each.runs);
});
