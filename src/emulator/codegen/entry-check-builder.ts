// Writes the entry checks as AssemblyScript: one function each for controls, host state and guest state, fused from the rows of
// spec/entry-checks. Each returns 0, or 1 + the number of the first row that fails. The rows, not this text, are the source.
// Facts about the processor are imported from core/processor-facts; those of the model are read from its table (processor-table.ts), so that
// one function serves every model. It is written for the widest one: rows that no model has are left out.
import type { Control, ControlRef, ControlWordName } from '../../spec/controls';
import { controlByRef, controlWordNames, controlWordTraits, controlWords, isControlRef } from '../../spec/controls';
import { checkExists } from '../../spec/entry-check-evaluation';
import { factsOf, fieldsOf, isBoolean, partsOf } from '../../spec/entry-check-language';
import type { BinaryOperator, Expression, LanguageFunction } from '../../spec/entry-check-language';
import { entryChecks } from '../../spec/entry-checks';
import type { EntryCheck } from '../../spec/entry-checks';
import { hasControl } from '../../spec/processor-models';
import type { ProcessorModel } from '../../spec/processor-models';
import { vmcsFieldById, vmcsOffset } from '../../spec/vmcs-fields';
import type { VmcsFieldId } from '../../spec/vmcs-fields';
import { identifierOf } from './processor-table';
import { cell, processorCells } from './state-layout';

const controlSections = ['controls.exec', 'controls.exit', 'controls.entry'];
const guestSections = ['guest.crMsr', 'guest.segments', 'guest.descriptorTables', 'guest.ripRflagsSsp', 'guest.nonRegister', 'guest.pdptes'];

/**
 * Functions of the generated module, with the sections whose rows they run, in order. Those that repeat a check run the rows that can fail in
 * a VMCS that has passed all of them and of which only `uncheckedFields` were written since: rows that look at these or at other memory.
 */
const functions: readonly (readonly [name: string, sections: readonly string[], repeats?: boolean])[] = [
  ['checkControls', controlSections],
  ['checkHostState', ['host.crMsr', 'host.segments', 'host.addressSpace']],
  ['checkGuestState', guestSections],
  ['recheckControls', controlSections, true],
  ['recheckGuestState', guestSections, true],
];

/** Fields that nearly every exit handler writes, or a hypervisor under another one with VMCS shadowing. */
const uncheckedFields: readonly VmcsFieldId[] = ['GUEST_RIP', 'GUEST_RSP', 'VMCS_LINK_POINTER'];

function canFailAgain(row: EntryCheck): boolean {
  return [...partsOf(row.when), ...partsOf(row.require)].some((part) => (part.kind === 'fact' && memoryFacts[part.name] !== undefined)
    || (part.kind === 'field' && uncheckedFields.includes(part.id as VmcsFieldId)));
}

/** Facts that need a field to be found: getter and the field that it is given. */
const memoryFacts: Readonly<Record<string, readonly [getter: string, field: VmcsFieldId]>> = {
  'memory.vtpr': ['virtualTpr', 'VIRTUAL_APIC_ADDRESS'],
  'memory.linkRevision': ['linkedRevision', 'VMCS_LINK_POINTER'],
  'memory.linkShadowBit': ['linkedShadowBit', 'VMCS_LINK_POINTER'],
  'memory.pdptesValid': ['pdptesValid', 'GUEST_CR3'],
};

const literal = (value: bigint): string => (value > 9n ? `0x${value.toString(16)}` : String(value));

/** A piece of code, and its value where that is known now. */
interface Code {
  readonly text: string;
  readonly boolean: boolean;
  readonly constant?: bigint;
  /** The opposite condition, where it reads better than a negation. */
  readonly opposite?: string;
}

const constant = (value: bigint, boolean = false): Code => ({ text: boolean ? String(value !== 0n) : `<u64>${literal(value)}`, boolean, constant: value });

/** Emits the expressions of one function, remembering what they use. */
class FunctionWriter {
  readonly imports = new Set<string>();
  private readonly uses = new Map<VmcsFieldId, number>();

  constructor(private readonly model: ProcessorModel, rows: readonly EntryCheck[]) {
    for (const row of rows) for (const part of [...partsOf(row.when), ...partsOf(row.require)]) this.count(part);
  }

