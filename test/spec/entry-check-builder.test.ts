import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import asc from 'assemblyscript/asc';
import { readFileSync } from 'node:fs';
import { cpuCells, machineCells, ramBase } from '../../src/emulator/codegen/state-layout';
import { entryChecksModule, generatedChecks } from '../../src/emulator/codegen/entry-check-builder';
import { processorValuesModule, writeProcessor } from '../../src/emulator/codegen/processor-table';
import { capability } from '../../src/spec/capability-msrs';
import { evaluateEntry } from '../../src/spec/entry-check-evaluation';
import { entryChecks } from '../../src/spec/entry-checks';
import { defaultProcessorModel, widestProcessorModel } from '../../src/spec/processor-models';
import type { ProcessorModel } from '../../src/spec/processor-models';
import { vmcsFieldBits, vmcsFields, vmcsOffset } from '../../src/spec/vmcs-fields';
import type { VmcsFieldId } from '../../src/spec/vmcs-fields';
import { witnesses } from './entry-check-witnesses';
import { bases, contextFor, currentVmcs, readerOf } from './valid-vmcs';
import type { FieldValues } from './valid-vmcs';

interface CompiledChecks {
  checkControls(vmcs: number): number;
  checkHostState(vmcs: number): number;
  checkGuestState(vmcs: number): number;
  guestStateQualification(failed: number): bigint;
}

const vmcsAddress = ramBase;
const ramSize = 0x10_0000;
const cellAddress = (name: string): number => [...cpuCells, ...machineCells].find((cell) => cell.name === name)!.address;

/** Compiles the generated module with the facts that it imports, and gives it a memory with the table of a model. */
async function compile(model: ProcessorModel): Promise<{ checks: CompiledChecks; view: DataView }> {
  const upper = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
  const needed = ['CPU_CURRENT_VMCS', 'CPU_EFER', 'M_RAM_SIZE'];
  const cells = [...cpuCells.map((cell) => [`CPU_${upper(cell.name)}`, cell.address]), ...machineCells.map((cell) => [`M_${upper(cell.name)}`, cell.address])] as [string, number][];
  const sources: Record<string, string> = {
    'core/generated/entry-checks.ts': entryChecksModule(widestProcessorModel),
    'core/generated/processor-values.ts': processorValuesModule(),
    'core/generated/layout.ts': [...cells.filter(([name]) => needed.includes(name)), ['RAM_BASE', ramBase]].map(([name, value]) => `@inline export const ${name}: usize = ${value};`).join('\n'),
    'core/processor-facts.ts': readFileSync(new URL('../../src/emulator/core/processor-facts.ts', import.meta.url), 'utf8'),
  };
  let binary: Uint8Array | undefined;
  const result = await asc.main(['core/generated/entry-checks.ts', '--outFile', 'out.wasm', '--runtime', 'stub', '--importMemory', '--noAssert', '-O2'], {
    readFile: (name) => sources[name.replaceAll('\\', '/')] ?? null,
    writeFile: (_name, contents) => { binary = contents as Uint8Array; },
    listFiles: () => [],
  });
  if (result.error !== null || binary === undefined) throw new Error(`${String(result.error)}\n${result.stderr.toString()}`);
  const memory = new WebAssembly.Memory({ initial: ramBase / 65536 + ramSize / 65536 });
  const instance = await WebAssembly.instantiate(await WebAssembly.compile(new Uint8Array(binary)), { env: { memory } });
  const view = new DataView(memory.buffer);
  writeProcessor(view, model);
  view.setUint32(cellAddress('ramSize'), ramSize, true);
  view.setBigUint64(cellAddress('currentVmcs'), currentVmcs, true);
  return { checks: instance.exports as unknown as CompiledChecks, view };
}

/** A VMCS to link to at each page from 0x8000: right, wrong revision, not a shadow VMCS. */
const linked = [0x8000n, 0x9000n, 0xa000n];

