// read_only
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('read_only'), () => {
  test('the root cannot be written to, mounts can', async () => {
    const { lines } = await inside(
      `read_only: true
tmpfs: [/scratch]
volumes: [data:/data]`,
      'touch /x 2>/dev/null || echo refused; touch /scratch/x /data/x && echo written; grep " / " /proc/mounts | grep -c "ro,"',
      { top: 'volumes:\n  data: {}\n' },
    );
    expect(lines).toEqual(['refused', 'written', '1']);
  });

  test('nor can what is mounted on files of its /etc', async () => {
    const script = 'for f in hosts hostname resolv.conf; do echo x >> /etc/$f && echo $f; done; true';
    expect((await inside('read_only: true', `exec 2>/dev/null; ${script}`)).lines).toEqual([]);
    expect((await inside('', script)).lines).toEqual(['hosts', 'hostname', 'resolv.conf']);
  });
});
