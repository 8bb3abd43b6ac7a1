/**
 * VM-instruction errors, and the checks of each VMX instruction in their order:
 * SDM 3C 31.4 'VM Instruction Error Numbers', 31.3 'VMX Instructions'.
 *
 * An earlier check wins. #UD, then the exit of non-root operation, then #GP for CPL hold for all but VMCALL and VMFUNC.
 */

export interface InstructionError {
  readonly number: number;
  readonly id: InstructionErrorId;
  readonly sentence: string;
  readonly raisedBy: readonly string[];
}

const errorRows = [
  [1, 'VMCALL_IN_ROOT', 'VMCALL was executed in VMX root operation, where only an SMM monitor could answer it.', 'VMCALL'],
  [2, 'VMCLEAR_INVALID_ADDRESS', 'The operand of VMCLEAR is not 4-KByte aligned, or lies beyond the physical-address width.', 'VMCLEAR'],
  [3, 'VMCLEAR_VMXON_POINTER', 'The operand of VMCLEAR is the VMXON region.', 'VMCLEAR'],
  [4, 'VMLAUNCH_NON_CLEAR', 'VMLAUNCH needs a VMCS whose launch state is clear: use VMRESUME, or VMCLEAR it first.', 'VMLAUNCH'],
  [5, 'VMRESUME_NON_LAUNCHED', 'VMRESUME needs a VMCS whose launch state is launched: use VMLAUNCH.', 'VMRESUME'],
  [6, 'VMRESUME_AFTER_VMXOFF', 'VMX operation was left and entered again since VMLAUNCH: VMCLEAR the VMCS and launch it anew.', 'VMRESUME'],
  [7, 'ENTRY_INVALID_CONTROLS', 'A VM-execution, VM-exit or VM-entry control field is invalid.', 'VMLAUNCH VMRESUME'],
  [8, 'ENTRY_INVALID_HOST_STATE', 'A field of the host-state area is invalid.', 'VMLAUNCH VMRESUME'],
  [9, 'VMPTRLD_INVALID_ADDRESS', 'The operand of VMPTRLD is not 4-KByte aligned, or lies beyond the physical-address width.', 'VMPTRLD'],
  [10, 'VMPTRLD_VMXON_POINTER', 'The operand of VMPTRLD is the VMXON region.', 'VMPTRLD'],
  [11, 'VMPTRLD_WRONG_REVISION', 'The VMCS does not begin with the revision identifier of IA32_VMX_BASIC, or is marked as a shadow VMCS on a processor without VMCS shadowing.', 'VMPTRLD'],
  [12, 'UNSUPPORTED_COMPONENT', 'The processor has no VMCS field with this encoding.', 'VMREAD VMWRITE'],
  [13, 'VMWRITE_READ_ONLY', 'The VMCS field is read-only.', 'VMWRITE'],
  [15, 'VMXON_IN_ROOT', 'VMXON was executed in VMX root operation, which has already been entered.', 'VMXON'],
  [16, 'ENTRY_INVALID_EXECUTIVE_VMCS', 'The entry from SMM has an executive-VMCS pointer that names no valid VMCS.', 'VMLAUNCH VMRESUME'],
  [17, 'ENTRY_NON_LAUNCHED_EXECUTIVE', 'The entry from SMM returns to an executive VMCS that is not launched.', 'VMLAUNCH VMRESUME'],
  [18, 'ENTRY_EXECUTIVE_NOT_VMXON', 'The entry from SMM ends the dual-monitor treatment, but its executive-VMCS pointer is not the VMXON pointer.', 'VMLAUNCH VMRESUME'],
  [19, 'VMCALL_NON_CLEAR', 'VMCALL would start the dual-monitor treatment, but the launch state of the VMCS is not clear.', 'VMCALL'],
  [20, 'VMCALL_INVALID_EXIT_CONTROLS', 'VMCALL would start the dual-monitor treatment, but the VM-exit controls are invalid.', 'VMCALL'],
  [22, 'VMCALL_WRONG_MSEG_REVISION', 'VMCALL would start the dual-monitor treatment, but MSEG has another revision identifier.', 'VMCALL'],
  [23, 'VMXOFF_DUAL_MONITOR', 'VMXOFF is not possible under the dual-monitor treatment.', 'VMXOFF'],
  [24, 'VMCALL_INVALID_SMM_FEATURES', 'VMCALL would start the dual-monitor treatment, but MSEG asks for features that do not exist.', 'VMCALL'],
  [25, 'ENTRY_INVALID_EXEC_CONTROLS_IN_EXECUTIVE', 'The entry from SMM returns to an executive VMCS whose VM-execution controls are invalid.', 'VMLAUNCH VMRESUME'],
  [26, 'ENTRY_MOV_SS_BLOCKING', 'VM entry is not possible right after MOV SS or POP SS.', 'VMLAUNCH VMRESUME'],
  [28, 'INVALID_INVEPT_INVVPID_OPERAND', 'The type or the descriptor of INVEPT or INVVPID is invalid.', 'INVEPT INVVPID'],
] as const;

export type InstructionErrorId = (typeof errorRows)[number][1];

