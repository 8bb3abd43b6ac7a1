/**
 * Checks on the host-state area: SDM 3C 27.2.2 'Checks on Host Control Registers, MSRs, and SSP', 27.2.3 'Checks on Host Segment and
 * Descriptor-Table Registers', 27.2.4 'Checks Related to Address-Space Size'.
 */
import { always, check } from './row';
import type { CheckRow, CheckSection } from './row';
import type { VmcsFieldId } from '../vmcs-fields';

const makeCanonical = 'Use a canonical address: bits 63:48 are copies of bit 47.';
const pat = 'Use the memory types 0, 1, 4, 5, 6 and 7 only.';

export function canonicalRow(name: string, when: string, field: VmcsFieldId, what: string): CheckRow {
  return check(name, when, `canonical(${field})`, `${what} is canonical.`, makeCanonical);
}

/** The bits of CR0 and CR4 that VMX operation fixes; CR0.NW and CR0.CD are never checked. */
const hostCr0 = 'cr0Fixed0 & ~HOST_CR0 = 0 and HOST_CR0 & ~(cr0Fixed1 | 0x60000000) = 0';
const hostCr4 = 'cr4Fixed0 & ~HOST_CR4 = 0 and HOST_CR4 & ~cr4Fixed1 = 0';

const fred = { feature: 'fred' };
const cet = { feature: 'exit.loadCetState' };

/** The same rule for three numbered registers. */
const three = (field: string, rule: (name: string) => string): string => [1, 2, 3].map((n) => rule(`${field}${n}`)).join(' and ');

const registers: CheckSection = {
  id: 'host.crMsr', number: '27.2.2', title: 'Checks on Host Control Registers, MSRs, and SSP', outcome: 'VMfailValid(8)',
  checks: [
    check('cr0', always, hostCr0, 'The host\'s CR0 has the bits that VMX operation fixes.', 'Store the CR0 in use: PE, NE and PG are set, and bits 63:32 are 0.'),
    check('cr4', always, hostCr4, 'The host\'s CR4 has the bits that VMX operation fixes.', 'Store the CR4 in use: VMXE is set, and no bit that the processor does not have.'),
    check('cetWp', 'HOST_CR4.cet', 'HOST_CR0.wp', 'Control-flow enforcement in the host needs CR0.WP.', 'Set CR0.WP.', { feature: 'cetSs' }),
    check('cr3', always, 'HOST_CR3 >> physicalBits = 0', 'The host\'s CR3 fits in the physical-address width.', 'Store the CR3 in use; look for a linear address.'),
    canonicalRow('sysenterEsp', always, 'HOST_IA32_SYSENTER_ESP', 'The host\'s IA32_SYSENTER_ESP'),
    canonicalRow('sysenterEip', always, 'HOST_IA32_SYSENTER_EIP', 'The host\'s IA32_SYSENTER_EIP'),
    check('perfGlobalCtrl', 'exit.loadPerfGlobalCtrl', 'HOST_IA32_PERF_GLOBAL_CTRL & ~perfGlobalCtrlSupported = 0', 'The host\'s IA32_PERF_GLOBAL_CTRL has no reserved bit set.',
      'Set bits of existing counters only.', { feature: 'exit.loadPerfGlobalCtrl' }),
    check('pat', 'exit.loadPat', 'patBytesValid(HOST_IA32_PAT)', 'Each entry of the host\'s IA32_PAT is a memory type.', pat),
    check('eferReserved', 'exit.loadEfer', 'HOST_IA32_EFER & ~eferSupported = 0', 'The host\'s IA32_EFER has no reserved bit set.', 'Store the IA32_EFER in use.'),
    check('eferLmaLme', 'exit.loadEfer', 'HOST_IA32_EFER.lma = exit.hostAddressSpaceSize and HOST_IA32_EFER.lme = exit.hostAddressSpaceSize',
      'LMA and LME of the host\'s IA32_EFER agree with \'host address-space size\'.', 'Set both for a 64-bit host, clear both for a 32-bit one.'),
    check('sCet', 'exit.loadCetState', 'HOST_IA32_S_CET[9:6] = 0 and HOST_IA32_S_CET[11:10] != 3', 'The host\'s IA32_S_CET has no reserved setting.', 'Clear bits 9:6, and SUPPRESS or TRACKER.', cet),
    check('ssp', 'exit.loadCetState', 'HOST_SSP[1:0] = 0', 'The host\'s SSP is a multiple of 4.', 'Align the shadow stack.', cet),
    { ...canonicalRow('sspTable', 'exit.loadCetState', 'HOST_IA32_INTERRUPT_SSP_TABLE_ADDR', 'The address of the host\'s interrupt shadow-stack table'), ...cet },
    check('pkrs', 'exit.loadPkrs', 'HOST_IA32_PKRS[63:32] = 0', 'The host\'s IA32_PKRS has 32 bits.', 'Clear bits 63:32.', { feature: 'exit.loadPkrs' }),
    check('specCtrl', 'secondaryExit.loadSpecCtrl', 'HOST_IA32_SPEC_CTRL[63:11] = 0 and HOST_IA32_SPEC_CTRL[9] = 0', 'The host\'s IA32_SPEC_CTRL has no reserved bit set.',
      'Store the value in use.', { feature: 'secondaryExit.loadSpecCtrl' }),
    check('fredConfig', 'secondaryExit.loadFred',
      'HOST_IA32_FRED_CONFIG[2] = 0 and HOST_IA32_FRED_CONFIG[5:4] = 0 and HOST_IA32_FRED_CONFIG[11] = 0 and canonical(HOST_IA32_FRED_CONFIG & ~0xfff)',
      'The host\'s IA32_FRED_CONFIG has no reserved bit set and a canonical address.', 'Store the value in use.', fred),
    check('fredRsp', 'secondaryExit.loadFred', three('HOST_IA32_FRED_RSP', (name) => `${name}[5:0] = 0 and canonical(${name})`),
      'The host\'s FRED stack pointers are canonical multiples of 64.', 'Align the stacks.', fred),
    check('fredSsp', 'secondaryExit.loadFred', three('HOST_IA32_FRED_SSP', (name) => `${name}[2:0] = 0 and canonical(${name})`),
      'The host\'s FRED shadow-stack pointers are canonical multiples of 8.', 'Align the shadow stacks.', fred),
  ],
};

