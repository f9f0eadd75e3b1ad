// Log drivers and their options: what the shim is told, and what is refused.
import { describe, expect, test } from 'vitest';
import { type LogSubject, logDriverOf, logOf } from '../../src/containers/logging.ts';
import { ComposeError } from '../../src/errors.ts';
import { service } from './world.ts';

const subject: LogSubject = {
  path: '/log',
  id: 'ab'.repeat(32),
  name: 'p-web-1',
  image: { name: 'busybox', id: `sha256:${'c0'.repeat(32)}` },
  labels: { 'org.tier': 'a<b', other: 'x' },
  environment: ['STAGE=test', 'SECRET=1', 'EMPTY'],
  refuse: (attribute, message, hint) => {
    throw new ComposeError('invalid-value', `${attribute}: ${message}`, { hint });
  },
};

type Options = Readonly<Record<string, string>>;
const choose = (driver?: string, options?: Options) =>
  logOf(service({ logging: { ...(driver ? { driver } : {}), ...(options ? { options } : {}) } }), subject);

describe('files', () => {
  test('are json-file without limits', () => {
    const log = { driver: 'json-file', path: '/log', maxBytes: 0, files: 1, nonBlocking: false };
    expect(choose()).toEqual({ log, warnings: [] });
    expect(logOf(service(), subject).log).toEqual(log);
  });

  test('have limits', () => {
    const limits = { 'max-size': '10m', 'max-file': '3' };
    expect(choose('json-file', limits).log).toMatchObject({ maxBytes: 10 * 2 ** 20, files: 3 });
    expect(choose('local').log).toMatchObject({ driver: 'local', maxBytes: 20 * 2 ** 20, files: 5 });
    expect(choose('local', { 'max-file': '2' }).log).toMatchObject({ maxBytes: 20 * 2 ** 20, files: 2 });
    expect(choose('json-file', { 'max-size': '-1' }).log.maxBytes).toBe(0);
  });

  test('have attributes in each line, sorted and escaped as Go does', () => {
    const options = { labels: 'org.tier,none', 'env-regex': '^S', tag: '{{.Name}}/{{.ImageID}}' };
    expect(choose('json-file', options).log.details?.attributes).toBe(
      '"attrs":{"SECRET":"1","STAGE":"test","org.tier":"a\\u003cb","tag":"p-web-1/c0c0c0c0c0c0"},',
    );
    expect(choose('json-file', { env: 'EMPTY' }).log.details?.attributes).toBe('"attrs":{"EMPTY":""},');
    expect(choose('json-file', { labels: 'none' }).log.details).toBeUndefined();
  });

  test('that are not compressed are said', () => {
    const { warnings } = choose('local', { compress: 'true' });
    expect(warnings.map(({ attribute }) => attribute)).toEqual(['logging.options.compress']);
    expect(choose('local', { compress: 'false' }).warnings).toEqual([]);
  });

  test('without a size are one file, which is said', () => {
    const { warnings } = choose('json-file', { 'max-file': '3' });
    expect(warnings.map(({ attribute }) => attribute)).toEqual(['logging.options.max-file']);
    expect(choose('local', { 'max-file': '3' }).warnings).toEqual([]);
  });
});

