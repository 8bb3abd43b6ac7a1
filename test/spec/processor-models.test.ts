import { describe, expect, it } from 'vitest';
import { bitOf, decodeBits } from '../../src/spec/bit-layouts';
import { allowedSettings, capability, capabilityMsrValues, capabilityMsrs } from '../../src/spec/capability-msrs';
import { cr0Fixed0, cr4Supported, eferSupported } from '../../src/spec/control-registers';
import { controlByRef, controlMask, controlWordNames, controlWordTraits, controlWords } from '../../src/spec/controls';
import { cpuid, cpuidFeatures, cpuidLeaves } from '../../src/spec/cpuid';
import { msrByIndex, msrByName, msrs } from '../../src/spec/msrs';
import { chooseProcessor, namedProcessorModels, processorModelIds, vmxOptions } from '../../src/spec/processor-generations';
import { brokenModelRules, defaultProcessorModel, hasControl, modelRules } from '../../src/spec/processor-models';
import type { ProcessorModel } from '../../src/spec/processor-models';
import { facts } from './facts';
import type { Facts } from './facts';

const model = defaultProcessorModel;
const values = capabilityMsrValues(model);
const value = (index: number): bigint => values.get(index)!;
const low = (index: number): bigint => value(index) & 0xffff_ffffn;
const high = (index: number): bigint => value(index) >> 32n;

describe('controls', () => {
  it.each(controlWordNames)('%s: unique ids, names and bits', (word) => {
    for (const column of ['id', 'name', 'bit'] as const) expect(new Set(controlWords[word].map((row) => row[column])).size).toBe(controlWords[word].length);
    for (const row of controlWords[word]) expect(row.meaning, row.id).toMatch(/^[A-Z0-9].*\.$/);
  });
  it('are found by reference', () => {
    expect(controlByRef('secondary.enableEpt').bit).toBe(1);
    expect(controlMask('primary.activateSecondaryControls')).toBe(0x8000_0000n);
    expect(() => controlByRef('secondary.nothing' as never)).toThrow();
  });
  it('name features that there are', () => {
    for (const word of controlWordNames) for (const row of controlWords[word]) if (row.feature !== undefined) expect(cpuidFeatures.some((feature) => feature.id === row.feature), row.id).toBe(true);
  });
});

