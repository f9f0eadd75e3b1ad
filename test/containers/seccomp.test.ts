// The default profile and Docker-style ones, by interpreting the compiled filter.
import { describe, expect, test } from 'vitest';
import { ALL_CAPABILITIES, DEFAULT_CAPABILITIES } from '../../src/containers/capabilities.ts';
import { defaultSeccomp, profileFromJson } from '../../src/containers/seccomp.ts';
import { compileSeccomp } from '../../src/containers/seccomp-bpf.ts';
import { DEFAULT_PROFILE } from '../../src/containers/seccomp-default.ts';
import * as numbers from '../../src/containers/syscalls.generated.ts';
import { runFilter } from './bpf.ts';

const X64 = 0xc000_003e;
const X86 = 0x4000_0003;
const ARM64 = 0xc000_00b7;
const ALLOW = 0x7fff_0000;
const EPERM = 0x0005_0001;
const ENOSYS = 0x0005_0026;
const KILL = 0x8000_0000;

function table(text: string): ReadonlyMap<string, number> {
  const words = text.trim().split(/\s+/);
  return new Map(words.flatMap((name, i) => (i % 2 === 0 ? [[name, Number(words[i + 1])] as const] : [])));
}

const ARCHITECTURES = [
  { name: 'x64', own: 'x64', audit: X64, calls: table(numbers.x64) },
  { name: 'x32', own: 'x64', audit: X64, calls: table(numbers.x32) },
  { name: 'x86', own: 'x64', audit: X86, calls: table(numbers.x86) },
  { name: 'arm64', own: 'arm64', audit: ARM64, calls: table(numbers.arm64) },
] as const;

const BASIC: readonly (readonly [string, readonly string[]])[] = [
  ['none', []],
  ['default', DEFAULT_CAPABILITIES],
  ['all', ALL_CAPABILITIES],
];
const SETS: typeof BASIC = [
  ...BASIC,
  ...ALL_CAPABILITIES.map((name): [string, string[]] => [name, [...DEFAULT_CAPABILITIES, name]]),
];

/** What the table says about a call whose arguments are all `value`, by reading it row by row. */
function expected(call: string, capabilities: readonly string[], own: string, value: bigint): number {
  const rows = DEFAULT_PROFILE.filter(
    (row) =>
      row.calls.trim().split(/\s+/).includes(call) &&
      (row.capability === undefined || capabilities.includes(row.capability)) &&
      (row.without === undefined || !capabilities.includes(row.without)) &&
      (row.architectures === undefined || row.architectures.includes(own)),
  );
  const plain = rows.find((row) => row.argument === undefined);
  if (plain) return plain.errno === undefined ? ALLOW : 0x0005_0000 + plain.errno;
  return rows.some((row) => row.argument && holds(row.argument.op, value, row.argument.value))
    ? ALLOW
    : EPERM;
}

function holds(op: string, value: bigint, wanted: number | bigint): boolean {
  if (op === 'SCMP_CMP_EQ') return value === BigInt(wanted);
  if (op === 'SCMP_CMP_LT') return value < BigInt(wanted);
  if (op === 'SCMP_CMP_GT') return value > BigInt(wanted);
  return (value & BigInt(wanted)) === 0n;
}

describe('the default profile', () => {
  describe.each(ARCHITECTURES)('on $name', ({ name, own, audit, calls }) => {
    test.each(name === 'x64' ? SETS : BASIC)(
      'with capabilities %s answers every call as the table says',
      (_, capabilities) => {
        const scope = { architecture: own, capabilities, kernel: '6.1.0' } as const;
        const { filter } = compileSeccomp(defaultSeccomp(scope));
        for (const [call, nr] of calls) {
          for (const value of [
            0n,
            8n,
            38n,
            39n,
            40n,
            41n,
            0x1000_0000n,
            0xffff_ffffn,
            0xffff_ffff_ffff_ffffn,
          ]) {
            const { result } = runFilter(filter, {
              nr,
              arch: audit,
              args: [value, value, value, value, value, value],
            });
            if (result !== expected(call, capabilities, own, value)) {
              expect.fail(`${call} (${value}) gives ${result.toString(16)}`);
            }
          }
        }
      },
    );
  });

  const scope = { architecture: 'x64', capabilities: DEFAULT_CAPABILITIES, kernel: '6.1.0' } as const;
  const { filter } = compileSeccomp(defaultSeccomp(scope));
  const x64 = table(numbers.x64);
  const answer = (call: string, ...args: bigint[]) =>
    runFilter(filter, { nr: x64.get(call) ?? -1, arch: X64, args }).result;

  test('names hardly any call that these architectures lack', () => {
    const other = [
      'riscv_hwprobe',
      'breakpoint',
      'cacheflush',
      'set_tls',
      'arm_fadvise64_64',
      'arm_sync_file_range',
    ];
    const known = new Set([...ARCHITECTURES.flatMap(({ calls }) => [...calls.keys()]), ...other]);
    const names = DEFAULT_PROFILE.flatMap((row) => row.calls.trim().split(/\s+/));
    expect(names.filter((name) => !known.has(name))).toEqual(['recv', 'send', 'sync_file_range2']);
  });

  test('stops what breaks out of containers', () => {
    const denied = [
      'mount',
      'unshare',
      'setns',
      'kexec_load',
      'init_module',
      'bpf',
      'keyctl',
      'add_key',
      'io_uring_setup',
      'userfaultfd',
    ];
    expect(denied.map((call) => [call, answer(call)])).toEqual(denied.map((call) => [call, EPERM]));
    expect(answer('clone3')).toBe(ENOSYS);
    expect(answer('clone', 0x1000_0000n)).toBe(EPERM);
    expect(answer('clone', 17n)).toBe(ALLOW);
    expect(answer('socket', 38n)).toBe(EPERM);
    expect(answer('socket', 40n)).toBe(EPERM);
    expect(answer('socket', 2n)).toBe(ALLOW);
    expect(answer('personality', 0xffff_ffffn)).toBe(ALLOW);
    expect(answer('personality', 0x4_0000n)).toBe(EPERM);
  });

  test('kills what comes from an architecture that it does not know', () => {
    expect(runFilter(filter, { nr: 0, arch: 0x0000_0008 }).result).toBe(KILL);
  });

  test('refuses numbers that do not exist', () => {
    for (const nr of [600, 0x3fff_ffff, 0x4000_0000 + 600, 0xffff_ffff]) {
      expect(runFilter(filter, { nr, arch: X64 }).result).toBe(EPERM);
    }
  });

  test('decides common calls in a few instructions', () => {
    const executed = [...x64.values()].map((nr) => runFilter(filter, { nr, arch: X64 }).executed);
    expect(Math.max(...executed)).toBeLessThan(25);
    expect(filter.length / 8).toBeLessThan(1000);
  });
});