describe('the system', () => {
  test('gets a tag, and what comes with each entry', () => {
    expect(choose('syslog').log.details?.tag).toBe('abababababab');
    const { details } = choose('journald', { tag: '{{ .ImageName }}/{{.Name}}', labels: 'org.tier' }).log;
    expect(details?.tag).toBe('busybox/p-web-1');
    expect(details?.attributes).toBe('ORG_TIER=a<b\nIMAGE_NAME=busybox\nCONTAINER_NAME=p-web-1\n');
  });

  test.each([
    ['', ''],
    ['udp://10.0.0.1', 'udp 10.0.0.1 514'],
    ['tcp://[fd00::1]:6514', 'tcp fd00::1 6514'],
    ['tcp://127.0.0.1:601', 'tcp 127.0.0.1 601'],
    ['unix:///run/log.sock', 'unix /run/log.sock'],
    ['unixgram:///run/log.sock', 'unixgram /run/log.sock'],
  ])('is syslog at %j', (address, destination) => {
    expect(choose('syslog', { 'syslog-address': address }).log.details).toMatchObject({ destination });
  });

  test('leaves the last of it here, as Docker does, unless that is not wanted', () => {
    expect(choose('syslog').log).toMatchObject({ path: '/log', maxBytes: 20 * 2 ** 20, files: 5 });
    const small = { 'cache-max-size': '1m', 'cache-max-file': '2' };
    expect(choose('journald', small).log).toMatchObject({ maxBytes: 2 ** 20, files: 2 });
    expect(choose('journald', { 'cache-disabled': 'true' }).log.path).toBe('');
  });

  test('is syslog at a name', () => {
    const { details } = choose('syslog', { 'syslog-address': 'udp://localhost:5514' }).log;
    expect(details?.destination).toMatch(/^udp (127\.0\.0\.1|::1) 5514$/);
  });

  test('takes facilities and formats', () => {
    const facility = (name: string) => choose('syslog', { 'syslog-facility': name }).log.details?.facility;
    expect(['', 'kern', 'daemon', 'ftp', 'local0', 'local7', '5'].map(facility)).toEqual([
      3, 0, 3, 11, 16, 23, 5,
    ]);
    expect(choose('syslog', { 'syslog-format': 'rfc5424' }).log.details?.format).toBe('rfc5424');
  });

  test('may lose what is too much', () => {
    const options = { mode: 'non-blocking', 'max-buffer-size': '4m' };
    const { nonBlocking, details } = choose('syslog', options).log;
    expect([nonBlocking, details?.bufferBytes]).toEqual([true, 4 * 2 ** 20]);
    expect(choose('syslog').log.details?.bufferBytes).toBe(2 ** 20);
  });
});

test('a driver that only Docker has keeps a json-file, and says so', () => {
  const { log, warnings } = choose('gelf', { 'gelf-address': 'udp://1.2.3.4' });
  expect([log.driver, warnings.map(({ attribute }) => attribute)]).toEqual(['json-file', ['logging.driver']]);
  expect(logDriverOf(service({ logging: { driver: 'gelf' } }))).toBe('json-file');
});

test('none takes what an override left behind', () => {
  expect(choose('none', { 'max-size': '1m', whatever: 'x' }).log.driver).toBe('none');
});

test.each<[string, Options, string]>([
  ['jsonfile', {}, 'logging.driver: there is no log driver "jsonfile"'],
  [
    'json-file',
    { 'max-sise': '1m' },
    'logging.options.max-sise: the log driver json-file has no option "max-sise"',
  ],
  ['local', { labels: 'a' }, 'logging.options.labels: the log driver local has no option "labels"'],
  ['json-file', { 'max-size': 'much' }, 'logging.options.max-size: max-size is "much"'],
  ['json-file', { 'max-size': '1m', 'max-file': '0' }, 'logging.options.max-file: max-file is "0"'],
  ['json-file', { mode: 'fast' }, 'logging.options.mode: there is no mode "fast"'],
  [
    'syslog',
    { 'max-buffer-size': '1m' },
    'logging.options.max-buffer-size: max-buffer-size has no meaning in blocking mode',
  ],
  ['syslog', { 'syslog-format': 'rfc1' }, 'logging.options.syslog-format: there is no format "rfc1"'],
  [
    'syslog',
    { 'syslog-facility': 'local8' },
    'logging.options.syslog-facility: there is no facility "local8"',
  ],
  [
    'syslog',
    { 'syslog-address': '10.0.0.1:514' },
    'logging.options.syslog-address: the address is "10.0.0.1:514"',
  ],
  [
    'syslog',
    { 'syslog-address': 'tcp+tls://10.0.0.1' },
    'logging.options.syslog-address: syslog over TLS is not supported',
  ],
  [
    'syslog',
    { 'syslog-address': 'udp://no.such.host.invalid' },
    'logging.options.syslog-address: the host no.such.host.invalid is not known',
  ],
  ['journald', { tag: '{{.Nane}}' }, 'logging.options.tag: the tag has {{.Nane}}'],
  ['journald', { 'env-regex': '(' }, 'logging.options.env-regex: env-regex is no regular expression'],
])('%s with %j is refused', (driver, options, message) => {
  expect(() => choose(driver, options)).toThrow(expect.objectContaining({ code: 'invalid-value', message }));
});
