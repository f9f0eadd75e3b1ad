// Names: tables, hosts files, resolv.conf.
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatAddress } from '../../src/networks/address.ts';
import {
  addNames,
  hostsHeader,
  removeNames,
  replaceNames,
  resolvConf,
  upstreamServers,
} from '../../src/networks/hosts.ts';
import type { NetworkRecord } from '../../src/networks/record.ts';
import { networkFiles } from '../../src/state/layout.ts';
import { makeWorld, type World } from './support.ts';

describe('name tables', () => {
  it('have a line per address of a container', () => {
    const lines = [
      { address: '10.0.0.2', names: ['web', 'p-web-1', 'web'] },
      { address: 'fd00::2', names: ['web'] },
    ];
    const table = replaceNames('', 'aa', lines);
    expect(table).toBe('aa 10.0.0.2 web p-web-1\naa fd00::2 web\n');
    expect(replaceNames(table, 'bb', [{ address: '10.0.0.3', names: ['db'] }])).toBe(
      `${table}bb 10.0.0.3 db\n`,
    );
    expect(replaceNames(`${table}aab 10.0.0.3 db\n`, 'aa', [])).toBe('aab 10.0.0.3 db\n');
  });

  describe('on disk', () => {
    let world: World;
    beforeEach(() => {
      world = makeWorld();
    });
    afterEach(() => world.dispose());

    it('survive writers at the same time', async () => {
      const network = { id: 'f'.repeat(64) } as NetworkRecord;
      const ids = Array.from({ length: 20 }, (_, index) => `c${index}`);
      await Promise.all(
        ids.map((id) => addNames(world.ctx, network, id, [{ address: '10.0.0.2', names: [id] }])),
      );
      const { names } = networkFiles(world.ctx.layout, network.id);
      expect(readFileSync(names, 'utf8').trim().split('\n').sort()).toEqual(
        ids.map((id) => `${id} 10.0.0.2 ${id}`).sort(),
      );
      await Promise.all(ids.map((id) => removeNames(world.ctx, network, id)));
      expect(readFileSync(names, 'utf8')).toBe('');
      expect(existsSync(`${names}.lock`)).toBe(false);
    });
  });
});

describe('the hosts file', () => {
  it('begins with the lines for localhost', () => {
    const lines = hostsHeader({}).split('\n');
    expect(lines[0]).toBe('127.0.0.1\tlocalhost');
    expect(lines[1]).toBe('::1\tlocalhost ip6-localhost ip6-loopback');
    expect(lines).toHaveLength(7);
  });

  it('has extra hosts in every form', () => {
    const extraHosts = [
      'a=10.0.0.1',
      'b:10.0.0.2',
      'c=fd00::1',
      'd:fd00::2',
      'e=[fd00::3]',
      'gate=host-gateway',
    ];
    const text = hostsHeader({ extraHosts, gateways: ['10.0.0.254', 'fd00::fe'] });
    expect(text.split('\n').slice(6, -1)).toEqual([
      '10.0.0.1\ta',
      '10.0.0.2\tb',
      'fd00::1\tc',
      'fd00::2\td',
      'fd00::3\te',
      '10.0.0.254\tgate',
      'fd00::fe\tgate',
    ]);
  });

  it('is the host’s own one, with extra hosts, on the host’s network', () => {
    expect(hostsHeader({ base: '127.0.0.1 localhost me\n\n', extraHosts: ['a=10.0.0.1'] })).toBe(
      '127.0.0.1 localhost me\n10.0.0.1\ta\n',
    );
  });
});

describe('resolv.conf', () => {
  const host = '# comment\nnameserver 192.0.2.53\nsearch corp.example lan\noptions timeout:1 edns0 # note\n';

  it('asks the shim, and takes search and options over from the host', () => {
    expect(resolvConf({ host })).toBe(
      'nameserver 127.0.0.11\nsearch corp.example lan\noptions timeout:1 edns0 ndots:0\n',
    );
    expect(resolvConf({ host: '' })).toBe('nameserver 127.0.0.11\noptions ndots:0\n');
  });

  it('has the settings of the service instead', () => {
    const text = resolvConf({
      host,
      dns: ['10.0.0.53'],
      search: ['one.example', 'two.example'],
      options: ['ndots:3'],
    });
    expect(text).toBe('nameserver 127.0.0.11\nsearch one.example two.example\noptions ndots:3\n');
    expect(resolvConf({ host, search: ['.'] })).not.toContain('search');
  });

  it('is the host’s own on the host’s network, unless the service has settings', () => {
    expect(resolvConf({ host, hostNetwork: true })).toBe(host);
    expect(resolvConf({ host, hostNetwork: true, dns: ['10.0.0.53'] })).toBe(
      'nameserver 10.0.0.53\nsearch corp.example lan\noptions timeout:1 edns0\n',
    );
  });

  it('names the upstream servers that are not on loopback', () => {
    const text =
      'nameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\nnameserver fe80::1%eth0\n;nameserver 10.0.0.1\n';
    expect(upstreamServers(text).map(formatAddress)).toEqual(['192.0.2.53', 'fe80::1']);
  });
});
