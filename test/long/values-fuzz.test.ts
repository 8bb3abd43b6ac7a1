// Any value set anywhere, in every scope of every level: the session answers, and the machine goes on or ends in order.
import { expect, it } from 'vitest';
import fc from 'fast-check';
import { SessionDriver } from '../debug-adapter/session-driver';
import { seed } from './seed';

const sessions = Number(process.env.ABYME_RUNS ?? 20);

const values = fc.constantFrom('0', '1', '0xffffffffffffffff', '0x8000000000000000', '-1', '42', 'rax', '0x1000', '0xfee00000', 'true', 'nonsense', '0xffff', '255');
const isBug = (message: string): boolean => /bug of the debugger|failed while the machine ran/.test(message);

it.each(Array.from({ length: sessions }, (_, n) => n))('session %i', async n => {
  const session = new SessionDriver(), bugs: string[] = [], note = (error: Error): void => { if (isBug(error.message)) bugs.push(error.message); };
  await session.start();
  const nodes: { readonly holder: number; readonly name: string }[] = [];
  for (const { threadId } of await session.levels()) {
    for (const { variablesReference } of await session.scopes((await session.stack(threadId))[0].id)) {
      const open: [reference: number, depth: number][] = [[variablesReference, 0]];
      for (let next = open.pop(); next; next = open.pop()) {
        for (const each of await session.variables(next[0])) {
          nodes.push({ holder: next[0], name: each.name });
          if (each.variablesReference > 0 && next[1] < 2 && nodes.length < 20_000) open.push([each.variablesReference, next[1] + 1]);
        }
      }
    }
  }
  for (const [at, value] of fc.sample(fc.tuple(fc.nat(1e6), values), { numRuns: 400, seed: seed + n })) {
    const { holder, name } = nodes[at % nodes.length];
    await session.request('setVariable', { variablesReference: holder, name, value }).catch(note);
  }
  for (const { threadId } of await session.levels()) await session.stack(threadId).catch(note);
  for (let turn = 0; turn < 3; turn++) {
    const halted = Promise.race([session.client.next('stopped'), session.client.next('exited')]);
    await session.request('continue', { threadId: 1 }).catch(note);
    await Promise.race([halted, new Promise(resolve => setTimeout(resolve, 300))]);
    await session.request('pause', { threadId: 1 }).catch(note);
    await Promise.race([halted, new Promise(resolve => setTimeout(resolve, 3000))]);
    // it may have ended: then it says so
    await session.request('threads').catch(note);
  }
  for (const { event, body } of session.client.events) if (event === 'output' && isBug(String(body.output))) bugs.push(String(body.output));
  await session.end();
  expect(bugs).toEqual([]);
}, 600_000);
