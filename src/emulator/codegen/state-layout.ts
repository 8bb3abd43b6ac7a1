// The layout of the one WebAssembly memory: CPU state, machine state, tables, event ring, decoded code, guest RAM.
// One table for both sides of the WASM border: TypeScript reads it here; the core (AssemblyScript) gets the same numbers as
// constants in core/generated/layout.ts, written by the build. Nothing else may spell an address of this memory.

export type CellType = 'u8' | 'u16' | 'u32' | 'i32' | 'u64' | 'v128';

/** One named cell (or array of cells) of a state structure. */
export interface Cell {
  readonly name: string;
  readonly type: CellType;
  readonly count: number;
  readonly doc: string;
  /** Byte address in the WASM memory (for vCPU cells: of the active vCPU). */
  readonly address: number;
}

export const cellBytes: Record<CellType, number> = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8, v128: 16 };

/** Large areas of the memory, in order; sizes in bytes. RAM starts after the last one. */
const regionSizes: readonly (readonly [name: string, bytes: number, doc: string])[] = [
  ['guard', 0x1000, 'never used: a null pointer of the core lands here'],
  ['cpu', 0x1000, 'the active vCPU (fixed address; others are parked)'],
  ['machine', 0x2000, 'state of the machine as a whole, run control, stop masks'],
  ['coreData', 0xc000, 'static data of the AssemblyScript core'],
  ['decodeTables', 0x18000, 'opcode maps, written by the machine at creation from the built tables'],
  ['vmcsOffsets', 0x1000, 'u16 by (width << 2 | type) << 7 | index: byte offset of the field in the VMCS region, 0 = no such field'],
  ['processor', 0x1000, 'what the processor model has: capability MSRs, CPUID leaves, facts; written by the machine at creation'],
  ['parkedCpus', 0x8000, 'eight vCPU states of 4 KiB'],
  ['scratch', 0x10000, 'fetch buffer, one-instruction blocks, bounce buffers'],
  ['codeHooks', 0x10000, 'open-addressed hash of hooked linear addresses (u64)'],
  ['devices', 0x10000, 'state of devices: local APICs, serial port, timers'],
  ['serialOut', 0x10000, 'bytes that the guest sent on COM1, a ring'],
  ['tlbContexts', 0x1000, 'keys of the 32 TLB contexts, 64 bytes each'],
  ['tlbPool', 0x180000, '32 TLB contexts of 48 KiB: read, write and execute tables of 1,024 entries'],
  ['snapshotBuffer', 0x10000, 'one TLB context on its way into a snapshot or out of one'],
  ['pageCode', 0x400000, 'u32 by guest RAM page: first code descriptor of the page, 0 = no code'],
  ['pageFlags', 0x100000, 'u8 by guest RAM page: 1 changed since the last snapshot; as a VMCS it has passed every check of an entry, 2 outside IA-32e mode, 4 in it'],
  ['translations', 0x10000, 'regions of translated code: 1,024 slots of 64 bytes, see translationFields'],
  ['events', 0x80000, 'the event ring: small enough to stay in a processor\'s cache, which halves the cost of a VM exit'],
  ['watches', 0x30000, 'what accesses stop the run: for each watch space a sorted table of segments of 24 bytes (first u64, last u64, mask u32)'],
  ['watchHits', 0x1000, 'accesses to watched places since the run began, 32 records of 96 bytes'],
  ['exitTests', 0x2000, 'what VM exits must be like to stop the run: 64 tests of 128 bytes (terms u32, then 24 bytes from 16 on: value u32, relation u32, operand u64, mask u64)'],
  ['codeHeap', 0x2c00000, 'decoded blocks and code descriptors'],
];

export interface Region { readonly name: string; readonly base: number; readonly size: number; readonly doc: string }

export const regions: readonly Region[] = (() => {
  let base = 0;
  return regionSizes.map(([name, size, doc]) => { const r = { name, base, size, doc }; base += size; return r; });
})();

