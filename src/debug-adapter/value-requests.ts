// The requests about values: variables, expressions, memory, VMCSs, and in which base numbers are shown. Arguments are checked here; the Target does the rest.
import type { DebugProtocol } from '@vscode/debugprotocol';
import { radixes, type Radix } from '../inspector/target/value-format';
import type { ChildrenWish } from '../inspector/target/variable-tree';
import type { CodeListing, VariableInfo } from '../inspector/target-types';
import type { ArgumentReader } from './request-arguments';
import type { TargetClient } from './target-client';
import { UserError } from './user-errors';

export interface ValueSurroundings {
  /** The Target; fails with a user error while nothing is launched. */
  client(command: string): TargetClient;
  /** Instructions as text, undefined where there is no disassembler. */
  listing(code: CodeListing): Promise<string | undefined>;
  /** Something was set that other values may depend on. */
  changed(): void;
}

type Handlers = Record<string, (args: ArgumentReader) => Promise<object>>;

export function valueRequests({ client, listing, changed }: ValueSurroundings): Handlers {
  const setting = async <T>(result: Promise<T>): Promise<T> => {
    const set = await result;
    changed();
    return set;
  };
  return {
    variables: async args => ({ variables: (await client('variables').call('variables', [args.number('variablesReference'), wishOf(args), radixOf(args)])).map(asVariable) }),
    setVariable: async args => asSet(await setting(client('setVariable').call('setVariable', [args.number('variablesReference'), args.string('name'), args.string('value'), radixOf(args)]))),
    setExpression: async args => asSet(await setting(client('setExpression').call('setExpression',
      [args.string('expression'), args.string('value'), args.optionalNumber('frameId'), radixOf(args)]))),
    evaluate: async args => {
      const expression = args.string('expression'), context = args.optionalString('context') ?? 'repl', target = client('evaluate');
      const info = await target.call('evaluate', [expression, args.optionalNumber('frameId'), context, radixOf(args)]), { value, type, reference, memory, readOnly, indexed } = info;
      if (context === 'repl' && /[^=!<>]=[^=]/.test(expression)) changed();
      const result = info.listing && await listing(info.listing) || value;
      return { result, type, variablesReference: reference, memoryReference: memory, ...indexed !== undefined && { indexedVariables: indexed }, ...readOnly && { presentationHint: { attributes: ['readOnly'] } } };
    },
    completions: async args => {
      const text = args.string('text'), column = args.number('column', { min: 0, max: 1e6 });
      const found = await client('completions').call('complete', [text.slice(0, Math.max(0, column - 1)), args.optionalNumber('frameId')]);
      return { targets: found.map(({ label, start, length }) => ({ label, start, length })) };
    },
    readMemory: async args => {
      const count = args.number('count', { min: 0, max: 1 << 24 });
      const { address, bytes, unreadable } = await client('readMemory').call('readMemory', [args.string('memoryReference'), args.optionalNumber('offset') ?? 0, count]);
      return { address, data: toBase64(bytes), ...unreadable > 0 && { unreadableBytes: unreadable } };
    },
    writeMemory: async args => ({
      bytesWritten: await setting(client('writeMemory').call('writeMemory', [args.string('memoryReference'), args.optionalNumber('offset') ?? 0, fromBase64(args)])),
    }),
    'abyme/setFormat': async args => {
      await client('abyme/setFormat').call('setFormat', [args.oneOf<Radix>('radix', radixes)]);
      changed();
      return {};
    },
    'abyme/vmcss': async () => ({ vmcss: await client('abyme/vmcss').call('vmcss', []) }),
    'abyme/vmcsText': async args => ({ text: await client('abyme/vmcsText').call('vmcsText', [args.string('name'), args.optionalNumber('frameId')]) }),
    'abyme/chooseLevels': async args => {
      await client('abyme/chooseLevels').call('chooseLevels', [args.optionalNumber('only', { min: 0, max: 255 }), args.optional('muted', name => args.numbers(name)) ?? []]);
      return {};
    },
  };
}

/** ValueFormat of the protocol: hexadecimal for this answer alone. */
function radixOf(args: ArgumentReader): Radix | undefined {
  const format = args.optional('format', name => args.record(name));
  return format?.optional('hex', name => format.boolean(name)) ? 'hexadecimal' : undefined;
}

/** A part of the children. */
function wishOf(args: ArgumentReader): ChildrenWish {
  const natural = { min: 0, max: 2 ** 31 };
  return { start: args.optionalNumber('start', natural), count: args.optionalNumber('count', natural), filter: args.optional('filter', name => args.oneOf(name, ['indexed', 'named'])) };
}

function asVariable({ name, value, type, reference, memory, readOnly, evaluateName, menu, indexed }: VariableInfo): DebugProtocol.Variable {
  return {
    name, value, variablesReference: reference, ...type !== undefined && { type }, ...memory !== undefined && { memoryReference: memory }, ...evaluateName !== undefined && { evaluateName },
    ...readOnly && { presentationHint: { attributes: ['readOnly'] } }, ...indexed !== undefined && { indexedVariables: indexed },
    // The name by which VS Code finds the menu of a variable.
    ...menu !== undefined && { __vscodeVariableMenuContext: `abyme.${menu}` },
  };
}

const asSet = ({ value, type, reference, memory }: Pick<VariableInfo, 'value' | 'type' | 'reference' | 'memory'>): object => ({ value, type, variablesReference: reference, memoryReference: memory });

/** Base64 without Buffer, which a browser does not have. */
function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(binary);
}

function fromBase64(args: ArgumentReader): Uint8Array {
  const data = args.string('data');
  try {
    return Uint8Array.from(atob(data), character => character.charCodeAt(0));
  } catch {
    throw new UserError('badArgument', { command: 'writeMemory', name: 'data', expected: 'base64', value: data.slice(0, 40) });
  }
}
