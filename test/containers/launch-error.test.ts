// Each failed step has one sentence and one code.
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { launchError } from '../../src/containers/launch-error.ts';

const subject = { service: 'web', name: 'p-web-1', command: ['serve', '-x'] };
const told = (step: string, errno: keyof typeof constants.errno, path = '/x') =>
  launchError(subject, { step, errno: constants.errno[errno], path, message: '' });

test.each([
  ['EXEC', 'ENOENT', 'command-not-found'],
  ['EXEC', 'EACCES', 'command-not-executable'],
  ['EXEC', 'ENOEXEC', 'command-not-executable'],
  ['USER', 'ENOENT', 'unknown-user'],
  ['BIND', 'ENOENT', 'bind-source-missing'],
  ['BIND', 'ENOTDIR', 'launch-step'],
  ['WORKING_DIRECTORY', 'ENOTDIR', 'working-directory'],
  ['ROOT_OVERLAY', 'ENOSPC', 'disk-full'],
  ['ROOT_OVERLAY', 'EINVAL', 'kernel-feature'],
  ['ROOT_OVERLAY', 'EPERM', 'not-root'],
  ['NAMESPACES', 'EPERM', 'not-root'],
  ['SECCOMP', 'EINVAL', 'kernel-feature'],
  ['CGROUP_DEVICES', 'ENOSYS', 'kernel-feature'],
  ['CGROUP_WRITE', 'EINVAL', 'launch-step'],
  ['RLIMIT', 'EPERM', 'launch-step'],
  ['SYSCTL', 'EACCES', 'launch-step'],
  ['JOIN_NAMESPACE', 'ESRCH', 'container-not-running'],
  ['LOG', 'EIO', 'launch-step'],
] as const)('%s with %s is %s', (step, errno, code) => {
  const error = told(step, errno);
  expect(error).toMatchObject({ code, cause: { step } });
  expect(error.message).toMatch(/^service web: /);
});

test('names the program, the user and the path', () => {
  expect(told('EXEC', 'ENOENT', '').message).toContain('"serve"');
  expect(told('USER', 'ENOENT', 'nobody').message).toContain('"nobody"');
  expect(told('BIND', 'ENOENT', '/srv/data').message).toContain('/srv/data');
});
