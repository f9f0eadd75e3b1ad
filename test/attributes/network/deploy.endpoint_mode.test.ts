// deploy.endpoint_mode
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Stack } from '../../support/stack.ts';
import { isImpossible, titled } from '../inside.ts';
import { ask, fetched, neighbours, server, translates } from './neighbours.ts';

const web = (mode: string) =>
  server('web', `networks: [default]\ndeploy: { replicas: 3, endpoint_mode: ${mode} }`);
const addressesOfWeb = "nslookup -type=a web | grep -A1 ^Name | awk '/^Address/ {print $NF}' | sort -u";

async function answering(stack: Stack, count: number): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (let turn = 0; turn < count; turn++) names.add(await fetched(stack, 'asker', 'web'));
  return names;
}

describe.skipIf(isImpossible)(titled('deploy.endpoint_mode'), () => {
  test('vip: one address, behind it every replica, also after scaling', async () => {
    await using stack = await neighbours([web('vip'), server('asker', 'networks: [default]')]);
    if (!translates(stack)) {
      expect(await ask(stack, 'asker', addressesOfWeb)).toHaveLength(3);
      return;
    }
    const [vip, ...others] = await ask(stack, 'asker', addressesOfWeb);
    expect(others).toEqual([]);
    const replicas = async () => new Set((await stack.ps('web')).map(({ ID }) => ID.slice(0, 12)));
    await eventually(async () => expect(await answering(stack, 3)).toEqual(await replicas()));
    await stack.ok('scale', 'web=2');
    expect(await answering(stack, 4)).toEqual(await replicas());
    await stack.ok('scale', 'web=4');
    await eventually(async () => expect(await answering(stack, 4)).toEqual(await replicas()));
    expect(await ask(stack, 'asker', addressesOfWeb)).toEqual([vip]);
    expect(
      await ask(stack, 'asker', 'nslookup -type=a tasks.web | grep -A1 ^Name | grep -c Address'),
    ).toEqual(['4']);
    expect(await ask(stack, 'asker', `ping -c1 -W2 ${vip} | grep -c from`)).toEqual(['1']);
  });

  test('vip: a replica that ends is left out, and none at all is a refusal', async ({ skip }) => {
    await using stack = await neighbours([web('vip'), server('asker', 'networks: [default]')]);
    skip(!translates(stack), 'the kernel has no address translation');
    const second = (await stack.ps('web')).find(({ Name }) => Name.endsWith('-2'))?.ID.slice(0, 12) ?? '';
    await stack.ok('exec', '-T', '--index', '2', 'web', 'kill', '1').catch(() => undefined);
    await eventually(async () => expect((await answering(stack, 6)).has(second)).toBe(false));
    expect((await answering(stack, 6)).has('')).toBe(false);
    await stack.ok('stop', '-t', '1', 'web');
    const refused = await ask(stack, 'asker', 'timeout 5 wget -qO- http://web/ 2>&1 || true');
    expect(refused.join()).toContain('refused');
  });

  test('dnsrr: the addresses of all replicas', async () => {
    await using stack = await neighbours([web('dnsrr'), server('asker', 'networks: [default]')]);
    expect(await ask(stack, 'asker', addressesOfWeb)).toHaveLength(3);
  });
});