const noRplTi = 'Use a selector into the GDT with RPL 0; an exit loads it as it stands.';

const segments: CheckSection = {
  id: 'host.segments', number: '27.2.3', title: 'Checks on Host Segment and Descriptor-Table Registers', outcome: 'VMfailValid(8)',
  checks: [
    ...(['CS', 'SS', 'DS', 'ES', 'FS', 'GS', 'TR'] as const).map((name) => check(`selector${name}`, always, `HOST_${name}_SELECTOR[2:0] = 0`, `RPL and TI of the host's ${name} selector are 0.`, noRplTi)),
    check('csNonzero', always, 'HOST_CS_SELECTOR != 0', 'The host\'s CS selector is not null.', 'Store the CS in use.'),
    check('trNonzero', always, 'HOST_TR_SELECTOR != 0', 'The host\'s TR selector is not null.', 'Load a task register with LTR before; the host needs a TSS.'),
    check('ssNonzero', 'not exit.hostAddressSpaceSize', 'HOST_SS_SELECTOR != 0', 'The SS selector of a 32-bit host is not null.', 'Store the SS in use, or set \'host address-space size\'.'),
    ...(['FS', 'GS', 'GDTR', 'IDTR', 'TR'] as const).map((name) => canonicalRow(`base${name}`, always, `HOST_${name}_BASE`, `The base of the host's ${name}`)),
  ],
};

const is64 = 'exit.hostAddressSpaceSize';
const is32 = 'not exit.hostAddressSpaceSize';

const addressSpace: CheckSection = {
  id: 'host.addressSpace', number: '27.2.4', title: 'Checks Related to Address-Space Size', outcome: 'VMfailValid(8)',
  checks: [
    check('legacyNow', 'not now.longMode', 'not entry.ia32eModeGuest and not exit.hostAddressSpaceSize', 'A hypervisor outside IA-32e mode has a 32-bit host and no IA-32e guest.',
      'Clear both controls, or turn on IA-32e mode.'),
    check('longNow', 'now.longMode', 'exit.hostAddressSpaceSize', 'A hypervisor in IA-32e mode has a 64-bit host.', 'Set \'host address-space size\'.'),
    check('host32Guest', is32, 'not entry.ia32eModeGuest', 'A 32-bit host has no IA-32e guest.', 'Clear \'IA-32e mode guest\', or set \'host address-space size\'.'),
    check('host32Pcide', is32, 'not HOST_CR4.pcide', 'A 32-bit host has no process-context identifiers.', 'Clear CR4.PCIDE.', { feature: 'pcid' }),
    check('host32Rip', is32, 'HOST_RIP[63:32] = 0', 'The RIP of a 32-bit host has 32 bits.', 'Use a 32-bit address.'),
    check('host32Cet', `${is32} and exit.loadCetState`, 'HOST_IA32_S_CET[63:32] = 0 and HOST_SSP[63:32] = 0', 'IA32_S_CET and SSP of a 32-bit host have 32 bits.', 'Use 32-bit addresses.', cet),
    check('host32Fred', is32, 'not HOST_CR4.fred', 'A 32-bit host has no FRED.', 'Clear CR4.FRED.', fred),
    check('host64Pae', is64, 'HOST_CR4.pae', 'A 64-bit host has physical-address extension.', 'Store the CR4 in use: PAE is set.'),
    check('host64Rip', is64, 'select(HOST_CR4.la57, canonical(HOST_RIP), canonical48(HOST_RIP))', 'The RIP of a 64-bit host is canonical.', makeCanonical),
    check('host64Cet', `${is64} and exit.loadCetState`, 'canonical(HOST_IA32_S_CET) and canonical(HOST_SSP)', 'IA32_S_CET and SSP of a 64-bit host are canonical.', makeCanonical, cet),
  ],
};

export const hostCheckSections: readonly CheckSection[] = [registers, segments, addressSpace];
