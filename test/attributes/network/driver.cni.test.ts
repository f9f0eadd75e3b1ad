// driver: cni
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCore } from '../../../core/index.ts';
import { removeLink } from '../../../src/networks/links.ts';
import { freePort, needing } from '../../support/machine.ts';
import { inside, isImpossible, titled } from '../inside.ts';
import { ask, fetched, neighbours, server } from './neighbours.ts';

const hasPlugins = existsSync('/usr/lib/cni/bridge') || existsSync('/opt/cni/bin/bridge');

/** A directory for the addresses that host-local gives out, and a bridge of the test's own. */
function plugins() {
  const dataDir = mkdtempSync(join(tmpdir(), 'tscompose-test-cni-'));
  const bridge = `tcni${dataDir.slice(-6).toLowerCase()}`;
  const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: '10.211.40.0/24' }]] };
  return {
    bridge,
    list: {
      cniVersion: '1.0.0',
      name: bridge,
      plugins: [
        { type: 'bridge', bridge, isGateway: true, ipam },
        { type: 'tuning', mtu: 1300 },
      ],
    },
    ipam,
    given: () => readdirSync(join(dataDir, bridge)).filter((name) => name.startsWith('10.')),
    [Symbol.dispose]: () => rmSync(dataDir, { recursive: true, force: true }),
  };
}

describe.skipIf(isImpossible || !hasPlugins)(
  titled(needing('driver: cni', { 'containernetworking-plugins': hasPlugins })),
  () => {
    test('runs the plugins of a configuration list, and undoes them', async () => {
      using cni = plugins();
      {
        await using stack = await neighbours(
          [server('a', 'networks: [default]'), server('b', 'networks: [default]')],
          {
            top: 'networks: { default: { driver: cni, driver_opts: { conflist: ./net.conflist } } }\n',
            files: { 'net.conflist': JSON.stringify(cni.list) },
          },
        );
        expect(await ask(stack, 'a', 'cat /sys/class/net/eth0/mtu')).toEqual(['1300']);
        expect(await fetched(stack, 'a', 'b')).toBe((await ask(stack, 'b', 'hostname'))[0]);
        expect(cni.given()).toHaveLength(2);
        await stack.ok('restart', '-t', '1', 'b');
        expect(cni.given()).toHaveLength(2);
        await stack.ok('stop', '-t', '1', 'b');
        expect(cni.given()).toHaveLength(1);
      }
      expect(cni.given()).toEqual([]);
      removeLink({ core: openCore(), layout: { stateDir: '', runDir: '' } }, cni.bridge);
    });

    test('plugins that publish ports are given them, and forget them again', async () => {
      using cni = plugins();
      const port = await freePort();
      const chains = () => execFileSync('iptables-save', ['-t', 'nat'], { encoding: 'utf8' }).split('\n');
      const ours = () => chains().filter((line) => line.includes(`dport ${port} `) && line.includes('DNAT'));
      const portmap = { type: 'portmap', capabilities: { portMappings: true } };
      const list = { ...cni.list, plugins: [cni.list.plugins[0], portmap] };
      {
        await using stack = await neighbours([server('a', `networks: [default]\nports: ["${port}:80"]`)], {
          top: 'networks: { default: { driver: cni, driver_opts: { conflist: ./net.conflist } } }\n',
          files: { 'net.conflist': JSON.stringify(list) },
        });
        const [address = ''] = await ask(
          stack,
          'a',
          "ip -4 addr show eth0 | awk '/inet/ {print $2}' | cut -d/ -f1",
        );
        expect(ours()).toEqual([expect.stringContaining(`${address}:80`)]);
        const seen = await fetch(`http://127.0.0.1:${port}/`);
        expect((await seen.text()).trim()).toBe((await ask(stack, 'a', 'hostname'))[0]);
      }
      expect(ours()).toEqual([]);
      removeLink({ core: openCore(), layout: { stateDir: '', runDir: '' } }, cni.bridge);
    });

    test('runs one plugin by its type', async () => {
      using cni = plugins();
      const options = `{ type: ptp, ipam: '${JSON.stringify(cni.ipam)}' }`;
      const { lines } = await inside(
        'networks: [default]',
        "ip -4 addr show eth0 | awk '/inet/ {print $2}'",
        {
          top: `networks:\n  default:\n    name: ${cni.bridge}\n    driver: cni\n    driver_opts: ${options}\n`,
        },
      );
      expect(lines).toEqual([expect.stringMatching(/^10\.211\.40\./)]);
      expect(cni.given()).toEqual([]);
    });

    test('a plugin that is not installed, and one that refuses, are named', async () => {
      const see = (options: string) =>
        inside('networks: [default]', 'true', {
          top: `networks: { default: { driver: cni, driver_opts: ${options} } }\n`,
          mayFail: true,
        });
      const missing = await see('{ type: nonesuch }');
      expect(missing.stderr).toMatch(/needs the CNI plugin nonesuch/);
      expect(missing.stderr).toMatch(/compose\.yaml:\d+/);
      const refusing = await see('{ type: macvlan, master: nothing7 }');
      expect(refusing.stderr).toMatch(/the CNI plugin macvlan could not join network .*: .+/);
    });
  },
);