describe('capability MSRs of the default model', () => {
  it.each([[0x481, 0x48d], [0x482, 0x48e], [0x483, 0x48f], [0x484, 0x490]])('%i and its TRUE MSR %i', (plain, exact) => {
    expect(high(exact)).toBe(high(plain));
    expect(low(exact) & ~low(plain)).toBe(0n);
    // What must be 1 may be 1.
    expect(low(plain) & ~high(plain)).toBe(0n);
  });
  it('a control is allowed just if the machine has it', () => {
    for (const word of controlWordNames) {
      const { mustBeOne, mayBeOne } = allowedSettings(model, word);
      for (const row of controlWords[word]) {
        const ref = `${word}.${row.id}` as Parameters<typeof hasControl>[1];
        const mask = 1n << BigInt(row.bit);
        const default1 = (BigInt(controlWordTraits[word].default1) & mask) !== 0n;
        expect((mayBeOne & mask) !== 0n, ref).toBe(hasControl(model, ref) || default1);
        expect((mustBeOne & mask) !== 0n, ref).toBe(default1 && !hasControl(model, ref));
      }
    }
  });
  it('secondary controls have no bit that must be 1', () => expect(low(0x48b)).toBe(0n));
  it('an activating control is allowed if its word has a control', () => {
    expect(values.has(0x48b)).toBe((high(0x482) & controlMask('primary.activateSecondaryControls')) !== 0n);
    expect(values.has(0x492)).toBe((high(0x482) & controlMask('primary.activateTertiaryControls')) !== 0n);
    expect(values.has(0x493)).toBe((high(0x483) & controlMask('exit.activateSecondaryControls')) !== 0n);
  });
  it('fixed bits: what is 1 in all may be 1', () => {
    expect(value(0x486) & ~value(0x487)).toBe(0n);
    expect(value(0x488) & ~value(0x489)).toBe(0n);
    expect(value(0x486)).toBe(0x8000_0021n);
    expect(value(0x488)).toBe(0x2000n);
  });
  it('basic information', () => {
    expect(decodeBits('vmxBasic', value(0x480)).filter((part) => part.value !== 0n).map((part) => `${part.id}=${part.text ?? part.value}`)).toEqual([
      `revision=${model.vmx.revision}`, 'regionSize=4096', 'memoryType=WB', 'insOutsInfo=1', 'trueMsrs=1',
    ]);
  });
  it('an unrestricted guest needs exits that store LMA', () => expect(capability(model, 'vmxMisc', 'savesLma')).toBe(1));
  it('INVEPT and INVVPID come with EPT and VPID', () => {
    expect([capability(model, 'vmxEptVpidCap', 'invept'), capability(model, 'vmxEptVpidCap', 'invvpid'), capability(model, 'vmxEptVpidCap', 'walkLength4')]).toEqual([1, 1, 1]);
  });
  it('MSRs of features that are not there do not exist', () => {
    expect(values.has(0x492)).toBe(false);
    expect(values.get(0x491)).toBe(1n);
    expect([...values.keys()].every((index) => index >= 0x480 && index <= 0x493)).toBe(true);
  });
  it('a model without VMX has none', () => expect(capabilityMsrValues({ ...model, features: new Set([...model.features].filter((id) => id !== 'vmx')) }).size).toBe(0));
  it('a model without EPT offers neither it nor its capabilities', () => {
    const without: ProcessorModel = { ...model, vmx: { ...model.vmx, without: new Set(['secondary.enableEpt', 'secondary.unrestrictedGuest']) } };
    expect((capabilityMsrValues(without).get(0x48b)! >> 32n) & 0x82n).toBe(0n);
    expect(capability(without, 'vmxEptVpidCap', 'invept')).toBe(0);
    expect(capability(without, 'vmxMisc', 'savesLma')).toBe(0);
  });
});

