/**
 * Checks on the guest-state area but for segment registers: SDM 3C 27.3.1 'Checks on the Guest State Area'.
 * A failure is VM exit 33 with bit 31 of the exit reason set; the guest is never entered.
 */
import { canonicalRow } from './host-checks';
import { always, both, check } from './row';
import type { CheckSection } from './row';

const entryFailure = 'entry failure 33, qualification 0';
const ia32e = 'entry.ia32eModeGuest';
const cet = { feature: 'entry.loadCetState' };
const fred = { feature: 'fred' };
const useInForce = 'Start from the value in use in the hypervisor.';

const three = (field: string, rule: (name: string) => string): string => [1, 2, 3].map((n) => rule(`${field}${n}`)).join(' and ');

const registers: CheckSection = {
  id: 'guest.crMsr', number: '27.3.1.1', title: 'Checks on Guest Control Registers, Debug Registers, and MSRs', outcome: entryFailure,
  checks: [
    check('cr0Fixed', always, 'cr0Fixed0 & ~GUEST_CR0 & ~select(secondary.unrestrictedGuest, 0x80000001, 0) = 0 and GUEST_CR0 & ~(cr0Fixed1 | 0x60000000) = 0',
      'The guest\'s CR0 has the bits that VMX operation fixes; an unrestricted guest may clear PE and PG.', 'Set NE, and PE and PG unless \'unrestricted guest\' is set; bits 63:32 are 0.'),
    check('cr0PgPe', 'GUEST_CR0.pg', 'GUEST_CR0.pe', 'Paging needs protected mode.', 'Set CR0.PE, or clear CR0.PG.'),
    check('cr4Fixed', always, 'cr4Fixed0 & ~GUEST_CR4 = 0 and GUEST_CR4 & ~cr4Fixed1 = 0', 'The guest\'s CR4 has the bits that VMX operation fixes.',
      'Set VMXE (hide it from the guest by mask and shadow), and no bit that the processor does not have.'),
    check('cetWp', 'GUEST_CR4.cet', 'GUEST_CR0.wp', 'Control-flow enforcement in the guest needs CR0.WP.', 'Set CR0.WP.', { feature: 'cetSs' }),
    check('debugctl', 'entry.loadDebugControls', 'GUEST_IA32_DEBUGCTL & ~debugctlSupported = 0', 'The guest\'s IA32_DEBUGCTL has no reserved bit set.',
      'Clear the bits that this processor does not have, or clear \'load debug controls\'.'),
    check('ia32eCr0', ia32e, 'GUEST_CR0.pg', 'A guest in IA-32e mode uses paging.', 'Set CR0.PG, or clear \'IA-32e mode guest\'.'),
    check('ia32eCr4', ia32e, 'GUEST_CR4.pae', 'A guest in IA-32e mode uses physical-address extension.', 'Set CR4.PAE, or clear \'IA-32e mode guest\'.'),
    check('pcide', `not ${ia32e}`, 'not GUEST_CR4.pcide', 'Process-context identifiers exist in IA-32e mode only.', 'Clear CR4.PCIDE, or set \'IA-32e mode guest\'.', { feature: 'pcid' }),
    check('fredMode', `not ${ia32e}`, 'not GUEST_CR4.fred', 'FRED exists in IA-32e mode only.', 'Clear CR4.FRED.', fred),
    check('cr3', always, 'GUEST_CR3 >> physicalBits = 0', 'The guest\'s CR3 fits in the physical-address width.', 'Use a guest-physical address; look for a linear address or a stray high bit.'),
    check('dr7', 'entry.loadDebugControls', 'GUEST_DR7[63:32] = 0', 'The guest\'s DR7 has 32 bits.', 'Use 0x400 for no breakpoints.'),
    canonicalRow('sysenterEsp', always, 'GUEST_IA32_SYSENTER_ESP', 'The guest\'s IA32_SYSENTER_ESP'),
    canonicalRow('sysenterEip', always, 'GUEST_IA32_SYSENTER_EIP', 'The guest\'s IA32_SYSENTER_EIP'),
    check('perfGlobalCtrl', 'entry.loadPerfGlobalCtrl', 'GUEST_IA32_PERF_GLOBAL_CTRL & ~perfGlobalCtrlSupported = 0', 'The guest\'s IA32_PERF_GLOBAL_CTRL has no reserved bit set.',
      'Set bits of existing counters only.', { feature: 'entry.loadPerfGlobalCtrl' }),
    check('pat', 'entry.loadPat', 'patBytesValid(GUEST_IA32_PAT)', 'Each entry of the guest\'s IA32_PAT is a memory type.',
      'Use the memory types 0, 1, 4, 5, 6 and 7 only; 0x0007040600070406 after reset.'),
    check('eferReserved', 'entry.loadEfer', 'GUEST_IA32_EFER & ~eferSupported = 0', 'The guest\'s IA32_EFER has no reserved bit set.', 'Use SCE, LME, LMA and NXE only.'),
    check('eferLma', 'entry.loadEfer', `GUEST_IA32_EFER.lma = ${ia32e}`, 'LMA of the guest\'s IA32_EFER agrees with \'IA-32e mode guest\'.', 'Set or clear both.'),
    check('eferLme', both('entry.loadEfer', 'GUEST_CR0.pg'), 'GUEST_IA32_EFER.lme = GUEST_IA32_EFER.lma', 'With paging, LME and LMA of the guest\'s IA32_EFER agree.', 'Set or clear both.'),
    check('bndcfgsReserved', 'entry.loadBndcfgs', 'GUEST_IA32_BNDCFGS[11:2] = 0', 'The guest\'s IA32_BNDCFGS has no reserved bit set.', useInForce, { feature: 'entry.loadBndcfgs' }),
    check('bndcfgsAddress', 'entry.loadBndcfgs', 'canonical(GUEST_IA32_BNDCFGS & ~0xfff)', 'The guest\'s bound directory has a canonical address.', useInForce, { feature: 'entry.loadBndcfgs' }),
    check('rtitCtl', 'entry.loadRtitCtl', 'GUEST_IA32_RTIT_CTL[63:60] = 0 and GUEST_IA32_RTIT_CTL[31] = 0', 'The guest\'s IA32_RTIT_CTL has no reserved setting.', useInForce,
      { feature: 'entry.loadRtitCtl' }),
    check('sCetReserved', 'entry.loadCetState', 'GUEST_IA32_S_CET[9:6] = 0 and GUEST_IA32_S_CET[11:10] != 3', 'The guest\'s IA32_S_CET has no reserved setting.',
      'Clear bits 9:6, and SUPPRESS or TRACKER.', cet),
    check('sCetCanonical', 'entry.loadCetState', `canonical(GUEST_IA32_S_CET) and (${ia32e} or GUEST_IA32_S_CET[63:32] = 0)`,
      'The bitmap of the guest\'s IA32_S_CET has a canonical address.', useInForce, cet),
    { ...canonicalRow('sspTable', 'entry.loadCetState', 'GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR', 'The address of the guest\'s interrupt shadow-stack table'), ...cet },
    check('lbrCtl', 'entry.loadLbrCtl', 'GUEST_IA32_LBR_CTL[63:23] = 0 and GUEST_IA32_LBR_CTL[15:4] = 0', 'The guest\'s IA32_LBR_CTL has no reserved bit set.', useInForce, { feature: 'entry.loadLbrCtl' }),
    check('pkrs', 'entry.loadPkrs', 'GUEST_IA32_PKRS[63:32] = 0', 'The guest\'s IA32_PKRS has 32 bits.', 'Clear bits 63:32.', { feature: 'entry.loadPkrs' }),
    check('uinv', 'entry.loadUinv', 'GUEST_UINV[15:8] = 0', 'The guest\'s user-interrupt notification vector is 0 to 255.', 'Use an interrupt vector.', { feature: 'entry.loadUinv' }),
    check('specCtrl', 'entry.loadSpecCtrl', 'GUEST_IA32_SPEC_CTRL[63:11] = 0 and GUEST_IA32_SPEC_CTRL[9] = 0', 'The guest\'s IA32_SPEC_CTRL has no reserved bit set.', useInForce,
      { feature: 'entry.loadSpecCtrl' }),
    check('fredConfig', 'entry.loadFred', 'GUEST_IA32_FRED_CONFIG[2] = 0 and GUEST_IA32_FRED_CONFIG[5:4] = 0 and GUEST_IA32_FRED_CONFIG[11] = 0 and canonical(GUEST_IA32_FRED_CONFIG & ~0xfff)',
      'The guest\'s IA32_FRED_CONFIG has no reserved bit set and a canonical address.', useInForce, fred),
    check('fredRsp', 'entry.loadFred', three('GUEST_IA32_FRED_RSP', (name) => `${name}[5:0] = 0 and canonical(${name})`), 'The guest\'s FRED stack pointers are canonical multiples of 64.',
      'Align the stacks.', fred),
    check('fredSsp', 'entry.loadFred', three('GUEST_IA32_FRED_SSP', (name) => `${name}[2:0] = 0 and canonical(${name})`),
      'The guest\'s FRED shadow-stack pointers are canonical multiples of 8.', 'Align the shadow stacks.', fred),
  ],
};

