// volumes.driver_opts
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('volumes.driver_opts'), () => {
  test('tmpfs with options', async () => {
    const { lines } = await inside(
      'volumes: [data:/d]',
      "grep -c '^tmpfs /d tmpfs' /proc/mounts; df -k /d | tail -1 | tr -s ' ' | cut -d' ' -f2",
      {
        top: 'volumes:\n  data:\n    driver: local\n    driver_opts: {type: tmpfs, device: tmpfs, o: "size=1m"}\n',
      },
    );
    expect(lines).toEqual(['1', '1024']);
  });

  test('bind of a directory', async () => {
    const { lines } = await inside('volumes: [data:/d]', 'cat /d/file', {
      top: 'volumes:\n  data:\n    driver: local\n    driver_opts: {type: none, device: ./dir, o: bind}\n',
      files: { 'dir/file': 'bound\n' },
    });
    expect(lines).toEqual(['bound']);
  });

  test('a driver that is not here is refused', async () => {
    const { code, stderr } = await inside('volumes: [data:/d]', 'true', {
      top: 'volumes:\n  data: {driver: rexray}\n',
      mayFail: true,
    });
    expect(code).not.toBe(0);
    expect(stderr).toContain('rexray');
  });
});
