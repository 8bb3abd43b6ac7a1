/**
 * Bit layouts of everything that a debugger shows bit by bit: control words, VMCS fields, control registers, MSRs,
 * structures in memory. The section of the manual stands above each.
 *
 * A layout lists its named bits only; all others are reserved. Addresses whose width is the processor's physical-address
 * width are written up to bit 51, the widest there is.
 */
import { bit, bits, extract, maskOf } from './bit-fields';
import type { BitField } from './bit-fields';
import { controlWordTraits, controlWords } from './controls';
import type { ControlWordName } from './controls';
import { exceptions } from './exceptions';
import type { ExceptionId } from './exceptions';

const interruptionTypes: Record<number, string> = {
  0: 'external interrupt', 2: 'NMI', 3: 'hardware exception', 4: 'software interrupt', 5: 'privileged software exception', 6: 'software exception', 7: 'other event',
};
const addressSizes = { 0: '16-bit', 1: '32-bit', 2: '64-bit' };
const operandSizes = { 0: '16-bit', 1: '32-bit', 2: '64-bit' };
const segments = { 0: 'ES', 1: 'CS', 2: 'SS', 3: 'DS', 4: 'FS', 5: 'GS' };
const scales = { 0: '1', 1: '2', 2: '4', 3: '8' };
export const generalRegisterNames = ['RAX', 'RCX', 'RDX', 'RBX', 'RSP', 'RBP', 'RSI', 'RDI', 'R8', 'R9', 'R10', 'R11', 'R12', 'R13', 'R14', 'R15'] as const;
const registers: Record<number, string> = { ...generalRegisterNames };
const memoryTypes = { 0: 'UC', 1: 'WC', 4: 'WT', 5: 'WP', 6: 'WB' };
const patTypes = { ...memoryTypes, 7: 'UC-' };
const segmentTypes: Record<number, string> = {
  0: 'data, read-only', 1: 'data, read-only, accessed', 2: 'data, read/write', 3: 'data, read/write, accessed',
  4: 'data, read-only, expand-down', 5: 'data, read-only, expand-down, accessed', 6: 'data, read/write, expand-down', 7: 'data, read/write, expand-down, accessed',
  8: 'code, execute-only', 9: 'code, execute-only, accessed', 10: 'code, execute/read', 11: 'code, execute/read, accessed',
  12: 'code, execute-only, conforming', 13: 'code, execute-only, conforming, accessed', 14: 'code, execute/read, conforming', 15: 'code, execute/read, conforming, accessed',
};
const systemTypes: Record<number, string> = {
  1: '16-bit TSS, available', 2: 'LDT', 3: '16-bit TSS, busy', 4: '16-bit call gate', 5: 'task gate', 6: '16-bit interrupt gate', 7: '16-bit trap gate',
  9: 'TSS, available', 11: 'TSS, busy', 12: 'call gate', 14: 'interrupt gate', 15: 'trap gate',
};

// The memory operand of an instruction, as several formats of the VM-exit instruction information give it.
const scale = bits(1, 0, 'scale', 'scale', 'Factor of the index register; undefined without one.', scales);
const addressSize = bits(9, 7, 'addressSize', 'address size', '', addressSizes);
const segmentRegister = bits(17, 15, 'segment', 'segment register', '', segments);
const indexRegister = bits(21, 18, 'indexRegister', 'index register', 'Undefined if the index register is invalid.', registers);
const indexInvalid = bit(22, 'indexInvalid', 'index register invalid', 'The operand has no index register.');
const baseRegister = bits(26, 23, 'baseRegister', 'base register', 'Undefined if the base register is invalid.', registers);
const baseInvalid = bit(27, 'baseInvalid', 'base register invalid', 'The operand has no base register.');
const isRegister = bit(10, 'isRegister', 'register operand', 'Set: the operand is a register; clear: memory.');
const reg1 = bits(6, 3, 'register1', 'register operand 1', 'Register form only.', registers);
const reg2 = bits(31, 28, 'register2', 'register operand 2', '', registers);

// An I/O instruction, as exits and SMM exits describe it.
const ioInstruction = [
  bits(2, 0, 'size', 'size of access', '', { 0: '1 byte', 1: '2 bytes', 3: '4 bytes' }),
  bits(3, 3, 'direction', 'direction', '', { 0: 'OUT', 1: 'IN' }),
  bit(4, 'string', 'string instruction', 'INS or OUTS.'),
  bit(5, 'rep', 'REP prefixed'),
  bits(6, 6, 'operandEncoding', 'operand encoding', '', { 0: 'DX', 1: 'immediate' }),
  bits(31, 16, 'port', 'port number'),
] as const;

// The protection domains that IA32_S_CET and IA32_U_CET switch.
const cet = [
  bit(0, 'shStkEn', 'shadow stacks', 'Near and far calls and returns use a shadow stack.'),
  bit(1, 'wrShStkEn', 'WRSS', 'WRSS may write to shadow stacks.'),
  bit(2, 'endbrEn', 'indirect-branch tracking'),
  bit(3, 'legIwEn', 'legacy compatibility', 'The legacy-code bitmap is used.'),
  bit(4, 'noTrackEn', 'no-track prefix', '3EH exempts an indirect branch.'),
  bit(5, 'suppressDis', 'suppression disable'),
  bit(10, 'suppress', 'suppressed', 'Indirect-branch tracking is suppressed.'),
  bit(11, 'tracker', 'tracker state', 'Set: the next instruction must be ENDBR.'),
  bits(63, 12, 'legacyBitmap', 'legacy-code bitmap', 'Linear address, in pages.'),
] as const;

const exceptionBits = exceptions.map((row) => bit(row.vector, row.id as ExceptionId, `${row.vector} ${row.mnemonic}`,
  row.vector === 2 ? 'Without effect: NMI exiting governs NMIs.' : `${row.name} exits.`));

