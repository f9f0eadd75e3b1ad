// The fuzz targets of core/test for a short time; TSCOMPOSE_FUZZ_SECONDS sets another one for each.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

const seconds = Number(process.env.TSCOMPOSE_FUZZ_SECONDS ?? '2');
const targets = readdirSync('core/test')
  .filter((name) => /^fuzz_(?!main).*\.c$/.test(name))
  .map((name) => basename(name, '.c'));

describe('any bytes', () => {
  beforeAll(() => void execFileSync('make', ['-s', '-C', 'core', 'fuzz']));

  it.each(targets)(
    '%s',
    (name) => {
      const program = `core/build/fuzz/${name}`;
      expect(existsSync(program)).toBe(true);
      const seed = String(Math.floor(Math.random() * 1e9));
      const { status, stdout, stderr } = spawnSync(program, [`${seconds}s`, seed], { encoding: 'utf8' });
      expect({ status, seed, stderr }).toEqual({ status: 0, seed, stderr: '' });
      expect(Number.parseInt(stdout, 10)).toBeGreaterThan(1000);
    },
    (seconds + 60) * 1000,
  );
});
