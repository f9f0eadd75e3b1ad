// external, name, labels and attachable of a network
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, serviceOf, titled } from '../inside.ts';
import { ask, neighbours, server } from './neighbours.ts';

describe.skipIf(isImpossible)(titled('external'), () => {
  test('is the network that somebody else made, and stays', async () => {
    await using stack = await neighbours([server('web', 'networks: [default]')], {
      top: 'networks: { default: { name: shared-net, attachable: true, labels: { org.example.a: b } } }\n',
    });
    const [file = ''] = readdirSync(join(stack.stateDir, 'networks')).filter((name) =>
      name.endsWith('.json'),
    );
    const record = JSON.parse(readFileSync(join(stack.stateDir, 'networks', file), 'utf8'));
    expect(record).toMatchObject({
      name: 'shared-net',
      labels: {
        'org.example.a': 'b',
        'com.docker.compose.network': 'default',
        'com.docker.compose.project': stack.project,
      },
    });
    const top = 'networks: { default: { name: shared-net, external: true } }\n';
    stack.write(
      'other.yaml',
      `name: ${stack.project}x\nservices:\n${serviceOf('init: true\nnetworks: [default]', 'sleep 600', 'guest')}${top}`,
    );
    await stack.ok('-f', 'other.yaml', 'up', '-d');
    const answer = await stack.ok('-f', 'other.yaml', 'exec', '-T', 'guest', 'wget', '-qO-', 'http://web/');
    expect([answer.trim()]).toEqual(await ask(stack, 'web', 'hostname'));
    await stack.ok('-f', 'other.yaml', 'down', '-t', '1');
    expect(await ask(stack, 'web', 'ls /sys/class/net | grep eth0')).toEqual(['eth0']);
  });

  test('that does not exist is refused', async () => {
    const top = 'networks: { default: { name: no-such-net, external: true } }\n';
    const { code, stderr } = await inside('networks: [default]', 'true', { top, mayFail: true });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/network no-such-net is declared as external, but does not exist/);
  });
});