  private count(part: Expression): void {
    if (part.kind === 'fact' && memoryFacts[part.name] !== undefined) this.use(memoryFacts[part.name]![1]);
    if (part.kind === 'field' || part.kind === 'allowed' || part.kind === 'control') for (const field of fieldsOf(part)) this.use(field);
  }

  private use(field: VmcsFieldId): void {
    this.uses.set(field, (this.uses.get(field) ?? 0) + 1);
  }

  /** Locals of the function: fields used more than once, and the control words as they count. */
  locals(): string[] {
    const lines = [...this.uses].filter(([field, uses]) => uses > 1 && !isControlField(field)).map(([field]) => `const ${field} = load<u64>(vmcs, ${vmcsOffset(field)});`);
    const words = (Object.keys(controlWordTraits) as ControlWordName[]).filter((word) => this.offers(word));
    return [...words.map((word) => `const ${word} = ${this.effectiveWord(word)};`), ...lines];
  }

  private offers(word: ControlWordName): boolean {
    return (controlWords[word] as readonly Control[]).some((row) => hasControl(this.model, `${word}.${row.id}` as ControlRef));
  }

  private effectiveWord(word: ControlWordName): string {
    const { activatedBy, field } = controlWordTraits[word];
    const value = `load<u64>(vmcs, ${vmcsOffset(field as VmcsFieldId)})`;
    return activatedBy === undefined ? value : `${this.control(activatedBy).text} ? ${value} : 0`;
  }

  private field(id: VmcsFieldId): Code {
    return { text: (this.uses.get(id) ?? 0) > 1 && !isControlField(id) ? id : `load<u64>(vmcs, ${vmcsOffset(id)})`, boolean: false };
  }

  /** A control that the model lacks is 0: the check of its word's reserved bits has refused it before. */
  private control(ref: ControlRef): Code {
    if (!hasControl(this.model, ref)) return constant(0n, true);
    return condition(`(${ref.split('.')[0]} & ${literal(1n << BigInt(controlByRef(ref).bit))})`, '!=', '0');
  }

  private allowed(word: ControlWordName): Code {
    const of = (name: string): string => `load<u64>(${cell(processorCells, name).address + 8 * controlWordNames.indexOf(word)})`;
    return condition(`(${word} & ${of('allowedMask')})`, '=', of('allowedValue'));
  }

  private fact(name: string): Code {
    const memory = memoryFacts[name];
    const getter = memory?.[0] ?? identifierOf(name);
    this.imports.add(getter);
    return { text: memory === undefined ? `${getter}()` : `${getter}(${this.field(memory[1]).text})`, boolean: false };
  }

  /** The feature that a row needs, where a model may lack it and no reserved bit of a control word says so. */
  feature(row: EntryCheck): Code[] {
    if (row.feature === undefined || isControlRef(row.feature)) return [];
    const getter = identifierOf(`feature.${row.feature}`);
    this.imports.add(getter);
    return [condition(`${getter}()`, '!=', '0')];
  }

  emit(expression: Expression): Code {
    switch (expression.kind) {
      case 'number': return constant(expression.value);
      case 'field': return this.field(expression.id);
      case 'control': return this.control(expression.ref);
      case 'allowed': return this.allowed(expression.word);
      case 'fact': return this.fact(expression.name);
      case 'slice': return this.slice(expression.of, expression.high, expression.low);
      case 'not': return negate(this.condition(expression.of));
      case 'complement': return map(this.number(expression.of), (text) => `~${text}`, (value) => ~value & 0xffff_ffff_ffff_ffffn);
      case 'in': return this.membership(expression.of, expression.ranges);
      case 'call': return this.call(expression.name, expression.arguments);
      case 'binary': return this.binary(expression.operator, expression.left, expression.right);
    }
  }

  /** As a condition. */
  condition(expression: Expression): Code {
    if (expression.kind === 'slice') return this.maskedCompare(expression, '!=');
    const code = this.emit(expression);
    if (code.boolean) return code;
    return code.constant === undefined ? condition(code.text, '!=', '0') : constant(code.constant, true);
  }

  private number(expression: Expression): Code {
    const code = this.emit(expression);
    return code.boolean && code.constant === undefined ? { text: `<u64>(${code.text})`, boolean: false } : code.constant !== undefined ? constant(code.constant) : code;
  }