const descriptorTables: CheckSection = {
  id: 'guest.descriptorTables', number: '27.3.1.3', title: 'Checks on Guest Descriptor-Table Registers', outcome: entryFailure,
  checks: [
    canonicalRow('gdtrBase', always, 'GUEST_GDTR_BASE', 'The base of the guest\'s GDT'),
    canonicalRow('idtrBase', always, 'GUEST_IDTR_BASE', 'The base of the guest\'s IDT'),
    check('gdtrLimit', always, 'GUEST_GDTR_LIMIT[31:16] = 0', 'The limit of the guest\'s GDT has 16 bits.', 'Use a limit of at most 0xFFFF.'),
    check('idtrLimit', always, 'GUEST_IDTR_LIMIT[31:16] = 0', 'The limit of the guest\'s IDT has 16 bits.', 'Use a limit of at most 0xFFFF.'),
  ],
};

const injecting = 'VM_ENTRY_INTERRUPTION_INFO.valid';
const type = 'VM_ENTRY_INTERRUPTION_INFO.type';
const vector = 'VM_ENTRY_INTERRUPTION_INFO.vector';
const externalInterrupt = both(injecting, `${type} = 0`);
const nmi = both(injecting, `${type} = 2`);

const ripFlags: CheckSection = {
  id: 'guest.ripRflagsSsp', number: '27.3.1.4', title: 'Checks on Guest RIP, RFLAGS, and SSP', outcome: entryFailure,
  checks: [
    check('ripHigh', `not ${ia32e} or not GUEST_CS_ACCESS_RIGHTS.l`, 'GUEST_RIP[63:32] = 0', 'Outside 64-bit mode the guest\'s RIP has 32 bits.',
      'Use a 32-bit address, or set L in the access rights of CS for 64-bit code.'),
    check('ripUpper', `${ia32e} and GUEST_CS_ACCESS_RIGHTS.l`, 'upperBitsEqual(GUEST_RIP)', 'In 64-bit mode the bits of the guest\'s RIP above the linear-address width are all equal.',
      'Use a canonical address.'),
    check('rflagsReserved', always, 'GUEST_RFLAGS[63:22] = 0 and GUEST_RFLAGS[15] = 0 and GUEST_RFLAGS[5] = 0 and GUEST_RFLAGS[3] = 0 and GUEST_RFLAGS[1] = 1',
      'Reserved bits of the guest\'s RFLAGS are as they always are.', 'Start from 2, the value after reset.'),
    check('rflagsVm', `${ia32e} or not GUEST_CR0.pe`, 'not GUEST_RFLAGS.vm', 'Virtual-8086 mode exists in 32-bit protected mode only.', 'Clear RFLAGS.VM.'),
    check('rflagsIf', externalInterrupt, 'GUEST_RFLAGS.if', 'An external interrupt is injected only if the guest can take it.', 'Wait for RFLAGS.IF with \'interrupt-window exiting\'.'),
    check('sspAlign', 'entry.loadCetState', 'GUEST_SSP[1:0] = 0', 'The guest\'s SSP is a multiple of 4.', 'Align the shadow stack.', cet),
    check('sspUpper', 'entry.loadCetState', 'upperBitsEqual(GUEST_SSP)', 'The bits of the guest\'s SSP above the linear-address width are all equal.', 'Use a canonical address.', cet),
  ],
};

