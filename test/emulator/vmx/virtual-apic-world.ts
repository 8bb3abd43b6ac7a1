// A World whose guest has a virtual APIC: where its pages lie, code that reaches them, and what is in them.
import type { ControlRef } from '../../../src/spec/controls';
import * as asm from './machine-code';
import { World, type WorldOptions } from './world';

/** APIC-access page, virtual-APIC page, posted-interrupt descriptor (physical = linear addresses). */
export const pages = { access: 0x21_0000, virtual: 0x22_0000, descriptor: 0x23_0040, eptPd: 0x24_0000 } as const;
export const vtpr = pages.virtual + 0x80, vppr = pages.virtual + 0xa0, veoi = pages.virtual + 0xb0;

export const tprShadow: readonly ControlRef[] = ['primary.useTprShadow'];
export const apicAccesses: readonly ControlRef[] = ['primary.useTprShadow', 'secondary.virtualizeApicAccesses'];
export const registers: readonly ControlRef[] = [...apicAccesses, 'secondary.apicRegisterVirtualization'];
export const delivery: readonly ControlRef[] = ['pin.externalInterruptExiting', 'primary.useTprShadow', 'secondary.virtualInterruptDelivery'];
export const posting: readonly ControlRef[] = [...delivery, 'pin.processPostedInterrupts', 'exit.acknowledgeInterruptOnExit'];

export function virtualApicWorld(options: WorldOptions): Promise<World> {
  return World.create({
    ...options,
    fields: {
      APIC_ACCESS_ADDRESS: BigInt(pages.access), VIRTUAL_APIC_ADDRESS: BigInt(pages.virtual), POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: BigInt(pages.descriptor),
      POSTED_INTERRUPT_NOTIFICATION_VECTOR: 0xf2n, ...options.fields,
    },
  });
}

/** MOV dword [RBX], imm32 with RBX = the register's address in the APIC-access page. */
export const writeRegister = (offset: number, value: number): number[] => asm.join(asm.movImmediate(asm.RBX, pages.access + offset), asm.movDwordIndirect(asm.RBX, value));
/** MOV EAX, [RBX]. */
export const readRegister = (offset: number): number[] => asm.join(asm.movImmediate(asm.RBX, pages.access + offset), [0x8b, 0x03]);
export const writeMsr = (index: number, value: bigint | number): number[] => asm.join(asm.movImmediate(asm.RCX, index), asm.movImmediate(asm.RAX, BigInt(value) & 0xffff_ffffn),
  asm.movImmediate(asm.RDX, BigInt(value) >> 32n), asm.wrmsr);
export const readMsr = (index: number): number[] => asm.join(asm.movImmediate(asm.RCX, index), asm.rdmsr);
export const writeCr8 = (value: number): number[] => asm.join(asm.movImmediate(asm.RAX, value), asm.movToCr(8, asm.RAX));

/** The vectors of a set of the virtual-APIC page (100h ISR, 200h IRR). */
export function vectorsOf(world: World, set: number): number[] {
  return Array.from({ length: 256 }, (_, vector) => vector).filter((vector) => (world.read32(pages.virtual + set + (vector >> 5 << 4)) >>> (vector & 31) & 1) !== 0);
}
/** Bytes of a set with these vectors, as memory of a world. */
export function vectorSet(set: number, ...vectors: number[]): Record<number, number[]> {
  const words = new Map<number, number>();
  for (const vector of vectors) {
    const at = pages.virtual + set + (vector >> 5 << 4);
    words.set(at, ((words.get(at) ?? 0) | 1 << (vector & 31)) >>> 0);
  }
  return Object.fromEntries([...words].map(([at, bits]) => [at, asm.dword(bits)]));
}
/** RVI and SVI. */
export const status = (world: World): [number, number] => [Number(world.field('GUEST_INTERRUPT_STATUS') & 0xffn), Number(world.field('GUEST_INTERRUPT_STATUS') >> 8n)];
