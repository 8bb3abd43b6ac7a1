// From the attributes of a launch request to the configuration of a Target: checks each attribute, reads each file, and fills in the
// demonstration stack where no program is named. Every mistake is a row of the user errors, with the attribute or the path in it.
import { strategies } from '../model/strategies';
import { processorModelIds } from '../spec/processor-generations';
import type { ImageFile, LevelConfiguration, StopsFrom, TargetConfiguration } from '../inspector/target-types';
import type { AdapterHost } from './adapter-types';
import { demonstrationStack } from './demonstration';
import { ArgumentReader } from './request-arguments';
import { UserError } from './user-errors';

export interface Launch {
  readonly target: TargetConfiguration;
  readonly sourceMap: Readonly<Record<string, string>>;
  readonly serial: 'console' | 'off';
  readonly noDebug: boolean;
}

const memoryRange = { min: 16, max: 3584 }, defaultMemoryMiB = 256;

interface FileName { readonly path: string; readonly role: string; readonly commandLine?: string; readonly name?: string }

/** Reads a launch request's arguments and every file they name. Rejects with a UserError. */
export async function readLaunch(args: unknown, host: AdapterHost): Promise<Launch> {
  const reader = ArgumentReader.ofLaunch(args);
  const program = reader.optionalString('program');
  const stack = program === undefined ? demonstrationFiles(reader) : {
    program: { path: program, role: 'program', commandLine: reader.optionalString('commandLine') },
    modules: reader.optionalList('modules').map((module, i) => ({ path: module.string('image'), role: `module ${i + 1}`, commandLine: module.optionalString('commandLine') })),
  };
  const levels = reader.optionalList('levels').map(level => ({
    level: level.number('level', { min: 0, max: 64 }), symbols: level.optionalString('symbols') ?? level.optionalString('image'), loadAddress: level.optionalAddress('loadAddress'),
  }));
  const memoryMiB = reader.optionalNumber('memory', memoryRange) ?? defaultMemoryMiB;
  if (memoryMiB % 2 !== 0) throw new UserError('badLaunchArgument', { name: 'memory', expected: 'an even number of MiB', value: String(memoryMiB) });
  const settings = {
    memoryMiB, vcpus: reader.optionalNumber('processors', { min: 1, max: 8 }) ?? 1,
    processor: {
      model: reader.optional('processor', name => reader.oneOf(name, processorModelIds)), without: reader.optional('processorWithout', name => reader.strings(name)),
      physicalBits: reader.optionalNumber('physicalAddressBits', { min: 36, max: 52 }),
    },
    stopsFrom: reader.optional('stopsFrom', name => reader.oneOf<StopsFrom>(name, ['guest', 'reset'])) ?? (stack.modules.length > 0 ? 'guest' : 'reset'),
    stopOnEntry: reader.optional('stopOnEntry', name => reader.boolean(name)) ?? false,
    stepIntoInterrupts: reader.optional('stepIntoInterrupts', name => reader.boolean(name)) ?? false,
    stepIntoFaults: reader.optional('stepIntoFaults', name => reader.boolean(name)) ?? false,
  } as const;
  const sourceMap = reader.optional('sourceMap', name => reader.stringMap(name)) ?? {};
  const serial = reader.optional('serial', name => reader.oneOf<Launch['serial']>(name, ['console', 'off'])) ?? 'console';
  const noDebug = reader.optional('noDebug', name => reader.boolean(name)) ?? false;

  const [engine, image, modules, symbols] = await Promise.all([
    readEngine(host), readImage(host, stack.program), Promise.all(stack.modules.map(module => readImage(host, module))),
    Promise.all(levels.map(({ level, symbols }) => symbols === undefined ? undefined : readImage(host, { path: symbols, role: `symbols of level ${level}` }))),
  ]);
  const levelConfigurations = levels.map(({ level, loadAddress }, i): LevelConfiguration => ({ level, loadAddress, symbols: symbols[i] }));
  return { target: { engine, program: image, modules, levels: levelConfigurations, ...settings, noStops: noDebug }, sourceMap, serial, noDebug };
}

function demonstrationFiles(reader: ArgumentReader): { program: FileName; modules: readonly FileName[] } {
  if (reader.has('modules')) throw new UserError('badLaunchArgument', { name: 'program', expected: 'a path, since `modules` is given', value: 'absent' });
  return demonstrationStack({
    hypervisors: reader.optionalNumber('hypervisors', { min: 1, max: 8 }), strategy: reader.optional('strategy', name => reader.oneOf(name, strategies)),
    commandLine: reader.optionalString('commandLine'),
  });
}

/** The compiled engine; its absence is a broken installation or a missing build, not a mistake in the configuration. */
export async function readEngine(host: AdapterHost): Promise<TargetConfiguration['engine']> {
  const read = async (file: string): Promise<Uint8Array> => {
    try { return await host.readFile(`extension:/dist/${file}`); } catch (error) {
      throw new UserError('incompleteInstallation', { path: `dist/${file}`, reason: reasonOf(error) });
    }
  };
  const [core, interpreter, decodeTables] = await Promise.all([read('core.wasm'), read('interpreter.wasm'), read('decode-tables.bin')]);
  return { core, interpreter, decodeTables };
}

async function readImage(host: AdapterHost, { path, role, commandLine, name }: FileName): Promise<ImageFile> {
  try {
    return { name: name ?? path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1), bytes: await host.readFile(path), commandLine };
  } catch (error) {
    throw new UserError('unreadableFile', { path, role, reason: reasonOf(error) });
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
