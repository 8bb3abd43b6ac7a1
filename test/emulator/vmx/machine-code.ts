// Machine code for small test programs, encoded by hand: each function returns the bytes of one instruction in 64-bit mode. Memory operands are
// absolute addresses below 2 GiB (ModRM with SIB, no base, no index).

type Bytes = readonly number[];

export const dword = (value: number): number[] => [value & 255, value >>> 8 & 255, value >>> 16 & 255, value >>> 24];
export const qword = (value: bigint): number[] => Array.from({ length: 8 }, (_, n) => Number(BigInt.asUintN(64, value) >> BigInt(8 * n) & 255n));
export const join = (...parts: Bytes[]): number[] => parts.flat();

/** ModRM, SIB and displacement of an absolute memory operand, with `reg` in the reg field. */
const absolute = (reg: number, address: number): number[] => [0x04 | reg << 3, 0x25, ...dword(address)];

export const RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7;

/** MOV r64, imm64 (registers 0 to 7). */
export const movImmediate = (register: number, value: bigint | number): number[] => [0x48, 0xb8 + register, ...qword(BigInt(value))];
export const movLoad = (register: number, address: number): number[] => [0x48, 0x8b, ...absolute(register, address)];
export const movStore = (address: number, register: number): number[] => [0x48, 0x89, ...absolute(register, address)];
/** MOV r64, [base]. */
export const movLoadIndirect = (register: number, base: number): number[] => [0x48, 0x8b, register << 3 | base];
export const movStoreIndirect = (base: number, register: number): number[] => [0x48, 0x89, register << 3 | base];

export const vmxon = (address: number): number[] => [0xf3, 0x0f, 0xc7, ...absolute(6, address)];
export const vmclear = (address: number): number[] => [0x66, 0x0f, 0xc7, ...absolute(6, address)];
export const vmptrld = (address: number): number[] => [0x0f, 0xc7, ...absolute(6, address)];
export const vmptrst = (address: number): number[] => [0x0f, 0xc7, ...absolute(7, address)];
export const vmcall: Bytes = [0x0f, 0x01, 0xc1];
export const vmlaunch: Bytes = [0x0f, 0x01, 0xc2];
export const vmresume: Bytes = [0x0f, 0x01, 0xc3];
export const vmxoff: Bytes = [0x0f, 0x01, 0xc4];
export const vmfunc: Bytes = [0x0f, 0x01, 0xd4];
/** VMREAD value, encoding / VMWRITE encoding, value: registers 0 to 7. */
export const vmread = (value: number, encoding: number): number[] => [0x0f, 0x78, 0xc0 | encoding << 3 | value];
export const vmwrite = (encoding: number, value: number): number[] => [0x0f, 0x79, 0xc0 | encoding << 3 | value];
export const vmreadTo = (address: number, encoding: number): number[] => [0x0f, 0x78, ...absolute(encoding, address)];
export const vmwriteFrom = (encoding: number, address: number): number[] => [0x0f, 0x79, ...absolute(encoding, address)];
export const invept = (type: number, address: number): number[] => [0x66, 0x0f, 0x38, 0x80, ...absolute(type, address)];
export const invvpid = (type: number, address: number): number[] => [0x66, 0x0f, 0x38, 0x81, ...absolute(type, address)];
export const invpcid = (type: number, address: number): number[] => [0x66, 0x0f, 0x38, 0x82, ...absolute(type, address)];

