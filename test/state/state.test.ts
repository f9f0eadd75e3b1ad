// Paths, atomic records and the boot id.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asNumber, asObject } from '../../src/state/decode.ts';
import { containerFiles, lockFile, resolveLayout } from '../../src/state/layout.ts';
import { readRecord, writeAtomically, writeRecord } from '../../src/state/record.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tscompose-state-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('layout', () => {
  test('prefers the option, then the variable, then the system directories of root', () => {
    const environment = { TSCOMPOSE_STATE_DIR: '/e' };
    expect(resolveLayout({ stateDir: '/o', environment, uid: 0 })).toEqual({
      stateDir: '/o',
      runDir: '/o/run',
    });
    expect(resolveLayout({ environment, uid: 0 })).toEqual({ stateDir: '/e', runDir: '/e/run' });
    expect(resolveLayout({ environment: {}, uid: 0 })).toEqual({
      stateDir: '/var/lib/tscompose',
      runDir: '/run/tscompose',
    });
  });

  test('follows XDG for others', () => {
    const environment = { HOME: '/home/u', XDG_RUNTIME_DIR: '/run/user/1000' };
    expect(resolveLayout({ environment, uid: 1000 })).toEqual({
      stateDir: '/home/u/.local/share/tscompose',
      runDir: '/run/user/1000/tscompose',
    });
    expect(resolveLayout({ environment: { HOME: '/h', XDG_DATA_HOME: '/d' }, uid: 1 }).runDir).toBe(
      '/d/tscompose/run',
    );
  });

  test('keeps what dies with the boot apart', () => {
    const layout = { stateDir: '/s', runDir: '/r' };
    const files = containerFiles(layout, 'abc');
    expect([files.config, files.upper, files.status]).toEqual([
      '/s/containers/abc/config.json',
      '/s/containers/abc/upper',
      '/r/containers/abc/status',
    ]);
    expect(lockFile(layout, 'project-web')).toBe('/r/locks/project-web.lock');
  });
});

describe('records', () => {
  const decode = (value: unknown) => asNumber(asObject(value, 'record').n, 'n');

  test('make missing directories, replace whole files and leave no temporary ones', () => {
    const path = join(dir, 'a/b.json');
    writeRecord(path, { n: 1 });
    writeRecord(path, { n: 2 });
    expect(readRecord(path, decode)).toBe(2);
    expect(readdirSync(join(dir, 'a'))).toEqual(['b.json']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('are undefined when missing and state-corrupt when damaged', () => {
    const path = join(dir, 'x.json');
    expect(readRecord(path, decode)).toBeUndefined();
    writeFileSync(path, '{"n":');
    expect(() => readRecord(path, decode)).toThrow(expect.objectContaining({ code: 'state-corrupt' }));
    writeFileSync(path, '{"n":"1"}');
    expect(() => readRecord(path, decode)).toThrow('n is no number');
  });

  test('a failed write keeps the old content', () => {
    const path = join(dir, 'dir');
    mkdirSync(join(path, 'sub'), { recursive: true });
    expect(() => writeAtomically(path, 'x')).toThrow(expect.objectContaining({ code: 'system' }));
    expect(readdirSync(dir)).toEqual(['dir']);
    writeAtomically(join(dir, 'f'), 'text', { mode: 0o644 });
    expect(readFileSync(join(dir, 'f'), 'utf8')).toBe('text');
  });
});
