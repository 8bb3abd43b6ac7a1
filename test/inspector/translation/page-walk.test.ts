import { describe, expect, it } from 'vitest';
import type { PagingContext } from '../../../src/emulator/machine';
import { translateFully, walkEpt, walkPaging } from '../../../src/inspector/translation/page-walk';
import { FakeMachine } from '../fake-machine';

const longMode = { cr0: 0x8000_0001n, cr4: 0x20n, efer: 0xd01n };
/** A machine with one hand-made entry at each of the given places. */
function withEntries(...entries: [address: number, value: bigint][]): FakeMachine {
  const machine = new FakeMachine();
  for (const [address, value] of entries) machine.view.setBigUint64(address, value, true);
  return machine;
}

describe('4-level paging', () => {
  const linear = 0xffff_8080_4020_1abcn; // indices 257, 1, 1, 1
  const machine = withEntries([0x1000 + 257 * 8, 0x2027n], [0x2008, 0x3007n], [0x3008, 0x4003n], [0x4008, 0x8000_0000_0000_5067n]);
  it('reads an entry of each level, and joins their rights', () => {
    const walk = walkPaging(machine.asMachine, { ...longMode, cr3: 0x1000n }, linear);
    expect(walk).toMatchObject({ kind: 'mapped', address: 0x5abcn, pageBytes: 4096, rights: { write: true, user: false, execute: false } });
    expect(walk.steps.map(({ name, index, value }) => [name, index, value])).toEqual([['PML4E', 257, 0x2027n], ['PDPTE', 1, 0x3007n], ['PDE', 1, 0x4003n],
    ['PTE', 1, 0x8000_0000_0000_5067n]]);
    expect(walk.steps[2].text).toBe('rwx supervisor → 0x4000');
    expect(walk.steps[3].bits.find(({ id }) => id === 'xd')!.value).toBe(1n);
  });
  it('ignores XD without EFER.NXE', () => {
    expect(walkPaging(machine.asMachine, { ...longMode, efer: 0x501n, cr3: 0x1000n }, linear)).toMatchObject({ rights: { execute: true } });
  });
  it.each([
    ['an address that is not canonical', 0x0001_0000_0000_0000n, 'not canonical', 0],
    ['an entry that is not present', 0x8000_0000n, 'PML4E is not present', 1],
    ['a table outside memory', linear & ~0x3fff_ffffn | 0x8000_0000n, 'not present', 2],
  ])('ends at %s', (_, address, reason, steps) => {
    const walk = walkPaging(machine.asMachine, { ...longMode, cr3: 0x1000n }, address);
    expect(walk).toMatchObject({ kind: 'fault', reason: expect.stringContaining(reason) });
    expect(walk.steps.length).toBe(steps);
  });
  it('maps large pages', () => {
    const large = withEntries([0x1000, 0x2007n], [0x2000, 0x3007n], [0x3008, 0x60_0087n], [0x2008, 0x8000_0087n]);
    expect(walkPaging(large.asMachine, { ...longMode, cr3: 0x1000n }, 0x23_4567n)).toMatchObject({ address: 0x63_4567n, pageBytes: 0x20_0000 });
    expect(walkPaging(large.asMachine, { ...longMode, cr3: 0x1000n }, 0x7654_3210n)).toMatchObject({ address: 0xb654_3210n, pageBytes: 0x4000_0000 });
  });
});

