// driver: overlay
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openCore } from '../../../core/index.ts';
import { requireAddress } from '../../../src/networks/address.ts';
import { findLink, route } from '../../../src/networks/links.ts';
import { addAddress } from '../../../src/networks/routes.ts';
import { changeLink, createLink } from '../../../src/networks/rtnetlink.ts';
import { CLI, type Stack } from '../../support/stack.ts';
import { inside, isImpossible, scene, titled } from '../inside.ts';
import { server } from './neighbours.ts';

const PEERS = ['192.0.2.1', '192.0.2.2'];
const overlay = (options: string) =>
  `networks:\n  default: { name: wide, driver: overlay, driver_opts: { ${options} }, ipam: { config: [{ subnet: 10.211.50.0/24 }] } }\n`;

/** Machines of their own: network namespaces that are connected with each other. */
class Machines {
  readonly processes: ChildProcess[] = PEERS.map(() => spawn('unshare', ['--net', 'sleep', '600']));

  netns(index: number): string {
    return `/proc/${this.processes[index]?.pid}/ns/net`;
  }

  async connect(): Promise<void> {
    const core = openCore();
    const ctx = { core, layout: { stateDir: '', runDir: '' } };
    const own = spawnSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }).stdout;
    for (const index of PEERS.keys()) {
      await expect
        .poll(() => spawnSync('readlink', [this.netns(index)], { encoding: 'utf8' }).stdout)
        .not.toBe(own);
    }
    const [one = -1, two = -1] = PEERS.map((_, index) => core.openFd(this.netns(index)));
    route(ctx, [
      createLink(
        { name: 'wire', namespaceFd: one },
        { kind: 'veth', peer: { name: 'wire', namespaceFd: two } },
      ),
    ]);
    for (const fd of [one, two]) core.close(fd);
    for (const [index, text] of PEERS.entries()) {
      const link = findLink(ctx, 'wire', this.netns(index))?.index ?? 0;
      const address = addAddress({ index: link, address: requireAddress(text, 'a peer'), prefix: 24 });
      route(ctx, [address, changeLink(1, { up: true }), changeLink(link, { up: true })], this.netns(index));
    }
  }

  /** Runs the command on a machine. */
  run(
    index: number,
    stack: Stack,
    ...args: readonly string[]
  ): { code: number | null; stdout: string; stderr: string } {
    const argv = [`--net=${this.netns(index)}`, process.execPath, CLI, ...args];
    const { status, stdout, stderr } = spawnSync('nsenter', argv, {
      cwd: stack.dir,
      env: stack.env,
      encoding: 'utf8',
    });
    return { code: status, stdout, stderr };
  }
}

describe.skipIf(isImpossible)(titled('driver: overlay'), () => {
  let machines: Machines;
  beforeEach(() => {
    machines = new Machines();
  });
  afterEach(() => {
    for (const process of machines.processes) process.kill('SIGKILL');
  });

  test('connects machines that list each other, from one file that is the same on all', async () => {
    await machines.connect();
    const compose = `services:\n${server('web', 'networks: [default]')}${overlay(`peers: "${PEERS.join(',')}", vni: 77`)}`;
    const stacks = [scene(compose), scene(compose)];
    try {
      for (const [index, stack] of stacks.entries()) {
        const { code, stderr } = machines.run(index, stack, 'up', '-d', '--wait');
        expect(code, stderr).toBe(0);
      }
      const [here, there] = stacks;
      if (here === undefined || there === undefined) throw new Error('two stacks were made');
      const look = "ip -4 addr show eth0 | awk '/inet/ {print $2}'; cat /sys/class/net/eth0/mtu; hostname";
      const seen = stacks.map((stack, index) =>
        machines.run(index, stack, 'exec', '-T', 'web', 'sh', '-c', look).stdout.split('\n'),
      );
      expect(seen.map(([address, mtu]) => [address, mtu])).toEqual([
        ['10.211.50.2/24', '1450'],
        ['10.211.50.128/24', '1450'],
      ]);
      const answer = machines.run(
        0,
        here,
        'exec',
        '-T',
        'web',
        'timeout',
        '5',
        'wget',
        '-qO-',
        'http://10.211.50.128/',
      );
      expect(answer.stdout.trim()).toBe(seen[1]?.[2]);
    } finally {
      for (const [index, stack] of stacks.entries()) {
        machines.run(index, stack, 'down', '-t', '1');
        await stack[Symbol.asyncDispose]();
      }
    }
    const link = (index: number) =>
      spawnSync('nsenter', [`--net=${machines.netns(index)}`, 'cat', '/proc/net/dev'], { encoding: 'utf8' })
        .stdout;
    expect(link(0)).not.toMatch(/ts[cv]-/);
  });

  test('needs a subnet that all agree on, and this machine among its peers', async () => {
    const see = (top: string) => inside('networks: [default]', 'true', { top, mayFail: true });
    const strangers = await see(overlay('peers: "192.0.2.11 192.0.2.12"'));
    expect(strangers.stderr).toContain('no address of this machine is among the peers of network "wide"');
    const nowhere = await see(
      'networks: { default: { driver: overlay, driver_opts: { peers: 127.0.0.1 } } }\n',
    );
    expect(nowhere.stderr).toContain('has peers, but no subnet that they agree on');
    const secret = await see(overlay('peers: 127.0.0.1, encrypted: ""'));
    expect(secret.stderr).toContain('asks for encryption');
  });

  test('without peers is a bridge of this machine, with a warning', async () => {
    const { lines, warnings } = await inside(
      'networks: [default]',
      "ip -4 addr show eth0 | awk '/inet/ {print $2}'",
      {
        top: 'networks: { default: { driver: overlay, attachable: true } }\n',
      },
    );
    expect(lines).toEqual([expect.stringMatching(/\/2\d$/)]);
    expect(warnings).toEqual([expect.stringContaining('without driver_opts.peers')]);
  });
});
