// Builds the interpreter at build time: one module whose run loop is a br_table over the hot cases, with the others as functions of a
// table. Node 20's WebAssembly compiler loses 1.4 to 1.7 times when the loop passes some 50 KB: `runBytes` is checked by a test.
//
// run():  budget, TLB base and generation in locals; per block one subtraction; per instruction one br_table.
import { enumerateCases, type Case } from './cases';
import type { Definition } from './definitions';
import { coreFunctions, InterpreterContext, labels, runLocals } from './interpreter-context';
import { blockHeaderBytes, cpuCell, machineCell, recordBytes, recordFields as record } from './state-layout';
import { assembleModule, I32, I64, Local, type FunctionBody, TypeSection, V128, VOID } from './wasm-emitter';

export interface Interpreter {
  readonly bytes: Uint8Array;
  readonly cases: readonly Case[];
  /** Size of the body of `run`. */
  readonly runBytes: number;
}

/** Largest memory that the modules import: 4 GiB in pages of 64 KiB. */
export const memoryPages = { min: 1, max: 65536 } as const;

/** What `proceed` of the core is told: how the last instruction ended. The first three are what procedures return. */
export const endings = { next: 0, abort: 1, jumped: 2, fault: 3 } as const;

export function buildInterpreter(definitions: readonly Definition[]): Interpreter {
  const cases = enumerateCases(definitions);
  const hot = cases.filter(c => c.hot), cold = cases.filter(c => !c.hot && !c.procedure), procedures = cases.filter(c => c.procedure);
  const firstProcedure = hot.length + cold.length;
  const procedureNames = [...new Set(procedures.map(c => c.procedure!))];
  const status = { params: [I32], results: [I32] };
  const imports = [...coreFunctions, ...procedureNames.map(name => ({ name, type: status }))];
  const types = new TypeSection(), functions: FunctionBody[] = [];
  const e = new InterpreterContext(imports.map(i => i.name));
  const temporaries32 = 16, temporariesVector = 16;

  // condition(code): shared by SETcc, CMOVcc and such
  e.restart();
  e.place('function', { first32: 1, firstVector: 1 + temporaries32, first64: 1 + temporaries32 + temporariesVector });
  let most64 = 1;
  const codes = Array.from({ length: 16 }, (_, n) => `code${n}`);
  for (const label of [...codes].reverse()) e.open('block', label);
  e.get(runLocals.pc);
  e.branchTable(codes.slice(0, 15), 'code15');
  for (let code = 0; code < 16; code++) { e.close(); e.get(e.conditionOf(code)); e.emit('return'); most64 = Math.max(most64, e.maxUsed.i64); }
  e.emit('unreachable', 'end');
  const locals = (): [number, number][] => [[temporaries32, I32], [temporariesVector, V128], [Math.max(most64, e.maxUsed.i64), I64]];
  e.conditionFunction = imports.length;
  functions.push({ type: status, locals: locals(), code: e.take(), hints: e.branchHints });

  // out-of-line cases
  for (const c of cold) {
    e.restart();
    e.place('function', { first32: 1, firstVector: 1 + temporaries32, first64: 1 + temporaries32 + temporariesVector });
    most64 = 1;
    e.emitCase(c);
    e.i32(0); e.emit('end');
    functions.push({ type: status, locals: locals(), code: e.take(), hints: e.branchHints });
  }

  // the run loop
  const fixed32 = 5, generation = fixed32 + temporaries32 + temporariesVector;
  e.restart();
  e.place('run loop', { first32: fixed32, firstVector: fixed32 + temporaries32, first64: generation + 1, generation });
  const { pc, block, budget, nextBlock, tlb } = runLocals;
  const cpu = (name: string): number => cpuCell(name).address;
  const load = (address: number, into: Local, wide = false): void => { e.i32(0); e.memory(wide ? 'i64_load' : 'i32_load', address); e.set(into); };
  /** After the core may have changed anything: which block next (0 leaves), budget, TLB. */
  const proceed = (): void => {
    e.callCore('proceed');
    e.set(block);
    load(machineCell('budget').address, budget);
    load(cpu('tlbBase'), tlb);
    load(cpu('tlbGeneration'), new Local(generation), true);
  };
  const proceedAnd = (status: () => void): void => { status(); proceed(); e.get(block); e.branchIf(labels.outer); e.branch(labels.exit); };
  const callCase = (): void => { e.emit('call_indirect'); e.unsigned(types.indexOf(status)); e.unsigned(1); };
  e.regionType = types.indexOf(status);
  e.open('block', labels.exit);
  e.open('loop', '$again');                                                           // budget is saved, CPU_RIP is where to go on
  e.i32(endings.jumped); proceed();
  e.get(block); e.emit('i32_eqz'); e.branchIf(labels.exit);

  e.open('loop', labels.outer);
  // a block that does not fit in the budget goes back to the core, which makes a shorter one or handles what is due
  e.get(budget); e.get(block); e.memory('i32_load', 0); e.emit('i32_sub'); e.tee(budget); e.i32(0); e.emit('i32_lt_s');
  e.if(VOID, false);
  e.get(budget); e.get(block); e.memory('i32_load', 0); e.emit('i32_add'); e.set(budget);
  e.saveBudget();
  e.saveRip(block, blockHeaderBytes + record.pageOffset);
  e.branch('$again');
  e.close();
  e.get(block); e.i32(blockHeaderBytes); e.emit('i32_add'); e.set(pc);

  e.open('block', labels.abandoned);
  e.open('block', labels.fault);
  e.open('block', labels.newBlock);
  e.open('block', labels.unlinked);
  e.open('loop', labels.next);
  e.open('block', '$cold');
  const hotLabels = hot.map((_, n) => `hot${n}`);
  for (const label of [...hotLabels].reverse()) e.open('block', label);
  e.get(pc); e.memory('i32_load16_u', record.caseId);
  e.branchTable(hotLabels, '$cold');
  const step = (): void => { e.get(pc); e.i32(recordBytes); e.emit('i32_add'); e.set(pc); e.branch(labels.next); };
  for (const c of hot) {
    e.close();
    e.emitCase(c);
    if (c.definition.endsBlock) e.emit('unreachable'); else step();
  }
  e.close();                                                                          // $cold
  e.get(pc); e.memory('i32_load16_u', record.caseId); e.i32(firstProcedure); e.emit('i32_lt_u');
  e.if();
  e.saveBudget();
  e.i32(0); e.get(block); e.memory('i32_store', cpu('block'));
  e.get(pc); e.get(pc); e.memory('i32_load16_u', record.caseId); callCase();
  e.branchIf(labels.fault);
  step();
  e.close();
  e.saveBudget();
  e.saveRip(pc, record.pageOffset);
  e.i32(0); e.get(pc); e.memory('i32_load8_u', record.length); e.memory('i32_store', cpu('instructionLength'));
  proceedAnd(() => { e.get(pc); e.get(pc); e.memory('i32_load16_u', record.caseId); callCase(); });
  e.close();                                                                          // $next
  e.emit('unreachable');
  e.close();                                                                          // $unlinked
  e.emitUnlinked();
  e.close();                                                                          // $newBlock
  e.get(nextBlock); e.tee(block); e.branchIf(labels.outer);
  e.branch('$again');
  e.close();                                                                          // $fault: take back what was not retired
  e.get(budget); e.get(block); e.memory('i32_load', 0); e.emit('i32_add'); e.get(pc); e.memory('i32_load8_u', record.ordinal); e.emit('i32_sub'); e.set(budget);
  e.saveBudget();
  e.saveRip(pc, record.pageOffset);
  e.close();                                                                          // $abandoned: budget and RIP are saved
  proceedAnd(() => e.i32(endings.fault));
  e.close();                                                                          // $outer
  e.close();                                                                          // $again
  e.close();                                                                          // $exit
  e.emit('end');
  const runBytes = e.emitted;
  const runLocalTypes: [number, number][] = [[fixed32 + temporaries32, I32], [temporariesVector, V128], [1 + e.maxUsed.i64, I64]];
  functions.push({ type: { params: [], results: [] }, locals: runLocalTypes, code: e.take(), hints: e.branchHints, exportName: 'run' });

  const functionOfCase = cases.map(c => {
    if (c.hot) return imports.length;                                                 // never called through the table
    if (!c.procedure) return imports.length + 1 + (c.id - hot.length);
    return imports.findIndex(i => i.name === c.procedure);
  });
  const bytes = assembleModule({ importModule: 'core', imports, memoryPages, functions, importedTable: 'translations', table: functionOfCase }, types);
  return { bytes, cases, runBytes };
}
