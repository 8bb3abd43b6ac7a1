// Images found and stacks unwound in levels: real images and stacks recorded with gdb, mapped into the levels of a made-up machine.
import { describe, expect, it } from 'vitest';
import { ImageMap, type KnownImage } from '../../../src/inspector/images/image-map';
import { addressIn, placesOfFunction, placesOfLine } from '../../../src/inspector/images/breakpoint-places';
import { StackFrames, type StackFrame } from '../../../src/inspector/images/stack-frames';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import { LevelRegisters } from '../../../src/inspector/registers/level-registers';
import { generalNames } from '../../../src/inspector/registers/register-table';
import { LevelMemory } from '../../../src/inspector/translation/level-memory';
import { gdbRecording, openSample, sampleNames, type SampleName } from '../../symbols/sample-images';
import { FakeMachine } from '../fake-machine';
import { EventStream, type MachineState } from '../levels/event-stream';

const pageOf = (address: bigint): bigint => address & ~0xfffn;

/** L0 with level-1 guests, each running a sample image at a bias, stopped in a recorded state. */
class World {
  readonly machine = new FakeMachine(0x80_0000, 0x40_0000);
  readonly tracker = new LevelTracker();
  readonly stream = new EventStream(event => this.tracker.feed(event));
  readonly registers = new LevelRegisters(this.machine.asMachine, this.tracker);
  readonly memory = new LevelMemory(this.machine.asMachine, this.registers);
  readonly known = new Map<SampleName, KnownImage>();
  private nextPage = 0x10_0000n;

  image(name: SampleName): KnownImage {
    const known = this.known.get(name) ?? { name, symbols: openSample(name) };
    this.known.set(name, known);
    return known;
  }
  /** Tables of one address space with the image at `bias` and the recorded stack where it was. */
  space(name: SampleName, bias: bigint, state: number): bigint {
    const { machine } = this, root = machine.table(), { symbols } = this.image(name), pages = new Map<bigint, bigint>();
    const place = (address: bigint): bigint => {
      const page = pageOf(address);
      if (!pages.has(page)) {
        pages.set(page, this.nextPage);
        machine.map(root, page & 0xffff_ffff_ffffn, this.nextPage);
        this.nextPage += 0x1000n;
      }
      return pages.get(page)! + (address & 0xfffn);
    };
    const write = (address: bigint, bytes: Uint8Array): void => bytes.forEach((byte, n) => { machine.ram[Number(place(address + BigInt(n)))] = byte; });
    for (const segment of symbols.segments) write(segment.virtualAddress + bias, symbols.textBytes(segment.virtualAddress, segment.memorySize));
    for (const [address, bytes] of gdbRecording(name).states[state].memory) write(BigInt(address), Uint8Array.from(Buffer.from(bytes, 'hex')));
    return root;
  }
  state(name: SampleName, bias: bigint, state: number, cr3: bigint): MachineState {
    const { registers } = gdbRecording(name).states[state].frames[0], value = (each: string): bigint => BigInt(registers[each] ?? '0');
    return { rip: value('rip') + bias, rsp: value('rsp'), cr3, gpr: generalNames.map(value) };
  }
  maps(configured?: ConstructorParameters<typeof ImageMap>[2]): { images: ImageMap; frames: StackFrames } {
    const images = new ImageMap([...this.known.values()], this.memory, configured);
    return { images, frames: new StackFrames(this.tracker, this.registers, this.memory, images) };
  }
  /** The live registers of the processor. */
  live(state: MachineState): void {
    for (const [n, name] of generalNames.entries()) this.machine.values.set(name, state.gpr![n]);
    for (const [name, value] of [['rip', state.rip], ['rsp', state.rsp], ['cr3', state.cr3], ['cr0', 0x8000_0001n], ['cr4', 0x20n],
    ['efer', 0x500n]] as const) this.machine.values.set(name, value);
  }
  /** Runs a guest under `vmcs` and lets it exit where it is. */
  guest(state: MachineState, vmcs: bigint, reason: number): void {
    const full = { ...state, rflags: 2n };
    this.stream.entry(full, { vmcs, resume: false });
    this.stream.exit(full, { reason, vmcs, length: 2 });
    this.machine.vmcs(vmcs, { GUEST_RIP: state.rip, GUEST_RSP: state.rsp, GUEST_CR3: state.cr3, GUEST_CR0: 0x8000_0001n, GUEST_CR4: 0x20n, GUEST_RFLAGS: 2n,
    VM_EXIT_CONTROLS: 1n << 20n, GUEST_IA32_EFER: 0x500n });
  }
}

const names = (frames: readonly { kind: string }[]): string[] => frames.map(each => each.kind === 'frame' ? (each as StackFrame).name : (each as unknown as { text: string }).text);

