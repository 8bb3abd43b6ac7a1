// Each exit reason that the machine has, reached by a guest of a few instructions, with every information field that the exit defines:
// src/spec/exit-reasons says which are valid, and all others must be 0 here.
import { describe, expect, it } from 'vitest';
import type { ControlRef } from '../../../src/spec/controls';
import { exitReasons, type ExitReason } from '../../../src/spec/exit-reasons';
import * as asm from './machine-code';
import { at, type Fields } from './valid-vmcs';
import { World } from './world';

const { RAX, RCX, RDX, RBX, join, movImmediate } = asm;

interface Case {
  readonly name: string;
  readonly reason: string;
  readonly guest: readonly number[];
  readonly controls?: readonly ControlRef[];
  readonly fields?: Fields;
  readonly memory?: Readonly<Record<number, readonly number[]>>;
  readonly registers?: Readonly<Record<string, bigint>>;
  /** Bytes of the guest before the instruction that exits. */
  readonly ripOffset?: number;
  readonly qualification?: bigint;
  /** Length of the exiting instruction; 0 for exits that define none. */
  readonly length?: number;
  readonly information?: bigint;
  readonly linear?: bigint;
  readonly physical?: bigint;
  readonly interruption?: bigint;
  readonly interruptionError?: bigint;
  readonly vectoring?: bigint;
  readonly vectoringError?: bigint;
  /** RIP that the exit saves, where it is not the exiting instruction. */
  readonly rip?: number;
}

const memoryInformation = 2n << 7n | 3n << 15n | 1n << 22n | 1n << 27n; // 64-bit address size, DS, no index, no base
const instruction = (name: string, reason: string, bytes: readonly number[], more: Partial<Case> = {}): Case => ({ name, reason, guest: bytes, length: bytes.length, ...more });
/** An instruction after some preparation. */
const after = (name: string, reason: string, before: readonly number[], bytes: readonly number[], more: Partial<Case> = {}): Case => (
  { name, reason, guest: join(before, bytes), ripOffset: before.length, length: bytes.length, ...more });
const far = 0x4000_0000; // not mapped by the guest's paging

const userMode: Fields = { GUEST_CS_SELECTOR: 0x2bn, GUEST_CS_ACCESS_RIGHTS: 0xa0fbn, ...Object.fromEntries((['SS', 'DS', 'ES', 'FS', 'GS'] as const).flatMap((name) => [[`GUEST_${name}_SELECTOR`, 0x33n], [`GUEST_${name}_ACCESS_RIGHTS`, 0xc0f3n]])) };

