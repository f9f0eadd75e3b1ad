// Where a container's output goes: log drivers and their options, as Docker has them.
import { spawnSync } from 'node:child_process';
import { isIP } from 'node:net';
import type { Dict, Service } from '../compose/project.ts';
import type { LogSettings } from './launch.ts';
import { byteCount } from './units.ts';
import type { Warning } from './warning.ts';

const COMMON = [
  'mode',
  'max-buffer-size',
  'cache-disabled',
  'cache-max-size',
  'cache-max-file',
  'cache-compress',
];
const DETAILS = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const FILES = ['max-size', 'max-file', 'compress'];
const SYSLOG = ['syslog-address', 'syslog-facility', 'syslog-format'];
const SYSLOG_TLS = ['ca-cert', 'cert', 'key', 'skip-verify'].map((name) => `syslog-tls-${name}`);

/** What each driver understands beside `COMMON`. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  'json-file': [...FILES, ...DETAILS],
  local: FILES,
  journald: DETAILS,
  syslog: [...SYSLOG, ...SYSLOG_TLS, ...DETAILS],
  none: [],
};

/** Docker's other drivers: a file that names one is right, but its output is kept here. */
const ELSEWHERE = ['awslogs', 'etwlogs', 'fluentd', 'gcplogs', 'gelf', 'logentries', 'splunk'];

const LOCAL_MAX_BYTES = 20 * 2 ** 20;
const LOCAL_FILES = 5;
const BUFFER_BYTES = 2 ** 20;

export interface LogSubject {
  /** The log file. */
  readonly path: string;
  readonly id: string;
  readonly name: string;
  readonly image: { readonly name: string; readonly id: string };
  readonly labels: Dict<string>;
  /** `NAME=value`. */
  readonly environment: readonly string[];
  /** Throws the error for an attribute of the service that makes no sense. */
  readonly refuse: (attribute: string, message: string, hint: string) => never;
}

export interface LogChoice {
  readonly log: LogSettings;
  readonly warnings: readonly Warning[];
}

/** The driver that is used; a driver that only Docker has keeps a json-file. */
export function logDriverOf({ logging }: Service): string {
  const asked = logging?.driver || 'json-file';
  return ELSEWHERE.includes(asked) ? 'json-file' : asked;
}

/** Whether `logs` has something to read: also what goes to the system is kept here, the last of it, as Docker does. */
export function keepsLog(service: Service): boolean {
  const driver = logDriverOf(service);
  if (driver === 'none') return false;
  return !isSystem(driver) || service.logging?.options?.['cache-disabled'] !== 'true';
}

function isSystem(driver: string): boolean {
  return driver === 'journald' || driver === 'syslog';
}

/** Where output goes. Unknown drivers and options are refused; what has no effect here is said. */
export function logOf(service: Service, subject: LogSubject): LogChoice {
  const asked = service.logging?.driver || 'json-file';
  if (ELSEWHERE.includes(asked)) {
    const reason = `the log driver ${asked} is not supported; output is kept as json-file`;
    return { log: settingsOf('json-file', {}, subject), warnings: [{ attribute: 'logging.driver', reason }] };
  }
  const options = service.logging?.options ?? {};
  checkNames(asked, options, subject);
  return { log: settingsOf(asked, options, subject), warnings: ineffective(asked, options) };
}

function checkNames(driver: string, options: Dict<string>, { refuse }: LogSubject): void {
  const names = Object.keys(OPTIONS).join(', ');
  const known =
    OPTIONS[driver] ??
    refuse('logging.driver', `there is no log driver ${JSON.stringify(driver)}`, `known are ${names}`);
  // As in Docker: none takes whatever an override left behind.
  if (driver === 'none') return;
  for (const name of Object.keys(options)) {
    if (known.includes(name) || COMMON.includes(name)) continue;
    const hint = `it knows ${[...known, ...COMMON.slice(0, 2)].join(', ')}`;
    refuse(option(name), `the log driver ${driver} has no option ${JSON.stringify(name)}`, hint);
  }
}

function ineffective(driver: string, options: Dict<string>): Warning[] {
  const noSize = 'without max-size the log is one file of any size';
  return [
    ...(options.compress === 'true' ? [['compress', 'rotated log files are kept as they are'] as const] : []),
    ...(driver === 'json-file' && options['max-file'] && !options['max-size']
      ? [['max-file', noSize] as const]
      : []),
  ].map(([name, reason]) => ({ attribute: option(name), reason }));
}

const option = (name: string): string => `logging.options.${name}`;

