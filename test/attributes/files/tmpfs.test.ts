// tmpfs
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('tmpfs'), () => {
  test('with options', async () => {
    const { lines } = await inside(
      'tmpfs: ["/t:size=2m,mode=750,uid=33,gid=44,exec"]',
      "df -k /t | tail -1 | tr -s ' ' | cut -d' ' -f2; stat -c '%a %u %g' /t; grep ' /t ' /proc/mounts | grep -c noexec",
    );
    expect(lines).toEqual(['2048', '750 33 44', '0']);
  });
  test('is nosuid, nodev and noexec by default', async () => {
    const { lines } = await inside('tmpfs: /t', "grep ' /t ' /proc/mounts | grep -c nosuid,nodev,noexec");
    expect(lines).toEqual(['1']);
  });
});
