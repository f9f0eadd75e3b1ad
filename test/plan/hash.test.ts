// What counts for the hash of a service, a network and a volume.
import { describe, expect, it } from 'vitest';
import type { Service } from '../../src/compose/project.ts';
import { networkHash, serviceHash, volumeHash } from '../../src/plan/hash.ts';

const base: Service = { command: ['run'], entrypoint: null, image: 'box', labels: { a: '1', b: '2' } };
const same = (change: Partial<Service>) => serviceHash({ ...base, ...change }) === serviceHash(base);

describe('serviceHash', () => {
  it.each<[string, Partial<Service>]>([
    ['scale', { scale: 3 }],
    ['depends_on', { depends_on: { db: { condition: 'service_started', required: true } } }],
    ['profiles', { profiles: ['x'] }],
    ['build', { build: { context: '/x' } }],
    ['pull_policy', { pull_policy: 'always' }],
    ['the order of keys', { labels: { b: '2', a: '1' } }],
  ])('does not change with %s', (_name, change) => expect(same(change)).toBe(true));

  it.each<[string, Partial<Service>]>([
    ['labels', { labels: { a: '1' } }],
    ['attach', { attach: false }],
    ['develop', { develop: { watch: [] } }],
    ['the presence of deploy', { deploy: {} }],
    ['the order of a list', { command: ['run', 'it'] }],
    ['an environment value', { environment: { A: '1' } }],
  ])('changes with %s', (_name, change) => expect(same(change)).toBe(false));

  it('does not change with the number of replicas in deploy', () => {
    const hash = (replicas: number) => serviceHash({ ...base, deploy: { replicas } });
    expect(hash(1)).toBe(hash(5));
  });
});

describe('resource hashes', () => {
  it('do not change with the name', () => {
    expect(networkHash({ name: 'a' })).toBe(networkHash({ name: 'b' }));
    expect(volumeHash({ name: 'a' })).toBe(volumeHash({ name: 'b' }));
  });

  it('change with the definition', () => {
    const subnet = (of: string) => networkHash({ name: 'a', ipam: { config: [{ subnet: of }] } });
    expect(subnet('10.0.0.0/24')).not.toBe(subnet('10.0.1.0/24'));
    expect(volumeHash({ name: 'a', driver: 'local' })).not.toBe(volumeHash({ name: 'a' }));
  });
});