function settingsOf(driver: string, options: Dict<string>, subject: LogSubject): LogSettings {
  const attributes = attributesOf(driver, options, subject);
  const { nonBlocking, bufferBytes } = modeOf(options, subject);
  const tag = isSystem(driver) ? tagOf(options.tag || '{{.ID}}', subject) : '';
  const details = { tag, bufferBytes, attributes, ...syslogOf(driver, options, subject) };
  return {
    driver,
    path: driver === 'none' || options['cache-disabled'] === 'true' ? '' : subject.path,
    ...fileLimits(driver, options, subject),
    nonBlocking,
    ...(isSystem(driver) || attributes !== '' ? { details } : {}),
  };
}

function fileLimits(driver: string, options: Dict<string>, subject: LogSubject) {
  const prefix = isSystem(driver) ? 'cache-' : '';
  const unlimited = driver === 'json-file';
  const [sizeName, countName] = [`${prefix}max-size`, `${prefix}max-file`];
  const { [sizeName]: size, [countName]: count } = options;
  const files = count === undefined ? (unlimited ? 1 : LOCAL_FILES) : Number(count);
  if (!Number.isInteger(files) || files < 1) {
    const hint = 'write how many files, 1 or more';
    subject.refuse(option(countName), `${countName} is ${JSON.stringify(count)}`, hint);
  }
  const fallback = unlimited ? 0 : LOCAL_MAX_BYTES;
  return { maxBytes: size === undefined ? fallback : sizeOf(sizeName, size, subject), files };
}

function modeOf(options: Dict<string>, subject: LogSubject) {
  const { mode = '', 'max-buffer-size': buffer } = options;
  if (!['', 'blocking', 'non-blocking'].includes(mode))
    subject.refuse(
      option('mode'),
      `there is no mode ${JSON.stringify(mode)}`,
      'known are blocking and non-blocking',
    );
  const nonBlocking = mode === 'non-blocking';
  if (buffer !== undefined && !nonBlocking) {
    const hint = 'add mode: non-blocking';
    subject.refuse(option('max-buffer-size'), 'max-buffer-size has no meaning in blocking mode', hint);
  }
  return { nonBlocking, bufferBytes: buffer ? sizeOf('max-buffer-size', buffer, subject) : BUFFER_BYTES };
}

const SUFFIX: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

function sizeOf(name: string, text: string, { refuse }: LogSubject): number {
  if (text === '-1') return 0;
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(text.trim());
  if (match) return Math.round(Number(match[1]) * (SUFFIX[(match[2] ?? '').toLowerCase()] ?? 1));
  try {
    return byteCount(text);
  } catch {
    return refuse(option(name), `${name} is ${JSON.stringify(text)}`, 'write a size, for example 10m');
  }
}

// --- what is written with each entry ---

/** The fields of Docker's tag templates. */
function tagOf(template: string, { id, name, image, refuse }: LogSubject): string {
  const imageId = image.id.replace(/^sha256:/, '');
  const fields: Readonly<Record<string, string>> = {
    ID: id.slice(0, 12),
    FullID: id,
    Name: name,
    ImageID: imageId.slice(0, 12),
    ImageFullID: image.id,
    ImageName: image.name,
    DaemonName: 'tscompose',
  };
  return template.replace(/\{\{(.*?)\}\}/g, (all, inside: string) => {
    const value = fields[/^\s*\.(\w+)\s*$/.exec(inside)?.[1] ?? ''];
    const known = Object.keys(fields).map((field) => `{{.${field}}}`);
    return value ?? refuse(option('tag'), `the tag has ${all}`, `known are ${known.join(', ')}`);
  });
}

/** The members that a json-file line gets, or the fields of an entry for journald. */
function attributesOf(driver: string, options: Dict<string>, subject: LogSubject): string {
  const chosen: [string, string][] = [
    ...picked(Object.entries(subject.labels), 'labels', options, subject),
    ...picked(subject.environment.map(splitVariable), 'env', options, subject),
  ];
  if (driver === 'journald')
    return journalFields([...chosen, ['IMAGE_NAME', subject.image.name], ['CONTAINER_NAME', subject.name]]);
  if (driver !== 'json-file') return '';
  if (options.tag) chosen.push(['tag', tagOf(options.tag, subject)]);
  if (chosen.length === 0) return '';
  const sorted = Object.fromEntries(chosen.sort(([a], [b]) => (a < b ? -1 : 1)));
  return `"attrs":${goJson(sorted)},`;
}

