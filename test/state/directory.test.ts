// Directories of the state, where they can be made and where not.
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeDirectory } from '../../src/state/directory.ts';

describe('makeDirectory', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'tscompose-test-'));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it('makes parents that others may walk through, and the last one as told', () => {
    const before = process.umask(0);
    makeDirectory(join(scratch, 'a/b/c'), 0o700);
    process.umask(before);
    const mode = (path: string) => statSync(join(scratch, path)).mode & 0o777;
    expect(['a', 'a/b', 'a/b/c'].map(mode)).toEqual([0o711, 0o711, 0o700]);
  });

  it('leaves one that is there as it is', () => {
    makeDirectory(join(scratch, 'there'));
    chmodSync(join(scratch, 'there'), 0o755);
    makeDirectory(join(scratch, 'there'));
    expect(statSync(join(scratch, 'there')).mode & 0o777).toBe(0o755);
  });

  it.each([
    ['below /proc, where Node would not end', '/proc/nosuch/run'],
    ['below a file', '/proc/self/status/run'],
    ['instead of a file', '/dev/null'],
  ])('says that it cannot be made: %s', (_, path) => {
    expect(() => makeDirectory(path)).toThrow(
      expect.objectContaining({
        code: 'system',
        message: expect.stringContaining(`cannot make the directory ${path}: `),
        hint: expect.stringContaining('--state-dir'),
      }),
    );
  });

  it('does not take a file for a directory', () => {
    writeFileSync(join(scratch, 'file'), '');
    expect(() => makeDirectory(join(scratch, 'file/run'))).toThrow(/not a directory/);
  });
});