export const cpuid: Bytes = [0x0f, 0xa2];
export const hlt: Bytes = [0xf4];
export const nop: Bytes = [0x90];
export const ud2: Bytes = [0x0f, 0x0b];
export const int3: Bytes = [0xcc];
export const int1: Bytes = [0xf1];
export const intn = (vector: number): number[] => [0xcd, vector];
export const sti: Bytes = [0xfb];
export const cli: Bytes = [0xfa];
export const iretq: Bytes = [0x48, 0xcf];
export const pause: Bytes = [0xf3, 0x90];
export const rdtsc: Bytes = [0x0f, 0x31];
export const rdtscp: Bytes = [0x0f, 0x01, 0xf9];
export const rdpmc: Bytes = [0x0f, 0x33];
export const rdmsr: Bytes = [0x0f, 0x32];
export const wrmsr: Bytes = [0x0f, 0x30];
export const invd: Bytes = [0x0f, 0x08];
export const wbinvd: Bytes = [0x0f, 0x09];
export const clts: Bytes = [0x0f, 0x06];
export const invlpg = (address: number): number[] => [0x0f, 0x01, ...absolute(7, address)];
export const lmswRegister = (register: number): number[] => [0x0f, 0x01, 0xf0 | register];
export const lmswMemory = (address: number): number[] => [0x0f, 0x01, ...absolute(6, address)];
export const movToCr = (cr: number, register: number): number[] => cr < 8 ? [0x0f, 0x22, 0xc0 | cr << 3 | register] : [0x44, 0x0f, 0x22, 0xc0 | cr - 8 << 3 | register];
export const movFromCr = (register: number, cr: number): number[] => cr < 8 ? [0x0f, 0x20, 0xc0 | cr << 3 | register] : [0x44, 0x0f, 0x20, 0xc0 | cr - 8 << 3 | register];
export const movToDr = (dr: number, register: number): number[] => [0x0f, 0x23, 0xc0 | dr << 3 | register];
export const movFromDr = (register: number, dr: number): number[] => [0x0f, 0x21, 0xc0 | dr << 3 | register];
export const lgdt = (address: number): number[] => [0x0f, 0x01, ...absolute(2, address)];
export const lidt = (address: number): number[] => [0x0f, 0x01, ...absolute(3, address)];
export const sgdt = (address: number): number[] => [0x0f, 0x01, ...absolute(0, address)];
export const sidt = (address: number): number[] => [0x0f, 0x01, ...absolute(1, address)];
export const sldtRegister = (register: number): number[] => [0x0f, 0x00, 0xc0 | register];
export const strMemory = (address: number): number[] => [0x0f, 0x00, ...absolute(1, address)];
export const lldtRegister = (register: number): number[] => [0x0f, 0x00, 0xd0 | register];
export const ltrRegister = (register: number): number[] => [0x0f, 0x00, 0xd8 | register];
export const inImmediate8 = (port: number): number[] => [0xe4, port];
export const outDx32: Bytes = [0xef];
export const inDx16: Bytes = [0x66, 0xed];
export const repInsb: Bytes = [0xf3, 0x6c];
export const outsd: Bytes = [0x6f];
export const movToSs = (register: number): number[] => [0x8e, 0xd0 | register];
export const monitor: Bytes = [0x0f, 0x01, 0xc8];
export const mwait: Bytes = [0x0f, 0x01, 0xc9];
/** MOV dword [base], imm32 (base: registers 0 to 7 but RSP and RBP). */
export const movDwordIndirect = (base: number, value: number): number[] => [0xc7, base, ...dword(value)];
export const jumpSelf: Bytes = [0xeb, 0xfe];
export const xgetbv: Bytes = [0x0f, 0x01, 0xd0];
export const xsetbv: Bytes = [0x0f, 0x01, 0xd1];
export const xsave = (address: number): number[] => [0x0f, 0xae, ...absolute(4, address)];
export const xrstor = (address: number): number[] => [0x0f, 0xae, ...absolute(5, address)];
export const xsaveopt = (address: number): number[] => [0x0f, 0xae, ...absolute(6, address)];
export const xsavec = (address: number): number[] => [0x0f, 0xc7, ...absolute(4, address)];
export const xsaves = (address: number): number[] => [0x0f, 0xc7, ...absolute(5, address)];
export const xrstors = (address: number): number[] => [0x0f, 0xc7, ...absolute(3, address)];