export function region(name: string): Region {
  const found = regions.find(r => r.name === name);
  if (!found) throw new Error(`no memory region named ${name}`);
  return found;
}

/** Guest-physical address 0 in the WASM memory. */
export const ramBase = Math.ceil(regions.reduce((end, r) => Math.max(end, r.base + r.size), 0) / 0x100000) * 0x100000;

function place(base: number, limit: number, rows: readonly (readonly [name: string, type: CellType, count: number, doc: string])[]): Cell[] {
  let at = base;
  const cells = rows.map(([name, type, count, doc]) => {
    const bytes = cellBytes[type];
    at = Math.ceil(at / bytes) * bytes;
    const cell: Cell = { name, type, count, doc, address: at };
    at += bytes * count;
    return cell;
  });
  if (at > base + limit) throw new Error(`state structure at ${base} overflows its region`);
  return cells;
}

/**
 * State of one vCPU. The first cells form the register file that decoded records index by byte offset (u8): general registers in
 * encoding order, then slots that behave like registers in address computation.
 */
export const cpuCells: readonly Cell[] = place(region('cpu').base, region('cpu').size, [
  ['gpr', 'u64', 16, 'RAX RCX RDX RBX RSP RBP RSI RDI R8..R15'],
  ['zeroSlot', 'u64', 1, 'always 0: the absent base or index register'],
  ['pageBase', 'u64', 1, 'linear address of the page of the running block; RIP-relative operands add to it'],
  ['eaSlot', 'u64', 1, 'linear address computed by an address record for operands with a segment base or a short address size'],
  ['segBase', 'u64', 8, 'bases of ES CS SS DS FS GS LDTR TR'],
  ['segSelector', 'u32', 8, 'selectors, same order'],
  ['segLimit', 'u32', 8, 'limits in bytes (granularity applied), same order'],
  ['segRights', 'u32', 8, 'access rights in the VMCS format (type, S, DPL, P, AVL, L, D/B, G, unusable in bit 16), same order'],
  ['gdtrBase', 'u64', 1, ''], ['idtrBase', 'u64', 1, ''], ['gdtrLimit', 'u32', 1, ''], ['idtrLimit', 'u32', 1, ''],
  ['flagsR', 'u64', 1, 'arithmetic flags, first half: the sign-extended result'],
  ['flagsC', 'u64', 1, 'arithmetic flags, second half: the reduced carry vector'],
  ['rip', 'u64', 1, 'RIP at an instruction boundary (linear minus CS base)'],
  ['rflagsSystem', 'u64', 1, 'RFLAGS without CF PF AF ZF SF OF: bit 1 set, TF IF DF IOPL NT RF VM AC VIF VIP ID'],
  ['cr0', 'u64', 1, ''], ['cr2', 'u64', 1, ''], ['cr3', 'u64', 1, ''], ['cr4', 'u64', 1, ''], ['xcr0', 'u64', 1, ''], ['xss', 'u64', 1, 'IA32_XSS'],
  ['dr', 'u64', 8, 'DR0..DR3, (DR4, DR5 unused), DR6, DR7'],
  ['pdpte', 'u64', 4, 'PDPTEs of PAE paging, loaded with CR3 or at VM entry'],
  ['efer', 'u64', 1, ''], ['star', 'u64', 1, ''], ['lstar', 'u64', 1, ''], ['cstar', 'u64', 1, ''], ['fmask', 'u64', 1, ''],
  ['kernelGsBase', 'u64', 1, ''], ['tscAux', 'u64', 1, ''], ['tscAdjust', 'u64', 1, ''],
  ['sysenterCs', 'u64', 1, ''], ['sysenterEsp', 'u64', 1, ''], ['sysenterEip', 'u64', 1, ''],
  ['pat', 'u64', 1, ''], ['debugctl', 'u64', 1, ''], ['miscEnable', 'u64', 1, ''], ['featureControl', 'u64', 1, ''], ['apicBase', 'u64', 1, ''],
  ['perfCounters', 'u64', 7, 'programmable counters 0 to 3, fixed counters 0 to 2, as of countedUntil'], ['perfEventSelect', 'u64', 4, ''], ['fixedCounterControl', 'u64', 1, ''],
  ['perfGlobalStatus', 'u64', 1, ''], ['countedUntil', 'u64', 1, 'time up to which the performance counters have counted'],
  ['counterOverflow', 'u64', 1, 'time at which the next performance counter overflows, 0 = none counts'],
  ['countersInUse', 'u32', 1, 'performance counters that count (bits 6:0), and whether some count at another privilege level (bit 31)'],
  ['perfGlobalCtrl', 'u64', 1, ''], ['specCtrl', 'u64', 1, ''], ['pkru', 'u32', 1, 'rights of the protection keys'], ['randomState', 'u64', 1, 'of RDRAND and RDSEED'], ['biosSignature', 'u64', 1, 'IA32_BIOS_SIGN_ID'],
  ['mtrrDefType', 'u64', 1, ''], ['mtrrFixed', 'u64', 11, ''], ['mtrrVariable', 'u64', 16, 'base and mask pairs'],
  ['xmm', 'v128', 16, 'XMM0..XMM15'], ['mxcsr', 'u32', 1, ''],
  ['id', 'u32', 1, 'number of the vCPU, its initial APIC id'],
  ['cpl', 'u32', 1, 'current privilege level (DPL of SS)'],
  ['mode', 'u32', 1, 'key of decoded code: bits 1:0 code size (0: 16, 1: 32, 2: 64 bit), bit 2 stack is 32 bits wide, bit 3 flat segments'],
  ['activity', 'u32', 1, 'activity state as in the VMCS: 0 active, 1 HLT, 2 shutdown, 3 wait for SIPI'],
  ['shutdownAbort', 'u32', 1, 'number of the VMX abort that led to the shutdown state; 0: a triple fault did'],
  ['shadowBits', 'u32', 1, 'interruptibility bits 0 (STI) and 1 (MOV SS) of the blocking that ends at shadowUntil'],
  ['shadowUntil', 'u64', 1, 'time (units) at which the STI or MOV SS blocking ends'],
  ['resumeUntil', 'u64', 1, 'time (units) at which RFLAGS.RF, set in rflagsSystem, has lapsed: it lasts for one instruction'],
  ['nmiBlocked', 'u32', 1, 'NMIs (or virtual NMIs) are blocked until IRET'],
  ['nmiUnblocked', 'u32', 1, 'the fault or exit under way is of an IRET that has ended NMI blocking'],
  ['nmiPending', 'u32', 1, ''], ['initPending', 'u32', 1, ''], ['sipiPending', 'u32', 1, '0, or 1 + the SIPI vector'],
  ['wakeTime', 'u64', 1, 'of a vCPU that waits: time at which it looks at its events again though nothing has arrived, all ones = never'],
  ['hookSkip', 'u64', 1, 'linear address of the last stop before an instruction'],
  ['hookSkipTime', 'u64', 1, 'its time: at the same address and time, the same kind of stop is passed'], ['hookSkipKinds', 'u32', 1, 'bit per kind of stop made there'],
  ['pendingDebug', 'u64', 1, 'pending debug exceptions in the VMCS format, delivered at the next boundary'],
  // -- the fault, exit or event under way
  ['abortKind', 'u32', 1, 'why an instruction was abandoned: 0 none, 1 exception, 2 run alone (MMIO, code page, watched page), '
    + '3 VM exit done, 4 stop, 5 EPT violation, 6 EPT misconfiguration, 7 page-modification log full, 8 access to the APIC-access page, 9 left to its procedure'],
  ['faultVector', 'u32', 1, ''], ['faultHasError', 'u32', 1, ''], ['faultError', 'u32', 1, ''],
  ['faultAddress', 'u64', 1, 'linear address of a page fault (next CR2); for #DB the DR6 bits to set'],
  ['alone', 'u32', 1, 'this instruction runs alone in its block: slow accesses may complete'],
  ['eventVectoring', 'u32', 1, 'event under delivery in the format of IDT-vectoring information (bit 31 valid), 0 = none'],
  ['eventVectoringError', 'u32', 1, ''], ['eventInstructionLength', 'u32', 1, ''],
  ['instructionLength', 'u32', 1, 'length of the system instruction that runs (rip is at its start)'],
  ['record', 'u32', 1, 'address of the decoded record of an instruction that emitted code leaves to its procedure'], ['procedure', 'u32', 1, 'that procedure: id of the VMX instruction'],
  // -- TLB
  ['tlbBase', 'u32', 1, 'address of the TLB context in use'], ['tlbGeneration', 'u64', 1, 'low 12 bits of valid tags in that context'],
  // -- VMX
  ['vmxOn', 'u32', 1, 'in VMX operation'], ['nonRoot', 'u32', 1, 'in VMX non-root operation'],
  ['vmxonPointer', 'u64', 1, ''], ['currentVmcs', 'u64', 1, 'current-VMCS pointer, all ones = none'],
  ['vmcsHost', 'u32', 1, 'WASM address of the current VMCS region, 0 = none'],
  ['shadowVmcsHost', 'u32', 1, 'WASM address of the VMCS that the link pointer names while VMCS shadowing is on, 0 = none'],
  ['pinControls', 'u32', 1, 'controls in force in non-root operation (0 in root): pin-based'], ['procControls', 'u32', 1, 'primary processor-based'],
  ['proc2Controls', 'u32', 1, 'secondary (0 if not activated)'], ['exitControls', 'u32', 1, ''], ['entryControls', 'u32', 1, ''],
  ['exceptionBitmap', 'u32', 1, ''], ['pfErrorMask', 'u32', 1, ''], ['pfErrorMatch', 'u32', 1, ''],
  ['cr0Mask', 'u64', 1, ''], ['cr4Mask', 'u64', 1, ''], ['cr0Shadow', 'u64', 1, ''], ['cr4Shadow', 'u64', 1, ''],
  ['eptp', 'u64', 1, 'EPT pointer in force, 0 = EPT off'], ['vpid', 'u32', 1, 'VPID in force, 0 in root or with VPID off'],
  ['tscOffset', 'u64', 1, 'added to TSC reads in non-root operation (0 in root)'],
  ['preemptionDeadline', 'u64', 1, 'time (units) at which the VMX-preemption timer expires, all ones = off'],
  ['vmxBoundary', 'u32', 1, 'non-zero: VMX has something to look at before each instruction (windows, MTF): asks for a boundary check'],
  ['mtfPending', 'u32', 1, 'a monitor-trap-flag exit is pending before the next instruction'],
  ['exitReason', 'u32', 1, 'of the last VM exit or failed entry'], ['exitQualification', 'u64', 1, ''],
  ['guestPhysicalFault', 'u64', 1, 'guest-physical address of the last EPT violation or misconfiguration'],
  ['suppressVe', 'u32', 1, 'bit 63 of the EPT entry that blocked the last access: its violation does not become #VE'],
  ['failedCheck', 'u32', 1, '1 + row of spec/entry-checks that refused the last VM entry, 0 = none'],
  ['block', 'u32', 1, 'the block whose instruction runs in a function of the interpreter'],
  ['transferTarget', 'u64', 1, 'linear target of a direct transfer that the interpreter has not linked'],
  ['apicAccessEnd', 'u64', 1, 'last byte of the APIC-access page in force (host-physical), 0 = none'],
  ['apicAccessCached', 'u64', 1, 'the APIC-access page (its last byte) that the TLB contexts of this vCPU know of'],
  ['apicExit', 'u32', 1, 'a trap-like exit of APIC virtualization is pending: its reason, and its qualification in bits 31:16; 0 = none'],
  ['virtualInterrupt', 'u32', 1, 'a pending virtual interrupt is recognized'],
  ['pauseLoopStart', 'u64', 1, 'time of the first PAUSE of the present loop at CPL 0'], ['pauseLast', 'u64', 1, 'time of the last PAUSE at CPL 0 since VM entry, 0 = none'],
]);

