// Hit counts as VS Code users write them: `5` or `>= 5` (from the fifth hit on), `> 5`, `< 5`, `<= 5`, `== 5`, `% 5` (every fifth).

export type HitCondition = (hits: number) => boolean;

/** Reads a hit condition; undefined when it is none. */
export function parseHitCondition(text: string): HitCondition | undefined {
  const [, operator = '>=', digits] = /^\s*(>=|<=|==|=|>|<|%)?\s*(\d{1,15})\s*$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const count = Number(digits);
  switch (operator) {
    case '>': return hits => hits > count;
    case '<': return hits => hits < count;
    case '<=': return hits => hits <= count;
    case '=': case '==': return hits => hits === count;
    case '%': return count === 0 ? undefined : hits => hits % count === 0;
    default: return hits => hits >= count;
  }
}
