// Which containers exist, with the index of their records and without it.
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openCore } from '../../core/index.ts';
import { keepIndex, listContainers, readListing, removeLeftovers } from '../../src/containers/listing.ts';
import { type ContainerRecord, RECORD_REVISION } from '../../src/containers/record.ts';
import type { Context } from '../../src/state/context.ts';
import { containerFiles, containerIndex, containersDir } from '../../src/state/layout.ts';

let ctx: Context;
beforeEach(() => {
  const stateDir = mkdtempSync(join(tmpdir(), 'tscompose-listing-'));
  ctx = { layout: { stateDir, runDir: join(stateDir, 'run') }, core: openCore() };
  mkdirSync(join(stateDir, 'run/containers'), { recursive: true });
});
afterEach(() => rmSync(ctx.layout.stateDir, { recursive: true, force: true }));

function record(number: number): ContainerRecord {
  return {
    version: 1,
    id: number.toString(16).padStart(64, '0'),
    name: `demo-web-${number}`,
    project: 'demo',
    service: 'web',
    number,
    oneoff: false,
    created: '2024-01-01T00:00:00.000Z',
    configHash: '',
    labels: { note: 'tab\tand\nline' },
    image: { name: 'box', id: 'box' },
    command: [],
    tty: false,
    stdinOpen: false,
    autoRemove: false,
    networkMode: 'none',
    networks: [],
    joins: {},
    ports: [],
    exposed: [],
    mounts: [],
    anonymousVolumes: [],
    stopSignal: 15,
    stopGraceMs: 10_000,
    restart: { policy: 'no', attempts: 0, delayMs: -1, windowMs: 0 },
    dependsOn: '',
    logDriver: 'json-file',
    logKept: true,
    cgroups: [],
    etc: { hosts: '', resolvConf: '', hostname: '' },
    ownsUsers: false,
    sharesIpc: false,
  };
}

function make(number: number): ContainerRecord {
  const made = record(number);
  const files = containerFiles(ctx.layout, made.id);
  mkdirSync(files.dir, { recursive: true });
  writeFileSync(files.record, JSON.stringify(made));
  return made;
}

const names = () => listContainers(ctx).map(({ name }) => name);
const keepAll = () => keepIndex(ctx, readListing(ctx).index, listContainers(ctx));
const index = () => readFileSync(containerIndex(ctx.layout), 'utf8');

describe('the index of records', () => {
  test('is what records are read from, until they are gone', () => {
    const [first, second] = [make(1), make(2)];
    keepAll();
    writeFileSync(containerFiles(ctx.layout, first.id).record, 'not looked at');
    expect(listContainers(ctx)).toEqual([first, second]);
    renameSync(
      containerFiles(ctx.layout, second.id).dir,
      containerFiles(ctx.layout, `${second.id}.gone`).dir,
    );
    expect(listContainers(ctx)).toEqual([first]);
    removeLeftovers(ctx);
    expect(readdirSync(containersDir(ctx.layout))).toEqual([first.id]);
  });

  test('gets what it lacks, once', () => {
    make(1);
    keepAll();
    make(2);
    keepAll();
    const before = index();
    keepAll();
    expect(index()).toBe(before);
    expect(before.match(/demo-web-/g)).toHaveLength(2);
  });

  test('is not believed where a writer was killed, nor when another program wrote it', () => {
    make(1);
    make(2);
    keepAll();
    const [half = ''] = index().split('demo-web-2');
    writeFileSync(containerIndex(ctx.layout), half);
    expect(names()).toEqual(['demo-web-1', 'demo-web-2']);
    make(3);
    keepAll();
    expect([...readListing(ctx).index.known]).toHaveLength(3);
    appendFileSync(containerIndex(ctx.layout), 'x'.repeat(10));
    expect(names()).toEqual(['demo-web-1', 'demo-web-2', 'demo-web-3']);
    writeFileSync(containerIndex(ctx.layout), index().replaceAll(/^\d+\t/gm, `${RECORD_REVISION + 1}\t`));
    expect(readListing(ctx).index.known.size).toBe(0);
    expect(names()).toEqual(['demo-web-1', 'demo-web-2', 'demo-web-3']);
  });

  test('is written anew when most of it is gone, and goes with the last container', () => {
    const all = Array.from({ length: 100 }, (_, number) => make(number));
    keepAll();
    for (const { id } of all.slice(1)) rmSync(containerFiles(ctx.layout, id).dir, { recursive: true });
    keepAll();
    expect(readListing(ctx).index.lines).toBe(1);
    keepIndex(ctx, readListing(ctx).index, []);
    expect(index).toThrow('ENOENT');
  });

  // Whoever changes the record changes this, and raises the revision.
  test('has the revision of these fields', () => {
    expect(RECORD_REVISION).toBe(2);
    expect(Object.keys(record(1)).join(' ')).toBe(
      'version id name project service number oneoff created configHash labels image command tty stdinOpen autoRemove networkMode networks joins ports exposed mounts anonymousVolumes stopSignal stopGraceMs restart dependsOn logDriver logKept cgroups etc ownsUsers sharesIpc',
    );
  });
});
