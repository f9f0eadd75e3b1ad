// storage_opt.size, and size of a volume, on a file system with project quotas
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needing } from '../../support/machine.ts';
import { inside, isImpossible, titled } from '../inside.ts';

const hasTools = existsSync('/usr/sbin/mkfs.ext4') || existsSync('/sbin/mkfs.ext4');

describe.skipIf(isImpossible || !hasTools)(
  titled(needing('storage_opt.size', { 'mkfs.ext4': hasTools })),
  () => {
    let dir: string;
    let isMounted = false;
    const reason = 'this kernel mounts no ext4 with project quotas';
    const on = (name: string) => ({ TSCOMPOSE_STATE_DIR: join(dir, 'mounted', name) });

    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), 'quota-'));
      chmodSync(dir, 0o755);
      mkdirSync(join(dir, 'mounted'));
      const image = join(dir, 'image');
      execFileSync('truncate', ['-s', '200M', image]);
      execFileSync('mkfs.ext4', ['-q', '-O', 'quota,project', image], { stdio: 'ignore' });
      // Where it is a module, the kernel does not ask for it.
      spawnSync('modprobe', ['-q', 'quota_v2']);
      const { status } = spawnSync('mount', ['-o', 'loop,prjquota', image, join(dir, 'mounted')]);
      isMounted = status === 0;
    });
    afterAll(() => {
      if (isMounted) execFileSync('umount', [join(dir, 'mounted')]);
      rmSync(dir, { recursive: true });
    });

    const fill = (path: string) =>
      `dd if=/dev/zero of=${path}/big bs=1M count=64 2>&1 | grep -c 'quota exceeded'; df ${path} | awk 'END {print $2}'`;

    test('is what the container can write into its root, and no more', async (context) => {
      if (!isMounted) context.skip(reason);
      const { lines, warnings } = await inside('storage_opt: { size: 16m }', fill('/'), { env: on('a') });
      expect([lines, warnings]).toEqual([['1', '16384'], []]);
    });

    test('is each container’s own, and free again when it is removed', async (context) => {
      if (!isMounted) context.skip(reason);
      for (let round = 0; round < 3; round++) {
        const { lines } = await inside(
          'storage_opt: { size: 150m }',
          'dd if=/dev/zero of=/big bs=1M count=100 2>/dev/null && echo wrote',
          { env: on('b') },
        );
        expect(lines).toEqual(['wrote']);
      }
    });

    test('driver_opts.size of a volume', async (context) => {
      if (!isMounted) context.skip(reason);
      const top = 'volumes: { data: { driver_opts: { size: 8m } } }\n';
      const { lines } = await inside('volumes: ["data:/data"]', fill('/data'), { top, env: on('c') });
      expect(lines).toEqual(['1', '8192']);
    });

    test('driver_opts.size of a volume is refused where it is written, without quotas', async () => {
      const top = 'volumes: { data: { driver_opts: { size: 8m } } }\n';
      const { code, stderr } = await inside('volumes: ["data:/data"]', 'true', { top, mayFail: true });
      expect([code > 0, /enforces no project quotas/.test(stderr)]).toEqual([true, true]);
      expect(stderr).toMatch(/compose\.yaml:\d+:\d+/);
    });
  },
);
