// Memory as a level sees it: linear addresses through its own paging (and EPT), guest-physical ones through EPT, physical ones as they are.
// Reads cross pages and stop at the first byte that is not mapped; nothing has side effects on accessed or dirty bits.
import type { Machine } from '../../emulator/machine';
import type { Context } from '../levels/context';
import type { LevelRegisters } from '../registers/level-registers';
import { walkEpt } from './page-walk';

/** 'linear' and 'guestPhysical' are those of a level, 'physical' is the host's (L0's). */
export type AddressSpace = 'linear' | 'guestPhysical' | 'physical';

const pageBytes = 4096n;

export class LevelMemory {
  constructor(private readonly machine: Machine, private readonly registers: LevelRegisters) {}

  /** As many bytes from `address` on as are mapped, at most `length`. */
  read(context: Context, space: AddressSpace, address: bigint, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    for (const [at, count] of pieces(address, length)) {
      const part = this.readPiece(context, space, at, count);
      if (!part) return bytes.subarray(0, done);
      bytes.set(part, done);
      done += count;
    }
    return bytes;
  }

  /** All of the bytes or nothing, at a linear address of the context. */
  readLinear(context: Context, address: bigint, length: number): Uint8Array | undefined {
    const bytes = this.read(context, 'linear', address, length);
    return bytes.length === length ? bytes : undefined;
  }

  /** Writes all bytes; false (and nothing written) when any page is not mapped. */
  write(context: Context, space: AddressSpace, address: bigint, bytes: Uint8Array): boolean {
    const parts = pieces(address, bytes.length), places = parts.map(([at]) => this.physical(context, space, at));
    if (places.some(place => place === undefined)) return false;
    let done = 0;
    return parts.every(([, count], n) => {
      const written = this.machine.writePhysical(places[n]!, bytes.subarray(done, done + count));
      done += count;
      return written;
    });
  }

  /** Host-physical address of a byte; undefined when it is not mapped. */
  physical(context: Context, space: AddressSpace, address: bigint): bigint | undefined {
    if (space === 'physical') return address;
    if (space === 'guestPhysical') {
      const walk = walkEpt(this.machine, context.eptp, address);
      return walk.kind === 'mapped' ? walk.address : undefined;
    }
    const translation = this.machine.translate(context.vcpu, address, this.registers.paging(context));
    return translation.kind === 'mapped' ? translation.physical : undefined;
  }

  private readPiece(context: Context, space: AddressSpace, address: bigint, length: number): Uint8Array | undefined {
    if (space === 'linear') return this.machine.readLinear(context.vcpu, address, length, this.registers.paging(context));
    const physical = this.physical(context, space, address);
    return physical === undefined ? undefined : this.machine.readPhysical(physical, length);
  }
}

/** Cuts a range at page boundaries. */
function pieces(address: bigint, length: number): [address: bigint, length: number][] {
  const parts: [bigint, number][] = [];
  for (let left = length; left > 0;) {
    const count = Math.min(left, Number(pageBytes - (address & pageBytes - 1n)));
    parts.push([BigInt.asUintN(64, address), count]);
    address += BigInt(count);
    left -= count;
  }
  return parts;
}