  private slice(of: Expression, high: number, low: number): Code {
    const word = this.number(of);
    const mask = (1n << BigInt(high - low + 1)) - 1n;
    const shifted = low === 0 ? word.text : `${word.text} >> ${low}`;
    return { text: high === 63 ? `(${shifted})` : `(${low === 0 ? shifted : `(${shifted})`} & ${literal(mask)})`, boolean: false };
  }

  /** A slice compared with 0, in place. */
  private maskedCompare(expression: Expression & { kind: 'slice' }, operator: '=' | '!='): Code {
    const mask = ((1n << BigInt(expression.high - expression.low + 1)) - 1n) << BigInt(expression.low);
    return condition(`(${this.number(expression.of).text} & ${literal(mask)})`, operator, '0');
  }

  /** Small values by a table of bits, others by comparison. */
  private membership(of: Expression, ranges: readonly (readonly [bigint, bigint])[]): Code {
    const value = this.number(of).text;
    const values = ranges.flatMap(([from, to]) => Array.from({ length: Number(to - from) + 1 }, (_, n) => from + BigInt(n)));
    if (values.length <= 2) return { text: `(${values.map((one) => `${value} == ${literal(one)}`).join(' || ')})`, boolean: true };
    const table = values.reduce((mask, one) => mask | (1n << one), 0n);
    return { text: `(${value} < 64 && ((<u64>${literal(table)} >> ${value}) & 1) != 0)`, boolean: true };
  }

  private call(name: LanguageFunction, args: readonly Expression[]): Code {
    if (name !== 'select') {
      this.imports.add(name);
      return { text: `${name}(${this.number(args[0]!).text})`, boolean: true };
    }
    const decider = this.condition(args[0]!);
    const [yes, no] = [this.number(args[1]!), this.number(args[2]!)];
    if (decider.constant !== undefined) return decider.constant !== 0n ? yes : no;
    return { text: `(${decider.text} ? ${yes.text} : ${no.text})`, boolean: false };
  }

  private binary(operator: BinaryOperator, left: Expression, right: Expression): Code {
    if (operator === 'and' || operator === 'or') return join(operator, this.condition(left), this.condition(right));
    if ((operator === '=' || operator === '!=') && left.kind === 'slice' && right.kind === 'number' && right.value === 0n) return this.maskedCompare(left, operator);
    const bothConditions = (operator === '=' || operator === '!=') && isBoolean(left) && isBoolean(right);
    const [a, b] = bothConditions ? [this.condition(left), this.condition(right)] : [this.number(left), this.number(right)];
    if (operator in opposites) return bothConditions ? condition(`(${a.text})`, operator as Comparison, `(${b.text})`) : condition(a.text, operator as Comparison, b.text);
    return { text: `(${a.text} ${operator} ${b.text})`, boolean: false };
  }
}

function isControlField(field: VmcsFieldId): boolean {
  return Object.values(controlWordTraits).some((traits) => traits.field === field);
}

function map(code: Code, text: (text: string) => string, value: (value: bigint) => bigint): Code {
  return code.constant === undefined ? { text: text(code.text), boolean: code.boolean } : constant(value(code.constant), code.boolean);
}

const opposites = { '=': '!=', '!=': '=', '<': '>=', '<=': '>', '>': '<=', '>=': '<' } as const;
type Comparison = keyof typeof opposites;

function condition(left: string, operator: Comparison, right: string): Code {
  const symbol = (one: Comparison): string => (one === '=' ? '==' : one);
  return { text: `${left} ${symbol(operator)} ${right}`, opposite: `${left} ${symbol(opposites[operator])} ${right}`, boolean: true };
}

function negate(code: Code): Code {
  if (code.opposite !== undefined) return { text: code.opposite, opposite: code.text, boolean: true };
  return code.constant === undefined ? { text: `!${code.text.startsWith('(') ? code.text : `(${code.text})`}`, opposite: code.text, boolean: true } : constant(BigInt(code.constant === 0n), true);
}

function join(operator: 'and' | 'or', left: Code, right: Code): Code {
  const deciding = operator === 'and' ? 0n : 1n;
  for (const [one, other] of [[left, right], [right, left]] as const) {
    if (one.constant !== undefined) return BigInt(one.constant !== 0n) === deciding ? constant(deciding, true) : other;
  }
  const symbol = operator === 'and' ? '&&' : '||';
  return { text: `(${left.text} ${symbol} ${right.text})`, boolean: true };
}

