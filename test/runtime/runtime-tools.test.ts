// The bundles that we write, judged by OCI runtime-tools. Its checks of a running runtime are not part of Debian's
// package and would have to be downloaded; the tests beside this one look at the same things.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Service } from '../../src/compose/project.ts';
import { inspectMachine } from '../../src/containers/machine.ts';
import { specOf } from '../containers/world.ts';
import { ROOT } from '../support/stack.ts';
import { hasProgram, missing, Room } from './room.ts';

const GOPATH = '/usr/share/gocode';
const installed = existsSync(`${GOPATH}/src/github.com/opencontainers/runtime-tools/validate`);
const reason =
  missing() ??
  (installed && hasProgram('go')
    ? undefined
    : 'needs golang-go, golang-github-opencontainers-runtime-tools-dev');

describe.skipIf(reason)(`runtime-tools find no fault in${reason ? ` (${reason})` : ''}`, () => {
  let room: Room;
  let validator: string;

  beforeAll(() => {
    room = new Room();
    validator = join(room.dir, 'validate');
    const env = { ...process.env, GO111MODULE: 'off', GOPATH, GOCACHE: join(room.dir, 'go') };
    execFileSync('go', ['build', '-o', validator, join(ROOT, 'test/runtime/validate.go')], { env });
  }, 120_000);
  afterAll(() => room.close());

  const services: Readonly<Record<string, Partial<Service>>> = {
    'a plain service': {},
    'a privileged one': { privileged: true },
    'one with everything': {
      command: ['sh', '-c', 'true'],
      user: '33:44',
      group_add: ['55'],
      read_only: true,
      tty: true,
      working_dir: '/tmp',
      cap_add: ['NET_RAW'],
      cap_drop: ['CHOWN'],
      tmpfs: ['/run:size=1m'],
      sysctls: { 'net.ipv4.ip_forward': '1' },
      ulimits: { nofile: { soft: 10, hard: 20 } },
      devices: [{ source: '/dev/null', target: '/dev/other', permissions: 'rw' }],
      oom_score_adj: 100,
      shm_size: '1048576',
    },
  };

  test.each(Object.keys(services))('%s', (name) => {
    const { spec } = specOf(services[name], { machine: inspectMachine(), rootPath: 'rootfs' });
    // It takes the minor number 0, which /dev/tty has, for a missing one.
    const devices = spec.linux.devices?.filter(({ minor }) => minor !== 0);
    room.write({ ...spec, linux: { ...spec.linux, devices } });
    const { status, stdout } = spawnSync(validator, [room.bundle], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });
});
