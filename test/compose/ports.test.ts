// Ports: short and long syntax, ranges, addresses, and which entries are the same port.
import { describe, expect, it } from 'vitest';
import { failure, serviceFile, web, webOf } from './fixture.ts';

const port = (target: number, rest: object = {}): object => ({
  mode: 'ingress',
  target,
  protocol: 'tcp',
  ...rest,
});

describe('ports', () => {
  it.each<[string, object[]]>([
    ['80', [port(80)]],
    ['"8080:80"', [port(80, { published: '8080' })]],
    ['"127.0.0.1:8080:80/udp"', [port(80, { published: '8080', host_ip: '127.0.0.1', protocol: 'udp' })]],
    ['"[::1]:8080:80"', [port(80, { published: '8080', host_ip: '::1' })]],
    ['"127.0.0.1::80"', [port(80, { host_ip: '127.0.0.1' })]],
    ['"80-81"', [port(80), port(81)]],
    ['"90-91:80-81"', [port(80, { published: '90' }), port(81, { published: '91' })]],
    ['"8000-8010:80"', [port(80, { published: '8000-8010' })]],
    ['{ target: 80, published: 8080, name: web }', [port(80, { published: '8080', name: 'web' })]],
  ])('%s', (entry, expected) => {
    expect(web(`ports: [${entry}]`).ports).toEqual(expected);
  });

  it('are the same when address, ports and protocol are', () => {
    expect(web('ports: ["8080:80", "0.0.0.0:8080:80", "8080:80/udp"]').ports).toEqual([
      port(80, { published: '8080', host_ip: '0.0.0.0' }),
      port(80, { published: '8080', protocol: 'udp' }),
    ]);
  });

  it('are never the same when one is written as a number', () => {
    const files = {
      'compose.yaml': serviceFile('ports: ["8080:80"]'),
      'compose.override.yaml': serviceFile('ports: [{ target: 80, published: 8080 }]'),
    };
    expect(webOf(files, { isReadable: false }).ports).toHaveLength(2);
  });

  it.each([
    '"::1:6000:6000"',
    '"300.1.1.1:1:1"',
    '"abc:80"',
    '"70000:80"',
    '"1-3:80-81"',
    '"80/xyz"',
    '"a:80"',
    '":"',
  ])('refuses %s', (entry) => {
    const { codes, places } = failure(serviceFile(`ports: [${entry}]`));
    expect([codes, places]).toEqual([['invalid-value'], ['compose.yaml:4:13']]);
  });
});
