// The bundles that we write are run by other OCI runtimes too.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchContainer } from '../../src/containers/container.ts';
import { inspectMachine } from '../../src/containers/machine.ts';
import type { OciSpec } from '../../src/containers/oci.ts';
import { missing, Room } from './room.ts';
import { specOf } from './world.ts';

const reason = missing();

// crun refuses machines that have both versions of control groups.
function canRun(runtime: string): boolean {
  const refuses = runtime === 'crun' && inspectMachine().cgroups.mode === 'hybrid';
  return !refuses && spawnSync(runtime, ['--version']).status === 0;
}

describe.skipIf(reason)(`a bundle${reason ? ` (${reason})` : ''}`, () => {
  let room: Room;
  beforeAll(() => {
    room = new Room();
  });
  afterAll(() => room.close());

  const bundle = (name: string, spec: OciSpec): string => {
    const dir = join(room.dir, name);
    mkdirSync(dir);
    writeFileSync(join(dir, 'config.json'), JSON.stringify(spec));
    return dir;
  };

  test.each(['runc', 'crun'].filter(canRun))('runs under %s', (runtime) => {
    const { spec } = specOf(
      {
        command: ['sh', '-c', 'hostname; id -u; ulimit -n; pwd; touch /x 2>/dev/null || echo fixed'],
        user: '33:44',
        read_only: true,
        working_dir: '/tmp',
        ulimits: { nofile: 99 },
      },
      {
        machine: room.machine,
        hostname: 'web',
        rootPath: room.rootfs,
        id: `tscompose-test-${runtime}-${process.pid}`,
      },
    );
    const id = `tscompose-test-${runtime}-${process.pid}`;
    const output = execFileSync(runtime, ['run', '--bundle', bundle(runtime, spec), id], {
      encoding: 'utf8',
    });
    expect(output.trim().split('\n')).toEqual(['web', '33', '99', '/tmp', 'fixed']);
  });

  test('is written for every container', async () => {
    const { record } = room.create({ command: ['/bin/true'] });
    const launch = await launchContainer(room.ctx, record);
    launch.proceed();
    await launch.until('created');
    launch.close();
    expect(existsSync(join(room.ctx.layout.stateDir, 'containers', record.id, 'config.json'))).toBe(true);
  });
});
