// Who has a port: the kernel's socket tables and the processes' descriptors.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type Address, formatAddress, parseAddress } from './address.ts';

export interface PortQuestion {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Empty for every address. */
  readonly address: string;
  readonly port: number;
}

export interface PortHolder {
  readonly pid: number;
  /** The name of its program. */
  readonly name: string;
  readonly argv: readonly string[];
}

/** One row of /proc/net/tcp and its like. */
export interface SocketRow {
  readonly local: Address;
  readonly port: number;
  readonly state: string;
  readonly inode: string;
}

const LISTENING = '0A';

/** Parses /proc/net/{tcp,udp,tcp6,udp6}: addresses are 32-bit words in the machine's order. */
export function parseSocketTable(text: string): SocketRow[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [hex = '', port = ''] = (fields[1] ?? '').split(':');
      const [state = '', inode = ''] = [fields[3], fields[9]];
      return hex === '' ? [] : [{ local: parseWords(hex), port: Number.parseInt(port, 16), state, inode }];
    });
}

function parseWords(hex: string): Address {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  return { family: hex.length === 8 ? 4 : 6, value: BigInt(`0x${bytes.join('') || '0'}`) };
}

/** Pure: the sockets that keep a port from being bound. */
export function blockingSockets(
  rows: readonly SocketRow[],
  { protocol, address, port }: PortQuestion,
): SocketRow[] {
  return rows.filter(
    (row) =>
      row.port === port && (protocol !== 'tcp' || row.state === LISTENING) && collides(row.local, address),
  );
}

function collides(held: Address, wanted: string): boolean {
  const address = parseAddress(wanted);
  if (!address || address.value === 0n || held.value === 0n) return true;
  return formatAddress(unmapped(held)) === formatAddress(address);
}

const MAPPED = 0xffffn;

/** ::ffff:1.2.3.4 is 1.2.3.4. */
function unmapped(address: Address): Address {
  if (address.family === 6 && address.value >> 32n === MAPPED)
    return { family: 4, value: address.value & 0xffff_ffffn };
  return address;
}

/** The process that has a port, when it can be seen. */
export function findPortHolder(question: PortQuestion): PortHolder | undefined {
  const rows = [question.protocol, `${question.protocol}6`].flatMap(readTable);
  const links = new Set(blockingSockets(rows, question).map(({ inode }) => `socket:[${inode}]`));
  if (links.size === 0) return undefined;
  const pid = processIds().find((id) => descriptorsOf(id).some((link) => links.has(link)));
  return pid === undefined ? undefined : describeProcess(pid);
}

function readTable(name: string): SocketRow[] {
  try {
    return parseSocketTable(readFileSync(`/proc/net/${name}`, 'utf8'));
  } catch {
    return [];
  }
}

function processIds(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

function descriptorsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  try {
    return readdirSync(directory).flatMap((fd) => linkOf(`${directory}/${fd}`));
  } catch {
    // Ended meanwhile, or somebody else's.
    return [];
  }
}

function linkOf(path: string): string[] {
  try {
    return [readlinkSync(path)];
  } catch {
    return [];
  }
}

function describeProcess(pid: number): PortHolder | undefined {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    return { pid, name: readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), argv };
  } catch {
    return undefined;
  }
}
