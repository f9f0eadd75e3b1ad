// Volumes on disk: made once, listed, found, removed; what a container mounts for them.
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openCore } from '../../core/index.ts';
import type { Context } from '../../src/state/context.ts';
import {
  anonymousVolumeName,
  ensureVolume,
  externalVolume,
  findVolume,
  listVolumes,
  mountSourceOf,
  removeVolume,
} from '../../src/volumes/volume.ts';

let ctx: Context;
beforeEach(() => {
  const stateDir = mkdtempSync(join(tmpdir(), 'tscompose-volumes-'));
  ctx = { layout: { stateDir, runDir: join(stateDir, 'run') }, core: openCore() };
});
afterEach(() => rmSync(ctx.layout.stateDir, { recursive: true, force: true }));

const wanted = (name: string, more = {}) => ({ name, project: 'p', key: 'data', ...more });

describe('volumes', () => {
  test('are made once and keep their content and labels', () => {
    const first = ensureVolume(ctx, wanted('p_data', { labels: { a: '1' } }));
    const source = mountSourceOf(ctx, first);
    expect(source).toEqual({ kind: 'directory', path: join(ctx.layout.stateDir, 'volumes/p_data/_data') });
    if (source.kind === 'directory') {
      writeFileSync(join(source.path, 'f'), '');
      expect(statSync(source.path).mode & 0o777).toBe(0o755);
    }
    expect(ensureVolume(ctx, wanted('p_data', { labels: { a: '2' } }))).toEqual(first);
    expect(existsSync(join(ctx.layout.stateDir, 'volumes/p_data/_data/f'))).toBe(true);
  });

  test('are listed by name and removed', async () => {
    ensureVolume(ctx, wanted('b'));
    ensureVolume(ctx, wanted(anonymousVolumeName(), { key: '', anonymous: true }));
    ensureVolume(ctx, wanted('a'));
    const names = listVolumes(ctx).map(({ name }) => name);
    expect(names).toHaveLength(3);
    expect([...names].sort()).toEqual(names);
    await removeVolume(ctx, 'a');
    await removeVolume(ctx, 'a');
    expect(findVolume(ctx, 'a')).toBeUndefined();
    expect(listVolumes(ctx)).toHaveLength(2);
  });

  test('external ones have to exist', () => {
    const at = { file: 'compose.yaml', line: 2, column: 3 };
    expect(() => externalVolume(ctx, 'gone', at)).toThrow(
      expect.objectContaining({ code: 'volume-not-found', at }),
    );
    ensureVolume(ctx, wanted('there'));
    expect(externalVolume(ctx, 'there').name).toBe('there');
  });

  test('driver options: a bind is a directory, everything else a mount', () => {
    const source = (name: string, driverOpts: Record<string, string>) =>
      mountSourceOf(ctx, ensureVolume(ctx, wanted(name, { driverOpts })));
    expect(source('bound', { type: 'none', o: 'bind', device: '/srv' })).toEqual({
      kind: 'directory',
      path: '/srv',
    });
    expect(source('nfs', { type: 'nfs', o: 'addr=192.0.2.1,rw', device: ':/x' })).toEqual({
      kind: 'mount',
      type: 'nfs',
      device: ':/x',
      options: 'addr=192.0.2.1,rw',
    });
    expect(source('ram', { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' })).toMatchObject({
      kind: 'mount',
      type: 'tmpfs',
    });
  });

  test('names that leave their place, other drivers and unknown options are refused', async () => {
    for (const name of ['../x', '', '.', 'a/b', '-x']) {
      expect(() => ensureVolume(ctx, wanted(name))).toThrow(
        expect.objectContaining({ code: 'invalid-value' }),
      );
      expect(findVolume(ctx, name)).toBeUndefined();
      await removeVolume(ctx, name);
    }
    expect(existsSync(ctx.layout.stateDir)).toBe(true);
    expect(() => ensureVolume(ctx, wanted('x', { driver: 'ceph' }))).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    );
    expect(() => ensureVolume(ctx, wanted('x', { driverOpts: { color: 'red' } }))).toThrow(
      expect.objectContaining({ code: 'invalid-value' }),
    );
  });
});