export const bitLayouts = {
  // SDM 3C 25.6 to 25.8: the control words are the rows of controls.ts.
  pinBasedControls: controlWords.pin,
  primaryProcControls: controlWords.primary,
  secondaryProcControls: controlWords.secondary,
  tertiaryProcControls: controlWords.tertiary,
  vmExitControls: controlWords.exit,
  secondaryVmExitControls: controlWords.secondaryExit,
  vmEntryControls: controlWords.entry,

  // SDM 3C 25.6.3 'Exception Bitmap'
  exceptionBitmap: exceptionBits,

  // SDM 3C 25.8.3 'VM-Entry Controls for Event Injection'
  vmEntryInterruptionInfo: [
    bits(7, 0, 'vector', 'vector'),
    bits(10, 8, 'type', 'interruption type', '', interruptionTypes),
    bit(11, 'deliverErrorCode', 'deliver error code', 'The VM-entry exception error code is pushed.'),
    bit(13, 'nestedException', 'nested exception', 'Only on processors with FRED.'),
    bit(31, 'valid', 'valid', 'An event is injected.'),
  ],
  // SDM 3C 25.9.2 'Information for VM Exits Due to Vectored Events'
  vmExitInterruptionInfo: [
    bits(7, 0, 'vector', 'vector'),
    bits(10, 8, 'type', 'interruption type', '', interruptionTypes),
    bit(11, 'errorCodeValid', 'error code valid'),
    bit(12, 'nmiUnblocking', 'NMI unblocking due to IRET', 'IRET had ended blocking by NMI before the event was met.'),
    bit(13, 'nestedException', 'nested exception', 'Only on processors with FRED.'),
    bit(31, 'valid', 'valid'),
  ],
  // SDM 3C 25.9.3 'Information for VM Exits That Occur During Event Delivery'
  idtVectoringInfo: [
    bits(7, 0, 'vector', 'vector'),
    bits(10, 8, 'type', 'interruption type', '', interruptionTypes),
    bit(11, 'errorCodeValid', 'error code valid'),
    bit(13, 'nestedException', 'nested exception', 'Only on processors with FRED.'),
    bit(31, 'valid', 'valid', 'The exit was met while this event was being delivered.'),
  ],
  // SDM 3C 25.9.1 'Basic VM-Exit Information'
  exitReason: [
    bits(15, 0, 'basicReason', 'basic exit reason'),
    bit(25, 'prematurelyBusyShadowStack', 'prematurely busy shadow stack', 'A supervisor shadow stack was left marked busy.'),
    bit(26, 'busLock', 'bus lock asserted', 'A bus lock was to be reported when this exit came first.'),
    bit(27, 'enclaveMode', 'enclave mode', 'The guest was in an enclave.'),
    bit(28, 'pendingMtf', 'pending MTF VM exit', 'SMM VM exits only.'),
    bit(29, 'fromRoot', 'VM exit from VMX root operation', 'SMM VM exits only.'),
    bit(31, 'entryFailure', 'VM-entry failure', 'The guest was never entered.'),
  ],
  // SDM 3C 25.4.2 'Guest Non-Register State'
  interruptibilityState: [
    bit(0, 'blockingBySti', 'blocking by STI', 'One instruction after an STI that set RFLAGS.IF.'),
    bit(1, 'blockingByMovSs', 'blocking by MOV SS', 'One instruction after MOV SS or POP SS.'),
    bit(2, 'blockingBySmi', 'blocking by SMI'),
    bit(3, 'blockingByNmi', 'blocking by NMI', 'With virtual NMIs, virtual-NMI blocking.'),
    bit(4, 'enclaveInterruption', 'enclave interruption'),
  ],
  activityState: [bits(31, 0, 'state', 'activity state', '', { 0: 'active', 1: 'HLT', 2: 'shutdown', 3: 'wait-for-SIPI' })],
  pendingDebugExceptions: [
    bit(0, 'b0', 'B0', 'The condition of breakpoint 0 was met.'),
    bit(1, 'b1', 'B1', 'The condition of breakpoint 1 was met.'),
    bit(2, 'b2', 'B2', 'The condition of breakpoint 2 was met.'),
    bit(3, 'b3', 'B3', 'The condition of breakpoint 3 was met.'),
    bit(11, 'bld', 'BLD', 'A bus-lock trap is pending.'),
    bit(12, 'enabledBreakpoint', 'enabled breakpoint', 'At least one of the breakpoints met was enabled.'),
    bit(14, 'bs', 'BS', 'A single step is pending.'),
    bit(16, 'rtm', 'RTM', 'The exception was met inside a transaction.'),
  ],
  // SDM 3C 25.4.1 'Guest Register State'
  accessRights: [
    { ...bits(3, 0, 'type', 'segment type', '', segmentTypes), valuesIfClear: { bit: 's', values: systemTypes } },
    bits(4, 4, 's', 'S', 'Descriptor type.', { 0: 'system', 1: 'code or data' }),
    bits(6, 5, 'dpl', 'DPL', 'Descriptor privilege level.'),
    bit(7, 'p', 'P', 'Present.'),
    bit(12, 'avl', 'AVL', 'For the use of software.'),
    bit(13, 'l', 'L', '64-bit code segment (CS only).'),
    bits(14, 14, 'db', 'D/B', 'Default operation size.', { 0: '16-bit', 1: '32-bit' }),
    bits(15, 15, 'g', 'G', 'Granularity of the limit.', { 0: 'bytes', 1: '4-KByte pages' }),
    bit(16, 'unusable', 'unusable', 'The register holds a null selector.'),
  ],
  // SDM 3A 3.4.2 'Segment Selectors'
  selector: [
    bits(1, 0, 'rpl', 'RPL', 'Requested privilege level.'),
    bits(2, 2, 'ti', 'TI', 'Table indicator.', { 0: 'GDT', 1: 'LDT' }),
    bits(15, 3, 'index', 'index', 'Number of the descriptor in its table.'),
  ],
  // SDM 3C 25.6.11 'Extended-Page-Table Pointer (EPTP)'
  eptp: [
    bits(2, 0, 'memoryType', 'EPT paging-structure memory type', '', { 0: 'UC', 6: 'WB' }),
    bits(5, 3, 'walkLengthMinus1', 'page-walk length minus 1', '', { 3: '4 levels', 4: '5 levels' }),
    bit(6, 'accessedDirty', 'enable accessed and dirty flags'),
    bit(7, 'supervisorShadowStack', 'enforce supervisor shadow-stack access rights', 'Only on processors with CET.'),
    bits(51, 12, 'address', 'address of the EPT PML4 or PML5 table', 'Host-physical, in pages.'),
  ],
  // SDM 3C 25.6.12 'Virtual-Processor Identifier (VPID)'
  vpid: [bits(15, 0, 'vpid', 'VPID', '0 belongs to root operation.')],
  // SDM 3C 25.6.14 'VM-Function Controls'
  vmFunctionControls: [bit(0, 'eptpSwitching', 'EPTP switching', 'VM function 0 loads an EPTP from the list.')],
  // SDM 3C 25.4.2 'Guest Non-Register State'
  guestInterruptStatus: [
    bits(7, 0, 'rvi', 'RVI', 'Requesting virtual interrupt: the highest vector that is pending.'),
    bits(15, 8, 'svi', 'SVI', 'Servicing virtual interrupt: the highest vector in service.'),
  ],
  // SDM 3C 25.6.8 'Controls for APIC Virtualization'
  tprThreshold: [bits(3, 0, 'threshold', 'threshold', 'Exit when bits 7:4 of the virtual TPR fall below it.')],
  // SDM 3C 30.6 'Posted-Interrupt Processing'
  postedInterruptDescriptor: [
    bits(255, 0, 'pir', 'posted-interrupt requests', 'One bit for each vector.'),
    bit(256, 'on', 'outstanding notification'),
  ],
  // SDM 3C 'Virtualization-Exception Information'
  veInformationArea: [
    bits(31, 0, 'exitReason', 'exit reason', '48.'),
    bits(63, 32, 'busy', 'busy marker', 'All ones once written; #VE is possible only while it is 0.'),
    bits(127, 64, 'exitQualification', 'exit qualification'),
    bits(191, 128, 'guestLinearAddress', 'guest-linear address'),
    bits(255, 192, 'guestPhysicalAddress', 'guest-physical address'),
    bits(271, 256, 'eptpIndex', 'EPTP index'),
  ],
  hlatp: [
    bit(3, 'pwt', 'PWT', 'Page-level write-through of the first structure.'),
    bit(4, 'pcd', 'PCD', 'Page-level cache disable of the first structure.'),
    bits(51, 12, 'address', 'address of the first HLAT paging structure', 'In pages.'),
  ],
  // SDM 3C 25.7.2 'VM-Exit Controls for MSRs'
  msrAreaEntry: [bits(31, 0, 'index', 'MSR index'), bits(127, 64, 'data', 'MSR data')],

  // SDM 3C 28.2.5 'Information for VM Exits Due to Instruction Execution': one layout for each format of the field.
  instructionInfoInsOuts: [addressSize, segmentRegister],
  instructionInfoInvalidate: [scale, addressSize, segmentRegister, indexRegister, indexInvalid, baseRegister, baseInvalid, reg2],
  instructionInfoGdtrIdtr: [
    scale, addressSize, bits(11, 11, 'operandSize', 'operand size', 'Undefined from 64-bit mode.', { 0: '16-bit', 1: '32-bit' }), segmentRegister, indexRegister, indexInvalid, baseRegister, baseInvalid,
    bits(29, 28, 'instruction', 'instruction', '', { 0: 'SGDT', 1: 'SIDT', 2: 'LGDT', 3: 'LIDT' }),
  ],
  instructionInfoLdtrTr: [
    scale, reg1, addressSize, isRegister, segmentRegister, indexRegister, indexInvalid, baseRegister, baseInvalid,
    bits(29, 28, 'instruction', 'instruction', '', { 0: 'SLDT', 1: 'STR', 2: 'LLDT', 3: 'LTR' }),
  ],
  instructionInfoRandom: [bits(6, 3, 'register1', 'operand register', 'Destination of RDRAND and RDSEED, source of TPAUSE and UMWAIT.', registers),
    bits(12, 11, 'operandSize', 'operand size', 'Undefined for TPAUSE and UMWAIT.', operandSizes)],
  instructionInfoVmxMemory: [scale, addressSize, segmentRegister, indexRegister, indexInvalid, baseRegister, baseInvalid],
  instructionInfoVmreadVmwrite: [scale, reg1, addressSize, isRegister, segmentRegister, indexRegister, indexInvalid, baseRegister, baseInvalid,
    bits(31, 28, 'register2', 'register with the field encoding', '', registers)],
  instructionInfoLoadiwkey: [bits(6, 3, 'register1', 'first XMM operand'), bits(31, 28, 'register2', 'second XMM operand')],
  instructionInfoMsrImmediate: [bits(6, 3, 'register1', 'operand register', '', registers)],

  // SDM 3C 28.2.1 'Basic VM-Exit Information': exit qualifications.
  qualificationDebugException: [
    bits(3, 0, 'b', 'B3-B0', 'Conditions of the breakpoints that were met, enabled or not.'),
    bit(11, 'bld', 'BLD', 'A bus lock caused the exception.'),
    bit(13, 'bd', 'BD', 'The next instruction accesses a debug register while DR7.GD is set.'),
    bit(14, 'bs', 'BS', 'Single step, or a taken branch with DEBUGCTL.BTF.'),
    bit(16, 'rtm', 'RTM', 'Met inside a transaction.'),
  ],
  qualificationSipi: [bits(7, 0, 'vector', 'SIPI vector', 'Page number of the start address.')],
  qualificationIoSmi: ioInstruction,
  qualificationTaskSwitch: [
    bits(15, 0, 'selector', 'selector of the new TSS'),
    bits(31, 30, 'source', 'source of the task switch', '', { 0: 'CALL', 1: 'IRET', 2: 'JMP', 3: 'task gate in the IDT' }),
  ],
  qualificationCrAccess: [
    bits(3, 0, 'register', 'control register', '0 for CLTS and LMSW.', { 0: 'CR0', 3: 'CR3', 4: 'CR4', 8: 'CR8' }),
    bits(5, 4, 'accessType', 'access type', '', { 0: 'MOV to CR', 1: 'MOV from CR', 2: 'CLTS', 3: 'LMSW' }),
    bits(6, 6, 'lmswOperand', 'LMSW operand', '', { 0: 'register', 1: 'memory' }),
    bits(11, 8, 'generalRegister', 'general register', '0 for CLTS and LMSW.', registers),
    bits(31, 16, 'lmswSource', 'LMSW source data', '0 for the others.'),
  ],
  qualificationMovDr: [
    bits(2, 0, 'register', 'debug register', '', { 0: 'DR0', 1: 'DR1', 2: 'DR2', 3: 'DR3', 4: 'DR4', 5: 'DR5', 6: 'DR6', 7: 'DR7' }),
    bits(4, 4, 'direction', 'direction', '', { 0: 'MOV to DR', 1: 'MOV from DR' }),
    bits(11, 8, 'generalRegister', 'general register', '', registers),
  ],
  qualificationIoInstruction: ioInstruction,
  qualificationMsrWrite: [bit(0, 'wrmsrns', 'WRMSRNS', 'The non-serializing form.')],
  qualificationMwait: [bit(0, 'armed', 'monitor armed', 'Address-range monitoring was armed.')],
  qualificationApicAccess: [
    bits(11, 0, 'offset', 'page offset', 'Linear accesses only.'),
    bits(15, 12, 'accessType', 'access type', '', {
      0: 'linear data read', 1: 'linear data write', 2: 'linear instruction fetch', 3: 'linear access during event delivery',
      10: 'guest-physical access during event delivery', 15: 'guest-physical access of an instruction',
    }),
    bit(16, 'asynchronous', 'asynchronous', 'Neither an instruction nor event delivery made the access.'),
  ],
  qualificationEoiInduced: [bits(7, 0, 'vector', 'vector', 'The interrupt that was dismissed.')],
  qualificationEptViolation: [
    bit(0, 'read', 'data read'),
    bit(1, 'write', 'data write'),
    bit(2, 'fetch', 'instruction fetch'),
    bit(3, 'readable', 'EPT readable', 'Every EPT entry of the walk allows reading.'),
    bit(4, 'writable', 'EPT writable', 'Every EPT entry of the walk allows writing.'),
    bit(5, 'executable', 'EPT executable', 'Every EPT entry of the walk allows execution (in supervisor mode, with mode-based execute control).'),
    bit(6, 'userExecutable', 'EPT executable in user mode', 'Only with mode-based execute control.'),
    bit(7, 'linearValid', 'guest-linear address valid'),
    bit(8, 'final', 'final translation', 'The access was to the page itself; clear: to a guest paging-structure entry.'),
    bit(9, 'userLinear', 'user-mode linear address', 'Only with advanced information.'),
    bit(10, 'writableLinear', 'linear page writable', 'Only with advanced information.'),
    bit(11, 'executeDisableLinear', 'linear page execute-disable', 'Only with advanced information.'),
    bit(12, 'nmiUnblocking', 'NMI unblocking due to IRET'),
    bit(13, 'shadowStack', 'shadow-stack access'),
    bit(14, 'supervisorShadowStackPage', 'supervisor shadow-stack page'),
    bit(15, 'guestPagingVerification', 'guest-paging verification'),
    bit(16, 'asynchronous', 'asynchronous', 'Neither an instruction nor event delivery made the access.'),
  ],
  qualificationWbinvd: [bits(0, 0, 'instruction', 'instruction', '', { 0: 'WBINVD', 1: 'WBNOINVD' })],
  qualificationApicWrite: [bits(11, 0, 'offset', 'page offset', 'The register that was written.')],
  qualificationPmlFull: [bit(12, 'nmiUnblocking', 'NMI unblocking due to IRET')],
  qualificationSpp: [bits(11, 11, 'type', 'type', '', { 0: 'misconfiguration', 1: 'miss' }), bit(12, 'nmiUnblocking', 'NMI unblocking due to IRET')],
  qualificationInstructionTimeout: [
    bit(0, 'contextInvalid', 'VM context invalid', 'The guest\'s state is corrupt; it must not be resumed.'),
    bit(12, 'nmiUnblocking', 'NMI unblocking due to IRET'),
  ],

  // SDM 1 'EFLAGS Register', SDM 3A 2.3 'System Flags and Fields in the EFLAGS Register'
  rflags: [
    bit(0, 'cf', 'CF', 'Carry.'),
    bit(1, 'fixed1', 'fixed', 'Always 1.'),
    bit(2, 'pf', 'PF', 'Parity of the low byte.'),
    bit(4, 'af', 'AF', 'Carry out of bit 3.'),
    bit(6, 'zf', 'ZF', 'Zero.'),
    bit(7, 'sf', 'SF', 'Sign.'),
    bit(8, 'tf', 'TF', 'Trap: #DB after each instruction.'),
    bit(9, 'if', 'IF', 'Interrupt enable.'),
    bit(10, 'df', 'DF', 'Direction of string instructions: set, downwards.'),
    bit(11, 'of', 'OF', 'Overflow.'),
    bits(13, 12, 'iopl', 'IOPL', 'I/O privilege level.'),
    bit(14, 'nt', 'NT', 'Nested task.'),
    bit(16, 'rf', 'RF', 'Resume: instruction breakpoints are ignored once.'),
    bit(17, 'vm', 'VM', 'Virtual-8086 mode.'),
    bit(18, 'ac', 'AC', 'Alignment check; with SMAP, access to user pages.'),
    bit(19, 'vif', 'VIF', 'Virtual interrupt flag.'),
    bit(20, 'vip', 'VIP', 'Virtual interrupt pending.'),
    bit(21, 'id', 'ID', 'CPUID can be used if this can be changed.'),
  ],
  // SDM 3A 2.5 'Control Registers'
  cr0: [
    bit(0, 'pe', 'PE', 'Protected mode.'),
    bit(1, 'mp', 'MP', 'WAIT honours TS.'),
    bit(2, 'em', 'EM', 'There is no x87 unit.'),
    bit(3, 'ts', 'TS', 'Task switched: the next floating-point instruction is #NM.'),
    bit(4, 'et', 'ET', 'Always 1.'),
    bit(5, 'ne', 'NE', 'x87 errors are reported by #MF.'),
    bit(16, 'wp', 'WP', 'Supervisor writes respect read-only pages.'),
    bit(18, 'am', 'AM', 'RFLAGS.AC checks alignment.'),
    bit(29, 'nw', 'NW', 'Not write-through.'),
    bit(30, 'cd', 'CD', 'Caches disabled.'),
    bit(31, 'pg', 'PG', 'Paging.'),
  ],
  cr3: [
    bits(11, 0, 'pcid', 'PCID', 'With CR4.PCIDE; otherwise bits 3 and 4 are PWT and PCD.'),
    bits(51, 12, 'address', 'address of the first paging structure', 'Guest-physical, in pages.'),
    bit(61, 'lamU57', 'LAM_U57', 'User pointers carry data in bits 62:57.'),
    bit(62, 'lamU48', 'LAM_U48', 'User pointers carry data in bits 62:48.'),
  ],
  cr4: [
    bit(0, 'vme', 'VME', 'Virtual-8086 mode extensions.'),
    bit(1, 'pvi', 'PVI', 'Protected-mode virtual interrupts.'),
    bit(2, 'tsd', 'TSD', 'RDTSC only at CPL 0.'),
    bit(3, 'de', 'DE', 'Debugging extensions: I/O breakpoints; DR4 and DR5 are #UD.'),
    bit(4, 'pse', 'PSE', '4-MByte pages in 32-bit paging.'),
    bit(5, 'pae', 'PAE', 'Physical-address extension.'),
    bit(6, 'mce', 'MCE', 'Machine-check exceptions.'),
    bit(7, 'pge', 'PGE', 'Global pages.'),
    bit(8, 'pce', 'PCE', 'RDPMC at every CPL.'),
    bit(9, 'osfxsr', 'OSFXSR', 'SSE instructions and FXSAVE of their state.'),
    bit(10, 'osxmmexcpt', 'OSXMMEXCPT', 'SSE errors are reported by #XM.'),
    bit(11, 'umip', 'UMIP', 'SGDT, SIDT, SLDT, SMSW and STR only at CPL 0.'),
    bit(12, 'la57', 'LA57', '57-bit linear addresses.'),
    bit(13, 'vmxe', 'VMXE', 'VMX can be used.'),
    bit(14, 'smxe', 'SMXE', 'SMX can be used.'),
    bit(16, 'fsgsbase', 'FSGSBASE', 'RDFSBASE and its kind at every CPL.'),
    bit(17, 'pcide', 'PCIDE', 'Process-context identifiers.'),
    bit(18, 'osxsave', 'OSXSAVE', 'XSAVE and XGETBV can be used.'),
    bit(19, 'kl', 'KL', 'Key locker.'),
    bit(20, 'smep', 'SMEP', 'No execution of user pages in supervisor mode.'),
    bit(21, 'smap', 'SMAP', 'No access to user pages in supervisor mode unless RFLAGS.AC is set.'),
    bit(22, 'pke', 'PKE', 'Protection keys for user pages.'),
    bit(23, 'cet', 'CET', 'Control-flow enforcement.'),
    bit(24, 'pks', 'PKS', 'Protection keys for supervisor pages.'),
    bit(25, 'uintr', 'UINTR', 'User interrupts.'),
    bit(28, 'lamSup', 'LAM_SUP', 'Supervisor pointers carry data in their high bits.'),
    bit(32, 'fred', 'FRED', 'Flexible return and event delivery.'),
  ],
  cr8: [bits(3, 0, 'tpl', 'TPL', 'Task-priority level: interrupts of this class and below are held.')],
  // SDM 3B 18.2 'Debug Registers'
  dr6: [
    bit(0, 'b0', 'B0', 'The condition of breakpoint 0 was met.'),
    bit(1, 'b1', 'B1', 'The condition of breakpoint 1 was met.'),
    bit(2, 'b2', 'B2', 'The condition of breakpoint 2 was met.'),
    bit(3, 'b3', 'B3', 'The condition of breakpoint 3 was met.'),
    bit(11, 'bld', 'BLD', 'Clear: a bus lock was detected.'),
    bit(13, 'bd', 'BD', 'The next instruction accesses a debug register while DR7.GD is set.'),
    bit(14, 'bs', 'BS', 'Single step.'),
    bit(15, 'bt', 'BT', 'Task switch to a TSS with T set.'),
    bit(16, 'rtm', 'RTM', 'Clear: met inside a transaction.'),
  ],
  dr7: [
    bit(0, 'l0', 'L0', 'Breakpoint 0 enabled for this task.'),
    bit(1, 'g0', 'G0', 'Breakpoint 0 enabled.'),
    bit(2, 'l1', 'L1', 'Breakpoint 1 enabled for this task.'),
    bit(3, 'g1', 'G1', 'Breakpoint 1 enabled.'),
    bit(4, 'l2', 'L2', 'Breakpoint 2 enabled for this task.'),
    bit(5, 'g2', 'G2', 'Breakpoint 2 enabled.'),
    bit(6, 'l3', 'L3', 'Breakpoint 3 enabled for this task.'),
    bit(7, 'g3', 'G3', 'Breakpoint 3 enabled.'),
    bit(8, 'le', 'LE', 'Exact breakpoints of this task; without effect.'),
    bit(9, 'ge', 'GE', 'Exact breakpoints; without effect.'),
    bit(10, 'fixed1', 'fixed', 'Always 1.'),
    bit(11, 'rtm', 'RTM', 'Advanced debugging of transactions.'),
    bit(13, 'gd', 'GD', 'Accesses to debug registers are #DB.'),
    ...[0, 1, 2, 3].flatMap((n) => [
      bits(17 + 4 * n, 16 + 4 * n, `rw${n}` as 'rw0' | 'rw1' | 'rw2' | 'rw3', `R/W${n}`, '', { 0: 'execution', 1: 'data write', 2: 'I/O', 3: 'data read or write' }),
      bits(19 + 4 * n, 18 + 4 * n, `len${n}` as 'len0' | 'len1' | 'len2' | 'len3', `LEN${n}`, '', { 0: '1 byte', 1: '2 bytes', 2: '8 bytes', 3: '4 bytes' }),
    ]),
  ],
  // SDM 3A 4.7 'Page-Fault Exceptions'
  pageFaultErrorCode: [
    bit(0, 'p', 'P', 'Set: a permission was lacking; clear: the page is not present.'),
    bit(1, 'wr', 'W/R', 'The access was a write.'),
    bit(2, 'us', 'U/S', 'The access was made in user mode.'),
    bit(3, 'rsvd', 'RSVD', 'A reserved bit is set in a paging-structure entry.'),
    bit(4, 'id', 'I/D', 'The access was an instruction fetch.'),
    bit(5, 'pk', 'PK', 'A protection key forbids the access.'),
    bit(6, 'ss', 'SS', 'The access was to a shadow stack.'),
    bit(7, 'hlat', 'HLAT', 'The fault was met during HLAT paging.'),
    bit(15, 'sgx', 'SGX', 'An SGX access-control rule forbids the access.'),
  ],
  // SDM 3A 6.13 'Error Code'
  selectorErrorCode: [
    bit(0, 'ext', 'EXT', 'An event from outside the program was being delivered.'),
    bit(1, 'idt', 'IDT', 'The index is that of a gate in the IDT.'),
    bits(2, 2, 'ti', 'TI', '', { 0: 'GDT', 1: 'LDT' }),
    bits(15, 3, 'index', 'index', 'Number of the descriptor or gate.'),
  ],

  // MSRs: SDM 4, and the chapters of the features.
  efer: [
    bit(0, 'sce', 'SCE', 'SYSCALL and SYSRET can be used.'),
    bit(8, 'lme', 'LME', 'IA-32e mode is entered when paging is turned on.'),
    bit(10, 'lma', 'LMA', 'IA-32e mode is active.'),
    bit(11, 'nxe', 'NXE', 'Page entries have an execute-disable bit.'),
  ],
  debugctl: [
    bit(0, 'lbr', 'LBR', 'Last-branch records.'),
    bit(1, 'btf', 'BTF', 'A single step covers a whole run up to the next taken branch.'),
    bit(2, 'bld', 'BLD', 'Bus-lock traps.'),
    bit(6, 'tr', 'TR', 'Branch-trace messages.'),
    bit(7, 'bts', 'BTS', 'Branch-trace messages go to memory.'),
    bit(8, 'btint', 'BTINT', 'Interrupt when the branch-trace store is full.'),
    bit(9, 'btsOffOs', 'BTS_OFF_OS', 'No branch-trace store at CPL 0.'),
    bit(10, 'btsOffUsr', 'BTS_OFF_USR', 'No branch-trace store above CPL 0.'),
    bit(11, 'freezeLbrsOnPmi', 'FREEZE_LBRS_ON_PMI'),
    bit(12, 'freezePerfmonOnPmi', 'FREEZE_PERFMON_ON_PMI'),
    bit(13, 'uncorePmi', 'ENABLE_UNCORE_PMI'),
    bit(14, 'freezeWhileSmm', 'FREEZE_WHILE_SMM'),
    bit(15, 'rtmDebug', 'RTM_DEBUG', 'Advanced debugging of transactions.'),
  ],
  pat: [0, 1, 2, 3, 4, 5, 6, 7].map((n) => bits(8 * n + 7, 8 * n, `pa${n}` as `pa${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}`, `PA${n}`, '', patTypes)),
  perfGlobalCtrl: [
    ...[0, 1, 2, 3].map((n) => bit(n, `pmc${n}` as `pmc${0 | 1 | 2 | 3}`, `PMC${n}`, `Programmable counter ${n} counts.`)),
    ...[0, 1, 2].map((n) => bit(32 + n, `fixed${n}` as `fixed${0 | 1 | 2}`, `FIXED_CTR${n}`, `Fixed counter ${n} counts.`)),
  ],
  apicBase: [
    bit(8, 'bsp', 'BSP', 'This processor was started by reset.'),
    bit(10, 'extd', 'EXTD', 'x2APIC mode.'),
    bit(11, 'en', 'EN', 'The APIC is enabled.'),
    bits(51, 12, 'base', 'APIC base', 'Physical address, in pages.'),
  ],
  featureControl: [
    bit(0, 'lock', 'lock', 'The MSR cannot be written until reset.'),
    bit(1, 'vmxInSmx', 'enable VMX inside SMX'),
    bit(2, 'vmxOutsideSmx', 'enable VMX outside SMX'),
    bits(14, 8, 'senterLocal', 'SENTER local enables'),
    bit(15, 'senterGlobal', 'SENTER global enable'),
    bit(17, 'sgxLaunchControl', 'SGX launch control'),
    bit(18, 'sgxGlobal', 'SGX global enable'),
    bit(20, 'lmce', 'LMCE on', 'Local machine checks.'),
  ],
  mtrrCap: [bits(7, 0, 'vcnt', 'VCNT', 'Number of variable ranges.'), bit(8, 'fix', 'FIX', 'Fixed ranges exist.'), bit(10, 'wc', 'WC', 'Write-combining exists.'),
    bit(11, 'smrr', 'SMRR', 'SMM ranges exist.')],
  mtrrDefType: [bits(7, 0, 'type', 'default type', '', memoryTypes), bit(10, 'fe', 'FE', 'Fixed ranges enabled.'), bit(11, 'e', 'E', 'MTRRs enabled.')],
  mtrrFixed: [0, 1, 2, 3, 4, 5, 6, 7].map((n) => bits(8 * n + 7, 8 * n, `range${n}` as `range${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}`, `range ${n}`, '', memoryTypes)),
  mtrrPhysBase: [bits(7, 0, 'type', 'type', '', memoryTypes), bits(51, 12, 'base', 'base', 'Physical address, in pages.')],
  mtrrPhysMask: [bit(11, 'v', 'V', 'The range is in use.'), bits(51, 12, 'mask', 'mask', 'Address bits that must agree with the base.')],
  miscEnable: [
    bit(0, 'fastStrings', 'fast strings'),
    bit(3, 'thermalControl', 'automatic thermal control'),
    bit(7, 'perfmonAvailable', 'performance monitoring available'),
    bit(11, 'btsUnavailable', 'branch-trace store unavailable'),
    bit(12, 'pebsUnavailable', 'event-based sampling unavailable'),
    bit(16, 'speedStep', 'enhanced SpeedStep'),
    bit(18, 'monitorFsm', 'MONITOR and MWAIT enabled'),
    bit(22, 'limitCpuidMaxval', 'CPUID limited to leaf 2'),
    bit(23, 'xtprDisable', 'xTPR messages disabled'),
    bit(34, 'xdDisable', 'execute-disable unavailable'),
  ],
  star: [bits(47, 32, 'syscallCs', 'SYSCALL CS and SS', 'CS = this with RPL 0, SS = this + 8.'), bits(63, 48, 'sysretCs', 'SYSRET CS and SS', '64-bit CS = this + 16, SS = this + 8.'),
    bits(31, 0, 'eip', 'EIP', 'Legacy target; not used by this processor.')],
  bndcfgs: [bit(0, 'en', 'EN', 'Bounds checking at CPL 0.'), bit(1, 'bndpreserve', 'BNDPRESERVE', 'Branches without the prefix keep the bounds.'),
    bits(63, 12, 'base', 'bound directory', 'Linear address, in pages.')],
  specCtrl: [
    bit(0, 'ibrs', 'IBRS', 'Indirect-branch restricted speculation.'),
    bit(1, 'stibp', 'STIBP', 'Single-thread indirect-branch predictors.'),
    bit(2, 'ssbd', 'SSBD', 'Speculative-store bypass disable.'),
    bit(3, 'ipredDisU', 'IPRED_DIS_U'),
    bit(4, 'ipredDisS', 'IPRED_DIS_S'),
    bit(5, 'rrsbaDisU', 'RRSBA_DIS_U'),
    bit(6, 'rrsbaDisS', 'RRSBA_DIS_S'),
    bit(7, 'psfd', 'PSFD', 'Fast store-forwarding predictor disable.'),
    bit(8, 'ddpdU', 'DDPD_U', 'Data-dependent prefetcher disable at CPL 3.'),
    bit(10, 'bhiDisS', 'BHI_DIS_S'),
  ],
  sCet: cet,
  // SDM 3A 'Local APIC': registers, whether reached by memory or as x2APIC MSRs.
  apicSpurious: [bits(7, 0, 'vector', 'spurious vector'), bit(8, 'enabled', 'APIC software enable'), bit(9, 'focusDisable', 'focus checking disabled'),
    bit(12, 'suppressEoiBroadcast', 'EOI-broadcast suppression')],
  apicLvt: [
    bits(7, 0, 'vector', 'vector'),
    bits(10, 8, 'deliveryMode', 'delivery mode', '', { 0: 'fixed', 2: 'SMI', 4: 'NMI', 5: 'INIT', 7: 'ExtINT' }),
    bit(12, 'pending', 'delivery status', 'Sent and not yet accepted.'),
    bits(13, 13, 'polarity', 'polarity', '', { 0: 'active high', 1: 'active low' }),
    bit(14, 'remoteIrr', 'remote IRR'),
    bits(15, 15, 'trigger', 'trigger mode', '', { 0: 'edge', 1: 'level' }),
    bit(16, 'masked', 'masked'),
    bits(18, 17, 'timerMode', 'timer mode', 'LVT timer only.', { 0: 'one-shot', 1: 'periodic', 2: 'TSC-deadline' }),
  ],

  // SDM 3D appendix A: capability MSRs that are not plain control words.
  vmxBasic: [
    bits(30, 0, 'revision', 'VMCS revision identifier'),
    bits(44, 32, 'regionSize', 'region size', 'Bytes of a VMXON region or VMCS.'),
    bit(48, 'addresses32', '32-bit physical addresses', 'VMXON regions, VMCSs and what they point to lie below 4 GiB.'),
    bit(49, 'dualMonitor', 'dual-monitor treatment'),
    bits(53, 50, 'memoryType', 'memory type', 'For VMCSs and what they point to.', { 0: 'UC', 6: 'WB' }),
    bit(54, 'insOutsInfo', 'INS/OUTS information', 'Exits for INS and OUTS report instruction information.'),
    bit(55, 'trueMsrs', 'TRUE MSRs', 'Some default1 controls can be 0; MSRs 48DH to 490H exist.'),
    bit(56, 'errorCodeFreedom', 'error-code freedom', 'A hardware exception can be injected with or without an error code, whatever its vector.'),
    bit(58, 'nestedException', 'nested exceptions'),
  ],
  vmxMisc: [
    bits(4, 0, 'timerShift', 'preemption-timer rate', 'The timer counts down whenever this bit of the TSC changes.'),
    bit(5, 'savesLma', 'save EFER.LMA', 'Exits store EFER.LMA into the IA-32e mode guest control.'),
    bit(6, 'activityHlt', 'HLT activity state'),
    bit(7, 'activityShutdown', 'shutdown activity state'),
    bit(8, 'activityWaitForSipi', 'wait-for-SIPI activity state'),
    bit(14, 'ptInVmx', 'Intel PT in VMX operation'),
    bit(15, 'rdmsrSmbase', 'RDMSR of IA32_SMBASE in SMM'),
    bits(24, 16, 'cr3Targets', 'CR3-target count'),
    bits(27, 25, 'msrListN', 'N', 'At most 512 * (N + 1) entries should be in an MSR list.'),
    bit(28, 'smmMonitorCtl2', 'IA32_SMM_MONITOR_CTL[2] can be 1', 'VMXOFF unblocks SMIs unless that bit is set.'),
    bit(29, 'vmwriteAny', 'VMWRITE to any field', 'VMWRITE can change read-only fields.'),
    bit(30, 'zeroLengthInjection', 'zero-length injection', 'Software events can be injected with instruction length 0.'),
    bits(63, 32, 'msegRevision', 'MSEG revision identifier'),
  ],
  vmxVmcsEnum: [bits(9, 1, 'highestIndex', 'highest index', 'Of all encodings that exist.')],
  vmxEptVpidCap: [
    bit(0, 'executeOnly', 'execute-only EPT entries'),
    bit(6, 'walkLength4', 'page-walk length 4'),
    bit(7, 'walkLength5', 'page-walk length 5'),
    bit(8, 'memoryTypeUc', 'EPT structures UC'),
    bit(14, 'memoryTypeWb', 'EPT structures WB'),
    bit(16, 'pages2M', '2-MByte pages'),
    bit(17, 'pages1G', '1-GByte pages'),
    bit(20, 'invept', 'INVEPT'),
    bit(21, 'accessedDirty', 'EPT accessed and dirty flags'),
    bit(22, 'advancedViolationInfo', 'advanced VM-exit information for EPT violations'),
    bit(23, 'supervisorShadowStack', 'supervisor shadow-stack control'),
    bit(25, 'inveptSingle', 'single-context INVEPT'),
    bit(26, 'inveptAll', 'all-context INVEPT'),
    bit(32, 'invvpid', 'INVVPID'),
    bit(40, 'invvpidAddress', 'individual-address INVVPID'),
    bit(41, 'invvpidSingle', 'single-context INVVPID'),
    bit(42, 'invvpidAll', 'all-context INVVPID'),
    bit(43, 'invvpidRetainingGlobals', 'single-context-retaining-globals INVVPID'),
    bits(53, 48, 'maxHlatPrefix', 'maximum HLAT prefix size'),
  ],

  // SDM 3A 4.5 'Paging', SDM 3C 'EPT Translation Mechanism': entries of paging structures, union of all levels.
  pagingEntry: [
    bit(0, 'p', 'P', 'Present.'),
    bit(1, 'rw', 'R/W', 'Writable.'),
    bit(2, 'us', 'U/S', 'Accessible in user mode.'),
    bit(3, 'pwt', 'PWT', 'Page-level write-through.'),
    bit(4, 'pcd', 'PCD', 'Page-level cache disable.'),
    bit(5, 'a', 'A', 'Accessed.'),
    bit(6, 'd', 'D', 'Dirty (entries that map a page).'),
    bit(7, 'ps', 'PS', 'Maps a large page; in an entry of a page table, PAT.'),
    bit(8, 'g', 'G', 'Global (entries that map a page).'),
    bits(51, 12, 'address', 'address', 'Physical, in 4-KByte pages.'),
    bits(62, 59, 'protectionKey', 'protection key'),
    bit(63, 'xd', 'XD', 'Execute-disable.'),
  ],
  eptEntry: [
    bit(0, 'read', 'read'),
    bit(1, 'write', 'write'),
    bit(2, 'execute', 'execute', 'With mode-based execute control, in supervisor mode.'),
    bits(5, 3, 'memoryType', 'memory type', 'Entries that map a page.', memoryTypes),
    bit(6, 'ignorePat', 'ignore PAT', 'Entries that map a page.'),
    bit(7, 'largePage', 'large page', 'The entry maps a 1-GByte or 2-MByte page.'),
    bit(8, 'accessed', 'accessed', 'With accessed and dirty flags.'),
    bit(9, 'dirty', 'dirty', 'With accessed and dirty flags, entries that map a page.'),
    bit(10, 'userExecute', 'execute in user mode', 'With mode-based execute control.'),
    bits(51, 12, 'address', 'address', 'Host-physical, in 4-KByte pages.'),
    bit(57, 'verifyGuestPaging', 'verify guest paging'),
    bit(58, 'pagingWrite', 'paging-write access'),
    bit(60, 'supervisorShadowStack', 'supervisor shadow stack'),
    bit(61, 'subPageWrite', 'sub-page write permissions'),
    bit(63, 'suppressVe', 'suppress #VE'),
  ],
} as const;

