// hostname
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('hostname'), () => {
  test('is the name of the UTS namespace, in /etc/hostname and $HOSTNAME', async () => {
    const { lines } = await inside('hostname: web', 'hostname; cat /etc/hostname; echo $HOSTNAME');
    expect(lines).toEqual(['web', 'web', 'web']);
  });

  test.each([
    ['hostname: web.example.org', 'web.example.org'],
    ['hostname: web\ndomainname: example.org', 'web.example.org'],
  ])('is found in full by who asks for the address of the machine: %j', async (attributes, full) => {
    const { lines } = await inside(`networks: [default]\n${attributes}`, 'hostname -f; hostname -s');
    expect(lines).toEqual([full, 'web']);
  });
});
