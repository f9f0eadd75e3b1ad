// cgroup_parent, and where containers are without it, on a machine that systemd manages
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { needing } from '../../support/machine.ts';
import { isV2, ofVersion } from '../groups.ts';
import { isImpossible, scene, serviceOf } from '../inside.ts';

const hasSystemd = existsSync('/run/systemd/system');
const ROOT = ofVersion('/sys/fs/cgroup/memory', '/sys/fs/cgroup');
const needs = { systemd: hasSystemd, 'root and busybox-static': !isImpossible };

/** Scopes of containers below a directory of control groups. */
function scopesIn(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).filter((name) => /^tscompose-[0-9a-f]{64}\.scope$/.test(name));
}

describe.skipIf(Object.values(needs).includes(false))(needing('scopes of systemd', needs), () => {
  test.skipIf(!isV2)(
    'a container is in a scope of its own, with its limits, also after a restart',
    async () => {
      const before = new Set(scopesIn(`${ROOT}/system.slice`));
      const own = () => scopesIn(`${ROOT}/system.slice`).filter((name) => !before.has(name));
      {
        await using stack = scene(
          `services:\n${serviceOf('init: true\nmem_limit: 64m\npids_limit: 50', 'sleep 1000')}`,
        );
        await stack.ok('up', '-d');
        const group = `${ROOT}/system.slice/${own()[0]}/container`;
        expect(readFileSync(`${group}/memory.max`, 'utf8').trim()).toBe(String(64 * 2 ** 20));
        expect(readFileSync(`${group}/pids.max`, 'utf8').trim()).toBe('50');
        await stack.ok('restart', '-t', '1');
        expect(own()).toHaveLength(1);
        expect(readFileSync(`${group}/cgroup.procs`, 'utf8').trim()).not.toBe('');
      }
      await eventually(() => expect(own()).toEqual([]));
    },
  );

  test('a slice is where its scope is', async () => {
    const slice = `tsctest${process.pid}.slice`;
    await using stack = scene(
      `services:\n${serviceOf(`init: true\ncgroup_parent: ${slice}\nmem_limit: 64m`, 'sleep 1000')}`,
    );
    await stack.ok('up', '-d');
    const [scope] = scopesIn(`${ROOT}/${slice}`);
    const limit = ofVersion('memory.limit_in_bytes', 'memory.max');
    expect(readFileSync(`${ROOT}/${slice}/${scope}/container/${limit}`, 'utf8').trim()).toBe(
      String(64 * 2 ** 20),
    );
  });

  test('runtime --systemd-cgroup: SLICE:PREFIX:NAME', async () => {
    await using stack = scene('services: {}\n');
    const slice = `tscrun${process.pid}.slice`;
    const bundle = join(stack.dir, 'bundle');
    mkdirSync(bundle);
    const config = {
      ociVersion: '1.0.2',
      root: { path: join(stack.dir, 'root') },
      process: { args: ['/bin/cat', '/proc/self/cgroup'], cwd: '/', env: [], user: { uid: 0, gid: 0 } },
      mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
      linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }], cgroupsPath: `${slice}:pre:name` },
    };
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
    const runtime = ['runtime', '--root', join(stack.dir, 'run'), '--systemd-cgroup'];
    const seen = await stack.ok(...runtime, 'run', '--bundle', bundle, 'scoped');
    expect(seen).toContain(`/${slice}/pre-name.scope/container\n`);
  });
});
