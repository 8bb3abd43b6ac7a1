import { expect, test } from 'vitest';
import { fuzz } from '../symbols/damaged-images';

const minutes = Number(process.env['SYMBOLS_FUZZ_MINUTES'] ?? 3);

test('damaged images, for long', { timeout: (minutes + 1) * 60_000 }, () => {
  const seed = Number(process.env['SYMBOLS_FUZZ_SEED'] ?? Date.now() % 0x7fff_ffff);
  console.log(`symbols fuzz: seed ${seed}`);
  const { images, answers, slowest } = fuzz(seed, minutes * 60_000);
  console.log(`symbols fuzz: ${images} images, ${answers} answers, slowest ${slowest.toFixed(0)} ms`);
  expect(images).toBeGreaterThan(100);
});