/** Bytes of a vCPU's state that are in use: what is copied when another vCPU takes over. */
export const cpuStateBytes = cpuCells.reduce((end, c) => Math.max(end, Math.ceil((c.address + cellBytes[c.type] * c.count - region('cpu').base) / 16) * 16), 0);

/** State of the machine as a whole. Times are in units: one retired instruction, string iteration or delivered event each. */
export const machineCells: readonly Cell[] = place(region('machine').base, region('machine').size, [
  ['ramSize', 'u32', 1, 'bytes of guest RAM from guest-physical address 0'],
  ['vcpuCount', 'u32', 1, ''],
  ['budget', 'i32', 1, 'units left until the deadline, as of the last time the run loop wrote it'],
  ['deadline', 'u64', 1, 'time at which the budget is 0: time = deadline - budget'],
  ['runEnd', 'u64', 1, 'time at which run returns'],
  ['quantumEnd', 'u64', 1, 'time at which the next vCPU takes over (with several)'],
  ['stopKind', 'u32', 1, 'why run returned, see stopKinds; 0 while running'],
  ['stopReasonIndex', 'u32', 1, 'exit reason, vector, instruction, hook address index ... of that stop'],
  ['stopAddress', 'u64', 1, 'linear address or value of that stop'],
  ['eventMask', 'u32', 1, 'bit per event kind that is recorded in the ring'],
  ['ringHead', 'u32', 1, 'slots ever written'], ['ringTail', 'u32', 1, 'slots ever read'],
  ['stopOnExit', 'u32', 4, 'bit per basic exit reason: stop after such a VM exit'],
  ['stopOnEntry', 'u32', 1, 'stop after VM entries, before the first guest instruction: bit 0 each, bit 1 those that may tell of a failure'],
  ['stopOnVmx', 'u32', 1, 'bit per VMX instruction (see vmxInstructions): stop before it'],
  ['stopOnVmfail', 'u32', 1, ''], ['stopOnEntryFailure', 'u32', 1, ''], ['stopOnTripleFault', 'u32', 1, ''],
  ['stopOnException', 'u32', 1, 'bit per vector: stop when such an exception is about to be delivered'],
  ['hookCount', 'u32', 1, 'hooked linear addresses'],
  ['hookOffsets', 'u8', 4096, 'by page offset: number of hooks at that offset of some page'],
  ['watchCount', 'u32', 8, 'segments of each watch space'], ['watchesMemory', 'u32', 1, 'any of the three spaces of memory has segments'], ['watchHits', 'u32', 1, 'records in the region of that name'],
  ['exitTestCount', 'u32', 1, 'tests in the region exitTests, one of which an exit must pass; 0 = every exit of stopOnExit stops'],
  ['serialHead', 'u32', 1, 'bytes ever sent on COM1'], ['debugExitCode', 'u32', 1, ''], ['heapTop', 'u32', 1, 'next free byte of the code heap'],
  ['exits', 'u64', 1, 'VM exits since creation'], ['entries', 'u64', 1, 'VM entries since creation'],
  ['translation', 'u32', 1, '0: hot code is only interpreted; 1: blocks found hot are asked to be translated; 2: all blocks are'],
  ['translationRequest', 'u32', 1, 'block that asks to be translated while run has left with stopKind 0; 0 = none'],
  ['sliceEnd', 'u64', 1, 'deadline that was set to take a sample of the running block, with nothing due before armedEnd'],
  ['armedEnd', 'u64', 1, 'the next instant that matters, as of the last boundary'],
]);

