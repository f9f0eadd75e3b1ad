// Netlink requests byte by byte, and answers as the kernel writes them.
import { describe, expect, it } from 'vitest';
import { parseAddress, requireSubnet } from '../../src/networks/address.ts';
import {
  compare,
  destinationNat,
  lookup,
  mask,
  masquerade,
  meta,
  payload,
  verdict,
} from '../../src/networks/expressions.ts';
import {
  attribute,
  batch,
  listAttributes,
  type Message,
  message,
  parseMessages,
  text,
  u32,
} from '../../src/networks/netlink.ts';
import {
  addChain,
  addElements,
  addRule,
  addSet,
  concatenated,
  DATATYPE,
  deleteElements,
  transaction,
} from '../../src/networks/nftables.ts';
import {
  addAddress,
  addForwarding,
  addRoute,
  dumpRoutes,
  parseAddresses,
  parseRoutes,
} from '../../src/networks/routes.ts';
import {
  changeLink,
  createLink,
  deleteGroup,
  deleteLink,
  getLink,
  isolatePort,
  parseLinks,
  withoutLinkLocal,
} from '../../src/networks/rtnetlink.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (...words: string[]): string => words.join('').replaceAll(' ', '');
const address = (value: string) => parseAddress(value) ?? ({ family: 4, value: 0n } as const);

/** Type, flags without the implied request, and body. */
const shape = ({ type, flags, body }: Message) => ({ type, flags, body: hex(body) });

describe('netlink', () => {
  it('pads attributes to four bytes but counts them as they are', () => {
    expect(hex(attribute(3, text('ab')))).toBe('07000300' + '61620000');
    expect(hex(attribute(5, u32(1)))).toBe('08000500' + '01000000');
  });

  it('writes the header and numbers a batch from 1', () => {
    const ping = { type: 16, flags: 4, body: u32(7) };
    expect(hex(message(ping, 9))).toBe('14000000' + '1000' + '0500' + '09000000' + '00000000' + '07000000');
    const numbers = parseMessages(batch([ping, ping])).length;
    expect(numbers).toBe(2);
    expect(hex(batch([ping, ping])).slice(56, 64)).toBe('02000000');
  });

  it('reads back what it wrote, and stops at what is cut off', () => {
    const packed = message({ type: 18, flags: 0x300, body: new Uint8Array([1, 2, 3, 4, 5]) }, 1);
    expect(parseMessages(packed)).toEqual([
      { type: 18, flags: 0x301, body: new Uint8Array([1, 2, 3, 4, 5]) },
    ]);
    expect(parseMessages(packed.subarray(0, 18))).toEqual([]);
    expect(listAttributes(Uint8Array.of(9, 0, 1, 0, 1))).toEqual([]);
    expect(listAttributes(Uint8Array.of(2, 0, 1, 0, 1, 1, 1, 1))).toEqual([]);
  });
});

