// Networks that are there without being declared.
import { describe, expect, it } from 'vitest';
import type { NetworkConfig, Service } from '../../src/compose/project.ts';
import { withPredefined } from '../../src/engine/predefined.ts';
import { project } from '../support/world.ts';

function prepared(service: Partial<Service>, networks: Record<string, NetworkConfig> = {}) {
  const before = project({ services: { web: service } });
  const after = withPredefined({ ...before, networks: { ...before.networks, ...networks } });
  const { network_mode, networks: own } = after.services.web ?? {};
  return { network_mode, networks: own, declared: after.networks };
}

describe('withPredefined', () => {
  it.each(['host', 'none', 'service:db', 'container:db'])('leaves network_mode %s', (network_mode) => {
    expect(prepared({ network_mode }).network_mode).toBe(network_mode);
  });

  it('turns the modes bridge and NETWORK into networks', () => {
    const bridge = prepared({ network_mode: 'bridge' });
    expect([bridge.network_mode, bridge.networks]).toEqual([undefined, { 'network_mode bridge': null }]);
    expect(bridge.declared['network_mode bridge']).toEqual({ name: 'bridge' });
    expect(prepared({ network_mode: 'lan' }).declared['network_mode lan']).toEqual({
      name: 'lan',
      external: true,
    });
  });

  it('turns the networks host and none into modes', () => {
    const networks = { x: null };
    expect(prepared({ networks }, { x: { name: 'host', external: true } }).network_mode).toBe('host');
    expect(prepared({ networks }, { x: { name: 'p_x', driver: 'none' } })).toMatchObject({
      network_mode: 'none',
    });
    const both = prepared(
      { networks: { x: null, y: null } },
      { x: { name: 'p_x', driver: 'none' }, y: { name: 'p_y' } },
    );
    expect([both.network_mode, both.networks]).toEqual([undefined, { y: null }]);
  });

  it('refuses the host’s network beside another', () => {
    const networks = { x: { name: 'host', external: true }, y: { name: 'p_y' } };
    expect(() => prepared({ networks: { x: null, y: null } }, networks)).toThrow(
      expect.objectContaining({ code: 'conflicting-keys' }),
    );
  });
});