/** Most CPUID leaves, and most MSRs that exist but for a feature that the model lacks. */
export const mostLeaves = 48, mostAbsentMsrs = 64;
/** What a processor model has (spec/processor-models), as the core asks it. Written once by processor-table.ts; never changes while the machine lives. */
export const processorCells: readonly Cell[] = place(region('processor').base, region('processor').size, [
  ['capabilityMsrs', 'u64', 20, 'VMX capability MSRs from 480H'], ['capabilityPresent', 'u32', 1, 'bit per capability MSR that exists'],
  ['facts', 'u64', 128, 'by index in modelFactNames of processor-table.ts'],
  ['allowedMask', 'u64', 7, 'by control word: bits that have one allowed setting'], ['allowedValue', 'u64', 7, 'by control word: that setting'],
  ['leafCount', 'u32', 1, ''], ['highestBasicLeaf', 'u32', 1, ''], ['highestExtendedLeaf', 'u32', 1, ''],
  ['leaves', 'u32', 6 * mostLeaves, 'leaf, subleaf (all ones: any), EAX EBX ECX EDX'],
  ['featureControl', 'u32', 1, 'IA32_FEATURE_CONTROL as the firmware leaves it'],
  ['absentMsrCount', 'u32', 1, ''], ['absentMsrs', 'u32', mostAbsentMsrs, 'indices of MSRs that go with features that the model lacks'],
]);

