// Replay across VMX and across back ends: guests whose exits come between instructions (timer, windows, monitor trap flag, interrupts) and at faults, with
// events injected; several processors; runs recorded by the interpreter and repeated by translated code.
import { describe, expect, it } from 'vitest';
import { bootImages } from '../../../src/emulator/boot';
import type { Machine, MachineOptions } from '../../../src/emulator/machine';
import type { ControlRef } from '../../../src/spec/controls';
import { vmcsFieldById, type VmcsFieldId } from '../../../src/spec/vmcs-fields';
import { runInSlices, startProgram } from '../processors/program';
import * as asm from '../vmx/machine-code';
import { createTestMachine } from '../vmx/test-machine';
import { at, type Fields } from '../vmx/valid-vmcs';
import { enter, World } from '../vmx/world';
import { guestImage, random, runTo, torture } from './torture';

const { RAX, RBX, RCX } = asm;
const apic = 0xfee0_0000;
const apicWrite = (offset: number, value: number): number[] => asm.join(asm.movImmediate(RBX, apic + offset), asm.movDwordIndirect(RBX, value));
const encoding = (id: VmcsFieldId): number => vmcsFieldById(id).encoding;
const readField = (id: VmcsFieldId): number[] => asm.join(asm.movImmediate(RCX, encoding(id)), asm.vmread(RAX, RCX));
const writeField = (id: VmcsFieldId, value: number): number[] => asm.join(asm.movImmediate(RCX, encoding(id)), asm.movImmediate(RAX, value), asm.vmwrite(RCX, RAX));
/** `body` when EAX equals a byte. */
const whenEqual = (value: number, body: readonly number[]): number[] => [0x83, 0xf8, value, 0x75, body.length, ...body];

/** The handler passes instructions that exited, ends interrupts, reloads the timer and injects #UD every few exits, by the clock. */
const advance = asm.join(readField('VM_EXIT_INSTRUCTION_LENGTH'), [0x48, 0x89, 0xc2], readField('GUEST_RIP'), [0x48, 0x01, 0xd0], asm.vmwrite(RCX, RAX), [0xb8, 0xff, 0, 0, 0]);
const handler = asm.join(readField('EXIT_REASON'), ...[10, 18, 12, 40].map(reason => whenEqual(reason, advance)), whenEqual(1, apicWrite(0xb0, 0)),
  writeField('VMX_PREEMPTION_TIMER_VALUE', 37), asm.rdtsc, [0x83, 0xe0, 7], whenEqual(3, writeField('VM_ENTRY_INTERRUPTION_INFO', 0x8000_0306)), asm.vmresume, asm.hlt);
/** The guest: a stack, clocks, traps, a string instruction, exits; its handler ends interrupts. */
const guest = asm.join(asm.cpuid, [0x48, 0xff, 0x04, 0x25, ...asm.dword(at.data + 0x100)], asm.int3, asm.sti, asm.nop, asm.nop,
  asm.movImmediate(RCX, 50), asm.movImmediate(asm.RSI, at.data + 0x200), asm.movImmediate(asm.RDI, at.data + 0x300), [0xf3, 0xa4], [0x8c, 0xd0], asm.movToSs(RAX), asm.vmcall, asm.pause,
  [0x9c, 0x48, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d], asm.nop, asm.rdtsc, asm.nop, [0x9c, 0x48, 0x81, 0x24, 0x24, 0xff, 0xfe, 0xff, 0xff, 0x9d], asm.cli);
const guestLoop = asm.join(guest, [0xe9, ...asm.dword(-(guest.length + 5))]);
const guestHandler = asm.join([0x50, 0x53], apicWrite(0xb0, 0), [0x5b, 0x58], asm.iretq);
const timer = asm.join(apicWrite(0xf0, 0x1ff), apicWrite(0x3e0, 0xb), apicWrite(0x320, 0x2_0041), apicWrite(0x380, 40));

const kinds: readonly [string, readonly ControlRef[], Fields][] = [
  ['preemption timer', ['pin.activatePreemptionTimer'], {}],
  ['preemption timer that is saved', ['pin.activatePreemptionTimer', 'exit.savePreemptionTimer'], {}],
  ['interrupts that exit', ['pin.externalInterruptExiting', 'exit.acknowledgeInterruptOnExit'], {}],
  ['interrupts that the guest takes', [], {}],
  ['monitor trap flag', ['primary.monitorTrapFlag'], {}],
  ['interrupt window', ['primary.interruptWindowExiting', 'pin.activatePreemptionTimer'], {}],
  ['NMI window', ['pin.nmiExiting', 'pin.virtualNmis', 'primary.nmiWindowExiting'], {}],
  ['exceptions that exit', ['pin.activatePreemptionTimer'], { EXCEPTION_BITMAP: 0x42n }],
  ['EPT and VPID', ['secondary.enableEpt', 'secondary.enableVpid', 'pin.activatePreemptionTimer', 'pin.externalInterruptExiting', 'exit.acknowledgeInterruptOnExit'], {}],
];
async function world([, controls, fields]: (typeof kinds)[number]): Promise<Machine> {
  const { machine } = await World.create({
    stopAtExits: false, controls, host: asm.join(timer, enter()), guest: guestLoop, handler, fields: { VMX_PREEMPTION_TIMER_VALUE: 37n, ...fields },
    memory: { [at.guestHandler]: guestHandler, [at.hostTrap]: guestHandler },
  });
  machine.setStops({});
  return machine;
}

