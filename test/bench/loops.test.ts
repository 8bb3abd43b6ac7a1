// The benchmark image computes what it says: checksums of its loops against the same programs written here, and the exits that it makes.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bootImages } from '../../src/emulator/boot';
import { createTestMachine } from '../emulator/vmx/test-machine';

const image = new Uint8Array(readFileSync(new URL('../../guests/images/bench.elf', import.meta.url)));

/** Runs one loop; the checksum that it prints, and the VM exits between its marks. */
async function run(name: string, passes: number): Promise<{ checksum: bigint; exits: number }> {
  const machine = await createTestMachine({ memoryBytes: 32 << 20 });
  bootImages(machine, { program: image, commandLine: `${name}=${passes}`, modules: [] });
  const stop = (): number => {
    for (;;) {
      const result = machine.run(1_000_000);
      machine.drainEvents(() => {});
      if (result.kind === 'debugExit') return result.index;
      expect(['budget', 'ringFull']).toContain(result.kind);
    }
  };
  expect(stop()).toBe(2);
  const before = machine.counters().exits;
  expect(stop()).toBe(3);
  const exits = machine.counters().exits - before;
  expect(stop()).toBe(0);
  const output = new TextDecoder().decode(machine.takeSerialOutput());
  return { checksum: BigInt(`0x${new RegExp(`${name} ends, ([0-9a-f]+)`).exec(output)![1]}`), exits };
}

const wrap = (v: bigint): bigint => BigInt.asUintN(64, v);
const xorshift = (v: bigint): bigint => { let x = v; x ^= wrap(x << 13n); x ^= x >> 7n; return x ^ wrap(x << 17n); };
const fib = (n: number): number => (n < 2 ? n : fib(n - 1) + fib(n - 2));
function collatz(passes: number): bigint {
  let steps = 0;
  for (let pass = 0; pass < passes; pass++) for (let start = 1; start <= 128; start++) for (let n = start + pass % 16; n !== 1; steps++) n = n % 2 ? 3 * n + 1 : n / 2;
  return BigInt(steps);
}
function primesBelow(limit: number): number {
  let count = 0;
  for (let n = 2; n < limit; n++) { let prime = true; for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0; if (prime) count++; }
  return count;
}
const repeat = (times: number, step: (x: bigint) => bigint, start: bigint): bigint => { let x = start; for (let n = 0; n < times; n++) x = step(x); return x; };
const crossPage = (passes: number): bigint => {
  let x = 1n;
  for (let pass = 0; pass < passes * 1024; pass++) { const inner = wrap(wrap(x * 5n) + 3n); x = wrap((inner ^ inner >> 7n) + 1n - 1n + BigInt(pass)); }
  return x;
};

describe('the loops of the benchmark image', () => {
  const expected: [name: string, passes: number, checksum: bigint][] = [
    ['sum', 2, wrap(32n * Array.from({ length: 1024 }, (_, n) => xorshift(BigInt(n + 1))).reduce((a, b) => a + b))],
    ['xorshift', 1, repeat(4096, xorshift, 88172645463325252n)], ['collatz', 3, collatz(3)], ['sieve', 2, BigInt(2 * primesBelow(8192))],
    ['chase', 1, 9973n], ['fib', 3, BigInt(3 * fib(15))], ['cross-page', 2, crossPage(2)],
    ['copy', 1, xorshift(1n) ^ xorshift(8192n)],
  ];
  for (const [name, passes, checksum] of expected) it(name, async () => { expect((await run(name, passes)).checksum).toBe(checksum); });
});

describe('the round trips of the benchmark image', () => {
  // one exit more: the guest's VMCALL ends it
  const expected: [name: string, exits: number][] = [['cpuid-exit', 2001], ['ept-violation', 2001], ['page-fault', 0]];
  for (const [name, exits] of expected) it(name, async () => { expect(await run(name, 2)).toEqual({ checksum: 2000n, exits }); });
});