/** All defined numbers, ascending. */
export const instructionErrors: readonly InstructionError[] = errorRows.map(([number, id, sentence, raisedBy]) => ({ number, id, sentence, raisedBy: raisedBy.split(' ') }));

/** The row of a VM-instruction error; undefined for a number that is not assigned. */
export function instructionErrorByNumber(number: number): InstructionError | undefined {
  return instructionErrors.find((row) => row.number === number);
}

/** What happens if a check applies: a fault, `VM exit n`, or one of the failures of SDM 3C 31.2 'Conventions'. */
export type CheckOutcome =
  | '#UD' | '#GP(0)' | 'memory fault' | 'SMM VM exit' | 'VMfailInvalid' | `VM exit ${number}` | `VMfailValid(${number})` | `VMfail(${number})`
  | 'entry failure 33' | 'entry failure 34' | 'VMfailValid(16, 17, 18 or 25)';

export interface InstructionCheck {
  /** The condition, in words. */
  readonly when: string;
  readonly then: CheckOutcome;
}

export interface VmxInstruction {
  readonly mnemonic: string;
  readonly opcode: string;
  readonly operands: string;
  readonly onSuccess: string;
  readonly checks: readonly InstructionCheck[];
}

const check = (when: string, then: CheckOutcome): InstructionCheck => ({ when, then });

const unusable = check('not in VMX operation, or in real, virtual-8086 or compatibility mode', '#UD');
const unusableMemory = check('register operand, not in VMX operation, or in real, virtual-8086 or compatibility mode', '#UD');
const exits = (reason: number): InstructionCheck => check('in VMX non-root operation', `VM exit ${reason}`);
const privilege = check('CPL above 0', '#GP(0)');
const memory = check('the memory operand cannot be accessed', 'memory fault');
const pointer = (error: number): InstructionCheck => check('the operand is not 4-KByte aligned, or lies beyond the physical-address width', `VMfail(${error})`);
const isVmxon = (error: number): InstructionCheck => check('the operand is the VMXON pointer', `VMfail(${error})`);
const noCurrent = check('there is no current VMCS (root), or the VMCS link pointer is all ones (non-root)', 'VMfailInvalid');

const entryChecks = (exit: number, launchState: InstructionCheck): readonly InstructionCheck[] => [
  unusable, exits(exit), privilege,
  check('there is no current VMCS', 'VMfailInvalid'),
  check('the current VMCS is a shadow VMCS', 'VMfailInvalid'),
  check('events are blocked by MOV SS', 'VMfailValid(26)'),
  launchState,
  check('a control field is invalid', 'VMfailValid(7)'),
  check('a host-state field is invalid', 'VMfailValid(8)'),
  check('the entry is from SMM and the executive VMCS is invalid', 'VMfailValid(16, 17, 18 or 25)'),
  check('a guest-state field is invalid', 'entry failure 33'),
  check('an MSR of the VM-entry MSR-load area cannot be loaded', 'entry failure 34'),
];