const cases: readonly Case[] = [
  // unconditional
  instruction('CPUID', 'CPUID', asm.cpuid),
  instruction('INVD', 'INVD', asm.invd),
  instruction('VMCALL', 'VMCALL', asm.vmcall),
  instruction('VMLAUNCH', 'VMLAUNCH', asm.vmlaunch),
  instruction('VMRESUME', 'VMRESUME', asm.vmresume),
  instruction('VMXOFF', 'VMXOFF', asm.vmxoff),
  instruction('VMXON', 'VMXON', asm.vmxon(at.data), { qualification: BigInt(at.data), information: memoryInformation }),
  instruction('VMCLEAR', 'VMCLEAR', asm.vmclear(at.data), { qualification: BigInt(at.data), information: memoryInformation }),
  instruction('VMPTRLD', 'VMPTRLD', asm.vmptrld(at.data), { qualification: BigInt(at.data), information: memoryInformation }),
  instruction('VMPTRST', 'VMPTRST', asm.vmptrst(at.data), { qualification: BigInt(at.data), information: memoryInformation }),
  instruction('VMPTRLD at the highest displacement', 'VMPTRLD', asm.vmptrld(0xffff_ff00), { qualification: 0xffff_ffff_ffff_ff00n, information: memoryInformation }),
  instruction('VMPTRLD, RIP-relative', 'VMPTRLD', [0x0f, 0xc7, 0x35, 0x10, 0, 0, 0], { qualification: BigInt(at.guestCode + 7 + 0x10), information: 2n << 7n | 3n << 15n | 1n << 22n | 1n << 27n }),
  instruction('VMPTRLD GS:[RBX + RSI*4 - 1]', 'VMPTRLD', [0x65, 0x0f, 0xc7, 0x74, 0xb3, 0xff], { qualification: 0xffff_ffff_ffff_ffffn, information: 2n | 2n << 7n | 5n << 15n | 6n << 18n | 3n << 23n }),
  instruction('VMPTRLD [R9], 32-bit address', 'VMPTRLD', [0x67, 0x41, 0x0f, 0xc7, 0x31], { qualification: 0n, information: 1n << 7n | 3n << 15n | 1n << 22n | 9n << 23n }),
  instruction('VMPTRLD [RBP], stack segment', 'VMPTRLD', [0x0f, 0xc7, 0x75, 0x08], { qualification: 8n, information: 2n << 7n | 2n << 15n | 1n << 22n | 5n << 23n }),
  instruction('VMREAD RBX, RCX', 'VMREAD', asm.vmread(RBX, RCX), { information: 1n << 10n | 3n << 3n | 1n << 28n }),
  instruction('VMREAD memory', 'VMREAD', asm.vmreadTo(at.data, RDX), { qualification: BigInt(at.data), information: memoryInformation | 2n << 28n }),
  instruction('VMWRITE RCX, RBX', 'VMWRITE', asm.vmwrite(RCX, RBX), { information: 1n << 10n | 3n << 3n | 1n << 28n }),
  instruction('VMWRITE memory', 'VMWRITE', asm.vmwriteFrom(RDX, at.data), { qualification: BigInt(at.data), information: memoryInformation | 2n << 28n }),
  instruction('INVEPT', 'INVEPT', asm.invept(RBX, at.data), { qualification: BigInt(at.data), information: memoryInformation | 3n << 28n }),
  instruction('INVVPID', 'INVVPID', asm.invvpid(RBX, at.data), { qualification: BigInt(at.data), information: memoryInformation | 3n << 28n }),
  instruction('XSETBV', 'XSETBV', asm.xsetbv, { fields: { GUEST_CR4: 0x4_2620n } }),
  // by a control
  instruction('HLT', 'HLT', asm.hlt, { controls: ['primary.hltExiting'] }),
  instruction('INVLPG', 'INVLPG', asm.invlpg(far), { controls: ['primary.invlpgExiting'], qualification: BigInt(far) }),
  instruction('RDPMC', 'RDPMC', asm.rdpmc, { controls: ['primary.rdpmcExiting'] }),
  instruction('RDTSC', 'RDTSC', asm.rdtsc, { controls: ['primary.rdtscExiting'] }),
  instruction('RDTSCP', 'RDTSCP', asm.rdtscp, { controls: ['primary.rdtscExiting', 'secondary.enableRdtscp'] }),
  instruction('PAUSE', 'PAUSE', asm.pause, { controls: ['primary.pauseExiting'] }),
  instruction('MONITOR', 'MONITOR', asm.monitor, { controls: ['primary.monitorExiting'] }),
  instruction('MWAIT', 'MWAIT', asm.mwait, { controls: ['primary.mwaitExiting'] }),
  instruction('INVPCID', 'INVPCID', asm.invpcid(RBX, at.data), { controls: ['primary.invlpgExiting', 'secondary.enableInvpcid'], qualification: BigInt(at.data), information: memoryInformation | 3n << 28n }),
  instruction('WBINVD', 'WBINVD', asm.wbinvd, { controls: ['secondary.wbinvdExiting'] }),
  ...([['XSAVES', asm.xsaves(at.data)], ['XRSTORS', asm.xrstors(at.data)]] as const).map(([name, code]) => after(`${name} of a component that the bitmap selects`, name, movImmediate(RAX, 0x100), code, {
    controls: ['secondary.enableXsaves'], fields: { GUEST_CR4: 0x4_2620n, XSS_EXITING_BITMAP: 0x100n }, registers: { xss: 0x100n }, qualification: BigInt(at.data), information: memoryInformation })),
  // control registers
  after('MOV to CR3', 'CR_ACCESS', movImmediate(RBX, at.pml4), asm.movToCr(3, RBX), { controls: ['primary.cr3LoadExiting'], qualification: 0x303n }),
  instruction('MOV from CR3', 'CR_ACCESS', asm.movFromCr(RDX, 3), { controls: ['primary.cr3StoreExiting'], qualification: 0x213n }),
  instruction('MOV to CR8', 'CR_ACCESS', asm.movToCr(8, RCX), { controls: ['primary.cr8LoadExiting'], qualification: 0x108n }),
  instruction('MOV from CR8', 'CR_ACCESS', asm.movFromCr(RCX, 8), { controls: ['primary.cr8StoreExiting'], qualification: 0x118n }),
  after('MOV to CR0, host-owned TS', 'CR_ACCESS', movImmediate(RAX, 0x8001_003bn), asm.movToCr(0, RAX), { fields: { CR0_GUEST_HOST_MASK: 8n }, qualification: 0n }),
  after('MOV to CR4, host-owned PGE', 'CR_ACCESS', movImmediate(RCX, 0x26a0n), asm.movToCr(4, RCX), { fields: { CR4_GUEST_HOST_MASK: 0x80n }, qualification: 0x104n }),
  instruction('CLTS, host-owned TS set in the shadow', 'CR_ACCESS', asm.clts, { fields: { CR0_GUEST_HOST_MASK: 8n, CR0_READ_SHADOW: 8n }, qualification: 0x20n }),
  after('LMSW register', 'CR_ACCESS', movImmediate(RBX, 0xbn), asm.lmswRegister(RBX), { fields: { CR0_GUEST_HOST_MASK: 8n }, qualification: 0x000b_0030n }),
  instruction('LMSW memory', 'CR_ACCESS', asm.lmswMemory(at.data + 32), { fields: { CR0_GUEST_HOST_MASK: 8n }, memory: { [at.data + 32]: [0x1b, 0] }, qualification: 0x001b_0070n, linear: BigInt(at.data + 32) }),
  // debug registers
  instruction('MOV to DR7', 'MOV_DR', asm.movToDr(7, RBX), { controls: ['primary.movDrExiting'], qualification: 0x307n }),
  instruction('MOV from DR0', 'MOV_DR', asm.movFromDr(RCX, 0), { controls: ['primary.movDrExiting'], qualification: 0x110n }),
  // ports
  instruction('IN AL, 60H', 'IO_INSTRUCTION', asm.inImmediate8(0x60), { controls: ['primary.unconditionalIoExiting'], qualification: 0x0060_0048n }),
  after('OUT DX, EAX', 'IO_INSTRUCTION', movImmediate(RDX, 0xcf8), asm.outDx32, { controls: ['primary.unconditionalIoExiting'], qualification: 0x0cf8_0003n }),
  after('IN AX, DX by bitmap A', 'IO_INSTRUCTION', movImmediate(RDX, 0x7fff), asm.inDx16, { controls: ['primary.useIoBitmaps'], memory: { [at.ioBitmapB]: [1] }, qualification: 0x7fff_0009n }),
  after('access past port FFFFH', 'IO_INSTRUCTION', movImmediate(RDX, 0xfffe), asm.outDx32, { controls: ['primary.useIoBitmaps'], qualification: 0xfffe_0003n }),
  after('REP INSB', 'IO_INSTRUCTION', join(movImmediate(RDX, 0x3f8), movImmediate(RCX, 4), movImmediate(asm.RDI, at.data)), asm.repInsb, {
    controls: ['primary.unconditionalIoExiting'], qualification: 0x03f8_0038n, linear: BigInt(at.data), information: 2n << 7n }),
  after('OUTSD', 'IO_INSTRUCTION', join(movImmediate(RDX, 0x3f8), movImmediate(asm.RSI, at.data)), asm.outsd, {
    controls: ['primary.unconditionalIoExiting'], qualification: 0x03f8_0013n, linear: BigInt(at.data), information: 2n << 7n | 3n << 15n }),
  // MSRs
  after('RDMSR without bitmaps', 'RDMSR', movImmediate(RCX, 0x10), asm.rdmsr),
  after('WRMSR without bitmaps', 'WRMSR', movImmediate(RCX, 0x10), asm.wrmsr),
  after('RDMSR by bitmap', 'RDMSR', movImmediate(RCX, 0x1b), asm.rdmsr, { controls: ['primary.useMsrBitmaps'], memory: { [at.msrBitmap + 3]: [8] } }),
  after('RDMSR high by bitmap', 'RDMSR', movImmediate(RCX, 0xc000_0080), asm.rdmsr, { controls: ['primary.useMsrBitmaps'], memory: { [at.msrBitmap + 0x400 + 16]: [1] } }),
  after('WRMSR by bitmap', 'WRMSR', movImmediate(RCX, 0x277), asm.wrmsr, { controls: ['primary.useMsrBitmaps'], memory: { [at.msrBitmap + 0x800 + 0x4e]: [0x80] } }),
  after('WRMSR high by bitmap', 'WRMSR', movImmediate(RCX, 0xc000_0101), asm.wrmsr, { controls: ['primary.useMsrBitmaps'], memory: { [at.msrBitmap + 0xc00 + 32]: [2] } }),
  after('RDMSR outside the bitmaps', 'RDMSR', movImmediate(RCX, 0x2000), asm.rdmsr, { controls: ['primary.useMsrBitmaps'] }),
  // descriptor-table registers
  instruction('SGDT', 'GDTR_IDTR_ACCESS', asm.sgdt(at.data), { controls: ['secondary.descriptorTableExiting'], qualification: BigInt(at.data), information: memoryInformation }),
  instruction('SIDT', 'GDTR_IDTR_ACCESS', asm.sidt(at.data), { controls: ['secondary.descriptorTableExiting'], qualification: BigInt(at.data), information: memoryInformation | 1n << 28n }),
  instruction('LGDT', 'GDTR_IDTR_ACCESS', asm.lgdt(at.data), { controls: ['secondary.descriptorTableExiting'], qualification: BigInt(at.data), information: memoryInformation | 2n << 28n }),
  instruction('LIDT', 'GDTR_IDTR_ACCESS', asm.lidt(at.data), { controls: ['secondary.descriptorTableExiting'], qualification: BigInt(at.data), information: memoryInformation | 3n << 28n }),
  instruction('SLDT RBX', 'LDTR_TR_ACCESS', asm.sldtRegister(RBX), { controls: ['secondary.descriptorTableExiting'], information: 1n << 10n | 3n << 3n }),
  instruction('STR memory', 'LDTR_TR_ACCESS', asm.strMemory(at.data), { controls: ['secondary.descriptorTableExiting'], qualification: BigInt(at.data), information: memoryInformation | 1n << 28n }),
  instruction('LLDT RCX', 'LDTR_TR_ACCESS', asm.lldtRegister(RCX), { controls: ['secondary.descriptorTableExiting'], information: 1n << 10n | 1n << 3n | 2n << 28n }),
  instruction('LTR RAX', 'LDTR_TR_ACCESS', asm.ltrRegister(RAX), { controls: ['secondary.descriptorTableExiting'], information: 1n << 10n | 3n << 28n }),
  // exceptions
  { name: '#UD', reason: 'EXCEPTION_OR_NMI', guest: asm.ud2, fields: { EXCEPTION_BITMAP: 1n << 6n }, interruption: 0x8000_0306n },
  { name: '#UD of RSM outside SMM', reason: 'EXCEPTION_OR_NMI', guest: [0x0f, 0xaa], fields: { EXCEPTION_BITMAP: 1n << 6n }, interruption: 0x8000_0306n },
  { name: 'INT3', reason: 'EXCEPTION_OR_NMI', guest: asm.int3, length: 1, fields: { EXCEPTION_BITMAP: 1n << 3n }, interruption: 0x8000_0603n },
  { name: 'INT1', reason: 'EXCEPTION_OR_NMI', guest: asm.int1, length: 1, fields: { EXCEPTION_BITMAP: 1n << 1n }, interruption: 0x8000_0501n },
  { name: '#PF, read of a page that is not present', reason: 'EXCEPTION_OR_NMI', guest: asm.movLoad(RAX, far), fields: { EXCEPTION_BITMAP: 1n << 14n }, interruption: 0x8000_0b0en, qualification: BigInt(far) },
  { name: '#PF, write', reason: 'EXCEPTION_OR_NMI', guest: asm.movStore(far + 8, RAX), fields: { EXCEPTION_BITMAP: 1n << 14n }, interruption: 0x8000_0b0en, interruptionError: 2n, qualification: BigInt(far + 8) },
  { name: '#PF selected by mask and match with bitmap bit 0', reason: 'EXCEPTION_OR_NMI', guest: asm.movLoad(RAX, far), fields: { PAGE_FAULT_ERROR_CODE_MASK: 1n, PAGE_FAULT_ERROR_CODE_MATCH: 1n }, interruption: 0x8000_0b0en, qualification: BigInt(far) },
  { name: '#GP of a non-canonical address', reason: 'EXCEPTION_OR_NMI', guest: join(movImmediate(RBX, 1n << 60n), asm.movLoadIndirect(RAX, RBX)), ripOffset: 10, fields: { EXCEPTION_BITMAP: 1n << 13n }, interruption: 0x8000_0b0dn },
  { name: '#DB of single step', reason: 'EXCEPTION_OR_NMI', guest: asm.nop, fields: { EXCEPTION_BITMAP: 2n, GUEST_RFLAGS: 0x102n }, interruption: 0x8000_0301n, qualification: 0x4000n, rip: at.guestCode + 1 },
  { name: '#PF while INT n is delivered', reason: 'EXCEPTION_OR_NMI', guest: asm.intn(0x40), fields: { EXCEPTION_BITMAP: 1n << 14n, GUEST_RSP: BigInt(far) }, length: 2, interruption: 0x8000_0b0en, interruptionError: 2n,
    qualification: BigInt(far - 40), vectoring: 0x8000_0440n },
  { name: '#PF while #UD is delivered', reason: 'EXCEPTION_OR_NMI', guest: asm.ud2, fields: { EXCEPTION_BITMAP: 1n << 14n, GUEST_RSP: BigInt(far) }, interruption: 0x8000_0b0en, interruptionError: 2n,
    qualification: BigInt(far - 40), vectoring: 0x8000_0306n },
  { name: 'double fault', reason: 'EXCEPTION_OR_NMI', guest: join(movImmediate(RBX, 1n << 60n), asm.movLoadIndirect(RAX, RBX)), ripOffset: 10, fields: { EXCEPTION_BITMAP: 1n << 8n, GUEST_IDTR_LIMIT: 0xcfn }, interruption: 0x8000_0b08n },
  { name: 'triple fault', reason: 'TRIPLE_FAULT', guest: asm.ud2, fields: { GUEST_IDTR_LIMIT: 0n } },
  { name: '#UD of RDTSCP that is not enabled', reason: 'EXCEPTION_OR_NMI', guest: asm.rdtscp, fields: { EXCEPTION_BITMAP: 1n << 6n }, controls: ['primary.rdtscExiting'], interruption: 0x8000_0306n },
  { name: '#UD of INVPCID that is not enabled', reason: 'EXCEPTION_OR_NMI', guest: asm.invpcid(RAX, at.data), fields: { EXCEPTION_BITMAP: 1n << 6n }, controls: ['primary.invlpgExiting'], interruption: 0x8000_0306n },
  { name: '#UD of XSAVES that is not enabled', reason: 'EXCEPTION_OR_NMI', guest: asm.xsaves(at.data), fields: { EXCEPTION_BITMAP: 1n << 6n, GUEST_CR4: 0x4_2620n }, interruption: 0x8000_0306n },
  { name: '#GP of XSETBV at CPL 3 ranks above the exit', reason: 'EXCEPTION_OR_NMI', guest: asm.xsetbv, fields: { EXCEPTION_BITMAP: 1n << 13n, GUEST_CR4: 0x4_2620n, ...userMode }, interruption: 0x8000_0b0dn },
  { name: '#GP of HLT at CPL 3 ranks above the exit', reason: 'EXCEPTION_OR_NMI', guest: asm.hlt, fields: { EXCEPTION_BITMAP: 1n << 13n, ...userMode }, controls: ['primary.hltExiting'], interruption: 0x8000_0b0dn },
  { name: '#AC of a misaligned load at CPL 3', reason: 'EXCEPTION_OR_NMI', guest: asm.movLoad(RAX, at.data + 1), interruption: 0x8000_0b11n,
    fields: { EXCEPTION_BITMAP: 1n << 17n, ...userMode, GUEST_CR0: 0x8005_0033n, GUEST_RFLAGS: 0x4_0002n } },
  { name: '#AC of a misaligned update at CPL 3', reason: 'EXCEPTION_OR_NMI', guest: [0x83, 0x04, 0x25, ...asm.dword(at.data + 2), 1], interruption: 0x8000_0b11n,
    fields: { EXCEPTION_BITMAP: 1n << 17n, ...userMode, GUEST_CR0: 0x8005_0033n, GUEST_RFLAGS: 0x4_0002n } },
  { name: '#NM of FNOP with CR0.EM', reason: 'EXCEPTION_OR_NMI', guest: [0xd9, 0xd0], fields: { EXCEPTION_BITMAP: 1n << 7n, GUEST_CR0: 0x8001_0037n }, interruption: 0x8000_0307n },
  { name: '#NM of FNOP with CR0.TS', reason: 'EXCEPTION_OR_NMI', guest: [0xd9, 0xd0], fields: { EXCEPTION_BITMAP: 1n << 7n, GUEST_CR0: 0x8001_003bn }, interruption: 0x8000_0307n },
  { name: 'a fault of IRET that ended NMI blocking', reason: 'EXCEPTION_OR_NMI', guest: asm.iretq, interruption: 0x8000_1b0en, qualification: BigInt(far),
    fields: { EXCEPTION_BITMAP: 1n << 14n, GUEST_RSP: BigInt(far), GUEST_INTERRUPTIBILITY_STATE: 8n } },
  { name: 'an EPT violation of IRET that ended virtual-NMI blocking', reason: 'EPT_VIOLATION', guest: asm.iretq, controls: ['secondary.enableEpt', 'pin.nmiExiting', 'pin.virtualNmis'],
    fields: { GUEST_RSP: 0x20_0010n, GUEST_INTERRUPTIBILITY_STATE: 8n }, memory: { [at.ept + 0x2008]: asm.qword(0n) }, qualification: 0x1181n, linear: 0x20_0010n, physical: 0x20_0010n },
  { name: 'a fault of IRET that leaves NMI blocking alone', reason: 'EXCEPTION_OR_NMI', guest: asm.iretq, controls: ['pin.nmiExiting'], interruption: 0x8000_0b0en, qualification: BigInt(far),
    fields: { EXCEPTION_BITMAP: 1n << 14n, GUEST_RSP: BigInt(far), GUEST_INTERRUPTIBILITY_STATE: 8n } },
  { name: 'VMLAUNCH at CPL 3', reason: 'VMLAUNCH', guest: asm.vmlaunch, length: 3, fields: userMode },
  { name: 'VMCALL at CPL 3', reason: 'VMCALL', guest: asm.vmcall, length: 3, fields: userMode },
  // EPT
  { name: 'EPT violation, read', reason: 'EPT_VIOLATION', guest: asm.movLoad(RAX, 0x60_0000), controls: ['secondary.enableEpt'], memory: { [at.pd + 24]: asm.qword(0x60_00e7n) }, qualification: 0x181n, linear: 0x60_0000n, physical: 0x60_0000n },
  { name: 'EPT violation, write to a read-only page', reason: 'EPT_VIOLATION', guest: asm.movStore(0x20_0010, RAX), controls: ['secondary.enableEpt'], memory: { [at.ept + 0x2008]: asm.qword(0x20_00b5n) },
    qualification: 0x1aan, linear: 0x20_0010n, physical: 0x20_0010n },
  { name: 'EPT violation, fetch', reason: 'EPT_VIOLATION', guest: join(movImmediate(RBX, 0x20_0000), [0xff, 0xe3]), controls: ['secondary.enableEpt'], memory: { [at.ept + 0x2008]: asm.qword(0x20_00b3n) },
    qualification: 0x19cn, linear: 0x20_0000n, physical: 0x20_0000n, rip: 0x20_0000 },
  { name: 'EPT violation of a paging structure', reason: 'EPT_VIOLATION', guest: asm.movLoad(RAX, 0x4000_0000), controls: ['secondary.enableEpt'], memory: { [at.pdpt + 8]: asm.qword(0x80_0007n) },
    qualification: 0x81n, linear: 0x4000_0000n, physical: 0x80_0000n },
  { name: 'EPT misconfiguration', reason: 'EPT_MISCONFIGURATION', guest: asm.movLoad(RAX, 0x20_0008), controls: ['secondary.enableEpt'], memory: { [at.ept + 0x2008]: asm.qword(0x20_00b2n) }, physical: 0x20_0008n },
  { name: 'page-modification log full', reason: 'PML_FULL', guest: asm.movStore(0x20_0010, RAX), controls: ['secondary.enableEpt', 'secondary.enablePml'],
    fields: { EPT_POINTER: BigInt(at.ept) | 0x5en, PML_INDEX: 0x200n }, memory: { [at.ept + 0x2000]: asm.qword(0x3b7n) } },
  { name: 'EPT violation, fetch, with the right of user-mode addresses', reason: 'EPT_VIOLATION', guest: asm.nop, controls: ['secondary.enableEpt', 'secondary.modeBasedExecuteControl'],
    memory: { [at.ept]: asm.qword(BigInt(at.ept + 0x1000) | 0x407n), [at.ept + 0x1000]: asm.qword(BigInt(at.ept + 0x2000) | 0x407n) }, qualification: 0x1bcn, linear: BigInt(at.guestCode), physical: BigInt(at.guestCode) },
  { name: '#VE', reason: 'EXCEPTION_OR_NMI', guest: asm.movStore(0x20_0010, RAX), controls: ['secondary.enableEpt', 'secondary.eptViolationVe'],
    fields: { VE_INFORMATION_ADDRESS: 0x3_1000n, EXCEPTION_BITMAP: 1n << 20n }, memory: { [at.ept + 0x2008]: asm.qword(0x20_00b5n) }, interruption: 0x8000_0314n },
  after('VMFUNC of a function that is not enabled', 'VMFUNC', movImmediate(RAX, 0), asm.vmfunc, { controls: ['secondary.enableVmFunctions'] }),
  // between instructions
  { name: 'interrupt window at entry', reason: 'INTERRUPT_WINDOW', guest: asm.nop, controls: ['primary.interruptWindowExiting'], fields: { GUEST_RFLAGS: 0x202n } },
  { name: 'interrupt window after STI and one instruction', reason: 'INTERRUPT_WINDOW', guest: join(asm.sti, asm.nop, asm.nop), controls: ['primary.interruptWindowExiting'], rip: at.guestCode + 2 },
  { name: 'NMI window', reason: 'NMI_WINDOW', guest: asm.nop, controls: ['pin.nmiExiting', 'pin.virtualNmis', 'primary.nmiWindowExiting'] },
  { name: 'monitor trap flag', reason: 'MONITOR_TRAP_FLAG', guest: join(asm.nop, asm.nop), controls: ['primary.monitorTrapFlag'], rip: at.guestCode + 1 },
  { name: 'monitor trap flag, injected', reason: 'MONITOR_TRAP_FLAG', guest: asm.nop, fields: { VM_ENTRY_INTERRUPTION_INFO: 0x8000_0700n } },
  { name: 'preemption timer of 0', reason: 'PREEMPTION_TIMER', guest: asm.nop, controls: ['pin.activatePreemptionTimer'] },
  { name: 'preemption timer in a loop', reason: 'PREEMPTION_TIMER', guest: [0xeb, 0xfe], controls: ['pin.activatePreemptionTimer'], fields: { VMX_PREEMPTION_TIMER_VALUE: 3n } },
  { name: 'preemption timer wakes HLT', reason: 'PREEMPTION_TIMER', guest: asm.hlt, controls: ['pin.activatePreemptionTimer'], fields: { VMX_PREEMPTION_TIMER_VALUE: 10n }, rip: at.guestCode + 1 },
];

