// Decimal arithmetic, which 64-bit mode does not have (SDM 2 'DAA', 'DAS', 'AAA', 'AAS', 'AAM', 'AAD'). Flags that the manual leaves
// undefined: OF is cleared; AAA and AAS set SF, ZF and PF from AL; AAM and AAD clear CF and AF.
import { CPU_GPR } from './generated/layout';
import { immediate } from './operands';
import { AF, CF, arithmeticFlags, DE, NEXT, PF, raise, RAX, reg, setArithmeticFlags, SF, ZF } from './state';

@inline function al(): u32 { return <u32>reg(RAX) & 0xff; }
@inline function setAl(value: u32): void { store<u8>(CPU_GPR, <u8>value); }
@inline function setAx(value: u32): void { store<u16>(CPU_GPR, <u16>value); }
function setFlags(result: u32, carries: u64): i32 {
  const low = result & 0xff;
  setArithmeticFlags(carries | (low == 0 ? ZF : 0) | ((low & 0x80) != 0 ? SF : 0) | ((popcnt<u32>(low) & 1) == 0 ? PF : 0));
  return NEXT;
}

/** DAA adds, DAS subtracts 6 and 60h where a digit passed 9. */
function adjustPacked(subtract: bool): i32 {
  const old = al(), flags = arithmeticFlags(), carry = (flags & CF) != 0;
  let value = old, carries: u64 = 0;
  if ((old & 15) > 9 || (flags & AF) != 0) {
    if (carry || (subtract ? old < 6 : old > 0xf9)) carries = CF;
    value = subtract ? value - 6 : value + 6;
    carries |= AF;
  }
  if (old > 0x99 || carry) {
    value = subtract ? value - 0x60 : value + 0x60;
    carries |= CF;
  } else if (!subtract) carries &= ~CF;
  setAl(value);
  return setFlags(value, carries);
}
export function daa(_pc: usize): i32 { return adjustPacked(false); }
export function das(_pc: usize): i32 { return adjustPacked(true); }

function adjustUnpacked(direction: i32): i32 {
  const adjusts = (al() & 15) > 9 || (arithmeticFlags() & AF) != 0;
  if (adjusts) setAx(<u32>(<i32>(reg(RAX) & 0xffff) + direction * 0x106));
  setAl(al() & 15);
  return setFlags(al(), adjusts ? CF | AF : 0);
}
export function aaa(_pc: usize): i32 { return adjustUnpacked(1); }
export function aas(_pc: usize): i32 { return adjustUnpacked(-1); }

export function aam(pc: usize): i32 {
  const divisor = <u32>immediate(pc) & 0xff, value = al();
  if (divisor == 0) return raise(DE);
  setAx(value / divisor << 8 | value % divisor);
  return setFlags(al(), 0);
}
export function aad(pc: usize): i32 {
  setAx((al() + (<u32>reg(RAX) >> 8 & 0xff) * (<u32>immediate(pc) & 0xff)) & 0xff);
  return setFlags(al(), 0);
}
/** SALC, undocumented: AL becomes FFh or 0 by CF. */
export function salc(_pc: usize): i32 { setAl((arithmeticFlags() & CF) != 0 ? 0xff : 0); return NEXT; }
