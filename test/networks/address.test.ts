// Addresses and subnets as numbers.
import { describe, expect, it } from 'vitest';
import {
  addressBytes,
  addressFromBytes,
  contains,
  formatAddress,
  formatSubnet,
  overlap,
  parseAddress,
  parseSubnet,
  requireSubnet,
} from '../../src/networks/address.ts';

const canonical = (text: string): string | undefined => {
  const address = parseAddress(text);
  return address && formatAddress(address);
};

describe('addresses', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['FE80:0:0:0:0:0:0:1', 'fe80::1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
    ['fd00::', 'fd00::'],
  ])('reads %s and prints %s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  it.each(['', 'localhost', '10.0.0', '10.0.0.256', '010.0.0.1', 'fe80::1%eth0', '1::2::3', '10.0.0.1/24'])(
    'refuses %s',
    (text) => {
      expect(parseAddress(text)).toBeUndefined();
    },
  );

  it('travels as bytes in network order', () => {
    const v4 = parseAddress('10.1.2.3') ?? { family: 4, value: 0n };
    const v6 = parseAddress('fd00::1:2') ?? { family: 6, value: 0n };
    expect([...addressBytes(v4)]).toEqual([10, 1, 2, 3]);
    expect(Buffer.from(addressBytes(v6)).toString('hex')).toBe('fd000000000000000000000000010002');
    expect(addressFromBytes(addressBytes(v4))).toEqual(v4);
    expect(addressFromBytes(addressBytes(v6))).toEqual(v6);
  });
});

describe('subnets', () => {
  it('clears host bits', () => {
    expect(formatSubnet(requireSubnet('10.1.2.3/16', 'x'))).toBe('10.1.0.0/16');
    expect(formatSubnet(requireSubnet('fd00::5/64', 'x'))).toBe('fd00::/64');
  });

  it.each(['10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', 'fd00::/129', '10.0.0.0/8/24'])(
    'refuses %s',
    (text) => {
      expect(parseSubnet(text)).toBeUndefined();
      expect(() => requireSubnet(text, 'the subnet')).toThrow(
        expect.objectContaining({ code: 'invalid-value' }),
      );
    },
  );

  it.each([
    ['10.0.0.0/8', '10.255.0.0/16', true],
    ['10.0.0.0/24', '10.0.1.0/24', false],
    ['0.0.0.0/0', '192.168.0.0/16', true],
    ['::/0', '10.0.0.0/8', false],
    ['fd00::/64', 'fd00:0:0:1::/64', false],
  ])('%s and %s overlap: %s', (a, b, expected) => {
    expect(overlap(requireSubnet(a, 'a'), requireSubnet(b, 'b'))).toBe(expected);
    expect(overlap(requireSubnet(b, 'b'), requireSubnet(a, 'a'))).toBe(expected);
  });

  it('contains from its first to its last address', () => {
    const subnet = requireSubnet('10.0.1.0/24', 'x');
    const inside = (text: string): boolean =>
      contains(subnet, parseAddress(text) ?? { family: 6, value: 0n });
    expect(['10.0.1.0', '10.0.1.255', '10.0.0.255', '10.0.2.0', '::1'].map(inside)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});
