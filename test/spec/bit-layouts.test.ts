import { describe, expect, it } from 'vitest';
import { extract, insert, maskOf } from '../../src/spec/bit-fields';
import { bitLayouts, bitOf, decodeBits, fieldOf, layoutField, layoutFields, namedBits } from '../../src/spec/bit-layouts';
import type { LayoutName } from '../../src/spec/bit-layouts';
import { controlWordTraits, controlWords } from '../../src/spec/controls';
import { exceptions } from '../../src/spec/exceptions';
import { qualificationFormats } from '../../src/spec/exit-qualifications';
import { bitRange, facts, isReserved } from './facts';
import type { Facts } from './facts';

const names = Object.keys(bitLayouts) as LayoutName[];

describe('every layout', () => {
  it.each(names)('%s: fields do not overlap, have unique ids, and their values fit', (name) => {
    let seen = 0n;
    for (const field of layoutFields(name)) {
      expect(field.bits[0], field.id).toBeGreaterThanOrEqual(field.bits[1]);
      expect(field.id).toMatch(/^[a-z][A-Za-z0-9]*$/);
      expect(seen & maskOf(field), field.id).toBe(0n);
      seen |= maskOf(field);
      for (const value of Object.keys(field.values ?? {})) expect(BigInt(value) >> BigInt(field.bits[0] - field.bits[1] + 1), field.id).toBe(0n);
    }
    expect(new Set(layoutFields(name).map((field) => field.id)).size).toBe(layoutFields(name).length);
    expect(namedBits(name)).toBe(seen);
  });
  it.each(names)('%s: taking a value apart and putting it together gives it back', (name) => {
    for (const pattern of [0n, 0x5555_5555_5555_5555n, 0xaaaa_aaaa_aaaa_aaaan, 0xffff_ffff_ffff_ffffn]) {
      const value = pattern & namedBits(name);
      const again = decodeBits(name, value).reduce((word, part) => insert(part, word, part.value), 0n);
      expect(again).toBe(value);
    }
  });
});

describe('decoding', () => {
  const decode = (layout: LayoutName, value: bigint): string[] => decodeBits(layout, value).filter((part) => part.value !== 0n).map((part) => `${part.id}=${part.text ?? part.value}`);
  const check = (layout: LayoutName, value: bigint, expected: string[]): void => it(`${layout} ${value.toString(16)}`, () => expect(decode(layout, value)).toEqual(expected));
  check('rflags', 0x246n, ['fixed1=1', 'pf=1', 'zf=1', 'if=1']);
  check('cr0', 0x8005_0033n, ['pe=1', 'mp=1', 'et=1', 'ne=1', 'wp=1', 'am=1', 'pg=1']);
  check('efer', 0xd01n, ['sce=1', 'lme=1', 'lma=1', 'nxe=1']);
  check('dr7', 0x000d_0402n, ['g0=1', 'fixed1=1', 'rw0=data write', 'len0=4 bytes']);
  check('accessRights', 0xa09bn, ['type=code, execute/read, accessed', 's=code or data', 'p=1', 'l=1', 'g=4-KByte pages']);
  check('accessRights', 0x8bn, ['type=TSS, busy', 'p=1']);
  check('vmEntryInterruptionInfo', 0x8000_0b0en, ['vector=14', 'type=hardware exception', 'deliverErrorCode=1', 'valid=1']);
  check('exitReason', 0x8000_0021n, ['basicReason=33', 'entryFailure=1']);
  check('eptp', 0x30_005en, ['memoryType=WB', 'walkLengthMinus1=4 levels', 'accessedDirty=1', 'address=768']);
  check('qualificationCrAccess', 0x0103n, ['register=CR3', 'generalRegister=RCX']);
  check('qualificationIoInstruction', 0x03f8_0009n, ['size=2 bytes', 'direction=IN', 'port=1016']);
  check('pageFaultErrorCode', 0x17n, ['p=1', 'wr=1', 'us=1', 'id=1']);
  check('selector', 0x2bn, ['rpl=3', 'index=5']);
  // Bits that are always 1 are not reported as reserved; others are.
  check('pinBasedControls', 0x16n, []);
  check('pinBasedControls', 0x117n, ['externalInterruptExiting=1', 'reserved=256']);
  check('rflags', 0x8002n, ['fixed1=1', 'reserved=32768']);
  it('masks by name', () => {
    expect(bitOf('primaryProcControls', 'hltExiting')).toBe(0x80n);
    expect(bitOf('vmxEptVpidCap', 'invvpidSingle')).toBe(1n << 41n);
    expect(bitOf('exceptionBitmap', 'pageFault')).toBe(0x4000n);
    expect(fieldOf('accessRights', 'dpl', 0x60n)).toBe(3n);
    expect(extract(layoutField('cr4', 'fred'), 1n << 32n)).toBe(1n);
    expect(() => layoutField('cr0', 'nothing' as never)).toThrow();
  });
  it('the exception bitmap names every vector below 32 that there is', () => {
    expect(layoutFields('exceptionBitmap').map((row) => row.bits[0])).toEqual(exceptions.map((row) => row.vector));
  });
});

