// Reading log files: order over rotations, tail, times, following.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openCore } from '../../core/index.ts';
import { type LogOptions, readLogs } from '../../src/containers/logs.ts';
import type { ContainerRecord } from '../../src/containers/record.ts';
import { containerFiles } from '../../src/state/layout.ts';

const id = 'cd'.repeat(32);
const record = { id, name: 'p-web-1', logDriver: 'json-file', logKept: true } as ContainerRecord;
let dir: string;
let path: string;
const ctx = () => ({ layout: { stateDir: dir, runDir: join(dir, 'run') }, core: openCore() });

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tscompose-logs-'));
  const files = containerFiles(ctx().layout, id);
  mkdirSync(files.dir, { recursive: true });
  mkdirSync(files.runDir, { recursive: true });
  writeFileSync(files.record, '{}');
  path = files.log;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const entry = (number: number, log = `line ${number}\n`) =>
  `${JSON.stringify({ log, stream: number % 2 ? 'stdout' : 'stderr', time: `2024-01-01T00:00:${String(number % 60).padStart(2, '0')}.5Z` })}\n`;
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const file = (from: number, to: number) =>
  range(from, to)
    .map((number) => entry(number))
    .join('');
const text = (from: number, to: number) => range(from, to).map((number) => `line ${number}`);

async function read(options: LogOptions = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const { line } of readLogs(ctx(), record, options)) lines.push(line);
  return lines;
}

describe('past lines', () => {
  test('come over rotated files, oldest first', async () => {
    writeFileSync(`${path}.2`, file(0, 3));
    writeFileSync(`${path}.1`, file(3, 5));
    writeFileSync(path, file(5, 6));
    expect(await read()).toEqual(text(0, 6));
    for (const tail of [0, 1, 2, 3, 4, 6, 9])
      expect(await read({ tail })).toEqual(text(Math.max(0, 6 - tail), 6));
  });

  test('a rotation that was killed leaves a gap between the files, but no lines out', async () => {
    writeFileSync(`${path}.3`, file(0, 3));
    writeFileSync(`${path}.1`, file(3, 5));
    expect(await read()).toEqual(text(0, 5));
  });

  test('tail reads over chunks of a big file', async () => {
    writeFileSync(path, file(0, 5000));
    expect(await read({ tail: 3000 })).toEqual(text(2000, 5000));
    expect(await read({ tail: 5000 })).toHaveLength(5000);
    expect(await read()).toHaveLength(5000);
  });

  test('since and until, absolute and ago', async () => {
    writeFileSync(path, file(0, 10));
    expect(await read({ since: '2024-01-01T00:00:03Z', until: '2024-01-01T00:00:05.5Z' })).toEqual(
      text(3, 6),
    );
    expect(await read({ since: '2024-01-01T02:00:03+02:00' })).toEqual(text(3, 10));
    expect(await read({ until: '1704067202' })).toEqual(text(0, 2));
    expect(await read({ since: '10m' })).toEqual([]);
    await expect(read({ since: 'whenever' })).rejects.toMatchObject({ code: 'usage' });
  });

  test('pieces of long lines, streams, and what a crash cut off', async () => {
    writeFileSync(path, `${entry(1, 'a long ')}${entry(1, 'line\n')}${entry(2, 'é\n')}{"log":"cut`);
    const entries = [];
    for await (const { line, partial, stream, container } of readLogs(ctx(), record))
      entries.push([line, partial, stream, container]);
    expect(entries).toEqual([
      ['a long ', true, 'stdout', 'p-web-1'],
      ['line', false, 'stdout', 'p-web-1'],
      ['é', false, 'stderr', 'p-web-1'],
    ]);
  });

  test('no log at all is none, the driver none is an error', async () => {
    expect(await read()).toEqual([]);
    await expect(async () => {
      for await (const _ of readLogs(ctx(), { ...record, logDriver: 'none', logKept: false }));
    }).rejects.toMatchObject({ code: 'unsupported' });
  });
});

// Writes LINES lines and rotates after every tenth, as the shim does; then ends the container.
const WRITER = `
const { appendFileSync, existsSync, renameSync, rmSync, writeFileSync } = require('node:fs');
const [path, record, lines] = process.argv.slice(1);
for (let number = 0; number < Number(lines); number++) {
  const log = 'line ' + number + '\\n';
  appendFileSync(path, JSON.stringify({ log, stream: 'stdout', time: '2024-01-01T00:00:00.5Z' }) + '\\n');
  if (number % 10 !== 9) continue;
  let last = 0;
  while (existsSync(path + '.' + (last + 1))) last++;
  for (; last > 0; last--) renameSync(path + '.' + last, path + '.' + (last + 1));
  renameSync(path, path + '.1');
  writeFileSync(path, '');
}
rmSync(record);
`;

describe('following', () => {
  test('misses no line and shows none twice while files are rotated at any moment', async () => {
    const writer = spawn(process.execPath, [
      '-e',
      WRITER,
      path,
      containerFiles(ctx().layout, id).record,
      '3000',
    ]);
    const ended = once(writer, 'exit');
    expect(await read({ follow: true })).toEqual(text(0, 3000));
    expect(await ended).toEqual([0, null]);
  });

  test('goes on with what is appended, over rotations, until the container is removed', async () => {
    writeFileSync(path, file(0, 3));
    const lines: string[] = [];
    const steps: Record<number, () => void> = {
      3: () => appendFileSync(path, file(3, 5)),
      5: () => {
        appendFileSync(path, file(5, 6));
        renameSync(path, `${path}.1`);
        writeFileSync(path, file(6, 7));
        renameSync(`${path}.1`, `${path}.2`);
        renameSync(path, `${path}.1`);
        writeFileSync(path, file(7, 8));
      },
      8: () => rmSync(containerFiles(ctx().layout, id).record),
    };
    for await (const { line } of readLogs(ctx(), record, { follow: true, tail: 2 })) {
      lines.push(line);
      steps[Number(line.split(' ')[1]) + 1]?.();
    }
    expect(lines).toEqual(text(1, 8));
  });

  test('ends when it is aborted', async () => {
    writeFileSync(path, file(0, 1));
    const abort = new AbortController();
    const lines: string[] = [];
    for await (const { line } of readLogs(ctx(), record, { follow: true, signal: abort.signal })) {
      lines.push(line);
      abort.abort();
    }
    expect(lines).toEqual(['line 0']);
  });
});
