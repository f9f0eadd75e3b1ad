// sysctls
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('sysctls'), () => {
  test('of its own namespaces are set', async () => {
    const { lines } = await inside(
      `sysctls:
  net.core.somaxconn: 1234
  kernel.shmmax: 1048576
  fs.mqueue.msg_max: 20`,
      'cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmax /proc/sys/fs/mqueue/msg_max',
    );
    expect(lines).toEqual(['1234', '1048576', '20']);
  });

  test.each([
    ['sysctls: {kernel.panic: 1}', 'the whole machine'],
    ['network_mode: host\nsysctls: {net.core.somaxconn: 1}', 'network namespace'],
    ['ipc: host\nsysctls: {kernel.shmmax: 1}', 'IPC namespace'],
  ])("%s is refused: it is not the container's", async (text, reason) => {
    const { code, stderr } = await inside(text, 'true', { mayFail: true });
    expect(code).not.toBe(0);
    expect(stderr).toContain(reason);
  });
});
