// Instructions that are procedures of the manual: privileged and system instructions, far transfers, ports, MSRs, strings with REP.
// The core carries them out (core/system.ts and its neighbours); each ends its block.
import type { InstructionTable } from '../codegen/definitions';

export function defineSystem(t: InstructionTable): void {
  const p = (name: string, encodings: string[], procedure: string, feature?: string): void => t.procedure(name, encodings, procedure, { feature });
  // strings: the procedure runs one element, or with REP as many as fit in the budget
  p('MOVS', ['A4 ;b rep', 'A5 ;v rep'], 'movs');
  p('CMPS', ['A6 ;b rep', 'A7 ;v rep'], 'cmps');
  p('STOS', ['AA ;b rep', 'AB ;v rep'], 'stos');
  p('LODS', ['AC ;b rep', 'AD ;v rep'], 'lods');
  p('SCAS', ['AE ;b rep', 'AF ;v rep'], 'scas');
  p('INS', ['6C ;b rep', '6D ;z rep'], 'ins');
  p('OUTS', ['6E ;b rep', '6F ;z rep'], 'outs');
  // flags and interrupts
  p('PUSHF', ['9C ;v d64'], 'pushf');
  p('POPF', ['9D ;v d64'], 'popf');
  p('CLAC', ['NP 0F 01/CA'], 'clac', 'smap');
  p('STAC', ['NP 0F 01/CB'], 'stac', 'smap');
  p('WAIT', ['9B'], 'fwait');
  p('FNOP', ['D9/D0'], 'fnop');
  p('CLI', ['FA'], 'cli');
  p('STI', ['FB'], 'sti');
  p('CLD', ['FC'], 'cld');
  p('STD', ['FD'], 'std');
  p('INT3', ['CC'], 'int3');
  p('INT1', ['F1'], 'int1');
  p('INTO', ['CE ;i64'], 'into');
  p('INT', ['CD Ib'], 'intn');
  p('IRET', ['CF ;v'], 'iret');
  p('SYSCALL', ['0F 05 ;o64'], 'syscall', 'syscall');
  p('SYSRET', ['0F 07 ;v o64'], 'sysret', 'syscall');
  p('SYSENTER', ['0F 34'], 'sysenter', 'sep');
  p('SYSEXIT', ['0F 35 ;v'], 'sysexit', 'sep');
  p('UD2', ['0F 0B'], 'ud2');
  p('UD1', ['0F B9 Gv Ev'], 'ud2');
  p('UD0', ['0F FF Gv Ev'], 'ud2');
  p('HLT', ['F4'], 'hlt');
  p('PAUSE', ['F3 90'], 'pause');
  // far transfers
  p('CALLfar', ['FF/3m Mp', '9A Ap ;i64'], 'callFar');
  p('JMPfar', ['FF/5m Mp', 'EA Ap ;i64'], 'jmpFar');
  p('RETfar', ['CB ;v', 'CA Iw ;v'], 'retFar');
  p('ENTER', ['C8 Iw Ib ;v d64'], 'enter');
  // segments, descriptor tables, control registers
  p('MOVfromSreg', ['8C Ev Sw'], 'movFromSegment');
  p('MOVtoSreg', ['8E Sw Ev'], 'movToSegment');
  p('PUSHsreg', ['0F A0 ;fs d64', '0F A8 ;gs d64'], 'pushSegment');
  p('POPsreg', ['0F A1 ;fs d64', '0F A9 ;gs d64'], 'popSegment');
  p('LSS', ['0F B2 Gv Mp', '0F B4 Gv Mp', '0F B5 Gv Mp'], 'loadFarPointer');
  p('SLDT', ['0F 00/0 Ev'], 'sldt');
  p('STR', ['0F 00/1 Ev'], 'str');
  p('LLDT', ['0F 00/2 Ew'], 'lldt');
  p('LTR', ['0F 00/3 Ew'], 'ltr');
  p('VERR', ['0F 00/4 Ew'], 'verr');
  p('VERW', ['0F 00/5 Ew'], 'verw');
  p('LAR', ['0F 02 Gv Ew'], 'lar');
  p('LSL', ['0F 03 Gv Ew'], 'lsl');
  p('SGDT', ['0F 01/0m M'], 'sgdt');
  p('SIDT', ['0F 01/1m M'], 'sidt');
  p('LGDT', ['0F 01/2m M'], 'lgdt');
  p('LIDT', ['0F 01/3m M'], 'lidt');
  p('SMSW', ['0F 01/4 Ev'], 'smsw');
  p('LMSW', ['0F 01/6 Ew'], 'lmsw');
  p('INVLPG', ['0F 01/7m Mb'], 'invlpg');
  p('SWAPGS', ['0F 01/F8 ;o64'], 'swapgs');
  p('RDTSCP', ['0F 01/F9'], 'rdtscp', 'rdtscp');
  p('MONITOR', ['NP 0F 01/C8'], 'monitor', 'monitor');
  p('MWAIT', ['NP 0F 01/C9'], 'mwait', 'monitor');
  p('XGETBV', ['NP 0F 01/D0'], 'xgetbv', 'xsave');
  p('XSETBV', ['NP 0F 01/D1'], 'xsetbv', 'xsave');
  p('XSAVE', ['NP 0F AE/4m M'], 'xsave', 'xsave');
  p('XRSTOR', ['NP 0F AE/5m M'], 'xrstor', 'xsave');
  p('XSAVEOPT', ['NP 0F AE/6m M'], 'xsaveopt', 'xsaveopt');
  p('XSAVEC', ['NP 0F C7/4m M'], 'xsavec', 'xsavec');
  p('XSAVES', ['NP 0F C7/5m M'], 'xsaves', 'xsaves');
  p('XRSTORS', ['NP 0F C7/3m M'], 'xrstors', 'xsaves');
  p('MOVfromCR', ['0F 20 Ry Cy'], 'movFromControl');
  p('MOVtoCR', ['0F 22 Cy Ry'], 'movToControl');
  p('MOVfromDR', ['0F 21 Ry Dy'], 'movFromDebug');
  p('MOVtoDR', ['0F 23 Dy Ry'], 'movToDebug');
  p('CLTS', ['0F 06'], 'clts');
  p('INVD', ['0F 08'], 'invd');
  p('WBINVD', ['0F 09'], 'wbinvd');
  p('WRMSR', ['0F 30'], 'wrmsr');
  p('RDTSC', ['0F 31'], 'rdtsc');
  p('RDMSR', ['0F 32'], 'rdmsr');
  p('RDPMC', ['0F 33'], 'rdpmc');
  p('CPUID', ['0F A2'], 'cpuid');
  p('RSM', ['0F AA'], 'rsm');
  p('GETSEC', ['NP 0F 37'], 'getsec');
  p('RDFSBASE', ['F3 0F AE/0r Ry ;o64', 'F3 0F AE/1r Ry ;o64', 'F3 0F AE/2r Ry ;o64', 'F3 0F AE/3r Ry ;o64'], 'fsGsBase', 'fsgsbase');
  p('INVPCID', ['66 0F 38 82 Gy Mx'], 'invpcid', 'invpcid');
  p('FENCE', ['NP 0F AE/5r', 'NP 0F AE/6r', 'NP 0F AE/7r'], 'fence');
  p('FXSAVE', ['NP 0F AE/0m M'], 'fxsave', 'fxsr');
  p('FXRSTOR', ['NP 0F AE/1m M'], 'fxrstor', 'fxsr');
  p('MASKMOVDQU', ['66 0F F7 V U'], 'maskedStore', 'sse2');
  p('LDMXCSR', ['NP 0F AE/2m Md'], 'ldmxcsr', 'sse');
  p('STMXCSR', ['NP 0F AE/3m Md'], 'stmxcsr', 'sse');
  p('CLFLUSHOPT', ['66 0F AE/7m Mb'], 'clflush', 'clflushopt');
  p('RDPID', ['F3 0F C7/7r Ry'], 'rdpid', 'rdpid');
  p('CLFLUSH', ['NP 0F AE/7m Mb'], 'clflush');
  p('RDRAND', ['NP 0F C7/6r Rv', '66 0F C7/6r Rv'], 'rdrand', 'rdrand');
  p('RDSEED', ['NP 0F C7/7r Rv', '66 0F C7/7r Rv'], 'rdseed', 'rdseed');
  p('RDPKRU', ['NP 0F 01/EE'], 'rdpkru', 'pku');
  p('WRPKRU', ['NP 0F 01/EF'], 'wrpkru', 'pku');
  p('CMPXCHG8B', ['0F C7/1m My ;lock'], 'cmpxchgWide', 'cx8');
  // ports
  p('IN', ['E4 AL Ib', 'E5 eAX Ib', 'EC AL DX', 'ED eAX DX'], 'portIn');
  p('OUT', ['E6 Ib AL', 'E7 Ib eAX', 'EE DX AL', 'EF DX eAX'], 'portOut');
}

