// Processors other than the default one: what a model lacks is not there, in CPUID, instructions, MSRs, paging and VMX.
import { describe, expect, test } from 'vitest';
import { chooseProcessor, namedProcessorModels, type ProcessorChoice } from '../../../src/spec/processor-generations';
import { capabilityMsrValues } from '../../../src/spec/capability-msrs';
import { cpuid } from '../../../src/spec/cpuid';
import { vmcsFieldById } from '../../../src/spec/vmcs-fields';
import { hlt } from './machine-code';
import { at } from './valid-vmcs';
import { enter, World } from './world';

const make = (choice: ProcessorChoice, options = {}): Promise<World> => World.create({ ...options, processor: chooseProcessor(choice) });

/** Runs code of the host to its HLT or to the first exception; the vector of that, or undefined. */
async function host(choice: ProcessorChoice, code: readonly number[], registers: Record<string, bigint> = {}): Promise<{ world: World; vector: number | undefined }> {
  const world = await make(choice, { host: [...code, ...hlt], registers });
  world.run();
  return { world, vector: firstVector(world) };
}

/** Bits above 7 of the event say more of the exception. */
function firstVector(world: World): number | undefined {
  const event = world.events.find(({ kind }) => kind === 'exception');
  return event && event.aux & 0xff;
}

describe('CPUID', () => {
  test.each(namedProcessorModels.map((model) => [model.id]))('%s answers what its table says', async (id) => {
    const model = chooseProcessor({ model: id });
    for (const leaf of [0, 7, 0x8000_0001, 0x8000_0003, 0x8000_0008, 0x4000_0000]) {
      const { world } = await host({ model: id }, [0x0f, 0xa2], { rax: BigInt(leaf), rcx: 0n });
      const expected = cpuid(model, leaf);
      expect(['rax', 'rbx', 'rcx', 'rdx'].map((name) => Number(world.register(name))), leaf.toString(16)).toEqual([expected.eax, expected.ebx, expected.ecx, expected.edx]);
    }
  });
});

describe('instructions', () => {
  const lzcnt = [0xf3, 0x0f, 0xbd, 0xc3], tzcnt = [0xf3, 0x0f, 0xbc, 0xc3], popcnt = [0xf3, 0x0f, 0xb8, 0xc3], andn = [0xc4, 0xe2, 0x60, 0xf2, 0xc1];
  test('LZCNT and TZCNT are BSR and BSF on a processor without them', async () => {
    const registers = { rbx: 0x10n };
    expect((await host({}, lzcnt, registers)).world.register('rax')).toBe(27n);
    expect((await host({ without: ['lzcnt'] }, lzcnt, registers)).world.register('rax')).toBe(4n);
    const { world } = await host({ without: ['bmi1'] }, tzcnt, { rbx: 0n, rax: 7n });
    expect(world.register('rax')).toBe(7n);
  });
  test.each([['popcnt', popcnt], ['bmi1', andn]] as const)('an instruction of %s is #UD without it', async (feature, code) => {
    expect((await host({}, code)).vector).toBeUndefined();
    expect((await host({ without: [feature] }, code)).vector).toBe(6);
  });
});

test('an MSR goes with its feature', async () => {
  const rdmsr = [0x0f, 0x32];
  expect((await host({}, rdmsr, { rcx: 0x3bn })).vector).toBeUndefined();
  expect((await host({ without: ['tscAdjust'] }, rdmsr, { rcx: 0x3bn })).vector).toBe(13);
  expect((await host({ without: ['tscAdjust'] }, [0x0f, 0x30], { rcx: 0x3bn })).vector).toBe(13);
});

test('a bit of CR4 goes with its feature', async () => {
  const setPcide = [0x0f, 0x20, 0xe0, 0x0d, 0x00, 0x00, 0x02, 0x00, 0x0f, 0x22, 0xe0];
  expect((await host({}, setPcide)).vector).toBeUndefined();
  expect((await host({ without: ['pcid', 'invpcid'] }, setPcide)).vector).toBe(13);
});