const reasonById = new Map<string, ExitReason>(exitReasons.map((row) => [row.id, row]));

async function check(test: Case): Promise<void> {
  const world = await World.create(test);
  world.runToExit(test.reason);
  const row = reasonById.get(test.reason)!;
  expect(world.field('EXIT_REASON')).toBe(BigInt(row.number));
  const seen = {
    qualification: world.field('EXIT_QUALIFICATION'), length: Number(world.field('VM_EXIT_INSTRUCTION_LENGTH')), information: world.field('VM_EXIT_INSTRUCTION_INFO'), linear: world.field('GUEST_LINEAR_ADDRESS'),
    physical: test.controls?.includes('secondary.enableEpt') ? world.field('GUEST_PHYSICAL_ADDRESS') : 0n, interruption: world.field('VM_EXIT_INTERRUPTION_INFO'),
    interruptionError: world.field('VM_EXIT_INTERRUPTION_ERROR_CODE'), vectoring: world.field('IDT_VECTORING_INFO'), vectoringError: world.field('IDT_VECTORING_ERROR_CODE'), rip: world.field('GUEST_RIP'),
  };
  expect(seen).toEqual({
    qualification: test.qualification ?? 0n, length: test.length ?? 0, information: test.information ?? 0n, linear: test.linear ?? 0n, physical: test.physical ?? 0n, interruption: test.interruption ?? 0n,
    interruptionError: test.interruptionError ?? 0n, vectoring: test.vectoring ?? 0n, vectoringError: test.vectoringError ?? 0n, rip: BigInt(test.rip ?? at.guestCode + (test.ripOffset ?? 0)),
  });
  // The table's validity, both ways: what the case expects is declared there, and instruction lengths are there where the row demands them.
  if (test.length) expect(row.instructionLength, 'instruction length').not.toBe(false);
  if (row.instructionLength === true) expect(test.length, 'instruction length').toBeGreaterThan(0);
  if (test.information) expect(row.instructionInfo).not.toBe(false);
  if (test.linear) expect(row.guestLinearAddress).not.toBe(false);
  if (test.physical) expect(row.guestPhysicalAddress).not.toBe(false);
  if (test.interruption) expect(row.interruptionInfo).not.toBe(false);
  // The machine is in the host.
  expect(world.machine.vmx(0).nonRoot).toBe(false);
  expect(world.register('rip')).toBe(BigInt(at.hostHandler));
  // The event says the same.
  const event = world.events.findLast((one) => one.kind === 'vmExit')!;
  expect({ reason: event.aux, qualification: event.a, vmcs: event.b, physical: event.c, linear: event.d, rip: event.rip, interruption: BigInt(event.interruptionInfo >>> 0) }).toEqual({
    reason: row.number, qualification: seen.qualification, vmcs: BigInt(at.vmcs), physical: seen.physical, linear: seen.linear, rip: seen.rip, interruption: seen.interruption,
  });
}

