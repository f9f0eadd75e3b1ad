// Device programs of cgroup v2, by interpreting their instructions.
import { expect, test } from 'vitest';
import { deviceProgram } from '../../src/containers/device-bpf.ts';
import type { OciDeviceRule } from '../../src/containers/oci.ts';
import { specOf } from './world.ts';

const READ = 2;
const WRITE = 4;
const MKNOD = 1;

interface Access {
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  readonly access: number;
}

/** Runs the few eBPF operations that the compiler uses, and checks that every jump goes forward and inside. */
function allows(rules: readonly OciDeviceRule[], { type, major, minor, access }: Access): boolean {
  const program = Buffer.from(deviceProgram(rules));
  const context = [(access << 16) | (type === 'b' ? 1 : 2), major, minor];
  const registers = new Array<number>(11).fill(0);
  const get = (register: number) => registers[register] ?? 0;
  for (let at = 0; at * 8 < program.length; at++) {
    const op = program.readUInt8(at * 8);
    const destination = program.readUInt8(at * 8 + 1) & 15;
    const source = program.readUInt8(at * 8 + 1) >> 4;
    const offset = program.readInt16LE(at * 8 + 2);
    const immediate = program.readInt32LE(at * 8 + 4);
    if (op === 0x95) return get(0) === 1;
    if (op === 0x61) registers[destination] = context[offset / 4] ?? 0;
    else if (op === 0xbf) registers[destination] = get(source);
    else if (op === 0xb7) registers[destination] = immediate;
    else if (op === 0x54) registers[destination] = get(destination) & immediate;
    else if (op === 0x74) registers[destination] = get(destination) >>> immediate;
    else if (op === 0x15 || op === 0x55) {
      const taken = (get(destination) === immediate) === (op === 0x15);
      expect(offset).toBeGreaterThanOrEqual(0);
      if (taken) at += offset;
    } else throw new Error(`operation ${op.toString(16)}`);
  }
  throw new Error('the program ran over its end');
}

const device = (type: 'b' | 'c', major: number, minor: number, access: number): Access => ({
  type,
  major,
  minor,
  access,
});
const defaults = specOf().spec.linux.resources?.devices ?? [];

test('the defaults: any node can be made, the usual ones used', () => {
  const answers = [
    device('c', 1, 3, READ | WRITE),
    device('c', 5, 2, READ),
    device('c', 136, 77, WRITE),
    device('b', 8, 0, MKNOD),
    device('b', 8, 0, READ),
    device('c', 1, 11, READ),
    device('c', 1, 11, MKNOD),
    device('c', 10, 200, WRITE),
  ].map((access) => allows(defaults, access));
  expect(answers).toEqual([true, true, true, true, false, false, true, false]);
});

test('later rules win', () => {
  const rules: OciDeviceRule[] = [
    { allow: true, access: 'rwm' },
    { allow: false, type: 'b', major: 8, access: 'w' },
    { allow: true, type: 'b', major: 8, minor: 1, access: 'w' },
  ];
  expect(allows(rules, device('b', 8, 0, READ))).toBe(true);
  expect(allows(rules, device('b', 8, 0, READ | WRITE))).toBe(false);
  expect(allows(rules, device('b', 8, 1, READ | WRITE))).toBe(true);
  expect(allows(rules, device('c', 8, 0, WRITE))).toBe(true);
});

test('access is put together from several rules', () => {
  const rules: OciDeviceRule[] = [
    { allow: true, type: 'c', major: 1, access: 'r' },
    { allow: true, type: 'c', major: 1, minor: 11, access: 'w' },
  ];
  expect(allows(rules, device('c', 1, 11, READ | WRITE))).toBe(true);
  expect(allows(rules, device('c', 1, 12, READ | WRITE))).toBe(false);
  expect(allows(rules, device('c', 1, 11, READ | MKNOD))).toBe(false);
});

test('no rule allows nothing', () => {
  expect(allows([], device('c', 1, 3, READ))).toBe(false);
});