/** Rows that the machine runs at VM entry, in the order in which it runs them. */
export function generatedChecks(model: ProcessorModel): readonly EntryCheck[] {
  const sections = functions.flatMap(([, ids]) => ids);
  return entryChecks.filter((row) => sections.includes(row.section.id) && checkExists(row, model) && canGenerate(row));
}

function canGenerate(row: EntryCheck): boolean {
  return row.where === 'vmcs' || (row.where === 'memory' && [...factsOf(row.when), ...factsOf(row.require)].every((fact) => !fact.startsWith('memory.') || memoryFacts[fact] !== undefined));
}

/** The conditions that all must hold for an expression to hold. */
function conjuncts(expression: Expression): readonly Expression[] {
  return expression.kind === 'binary' && expression.operator === 'and' ? [...conjuncts(expression.left), ...conjuncts(expression.right)] : [expression];
}

/** A row costs one comparison: conditions that neighbouring rows share are tested once, in nested blocks. */
function functionText(model: ProcessorModel, name: string, rows: readonly EntryCheck[], imports: Set<string>): string[] {
  const writer = new FunctionWriter(model, rows);
  const body: string[] = [];
  const open: string[] = [];
  const indent = (): string => '  '.repeat(open.length + 1);
  const closeTo = (depth: number): void => { while (open.length > depth) { open.pop(); body.push(`${indent()}}`); } };
  for (const row of rows) {
    const require = writer.condition(row.require);
    const conditions = [...writer.feature(row), ...conjuncts(row.when).map((part) => writer.condition(part))].filter((code) => code.constant === undefined || code.constant === 0n);
    if (conditions.some((code) => code.constant === 0n) || (require.constant !== undefined && require.constant !== 0n)) continue;
    const shared = conditions.findIndex((code, depth) => open[depth] !== code.text);
    closeTo(shared < 0 ? conditions.length : shared);
    for (const code of conditions.slice(open.length)) {
      body.push(`${indent()}if (${code.text}) {`);
      open.push(code.text);
    }
    body.push(`${indent()}if (${negate(require).text}) return ${row.row + 1}; // ${row.id}`);
  }
  closeTo(0);
  for (const used of writer.imports) imports.add(used);
  return [`export function ${name}(vmcs: usize): u32 {`, ...writer.locals().map((line) => `  ${line}`), ...body, '  return 0;', '}'];
}

/**
 * The module core/generated/entry-checks.ts: `checkControls`, `checkHostState` and `checkGuestState`, each of the WASM address of a VMCS region,
 * what of them can fail again, `isRechecked`, whether the field of an encoding is among those that are looked at again, and `guestStateQualification`, the exit
 * qualification for what checkGuestState returned.
 */
export function entryChecksModule(model: ProcessorModel): string {
  const rows = generatedChecks(model);
  const imports = new Set<string>();
  const bodies = functions.flatMap(([name, ids, repeats]) => ['', ...functionText(model, name, rows.filter((row) => ids.includes(row.section.id) && (!repeats || canFailAgain(row))), imports)]);
  return [
    '// Generated from src/spec/entry-checks.ts.',
    `import { ${[...imports].sort().join(', ')} } from '../processor-facts';`,
    ...bodies, '', ...qualificationText(rows), '', ...recheckedText(),
  ].join('\n') + '\n';
}

function recheckedText(): string[] {
  const encodings = uncheckedFields.map((id) => `encoding == ${literal(BigInt(vmcsFieldById(id).encoding))}`);
  return [`@inline export function isRechecked(encoding: u64): bool { return ${encodings.join(' || ')}; }`];
}

function qualificationText(rows: readonly EntryCheck[]): string[] {
  const special = rows.flatMap((row) => {
    const qualification = Number(/^entry failure 33, qualification (\d+)$/.exec(row.outcome)?.[1] ?? 0);
    return qualification === 0 ? [] : [`  if (failed == ${row.row + 1}) return ${qualification}; // ${row.id}`];
  });
  return ['export function guestStateQualification(failed: u32): u64 {', ...special, '  return 0;', '}'];
}