describe('exit reasons', () => {
  it.each(cases.map((test) => [test.name, test] as const))('%s', (_, test) => check(test));
});

describe('no exit', () => {
  const quiet: readonly (readonly [string, Partial<Case> & { guest: readonly number[] }])[] = [
    ['HLT without HLT exiting', { guest: asm.hlt }],
    ['MOV to CR3 with a CR3-target value', { guest: join(movImmediate(RBX, at.pml4), asm.movToCr(3, RBX), asm.hlt), controls: ['primary.cr3LoadExiting'], fields: { CR3_TARGET_COUNT: 2n, CR3_TARGET_VALUE_1: BigInt(at.pml4) } }],
    ['CLTS of a TS that the host owns and the shadow clears', { guest: join(asm.clts, asm.hlt), fields: { CR0_GUEST_HOST_MASK: 8n } }],
    ['IN of a port that bitmap A lets through', { guest: join(asm.inImmediate8(0x60), asm.hlt), controls: ['primary.useIoBitmaps'] }],
    ['RDMSR that the bitmaps let through', { guest: join(movImmediate(RCX, 0x1b), asm.rdmsr, asm.hlt), controls: ['primary.useMsrBitmaps'] }],
    ['XSAVES of components that the bitmap leaves', { guest: join(movImmediate(RAX, 0x103), movImmediate(RDX, 0), asm.xsaves(at.data + 64), asm.hlt), controls: ['secondary.enableXsaves'],
      fields: { GUEST_CR4: 0x4_2620n, XSS_EXITING_BITMAP: 0x200n }, registers: { xss: 0x100n } }],
    ['a misaligned load with alignment checking at CPL 0, FNOP', { guest: join(asm.movLoad(RAX, at.data + 1), [0xd9, 0xd0], asm.hlt), fields: { GUEST_CR0: 0x8005_0033n, GUEST_RFLAGS: 0x4_0002n } }],
    ['RDTSC, INVLPG, PAUSE, WBINVD without their controls', { guest: join(asm.rdtsc, asm.invlpg(far), asm.pause, asm.wbinvd, asm.hlt) }],
  ];
  it.each(quiet)('%s', async (_, options) => {
    const world = await World.create(options);
    expect(world.run().kind).toBe('idle');
    expect(world.machine.vmx(0).nonRoot).toBe(true);
    expect(world.register('rip')).toBe(BigInt(at.guestCode + options.guest.length));
  });
});
