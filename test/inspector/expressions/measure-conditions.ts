// Evaluates a condition on the recorded exit of a context again and again; bundled by the speed test.
import { compileCondition } from '../../../src/inspector/expressions/compile';
import { CurrentExit } from '../../../src/inspector/expressions/current-exit';
import type { ExpressionScope } from '../../../src/inspector/expressions/scope';
import { Context } from '../../../src/inspector/levels/context';
import { VmcsSpace } from '../../../src/inspector/levels/believed-vmcs';
import { word } from '../../../src/inspector/levels/event-words';

export function measureConditions(text: string): { perSecond: number; hits: number } {
  const contexts = [1, 2, 3].map(level => {
    const context = new Context(level, 0, level, undefined, 0x1000, new VmcsSpace(), 0);
    context.switches = 1;
    context.last.words[word.aux] = 10;
    context.last.words[word.gpr] = level === 1 ? 0xd : 1;
    return context;
  });
  const exit = new CurrentExit(), condition = compileCondition(text, { isExit: true });
  const scope: ExpressionScope = { exit, level: 0, vcpu: 0, register: () => undefined, vmcs: () => undefined, symbol: () => undefined, read: () => undefined };
  let hits = 0, best = Infinity;
  const rounds = 300_000;
  for (let run = 0; run < 5; run++) {
    const started = performance.now();
    for (let n = 0; n < rounds; n++) {
      exit.of(contexts[n % 3]);
      if (condition(scope)) hits++;
    }
    best = Math.min(best, performance.now() - started);
  }
  return { perSecond: rounds / best * 1000, hits: hits / 5 };
}