const activity = 'GUEST_ACTIVITY_STATE';
const blocking = 'GUEST_INTERRUPTIBILITY_STATE';
const stiOrMovSs = `${blocking}.blockingBySti or ${blocking}.blockingByMovSs`;
const singleStepDue = 'GUEST_RFLAGS.tf and not GUEST_IA32_DEBUGCTL.btf';
const boundaryHeld = `${stiOrMovSs} or ${activity} = 1`;
const link = 'VMCS_LINK_POINTER';
const linked = `${link} != allOnes`;
const linkOutcome = { outcome: 'entry failure 33, qualification 4' } as const;
const noLink = 'Set the VMCS link pointer to all ones unless the guest has a shadow VMCS.';
const pending = 'GUEST_PENDING_DEBUG_EXCEPTIONS';

const nonRegister: CheckSection = {
  id: 'guest.nonRegister', number: '27.3.1.5', title: 'Checks on Guest Non-Register State', outcome: entryFailure,
  checks: [
    check('activityRange', always, `${activity} = 0 or ${activity} = 1 and misc.activityHlt or ${activity} = 2 and misc.activityShutdown or ${activity} = 3 and misc.activityWaitForSipi`,
      'The activity state is one that the processor supports.', 'Use 0 (active); IA32_VMX_MISC[8:6] says which others there are.'),
    check('activityHltDpl', 'GUEST_SS_ACCESS_RIGHTS.dpl != 0', `${activity} != 1`, 'Only a guest at CPL 0 can be halted.', 'Set the activity state to 0.'),
    check('activityBlocking', stiOrMovSs, `${activity} = 0`, 'Blocking by STI or MOV SS is for an active guest.', 'Clear the two bits of the interruptibility state, or set the activity state to 0.'),
    check('activityHltInject', both(injecting, `${activity} = 1`), `${type} in (0, 2) or ${type} = 3 and ${vector} in (1, 18) or ${type} = 7 and ${vector} = 0`,
      'Only an interrupt, an NMI, a debug exception, a machine check or a monitor trap reaches a halted guest.', 'Set the activity state to 0 when another event is injected.'),
    check('activityShutdownInject', both(injecting, `${activity} = 2`), `${type} = 2 or ${type} = 3 and ${vector} = 18`, 'Only an NMI or a machine check reaches a guest in shutdown.',
      'Set the activity state to 0.', { feature: 'misc.activityShutdown' }),
    check('activitySipiInject', `${activity} = 3`, `not ${injecting}`, 'No event reaches a guest that waits for a SIPI.', 'Set the activity state to 0.', { feature: 'misc.activityWaitForSipi' }),
    check('activitySipiSmm', 'entry.entryToSmm', `${activity} != 3`, 'An entry to SMM does not wait for a SIPI.', 'Set the activity state to 0.', { feature: 'entry.entryToSmm' }),
    check('intrReserved', always, `${blocking}[31:5] = 0 and (${blocking}[4] = 0 or sgxSupported)`, 'Reserved bits of the interruptibility state are 0.', 'Use bits 3:0 only.'),
    check('intrStiMovSs', always, `not (${blocking}.blockingBySti and ${blocking}.blockingByMovSs)`, 'There is blocking by STI or by MOV SS, not both.', 'Clear one of the two bits.'),
    check('intrStiIf', 'not GUEST_RFLAGS.if', `not ${blocking}.blockingBySti`, 'Blocking by STI needs RFLAGS.IF.', 'Clear bit 0 of the interruptibility state when clearing RFLAGS.IF.'),
    check('intrExtInt', externalInterrupt, `not ${blocking}.blockingBySti and not ${blocking}.blockingByMovSs`, 'An external interrupt is not injected right after STI or MOV SS.',
      'Wait for the window with \'interrupt-window exiting\'.'),
    check('intrNmiMovSs', nmi, `not ${blocking}.blockingByMovSs`, 'An NMI is not injected right after MOV SS.', 'Wait for the window with \'NMI-window exiting\'.'),
    check('intrNmiSti', nmi, `not ${blocking}.blockingBySti`, 'This processor does not take an NMI right after STI.', 'Clear bit 0 of the interruptibility state.',
      { outcome: 'entry failure 33, qualification 3' }),
    check('intrSmiOutside', 'not now.smm', `not ${blocking}.blockingBySmi`, 'Blocking by SMI exists in system-management mode only.', 'Clear bit 2 of the interruptibility state.'),
    check('intrSmiEntry', 'entry.entryToSmm', `${blocking}.blockingBySmi`, 'In SMM there is blocking by SMI.', 'Set bit 2 of the interruptibility state.', { feature: 'entry.entryToSmm' }),
    check('intrVirtualNmi', both(nmi, 'pin.virtualNmis'), `not ${blocking}.blockingByNmi`, 'With virtual NMIs, an NMI is not injected while NMIs are blocked.',
      'Wait for the window with \'NMI-window exiting\'.'),
    check('intrEnclave', `${blocking}.enclaveInterruption`, `not ${blocking}.blockingByMovSs and sgxSupported`, 'An enclave is not interrupted right after MOV SS.',
      'Clear one of the two bits.', { feature: 'sgx' }),
    check('fredSti', 'GUEST_CR4.fred and GUEST_SS_ACCESS_RIGHTS.dpl = 3', `not ${blocking}.blockingBySti`, 'With FRED there is no blocking by STI at CPL 3.',
      'Clear bit 0 of the interruptibility state.', fred),
    check('pendDbgReserved', always,
      `${pending}[10:4] = 0 and (${pending}[11] = 0 or busLockSupported) and ${pending}[13] = 0 and ${pending}[15] = 0 and (${pending}[16] = 0 or rtmSupported) and ${pending}[63:17] = 0`,
      'Reserved bits of the pending debug exceptions are 0.', 'Use bits 3:0, 12 and 14 only; DR6 has another format.'),
    check('pendDbgBsSet', both(boundaryHeld, singleStepDue), `${pending}.bs`, 'A single step that a blocked or halted guest owes is pending.', 'Set BS when RFLAGS.TF is set, or clear the blocking.'),
    check('pendDbgBsClear', both(boundaryHeld, `not (${singleStepDue})`), `not ${pending}.bs`, 'Without single-stepping no single step is pending.', 'Clear BS of the pending debug exceptions.'),
    check('pendDbgRtm', `${pending}.rtm`, `${pending}[11:0] = 0 and ${pending}[12] = 1 and ${pending}[15:13] = 0 and ${pending}[63:17] = 0 and rtmSupported and not ${blocking}.blockingByMovSs`,
      'A debug exception of a transaction stands alone.', 'Clear RTM of the pending debug exceptions.', { feature: 'rtm' }),
    check('linkAlign', linked, `${link}[11:0] = 0`, 'The VMCS link pointer is a multiple of 4096.', noLink, linkOutcome),
    check('linkWidth', linked, `withinWidth(${link})`, 'The VMCS link pointer fits in the physical-address width.', noLink, linkOutcome),
    check('linkRevision', linked, 'memory.linkRevision = basic.revision', 'The linked VMCS begins with the revision identifier.',
      'Write IA32_VMX_BASIC[30:0] into the first dword of the region.', { where: 'memory', fields: [link], ...linkOutcome }),
    check('linkShadow', linked, 'memory.linkShadowBit = secondary.vmcsShadowing', 'The linked VMCS is a shadow VMCS just if VMCS shadowing is on.',
      'Set bit 31 of the first dword of the region with VMCS shadowing; clear it without.', { where: 'memory', fields: [link], ...linkOutcome }),
    check('linkNotCurrent', `${linked} and (not now.smm or entry.entryToSmm)`, `${link} != now.currentVmcs`, 'The VMCS link pointer is not the current VMCS.', noLink, linkOutcome),
    check('linkNotExecutive', `${linked} and now.smm and not entry.entryToSmm`, `${link} != EXECUTIVE_VMCS_POINTER`, 'The VMCS link pointer is not the executive VMCS.', noLink,
      { feature: 'smm', ...linkOutcome }),
  ],
};