test('pages of 1 GByte are reserved bits where there are none', async () => {
  const read = [0xa1, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00];                  // MOV EAX, [80000000h]
  const memory = { [at.pdpt + 16]: [0xe7, 0, 0, 0, 0, 0, 0, 0] };
  for (const [without, vector] of [[[], undefined], [['pages1G'], 14]] as const) {
    const world = await make({ without }, { host: [...read, ...hlt], memory });
    world.run();
    expect(firstVector(world)).toBe(vector);
  }
});

describe('VMX', () => {
  test('capability MSRs are those of the model', async () => {
    for (const model of namedProcessorModels) {
      const values = capabilityMsrValues(model);
      for (const index of [0x480, 0x485, 0x48b, 0x48c, 0x48e, 0x491]) {
        const { world, vector } = await host({ model: model.id }, [0x0f, 0x32], { rcx: BigInt(index) });
        const value = values.get(index);
        if (value === undefined) expect(vector, `${model.id} ${index.toString(16)}`).toBe(13);
        else expect((world.register('rdx') << 32n | world.register('rax')).toString(16), `${model.id} ${index.toString(16)}`).toBe(value.toString(16));
      }
    }
  });
  test('a control that the model lacks is refused as reserved, and its fields are not there', async () => {
    const world = await make({ model: 'penryn' }, { controls: ['primary.activateSecondaryControls', 'secondary.enableVpid'], fields: { VPID: 1n } });
    world.run();
    expect(world.events.at(-1)).toMatchObject({ instruction: 'VMLAUNCH', outcome: 'failValid', error: 7 });
    const vmread = [0x0f, 0x78, 0xc3];                                                     // VMREAD RBX, RAX
    const reading = await make({ model: 'penryn' }, { host: enter(vmread), registers: { rax: BigInt(vmcsFieldById('EPT_POINTER').encoding) } });
    reading.run();
    expect(reading.events.at(-1)).toMatchObject({ instruction: 'VMREAD', outcome: 'failValid', error: 12 });
  });
  test('a guest runs on the oldest processor', async () => {
    const world = await make({ model: 'penryn' }, { guest: [0x0f, 0xa2] });
    world.runToExit('CPUID');
  });
  test('VMWRITE of exit information fails where the option is absent', async () => {
    const vmwrite = [0x0f, 0x79, 0xc3], registers = { rax: BigInt(vmcsFieldById('EXIT_REASON').encoding) };
    const outcome = async (choice: ProcessorChoice): Promise<string | undefined> => {
      const world = await make(choice, { host: enter(vmwrite), registers });
      world.run();
      return world.events.at(-1)!.outcome;
    };
    expect(await outcome({})).toBe('success');
    expect(await outcome({ without: ['vmx.vmwriteAny'] })).toBe('failValid');
  });
  test('IA32_FEATURE_CONTROL is left to software where the firmware has not locked it', async () => {
    const write = (value: number): number[] => [0xb9, 0x3a, 0, 0, 0, 0xb8, value, 0, 0, 0, 0x31, 0xd2, 0x0f, 0x30];
    const faults = async (choice: ProcessorChoice, ...code: number[][]): Promise<number> => {
      const world = await make(choice, { host: [...code.flat(), ...enter()] });
      world.run();
      return world.events.filter((event) => event.kind === 'exception').length;
    };
    const unlocked = { without: ['vmx.featureControlLocked'] };
    expect(await faults({})).toBe(0);
    expect(await faults({}, write(5))).toBe(1);
    expect(await faults(unlocked)).toBe(1);
    expect(await faults(unlocked, write(4))).toBe(1);
    expect(await faults(unlocked, write(1))).toBe(1);
    expect(await faults(unlocked, write(5))).toBe(0);
    expect(await faults(unlocked, write(2))).toBe(1);
  });
});

test('a model that breaks a rule makes no machine', async () => {
  const broken = { ...namedProcessorModels[0]!, physicalBits: 30 };
  await expect(World.create({ processor: broken })).rejects.toThrow('The physical-address width is 36 to 52 bits.');
});
