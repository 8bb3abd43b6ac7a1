// Everything that the build writes for the engine, from the tables: the core's constants and the interpreter.
import { widestProcessorModel } from '../../spec/processor-models';
import { instructions } from '../instructions';
import { decoderModule, layoutModule, vmxModule } from './core-constants';
import { buildDecodeTables } from './decoder-builder';
import { deviceLayoutModule } from './device-layout';
import { entryChecksModule } from './entry-check-builder';
import { buildInterpreter } from './interpreter-builder';
import { processorValuesModule } from './processor-table';
import { region } from './state-layout';

export interface EngineFiles {
  /** AssemblyScript modules for core/generated, by name without extension. */
  readonly constants: Record<string, string>;
  /** Files for dist. */
  readonly binaries: Record<string, Uint8Array>;
  readonly facts: { readonly runBytes: number; readonly cases: number; readonly hotCases: number; readonly coreDataBase: number };
}

export function engineFiles(): EngineFiles {
  const interpreter = buildInterpreter(instructions.definitions);
  const decodeTables = buildDecodeTables(instructions.definitions, interpreter.cases);
  return {
    constants: {
      layout: layoutModule(), vmx: vmxModule(), decoder: decoderModule(interpreter.cases), devices: deviceLayoutModule(),
      'entry-checks': entryChecksModule(widestProcessorModel), 'processor-values': processorValuesModule(),
    },
    binaries: { 'interpreter.wasm': interpreter.bytes, 'decode-tables.bin': decodeTables },
    facts: { runBytes: interpreter.runBytes, cases: interpreter.cases.length, hotCases: interpreter.cases.filter(c => c.hot).length, coreDataBase: region('coreData').base },
  };
}
