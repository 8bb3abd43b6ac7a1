/**
 * Checks that are made while MSRs and host state are loaded, after the fields have passed:
 * SDM 3C 27.4 'Loading MSRs', 28.4 'Saving MSRs', 28.5 'Loading Host State', 28.6 'Loading MSRs'.
 * `msrEntry` is the entry of the area that is being processed.
 */
import { always, check } from './row';
import type { CheckRow, CheckSection } from './row';
import type { VmcsFieldId } from '../vmcs-fields';

const notX2apic = 'msrEntry.index >> 8 != 8';

/** The rules that the three areas of MSRs share. `access` is what the processor does with each MSR. */
function areaRows(area: VmcsFieldId, access: 'RDMSR' | 'WRMSR'): CheckRow[] {
  const loads = access === 'WRMSR';
  const verb = loads ? 'loaded' : 'stored';
  const fields = { fields: [area] };
  return [
    ...(loads ? [check('fsGsBase', always, 'msrEntry.index != 0xc0000100 and msrEntry.index != 0xc0000101', 'The bases of FS and GS are not loaded from the area.',
      'Use the base fields of FS and GS.', fields)] : []),
    check('x2apic', always, notX2apic, `Registers of the x2APIC are not ${verb} by the area.`, 'Remove MSRs 800H to 8FFH from the area.', fields),
    check('smmOnly', always, 'not msrEntry.smmOnly', `MSRs of system-management mode are not ${verb} outside it.`, `Remove ${loads ? 'IA32_SMM_MONITOR_CTL' : 'IA32_SMBASE'} from the area.`, fields),
    check('modelSpecific', always, 'not msrEntry.refusedByModel', `The processor allows the MSR to be ${verb} by the area.`, 'Remove the MSR, microcode update registers for instance.', fields),
    check('reserved', always, 'msrEntry.reserved = 0', 'Bits 63:32 of the entry are 0.', 'An entry is 16 bytes: index, 0, value.', fields),
    check(loads ? 'wrmsrFault' : 'rdmsrFault', always, 'not msrEntry.accessFaults', `${access} of the MSR${loads ? ' with this value' : ''} would not fault.`,
      loads ? 'Check the index and the reserved bits of the value.' : 'Check the index.', fields),
  ];
}

export const transitionSections: readonly CheckSection[] = [
  { id: 'guest.msrLoad', number: '27.4', title: 'Loading MSRs', outcome: 'entry failure 34', where: 'memory', checks: areaRows('VM_ENTRY_MSR_LOAD_ADDRESS', 'WRMSR') },
  { id: 'exit.msrStore', number: '28.4', title: 'Saving MSRs', outcome: 'VMX abort 1', where: 'exit', checks: areaRows('VM_EXIT_MSR_STORE_ADDRESS', 'RDMSR') },
  {
    id: 'exit.hostState', number: '28.5', title: 'Loading Host State', outcome: 'VMX abort 3', where: 'exit',
    checks: [
      check('addressSpace', 'exiting.longMode', 'exit.hostAddressSpaceSize', 'An exit from IA-32e mode leads to a 64-bit host.', 'Set \'host address-space size\'.', { outcome: 'VMX abort 6' }),
      check('pdptes', 'exiting.hostUsesPae', 'memory.pdptesValid', 'No present PDPTE of the host has a reserved bit set.', 'A PDPTE has P, PWT, PCD and an address only.',
        { outcome: 'VMX abort 2', fields: ['HOST_CR3', 'HOST_CR4'] }),
      check('vmcsCorrupt', always, 'exiting.vmcsUsable', 'The VMCS is intact.', 'Do not write to the region of an active VMCS.'),
      check('machineCheck', always, 'not exiting.machineCheck', 'No machine check keeps the exit from completing.', 'The hardware is at fault.', { outcome: 'VMX abort 5' }),
    ],
  },
  { id: 'exit.msrLoad', number: '28.6', title: 'Loading MSRs', outcome: 'VMX abort 4', where: 'exit', checks: areaRows('VM_EXIT_MSR_LOAD_ADDRESS', 'WRMSR') },
];