describe('other modes', () => {
  const context = (more: Partial<PagingContext>): PagingContext => ({ cr0: 0x8000_0001n, cr3: 0x1000n, cr4: 0n, efer: 0n, ...more });
  it('paging off is the identity', () => { expect(walkPaging(new FakeMachine().asMachine, context({ cr0: 1n }), 0x1234n)).toMatchObject({ kind: 'mapped', address: 0x1234n,
    steps: [] }); });
  it('32-bit paging, with 4-MiB pages', () => {
    const machine = new FakeMachine();
    machine.view.setUint32(0x1004, 0x2007, true);
    machine.view.setUint32(0x2000 + 4 * 3, 0x7001, true);
    machine.view.setUint32(0x1008, 0x0080_2087, true);
    expect(walkPaging(machine.asMachine, context({}), 0x40_3abcn)).toMatchObject({ address: 0x7abcn, rights: { write: false, user: false } });
    expect(walkPaging(machine.asMachine, context({ cr4: 0x10n }), 0x80_1234n)).toMatchObject({ address: 0x1_0080_1234n, pageBytes: 0x40_0000 });
  });
  it('PAE paging, whose PDPTEs have no rights', () => {
    const machine = withEntries([0x1000 + 8 * 3, 0x2001n], [0x2008, 0x3007n], [0x3008, 0x5007n]);
    expect(walkPaging(machine.asMachine, context({ cr4: 0x20n }), 0xc020_1000n)).toMatchObject({ address: 0x5000n, rights: { write: true, user: true } });
  });
  it('5-level paging', () => {
    const machine = withEntries([0x1000, 0x2007n], [0x2000, 0x3007n], [0x3000, 0x4007n], [0x4000, 0x5007n], [0x5000, 0x6007n]);
    const walk = walkPaging(machine.asMachine, { ...longMode, cr4: 0x1020n, cr3: 0x1000n }, 0x10n);
    expect(walk).toMatchObject({ address: 0x6010n });
    expect(walk.steps[0].name).toBe('PML5E');
  });
});

describe('EPT', () => {
  const eptp = 0x901en; // four levels, write-back
  const machine = withEntries([0x9000, 0xa007n], [0xa000, 0xb007n], [0xb000, 0xc007n], [0xc008, 0x2_0037n], [0xc010, 0x2_1032n], [0xc018, 0x2_203fn], [0xb008, 0x40_00b5n]);
  it.each([
    ['a page', 0x1abcn, { kind: 'mapped', address: 0x2_0abcn, rights: { read: true, write: true, execute: true } }],
    ['a large page without write access', 0x20_1234n, { kind: 'mapped', address: 0x40_1234n, rights: { read: true, write: false, execute: true }, pageBytes: 0x20_0000 }],
    ['an absent page', 0x5000n, { kind: 'fault', reason: 'EPT violation: the EPT PTE is not present' }],
    ['write without read', 0x2000n, { kind: 'fault', reason: 'EPT misconfiguration: the EPT PTE allows writing but not reading' }],
    ['a reserved memory type', 0x3000n, { kind: 'fault', reason: 'EPT misconfiguration: the EPT PTE has memory type 7, which is reserved' }],
  ])('%s', (_, address, expected) => { expect(walkEpt(machine.asMachine, eptp, address)).toMatchObject(expected); });
  it('off is the identity', () => { expect(walkEpt(machine.asMachine, 0n, 0x1234n)).toMatchObject({ kind: 'mapped', address: 0x1234n }); });

  it('translates each entry of the guest’s tables', () => {
    // The guest's tables are at guest-physical 0x0-0x3fff, host-physical 0x30000 on.
    const machine = new FakeMachine();
    for (let page = 0; page < 8; page++) machine.map(0x9000n, BigInt(page * 0x1000), BigInt(0x3_0000 + page * 0x1000), 0x37n);
    for (const [address, value] of [[0x3_0000, 0x1007n], [0x3_1000, 0x2007n], [0x3_2000, 0x3007n],
    [0x3_3000, 0x7007n]] as const) machine.view.setBigUint64(address, BigInt(value), true);
    const context = { ...longMode, cr3: 0n, eptp };
    const all = translateFully(machine.asMachine, context, 0x123n);
    expect(all.physical).toBe(0x3_7123n);
    expect(all.paging.steps.map(({ physical }) => physical)).toEqual([0x3_0000n, 0x3_1000n, 0x3_2000n, 0x3_3000n]);
    expect(all.paging.steps.every(({ ept }) => ept?.kind === 'mapped' && ept.steps.length === 4)).toBe(true);
    machine.view.setBigUint64(0x3_1000, 0x10_0007n, true);
    expect(translateFully(machine.asMachine, context, 0x123n).paging).toMatchObject({ kind: 'fault', reason: 'EPT violation: the EPT PTE is not present, for the PDE' });
  });
});
