// The façade with several vCPUs: whose turn it is, state of those that are parked, hooks and stops of one of them, events that tell the vCPU.
import { describe, expect, it } from 'vitest';
import type { Machine } from '../../../src/emulator/machine';
import { createTestMachine } from '../vmx/test-machine';
import { outputOf, runInSlices, startProgram } from './program';

/** All vCPUs count in RAX (the bootstrap processor in RBX) for ever, in real-address mode. */
async function counters(vcpus: number): Promise<Machine> {
  const machine = await createTestMachine({ memoryBytes: 4 << 20, vcpus });
  // INIT and SIPI to all others by the local APIC, from a flat data segment as a loader leaves it
  const send = (command: number): number[] => [0x67, 0x66, 0xc7, 0x03, command & 255, command >> 8 & 255, command >> 16 & 255, 0]; // MOV dword [EBX], command
  const bsp = [...send(0xc4500), ...send(0xc4608), 0x66, 0x31, 0xdb, 0x66, 0x43, 0xeb, 0xfc];                                          // XOR EBX, EBX; INC EBX; JMP
  machine.writePhysical(0x1000n, Uint8Array.from(bsp));
  machine.writePhysical(0x8000n, Uint8Array.of(0x66, 0x40, 0xeb, 0xfc));                                                                // INC EAX; JMP
  const r = machine.registers(0);
  r.set('rip', 0x1000n);
  r.set('rbx', 0xfee0_0300n);
  r.set('ds.limit', 0xffff_ffffn);
  return machine;
}

