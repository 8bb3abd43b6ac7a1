// Any text as an expression, an assignment, a completion or the name of a VMCS: answered, or refused with the reason, and never slowly.
import { afterAll, beforeAll, expect, it } from 'vitest';
import fc from 'fast-check';
import { SessionDriver } from './session-driver';

const session = new SessionDriver(), frames: number[] = [], seed = Number(process.env.ABYME_SEED ?? 7), runs = Number(process.env.ABYME_RUNS ?? 150);
beforeAll(async () => {
  await session.start();
  for (const { threadId } of await session.levels()) frames.push((await session.stack(threadId))[0].id);
});
afterAll(() => session.end());

const piece = fc.constantFrom('rax', 'L1', 'L2.rip', '.', '!', '[', ']', '(', ')', '0x10', '5', '+', '-', '*', '&', '->', 'vmcs12', 'vmcs@0x1000', 'vmcs', 'msr', 'msr.efer', 'hints', 'leaf', 'cr0.pg', 'phys:',
  'gpa1:', 'u8', 'i64', "'x'", 'exit', 'GUEST_RIP', 'xmm0', 'L3!main', '@last', 'walk', 'diff', '12', 'of', 'at', 'x/4xg', 'dis', '=', ' ', 'rip', 'cs', '99999999999999999999', 'level');
const text = fc.oneof(fc.array(piece, { maxLength: 10 }).map(pieces => pieces.join('')), fc.array(piece, { maxLength: 8 }).map(pieces => pieces.join(' ')), fc.string());

/** Sends a request that may fail, but not by a bug of ours. */
async function ask(command: string, args: object): Promise<void> {
  await session.request(command, args).catch((error: Error) => { expect(error.message, `${command} ${JSON.stringify(args)}`).not.toMatch(/bug of the debugger/); });
}

it('any text is answered', async () => {
  await fc.assert(fc.asyncProperty(text, text, fc.nat(3), fc.constantFrom('watch', 'repl', 'hover'), async (expression, value, level, context) => {
    const frameId = frames[level];
    await ask('evaluate', { expression, frameId, context });
    await ask('completions', { text: expression, column: expression.length + 1, frameId });
    await ask('setExpression', { expression, value, frameId });
    await ask('abyme/vmcsText', { name: expression });
  }), { numRuns: runs, seed });
});

it.each(['a.', 'a->', 'L1.', '[', 'a[1]', '*', 'vmcs.', '(', 'x'])('%s, four thousand times, too', async part => {
  const long = part.repeat(4000);
  await ask('completions', { text: long, column: long.length + 1, frameId: frames[0] });
  await ask('evaluate', { expression: long, frameId: frames[0], context: 'watch' });
}, 5000);
