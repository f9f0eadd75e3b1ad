// hostname
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('hostname'), () => {
  test('is the name of the UTS namespace, in /etc/hostname and $HOSTNAME', async () => {
    const { lines } = await inside('hostname: web', 'hostname; cat /etc/hostname; echo $HOSTNAME');
    expect(lines).toEqual(['web', 'web', 'web']);
  });
});
