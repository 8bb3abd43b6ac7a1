/**
 * Checks on the guest's segment registers: SDM 3C 27.3.1.2 'Checks on Guest Segment Registers'.
 *
 * The rules differ for virtual-8086 mode, and most do not hold for a register that is unusable. `UG` below is the control 'unrestricted guest'.
 */
import { always, both, check } from './row';
import type { CheckRow, CheckSection } from './row';
import type { VmcsFieldId } from '../vmcs-fields';

type SegmentName = 'CS' | 'SS' | 'DS' | 'ES' | 'FS' | 'GS';

const all: readonly SegmentName[] = ['CS', 'SS', 'DS', 'ES', 'FS', 'GS'];
const data: readonly SegmentName[] = ['DS', 'ES', 'FS', 'GS'];

const v86 = 'GUEST_RFLAGS.vm';
const notV86 = 'not GUEST_RFLAGS.vm';
const noUG = 'not secondary.unrestrictedGuest';
const rights = (name: string): string => `GUEST_${name}_ACCESS_RIGHTS`;
const usable = (name: string): string => `not ${rights(name)}.unusable`;
/** CS is checked in any case; the others if they are usable. */
const checked = (name: SegmentName): string => (name === 'CS' ? notV86 : both(notV86, usable(name)));

const fred = { feature: 'fred' };
const unusableHint = 'Set bit 16 of the access rights if the register holds no segment.';
const reservedHint = 'Shift the access byte of the descriptor right: type in bits 3:0, P in bit 7, AVL to G in bits 15:12.';

const table = (name: 'TR' | 'LDTR'): string => (name === 'TR' ? 'task register' : 'LDT register');

function granularity(name: string, lowName: string, highName: string, when: string): CheckRow[] {
  const limit = `GUEST_${name}_LIMIT`;
  const fields = [`GUEST_${name}_ACCESS_RIGHTS`, limit] as VmcsFieldId[];
  return [
    check(lowName, both(when, `${limit}[11:0] != 0xfff`), `${rights(name)}.g = 0`, `A limit of ${name} that does not end with FFFH counts bytes.`,
      'Clear G, or use a limit whose low 12 bits are all 1.', { fields }),
    check(highName, both(when, `${limit}[31:20] != 0`), `${rights(name)}.g = 1`, `A limit of ${name} of 1 MByte and more counts pages.`,
      'Set G; the field holds the limit in bytes all the same.', { fields }),
  ];
}

const selectorRows: readonly CheckRow[] = [
  check('trTi', always, 'GUEST_TR_SELECTOR.ti = 0', 'The guest\'s task register has a selector into the GDT.', 'Clear bit 2 of the selector.'),
  check('ldtrTi', usable('LDTR'), 'GUEST_LDTR_SELECTOR.ti = 0', 'The guest\'s LDT register has a selector into the GDT.', `Clear bit 2 of the selector. ${unusableHint}`),
  check('ssRplCsRpl', both(notV86, noUG), 'GUEST_SS_SELECTOR.rpl = GUEST_CS_SELECTOR.rpl', 'SS and CS have the same RPL.', 'Give both selectors the privilege level at which the guest starts.'),
];

const v86Rows: readonly CheckRow[] = [
  ...all.map((name) => check(`v86Base${name}`, v86, `GUEST_${name}_BASE = GUEST_${name}_SELECTOR << 4`, `In virtual-8086 mode the base of ${name} is 16 times its selector.`,
    'Set the base to the selector shifted left by 4.')),
  ...all.map((name) => check(`v86Limit${name}`, v86, `GUEST_${name}_LIMIT = 0xffff`, `In virtual-8086 mode the limit of ${name} is FFFFH.`, 'Set the limit to 0xFFFF.')),
  ...all.map((name) => check(`v86Ar${name}`, v86, `${rights(name)} = 0xf3`, `In virtual-8086 mode the access rights of ${name} are F3H.`, 'Set the access rights to 0xF3.')),
];

const makeCanonical = 'Use a canonical address: bits 63:48 are copies of bit 47.';
const baseRows: readonly CheckRow[] = [
  ...(['TR', 'FS', 'GS'] as const).map((name) => check(`baseCanonical${name}`, always, `canonical(GUEST_${name}_BASE)`, `The base of ${name} is canonical.`, makeCanonical)),
  check('baseCanonicalLDTR', usable('LDTR'), 'canonical(GUEST_LDTR_BASE)', 'The base of LDTR is canonical.', `${makeCanonical} ${unusableHint}`),
  check('baseHighCS', always, 'GUEST_CS_BASE[63:32] = 0', 'The base of CS has 32 bits.', 'Use 0 for 64-bit code.'),
  ...(['SS', 'DS', 'ES'] as const).map((name) => check(`baseHigh${name}`, usable(name), `GUEST_${name}_BASE[63:32] = 0`, `The base of ${name} has 32 bits.`, `Use 0 in 64-bit mode. ${unusableHint}`)),
];

const typeRows: readonly CheckRow[] = [
  check('csType', notV86, `${rights('CS')}.type in (9, 11, 13, 15) or secondary.unrestrictedGuest and ${rights('CS')}.type = 3`,
    'CS holds an accessed code segment; an unrestricted guest may have read/write data.', 'Use type 11 (code, readable, accessed).'),
  check('ssType', checked('SS'), `${rights('SS')}.type in (3, 7)`, 'SS holds an accessed read/write data segment.', `Use type 3. ${unusableHint}`),
  ...data.flatMap((name) => [
    check(`typeAccessed${name}`, checked(name), `${rights(name)}.type[0] = 1`, `${name} holds an accessed segment.`, `Set bit 0 of the type. ${unusableHint}`),
    check(`typeReadable${name}`, both(checked(name), `${rights(name)}.type[3] = 1`), `${rights(name)}.type[1] = 1`, `A code segment in ${name} is readable.`,
      `Use type 3 (data) or 11 (readable code). ${unusableHint}`),
  ]),
  ...all.map((name) => check(`s${name}`, checked(name), `${rights(name)}.s = 1`, `${name} holds a code or data segment.`, `Set S (bit 4). ${unusableHint}`)),
];