/** Ranges of a list of bits that carry a name, as `high:low`, sorted. */
const ranges = (bits: readonly Facts[]): string[] => bits.filter((row) => !isReserved(row)).map((row) => bitRange(row.bits).join(':')).sort();
const ownRanges = (layout: LayoutName): string[] => layoutFields(layout).map((row) => row.bits.join(':')).sort();

const fields = facts('vmcs-fields');
if (fields !== undefined) {
  describe('the facts: layouts of VMCS fields', () => {
    const named: Record<string, string[]> = { exceptionBitmap: [], activityState: [], vmExitInstructionInfo: [], veInformationArea: [] };
    for (const [name, layout] of Object.entries(fields.layouts as Record<string, Facts>)) {
      if (name in named) continue;
      it(name, () => expect(ownRanges(name as LayoutName)).toEqual(ranges(layout.bits)));
    }
    it('activityState', () => expect(Object.keys(layoutField('activityState', 'state').values!)).toEqual(Object.keys(fields.layouts.activityState.values)));
    it('veInformationArea', () => {
      const bytes = (fields.layouts.veInformationArea.bytes as Facts[]).map((row) => `${8 * (row.offset + row.size) - 1}:${8 * row.offset}`);
      expect(layoutFields('veInformationArea').map((row) => row.bits.join(':'))).toEqual(bytes);
    });
    const formats: Record<string, LayoutName> = {
      insOuts: 'instructionInfoInsOuts', invalidate: 'instructionInfoInvalidate', gdtrIdtr: 'instructionInfoGdtrIdtr', ldtrTr: 'instructionInfoLdtrTr', rdrandLike: 'instructionInfoRandom',
      vmxMem: 'instructionInfoVmxMemory', vmreadVmwrite: 'instructionInfoVmreadVmwrite', loadiwkey: 'instructionInfoLoadiwkey', msrImmediate: 'instructionInfoMsrImmediate',
    };
    for (const [name, format] of Object.entries(fields.layouts.vmExitInstructionInfo.formats as Record<string, Facts>)) {
      it(`instruction information ${name}`, () => expect(ownRanges(formats[name]!)).toEqual(ranges(format.bits)));
    }
    it('interruption types', () => {
      for (const name of ['vmEntryInterruptionInfo', 'vmExitInterruptionInfo', 'idtVectoringInfo'] as const) {
        const ours = layoutField(name, 'type').values!;
        for (const [type, text] of Object.entries(fields.layouts[name].interruptionTypes as Record<string, string>)) if (text !== 'reserved') expect(text.startsWith(ours[Number(type)]!), text).toBe(true);
      }
    });
  });
  describe('the facts: controls', () => {
    for (const [word, traits] of Object.entries(controlWordTraits)) {
      it(word, () => {
        const layout = fields.layouts[traits.layout];
        expect(traits.default1).toBe(Number(layout.default1Mask ?? 0));
        expect(traits.width).toBe(Number(layout.word));
        expect([traits.msr, ...(traits.trueMsr === undefined ? [] : [traits.trueMsr])]).toEqual(layout.capabilityMsr.map(Number));
        expect(controlWords[word as keyof typeof controlWords].map((row) => [row.bit, row.name])).toEqual(layout.bits.map((row: Facts) => [Number(row.bits), row.name]));
      });
    }
  });
}

const qualifications = facts('exit-qualifications');
if (qualifications !== undefined) {
  describe('the facts: exit qualifications', () => {
    it('have the same formats', () => expect(Object.keys(qualificationFormats)).toEqual(Object.keys(qualifications.formats)));
    for (const [name, format] of Object.entries(qualifications.formats as Record<string, Facts>)) {
      it(name, () => {
        const ours = qualificationFormats[name as keyof typeof qualificationFormats];
        expect('layout' in ours).toBe(format.bits !== undefined);
        if ('layout' in ours) expect(ownRanges(ours.layout)).toEqual(ranges(format.bits));
      });
    }
  });
}

const capabilities = facts('capability-msrs');
if (capabilities !== undefined) {
  describe('the facts: capability MSRs', () => {
    const layouts: Record<string, LayoutName> = { IA32_VMX_BASIC: 'vmxBasic', IA32_VMX_MISC: 'vmxMisc', IA32_VMX_VMCS_ENUM: 'vmxVmcsEnum', IA32_VMX_EPT_VPID_CAP: 'vmxEptVpidCap',
      IA32_VMX_VMFUNC: 'vmFunctionControls', IA32_FEATURE_CONTROL: 'featureControl' };
    for (const msr of [...capabilities.msrs, ...capabilities.relatedMsr] as Facts[]) {
      if (Array.isArray(msr.layout)) it(msr.name, () => expect(ownRanges(layouts[msr.name]!)).toEqual(ranges(msr.layout)));
    }
  });
}
