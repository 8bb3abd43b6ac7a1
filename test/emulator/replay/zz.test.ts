import { it } from 'vitest';
import { torture, taken, random } from './torture';
import type { Machine } from '../../../src/emulator/machine';
const upTo = (m: Machine, t: number, slice = 1e9) => { while (m.time() < BigInt(t)) { const r = m.run(Math.min(slice, t - Number(m.time()))); m.drainEvents(() => {}); if (!['budget', 'ringFull','exception','codeHook'].includes(r.kind)) throw new Error(r.kind); if (m.time() > BigInt(t)) throw new Error(`overshoot ${m.time()} ${t}`); } };
it('x', async () => {
  for (let seed = 1; seed < 30; seed++) {
    const next = random(seed + 1000);
    const a = await torture(seed), b = await torture(seed);
    upTo(a, 3000 + next(100000));
    const s = a.snapshot(); b.restore(s);
    let t = Number(a.time()), bad = 0;
    for (let k = 0; k < 300 && !bad; k++) {
      const t0 = t; t += 1 + next(60);
      upTo(a, t);
      upTo(b, t, 1);
      if (a.digest() !== b.digest()) { bad++;
        const names = ['rip','rax','rbx','rcx','rdx','rsi','rdi','rsp','rflags','cr2','cr3','dr6','cr8'];
        console.log(seed, 'differs between', t0, t, names.map(n => { const x = a.registers(0).get(n), y = b.registers(0).get(n); return x===y?'':`${n} ${x.toString(16)} ${y.toString(16)}`; }).join(' '));
        const p = a.readPhysical(0n, 4<<20)!, q = b.readPhysical(0n, 4<<20)!; const diff: string[] = []; for (let i=0;i<p.length&&diff.length<10;i++) if (p[i]!==q[i]) diff.push(`${i.toString(16)}:${p[i]},${q[i]}`); console.log(diff.join(' '), a.registers(0).get('rip').toString(16));
      }
    }
    // slices
    a.restore(s); upTo(a, Number(s.time) + 100000); const d = a.digest();
    for (let k = 0; k < 4; k++) { a.restore(s); if (k & 1) a.setStops({ exceptions: [0,1,3,14] }); while (a.time() < s.time + 100000n) { upTo(a, Math.min(Number(a.time()) + 1 + next(3000), Number(s.time) + 100000)); if (k > 1) a.snapshot(); } a.setStops({}); if (a.digest() !== d) console.log(seed, 'slices differ', k); }
  }
}, 100000);
