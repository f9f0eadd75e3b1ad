// Services that another program provides: how it is called, and what it may answer.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callProvider, type ProviderCall } from '../../src/engine/provider.ts';

describe('callProvider', () => {
  let dir: string;
  let path: string | undefined;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'tscompose-provider-'));
    path = process.env.PATH;
    process.env.PATH = `${dir}:${path}`;
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(dir, { recursive: true, force: true });
  });

  const program = (name: string, script: string) => {
    const file = join(dir, name);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
  };
  const lines: string[] = [];
  const call = (type: string): ProviderCall => ({
    project: 'demo',
    name: 'db',
    provider: { type, options: { size: ['small'], tag: ['a', 'b'] } },
    verb: 'up',
    workingDir: dir,
    environment: {},
    at: undefined,
    signal: new AbortController().signal,
    onLine: (stream, line) => lines.push(`${stream} ${line}`),
  });

  it('is called with the project, the options and the service, and takes what it tells', async () => {
    program(
      'docker-cloudy',
      `echo "{\\"type\\":\\"info\\",\\"message\\":\\"$*\\"}"
       echo '{"type":"setenv","message":"URL=https://db/?a=b"}'
       echo '{"type":"rawsetenv","message":"TOKEN=t"}'
       echo '{"type":"debug","message":"nobody reads this"}'
       echo plain`,
    );
    expect(await callProvider(call('cloudy'))).toEqual({
      service: 'db',
      prefixed: { URL: 'https://db/?a=b' },
      raw: { TOKEN: 't' },
    });
    expect(lines).toEqual([
      'stdout compose --project-name=demo up --size=small --tag=a --tag=b db',
      'stdout plain',
    ]);
  });

  it('may be a program of the very name', async () => {
    program('cloudless', 'exit 0');
    expect(await callProvider(call('cloudless'))).toMatchObject({ service: 'db' });
  });

  it('fails with what it said last', async () => {
    program('docker-stormy', `echo '{"type":"error","message":"no quota"}'; exit 4`);
    await expect(callProvider(call('stormy'))).rejects.toMatchObject({
      code: 'dependency-failed',
      message: expect.stringContaining('no quota'),
    });
  });

  it('fails when there is no such program', async () => {
    await expect(callProvider(call('absent'))).rejects.toMatchObject({ code: 'command-not-found' });
  });
});