export type LayoutName = keyof typeof bitLayouts;
export type LayoutBitId<L extends LayoutName> = (typeof bitLayouts)[L][number]['id'];

/** The rows of a layout. */
export function layoutFields(layout: LayoutName): readonly BitField[] {
  return bitLayouts[layout];
}

/** The row `id` of a layout; an unknown id is our own mistake and throws. */
export function layoutField<L extends LayoutName>(layout: L, id: LayoutBitId<L>): BitField {
  const field = layoutFields(layout).find((row) => row.id === id);
  if (field === undefined) throw new Error(`layout '${layout}' has no '${String(id)}'`);
  return field;
}

/** Mask of a field of a layout, in place: `bitOf('primaryProcControls', 'hltExiting')` is 80H. */
export function bitOf<L extends LayoutName>(layout: L, id: LayoutBitId<L>): bigint {
  return maskOf(layoutField(layout, id));
}

/** Value of a field of a layout within `word`, shifted down. */
export function fieldOf<L extends LayoutName>(layout: L, id: LayoutBitId<L>, word: bigint): bigint {
  return extract(layoutField(layout, id), word);
}

/** All bits of a layout that have a name. */
export function namedBits(layout: LayoutName): bigint {
  return layoutFields(layout).reduce((mask, field) => mask | maskOf(field), 0n);
}

