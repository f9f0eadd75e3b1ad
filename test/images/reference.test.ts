// Names of images: the grammar, the defaults, and what is refused.
import { describe, expect, it } from 'vitest';
import {
  familiarReference,
  formatReference,
  isDigest,
  parseReference,
  tryParseReference,
} from '../../src/images/reference.ts';

const HEX = 'a'.repeat(64);

describe('parseReference', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['user/app', 'docker.io/user/app:latest', 'user/app:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['ghcr.io/o/app:v1', 'ghcr.io/o/app:v1', 'ghcr.io/o/app:v1'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest', 'localhost:5000/app:latest'],
    ['127.0.0.1:5000/a/b/c:t', '127.0.0.1:5000/a/b/c:t', '127.0.0.1:5000/a/b/c:t'],
    ['[::1]:5000/app:t', '[::1]:5000/app:t', '[::1]:5000/app:t'],
    ['[fd00::1]/app', '[fd00::1]/app:latest', '[fd00::1]/app:latest'],
    ['HOST/app', 'HOST/app:latest', 'HOST/app:latest'],
    [`busybox@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`, `busybox@sha256:${HEX}`],
    [`busybox:1@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`, `busybox@sha256:${HEX}`],
    ['a/b__c/d---e.f', 'docker.io/a/b__c/d---e.f:latest', 'a/b__c/d---e.f:latest'],
    ['library/app/x', 'docker.io/library/app/x:latest', 'library/app/x:latest'],
  ])('%s is %s', (text, full, short) => {
    const reference = parseReference(text);
    expect(formatReference(reference)).toBe(full);
    expect(familiarReference(reference)).toBe(short);
    expect(parseReference(full)).toEqual(parseReference(short));
  });

  it('keeps a tag beside a digest', () => {
    expect(parseReference(`app:v1@sha256:${HEX}`)).toMatchObject({ tag: 'v1', digest: `sha256:${HEX}` });
  });

  it.each([
    '',
    'Busybox',
    'a//b',
    '/a',
    'a/',
    'a:',
    'a@sha256:abc',
    `a@sha256:${'A'.repeat(64)}`,
    'a b',
    '-a',
    'a-',
    'a/.b',
    'a___b',
    'host:port/a',
    '[::1/a',
    `a:${'t'.repeat(129)}`,
    HEX,
    `r.io/${'a'.repeat(260)}`,
  ])('refuses %j', (text) => {
    expect(tryParseReference(text)).toBeUndefined();
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'invalid-value' }));
  });

  it('says what is wrong with capitals', () => {
    expect(() => parseReference('Busybox')).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('lower case') }),
    );
  });
});

describe('isDigest', () => {
  it('knows lengths of the common algorithms', () => {
    expect(isDigest(`sha256:${HEX}`)).toBe(true);
    expect(isDigest(`sha512:${HEX}${HEX}`)).toBe(true);
    expect(isDigest(`sha512:${HEX}`)).toBe(false);
    expect(isDigest(`multihash+base58:${HEX}`)).toBe(true);
  });
});
