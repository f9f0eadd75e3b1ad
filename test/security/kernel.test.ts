// The kernel's own ways out: its files, file systems, devices, keys and calls, tried from inside.
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isImpossible, titled } from '../attributes/inside.ts';
import { CLI } from '../support/stack.ts';
import { attempt, compile, logged, place } from './place.ts';
import { ABSTRACT_CONNECT, FORBIDDEN_CALLS, KEY_HOLDER, KEY_SEARCH } from './programs.ts';

/** A shell function that says of a command whether it worked. */
const TRY =
  'try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name worked"; else echo "$name refused"; fi; }; ';
const refused = (...names: string[]) => names.map((name) => `${name} refused`);

describe.skipIf(isImpossible)(titled('the kernel, from inside a container'), () => {
  test('calls that only administrators of the machine make are refused', async () => {
    expect(await attempt('', 'calls', { programs: { calls: FORBIDDEN_CALLS } })).toEqual(['done']);
  });

  test('/proc/sys, sysrq-trigger and core_pattern are read-only, also for a user in all groups', async () => {
    const script = `${TRY}
      try core_pattern sh -c 'cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern'
      try modprobe sh -c 'cat /proc/sys/kernel/modprobe > /proc/sys/kernel/modprobe'
      try sysrq sh -c 'echo h > /proc/sysrq-trigger'
      try binfmt sh -c 'echo 1 > /proc/sys/fs/binfmt_misc/register'
      try uevent_helper sh -c 'echo > /sys/kernel/uevent_helper'
      try remount mount -o remount,rw /proc/sys
      try unmount umount /proc/sys
      try irq sh -c 'cat /proc/irq/default_smp_affinity > /proc/irq/default_smp_affinity'`;
    expect(await attempt('', script)).toEqual(
      refused('core_pattern', 'modprobe', 'sysrq', 'binfmt', 'uevent_helper', 'remount', 'unmount', 'irq'),
    );
  });

  test('no file system is mounted, with or without a new user namespace', async () => {
    const types = ['proc', 'sysfs', 'cgroup', 'cgroup2', 'tmpfs', 'devpts', 'debugfs', 'overlay'];
    const script = `${TRY} mkdir /m; for type in ${types.join(' ')}; do
      try $type mount -t $type none /m; try user-$type unshare -Urm mount -t $type none /m; done; try bind mount --bind /proc /m`;
    const names = types.flatMap((type) => [type, `user-${type}`]);
    expect(await attempt('', script)).toEqual(refused(...names, 'bind'));
  });

  test('release_agent and notify_on_release of its control groups are read-only', async () => {
    const script = `${TRY} for file in $(find /sys/fs/cgroup -name release_agent -o -name notify_on_release -o -name cgroup.procs | sort -u); do
      [ -e "$file" ] && try write sh -c "echo 0 > $file"; done; try make mkdir /sys/fs/cgroup/x; echo end`;
    const lines = await attempt('', script);
    expect(new Set(lines)).toEqual(
      new Set([...(lines.length > 2 ? ['write refused'] : []), 'make refused', 'end']),
    );
  });

  test('a device node of the machine can be made and not opened', async () => {
    const { dev } = statSync('/');
    const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)];
    const script = `${TRY} mknod /disk b ${major} ${minor}; mknod /mem c 1 1; mknod /kmsg c 1 11; mknod /loop c 10 237; mknod /fuse c 10 229
      for node in disk mem kmsg loop fuse; do try $node dd if=/$node bs=1 count=0; done; try zero dd if=/dev/zero of=/dev/null bs=1 count=1`;
    expect(await attempt('', script)).toEqual([
      ...refused('disk', 'mem', 'kmsg', 'loop', 'fuse'),
      'zero worked',
    ]);
  });

  test('a device in a volume of the host is no way around that', async () => {
    await using stack = place(
      'volumes: ["./shared:/shared"]',
      `${TRY} try disk dd if=/shared/disk bs=1 count=0`,
    );
    const { dev } = statSync('/');
    execFileSync('mkdir', ['-p', join(stack.dir, 'shared')]);
    execFileSync('mknod', [join(stack.dir, 'shared/disk'), 'b', `${(dev >> 8) & 0xfff}`, `${dev & 0xff}`]);
    await stack.ok('up');
    expect(await logged(stack)).toEqual(['disk refused']);
  });

  test.each([
    ['/proc/kcore', 'head -c 1'],
    ['/proc/keys', 'head -c 1'],
    ['/proc/timer_list', 'head -c 1'],
    ['/proc/interrupts', 'head -c 1'],
    ['/proc/latency_stats', 'head -c 1'],
    ['/proc/acpi', 'ls'],
    ['/proc/scsi', 'ls'],
    ['/sys/firmware', 'ls'],
    ['/sys/devices/virtual/powercap', 'ls'],
  ])('%s is masked, by whatever path it is reached', async (path, read) => {
    const script = `for root in "" /proc/self/root /proc/1/root /proc/self/cwd/.. /proc/thread-self/root; do
      [ -e $root${path} ] && ${read} $root${path} | wc -c; done; echo end`;
    const lines = await attempt('', script);
    expect(lines.filter((line) => line !== '0')).toEqual(['end']);
  });

  test('keys of who started it are not there', async () => {
    const name = `tscompose-test-${process.pid}`;
    await using stack = place('security_opt: [seccomp=unconfined]', `search ${name}`, {
      programs: { search: KEY_SEARCH },
    });
    const holder = join(stack.root, 'holder');
    compile(KEY_HOLDER, holder);
    compile(KEY_SEARCH, join(stack.root, 'search'));
    const run = (...command: string[]) =>
      spawnSync(holder, [name, ...command], { cwd: stack.dir, env: stack.env, encoding: 'utf8' });
    expect(run(join(stack.root, 'search'), name).stdout).toBe('found\n');
    expect(run(process.execPath, CLI, 'up').status).toBe(0);
    expect(await logged(stack)).toEqual(['no such key']);
    const created = run(process.execPath, CLI, 'run', '--rm', '-T', 'app', 'sh', '-c', `search ${name}`);
    expect(created.stdout).toBe('no such key\n');
  });

  test('abstract sockets of the machine are not there', async () => {
    const name = `tscompose-test-${process.pid}`;
    const server = createServer().listen(`\0${name}`);
    await once(server, 'listening');
    try {
      const options = { programs: { reach: ABSTRACT_CONNECT } };
      expect(await attempt('', `reach ${name}`, options)).toEqual(['refused']);
      expect(await attempt('network_mode: host', `reach ${name}`, options)).toEqual(['connected']);
    } finally {
      server.close();
    }
  });

  test('a set-user-ID program in a volume is out of reach for the users of the machine', async () => {
    await using stack = place(
      'volumes: [data:/data]',
      'cp /bin/busybox /data/su; chmod 4755 /data/su; ls -l /data/su',
      {
        top: 'volumes:\n  data: {}\n',
      },
    );
    await stack.ok('up');
    const found = execFileSync('find', [stack.stateDir, '-name', 'su', '-perm', '-4000'], {
      encoding: 'utf8',
    }).trim();
    expect(found).toMatch(/_data\/su$/);
    execFileSync('chmod', ['711', stack.root]);
    const nobody = { uid: 65534, gid: 65534 };
    expect(spawnSync(found, ['id'], nobody).error).toMatchObject({ code: 'EACCES' });
  });
});
