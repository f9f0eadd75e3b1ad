// Each launch step of a representative container made to fail, through the command: the error names it, nothing is left.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { STEPS } from '../../src/containers/steps.ts';
import type { Stack } from '../support/stack.ts';
import { isV2 } from './groups.ts';
import { isImpossible, scene, titled } from './inside.ts';

const COMPOSE = `
services:
  app:
    image: rootfs:./root
    command: [sleep, "60"]
    network_mode: none
    init: true
    tty: true
    read_only: true
    user: www
    hostname: web
    domainname: example.org
    working_dir: /tmp
    mem_limit: 64m
    oom_score_adj: 100
    ulimits: {nofile: 512}
    sysctls: {kernel.shmmni: 100}
    security_opt: [no-new-privileges]
    tmpfs: [/tmp]
    healthcheck: {test: [CMD, "true"]}
    volumes:
      - data:/home
      - .:/bound:ro
      - {type: image, source: "rootfs:./root", target: /other, image: {subpath: etc}}
    x-tscompose:
      uid_map: "0:200000:65536"
      time: {boottime: 1h}
volumes:
  data: {}
`;

const STEPS_THERE = [
  'CGROUP_CREATE',
  'CGROUP_WRITE',
  'CGROUP_JOIN',
  ...(isV2 ? ['CGROUP_DEVICES'] : []),
  'NAMESPACES',
  'UID_MAP',
  'GID_MAP',
  'TIME_OFFSET',
  'ROOT_PROPAGATION',
  'ROOT_OVERLAY',
  'SUBDIRECTORY',
  'BIND',
  'MOUNT',
  'DEVICE',
  'SYMLINK',
  'COPY_UP',
  'PIVOT_ROOT',
  'MASK',
  'READ_ONLY_PATH',
  'ROOT_READ_ONLY',
  'SYSCTL',
  'HOSTNAME',
  'DOMAINNAME',
  'RLIMIT',
  'OOM_SCORE_ADJ',
  'WORKING_DIRECTORY',
  'USER',
  'CAPABILITIES',
  'NO_NEW_PRIVILEGES',
  'SECCOMP',
  'ENVIRONMENT',
  'TERMINAL',
  'INIT',
  'EXEC',
  'LOG',
  'HEALTH',
] as const;

const EUCLEAN = 117;
const groupsOf = (id: string) =>
  (isV2 ? [''] : readdirSync('/sys/fs/cgroup')).filter((name) =>
    existsSync(join('/sys/fs/cgroup', name, 'tscompose', id)),
  );

async function isGone(stack: Stack, id: string): Promise<void> {
  const run = join(stack.stateDir, 'run/containers', id);
  expect(readdirSync(run).filter((name) => name === 'sock')).toEqual([]);
  expect(readdirSync(join(run, 'rootfs'))).toEqual([]);
  expect(groupsOf(id)).toEqual([]);
}

describe.skipIf(isImpossible)(titled('a launch step that fails'), () => {
  test.each(STEPS_THERE)('%s', async (name) => {
    const step = STEPS[name as keyof typeof STEPS];
    await using stack = scene(COMPOSE, { env: { TSCOMPOSE_FAIL_STEP: `${step.op}:${EUCLEAN}` } });
    const { code, stderr } = await stack.run('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toMatch(/error\[[a-z-]+\]: cannot start .*service app: .+/);
    const [row] = await stack.ps();
    expect(row).toMatchObject({ State: 'created' });
    const [{ status }] = JSON.parse(await stack.ok('inspect', 'app'));
    expect(status.error).toMatchObject({ step: name, errno: EUCLEAN });
    await isGone(stack, row?.ID ?? '');
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(stack.root);
  });
});