/** Bits of a control word that are always 1 and have no name; 0 for every other layout. */
function fixedBits(layout: LayoutName): bigint {
  const word = (Object.keys(controlWordTraits) as ControlWordName[]).find((name) => controlWordTraits[name].layout === layout);
  return word === undefined ? 0n : BigInt(controlWordTraits[word].default1) & ~namedBits(layout);
}

/** The meanings that hold within `word`. */
function valuesOf(field: BitField, layout: LayoutName, word: bigint): Readonly<Record<number, string>> | undefined {
  const other = field.valuesIfClear;
  const decider = other && layoutFields(layout).find((row) => row.id === other.bit);
  return decider !== undefined && extract(decider, word) === 0n ? other!.values : field.values;
}

export interface DecodedBits {
  readonly id: string;
  readonly name: string;
  readonly meaning: string;
  readonly bits: readonly [high: number, low: number];
  /** Shifted down. */
  readonly value: bigint;
  /** What this value means, where the layout says so. */
  readonly text?: string;
}

/**
 * Every field of `layout` with its part of `value`, from the lowest bit up. If reserved bits are set, a last row with
 * id `reserved` holds them in place.
 */
export function decodeBits(layout: LayoutName, value: bigint): DecodedBits[] {
  const decoded: DecodedBits[] = layoutFields(layout).map((field) => {
    const part = extract(field, value);
    const text = valuesOf(field, layout, value)?.[Number(part)];
    return { id: field.id, name: field.name, meaning: field.meaning, bits: field.bits, value: part, ...(text !== undefined && { text }) };
  });
  const reserved = value & ~namedBits(layout) & ~fixedBits(layout);
  if (reserved !== 0n) decoded.push({ id: 'reserved', name: 'reserved', meaning: 'Bits that should be 0.', bits: [63, 0], value: reserved });
  return decoded;
}
