// A machine of the engine that the build has put into dist/.
import { readFileSync } from 'node:fs';
import { createMachine, type EngineModules, type Machine, type MachineOptions } from '../../../src/emulator/machine';

const dist = new URL('../../../dist/', import.meta.url);
const compile = (name: string): WebAssembly.Module => new WebAssembly.Module(readFileSync(new URL(name, dist)));

let engine: EngineModules | undefined;
/** TRANSLATOR=always runs any test with all code translated, =off with none. */
const forced = process.env.TRANSLATOR as MachineOptions['translator'];

export function createTestMachine(options: MachineOptions): Promise<Machine> {
  engine ??= { core: compile('core.wasm'), interpreter: compile('interpreter.wasm'), decodeTables: readFileSync(new URL('decode-tables.bin', dist)) };
  return createMachine(engine, { ...(forced && { translator: forced }), ...options });
}