describe('vCPUs', () => {
  it.each([0, 9, 1.5])('a machine cannot have %d', async vcpus => { await expect(createTestMachine({ memoryBytes: 4 << 20, vcpus })).rejects.toThrow(RangeError); });

  it('all but the first wait for a start-up IPI; a vCPU that does not exist is refused', async () => {
    const machine = await createTestMachine({ memoryBytes: 4 << 20, vcpus: 3 });
    machine.writePhysical(0x1000n, Uint8Array.of(0xf4));
    machine.registers(0).set('rip', 0x1000n);
    expect(machine.run(1000)).toMatchObject({ kind: 'idle' });
    expect([0, 1, 2].map(vcpu => Number(machine.registers(vcpu).get('msr.IA32_APIC_BASE') >> 8n & 1n))).toEqual([1, 0, 0]);
    expect([0, 1, 2].map(vcpu => machine.registers(vcpu).get('rdx'))).toEqual([0x506e3n, 0x506e3n, 0x506e3n]);
    expect(() => machine.registers(3)).toThrow(RangeError);
    expect(() => machine.vmx(3)).toThrow(RangeError);
  });

  it('take turns of equal length', async () => {
    const machine = await counters(4);
    machine.run(400_000);
    const counts = [machine.registers(0).get('rbx'), ...[1, 2, 3].map(vcpu => machine.registers(vcpu).get('rax'))].map(Number);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThan(6000);
    expect(counts.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(199_000);
    expect(machine.time()).toBe(400_000n);
  });

  it('a run of one unit is one instruction of the vCPU that the result names', async () => {
    const machine = await counters(3);
    machine.run(20_000);
    const ips = (): bigint[] => [0, 1, 2].map(vcpu => machine.registers(vcpu).get('rip'));
    const seen = new Set<number>();
    for (let n = 0; n < 60; n++) {
      for (const last = machine.time() + 4n; machine.time() < last;) {
        const before = ips(), result = machine.run(1), after = ips();
        expect(before.map((rip, vcpu) => rip !== after[vcpu])).toEqual([0, 1, 2].map(vcpu => vcpu === result.vcpu));
        seen.add(result.vcpu);
      }
      machine.run(249);
    }
    expect([...seen].sort()).toEqual([0, 1, 2]);
  });

  it('a parked vCPU has registers to read and set', async () => {
    const machine = await counters(2);
    machine.run(17_000);
    const parked = 1 - machine.activeVcpu, active = machine.registers(machine.activeVcpu), other = machine.registers(parked);
    const untouched = active.get('rip');
    other.set('rax', 0x1234_5678n);
    other.set('rflags', 0x893n);
    other.set('cr8', 5n);
    other.set('msr.IA32_TSC_ADJUST', 77n);
    expect([other.get('rax'), other.get('rflags'), other.get('cr8'), other.get('msr.IA32_TSC_ADJUST')]).toEqual([0x1234_5678n, 0x893n, 5n, 77n]);
    expect([active.get('rip'), active.get('cr8'), active.get('msr.IA32_TSC_ADJUST')]).toEqual([untouched, 0n, 0n]);
    expect(machine.vmx(parked)).toMatchObject({ vmxOn: false, nonRoot: false });
    machine.run(10_000);
    expect(machine.registers(parked).get('msr.IA32_TSC_ADJUST')).toBe(77n);
  });

  it('a code hook stops the vCPU that comes there, and is passed by that one alone', async () => {
    const machine = await counters(3);
    machine.run(10_000);
    machine.addCodeHook(0x8000n);
    const stops: number[] = [];
    for (let n = 0; n < 30; n++) {
      const result = machine.run(100_000);
      expect(result).toMatchObject({ kind: 'codeHook', address: 0x8000n });
      expect(machine.registers(result.vcpu).get('rip')).toBe(0n);
      expect(machine.activeVcpu).toBe(result.vcpu);
      stops.push(result.vcpu);
      // the rest of the turn passes at once
      if (n % 3 === 2) { machine.removeCodeHook(0x8000n); machine.run(5_000); machine.addCodeHook(0x8000n); }
    }
    expect([...new Set(stops)].sort()).toEqual([1, 2]);
  });

  it('each translates by its own tables', async () => {
    const machine = await startProgram(2, 'processors=2 passes=1000');
    machine.run(100_000);
    expect(machine.translate(1, 0x20_0000n)).toMatchObject({ kind: 'mapped', physical: 0x20_0000n, pageBytes: 0x20_0000 });
    const parked = 1 - machine.activeVcpu, at = machine.registers(parked).get('rip');
    expect(machine.readLinear(parked, at, 4)).toEqual(machine.readPhysical(at, 4));
    // without paging the other one has another view
    machine.registers(1).set('cr0', 0x11n);
    machine.registers(1).set('efer', 0n);
    expect([machine.translate(0, 0x20_0000n), machine.translate(1, 0x20_0000n)]).toMatchObject([{ pageBytes: 0x20_0000 }, { pageBytes: 0x1000 }]);
  });

  it('events tell the vCPU and its turns', async () => {
    const machine = await startProgram(3, 'processors=3 passes=5');
    machine.recordEvents(['vcpuSwitch', 'interrupt', 'exception']);
    const turns: [number, number][] = [], interrupts = new Map<number, number>();
    let last = 0, result = '';
    while (result === '' || result === 'ringFull' || result === 'budget') {
      result = machine.run(1_000_000).kind;
      machine.drainEvents(event => {
        if (event.kind === 'vcpuSwitch') { turns.push([event.aux, event.vcpu]); expect(event.aux).toBe(last); last = event.vcpu; }
        if (event.kind === 'interrupt') { expect(event.vcpu).toBe(last); interrupts.set(event.vcpu, (interrupts.get(event.vcpu) ?? 0) + 1); }
      });
    }
    expect(result).toBe('debugExit');
    expect(turns.length).toBeGreaterThan(50);
    expect([...interrupts.keys()].sort()).toEqual([0, 1, 2]);
    expect(outputOf(machine).at(-1)).toBe('processors: pings: 5 answered');
  });

  it('when all wait, time jumps to the next event; with none the run is idle', async () => {
    const machine = await createTestMachine({ memoryBytes: 4 << 20, vcpus: 2 });
    machine.writePhysical(0x1000n, Uint8Array.of(0xf4, 0xf4));
    machine.registers(0).set('rip', 0x1000n);
    expect(machine.run(1_000_000)).toMatchObject({ kind: 'idle', units: 1 });
    expect(runInSlices(machine, () => 7, 100)).toBe('idle 0');
  });
});
