// Command-line options: `--name value`, `--name=value` and switches, checked against the names that the command knows.

export class UsageError extends Error {}

export interface Options {
  /** Words that belong to no option. */
  readonly rest: readonly string[];
  value(name: string): string | undefined;
  values(name: string): readonly string[];
  has(name: string): boolean;
  /** Throws UsageError for what is no integer of that range. */
  integer(name: string, min: number, max: number): number | undefined;
  /** Throws UsageError for what is none of these. */
  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined;
}

/** Splits the words of a command line. `valued` are names that take a value, `switches` those that take none. */
export function parseOptions(words: readonly string[], valued: readonly string[], switches: readonly string[]): Options {
  const rest: string[] = [], found = new Map<string, string[]>();
  for (let i = 0; i < words.length; i++) {
    const [, name, inline] = /^--([a-z-]+)(?:=(.*))?$/s.exec(words[i]) ?? [];
    if (name === undefined) rest.push(words[i]);
    else if (switches.includes(name) && inline === undefined) found.set(name, []);
    else if (valued.includes(name)) {
      const value = inline ?? words[++i];
      if (value === undefined) throw new UsageError(`--${name} needs a value.`);
      found.set(name, [...found.get(name) ?? [], value]);
    } else throw new UsageError(`There is no option ${words[i]} here.`);
  }
  return {
    rest,
    value: name => found.get(name)?.at(-1),
    values: name => found.get(name) ?? [],
    has: name => found.has(name),
    oneOf: (name, choices) => {
      const text = found.get(name)?.at(-1), choice = choices.find(each => each === text);
      if (text !== undefined && choice === undefined) throw new UsageError(`There is no ${name} ${text}: choose ${choices.join(', ')}.`);
      return choice;
    },
    integer: (name, min, max) => {
      const text = found.get(name)?.at(-1);
      if (text === undefined) return undefined;
      const value = Number(text);
      if (!/^\d+$/.test(text) || value < min || value > max) throw new UsageError(`--${name} must be an integer from ${min} to ${max}, not ${text}.`);
      return value;
    },
  };
}