/** Why `run` returned; index is the value of the cell `stopKind`. After the last three the machine stays where it is. */
export const stopKinds = ['none', 'budget', 'idle', 'codeHook', 'vmExit', 'vmEntry', 'vmxInstruction', 'vmfail', 'entryFailure', 'tripleFault', 'exception',
  'watch', 'debugExit', 'ringFull', 'unimplemented', 'shutdown', 'reset', 'powerOff'] as const;
export type StopKind = (typeof stopKinds)[number];

/** Spaces in which accesses can be watched; index is that of the table and of `watchCount`. The first three are memory. */
export const watchSpaces = ['linear', 'guestPhysical', 'physical', 'vmcsField', 'msr', 'port'] as const;
export type WatchSpace = (typeof watchSpaces)[number];
export const watchSegmentBytes = 24;
/** Bits of a segment's mask: accesses in VMX root operation, and the same shifted by two in non-root operation. */
export const watchMask = { read: 1, write: 2 } as const;
export const watchHitBytes = 96;
export const mostWatchHits = 32;
/** Offsets in a hit. flags: 1 in non-root operation, 2 the access caused a VM exit, 4 made by the processor for itself (accessed and dirty flags). */
export const watchHitFields = {
  space: 0, access: 4, bytes: 8, flags: 12, address: 16, guestPhysical: 24, physical: 32, before: 40, value: 48, rip: 56, time: 64, pointer: 72,
} as const;

