// IN and OUT, and the permission of a port by IOPL and the TSS's I/O bitmap (SDM 1 'Protected-Mode I/O').
import { notePortBreakpoints } from './breakpoints';
import { CPU_CPL, CPU_RFLAGS_SYSTEM, WATCH_PORT } from './generated/layout';
import { portRead, portWrite } from '../devices/bus';
import { loadSystem } from './memory';
import { immediate, operandSize, recordOpcode, writeSized } from './operands';
import { segmentBase, segmentLimit } from './segments';
import { ABORT, aborted, GP, IOPL, NEXT, raiseError, RAX, RDX, realMode, reg, TR, virtual8086 } from './state';
import { interceptPort } from './vmx/intercepts';
import { EXITED, notePlace, placeIsWatched, READS, unnote, WRITES } from './watch';

/** NEXT when the running code may use `bytes` ports from `port`, else #GP(0). */
export function portAllowed(port: u32, bytes: u32): i32 {
  const level = load<u32>(CPU_CPL), iopl = <u32>(load<u64>(CPU_RFLAGS_SYSTEM) & IOPL) >> 12;
  if (realMode() || (!virtual8086() && level <= iopl)) return NEXT;
  const limit = segmentLimit(TR);
  if (limit < 0x67) return raiseError(GP, 0);
  const map = <u32>loadSystem(segmentBase(TR) + 0x66, 2) + (port >> 3);
  if (aborted()) return ABORT;
  if (map + 1 > limit) return raiseError(GP, 0);
  const bits = <u32>loadSystem(segmentBase(TR) + map, 2) >> (port & 7);
  if (aborted()) return ABORT;
  return (bits & ((1 << bytes) - 1)) != 0 ? raiseError(GP, 0) : NEXT;
}

/** Opcodes E4-E7 have the port as an immediate byte. */
@inline function isImmediate(pc: usize): bool { return (recordOpcode(pc) & 8) == 0; }
@inline function portOf(pc: usize): u32 { return isImmediate(pc) ? <u32>immediate(pc) & 0xff : <u32>reg(RDX) & 0xffff; }
@inline function bytesOf(pc: usize): u32 { return (recordOpcode(pc) & 1) == 0 ? 1 : operandSize(pc) == 1 ? 2 : 4; }

export function portIn(pc: usize): i32 {
  const port = portOf(pc), bytes = bytesOf(pc);
  if (portAllowed(port, bytes)) return ABORT;
  const watched = placeIsWatched(WATCH_PORT, port, bytes, READS);
  if (watched) notePlace(WATCH_PORT, READS, port, bytes, 0, 0, EXITED);
  if (interceptPort(port, bytes, true, false, false, isImmediate(pc), 0, 0, 0)) return ABORT;
  const value = portRead(port, bytes);
  if (watched) { unnote(); notePlace(WATCH_PORT, READS, port, bytes, value, value, 0); }
  notePortBreakpoints(port, bytes);
  writeSized(RAX, bytes == 4 ? 2 : bytes >> 1, value);
  return NEXT;
}
export function portOut(pc: usize): i32 {
  const port = portOf(pc), bytes = bytesOf(pc);
  if (portAllowed(port, bytes)) return ABORT;
  const watched = placeIsWatched(WATCH_PORT, port, bytes, WRITES), value = <u32>reg(RAX) & (bytes == 4 ? 0xffffffff : (1 << (bytes << 3)) - 1);
  if (watched) notePlace(WATCH_PORT, WRITES, port, bytes, value, value, EXITED);
  if (interceptPort(port, bytes, false, false, false, isImmediate(pc), 0, 0, 0)) return ABORT;
  if (watched) { unnote(); notePlace(WATCH_PORT, WRITES, port, bytes, value, value, 0); }
  notePortBreakpoints(port, bytes);
  portWrite(port, bytes, value);
  return NEXT;
}
