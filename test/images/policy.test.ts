// When to pull, which platform, what the lock file says.
import { describe, expect, it } from 'vitest';
import { parseChallenge } from '../../src/images/authorize.ts';
import { frozenImage, type LockFile } from '../../src/images/lockfile.ts';
import { choosePlatform, formatPlatform, parsePlatform } from '../../src/images/platform.ts';
import { parsePeriod, pullDecision } from '../../src/images/policy.ts';
import { parseReference } from '../../src/images/reference.ts';
import { endpointsOf, isInsecureHost } from '../../src/images/registries.ts';
import { parseToml } from '../../src/images/toml.ts';

const NOW = Date.parse('2030-01-10T00:00:00Z');
const pulled = (ago: number) => ({ pulled: new Date(NOW - ago).toISOString() });
const HOUR = 3_600_000;

describe('pullDecision', () => {
  it.each([
    [undefined, undefined, true],
    [undefined, pulled(9999 * HOUR), false],
    ['missing', undefined, true],
    ['missing', pulled(0), false],
    ['if_not_present', pulled(0), false],
    ['always', pulled(0), true],
    ['never', undefined, false],
    ['build', undefined, false],
    ['daily', pulled(23 * HOUR), false],
    ['daily', pulled(25 * HOUR), true],
    ['daily', undefined, true],
    ['weekly', pulled(6 * 24 * HOUR), false],
    ['weekly', pulled(8 * 24 * HOUR), true],
    ['every_12h', pulled(11 * HOUR), false],
    ['every_12h', pulled(13 * HOUR), true],
    ['every_1w2d', pulled(8 * 24 * HOUR), false],
    ['every_1h30m', pulled(2 * HOUR), true],
    ['daily', pulled(-HOUR), true],
    ['refresh', pulled(25 * HOUR), true],
  ])('policy %s with %j', (policy, image, pull) => {
    expect(pullDecision({ policy }, image, NOW).pull).toBe(pull);
  });

  it('knows pull_refresh_after and builds', () => {
    expect(pullDecision({ policy: 'refresh', refreshAfter: '2h' }, pulled(HOUR), NOW).pull).toBe(false);
    expect(pullDecision({ policy: 'refresh', refreshAfter: '30m' }, pulled(HOUR), NOW).pull).toBe(true);
    expect(pullDecision({ hasBuild: true }, undefined, NOW)).toEqual({ pull: false, cause: 'it is built' });
  });

  it.each(['sometimes', 'every_', 'every_x', 'every_5', 'every_1h!'])('refuses %s', (policy) => {
    expect(() => pullDecision({ policy }, undefined, NOW)).toThrow(
      expect.objectContaining({ code: 'invalid-value' }),
    );
  });

  it('reads durations', () => {
    expect([parsePeriod('1d'), parsePeriod('1.5h'), parsePeriod('100ms')]).toEqual([
      86_400_000, 5_400_000, 100,
    ]);
  });
});

describe('platforms', () => {
  it.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/aarch64', 'linux/arm64'],
    ['arm64', 'linux/arm64'],
    ['linux/arm/v6', 'linux/arm/v6'],
    ['linux/armhf', 'linux/arm/v7'],
    ['x86_64', 'linux/amd64'],
  ])('%s is %s', (text, full) => {
    expect(formatPlatform(parsePlatform(text))).toBe(full);
  });

  it('takes the best that runs, and no attestation', () => {
    const of = (platform: string, digest: string) => ({
      mediaType: '',
      size: 1,
      digest,
      platform: parsePlatform(platform),
    });
    const list = [
      of('linux/arm/v5', 'v5'),
      of('linux/arm/v6', 'v6'),
      of('linux/arm64', 'v8'),
      of('linux/amd64', 'amd'),
    ];
    expect(choosePlatform(list, parsePlatform('linux/arm/v7'))?.digest).toBe('v6');
    expect(choosePlatform(list, parsePlatform('linux/arm/v5'))?.digest).toBe('v5');
    expect(choosePlatform(list, parsePlatform('linux/s390x'))).toBeUndefined();
    const attested = list.map((entry) => ({
      ...entry,
      annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
    }));
    expect(choosePlatform(attested, parsePlatform('linux/amd64'))).toBeUndefined();
  });
});

describe('the lock file', () => {
  const digest = `sha256:${'1'.repeat(64)}`;
  const lock: LockFile = {
    version: 1,
    images: { 'docker.io/library/app:latest': { 'linux/amd64': digest } },
  };

  it('gives the exact image, and refuses what it does not have', () => {
    expect(frozenImage(lock, 'app', 'linux/amd64')).toBe(`app@${digest}`);
    expect(frozenImage(lock, `app@${digest}`)).toBe(`app@${digest}`);
    for (const [image, platform] of [
      ['app', 'linux/arm64'],
      ['app:2', 'linux/amd64'],
    ] as const)
      expect(() => frozenImage(lock, image, platform)).toThrow(
        expect.objectContaining({ code: 'image-not-found', hint: expect.stringContaining('lock update') }),
      );
  });
});

describe('registries', () => {
  const conf = { rules: [], insecure: ['10.0.0.0/8', 'plain.example.com:5000'] };

  it('knows where plain HTTP is fine', () => {
    for (const host of ['localhost:5000', '127.0.0.1', '[::1]:5000', '10.1.2.3:80', 'plain.example.com:5000'])
      expect(isInsecureHost(host, conf)).toBe(true);
    for (const host of ['docker.io', '11.0.0.1:80', 'plain.example.com', 'localhost.example.com'])
      expect(isInsecureHost(host, conf)).toBe(false);
  });

  it('maps names to servers', () => {
    expect(endpointsOf(parseReference('busybox'), conf)).toMatchObject([
      { host: 'registry-1.docker.io', repository: 'library/busybox', insecure: false },
    ]);
    const rule = {
      prefix: 'r.io/a',
      location: 'other.io/b',
      insecure: false,
      blocked: false,
      mirrors: [{ location: 'm.io', insecure: true, digestOnly: false }],
    };
    expect(endpointsOf(parseReference('r.io/a/app'), { rules: [rule], insecure: [] })).toMatchObject([
      { host: 'm.io', repository: 'app', isMirror: true, insecure: true },
      { host: 'other.io', repository: 'b/app', isMirror: false },
    ]);
    expect(endpointsOf(parseReference('r.io/abc'), { rules: [rule], insecure: [] })).toMatchObject([
      { host: 'r.io', repository: 'abc' },
    ]);
  });

  it('reads challenges', () => {
    expect(
      parseChallenge('Bearer realm="https://a/t?x=1,2",service="s",scope="repository:a:pull,push"'),
    ).toEqual({
      scheme: 'bearer',
      parameters: { realm: 'https://a/t?x=1,2', service: 's', scope: 'repository:a:pull,push' },
    });
    expect(parseChallenge('Basic realm="a", Bearer realm=b')?.scheme).toBe('bearer');
    expect(parseChallenge('Negotiate')).toBeUndefined();
  });

  it('reads the TOML of registries.conf', () => {
    const text =
      'a = ["x", # one\n  "y"]\n[[r]]\nk = "v#1"\n[[r.m]]\nn = true\n[[r]]\nk = \'w\'\n[t."q.r"]\nz = 1\n';
    expect(parseToml(text)).toEqual({
      a: ['x', 'y'],
      r: [{ k: 'v#1', m: [{ n: true }] }, { k: 'w' }],
      t: { 'q.r': { z: 1 } },
    });
    expect(() => parseToml('a')).toThrow('line 1');
  });
});
