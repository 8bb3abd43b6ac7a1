// Protection keys of user pages (SDM 3A 4.6.2 'Protection Keys'): which accesses a key forbids, to whom, and the error code.
import { describe, expect, test } from 'vitest';
import { hlt, movLoad, movStore, qword } from '../vmx/machine-code';
import { at } from '../vmx/valid-vmcs';
import { World } from '../vmx/world';

const linear = 0x20_0000, key = 5n, userPage = 0xe7n;
const wrpkru = [0x0f, 0x01, 0xef], rdpkru = [0x0f, 0x01, 0xee];
const pke = 0x40_0000n, cr0 = { protect: 0x8001_0033n, open: 0x8000_0033n };

interface Case { readonly rights: bigint; readonly code: readonly number[]; readonly user?: boolean; readonly writeProtect?: boolean; readonly userPage?: boolean; readonly on?: boolean }

/** Runs WRPKRU and the code; the error code of its page fault, or undefined. The second 2 MiB carry the key. */
async function fault({ rights, code, user = false, writeProtect = true, userPage: isUser = true, on = true }: Case): Promise<number | undefined> {
  const entry = BigInt(linear) | (isUser ? userPage : userPage & ~4n) | key << 59n;
  const start = await World.create();
  const registers: Record<string, bigint> = { rax: rights << 2n * key, rcx: 0n, rdx: 0n, cr0: writeProtect ? cr0.protect : cr0.open, cr4: start.register('cr4') | (on ? pke : 0n) };
  if (user) Object.assign(registers, { cpl: 3n, 'cs.rights': 0xa0fbn, 'cs.selector': 0x2bn, 'ss.rights': 0xc0f3n, 'ss.selector': 0x33n });
  const world = await World.create({ host: [...(on ? wrpkru : []), ...code, ...(user ? [0xeb, 0xfe] : hlt)], memory: { [at.pd + 8]: qword(entry) }, registers });
  world.run(100);
  const event = world.events.find(({ kind }) => kind === 'exception');
  if (event === undefined) return undefined;
  expect(event.aux & 0xff).toBe(14);
  return Number(event.a & 0xffffn);
}

const load = movLoad(3, linear), store = movStore(linear, 3), AD = 1n, WD = 2n;

describe('data accesses', () => {
  test.each([
    ['no rights taken: all allowed', { rights: 0n, code: [...load, ...store], user: true }, undefined],
    ['AD: a user read', { rights: AD, code: load, user: true }, 0x25],
    ['AD: a user write', { rights: AD, code: store, user: true }, 0x27],
    ['AD: a supervisor read of a user page', { rights: AD, code: load }, 0x21],
    ['AD: not a supervisor page', { rights: AD, code: load, userPage: false }, undefined],
    ['WD: reads are allowed', { rights: WD, code: load, user: true }, undefined],
    ['WD: a user write', { rights: WD, code: store, user: true }, 0x27],
    ['WD: a supervisor write with CR0.WP', { rights: WD, code: store }, 0x23],
    ['WD: a supervisor write without CR0.WP', { rights: WD, code: store, writeProtect: false }, undefined],
    ['WD: a write after a read filled the TLB', { rights: WD, code: [...load, ...store], user: true }, 0x27],
    ['CR4.PKE off: no keys', { rights: AD, code: load, user: true, on: false }, undefined],
  ] as [string, Case, number | undefined][])('%s', async (_, parts, expected) => expect(await fault(parts)).toBe(expected));

  test('WRPKRU takes effect on pages that the TLB holds', async () => {
    const forbid = [0xb8, ...[...qword(AD << 2n * key)].slice(0, 4)];                      // MOV EAX, rights
    expect(await fault({ rights: 0n, code: [...load, ...forbid, ...wrpkru, ...load], user: true })).toBe(0x25);
  });
});

describe('RDPKRU and WRPKRU', () => {
  const vector = async (code: readonly number[], registers: Record<string, bigint>): Promise<number | undefined> => {
    const world = await World.create({ host: [...code, ...hlt], registers });
    world.run(100);
    const event = world.events.find(({ kind }) => kind === 'exception');
    return event && event.aux & 0xff;
  };
  test('are #UD without CR4.PKE, #GP with ECX or, for WRPKRU, EDX', async () => {
    const cr4 = (await World.create()).register('cr4') | pke;
    for (const code of [rdpkru, wrpkru]) {
      expect(await vector(code, { rcx: 0n, rdx: 0n })).toBe(6);
      expect(await vector(code, { cr4, rcx: 1n, rdx: 0n })).toBe(13);
      expect(await vector(code, { cr4, rcx: 0n, rdx: 0n })).toBeUndefined();
    }
    expect(await vector(wrpkru, { cr4, rcx: 0n, rdx: 1n })).toBe(13);
  });
  test('RDPKRU reads what WRPKRU wrote and clears EDX; CPUID tells of CR4.PKE', async () => {
    const cr4 = (await World.create()).register('cr4') | pke;
    const world = await World.create({ host: [...wrpkru, 0x31, 0xc0, 0xba, 7, 0, 0, 0, ...rdpkru, 0x50, 0xb8, 7, 0, 0, 0, 0x0f, 0xa2, 0x58, ...hlt], registers: { cr4, rax: 0x5555_5554n, rcx: 0n, rdx: 0n } });
    world.run(100);
    expect(world.register('rax')).toBe(0x5555_5554n);
    expect(world.register('rcx') >> 3n & 3n).toBe(3n);
  });
});
