// Names: tables, hosts files, resolv.conf.
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatAddress } from '../../src/networks/address.ts';
import { addNames, removeNames, replaceNames, upstreamServers } from '../../src/networks/hosts.ts';
import type { NetworkRecord } from '../../src/networks/record.ts';
import { networkFiles } from '../../src/state/layout.ts';
import { makeWorld, type World } from './support.ts';

describe('name tables', () => {
  it('have a line per address of a container', () => {
    const lines = [
      { address: '10.0.0.2', names: ['web', 'p-web-1', 'web'] },
      { address: 'fd00::2', names: ['web'] },
    ];
    const table = replaceNames('', [{ container: 'aa', lines }]);
    expect(table).toBe('aa 10.0.0.2 web p-web-1\naa fd00::2 web\n');
    expect(replaceNames(table, [{ container: 'bb', lines: [{ address: '10.0.0.3', names: ['db'] }] }])).toBe(
      `${table}bb 10.0.0.3 db\n`,
    );
    expect(replaceNames(`${table}aab 10.0.0.3 db\n`, [{ container: 'aa', lines: [] }])).toBe(
      'aab 10.0.0.3 db\n',
    );
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

describe('the machine’s resolv.conf', () => {
  it('names the upstream servers that are not on loopback', () => {
    const text =
      'nameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\nnameserver fe80::1%eth0\n;nameserver 10.0.0.1\n';
    expect(upstreamServers(text).map(formatAddress)).toEqual(['192.0.2.53', 'fe80::1']);
  });
});