describe('rtnetlink', () => {
  const header = (index = '00000000', flags = '00000000', change = '00000000'): string =>
    `00000000${index}${flags}${change}`;

  it('makes a bridge that forwards at once', () => {
    expect(shape(createLink({ name: 'br0' }, { kind: 'bridge' }))).toEqual({
      type: 16,
      flags: 0x604,
      body: bytes(
        header(),
        '08000300 62723000',
        '24001280 0b000100 62726964 67650000',
        '14000280 08000100 00000000 08000500 00000000',
      ),
    });
  });

  it('makes a veth pair with the peer, down, in another namespace', () => {
    const peer = { name: 'eth0', namespaceFd: 20, mac: Uint8Array.of(2, 0x42, 10, 0, 0, 2) };
    expect(hex(createLink({ name: 'v0', master: 5, mtu: 1400 }, { kind: 'veth', peer }).body)).toBe(
      bytes(
        header(),
        '07000300 76300000 08000400 78050000 08000a00 05000000',
        '48001280 09000100 76657468 00000000 38000280',
        '34000180',
        header(),
        '09000300 65746830 00000000 0a000100 0242 0a000002 0000 08001c00 14000000',
      ),
    );
  });

  it('makes macvlan, ipvlan and vlan on a parent', () => {
    const named = '07000300 76300000 08000500 03000000';
    expect(hex(createLink({ name: 'v0' }, { kind: 'macvlan', parent: 3, mode: 'bridge' }).body)).toBe(
      bytes(header(), named, '1c001280 0c000100 6d616376 6c616e00 0c000280 08000100 04000000'),
    );
    expect(hex(createLink({ name: 'v0' }, { kind: 'ipvlan', parent: 3, mode: 'l3' }).body)).toBe(
      bytes(header(), named, '1c001280 0b000100 6970766c 616e0000 0c000280 06000100 01000000'),
    );
    expect(hex(createLink({ name: 'v0' }, { kind: 'vlan', parent: 3, id: 50 }).body)).toBe(
      bytes(header(), named, '1c001280 09000100 766c616e 00000000 0c000280 06000100 32000000'),
    );
  });

  it('makes a vxlan that learns where its peers are', () => {
    const kind = { kind: 'vxlan', id: 42, port: 4789, local: address('192.0.2.1') } as const;
    expect(hex(createLink({ name: 'v0' }, kind).body)).toBe(
      bytes(
        header(),
        '07000300 76300000',
        '34001280 0a000100 76786c61 6e000000',
        '24000280 08000100 2a000000 06000f00 12b50000 05000700 01000000 08000400 c0000201',
      ),
    );
  });

  it('changes, isolates, silences, finds and deletes links', () => {
    expect(shape(changeLink(1, { up: true }))).toEqual({
      type: 16,
      flags: 4,
      body: header('01000000', '01000000', '01000000'),
    });
    expect(hex(changeLink('v0', { up: false }).body)).toBe(
      bytes(header('00000000', '00000000', '01000000'), '07000300 76300000'),
    );
    expect(hex(isolatePort(7).body)).toBe(
      bytes(header('07000000'), '1c001280 0b000400 62726964 67650000 0c000580 05002100 01000000'),
    );
    expect(hex(withoutLinkLocal(7).body)).toBe(
      bytes(header('07000000'), '10001a80 0c000a80 05000800 01000000'),
    );
    expect(shape(getLink(7))).toEqual({ type: 18, flags: 4, body: header('07000000') });
    expect(shape(deleteLink(7))).toEqual({ type: 17, flags: 4, body: header('07000000') });
    expect(hex(deleteGroup(9).body)).toBe(bytes(header(), '08001b00 09000000'));
  });

  it('adds addresses: IPv4 with broadcast, IPv6 without duplicate detection', () => {
    expect(shape(addAddress({ index: 3, address: address('10.0.0.2'), prefix: 24 }))).toEqual({
      type: 20,
      flags: 0x604,
      body: bytes('02180000 03000000', '08000200 0a000002', '08000100 0a000002', '08000400 0a0000ff'),
    });
    const v6 = 'fd000000000000000000000000000002';
    expect(hex(addAddress({ index: 3, address: address('fd00::2'), prefix: 64 }).body)).toBe(
      bytes('0a400000 03000000', `14000200 ${v6}`, `14000100 ${v6}`, '08000800 02000000'),
    );
    expect(hex(addAddress({ index: 3, address: address('169.254.1.1'), prefix: 32 }).body).slice(0, 8)).toBe(
      '022000fd',
    );
  });

  it('adds routes and vxlan peers', () => {
    expect(shape(addRoute({ index: 3, family: 4, gateway: address('10.0.0.1') }))).toEqual({
      type: 24,
      flags: 0x604,
      body: bytes('02000000 fe030001 00000000', '08000500 0a000001', '08000400 03000000'),
    });
    expect(hex(addRoute({ index: 3, family: 4, destination: requireSubnet('10.9.0.0/16', 'x') }).body)).toBe(
      bytes('02100000 fe03fd01 00000000', '08000100 0a090000', '08000400 03000000'),
    );
    expect(hex(addForwarding({ index: 3, mac: new Uint8Array(6), peer: address('192.0.2.9') }).body)).toBe(
      bytes('07000000 03000000 80000200', '0a000200 00000000 00000000', '08000100 c0000209'),
    );
    expect(dumpRoutes().flags).toBe(0x300);
  });

  it('reads links, addresses and routes', () => {
    const body = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
    const link = body(
      `${header('07000000', '01000000')} 07000300 76300000 08000a00 02000000 10001200 0c000100 62726964 67650000`,
    );
    expect(parseLinks([{ type: 16, flags: 0, body: link }])).toMatchObject([
      { index: 7, name: 'v0', master: 2, up: true },
    ]);
    const local = body('02180080 03000000 08000100 0a000001 08000200 0a000002');
    expect(parseAddresses([{ type: 20, flags: 0, body: local }])).toEqual([
      { index: 3, address: address('10.0.0.2'), subnet: requireSubnet('10.0.0.0/24', 'x') },
    ]);
    const viaGateway = body('02000000 fe030001 00000000 08000500 0a000001 08000400 03000000');
    const ownTable = body('02200000 ff0200 02 00000000 08000100 0a000001');
    const routes = parseRoutes([viaGateway, ownTable].map((entry) => ({ type: 24, flags: 0, body: entry })));
    expect(routes).toEqual([
      { destination: requireSubnet('0.0.0.0/0', 'x'), gateway: address('10.0.0.1'), index: 3, table: 254 },
    ]);
  });
});