/** Values of a VM exit that the core compares by itself; 16 + n: general register n; 4096 + n: the field at offset n of the VMCS. A test holds when all of its terms do. */
export const exitValues = { reason: 0, vcpu: 1, register: 16, field: 4096 } as const;
/** Comparisons of unsigned numbers, the value first masked. */
export const exitRelations = ['==', '!=', '<', '<=', '>', '>='] as const;
export const exitTestBytes = 128;
export const exitTermBytes = 24;
export const mostExitTests = 64;
export const mostExitTerms = 4;

/** VMX instructions in the order of their ids in events and stop masks. */
export const vmxInstructions = ['VMCALL', 'VMCLEAR', 'VMLAUNCH', 'VMPTRLD', 'VMPTRST', 'VMREAD', 'VMRESUME', 'VMWRITE', 'VMXOFF', 'VMXON', 'INVEPT', 'INVVPID', 'VMFUNC'] as const;

/**
 * Kinds of record in the event ring; index is the value in the record and the bit in `eventMask`. `vmread`: a VMREAD of root operation that succeeds, of which
 * there are more than of all others together; any other VMX instruction is a `vmxInstruction`.
 */
export const eventKinds = ['pad', 'reset', 'vmxInstruction', 'vmExit', 'vmEntry', 'exception', 'interrupt', 'unimplemented', 'tripleFault', 'vcpuSwitch', 'vmread'] as const;
export type EventKind = (typeof eventKinds)[number];

