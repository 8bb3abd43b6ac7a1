// The guest for several processors (guests/processors) on a machine, and everything that a run of it leaves: the state of each vCPU, memory, time.
import { readFileSync } from 'node:fs';
import { bootImages } from '../../../src/emulator/boot';
import type { Machine, MachineOptions } from '../../../src/emulator/machine';
import { createTestMachine } from '../vmx/test-machine';

const image = readFileSync(new URL('../../../guests/images/processors.elf', import.meta.url));
const memoryBytes = 4 << 20;

export async function startProgram(vcpus: number, commandLine: string, translator: MachineOptions['translator'] = 'off'): Promise<Machine> {
  const machine = await createTestMachine({ memoryBytes, vcpus, translator });
  bootImages(machine, { program: image, commandLine, modules: [] });
  machine.recordEvents([]);
  return machine;
}

const names = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15', 'rip', 'rflags', 'cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'efer', 'cs.selector', 'cs.base', 'cpl',
  'gdtr.base', 'tr.base', 'dr6', 'msr.IA32_APIC_BASE', 'msr.IA32_TSC_ADJUST'];

/** All that software could tell two runs apart by. */
export function stateOf(machine: Machine): string {
  const vcpus = Array.from({ length: machine.vcpuCount }, (_, vcpu) => names.map(name => machine.registers(vcpu).get(name).toString(16)).join(' '));
  return [machine.time(), machine.activeVcpu, machine.digest().toString(16), ...vcpus].join('\n');
}

/** Numbers from a seed: 0 to below `limit`. */
export function generator(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return limit => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * limit);
  };
}

/** Runs to the end of the program, or for `units`, in slices whose lengths `next` gives. */
export function runInSlices(machine: Machine, next: () => number, units = 50_000_000): string {
  for (let left = units; left > 0;) {
    const result = machine.run(Math.min(left, next()));
    left -= result.units;
    if (result.kind !== 'budget' && result.kind !== 'ringFull') return `${result.kind} ${result.index}`;
  }
  return 'budget';
}
export const outputOf = (machine: Machine): string[] => new TextDecoder().decode(machine.takeSerialOutput()).split('\n').filter(line => line !== '');
