// security_opt
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

const hasAppArmor = existsSync('/sys/kernel/security/apparmor');
const hasSelinux = existsSync('/sys/fs/selinux/enforce');

describe.skipIf(isImpossible)(titled('security_opt'), () => {
  test('a filter by default', async () => {
    const { lines } = await inside('', "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | cut -f2");
    expect(lines).toEqual(['0', '2']);
  });
  test('no-new-privileges', async () => {
    const { lines } = await inside(
      'security_opt: [no-new-privileges:true]',
      "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | cut -f2",
    );
    expect(lines).toEqual(['1', '2']);
  });
  test('seccomp=unconfined', async () => {
    const { lines } = await inside(
      'security_opt: [seccomp=unconfined]',
      "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | cut -f2",
    );
    expect(lines).toEqual(['0', '0']);
  });

  test('seccomp=FILE, relative to the compose file', async () => {
    const rule = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 };
    const profile = JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] });
    const { lines } = await inside('security_opt: [seccomp=./profile.json]', 'mkdir /tmp/x 2>&1', {
      files: { 'profile.json': profile },
      mayFail: true,
    });
    expect(lines.join()).toMatch(/No space left/);
  });
  test('systempaths=unconfined hides nothing', async () => {
    const { lines } = await inside(
      'security_opt: [systempaths=unconfined]',
      'grep -c " /proc/" /proc/mounts; touch /proc/sys/kernel/panic && echo writable',
    );
    expect(lines).toEqual(['0', 'writable']);
  });
  test('else what reaches into the machine is hidden or read-only', async () => {
    const { lines } = await inside(
      '',
      'for p in /proc/sys /proc/sysrq-trigger /proc/keys /proc/timer_list /proc/kcore; do test ! -e $p || grep -q " $p " /proc/mounts || echo open $p; done; touch /proc/sys/kernel/panic 2>/dev/null || echo refused',
    );
    expect(lines).toEqual(['refused']);
  });

  test.each([
    ['apparmor=some-profile', hasAppArmor, 'AppArmor'],
    ['label=type:some_t', hasSelinux, 'SELinux'],
  ])('%s: on a kernel without it one warning with its place', async (option, there, name) => {
    if (there) return;
    const { lines, warnings } = await inside(`security_opt: [${option}]`, 'echo ran');
    expect(lines).toEqual(['ran']);
    expect(warnings).toEqual([
      expect.stringMatching(new RegExp(`security_opt.*${name}.*compose\\.yaml:\\d+`)),
    ]);
  });

  test('an option that does not exist is refused', async () => {
    const { code, stderr } = await inside('security_opt: [whatever]', 'true', { mayFail: true });
    expect([code > 0, /unknown security_opt "whatever"/.test(stderr)]).toEqual([true, true]);
  });
});
