// Which subnets and addresses are given out.
import { describe, expect, it } from 'vitest';
import { formatSubnet, requireSubnet } from '../../src/networks/address.ts';
import { type AddressRequest, chooseLease, macFor, parseMac } from '../../src/networks/ipam.ts';
import {
  checkSubnet,
  chooseSubnet,
  parsePools,
  plainSubnet,
  refuseOverlap,
  uniqueLocalSubnet,
} from '../../src/networks/subnets.ts';

const taken = (...subnets: string[]) =>
  subnets.map((text) => ({ subnet: requireSubnet(text, 'x'), owner: `owner of ${text}` }));

describe('choosing a subnet', () => {
  const choose = (pools: string, ...others: string[]): string =>
    formatSubnet(chooseSubnet(parsePools(pools), taken(...others)));

  it('takes the lowest that overlaps nothing', () => {
    expect(choose('10.0.0.0/8')).toBe('10.0.0.0/22');
    expect(choose('10.0.0.0/8', '10.0.0.0/24', '10.0.5.128/32')).toBe('10.0.8.0/22');
    expect(choose('10.0.0.0/8', '10.0.4.0/24')).toBe('10.0.0.0/22');
  });

  it('steps over what is wider than a subnet, wherever it begins', () => {
    expect(choose('10.0.0.0/8', '10.0.0.0/9')).toBe('10.128.0.0/22');
    expect(choose('10.0.0.0/8', '9.0.0.0/8', '12.0.0.0/8', '10.0.0.0/30', '192.168.0.0/16')).toBe(
      '10.0.4.0/22',
    );
  });

  it('goes on in the next pool, and cuts other sizes', () => {
    expect(choose('10.0.0.0/24,10.9.0.0/16/26', '10.0.0.0/30', '10.9.0.0/26')).toBe('10.9.0.64/26');
  });

  it('gives out thousands', () => {
    const others: string[] = [];
    for (let count = 0; count < 300; count++) others.push(choose('10.160.0.0/11', ...others));
    expect(new Set(others).size).toBe(300);
    expect(others.at(-1)).toBe('10.164.172.0/22');
  });

  it('says when there is none, and which pool makes no sense', () => {
    expect(() => choose('10.0.0.0/24', '10.0.0.0/8')).toThrow(
      expect.objectContaining({ code: 'subnet-conflict' }),
    );
    expect(() => parsePools('10.0.0.0')).toThrow(expect.objectContaining({ code: 'invalid-value' }));
    expect(() => parsePools('10.0.0.0/8/31')).toThrow(expect.objectContaining({ code: 'invalid-value' }));
    expect(() => parsePools('fd00::/48')).toThrow(expect.objectContaining({ code: 'invalid-value' }));
  });

  it('makes unique local /64 subnets', () => {
    expect(formatSubnet(uniqueLocalSubnet(Uint8Array.of(1, 2, 3, 4, 5, 6, 7)))).toBe('fd01:203:405:607::/64');
  });
});

describe('a subnet of a compose file', () => {
  it('gets the first address as gateway unless it names one', () => {
    expect(checkSubnet('n', { subnet: '10.1.2.3/16' })).toEqual({
      subnet: '10.1.0.0/16',
      gateway: '10.1.0.1',
    });
    expect(checkSubnet('n', { subnet: 'fd00::/64', gateway: 'FD00::00FF' })).toEqual({
      subnet: 'fd00::/64',
      gateway: 'fd00::ff',
    });
    expect(plainSubnet(requireSubnet('10.0.0.0/31', 'x')).gateway).toBe('10.0.0.0');
  });

  it('keeps ip_range and auxiliary addresses', () => {
    const wanted = { subnet: '10.1.0.0/16', ip_range: '10.1.5.0/24', aux_addresses: { router: '10.1.5.7' } };
    expect(checkSubnet('n', wanted)).toMatchObject({
      ipRange: '10.1.5.0/24',
      auxAddresses: { router: '10.1.5.7' },
    });
  });

  it.each([
    [{ subnet: 'ten' }, 'subnet'],
    [{ subnet: '10.0.0.0/24', gateway: '10.0.1.1' }, 'gateway'],
    [{ subnet: '10.0.0.0/24', ip_range: '10.0.0.0/23' }, 'ip_range'],
    [{ subnet: '10.0.0.0/24', ip_range: '10.0.1.0/25' }, 'ip_range'],
    [{ subnet: '10.0.0.0/24', aux_addresses: { a: '10.0.1.1' } }, 'auxiliary address a'],
    [{ subnet: '10.0.0.0/24', gateway: 'fd00::1' }, 'gateway'],
  ])('refuses %j', (wanted, word) => {
    expect(() => checkSubnet('n', wanted)).toThrow(
      expect.objectContaining({ code: 'invalid-value', message: expect.stringContaining(word) }),
    );
  });

  it('must not overlap what is taken; the error names the other', () => {
    const subnets = [{ subnet: '10.0.0.0/16', gateway: '10.0.0.1' }];
    expect(() => refuseOverlap('n', subnets, taken('10.0.7.0/24'))).toThrow('overlaps owner of 10.0.7.0/24');
    refuseOverlap('n', subnets, taken('10.1.0.0/16', 'fd00::/8'));
  });
});