describe('a guest with', () => {
  it.each(kinds)('%s', async (...kind) => {
    const machine = await world(kind), start = machine.snapshot(), next = random(5), end = 12_000;
    const digests = new Map<number, bigint>();
    for (let t = 0; t < end; t += 1 + next(300)) { runTo(machine, t); digests.set(t, machine.digest()); }
    runTo(machine, end);
    const exits = machine.counters().exits, last = machine.digest();
    expect(exits).toBeGreaterThan(50);
    // by single steps, each of one unit
    machine.restore(start);
    for (let t = 0; t < end; t++) {
      if (digests.has(t)) expect(machine.digest(), `at ${t}`).toBe(digests.get(t));
      const { units, kind: stop } = machine.run(1);
      machine.drainEvents(() => {});
      if (stop === 'ringFull') { t--; continue; }
      expect(units, `at ${t}`).toBe(1);
    }
    expect(machine.digest()).toBe(last);
    // stopped wherever it can be
    machine.restore(start);
    machine.setStops({ exits: Array.from({ length: 70 }, (_, n) => n), everyEntry: true, vmxInstructions: Array.from({ length: 13 }, (_, n) => n), exceptions: [1, 3, 6], vmfail: true });
    while (machine.time() < end) { runTo(machine, Math.min(end, Number(machine.time()) + 1 + next(200))); if (next(3) === 0) machine.restore(machine.snapshot()); }
    expect(machine.digest()).toBe(last);
    expect(machine.counters().exits).toBe(exits);
  });
});

describe('several processors', () => {
  it.each([2, 4])('%i: slices, snapshots and restores change nothing', async vcpus => {
    const program = `processors=${vcpus} passes=15`, machine = await startProgram(vcpus, program), other = await startProgram(vcpus, program), start = machine.snapshot();
    expect(runInSlices(machine, () => 50_000_000)).toBe('debugExit 0');
    const end = Number(machine.time()), last = machine.digest(), next = random(vcpus);
    for (let n = 0; n < 4; n++) {
      let target = n % 2 ? other : machine;
      target.restore(start);
      while (target.time() < end) {
        runTo(target, Math.min(end, Number(target.time()) + 1 + next(n === 0 ? 30_000 : 4000)));
        if (n < 2 || next(3)) continue;
        const snapshot = target.snapshot();
        target = n === 2 ? target : target === machine ? other : machine;
        target.restore(snapshot);
      }
      expect(target.digest()).toBe(last);
    }
  });
});

describe('recorded by one back end, repeated by the other', () => {
  const stack = async (translator: MachineOptions['translator']): Promise<Machine> => {
    const machine = await createTestMachine({ memoryBytes: 32 << 20, translator }), hypervisor = guestImage('hypervisor');
    bootImages(machine, { program: hypervisor, commandLine: 'ept=on', modules: [{ name: 'h', bytes: hypervisor, commandLine: '' }, { name: 'g', bytes: guestImage('guest'), commandLine: '' }] });
    return machine;
  };
  it('a stack of hypervisors', async () => {
    const interpreted = await stack('off'), translated = await stack('on'), next = random(3);
    translated.restore(interpreted.snapshot());
    for (let n = 0; n < 6; n++) {
      const end = Number(interpreted.time()) + 1 + next(1_000_000);
      runTo(interpreted, end, 1 + next(400_000));
      runTo(translated, end, 1 + next(400_000));
      expect(translated.digest(), `at ${end}`).toBe(interpreted.digest());
      if (next(2)) { const snapshot = translated.snapshot(); runTo(translated, end + 20_000); interpreted.restore(snapshot); translated.restore(snapshot); }
    }
    if (process.env.TRANSLATOR === undefined) expect(translated.translations().regions).toBeGreaterThan(0);
  });
  it('a function that begins on the last byte of the page before', async () => {
    const digests = [];
    for (const translator of ['off', 'on', 'always'] as const) {
      const machine = await torture(1, { translator });
      machine.writePhysical(0x30_0fffn, Uint8Array.of(0x90, 0xc3));                                                  // NOP; RET
      machine.writePhysical(0x30_1010n, Uint8Array.of(0xe8, 0xea, 0xff, 0xff, 0xff, 0x48, 0xff, 0xc0, 0xeb, 0xf6)); // CALL; INC RAX; JMP
      machine.registers(0).set('rip', 0x30_1010n);
      runTo(machine, 200_000);
      digests.push(machine.digest());
    }
    expect(digests).toEqual([digests[0], digests[0], digests[0]]);
  });
  it('random programs', async () => {
    for (const seed of [21, 22]) {
      const interpreted = await torture(seed, { translator: 'off' }), translated = await torture(seed, { translator: 'always' }), next = random(seed);
      for (let n = 0; n < 4; n++) {
        const end = Number(interpreted.time()) + 1 + next(600);
        runTo(interpreted, end);
        runTo(translated, end, 1 + next(400));
        expect(translated.digest(), `program ${seed} at ${end}`).toBe(interpreted.digest());
        const snapshot = (n % 2 ? interpreted : translated).snapshot();
        interpreted.restore(snapshot);
        translated.restore(snapshot);
      }
    }
  });
});
