// The short syntax of ports, volumes and devices.
import { posix } from 'node:path';
import { familyOf } from './address.ts';
import { flag, map, mapOf, type Node, scalar, text } from './tree.ts';

/** What came of a short form: its long forms, or what is wrong with it. */
export type Parsed = { readonly nodes: readonly Node[] } | { readonly problem: string };

interface Range {
  readonly start: number;
  readonly end: number;
}

/** `[[ip:][published]:]target[/protocol]`, ranges included; one long form for each container port. */
export function parsePort(spec: string, like: Node): Parsed {
  const parts = spec.split(':');
  const last = parts.pop() ?? '';
  const published = parts.pop() ?? '';
  const [ports = '', ...rest] = last.split('/');
  const protocol = (rest.join('/') || 'tcp').toLowerCase();
  if (ports === '') return { problem: `no container port is given in "${spec}"` };
  if (!['tcp', 'udp', 'sctp'].includes(protocol))
    return { problem: `invalid protocol "${protocol}" in "${spec}"` };
  const ip = hostAddress(parts.join(':'));
  if (ip === undefined) return { problem: `invalid ip address "${parts.join(':')}" in "${spec}"` };
  const target = portRange(ports);
  if (target === undefined) return { problem: `invalid container port "${ports}" in "${spec}"` };
  const host = published === '' ? undefined : portRange(published);
  if (published !== '' && host === undefined)
    return { problem: `invalid host port "${published}" in "${spec}"` };
  const count = target.end - target.start + 1;
  if (host !== undefined && host.end - host.start + 1 !== count && count > 1) {
    return { problem: `the ranges ${published} and ${ports} in "${spec}" are of different lengths` };
  }
  const nodes: Node[] = [];
  for (const index of portOrder(target)) {
    const port = { target: target.start + index, published: publishedPort(host, index, count), ip, protocol };
    nodes.push(portNode(port, like));
  }
  return { nodes };
}

/** Indices into a range; the reference sorts the ports of a range as text. */
function portOrder({ start, end }: Range): number[] {
  if (start === end) return [0];
  const ports = Array.from({ length: end - start + 1 }, (_, index) => String(start + index));
  return ports.sort().map((port) => Number(port) - start);
}

function portNode(
  port: { target: number; published: string | undefined; ip: string; protocol: string },
  like: Node,
): Node {
  return mapOf(
    {
      mode: text('ingress', like),
      host_ip: port.ip === '' ? undefined : text(port.ip, like),
      target: scalar(port.target, 'int', like),
      published: port.published === undefined ? undefined : text(port.published, like),
      protocol: text(port.protocol, like),
    },
    like,
  );
}

function publishedPort(host: Range | undefined, index: number, count: number): string | undefined {
  if (host === undefined) return undefined;
  const port = `${host.start + index}`;
  return count === 1 && host.start !== host.end ? `${port}-${host.end}` : port;
}

function hostAddress(address: string): string | undefined {
  if (address === '') return '';
  const bare = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : undefined;
  if (bare !== undefined) return familyOf(bare) !== 0 && !bare.includes('%') ? bare : undefined;
  // Without brackets only IPv4 can be told from the ports.
  return familyOf(address) === 4 ? address : undefined;
}

function portRange(ports: string): Range | undefined {
  const parts = ports.split('-');
  const start = portNumber(parts[0] ?? '');
  const end = parts.length === 1 ? start : portNumber(parts[1] ?? '');
  if (start === undefined || end === undefined || end < start) return undefined;
  return { start, end };
}

function portNumber(port: string): number | undefined {
  return /^\d+$/.test(port) && Number(port) <= 65535 ? Number(port) : undefined;
}

const propagations = new Set(['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave']);

interface Volume {
  source: string;
  target: string;
  readOnly: boolean;
  nocopy: boolean;
  propagation: string;
  selinux: string;
}

/** `[source:]target[:options]`. */
export function parseVolume(spec: string, like: Node): Parsed {
  if (spec === '') return { problem: 'a volume cannot be empty' };
  if (spec.length <= 2) {
    return { nodes: [mapOf({ type: text('volume', like), target: text(cleanPath(spec), like) }, like)] };
  }
  const volume: Volume = {
    source: '',
    target: '',
    readOnly: false,
    nocopy: false,
    propagation: '',
    selinux: '',
  };
  const sections = volumeSections(spec);
  for (const [index, section] of sections.entries()) {
    if (section === '') return { problem: `invalid volume "${spec}": empty section between colons` };
    const isLast = index === sections.length - 1;
    if (volume.source === '' && !isLast) volume.source = section;
    else if (volume.target === '') volume.target = section;
    else if (!isLast) return { problem: `invalid volume "${spec}": too many colons` };
    else for (const option of section.split(',')) applyOption(volume, option);
  }
  return { nodes: [volumeNode(volume, like)] };
}

/** Splits at colons, but neither inside `${...}` nor after a single letter, which is a Windows drive. */
function volumeSections(spec: string): string[] {
  const sections: string[] = [];
  let section = '';
  let open = 0;
  for (let i = 0; i < spec.length; i++) {
    const character = spec.charAt(i);
    if (character === '$' && spec[i + 1] === '{') open += 1;
    if (character === '}' && open > 0) open -= 1;
    if (character === ':' && open === 0 && !/^\p{L}$/u.test(section)) {
      sections.push(section);
      section = '';
    } else section += character;
  }
  return [...sections, section];
}

function applyOption(volume: Volume, option: string): void {
  if (option === 'ro' || option === 'rw') volume.readOnly = option === 'ro';
  else if (option === 'nocopy') volume.nocopy = true;
  else if (propagations.has(option)) volume.propagation = option;
  else if (option === 'z' || option === 'Z') volume.selinux = option;
}

function volumeNode(volume: Volume, like: Node): Node {
  const isBind = isHostPath(volume.source);
  const optional = (value: string): Node | undefined => (value === '' ? undefined : text(value, like));
  const hasBind = isBind || volume.propagation !== '' || volume.selinux !== '';
  const bind = {
    selinux: optional(volume.selinux),
    propagation: optional(volume.propagation),
    create_host_path: isBind ? flag(true, like) : undefined,
  };
  return mapOf(
    {
      type: text(isBind ? 'bind' : 'volume', like),
      source: optional(volume.source),
      target: text(cleanPath(volume.target), like),
      read_only: volume.readOnly ? flag(true, like) : undefined,
      bind: hasBind ? mapOf(bind, like) : undefined,
      volume:
        !isBind || volume.nocopy
          ? map(new Map<string, Node>(volume.nocopy ? [['nocopy', flag(true, like)]] : []), like)
          : undefined,
    },
    like,
  );
}

/** Whether the source of a short volume is a path, not a name. */
function isHostPath(source: string): boolean {
  return /^[./~]|^\\\\|^\p{L}:/u.test(source);
}

/** A container path without trailing slashes, `.` and `..`. */
export function cleanPath(path: string): string {
  if (path === '') return '';
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}

/** `source[:target[:permissions]]`. */
export function parseDevice(spec: string, like: Node): Parsed {
  const [source = '', target = '', permissions = 'rwm', ...rest] = spec.split(':');
  if (rest.length > 0) return { problem: `confusing device mapping "${spec}", please use the long syntax` };
  return {
    nodes: [
      mapOf(
        {
          source: text(source, like),
          target: text(target === '' ? source : target, like),
          permissions: text(permissions, like),
        },
        like,
      ),
    ],
  };
}