/** Outcome of a `vmxInstruction` event. */
export const vmxOutcomes = ['success', 'failInvalid', 'failValid', 'exited', 'fault'] as const;

/** One slot of the ring, bytes. A record takes one slot, or four when it carries registers (VM exit and entry). */
export const eventSlotBytes = 64;
export const eventSlots = region('events').size / eventSlotBytes;

/** Byte offsets inside an event record. Meaning of a, b, c by kind: see docs of `EventRecord` in emulator/event-ring.ts. */
export const eventFields = {
  kind: 0, flags: 1, slots: 2, vcpu: 3, aux: 4, time: 8, rip: 16, rsp: 24, cr3: 32, a: 40, b: 48, c: 56,
  gpr: 64, d: 192, e: 200, instructionLength: 208, interruptionInfo: 212, interruptionError: 216, vectoringInfo: 220, vectoringError: 224,
  instructionInfo: 228, failedCheck: 232, rflags: 240, cr0: 248,
} as const;

/** Byte offsets in a decoded record (32 bytes). */
export const recordFields = {
  caseId: 0, length: 2, ordinal: 3, dst: 4, src: 5, base: 6, index: 7, scale: 8, aux: 9, pageOffset: 10, displacement: 12, immediate: 16, link0: 24, link1: 28,
} as const;
export const recordBytes = 32;

/**
 * A block: header of 16 bytes, then records. Header: units that must be in the budget (its instructions; of a translated block, those up to the
 * next check of the budget in its region), samples taken of it, slot of the region that it enters, entry of that region.
 */
export const blockHeaderBytes = 16;
export const blockFields = { units: 0, samples: 4, slot: 8, entry: 12 } as const;
/** Before the 4,096 block addresses of a page's code descriptor (one per mode). `granules` (64 bytes each) hold code; `drops` of translated code. */
export const descriptorFields = { next: 0, mode: 4, granules: 8, translated: 16, drops: 20 } as const;
export const descriptorHeaderBytes = 32;
/** In `samples`, beside their number: the block is not to be translated; it is part of a region without being an entry. */
export const translationRefused = 0x8000_0000, translationMember = 0x4000_0000;

/** A slot of the region `translations`: state (0 free, 1 live, 2 dead), the entries (in the code heap), RAM pages. */
export const translationFields = { state: 0, entryCount: 4, entries: 8, pageCount: 12, pages: 16 } as const;
export const translationSlotBytes = 64, translationSlots = region('translations').size / translationSlotBytes, translationPages = 8;
/**
 * An entry of a region: its block (0: given back to the interpreter), what the block was before, runs from there and the units that they retired; for jumps
 * inside the region the distance of its address from the region's base, the units up to the next check of the budget, bit and block table of its page.
 */
export const entryFields = { block: 0, units: 4, caseId: 8, runs: 12, retired: 16, ahead: 20, distance: 24, page: 32, blocks: 36 } as const;
export const translationEntryBytes = 40;

export function cell(cells: readonly Cell[], name: string): Cell {
  const found = cells.find(c => c.name === name);
  if (!found) throw new Error(`no state cell named ${name}`);
  return found;
}
export const cpuCell = (name: string): Cell => cell(cpuCells, name);
export const machineCell = (name: string): Cell => cell(machineCells, name);

/** Offsets in the register file, as decoded records use them. */
export const registerSlot = { zero: 16 * 8, pageBase: 17 * 8, ea: 18 * 8, segBase: 19 * 8 } as const;
