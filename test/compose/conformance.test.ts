// The recorded answers of Docker Compose, where the corpus is present: every case has to agree.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shared } from './mutations.ts';

const root = join(import.meta.dirname, '../..');
const runner = join(shared, 'conformance/run.mjs');
const command = join(root, 'dist/tscompose.cjs');
const missing = [runner, command].find((file) => !existsSync(file));

describe.skipIf(missing !== undefined)(
  `the reference${missing === undefined ? '' : ` (skipped: no ${missing})`}`,
  () => {
    it('agrees in every recorded case', { timeout: 300_000 }, () => {
      const { stdout, status } = spawnSync(process.execPath, [runner, '--', process.execPath, command], {
        encoding: 'utf8',
        maxBuffer: 1 << 26,
      });
      expect(stdout.split('\n').filter((line) => line.startsWith('FAIL'))).toEqual([]);
      expect(stdout).toMatch(/^[1-9]\d* passed, 0 failed$/m);
      expect(status).toBe(0);
    });
  },
);