export const vmxInstructions: readonly VmxInstruction[] = [
  {
    mnemonic: 'VMXON', opcode: 'F3 0F C7 /6', operands: 'm64', onSuccess: 'Enter VMX operation with no current VMCS; INIT is blocked from now on.',
    checks: [
      check('register operand, CR4.VMXE clear, or in real, virtual-8086 or compatibility mode', '#UD'),
      check('outside VMX operation and CPL above 0', '#GP(0)'),
      check('outside VMX operation and in A20M mode', '#GP(0)'),
      check('outside VMX operation and CR0 or CR4 does not have the bits fixed in VMX operation', '#GP(0)'),
      check('outside VMX operation and IA32_FEATURE_CONTROL is not locked', '#GP(0)'),
      check('outside VMX operation, in SMX operation, and IA32_FEATURE_CONTROL does not allow VMX inside SMX', '#GP(0)'),
      check('outside VMX operation, outside SMX operation, and IA32_FEATURE_CONTROL does not allow VMX outside SMX', '#GP(0)'),
      check('outside VMX operation and the memory operand cannot be accessed', 'memory fault'),
      check('outside VMX operation and the operand is not 4-KByte aligned, or lies beyond the physical-address width', 'VMfailInvalid'),
      check('outside VMX operation and the region does not begin with the VMCS revision identifier, bit 31 clear', 'VMfailInvalid'),
      exits(27),
      check('in VMX root operation and CPL above 0', '#GP(0)'),
      check('in VMX root operation', 'VMfail(15)'),
    ],
  },
  { mnemonic: 'VMXOFF', opcode: '0F 01 C4', operands: '', onSuccess: 'Leave VMX operation.', checks: [unusable, exits(26), privilege, check('the dual-monitor treatment is active', 'VMfail(23)')] },
  {
    mnemonic: 'VMCLEAR', opcode: '66 0F C7 /6', operands: 'm64', onSuccess: 'The VMCS is in memory and its launch state is clear; if it was current, there is no current VMCS.',
    checks: [unusableMemory, exits(19), privilege, memory, pointer(2), isVmxon(3)],
  },
  {
    mnemonic: 'VMPTRLD', opcode: 'NP 0F C7 /6', operands: 'm64', onSuccess: 'The VMCS is current.',
    checks: [
      unusableMemory, exits(21), privilege, memory, pointer(9), isVmxon(10),
      check('the VMCS does not begin with the revision identifier, or is a shadow VMCS and the processor has no VMCS shadowing', 'VMfail(11)'),
    ],
  },
  { mnemonic: 'VMPTRST', opcode: 'NP 0F C7 /7', operands: 'm64', onSuccess: 'The current-VMCS pointer is stored; all ones if there is none.', checks: [unusableMemory, exits(22), privilege, memory] },
  {
    mnemonic: 'VMREAD', opcode: 'NP 0F 78 /r', operands: 'r/m64, r64', onSuccess: 'The destination holds the field, zero-extended or cut to its size.',
    checks: [
      unusable,
      check('in VMX non-root operation, without VMCS shadowing, or with an encoding above 7FFFH or selected by the VMREAD bitmap', 'VM exit 23'),
      privilege, noCurrent, check('no field has the encoding', 'VMfailValid(12)'), check('the memory destination cannot be written', 'memory fault'),
    ],
  },
  {
    mnemonic: 'VMWRITE', opcode: 'NP 0F 79 /r', operands: 'r64, r/m64', onSuccess: 'The field holds the source, zero-extended or cut to its width.',
    checks: [
      unusable,
      check('in VMX non-root operation, without VMCS shadowing, or with an encoding above 7FFFH or selected by the VMWRITE bitmap', 'VM exit 25'),
      privilege, noCurrent, check('the memory source cannot be read', 'memory fault'), check('no field has the encoding', 'VMfailValid(12)'),
      check('the field is read-only and IA32_VMX_MISC[29] is 0', 'VMfailValid(13)'),
    ],
  },
  { mnemonic: 'VMLAUNCH', opcode: '0F 01 C2', operands: '', onSuccess: 'The launch state is launched and the guest runs.',
    checks: entryChecks(20, check('the launch state is not clear', 'VMfailValid(4)')) },
  { mnemonic: 'VMRESUME', opcode: '0F 01 C3', operands: '', onSuccess: 'The guest runs.', checks: entryChecks(24, check('the launch state is not launched', 'VMfailValid(5)')) },
  {
    mnemonic: 'VMCALL', opcode: '0F 01 C1', operands: '', onSuccess: 'In root operation, the dual-monitor treatment starts.',
    checks: [
      check('not in VMX operation', '#UD'), exits(18), check('in virtual-8086 or compatibility mode', '#UD'), privilege,
      check('in SMM, or the dual-monitor treatment is not supported or not allowed', 'VMfail(1)'),
      check('the dual-monitor treatment is active', 'SMM VM exit'),
      check('there is no current VMCS', 'VMfailInvalid'),
      check('the launch state is not clear', 'VMfailValid(19)'),
      check('a VM-exit control field is invalid', 'VMfailValid(20)'),
      check('MSEG has another revision identifier', 'VMfailValid(22)'),
      check('MSEG asks for features that do not exist', 'VMfailValid(24)'),
    ],
  },
  {
    mnemonic: 'INVEPT', opcode: '66 0F 38 80 /r', operands: 'r64, m128', onSuccess: 'Guest-physical and combined translations are forgotten: those of the EPTP (type 1) or all (type 2).',
    checks: [
      check('not supported, register operand, not in VMX operation, or in real, virtual-8086 or compatibility mode', '#UD'), exits(50), privilege,
      check('the type is not supported', 'VMfail(28)'), memory, check('type 1 and the EPTP would not pass VM entry', 'VMfail(28)'), check('bits 127:64 of the descriptor are not 0', 'VMfail(28)'),
    ],
  },
  {
    mnemonic: 'INVVPID', opcode: '66 0F 38 81 /r', operands: 'r64, m128',
    onSuccess: 'Linear and combined translations are forgotten: of one address of the VPID (type 0), of the VPID (1), of all VPIDs but 0 (2), of the VPID but for global ones (3).',
    checks: [
      check('not supported, register operand, not in VMX operation, or in real, virtual-8086 or compatibility mode', '#UD'), exits(53), privilege,
      check('the type is not supported', 'VMfail(28)'), memory, check('bits 63:16 of the descriptor are not 0', 'VMfail(28)'), check('type 0, 1 or 3, and the VPID is 0', 'VMfail(28)'),
      check('type 0, and the linear address is not canonical', 'VMfail(28)'),
    ],
  },
  {
    mnemonic: 'VMFUNC', opcode: 'NP 0F 01 D4', operands: '', onSuccess: 'The function is done; function 0 loads an EPTP from the list.',
    checks: [
      check('outside VMX non-root operation, or VM functions are not enabled', '#UD'), check('EAX above 63', '#UD'), check('the function in EAX is not enabled', 'VM exit 59'),
      check('function 0 and ECX above 511', 'VM exit 59'), check('function 0 and the entry of the list is not a valid EPTP', 'VM exit 59'),
    ],
  },
];
