// What every kind of stop may carry beside its place: a condition, a hit count, a log message instead of the stop. The protocol has room for all
// three only with breakpoints in source lines; elsewhere a condition may end in `; hits >= 10` and `; log leaf {leaf}`.
import { parseHitCondition, type HitCondition } from './hit-condition';
import { parseLogMessage, type LogPart } from './log-message';

export interface RuleRequest { readonly condition?: string; readonly hitCondition?: string; readonly logMessage?: string }

/** Takes `; hits ...` and `; log ...` off the end of a condition. What the request says by itself counts more. */
export function splitCondition({ condition = '', hitCondition, logMessage }: RuleRequest): RuleRequest {
  const [, head, tail] = /^(.*?)(?:;\s*log\s(.*))?$/s.exec(condition)!, [, plain, hits] = /^(.*?)(?:;\s*hits\s+([^;]*))?$/s.exec(head)!;
  const [text, count, message] = [plain.trim(), hitCondition ?? hits?.trim(), logMessage ?? tail?.trim()];
  return { ...text !== '' && { condition: text }, ...count !== undefined && { hitCondition: count }, ...message !== undefined && { logMessage: message } };
}

/** `S`: what a condition is asked about. */
export class StopRules<S> {
  private readonly holds?: (subject: S) => boolean;
  private readonly counted?: HitCondition;
  /** A log point: it prints and does not stop. */
  readonly message?: readonly LogPart[];
  private hits = 0;

  /** Throws an Error with the reason when a text has a mistake. */
  constructor(request: RuleRequest, compile: (text: string) => (subject: S) => boolean) {
    const { condition, hitCondition, logMessage } = splitCondition(request);
    if (condition !== undefined) this.holds = compile(condition);
    if (hitCondition !== undefined) {
      this.counted = parseHitCondition(hitCondition);
      if (!this.counted) throw new Error(`${hitCondition} is not a hit count: give a number, or one after >, >=, <, <=, == or %.`);
    }
    if (logMessage !== undefined) this.message = parseLogMessage(logMessage);
  }

  /** Whether the stop is wanted (or its message is to be printed): the condition holds and the hit count is reached. */
  ask(subject: S): boolean {
    if (this.holds && !this.holds(subject)) return false;
    this.hits++;
    return !this.counted || this.counted(this.hits);
  }
}

/** A log message with its expressions replaced. */
export function logText(parts: readonly LogPart[], format: (expression: string) => string): string {
  return parts.map(part => 'text' in part ? part.text : format(part.expression)).join('');
}