const usesPae = `GUEST_CR0.pg and GUEST_CR4.pae and not ${ia32e}`;
const validPdpte = (field: string): string => `(${field}[0] = 0 or ${field}[2:1] = 0 and ${field}[8:5] = 0 and ${field} >> physicalBits = 0)`;
const pdpteRule = 'No present PDPTE has a reserved bit set.';
const pdpteHint = 'A PDPTE has P, PWT, PCD and an address; R/W, U/S, A and PS do not exist at this level.';

const pdptes: CheckSection = {
  id: 'guest.pdptes', number: '27.3.1.6', title: 'Checks on Guest Page-Directory-Pointer-Table Entries', outcome: 'entry failure 33, qualification 2',
  checks: [
    check('fields', `${usesPae} and secondary.enableEpt`, [0, 1, 2, 3].map((n) => validPdpte(`GUEST_PDPTE${n}`)).join(' and '), pdpteRule, pdpteHint),
    check('memory', `${usesPae} and not secondary.enableEpt`, 'memory.pdptesValid', pdpteRule, pdpteHint, { where: 'memory', fields: ['GUEST_CR3'] }),
  ],
};

export const guestRegisterSections: readonly CheckSection[] = [registers];
export const guestOtherSections: readonly CheckSection[] = [descriptorTables, ripFlags, nonRegister, pdptes];