describe('choosing addresses', () => {
  const request = (change: Partial<AddressRequest>): AddressRequest => ({
    network: 'n',
    subnets: [{ subnet: '10.0.0.0/29', gateway: '10.0.0.1', auxAddresses: { printer: '10.0.0.2' } }],
    leases: {},
    container: 'me',
    wanted: {},
    nameOf: (id) => `named ${id}`,
    ...change,
  });
  const held = (ipv4: string) => ({ ipv4, mac: '02:42:00:00:00:00' });

  it('takes the lowest that is nobody’s, and a hardware address that follows from it', () => {
    expect(chooseLease(request({}))).toEqual({ ipv4: '10.0.0.3', mac: '02:42:0a:00:00:03' });
    expect(chooseLease(request({ leases: { other: held('10.0.0.3') } })).ipv4).toBe('10.0.0.4');
  });

  it('keeps what the container had, as long as it fits', () => {
    expect(chooseLease(request({ leases: { me: held('10.0.0.5') } }))).toEqual({
      ipv4: '10.0.0.5',
      mac: '02:42:00:00:00:00',
    });
    expect(chooseLease(request({ leases: { me: held('10.9.9.9') } })).ipv4).toBe('10.0.0.3');
    expect(chooseLease(request({ leases: { me: held('10.0.0.1') } })).ipv4).toBe('10.0.0.3');
  });

  it('gives the static address that is wanted, outside of ip_range too', () => {
    const subnets = [{ subnet: '10.0.0.0/24', gateway: '10.0.0.254', ipRange: '10.0.0.64/26' }];
    expect(chooseLease(request({ subnets, wanted: { ipv4: '10.0.0.9' } })).ipv4).toBe('10.0.0.9');
    expect(chooseLease(request({ subnets })).ipv4).toBe('10.0.0.64');
  });

  it.each([
    ['10.0.0.1', 'the gateway'],
    ['10.0.0.2', 'the auxiliary address printer'],
    ['10.0.0.4', 'container named other'],
  ])('refuses %s, which is in use, and says by whom', (ipv4, holder) => {
    expect(() => chooseLease(request({ wanted: { ipv4 }, leases: { other: held('10.0.0.4') } }))).toThrow(
      expect.objectContaining({ code: 'address-in-use', message: expect.stringContaining(holder) }),
    );
  });

  it('refuses what is in no subnet of the network', () => {
    for (const wanted of [{ ipv4: '10.9.0.1' }, { ipv6: 'fd00::1' }, { ipv4: 'x' }]) {
      expect(() => chooseLease(request({ wanted }))).toThrow(
        expect.objectContaining({ code: 'invalid-value' }),
      );
    }
  });

  it('gives out neither the network’s nor the broadcast address, and says when it is full', () => {
    const leases = { a: held('10.0.0.3'), b: held('10.0.0.4'), c: held('10.0.0.5') };
    expect(chooseLease(request({ leases })).ipv4).toBe('10.0.0.6');
    expect(() => chooseLease(request({ leases: { ...leases, d: held('10.0.0.6') } }))).toThrow(
      expect.objectContaining({ code: 'address-in-use' }),
    );
  });

  it('gives both families where the network has both', () => {
    const subnets = [
      plainSubnet(requireSubnet('10.0.0.0/24', 'x')),
      plainSubnet(requireSubnet('fd00::/64', 'x')),
    ];
    expect(chooseLease(request({ subnets }))).toEqual({
      ipv4: '10.0.0.2',
      ipv6: 'fd00::2',
      mac: '02:42:0a:00:00:02',
    });
    const six = [plainSubnet(requireSubnet('fd00::/64', 'x'))];
    expect(chooseLease(request({ subnets: six }))).toEqual({ ipv6: 'fd00::2', mac: '02:42:00:00:00:02' });
  });

  it('reads hardware addresses', () => {
    expect([...parseMac('02:42:AC:11:00:ff')]).toEqual([2, 0x42, 0xac, 0x11, 0, 255]);
    expect(() => parseMac('02:42')).toThrow(expect.objectContaining({ code: 'invalid-value' }));
    expect(macFor(undefined)).toMatch(/^02:42(:[0-9a-f]{2}){4}$/);
  });
});