describe('the generated checks agree with the table', () => {
  let compiled: Awaited<ReturnType<typeof compile>>;
  const model = defaultProcessorModel;
  beforeAll(async () => {
    compiled = await compile(model);
    const revision = capability(model, 'vmxBasic', 'revision');
    [revision + 0x8000_0000, revision + 0x8000_0001, revision].forEach((dword, n) => compiled.view.setUint32(ramBase + Number(linked[n]), dword, true));
    compiled.view.setUint32(ramBase + Number(currentVmcs), revision + 0x8000_0000, true);
    // PDPTEs of a guest without EPT: good ones at 0x2000, one with a reserved bit at 0x2020.
    compiled.view.setBigUint64(ramBase + 0x2000, 0x3001n, true);
    compiled.view.setBigUint64(ramBase + 0x2038, 0x3003n, true);
  }, 60_000);
  afterAll(() => { compiled = undefined!; });

  /** 1 + the first row that each function finds, as the table says and as the machine does. */
  function compare(values: FieldValues, longMode: boolean): void {
    for (const field of vmcsFields) compiled.view.setBigUint64(vmcsAddress + vmcsOffset(field.id), BigInt.asUintN(vmcsFieldBits(field), values[field.id] ?? 0n), true);
    compiled.view.setBigUint64(cellAddress('efer'), longMode ? 0xd00n : 0n, true);
    const { checkControls, checkHostState, checkGuestState } = compiled.checks;
    const [controls, host] = [checkControls(vmcsAddress), checkHostState(vmcsAddress)];
    const guest = controls === 0 ? checkGuestState(vmcsAddress) : 0;
    const expected = expectedRows(values, longMode);
    const actual = controls === 0 ? [controls, host, guest] : [controls];
    if (JSON.stringify(actual) !== JSON.stringify(expected.slice(0, actual.length))) {
      const name = (row: number): string => (row === 0 ? 'none' : entryChecks[row - 1]!.id);
      expect(actual.map(name), JSON.stringify(values, (_, value: unknown) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value))).toEqual(expected.map(name));
    }
  }

  function expectedRows(values: FieldValues, longMode: boolean): number[] {
    const link = values.VMCS_LINK_POINTER ?? 0n;
    const dword = link + 4n <= BigInt(ramSize) ? compiled.view.getUint32(ramBase + Number(link), true) : 0xffff_ffff;
    const table = Number((values.GUEST_CR3 ?? 0n) & 0xffff_ffe0n);
    const pdptes = [0, 8, 16, 24].map((at) => (table + 32 <= ramSize ? compiled.view.getBigUint64(ramBase + table + at, true) : 0xffff_ffff_ffff_ffffn));
    const vtpr = Number(values.VIRTUAL_APIC_ADDRESS ?? 0n) + 0x80;
    const facts = {
      'memory.vtpr': vtpr + 4 <= ramSize ? BigInt(compiled.view.getUint8(ramBase + vtpr)) : 0xffn,
      'now.longMode': longMode, 'memory.linkRevision': BigInt(dword & 0x7fff_ffff), 'memory.linkShadowBit': dword >= 0x8000_0000,
      'memory.pdptesValid': pdptes.every((entry) => (entry & 1n) === 0n || ((entry & 0x1e6n) === 0n && entry >> BigInt(model.physicalBits) === 0n)),
    };
    const { failing } = evaluateEntry(readerOf(values), contextFor(model, facts), ['vmcs', 'memory']);
    return ['controls', 'host', 'guest'].map((part) => 1 + (failing.find((row) => row.id.startsWith(`${part}.`))?.row ?? -1));
  }

  it('on valid VMCSs and on every witness', () => {
    for (const values of Object.values(bases)) for (const longMode of [true, false]) compare(values, longMode);
    for (const { base, ground, change, facts, vmx } of Object.values(witnesses)) {
      if (vmx !== undefined) continue;
      const start = { ...bases[base ?? 'longGuest'], ...ground };
      compare({ ...start, ...(typeof change === 'function' ? change(start) : change) }, facts?.['now.longMode'] !== false);
    }
  });

  it('refuses each witness by its own row', () => {
    for (const [id, { base, ground, change, facts, vmx, also }] of Object.entries(witnesses)) {
      if (vmx !== undefined || also !== undefined) continue;
      const start = { ...bases[base ?? 'longGuest'], ...ground };
      compare({ ...start, ...(typeof change === 'function' ? change(start) : change) }, facts?.['now.longMode'] !== false);
      const row = 1 + entryChecks.findIndex((check) => check.id === id);
      const { checkControls, checkHostState, checkGuestState } = compiled.checks;
      expect([checkControls(vmcsAddress), checkHostState(vmcsAddress), checkGuestState(vmcsAddress)].filter((found) => found !== 0), id).toEqual([row]);
    }
  });

  it('on linked VMCSs and PDPTEs in memory', () => {
    const linkResults = linked.map((pointer) => {
      compare({ ...bases.longGuest, VMCS_LINK_POINTER: pointer }, true);
      return compiled.checks.checkGuestState(vmcsAddress);
    });
    expect(linkResults.map((row) => entryChecks[row - 1]?.id)).toEqual([undefined, 'guest.nonRegister.linkRevision', 'guest.nonRegister.linkShadow']);
    expect(linkResults.map((row) => compiled.checks.guestStateQualification(row))).toEqual([0n, 4n, 4n]);
    const withoutEpt = { ...bases.paeGuest, SECONDARY_PROC_BASED_CONTROLS: 0n };
    const tableResults = [0x2000n, 0x2020n].map((table) => {
      compare({ ...withoutEpt, GUEST_CR3: table }, true);
      return compiled.checks.checkGuestState(vmcsAddress);
    });
    expect(tableResults.map((row) => entryChecks[row - 1]?.id)).toEqual([undefined, 'guest.pdptes.memory']);
    expect(compiled.checks.guestStateQualification(tableResults[1]!)).toBe(2n);
  });

  /** Fields that some generated check reads: only these can make a difference. */
  const fields = [...new Set(generatedChecks(model).flatMap((row) => row.fields))];

  it('on every bit of every field turned in a long-mode guest, and every fifth in the others', () => {
    for (const values of Object.values(bases)) {
      for (const id of fields) {
        const field = vmcsFields.find((candidate) => candidate.id === id)!;
        for (let bit = 0n; bit < vmcsFieldBits(field); bit += values === bases.longGuest ? 1n : 5n) compare({ ...values, [id]: (values[id] ?? 0n) ^ (1n << bit) }, values !== bases.legacyGuest);
      }
    }
  }, 120_000);

  it('on thousands of VMCSs with several fields at corner and random values', () => {
    let seed = 0x9e37_79b9n;
    const random = (below: number): number => {
      seed = (seed * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
      return Number((seed >> 33n) % BigInt(below));
    };
    const corners = [0n, 1n, 2n, 3n, 0xfffn, 0xffffn, 0x8000n, 0x1_0000n, 0xffff_ffffn, 0x8000_0000n, 0x8000_0202n, 0x8000_030dn, 1n << 45n, 1n << 46n, 1n << 47n, 1n << 48n,
      (1n << 64n) - 1n, (1n << 64n) - (1n << 47n)];
    const valueFor = (id: VmcsFieldId, old: bigint): bigint => {
      const kind = random(4);
      const width = vmcsFieldBits(vmcsFields.find((field) => field.id === id)!);
      const kinds = [
        () => corners[random(corners.length)]!,
        () => old ^ (1n << BigInt(random(width))),
        () => old ^ BigInt(random(0x1_0000)),
        () => (BigInt(random(0x7fff_ffff)) << 33n) ^ BigInt(random(0x7fff_ffff)),
      ];
      return BigInt.asUintN(width, kinds[kind]!());
    };
    const starts = Object.values(bases);
    for (let round = 0; round < 4000; round++) {
      const values: FieldValues = { ...starts[random(starts.length)]! };
      for (let n = random(4); n >= 0; n--) {
        const id = fields[random(fields.length)]!;
        values[id] = valueFor(id, values[id] ?? 0n);
      }
      compare(values, random(8) !== 0);
    }
  }, 120_000);
});