function splitVariable(text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** Those that the option lists, and those that its regular expression finds. */
function picked(
  entries: readonly (readonly [string, string])[],
  kind: 'labels' | 'env',
  options: Dict<string>,
  subject: LogSubject,
): [string, string][] {
  const names = (options[kind] ?? '').split(',');
  const pattern = patternOf(`${kind}-regex`, options, subject);
  return entries
    .filter(([name]) => names.includes(name) || pattern?.test(name))
    .map(([name, value]) => [name, value]);
}

function patternOf(name: string, options: Dict<string>, { refuse }: LogSubject): RegExp | undefined {
  const text = options[name];
  if (!text) return undefined;
  try {
    return new RegExp(text);
  } catch {
    return refuse(option(name), `${name} is no regular expression`, 'write one such as ^(prod|staging)');
  }
}

/** As Go's encoder writes it, which is what readers of Docker's files know. */
function goJson(value: unknown): string {
  const unicode = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, unicode);
}

/** In the journal's text form, whose values have one line; names of capital letters, digits and underscores. */
function journalFields(entries: readonly (readonly [string, string])[]): string {
  return entries
    .map(([name, value]) => {
      const field = name
        .toUpperCase()
        .replace(/[^A-Z0-9_]/g, '_')
        .replace(/^_+/, '');
      return `${field}=${value.replaceAll('\n', ' ')}\n`;
    })
    .join('');
}

// --- syslog ---

const FACILITIES = 'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp'.split(' ');
const FIRST_LOCAL = 16;
const FORMATS = ['', 'rfc3164', 'rfc5424', 'rfc5424micro'];

function syslogOf(driver: string, options: Dict<string>, subject: LogSubject) {
  if (driver !== 'syslog') return { destination: '', format: '', facility: 0 };
  const format = options['syslog-format'] ?? '';
  if (!FORMATS.includes(format)) {
    const hint = `known are ${FORMATS.slice(1).join(', ')}`;
    subject.refuse(option('syslog-format'), `there is no format ${JSON.stringify(format)}`, hint);
  }
  return {
    destination: destinationOf(options['syslog-address'] ?? '', subject),
    format,
    facility: facilityOf(options, subject),
  };
}

function facilityOf(options: Dict<string>, { refuse }: LogSubject): number {
  const text = options['syslog-facility'] || 'daemon';
  const local = /^local([0-7])$/.exec(text)?.[1];
  if (local !== undefined) return FIRST_LOCAL + Number(local);
  if (/^\d+$/.test(text) && Number(text) < FIRST_LOCAL + 8) return Number(text);
  const number = FACILITIES.indexOf(text);
  const hint = `known are ${FACILITIES.join(', ')}, local0 to local7`;
  return number >= 0
    ? number
    : refuse(option('syslog-facility'), `there is no facility ${JSON.stringify(text)}`, hint);
}

const SYSLOG_PORT = 514;

/** As the step LOG_OPTIONS has it: `unix PATH`, `unixgram PATH`, `udp ADDRESS PORT`, `tcp ADDRESS PORT`, or empty. */
function destinationOf(address: string, { refuse }: LogSubject): string {
  const wrong = (message: string, hint: string) => refuse(option('syslog-address'), message, hint);
  if (address === '') return '';
  const [, path = ''] = /^unix(?:gram)?:\/\/(\/.+)$/.exec(address) ?? [];
  if (path !== '') return `${address.startsWith('unixgram') ? 'unixgram' : 'unix'} ${path}`;
  const parts = /^(udp|tcp|tcp\+tls):\/\/(?:\[([^\]]+)\]|([^/:]+))(?::(\d+))?\/?$/.exec(address);
  if (parts === null) {
    const hint = 'write udp://HOST[:PORT], tcp://HOST[:PORT], unix:///PATH or unixgram:///PATH';
    return wrong(`the address is ${JSON.stringify(address)}`, hint);
  }
  const [, scheme = '', bracketed, plain = '', port = SYSLOG_PORT] = parts;
  if (scheme === 'tcp+tls')
    return wrong(
      'syslog over TLS is not supported',
      'send to a local syslog daemon, and let that one encrypt',
    );
  const host = addressOf(bracketed ?? plain);
  if (host === undefined) return wrong(`the host ${bracketed ?? plain} is not known`, 'write its address');
  return `${scheme} ${host} ${port}`;
}

/** By the machine's name service, in a process of its own: nothing else here has to wait for an answer. */
function addressOf(host: string): string | undefined {
  if (isIP(host) !== 0) return host;
  const { stdout } = spawnSync('getent', ['ahosts', host], { encoding: 'utf8' });
  return /^\S+/.exec(stdout ?? '')?.[0];
}
