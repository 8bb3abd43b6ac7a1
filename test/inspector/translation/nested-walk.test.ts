// A guest-physical address through the tables of two levels, whose own tables lie where the level below has moved them.
import { describe, expect, it } from 'vitest';
import { controlMask } from '../../../src/spec/controls';
import { vmcsFieldById, type VmcsFieldId } from '../../../src/spec/vmcs-fields';
import { Context } from '../../../src/inspector/levels/context';
import { VmcsSpace } from '../../../src/inspector/levels/believed-vmcs';
import { walkNested } from '../../../src/inspector/translation/nested-walk';
import { FakeMachine } from '../fake-machine';

/** L0 maps the pages of L1 at 0x3000 .. 0x6000 and 0x9000 a bit further up; the tables of L1 lie in its pages 0x3000 .. 0x6000. */
function setUp(options: { readonly enableEpt?: boolean; readonly saysControls?: boolean } = {}) {
  const machine = new FakeMachine(), entry = (address: number, value: number): void => machine.view.setBigUint64(address, BigInt(value), true);
  entry(0x10000, 0x11007); entry(0x11000, 0x12007); entry(0x12000, 0x13007);
  for (const [page, at] of [[3, 0x23000], [4, 0x24000], [5, 0x25000], [6, 0x26000], [9, 0x29000]]) entry(0x13000 + 8 * page, at | 7);
  // L1's own tables, at the host addresses of its pages: they send page 7 of L2 to page 9 of L1.
  entry(0x23000, 0x4007); entry(0x24000, 0x5007); entry(0x25000, 0x6007);
  entry(0x26000 + 8 * 7, 0x9005);
  // What the processor uses for L2.
  entry(0x14000, 0x15007); entry(0x15000, 0x16007); entry(0x16000, 0x17007); entry(0x17000 + 8 * 7, 0x29005);
  const l0 = new Context(1, 0, 0, undefined, -1, new VmcsSpace(), 0), l1 = new Context(2, 0, 1, l0, 0x1000, new VmcsSpace(), 0), l2 = new Context(3, 0, 2, l1, 0xa000, new VmcsSpace(), 0);
  l1.eptpLow = 0x1001e;
  l2.eptpLow = 0x1401e;
  const belief = l1.space.vmcs(0xa000);
  const write = (id: VmcsFieldId, value: bigint): void =>
    belief.learn(vmcsFieldById(id).encoding, false, l1, 1, Uint32Array.of(Number(value & 0xffff_ffffn), Number(value >> 32n)), 0, Uint32Array.of(0, 0), 0, new Uint32Array(8), 0);
  if (options.saysControls !== false) {
    write('PRIMARY_PROC_BASED_CONTROLS', controlMask('primary.activateSecondaryControls'));
    write('SECONDARY_PROC_BASED_CONTROLS', options.enableEpt === false ? 0n : controlMask('secondary.enableEpt'));
  }
  write('EPT_POINTER', 0x301en);
  return { machine: machine.asMachine, l0, l1, l2 };
}

describe('a guest-physical address', () => {
  it('of L2 goes through the tables of L1, read in the memory of L1, and those of L0', () => {
    const { machine, l2 } = setUp(), { stages, hardware, physical } = walkNested(machine, l2, 0x7abcn);
    expect(stages.map(({ guest, keeper, walk }) => [guest, keeper, walk?.kind === 'mapped' ? walk.address : walk?.reason])).toEqual([[2, 1, 0x9abcn], [1, 0, 0x29abcn]]);
    expect(stages[0].walk!.steps.map(({ address, value }) => [address, value])).toEqual([[0x3000n, 0x4007n], [0x4000n, 0x5007n], [0x5000n, 0x6007n], [0x6038n, 0x9005n]]);
    expect(stages[0].walk).toMatchObject({ rights: { read: true, write: false, execute: true } });
    expect(physical).toBe(0x29abcn);
    expect(hardware).toMatchObject({ kind: 'mapped', address: 0x29abcn });
  });
  it('ends at the level that does not map it', () => {
    const { machine, l2 } = setUp(), { stages, physical } = walkNested(machine, l2, 0x8000n);
    expect(stages).toHaveLength(1);
    expect(stages[0].walk).toMatchObject({ kind: 'fault', reason: expect.stringContaining('EPT PTE is not present') });
    expect(physical).toBeUndefined();
  });
  it('is the same at the level below where that level uses no EPT', () => {
    const { machine, l2 } = setUp({ enableEpt: false }), { stages, physical } = walkNested(machine, l2, 0x9010n);
    expect(stages.map(({ eptp }) => eptp)).toEqual([0n, 0x1001en]);
    expect(physical).toBe(0x29010n);
  });
  it('is not followed through tables that are not known', () => {
    const { machine, l2 } = setUp({ saysControls: false }), { stages, physical } = walkNested(machine, l2, 0x7000n);
    expect(stages).toEqual([{ guest: 2, keeper: 1 }]);
    expect(physical).toBeUndefined();
  });
  it('of L0 is host memory', () => {
    const { machine, l0 } = setUp();
    expect(walkNested(machine, l0, 0x1234n)).toMatchObject({ stages: [], physical: 0x1234n });
  });
});