describe('another model', () => {
  it.each(Object.entries(witnesses).filter(([, witness]) => witness.vmx !== undefined))('%s refuses by its own row', async (id, { ground, change, vmx }) => {
    const { checks, view } = await compile({ ...defaultProcessorModel, vmx: { ...defaultProcessorModel.vmx, ...vmx } });
    view.setBigUint64(cellAddress('efer'), 0xd00n, true);
    const run = (values: FieldValues): string[] => {
      for (const field of vmcsFields) view.setBigUint64(vmcsAddress + vmcsOffset(field.id), values[field.id] ?? 0n, true);
      return [checks.checkControls(vmcsAddress), checks.checkHostState(vmcsAddress), checks.checkGuestState(vmcsAddress)].filter((row) => row !== 0).map((row) => entryChecks[row - 1]!.id);
    };
    const start = { ...bases.longGuest, ...ground };
    expect(run(start)).toEqual([]);
    expect(run({ ...start, ...(typeof change === 'function' ? change(start) : change) })).toEqual([id]);
  }, 60_000);
  it('compiles with error-code freedom and without EPT, and checks accordingly', async () => {
    const model: ProcessorModel = {
      ...defaultProcessorModel, physicalBits: 36,
      vmx: { ...defaultProcessorModel.vmx, errorCodeFreedom: true, without: new Set(['secondary.enableEpt', 'secondary.unrestrictedGuest']) },
    };
    const { checks, view } = await compile(model);
    const values: FieldValues = { ...bases.longGuest, SECONDARY_PROC_BASED_CONTROLS: 0x20n };
    for (const field of vmcsFields) view.setBigUint64(vmcsAddress + vmcsOffset(field.id), values[field.id] ?? 0n, true);
    view.setBigUint64(cellAddress('efer'), 0xd00n, true);
    expect([checks.checkControls(vmcsAddress), checks.checkHostState(vmcsAddress), checks.checkGuestState(vmcsAddress)]).toEqual([0, 0, 0]);
    view.setBigUint64(vmcsAddress + vmcsOffset('HOST_CR3'), 1n << 36n, true);
    expect(entryChecks[checks.checkHostState(vmcsAddress) - 1]!.id).toBe('host.crMsr.cr3');
    view.setBigUint64(vmcsAddress + vmcsOffset('SECONDARY_PROC_BASED_CONTROLS'), 2n, true);
    expect(entryChecks[checks.checkControls(vmcsAddress) - 1]!.id).toBe('controls.exec.secondaryReserved');
  }, 60_000);
});
