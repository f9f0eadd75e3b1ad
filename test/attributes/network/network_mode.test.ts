// network_mode
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, scene, serviceOf, titled } from '../inside.ts';
import { ask, fetched, neighbours, server } from './neighbours.ts';

const INTERFACES = 'ls /sys/class/net | grep -v -E "^(sit|tunl|ip6tnl|gre|erspan|ip_vti|ip6_vti)"';

describe.skipIf(isImpossible)(titled('network_mode'), () => {
  test('none: loopback alone, and it is up', async () => {
    const { lines } = await inside(
      'network_mode: none',
      `ip link show lo | grep -o LOOPBACK,UP; ip -4 route; ping -c1 127.0.0.1 | grep -c from`,
    );
    expect(lines).toEqual(['LOOPBACK,UP', '1']);
  });

  test('host: the network of the machine, its names and its resolver', async () => {
    const { lines } = await inside(
      'network_mode: host',
      'readlink /proc/self/ns/net; head -1 /etc/resolv.conf',
    );
    expect(lines).toEqual([
      readlinkSync('/proc/self/ns/net'),
      readFileSync('/etc/resolv.conf', 'utf8').split('\n')[0],
    ]);
  });

  test('bridge: a network that all projects share, and that goes with its last container', async () => {
    await using one = await neighbours([server('web', 'network_mode: bridge')]);
    const [address = ''] = await ask(
      one,
      'web',
      "ip -4 addr show eth0 | awk '/inet/ {print $2}' | cut -d/ -f1",
    );
    const other = scene(`services:\n${serviceOf('init: true\nnetwork_mode: bridge', 'sleep 600', 'asker')}`);
    await using second = other;
    Object.assign(second.env, { TSCOMPOSE_STATE_DIR: one.stateDir });
    await second.ok('up', '-d');
    expect(await fetched(second, 'asker', address)).toBe((await ask(one, 'web', 'hostname'))[0]);
    expect((await one.ok('down', '-t', '1')) + (await second.ok('ps', '--services'))).toContain('asker');
    expect(await ask(second, 'asker', INTERFACES)).toEqual(['eth0', 'lo']);
    await second.ok('-p', second.project, 'down', '-t', '1');
    expect(readdirSync(join(one.stateDir, 'networks'))).toEqual([]);
  });

  test('service: the namespace, hosts file and resolver of the other', async () => {
    await using stack = await neighbours([
      server('owner', 'networks: [default]\nhostname: owner'),
      serviceOf('init: true\nnetwork_mode: service:owner', 'sleep 600', 'guest'),
    ]);
    const script = 'readlink /proc/self/ns/net; cat /etc/hosts /etc/resolv.conf';
    expect(await ask(stack, 'guest', script)).toEqual(await ask(stack, 'owner', script));
    expect(await fetched(stack, 'guest', '127.0.0.1')).toBe('owner');
  });

  test('container: that of any container by its name', async () => {
    await using stack = await neighbours([server('owner', 'networks: [default]\ncontainer_name: lender')]);
    stack.write(
      'guest.yaml',
      `services:\n${serviceOf('init: true\nnetwork_mode: container:lender', 'sleep 600', 'guest')}`,
    );
    await stack.ok('-f', 'compose.yaml', '-f', 'guest.yaml', 'up', '-d');
    const script = 'readlink /proc/self/ns/net';
    const guest = await stack.ok(
      '-f',
      'compose.yaml',
      '-f',
      'guest.yaml',
      'exec',
      '-T',
      'guest',
      'sh',
      '-c',
      script,
    );
    expect([guest.trim()]).toEqual(await ask(stack, 'owner', script));
  });

  test('the name of a network that exists', async () => {
    await using stack = await neighbours([server('web', 'networks: [default]')]);
    stack.write(
      'more.yaml',
      `services:\n${serviceOf(`init: true\nnetwork_mode: ${stack.project}_default`, 'sleep 600', 'guest')}`,
    );
    await stack.ok('-f', 'compose.yaml', '-f', 'more.yaml', 'up', '-d');
    const answer = await stack.ok(
      '-f',
      'compose.yaml',
      '-f',
      'more.yaml',
      'exec',
      '-T',
      'guest',
      'wget',
      '-qO-',
      'http://web/',
    );
    expect([answer.trim()]).toEqual(await ask(stack, 'web', 'hostname'));
  });

  test('a network that does not exist is refused', async () => {
    const { code, stderr } = await inside('network_mode: nowhere', 'true', { mayFail: true });
    expect(code).not.toBe(0);
    expect(stderr).toContain('network nowhere');
  });
});