describe('models and their rules', () => {
  it.each(namedProcessorModels.map((one) => [one.id, one] as const))('%s breaks none', (id, one) => {
    expect(brokenModelRules(one)).toEqual([]);
    expect(chooseProcessor({ model: id })).toEqual(one);
  });
  it('each generation has what the one before had', () => {
    const [everything, ...generations] = namedProcessorModels;
    for (const [n, later] of generations.entries()) {
      const earlier = generations[n - 1];
      if (earlier === undefined) continue;
      expect([...earlier.features].filter((feature) => !later.features.has(feature)), later.id).toEqual([]);
      expect([...later.vmx.without].filter((ref) => !earlier.vmx.without.has(ref)), later.id).toEqual([]);
      for (const option of vmxOptions) expect(later.vmx[option] || !earlier.vmx[option], option).toBe(true);
    }
    for (const feature of generations.at(-1)!.features) expect(everything!.features.has(feature), feature).toBe(true);
    expect(processorModelIds[0]).toBe('abyme');
  });
  it('the oldest has VMX without EPT, VPID and preemption timer', () => {
    const penryn = chooseProcessor({ model: 'penryn' });
    expect(hasControl(penryn, 'secondary.wbinvdExiting')).toBe(true);
    for (const ref of ['secondary.enableEpt', 'secondary.enableVpid', 'pin.activatePreemptionTimer', 'secondary.vmcsShadowing'] as const) expect(hasControl(penryn, ref), ref).toBe(false);
    expect(capabilityMsrValues(penryn).has(0x48c)).toBe(false);
  });
  it('a choice takes away features, controls and options', () => {
    const chosen = chooseProcessor({ without: ['pcid', 'secondary.vmcsShadowing', 'vmx.vmwriteAny'], physicalBits: 46 });
    expect(chosen.features.has('pcid')).toBe(false);
    expect(hasControl(chosen, 'secondary.vmcsShadowing')).toBe(false);
    expect(capability(chosen, 'vmxMisc', 'vmwriteAny')).toBe(0);
    expect(chosen.physicalBits).toBe(46);
  });
  it.each([
    [{ model: '8086' }, 'There is no processor model 8086; there are abyme, penryn'],
    [{ without: ['ept'] }, 'A processor has nothing called ept.'],
    [{ without: ['secondary.enableEpt'] }, 'The control secondary.unrestrictedGuest needs the control secondary.enableEpt.'],
    [{ without: ['lm'] }, 'A processor has at least '],
    [{ physicalBits: 32 }, 'The physical-address width is 36 to 52 bits.'],
  ])('%j is refused with a sentence', (choice, sentence) => {
    expect(() => chooseProcessor(choice)).toThrow(sentence);
  });
  it('rules have unique ids and sentences', () => {
    expect(new Set(modelRules.map((row) => row.id)).size).toBe(modelRules.length);
    for (const row of modelRules) expect(row.rule).toMatch(/\.$/);
  });
  const broken = (name: string, change: Partial<ProcessorModel>, expected: string): void => it(name, () => expect(brokenModelRules({ ...model, ...change })).toContain(expected));
  const lacking = (...ids: string[]): ProcessorModel['features'] => new Set([...model.features].filter((id) => !ids.includes(id)));
  broken('SSE2 without SSE', { features: lacking('sse') }, 'sse2 needs sse.');
  broken('a feature that is not implemented', { features: new Set([...model.features, 'avx']) }, 'A model has only features that the machine implements.');
  broken('57-bit addresses without la57', { linearBits: 57 }, 'The linear-address width is 57 bits exactly if the processor has la57.');
  broken('a narrow physical address', { physicalBits: 32 }, 'The physical-address width is 36 to 52 bits.');
  broken('unrestricted guest without EPT', { vmx: { ...model.vmx, without: new Set(['secondary.enableEpt']) } }, 'The control secondary.unrestrictedGuest needs the control secondary.enableEpt.');
  broken('secondary controls without their activation', { vmx: { ...model.vmx, without: new Set(['primary.activateSecondaryControls']) } },
    'The control secondary.enableEpt needs the control primary.activateSecondaryControls.');
  it('control registers follow the features', () => {
    expect(cr4Supported(model) & bitOf('cr4', 'vmxe')).not.toBe(0n);
    expect(cr4Supported(model) & bitOf('cr4', 'fred')).toBe(0n);
    expect(eferSupported(model)).toBe(0xd01n);
    expect(cr0Fixed0).toBe(0x8000_0021n);
  });
});