describe('nf_tables', () => {
  it('wraps a transaction and asks for one answer, at its end', () => {
    const messages = parseMessages(transaction([addChain('t', 'c'), addChain('t', 'd')]));
    expect(messages.map(({ type, flags }) => [type, flags & 4])).toEqual([
      [16, 0],
      [0xa03, 0],
      [0xa03, 4],
      [17, 0],
    ]);
    expect(hex(messages[0]?.body ?? new Uint8Array())).toBe('0000000a');
  });

  it('makes base chains with a signed priority', () => {
    const chain = addChain('t', 'c', { type: 'nat', hook: 'prerouting', priority: -100 });
    expect(hex(chain.body)).toBe(
      bytes(
        '01000000 06000100 74000000 06000300 63000000',
        '14000480 08000100 00000000 08000200 ffffff9c',
        '08000500 00000001 08000700 6e617400',
      ),
    );
  });

  it('makes maps with the lengths and types of key and data', () => {
    const keyType = concatenated(DATATYPE.ipv4, DATATYPE.protocol, DATATYPE.port);
    expect(keyType).toBe((7 << 12) | (12 << 6) | 13);
    const map = addSet('t', {
      name: 'm',
      id: 1,
      keyType,
      keyLength: 12,
      data: { type: concatenated(7, 13), length: 8 },
    });
    expect(hex(map.body)).toBe(
      bytes(
        '01000000 06000100 74000000 06000200 6d000000 08000300 00000008',
        '08000400 0000730d 08000500 0000000c 08000600 000001cd 08000700 00000008 08000a00 00000001',
      ),
    );
  });

  it('adds and deletes elements, many in several messages', () => {
    const [add] = addElements('t', 's', [
      { key: Uint8Array.of(1, 2, 3, 4), data: Uint8Array.of(5, 6, 7, 8) },
    ]);
    expect(hex(add?.body ?? new Uint8Array())).toBe(
      bytes(
        '01000000 06000100 74000000 06000200 73000000',
        '20000380 1c000180 0c000180 08000100 01020304 0c000280 08000100 05060708',
      ),
    );
    const many = Array.from({ length: 1201 }, (_, index) => ({ key: u32(index) }));
    expect(deleteElements('t', 's', many).map(({ type }) => type)).toEqual([0xa0e, 0xa0e, 0xa0e]);
  });

  it('writes a rule as a list of expressions', () => {
    const rule = addRule('t', 'c', [
      meta('iifname', 0),
      lookup('s', { from: 0, not: true }),
      verdict('jump', 'x'),
    ]);
    expect(rule.flags).toBe(0xc00);
    expect(hex(rule.body)).toBe(
      bytes(
        '01000000 06000100 74000000 06000200 63000000 8c000480',
        '24000180 09000100 6d657461 00000000 14000280 08000200 00000006 08000100 00000008',
        '2c000180 0b000100 6c6f6f6b 75700000 1c000280 06000100 73000000 08000200 00000008 08000500 00000001',
        '38000180 0e000100 696d6d65 64696174 65000000 24000280 08000100 00000000 18000280 14000280',
        '08000100 fffffffd 06000200 78000000',
      ),
    );
  });

  it('writes the other expressions', () => {
    const of = (expression: Uint8Array): string => hex(expression).slice(8);
    expect(of(payload({ base: 'transport', offset: 2, length: 2 }, 1))).toBe(
      bytes(
        '0c000100 7061796c 6f616400 24000280 08000100 00000009 08000200 00000002 08000300 00000002 08000400 00000002',
      ),
    );
    expect(of(compare(0, 'eq', Uint8Array.of(2)))).toBe(
      bytes('08000100 636d7000 20000280 08000100 00000008 08000200 00000000 0c000380 05000100 02000000'),
    );
    expect(of(mask(0, 6))).toBe(
      bytes(
        '0c000100 62697477 69736500 34000280 08000100 00000008 08000200 00000008 08000300 00000004',
        '0c000480 08000100 06000000 0c000580 08000100 00000000',
      ),
    );
    expect(of(destinationNat('ipv6', { address: 0, port: 4 }))).toBe(
      bytes(
        '08000100 6e617400 24000280 08000100 00000001 08000200 0000000a 08000300 00000008 08000500 0000000c',
      ),
    );
    expect(of(masquerade())).toBe(bytes('09000100 6d617371 00000000 04000280'));
  });
});
