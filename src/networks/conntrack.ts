// Tracked connections of published ports: forgotten when the port leads elsewhere (linux/netfilter/nfnetlink_conntrack.h).
import { errnoOf } from '../../core/index.ts';
import type { Context } from '../state/context.ts';
import { type Address, addressBytes, addressFromBytes, formatAddress, parseAddress } from './address.ts';
import {
  attribute,
  batch,
  be16,
  be32,
  concat,
  type Message,
  NETLINK_NETFILTER,
  NLM_F_ACK,
  NLM_F_DUMP,
  nested,
  parseAttributes,
  parseMessages,
  u8,
  u32,
} from './netlink.ts';
import { type Forwarding, PROTOCOL } from './table.ts';

const SUBSYSTEM = 1;
const MSG = { new: 0, get: 1, delete: 2 };
const CTA = { original: 1, reply: 2, status: 3, id: 12, filter: 25 };
const TUPLE = { ip: 1, protocol: 2 };
const IP = { 4: { source: 1 }, 6: { source: 3 } } as const;
const PROTO = { number: 1, destinationPort: 3 };
const FILTER = { original: 1, reply: 2 };
const MATCH = { source: 1, protocol: 8, destinationPort: 32 };
const AF = { 4: 2, 6: 10 } as const;
const STATUS_DNAT = 0x20;
/** With another version the kernel ignores the family when it deletes. */
const VERSION = 1;

interface Tracked {
  readonly family: 4 | 6;
  readonly protocol: number;
  /** The port that was asked for. */
  readonly port: number;
  readonly translated: boolean;
  /** Who answers. */
  readonly answering: Address | undefined;
  /** What names it in a request to delete it. */
  readonly handle: Uint8Array;
}

function request(type: number, flags: number, family: 4 | 6, attributes: readonly Uint8Array[]): Message {
  const header = Uint8Array.of(AF[family], VERSION, 0, 0);
  return { type: (SUBSYSTEM << 8) | type, flags, body: concat([header, ...attributes]) };
}

function askedFor({ protocol, hostPort }: Pick<Forwarding, 'protocol' | 'hostPort'>): Uint8Array {
  const port = attribute(PROTO.destinationPort, be16(hostPort));
  return nested(CTA.original, nested(TUPLE.protocol, attribute(PROTO.number, u8(PROTOCOL[protocol])), port));
}

const askedMatch = attribute(FILTER.original, u32(MATCH.protocol | MATCH.destinationPort));

/** Deletes the connections of a port that one container answers, known by a filter: kernels from 6.8 on understand it. */
export function forgetMessages(port: Forwarding): Message[] {
  return [port.ipv4, port.ipv6].flatMap((text) => {
    const address = parseAddress(text ?? '');
    if (!address) return [];
    const source = attribute(IP[address.family].source, addressBytes(address));
    return [
      request(MSG.delete, 0, address.family, [
        askedFor(port),
        nested(CTA.reply, nested(TUPLE.ip, source)),
        nested(CTA.filter, askedMatch, attribute(FILTER.reply, u32(MATCH.source))),
      ]),
    ];
  });
}

/** The batch by which the shim ends the connections of its ports. */
export function forgetBatch(ports: readonly Forwarding[]): Uint8Array {
  return batch(ports.flatMap(forgetMessages));
}

function listMessage(family: 4 | 6, port: Pick<Forwarding, 'protocol' | 'hostPort'>): Message {
  return request(MSG.get, NLM_F_DUMP, family, [
    askedFor(port),
    nested(CTA.filter, askedMatch, attribute(FILTER.reply, u32(0))),
  ]);
}

function parseTracked({ body }: Message): Tracked {
  const attributes = parseAttributes(body.subarray(4));
  const part = (bytes: Uint8Array | undefined, type: number) =>
    parseAttributes(bytes ?? new Uint8Array()).get(type);
  const original = attributes.get(CTA.original) ?? new Uint8Array();
  const protocol = parseAttributes(part(original, TUPLE.protocol) ?? new Uint8Array());
  const port = protocol.get(PROTO.destinationPort) ?? new Uint8Array(2);
  const family = body[0] === AF[4] ? 4 : 6;
  const source = part(part(attributes.get(CTA.reply), TUPLE.ip), IP[family].source);
  const status = attributes.get(CTA.status) ?? new Uint8Array(4);
  return {
    family,
    protocol: protocol.get(PROTO.number)?.[0] ?? 0,
    port: (port[0] ?? 0) * 256 + (port[1] ?? 0),
    translated: ((status[3] ?? 0) & STATUS_DNAT) !== 0,
    answering: source && addressFromBytes(source),
    handle: concat([nested(CTA.original, original), attribute(CTA.id, attributes.get(CTA.id) ?? be32(0))]),
  };
}

/** Forgets translated connections of ports that another address than the port's container answers: it is gone. */
export function forgetStale(ctx: Context, ports: readonly Forwarding[]): void {
  for (const port of ports) {
    for (const family of [4, 6] as const)
      forgetWhere(ctx, family, port, (address) => address !== ours(port, family));
  }
}

/** Forgets the translated connections that the port's own container answers. */
export function forgetAnswered(ctx: Context, ports: readonly Forwarding[]): void {
  for (const port of ports) {
    for (const family of [4, 6] as const)
      forgetWhere(ctx, family, port, (address) => address === ours(port, family));
  }
}

function ours({ ipv4, ipv6 }: Forwarding, family: 4 | 6): string | undefined {
  const address = parseAddress((family === 4 ? ipv4 : ipv6) ?? '');
  return address && formatAddress(address);
}

function forgetWhere(
  ctx: Context,
  family: 4 | 6,
  port: Forwarding,
  applies: (answering: string | undefined) => boolean,
): void {
  const all = unlessMissing(() =>
    ctx.core.netlink(NETLINK_NETFILTER, undefined, batch([listMessage(family, port)])),
  );
  const going = parseMessages(all ?? new Uint8Array())
    .map(parseTracked)
    // Kernels before 5.8 list everything.
    .filter(
      (entry) =>
        entry.translated && entry.protocol === PROTOCOL[port.protocol] && entry.port === port.hostPort,
    )
    .filter(({ answering }) => applies(answering && formatAddress(answering)));
  for (const { handle } of going) {
    const message = request(MSG.delete, NLM_F_ACK, family, [handle]);
    unlessMissing(() => ctx.core.netlink(NETLINK_NETFILTER, undefined, batch([message])));
  }
}

// Without ctnetlink connections end by themselves, after their time-outs; one may also just have ended.
const MISSING = new Set(['ENOENT', 'EINVAL', 'EOPNOTSUPP', 'ENOTSUP', 'EPROTONOSUPPORT', 'EAFNOSUPPORT']);

function unlessMissing(send: () => Uint8Array): Uint8Array | undefined {
  try {
    return send();
  } catch (error) {
    if (MISSING.has(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
