// From a configuration to a machine with everything that watches it: images booted, symbols opened, tracker, registers, memory, frames,
// filters, breakpoints and run control joined. What cannot be booted is an error of the user, with the file in it.
import { BootError, bootImages } from '../../emulator/boot';
import { createMachine, type Machine } from '../../emulator/machine';
import { chooseProcessor } from '../../spec/processor-generations';
import type { ProcessorModel } from '../../spec/processor-models';
import { openSymbols } from '../../symbols/symbol-file';
import { ImageMap, type ConfiguredLevel, type KnownImage } from '../images/image-map';
import { StackFrames } from '../images/stack-frames';
import type { Context } from '../levels/context';
import { LevelTracker } from '../levels/level-tracker';
import { LevelRegisters } from '../registers/level-registers';
import { ArmedFilters } from '../run-control/armed-filters';
import { unboundScope, type BreakpointScope, type CodeBreakpoints } from '../run-control/code-breakpoints';
import { unboundDataScope, type DataBreakpoints, type DataScope } from '../run-control/data-breakpoints';
import { RunControl, type RunHooks } from '../run-control/run-control';
import { TargetError, type ImageFile, type LoadedImage, type TargetConfiguration, type TargetEvent } from '../target-types';
import { LevelMemory } from '../translation/level-memory';
import { formatAddress } from './addresses';
import { breakpointScope } from './breakpoint-scope';
import { codeMap } from './code-map';
import { Evaluator } from './evaluator';
import { symbolAt, type MachineSession } from './machine-session';
import type { ValueFormat } from './value-format';

export interface OpenHooks {
  readonly format: ValueFormat;
  breakpoints(machine: Machine, scope: BreakpointScope): CodeBreakpoints;
  data(machine: Machine, scope: DataScope): DataBreakpoints;
  /** The level in view. */
  readonly level: number;
  emit(event: TargetEvent): void;
  levelsChanged(): void;
}

/** A level whose image is not known after so many exits runs another. */
const entriesUntilCode = 32;

function processorOf({ processor }: TargetConfiguration): ProcessorModel {
  try { return chooseProcessor(processor); } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new TargetError('badProcessor', { reason: reasonOf(error) });
  }
}

/** Throws TargetError for what cannot be booted. */
export async function openMachine(configuration: TargetConfiguration, hooks: OpenHooks): Promise<MachineSession> {
  const { engine, program, modules, memoryMiB, vcpus, stopsFrom, levels } = configuration, processor = processorOf(configuration);
  const opened = openImages([program, ...modules]);
  const machine = await createMachine(engine, { memoryBytes: memoryMiB * 2 ** 20, vcpus, processor }).catch((error: unknown) => {
    // Anything but a memory that is not to be had is a fault of the engine.
    if (!(error instanceof RangeError)) throw error;
    throw new TargetError('outOfMemory', { mebibytes: String(memoryMiB), reason: reasonOf(error) });
  });
  try {
    bootImages(machine, {
      program: program.bytes, commandLine: program.commandLine ?? '', modules: modules.map(({ bytes, name, commandLine }) => ({ bytes, name, commandLine: commandLine ?? '' })),
    });
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    throw new TargetError('badImage', { path: program.name, reason: reasonOf(error) });
  }
  const tracker = new LevelTracker({ vcpus }), registers = new LevelRegisters(machine, tracker), memory = new LevelMemory(machine, registers);
  const configured = levels.flatMap((row): ConfiguredLevel[] => {
    const image = row.symbols ? openImage(row.symbols) : opened[row.level];
    return image?.known ? [{ level: row.level, image: image.known, ...row.loadAddress !== undefined && { loadAddress: BigInt(row.loadAddress) } }] : [];
  });
  const images = new ImageMap(distinct(opened), memory, configured), frames = new StackFrames(tracker, registers, memory, images);
  const code = codeMap(images, frames), world = { machine, levels: tracker, code, settings: { interrupts: configuration.stepIntoInterrupts ?? false, faults: configuration.stepIntoFaults ?? false } };
  // The innermost guest is the last module that is an image.
  const deepest = opened.findLastIndex(({ known }) => known !== undefined);
  const evaluator = new Evaluator({ machine, tracker, registers, memory, images, frames, format: hooks.format });
  const format = (expression: string, context: Context): string => { try { return evaluator.text(expression, context); } catch (error) { return `<${reasonOf(error)}>`; } };
  const log = (text: string): void => hooks.emit({ event: 'output', category: 'console', text: `${text}\n` });
  const filters = new ArmedFilters(stopsFrom === 'guest' && deepest > 0 ? deepest : undefined, { format, log });
  const breakpoints = hooks.breakpoints(machine, configuration.noStops ? unboundScope : breakpointScope(images, memory, tracker, evaluator, hooks.emit));
  const data = hooks.data(machine, configuration.noStops ? unboundDataScope : {
    compile: text => evaluator.accessCondition(text), log, get level() { return hooks.level; },
    format(expression, access) { try { return evaluator.accessText(expression, access); } catch (error) { return `<${reasonOf(error)}>`; } },
  });
  // at its first entry the code of a level may not be in its memory yet: EPT gives it page by page
  const isKnown = (context: Context): boolean => {
    if (context.switches > entriesUntilCode || images.inContext(context).length > 0) return true;
    if (context.state !== 'executing' || !images.at(context, registers.value(context, 'rip') ?? 0n)) return false;
    breakpoints.rebind();
    return true;
  };
  let seenAt = -1, isSeen = false, innermost: readonly Context[] = [];
  const seen = (): boolean => {
    if (seenAt !== tracker.revision) {
      innermost = tracker.liveContexts.filter(({ level }) => level >= deepest);
      isSeen = false;
      seenAt = tracker.revision;
    }
    return isSeen ||= innermost.some(isKnown);
  };
  const control = new RunControl(machine, tracker, filters, breakpoints, data, {
    ...outputHooks(hooks.emit, { tracker, registers, images }),
    levelsChanged() {
      for (const context of tracker.liveContexts) if (context.state === 'executing') images.at(context, registers.value(context, 'rip') ?? 0n);
      breakpoints.rebind();
      hooks.levelsChanged();
    },
    awaitsLevel: () => breakpoints.any && !seen(),
  });
  images.at(tracker.root(0), machine.registers(0).get('rip'));
  // what L0 runs is known now: its breakpoints have their places
  breakpoints.rebind();
  return { machine, tracker, registers, memory, images, frames, filters, breakpoints, data, control, world, evaluator, format: hooks.format, loaded: opened.map(({ info }) => info) };
}