const dplRows: readonly CheckRow[] = [
  check('csDplType3', both(notV86, `${rights('CS')}.type = 3`), `${rights('CS')}.dpl = 0`, 'Data in CS has privilege level 0.', 'Set DPL of CS to 0.', { feature: 'secondary.unrestrictedGuest' }),
  check('csDplNonconforming', both(notV86, `${rights('CS')}.type in (9, 11)`), `${rights('CS')}.dpl = ${rights('SS')}.dpl`, 'CS and SS have the same privilege level.',
    'Give both the privilege level at which the guest starts.'),
  check('csDplConforming', both(notV86, `${rights('CS')}.type in (13, 15)`), `${rights('CS')}.dpl <= ${rights('SS')}.dpl`, 'Conforming code is not less privileged than SS.', 'Lower DPL of CS.'),
  check('ssDplRpl', both(notV86, noUG), `${rights('SS')}.dpl = GUEST_SS_SELECTOR.rpl`, 'SS has the privilege level of its selector, usable or not.', 'Give DPL and RPL of SS the same value.'),
  check('ssDplZero', both(notV86, `${rights('CS')}.type = 3 or not GUEST_CR0.pe`), `${rights('SS')}.dpl = 0`, 'In real mode SS has privilege level 0.', 'Set DPL of SS to 0.',
    { feature: 'secondary.unrestrictedGuest' }),
  ...data.map((name) => check(`dplRpl${name}`, both(both(checked(name), noUG), `${rights(name)}.type <= 11`), `${rights(name)}.dpl >= GUEST_${name}_SELECTOR.rpl`,
    `${name} is not more privileged than its selector.`, `Raise DPL or lower RPL. ${unusableHint}`)),
];

const commonRows: readonly CheckRow[] = all.flatMap((name) => [
  check(`p${name}`, checked(name), `${rights(name)}.p = 1`, `The segment in ${name} is present.`, `Set P (bit 7). ${unusableHint}`),
  check(`reserved${name}`, checked(name), `${rights(name)}[11:8] = 0 and ${rights(name)}[31:17] = 0`, `Reserved bits of the access rights of ${name} are 0.`, reservedHint),
  ...granularity(name, `gLow${name}`, `gHigh${name}`, checked(name)),
]);

const systemRows = (name: 'TR' | 'LDTR', when: string): CheckRow[] => {
  const prefix = name.toLowerCase();
  return [
    check(`${prefix}S`, when, `${rights(name)}.s = 0`, `The ${table(name)} holds a system segment.`, 'Clear S (bit 4).'),
    check(`${prefix}P`, when, `${rights(name)}.p = 1`, `The segment in the ${table(name)} is present.`, 'Set P (bit 7).'),
    check(`${prefix}Reserved`, when, `${rights(name)}[11:8] = 0 and ${rights(name)}[31:17] = 0`, `Reserved bits of the access rights of the ${table(name)} are 0.`, reservedHint),
    ...granularity(name, `${prefix}GLow`, `${prefix}GHigh`, when),
  ];
};

const segments: CheckSection = {
  id: 'guest.segments', number: '27.3.1.2', title: 'Checks on Guest Segment Registers', outcome: 'entry failure 33, qualification 0',
  checks: [
    ...selectorRows, ...v86Rows, ...baseRows, ...typeRows, ...dplRows, ...commonRows,
    check('csDb', both(notV86, `entry.ia32eModeGuest and ${rights('CS')}.l`), `${rights('CS')}.db = 0`, '64-bit code has D/B clear.', 'Clear D/B of CS; use 0xA09B for 64-bit code.'),
    check('trType', always, `${rights('TR')}.type = 11 or ${rights('TR')}.type = 3 and not entry.ia32eModeGuest`, 'The task register holds a busy TSS.',
      'Use type 11; LTR makes a TSS busy, a fresh descriptor is not.'),
    ...systemRows('TR', always),
    check('trUnusable', always, `${rights('TR')}.unusable = 0`, 'The task register is usable.', 'Give the guest a task register: access rights 0x8B, any base and limit.'),
    check('ldtrType', usable('LDTR'), `${rights('LDTR')}.type = 2`, 'The LDT register holds an LDT.', `Use type 2. ${unusableHint}`),
    ...systemRows('LDTR', usable('LDTR')),
    check('fredSsDpl', 'GUEST_CR4.fred', `${rights('SS')}.dpl in (0, 3)`, 'With FRED there are the privilege levels 0 and 3 only.', 'Set DPL of SS to 0 or 3.', fred),
    check('fredCsL', `GUEST_CR4.fred and ${rights('SS')}.dpl = 0`, `${rights('CS')}.l`, 'With FRED, privilege level 0 is 64-bit code.', 'Set L of CS.', fred),
    check('fredIopl', `GUEST_CR4.fred and ${rights('SS')}.dpl = 3`, 'GUEST_RFLAGS.iopl = 0', 'With FRED there is no I/O privilege at level 3.', 'Clear RFLAGS.IOPL.', fred),
  ],
};

export const guestSegmentSections: readonly CheckSection[] = [segments];