describe('CPUID', () => {
  it('features have unique ids and places', () => {
    expect(new Set(cpuidFeatures.map((row) => row.id)).size).toBe(cpuidFeatures.length);
    expect(new Set(cpuidFeatures.map((row) => `${row.leaf}.${row.register}.${row.bit}`)).size).toBe(cpuidFeatures.length);
  });
  it('the vendor is spelt as software expects', () => {
    const { ebx, ecx, edx } = cpuid(model, 0);
    expect([ebx, edx, ecx].map((word) => [0, 8, 16, 24].map((shift) => String.fromCharCode((word >>> shift) & 0xff)).join('')).join('')).toBe('GenuineIntel');
  });
  it('the brand string too', () => {
    const text = [0x8000_0002, 0x8000_0003, 0x8000_0004].map((leaf) => Object.values(cpuid(model, leaf)).map((word) => [0, 8, 16,
      24].map((shift) => String.fromCharCode((word >>> shift) & 0xff)).join('')).join('')).join('');
    expect(text.replace(/\0+$/, '')).toBe(model.brand);
  });
  it('features are set just if the model has them', () => {
    for (const row of cpuidFeatures) expect(((cpuid(model, row.leaf, row.subleaf)[row.register] >>> row.bit) & 1) === 1, row.id).toBe(model.features.has(row.id as never));
  });
  it('signature, widths', () => {
    expect(cpuid(model, 1).eax).toBe(0x0005_06e3);
    expect(cpuid(model, 0x8000_0008).eax).toBe(0x302e);
  });
  it('leaves that do not exist answer as the highest basic leaf', () => {
    expect(cpuid(model, 0x4000_0000)).toEqual(cpuid(model, 0xd));
    expect(cpuid(model, 0x8000_0009)).toEqual(cpuid(model, 0xd));
    expect(cpuid(model, 3)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
    expect(cpuid(model, 7, 1)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
  });
  it('leaves are unique and all registers are unsigned dwords', () => {
    const leaves = cpuidLeaves(model);
    expect(new Set(leaves.map((row) => `${row.leaf}.${row.subleaf}`)).size).toBe(leaves.length);
    for (const row of leaves) for (const register of [row.eax, row.ebx, row.ecx, row.edx]) expect(register >= 0 && register < 2 ** 32 && Number.isInteger(register), String(row.leaf)).toBe(true);
  });
});

describe('MSRs', () => {
  it('have unique indices and names', () => {
    expect(new Set(msrs.map((row) => row.index)).size).toBe(msrs.length);
    expect(new Set(msrs.map((row) => row.name)).size).toBe(msrs.length);
  });
  it.each([[0x10, 'IA32_TIME_STAMP_COUNTER'], [0x1b, 'IA32_APIC_BASE'], [0x206, 'IA32_MTRR_PHYSBASE3'], [0x26f, 'IA32_MTRR_FIX4K_F8000'], [0x480, 'IA32_VMX_BASIC'],
    [0x80b, 'IA32_X2APIC_EOI'], [0x83f, 'IA32_X2APIC_SELF_IPI'], [0xc000_0080, 'IA32_EFER']])(
    '%i is %s', (index, name) => {
      expect(msrByIndex(index)?.name).toBe(name);
      expect(msrByName(name)?.index).toBe(index);
    });
  it('x2APIC has no MSR for what only the page has', () => {
    for (const index of [0x80e, 0x831, 0x809]) expect(msrByIndex(index)).toBeUndefined();
    expect(msrByIndex(0x802)?.access).toBe('read-only');
  });
});

const known = facts('capability-msrs');
if (known !== undefined) {
  describe('the facts', () => {
    it('have the same MSRs', () => expect(capabilityMsrs.map((row) => [row.index, row.name])).toEqual(known.msrs.map((row: Facts) => [Number(row.index), row.name])));
    it('have the same default1 masks', () => {
      const words = { pinBased: 'pin', procBased: 'primary', exit: 'exit', entry: 'entry' } as const;
      for (const [name, word] of Object.entries(words)) {
        expect(controlWordTraits[word].default1).toBe(Number(known.default1[name]));
        const exact = known.default1True[name];
        if (exact !== undefined) expect(allowedSettings(model, word).mustBeOne).toBe(BigInt(exact.split(' ')[0]));
      }
    });
    it('every real processor in them obeys the same relations as ours', () => {
      for (const { values: example } of known.examples as Facts[]) {
        for (const [plain, exact, word] of [['0x481', '0x48D', 'pin'], ['0x482', '0x48E', 'primary'], ['0x483', '0x48F', 'exit'], ['0x484', '0x490', 'entry']] as const) {
          expect(BigInt(example[plain]) & 0xffff_ffffn).toBe(BigInt(controlWordTraits[word].default1));
          expect(low(Number(plain))).toBe(BigInt(example[plain]) & 0xffff_ffffn);
          expect(low(Number(exact))).toBe(BigInt(example[exact]) & 0xffff_ffffn);
        }
      }
    });
  });
}