describe.each(sampleNames)('%s', name => {
  it.each([0n, 0x123_4000n])('is found at bias %s, and its stack is gdb’s', bias => {
    const world = new World(), expected = gdbRecording(name).states[0].frames, cr3 = world.space(name, bias, 0);
    world.guest(world.state(name, bias, 0, cr3), 0x1000n, 10);
    const { images, frames } = world.maps(), context = world.tracker.contexts[1];
    if (bias !== 0n) {
      // The recorded return addresses are those of the unmoved image: only the innermost frame can be looked at.
      expect(images.at(context, context.rip!)).toMatchObject({ bias, image: { name } });
      expect(frames.own(context)[0]).toMatchObject({ name: expected[0].function, line: expected[0].line });
      return;
    }
    const own = frames.own(context);
    expect(own.slice(0, expected.length).map(frame => [frame.name, frame.line, frame.isInlined])).toEqual(expected.map(frame => [frame.function, frame.line, frame.inlined]));
    expect(own.length).toBeLessThan(256);
  });
});

describe('images', () => {
  it('that look alike are told apart, and code of nobody is nobody’s', () => {
    const world = new World();
    for (const name of sampleNames) world.image(name);
    const cr3 = world.space('dwarf5-O2', 0x40_0000n, 0);
    world.guest(world.state('dwarf5-O2', 0x40_0000n, 0, cr3), 0x1000n, 10);
    const { images } = world.maps(), context = world.tracker.contexts[1];
    const found = images.at(context, context.rip!)!;
    expect(found.bias).toBe(0x40_0000n);
    // The two -O2 images have the same text: either is right as far as memory tells.
    expect(found.image.name).toMatch(/-O2$/);
    expect(images.at(context, 0x9999_0000n)).toBeUndefined();
    expect(images.inContext(context)).toEqual([found]);
  });
  it('are forgotten when other bytes stand there', () => {
    const world = new World(), cr3 = world.space('dwarf4-O0', 0n, 0);
    world.guest(world.state('dwarf4-O0', 0n, 0, cr3), 0x1000n, 10);
    const { images } = world.maps(), context = world.tracker.contexts[1];
    expect(images.at(context, context.rip!)).toBeDefined();
    world.memory.write(context, 'linear', context.rip! & ~0xfffn, new Uint8Array(4096));
    expect(images.at(context, context.rip!)).toBeUndefined();
  });
  it('of a configured level need no search', () => {
    const world = new World(), image = world.image('dwarf4-O0');
    world.guest({ rip: 0x7000_0148n, rsp: 0n, cr3: 0n, gpr: Array.from({ length: 16 }, () => 0n) }, 0x1000n, 10);
    const { images } = world.maps([{ level: 1, image, loadAddress: 0x7000_0000n }]);
    expect(images.at(world.tracker.contexts[1], 0x7000_0148n)).toMatchObject({ image: { name: 'dwarf4-O0' }, bias: 0x7000_0000n - 0x40_0000n });
  });
});

describe('levels', () => {
  const world = new World(), cr3 = world.space('dwarf4-O0', 0n, 0), host = world.space('dwarf5-O2', 0x100_0000n, 0);
  world.image('dwarf5-O2');
  world.guest(world.state('dwarf4-O0', 0n, 0, cr3), 0x1000n, 10);
  world.live({ ...world.state('dwarf5-O2', 0x100_0000n, 0, host) });
  const { images, frames } = world.maps(), [root, guest] = world.tracker.contexts;
  it('below show the exit that they handle, then the level that exited', () => {
    const stack = names(frames.of(root)), label = stack.indexOf('CPUID exit of L1'), functions = gdbRecording('dwarf4-O0').states[0].frames.map(frame => frame.function);
    expect(label).toBeGreaterThan(0);
    expect(stack.slice(label + 1, label + 1 + functions.length)).toEqual(functions);
    expect(frames.of(root)[label + 1]).toMatchObject({ own: false, context: guest });
    expect(frames.outerContexts(root)).toEqual([guest]);
    expect(frames.outerContexts(guest)).toEqual([]);
  });
  it('have breakpoints where their image has the line', () => {
    const known = [...world.known.values()], [line] = placesOfFunction(known, 'checkpoint').filter(({ image }) => image.name === 'dwarf4-O0');
    const places = placesOfLine(known, '/somewhere/sample.c', line.line!);
    expect(new Set(places.map(({ image }) => image.name))).toEqual(new Set(['dwarf4-O0', 'dwarf5-O2']));
    images.at(root, world.machine.values.get('rip')!);
    images.at(guest, guest.rip!);
    expect(addressIn(images, guest, line)).toBe(line.address);
    expect(addressIn(images, root, line)).toBeUndefined();
    const own = placesOfFunction(known, 'checkpoint').find(({ image }) => image.name === 'dwarf5-O2')!;
    expect(addressIn(images, root, own)).toBe(own.address + 0x100_0000n);
  });
  it('have a caller for Step Out', () => {
    const callerRip = BigInt(gdbRecording('dwarf4-O0').states[0].frames[1].registers.rip);
    expect(frames.caller(guest)!.rip).toBe(callerRip);
  });
});