describe('a profile of the user', () => {
  const compile = (profile: unknown, capabilities: readonly string[] = []) =>
    compileSeccomp(
      profileFromJson(JSON.stringify(profile), 'p.json', {
        architecture: 'x64',
        capabilities,
        kernel: '6.1.0',
      }),
    );
  const x64 = table(numbers.x64);

  test('has all comparisons, on 64 bits', () => {
    const big = 0x1_0000_0005;
    const cases = [
      ['SCMP_CMP_EQ', (v: bigint) => v === BigInt(big)],
      ['SCMP_CMP_NE', (v: bigint) => v !== BigInt(big)],
      ['SCMP_CMP_LT', (v: bigint) => v < BigInt(big)],
      ['SCMP_CMP_LE', (v: bigint) => v <= BigInt(big)],
      ['SCMP_CMP_GT', (v: bigint) => v > BigInt(big)],
      ['SCMP_CMP_GE', (v: bigint) => v >= BigInt(big)],
    ] as const;
    const values = [
      0n,
      5n,
      6n,
      0x1_0000_0004n,
      0x1_0000_0005n,
      0x1_0000_0006n,
      0x2_0000_0000n,
      0xffff_ffff_ffff_ffffn,
    ];
    for (const [op, truth] of cases) {
      const args = [
        { index: 1, value: big, op },
        { index: 0, value: 7, op: 'SCMP_CMP_EQ' },
      ];
      const profile = {
        defaultAction: 'SCMP_ACT_KILL',
        syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', args }],
      };
      const { filter } = compile(profile);
      for (const value of values) {
        const { result } = runFilter(filter, { nr: 0, arch: X64, args: [7n, value] });
        expect([op, value, result]).toEqual([op, value, truth(value) ? ALLOW : 0]);
        expect(runFilter(filter, { nr: 0, arch: X64, args: [8n, value] }).result).toBe(0);
      }
    }
  });

  test('takes conditions on one argument as alternatives, and masks', () => {
    const { filter } = compile({
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [
        {
          name: 'ioctl',
          action: 'SCMP_ACT_ERRNO',
          errnoRet: 25,
          args: [
            { index: 1, value: 1, op: 'SCMP_CMP_EQ' },
            { index: 1, value: 0xf0, valueTwo: 0x20, op: 'SCMP_CMP_MASKED_EQ' },
          ],
        },
      ],
    });
    const answer = (value: bigint) =>
      runFilter(filter, { nr: x64.get('ioctl') ?? -1, arch: X64, args: [0n, value] }).result;
    expect([1n, 0x2fn, 2n].map(answer)).toEqual([0x0005_0019, 0x0005_0019, ALLOW]);
  });

  test('honours includes and excludes', () => {
    const profile = {
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [
        { names: ['mount'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
        { names: ['read'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '4.8' } },
        { names: ['write'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '99.0' } },
        { names: ['open'], action: 'SCMP_ACT_ALLOW', excludes: { arches: ['amd64'] } },
      ],
    };
    const answers = (capabilities: readonly string[]) =>
      ['mount', 'read', 'write', 'open'].map(
        (call) =>
          runFilter(compile(profile, capabilities).filter, { nr: x64.get(call) ?? -1, arch: X64 }).result,
      );
    expect(answers([])).toEqual([EPERM, ALLOW, EPERM, EPERM]);
    expect(answers(['CAP_SYS_ADMIN'])).toEqual([ALLOW, ALLOW, EPERM, EPERM]);
  });

  test('is refused when it is none', () => {
    const invalid = expect.objectContaining({ code: 'invalid-value' });
    expect(() => compile({ syscalls: [] })).toThrow(invalid);
    expect(() => compile({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: 1, action: 'x' }] })).toThrow(
      invalid,
    );
    expect(() => compile({ defaultAction: 'SCMP_ACT_NOTIFY', syscalls: [] })).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    );
  });
});
