// Codecs of single attributes: command lines, hosts, modes, devices, limits, keys.
import { printScalar } from './canonical.ts';
import { splitCommand } from './command.ts';
import {
  type Codec,
  int,
  invalid,
  isAbsent,
  keepExtensions,
  optionalInt,
  present,
  str,
  strings,
  struct,
  unless,
  type Values,
} from './decode.ts';
import { asMap, get, setKey, textOf } from './tree.ts';

/** A command line or a list of words; null when nothing is written, an empty list when cleared. */
export const command: Codec = (node, decoding) => {
  if (node === undefined || isAbsent(node)) return null;
  if (node.kind === 'list') return Object.freeze(node.items.map((item) => printScalar(item) ?? ''));
  const words = splitCommand(textOf(node) ?? '');
  if (words !== undefined) return Object.freeze(words);
  const problem = 'invalid command line: quotes or parentheses do not match';
  invalid(node, problem, decoding, 'close the quote, or write a list with one entry for each word');
  return null;
};

/** The check of a health check: a list, or a line for the shell. */
export const healthTest: Codec = (node, decoding) => {
  const line = textOf(node);
  return line === undefined ? strings(node, decoding) : Object.freeze(['CMD-SHELL', line]);
};

/** Hosts as sorted `host=address` entries. */
export const hosts: Codec = present((node, decoding) => {
  if (node.kind !== 'list') return undefined;
  const entries: string[] = [];
  for (const item of node.items) {
    const entry = printScalar(item) ?? '';
    const sign = entry.includes('=') ? entry.indexOf('=') : entry.indexOf(':');
    const host = entry.slice(0, Math.max(sign, 0));
    if (sign < 0) invalid(item, `additional host "${entry}" has no address`, decoding);
    else if (host === '' || /[:=]/.test(host)) invalid(item, `bad host name "${host}"`, decoding);
    for (const address of entry.slice(sign + 1).split(','))
      entries.push(`${host}=${address.replace(/^\[(.+)\]$/, '$1')}`);
  }
  return entries.length === 0 ? undefined : Object.freeze(entries.sort());
});

/** Permissions as an octal string; numbers are taken as they are, strings are octal. */
export const fileMode: Codec = present((node, decoding) => {
  if (node.kind !== 'scalar') return undefined;
  const octal = typeof node.value === 'string' && /^[0-7]+$/.test(node.value);
  const mode = octal ? Number.parseInt(String(node.value), 8) : Number(node.value);
  if (typeof node.value === 'string' && !octal)
    return invalid(node, `"${node.value}" is no octal mode`, decoding);
  return `0${Math.trunc(mode).toString(8)}`;
});

/** How many devices; -1 stands for all. */
export const deviceCount: Codec = unless(
  0,
  present((node, decoding) => {
    if (textOf(node)?.toLowerCase() === 'all') return -1;
    const text = textOf(node);
    if (text === undefined || /^[-+]?\d+$/.test(text)) return optionalInt(node, decoding);
    return invalid(node, `invalid value "${text}", only "all" or a number is allowed`, decoding);
  }),
);

const softAndHard = struct({ soft: int, hard: int }, { extensible: false });

/** A limit: a number, or soft and hard. */
export const ulimit: Codec = present((node, decoding) => {
  if (node.kind === 'map') return softAndHard(node, decoding);
  const value = optionalInt(node, decoding);
  return value === 0 ? Object.freeze({}) : value;
});

/** Options that may be given several times. */
export const multiOptions: Codec = present((node) => {
  if (node.kind !== 'map' || node.entries.size === 0) return undefined;
  const result: Values = {};
  for (const [key, value] of node.entries) {
    const items = value.kind === 'list' ? value.items : [value];
    setKey(result, key, Object.freeze(items.map((item) => printScalar(item) ?? '<nil>')));
  }
  return Object.freeze(result);
});

/** Keys for the build, as `id` or `id=path`, sorted. */
export const sshKeys: Codec = present((node) => {
  const keys = [...(asMap(node)?.entries ?? [])].map(([id, path]) => {
    const value = printScalar(path);
    return value === undefined || value === '' ? id : `${id}=${value}`;
  });
  return keys.length === 0 ? undefined : Object.freeze(keys.sort());
});

/** Device limits with the capitalised names of the reference. */
export const deviceLimit = (name: 'Rate' | 'Weight', codec: Codec): Codec =>
  present((node, decoding) => {
    const path = printScalar(get(node, 'path') ?? node) ?? '';
    return Object.freeze({
      Path: path,
      [name]: codec(get(node, name.toLowerCase()), decoding) ?? (name === 'Rate' ? '0' : 0),
    });
  });

const discreteResource = struct({ kind: str, value: optionalInt });

/** A resource that is counted. */
export const genericResource: Codec = present((node, decoding) => {
  const spec = discreteResource(get(node, 'discrete_resource_spec'), decoding);
  const values: Values = spec === undefined ? {} : { discrete_resource_spec: spec };
  return Object.freeze(node.kind === 'map' ? keepExtensions(values, node) : values);
});
