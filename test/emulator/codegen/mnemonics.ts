// Whether a definition and a mnemonic of iced-x86 name one instruction. Most names are equal; a definition that covers several mnemonics, or one of
// several that share one, is a row.

const conditions = 'O NO B AE E NE BE A S NS P NP L GE LE G'.split(' ');
const sized = (stem: string, sizes: string): readonly string[] => [...sizes].map((size) => stem + size);

const rows: Readonly<Record<string, readonly string[]>> = {
  // one mnemonic, several definitions
  CALLfar: ['CALL'], CALLrel: ['CALL'], CALLrelSegmented: ['CALL'], CALLsegmented: ['CALL'], JMPfar: ['JMP'], JMPrel: ['JMP'], JMPsegmented: ['JMP'], RETimm: ['RET'], RETsegmented: ['RET'], RETfar: ['RETF'],
  LEAVEsegmented: ['LEAVE'], XLATsegmented: ['XLATB'], CRC32byte: ['CRC32'], IMUL2: ['IMUL'], IMUL3: ['IMUL'], MOVDstore: ['MOVD', 'MOVQ'], SHLDcl: ['SHLD'], SHLDimm: ['SHLD'], SHRDcl: ['SHRD'], SHRDimm: ['SHRD'],
  MOVSX8: ['MOVSX'], MOVSX16: ['MOVSX'], MOVZX8: ['MOVZX'], MOVZX16: ['MOVZX'], MOVfromCR: ['MOV'], MOVfromDR: ['MOV'], MOVfromSreg: ['MOV'], MOVtoCR: ['MOV'], MOVtoDR: ['MOV'], MOVtoSreg: ['MOV'],
  POPoldSreg: ['POP'], POPsegmented: ['POP'], POPsreg: ['POP'], PUSHimmediate: ['PUSH'], PUSHoldSreg: ['PUSH'], PUSHsegmented: ['PUSH'], PUSHsreg: ['PUSH'],
  // one definition, several mnemonics
  Jcc: conditions.map((c) => `J${c}`), SETcc: conditions.map((c) => `SET${c}`), CMOVcc: conditions.map((c) => `CMOV${c}`),
  CMPS: sized('CMPS', 'BWDQ'), LODS: sized('LODS', 'BWDQ'), MOVS: sized('MOVS', 'BWDQ'), SCAS: sized('SCAS', 'BWDQ'), STOS: sized('STOS', 'BWDQ'), INS: sized('INS', 'BWD'), OUTS: sized('OUTS', 'BWD'),
  CBW: ['CBW', 'CWDE', 'CDQE'], CWD: ['CWD', 'CDQ', 'CQO'], IRET: ['IRET', 'IRETD', 'IRETQ'], POPA: ['POPA', 'POPAD'], PUSHA: ['PUSHA', 'PUSHAD'], POPF: ['POPF', 'POPFD', 'POPFQ'],
  PUSHF: ['PUSHF', 'PUSHFD', 'PUSHFQ'], SYSEXIT: ['SYSEXIT', 'SYSEXITQ'], SYSRET: ['SYSRET', 'SYSRETQ'], GETSEC: ['GETSEC', 'GETSECQ'], XLAT: ['XLATB'], SHL: ['SHL', 'SAL'],
  FENCE: ['LFENCE', 'MFENCE', 'SFENCE'], JRCXZ: ['JRCXZ', 'JECXZ'], LOOPsegmented: ['LOOP', 'LOOPE', 'LOOPNE', 'JCXZ', 'JECXZ'], LDS: ['LDS', 'LES'], LSS: ['LSS', 'LFS', 'LGS'],
  RDFSBASE: ['RDFSBASE', 'RDGSBASE', 'WRFSBASE', 'WRGSBASE'], CMPXCHG8B: ['CMPXCHG8B', 'CMPXCHG16B'], MOVD: ['MOVD', 'MOVQ'],
  MOVHPS: ['MOVHPS', 'MOVHPD', 'MOVLHPS'], MOVLPS: ['MOVLPS', 'MOVLPD', 'MOVHLPS'], MOVHPSstore: ['MOVHPS', 'MOVHPD'], MOVLPSstore: ['MOVLPS', 'MOVLPD'],
  // what a hint or a later instruction is without its feature
  NOP: ['NOP', 'RESERVEDNOP', 'CLDEMOTE', 'ENDBR32', 'ENDBR64', 'PREFETCH', 'PREFETCHIT0', 'PREFETCHIT1', 'PREFETCHNTA', 'PREFETCHT0', 'PREFETCHT1', 'PREFETCHT2', 'PREFETCHW', 'PREFETCHWT1', 'RDSSPD', 'RDSSPQ',
    'BNDMOV', 'BNDCL', 'BNDCU', 'BNDCN', 'BNDMK', 'BNDLDX', 'BNDSTX'],
  WBINVD: ['WBINVD', 'WBNOINVD'],
};

/** `mnemonic` in iced's spelling, upper case. */
export function sameInstruction(definition: string, mnemonic: string): boolean {
  const row = rows[definition];
  return row === undefined ? mnemonic === definition || mnemonic === `${definition}64` : row.includes(mnemonic);
}
