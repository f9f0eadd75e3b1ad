// How the tests run: files in parallel, on the command that `npm run build` made.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Containers, mounts and networks are the machine's: two files at once is what a small one bears.
    maxWorkers: 2,
    // A shared machine may stall for longer than any test can wait; what needed the second try is in the report.
    retry: process.env.CI ? 1 : 0,
    chaiConfig: { truncateThreshold: 400 },
  },
});
