// The seed of the long random tests. The same tree gets the same seed wherever it is tested, so that a red run is the change's and can be seen again;
// the next change gets another. ABYME_SEED=n repeats a seed, ABYME_SEED=random explores.
import { execFileSync } from 'node:child_process';

function seedOfTree(): number {
  try {
    return parseInt(execFileSync('git', ['rev-parse', 'HEAD^{tree}'], { cwd: import.meta.dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).slice(0, 7), 16);
  } catch {
    return 1; // not a checkout
  }
}

const wanted = process.env['ABYME_SEED'];
/** Below 2^28. */
export const seed = wanted === undefined ? seedOfTree() : wanted === 'random' ? Math.floor(Math.random() * 2 ** 28) : Number(wanted);
console.log(`ABYME_SEED=${seed}`);
