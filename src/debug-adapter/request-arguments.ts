// Reading the arguments of a request, which come from outside: every access checks the type and names what is wrong. The same reader serves
// the attributes of a launch configuration, whose mistakes are another row of the user errors.
import { UserError } from './user-errors';

const integerRange = { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER };

export class ArgumentReader {
  private constructor(private readonly values: Readonly<Record<string, unknown>>, private readonly command: string, private readonly path: string, private readonly launch: boolean) {}

  /** Arguments of a request; absent arguments are an empty object. */
  static ofRequest(command: string, args: unknown): ArgumentReader { return new ArgumentReader(asRecord(args ?? {}, command), command, '', false); }
  /** Attributes of a launch configuration. */
  static ofLaunch(args: unknown): ArgumentReader { return new ArgumentReader(asRecord(args ?? {}, 'launch'), 'launch', '', true); }

  /** Everything, unread. */
  all(): Readonly<Record<string, unknown>> { return this.values; }
  has(name: string): boolean { return this.values[name] !== undefined && this.values[name] !== null; }

  string(name: string): string { return this.need(name, 'a string', value => typeof value === 'string') as string; }
  number(name: string, { min, max } = integerRange): number {
    const expected = min === integerRange.min && max === integerRange.max ? 'an integer' : `an integer from ${min} to ${max}`;
    return this.need(name, expected, value => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) as number;
  }
  boolean(name: string): boolean { return this.need(name, 'true or false', value => typeof value === 'boolean') as boolean; }
  oneOf<T extends string>(name: string, choices: readonly T[]): T {
    return this.need(name, choices.map(choice => `"${choice}"`).join(' or '), value => choices.includes(value as T)) as T;
  }
  record(name: string): ArgumentReader {
    const value = this.need(name, 'an object', value => typeof value === 'object' && value !== null && !Array.isArray(value));
    return new ArgumentReader(value as Record<string, unknown>, this.command, `${this.path}${name}.`, this.launch);
  }
  list(name: string): ArgumentReader[] {
    const value = this.need(name, 'a list of objects', value => Array.isArray(value) && value.every(item => typeof item === 'object' && item !== null && !Array.isArray(item)));
    return (value as Record<string, unknown>[]).map((item, i) => new ArgumentReader(item, this.command, `${this.path}${name}[${i}].`, this.launch));
  }
  strings(name: string): string[] { return this.need(name, 'a list of strings', value => Array.isArray(value) && value.every(item => typeof item === 'string')) as string[]; }
  numbers(name: string): number[] { return this.need(name, 'a list of integers', value => Array.isArray(value) && value.every(Number.isSafeInteger)) as number[]; }
  /** An object whose values are all strings. */
  stringMap(name: string): Record<string, string> {
    return this.need(name, 'an object of strings', value => typeof value === 'object' && value !== null && Object.values(value).every(item => typeof item === 'string')) as Record<string, string>;
  }
  /** Reads with `read` unless the argument is absent. */
  optional<T>(name: string, read: (name: string) => T): T | undefined { return this.has(name) ? read.call(this, name) : undefined; }
  optionalString(name: string): string | undefined { return this.optional(name, this.string); }
  /** A linear address as text. */
  optionalAddress(name: string): string | undefined {
    return this.optional(name, each => this.need(each, 'an address, such as "0x400000"', value => typeof value === 'string' && /^(0x[0-9a-f]{1,16}|\d{1,19})$/i.test(value))) as string | undefined;
  }
  optionalNumber(name: string, range = integerRange): number | undefined { return this.optional(name, name => this.number(name, range)); }
  optionalList(name: string): ArgumentReader[] { return this.optional(name, this.list) ?? []; }

  private need(name: string, expected: string, holds: (value: unknown) => boolean): unknown {
    const value = this.values[name];
    if (holds(value)) return value;
    const shown = value === undefined ? 'absent' : shorten(JSON.stringify(value) ?? String(value));
    throw this.launch ? new UserError('badLaunchArgument', { name: this.path + name, expected, value: shown })
      : new UserError('badArgument', { command: this.command, name: this.path + name, expected, value: shown });
  }
}

function asRecord(args: unknown, command: string): Readonly<Record<string, unknown>> {
  if (typeof args === 'object' && args !== null && !Array.isArray(args)) return args as Record<string, unknown>;
  throw new UserError('badArgument', { command, name: 'arguments', expected: 'an object', value: shorten(JSON.stringify(args) ?? String(args)) });
}

const shorten = (text: string): string => text.length > 80 ? `${text.slice(0, 77)}...` : text;
