// Netlink messages as bytes: headers, attributes, answers. Pure; core.netlink only carries them.

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;

const HEADER_SIZE = 16;
const ATTRIBUTE_SIZE = 4;
const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;

export interface Message {
  readonly type: number;
  readonly flags: number;
  /** Everything behind the netlink header. */
  readonly body: Uint8Array;
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function integer(size: number, write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(size);
  write(new DataView(bytes.buffer));
  return bytes;
}

// Netlink numbers are in the machine's order, which is little-endian wherever Node is built for Linux but s390x.
export const u8 = (value: number): Uint8Array => Uint8Array.of(value);
export const u16 = (value: number): Uint8Array => integer(2, (view) => view.setUint16(0, value, true));
export const u32 = (value: number): Uint8Array => integer(4, (view) => view.setUint32(0, value, true));
export const i32 = (value: number): Uint8Array => integer(4, (view) => view.setInt32(0, value, true));
export const be16 = (value: number): Uint8Array => integer(2, (view) => view.setUint16(0, value));
export const be32 = (value: number): Uint8Array => integer(4, (view) => view.setUint32(0, value));
export const be64 = (value: bigint): Uint8Array => integer(8, (view) => view.setBigUint64(0, value));

/** A text with the NUL that the kernel wants behind it. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

/** One attribute, padded to four bytes. */
export function attribute(type: number, payload: Uint8Array): Uint8Array {
  const length = ATTRIBUTE_SIZE + payload.length;
  const bytes = new Uint8Array(aligned(length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, length, true);
  view.setUint16(2, type, true);
  bytes.set(payload, ATTRIBUTE_SIZE);
  return bytes;
}

/** An attribute that holds attributes. */
export function nested(type: number, ...attributes: readonly Uint8Array[]): Uint8Array {
  return attribute(type | NESTED, concat(attributes));
}

/** One message; `flags` are beside NLM_F_REQUEST. */
export function message({ type, flags, body }: Message, sequence: number): Uint8Array {
  const length = HEADER_SIZE + body.length;
  const bytes = new Uint8Array(aligned(length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags | NLM_F_REQUEST, true);
  view.setUint32(8, sequence, true);
  bytes.set(body, HEADER_SIZE);
  return bytes;
}

/** Messages in order, numbered from 1: the number is what a refusal names. */
export function batch(messages: readonly Message[]): Uint8Array {
  return concat(messages.map((entry, index) => message(entry, index + 1)));
}

/** The messages in an answer of the kernel. */
export function parseMessages(bytes: Uint8Array): Message[] {
  const messages: Message[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  while (offset + HEADER_SIZE <= bytes.length) {
    const length = view.getUint32(offset, true);
    if (length < HEADER_SIZE || offset + length > bytes.length) break;
    messages.push({
      type: view.getUint16(offset + 4, true),
      flags: view.getUint16(offset + 6, true),
      body: bytes.subarray(offset + HEADER_SIZE, offset + length),
    });
    offset += aligned(length);
  }
  return messages;
}

export type Attributes = ReadonlyMap<number, Uint8Array>;

/** Attributes by type; of repeated ones the last counts. */
export function parseAttributes(bytes: Uint8Array): Attributes {
  return new Map(listAttributes(bytes));
}

/** Attributes in order, for lists in which types repeat. */
export function listAttributes(bytes: Uint8Array): [number, Uint8Array][] {
  const attributes: [number, Uint8Array][] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  while (offset + ATTRIBUTE_SIZE <= bytes.length) {
    const length = view.getUint16(offset, true);
    if (length < ATTRIBUTE_SIZE || offset + length > bytes.length) break;
    const type = view.getUint16(offset + 2, true) & TYPE_MASK;
    attributes.push([type, bytes.subarray(offset + ATTRIBUTE_SIZE, offset + length)]);
    offset += aligned(length);
  }
  return attributes;
}

export function readU32(bytes: Uint8Array | undefined): number | undefined {
  if (!bytes || bytes.length < 4) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
}

export function readText(bytes: Uint8Array | undefined): string | undefined {
  if (!bytes) return undefined;
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
