// Everything that the build writes for the engine, from the tables: the core's constants and the interpreter.
import { defaultProcessorModel } from '../../spec/processor-models';
import { instructions } from '../instructions';
import { cpuidModule, decoderModule, layoutModule, vmcsOffsetTable, vmxModule } from './core-constants';
import { buildDecodeTables } from './decoder-builder';
import { deviceLayoutModule } from './device-layout';
import { entryChecksModule, processorValuesModule } from './entry-check-builder';
import { buildInterpreter } from './interpreter-builder';
import { region } from './state-layout';

export interface EngineFiles {
  /** AssemblyScript modules for core/generated, by name without extension. */
  readonly constants: Record<string, string>;
  /** Files for dist. */
  readonly binaries: Record<string, Uint8Array>;
  readonly facts: { readonly runBytes: number; readonly cases: number; readonly hotCases: number; readonly coreDataBase: number };
}

export function engineFiles(): EngineFiles {
  const model = defaultProcessorModel;
  const interpreter = buildInterpreter(instructions.definitions);
  const decodeTables = buildDecodeTables(instructions.definitions, interpreter.cases);
  // one file for the façade: decode tables, then the VMCS offsets (the regions are adjacent)
  const offsets = vmcsOffsetTable(), tables = new Uint8Array(decodeTables.length + offsets.length);
  tables.set(decodeTables);
  tables.set(offsets, decodeTables.length);
  return {
    constants: {
      layout: layoutModule(), vmx: vmxModule(model), decoder: decoderModule(interpreter.cases), cpuid: cpuidModule(model), devices: deviceLayoutModule(),
      'entry-checks': entryChecksModule(model), 'processor-values': processorValuesModule(model),
    },
    binaries: { 'interpreter.wasm': interpreter.bytes, 'decode-tables.bin': tables },
    facts: { runBytes: interpreter.runBytes, cases: interpreter.cases.length, hotCases: interpreter.cases.filter(c => c.hot).length, coreDataBase: region('coreData').base },
  };
}
