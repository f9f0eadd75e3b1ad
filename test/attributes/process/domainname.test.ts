// domainname
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('domainname'), () => {
  test('is that of the UTS namespace', async () => {
    const { lines } = await inside(
      `hostname: web
domainname: example.org`,
      'cat /proc/sys/kernel/domainname; hostname',
    );
    expect(lines).toEqual(['example.org', 'web']);
  });
});
