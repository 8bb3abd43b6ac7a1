// Numbers in memory of a level as things that can be set.
import type { Context } from '../levels/context';
import type { AddressSpace, LevelMemory } from '../translation/level-memory';
import type { Settable } from './variable-tree';

/** A little-endian number of `bytes` bytes at an address. Its `write` throws an Error where nothing is mapped. */
export function numberInMemory(memory: LevelMemory, context: Context, space: AddressSpace, address: bigint, bytes: number): Settable {
  return {
    bits: bytes * 8,
    read() {
      const found = memory.read(context, space, address, bytes);
      return found.length === bytes ? found.reduceRight((value, byte) => value << 8n | BigInt(byte), 0n) : 0n;
    },
    write(value) {
      const out = Uint8Array.from({ length: bytes }, (_, i) => Number(value >> BigInt(8 * i) & 0xffn));
      if (!memory.write(context, space, address, out)) throw new Error(`the memory at 0x${address.toString(16)} is not mapped`);
    },
  };
}