/** The VMX instructions (SDM 3C chapter 31 'VMX Instruction Reference'). */
export function defineVmx(t: InstructionTable): void {
  const p = (name: string, encodings: string[], procedure: string): void => t.procedure(name, encodings, procedure, { feature: 'vmx' });
  p('VMCALL', ['NP 0F 01/C1'], 'vmcall');
  p('VMLAUNCH', ['NP 0F 01/C2'], 'vmlaunch');
  p('VMRESUME', ['NP 0F 01/C3'], 'vmresume');
  p('VMXOFF', ['NP 0F 01/C4'], 'vmxoff');
  p('VMFUNC', ['NP 0F 01/D4'], 'vmfunc');
  // 1 as a result: VMsucceed clears all six flags
  t.usually('VMREAD', ['NP 0F 78 Eq Gq'], 'vmread', i => {
    i.write(i.dst, i.loadHost(i.usually('placeOfField', 'placeOfRecordedField', 'vmread', i.read(i.src))));
    i.flags('logic', i.constant(1));
  }, { feature: 'vmx' });
  t.usually('VMWRITE', ['NP 0F 79 Gq Eq'], 'vmwrite', i => {
    i.usually('putField', 'putRecordedField', 'vmxInstruction', i.read(i.dst), i.read(i.src));
    i.flags('logic', i.constant(1));
  }, { feature: 'vmx' });
  p('VMPTRLD', ['NP 0F C7/6m Mq'], 'vmptrld');
  p('VMPTRST', ['NP 0F C7/7m Mq'], 'vmptrst');
  p('VMCLEAR', ['66 0F C7/6m Mq'], 'vmclear');
  p('VMXON', ['F3 0F C7/6m Mq'], 'vmxon');
  p('INVEPT', ['66 0F 38 80 Gq Mx'], 'invept');
  p('INVVPID', ['66 0F 38 81 Gq Mx'], 'invvpid');
}
