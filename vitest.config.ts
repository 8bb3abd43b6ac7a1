import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], exclude: ['test/long/**', 'test/e2e/**'], setupFiles: ['src/cli/branch-hints.ts'], testTimeout: 30_000, pool: 'forks', maxWorkers: 2 },
});