interface OpenedImage { readonly file: ImageFile; readonly info: LoadedImage; readonly known?: KnownImage }

function openImages(files: readonly ImageFile[]): OpenedImage[] {
  const opened: OpenedImage[] = [];
  for (const file of files) {
    const same = opened.find(each => each.file.bytes.length === file.bytes.length && each.file.bytes.every((byte, i) => byte === file.bytes[i]));
    opened.push(same ?? openImage(file));
  }
  return opened;
}

function openImage(file: ImageFile): OpenedImage {
  try {
    const symbols = openSymbols(file.bytes, { name: file.name });
    const known: KnownImage = { name: file.name, symbols };
    return { file, known, info: { name: file.name, symbols: symbols.hasLines ? 'lines' : symbols.symbols().length > 0 ? 'functions' : 'none', entry: `0x${symbols.entry.toString(16)}` } };
  } catch (error) {
    return { file, info: { name: file.name, entry: '0x0', symbols: 'none', problem: `no symbols: ${reasonOf(error)}` } };
  }
}

const distinct = (opened: readonly OpenedImage[]): KnownImage[] => [...new Set(opened.flatMap(({ known }) => known ?? []))];

/** Serial output as text, and each instruction that the machine does not have once. */
function outputHooks(emit: (event: TargetEvent) => void, { tracker, registers, images }: Pick<MachineSession, 'tracker' | 'registers' | 'images'>): Pick<RunHooks, 'serial' | 'unimplemented'> {
  const decoder = new TextDecoder(), told = new Set<string>();
  return {
    serial: bytes => emit({ event: 'output', category: 'stdout', text: decoder.decode(bytes, { stream: true }) }),
    unimplemented(event) {
      const bytes = Uint8Array.from({ length: Math.min(8, event.aux & 15) }, (_, i) => Number(event.a >> BigInt(8 * i) & 0xffn)), key = bytes.join();
      if (told.has(key)) return;
      told.add(key);
      const context = tracker.executing(event.vcpu), at = formatAddress({ space: 'linear', level: context.level, vcpu: context.vcpu, value: event.rip });
      emit({ event: 'unimplemented', bytes, at, bits: registers.codeBits(context), ...symbolAt(images, context, event.rip) });
    },
  };
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
