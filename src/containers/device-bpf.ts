// Device access on cgroup v2: a list of rules as a BPF_PROG_TYPE_CGROUP_DEVICE program.
import type { OciDeviceRule } from './oci.ts';

// enum of linux/bpf.h: what is asked for, and what kind of device it is.
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const KIND: Readonly<Record<string, number>> = { b: 1, c: 2 };

// eBPF operations that the program needs (linux/bpf_common.h, linux/bpf.h).
const LDX_W = 0x61;
const MOV64_REG = 0xbf;
const MOV64_IMM = 0xb7;
const AND32_IMM = 0x54;
const RSH32_IMM = 0x74;
const JEQ_IMM = 0x15;
const JNE_IMM = 0x55;
const EXIT = 0x95;

interface Instruction {
  readonly op: number;
  readonly destination?: number;
  readonly source?: number;
  readonly offset?: number;
  readonly immediate?: number;
}

// Registers: what is still asked for, kind, major, minor, scratch.
const R_KIND = 2;
const R_ASKED = 3;
const R_MAJOR = 4;
const R_MINOR = 5;
const R_SCRATCH = 6;

/**
 * Instructions that decide as the v1 lists would: later rules win over earlier ones, what no rule allows is denied.
 * Access may be put together from several rules.
 */
export function deviceProgram(rules: readonly OciDeviceRule[]): Uint8Array {
  const program = [...load(), ...[...rules].reverse().flatMap(compileRule), ...verdict(0)];
  return Buffer.concat(program.map(encode));
}

function load(): Instruction[] {
  return [
    { op: LDX_W, destination: R_KIND, source: 1, offset: 0 },
    { op: MOV64_REG, destination: R_ASKED, source: R_KIND },
    { op: AND32_IMM, destination: R_KIND, immediate: 0xffff },
    { op: RSH32_IMM, destination: R_ASKED, immediate: 16 },
    { op: LDX_W, destination: R_MAJOR, source: 1, offset: 4 },
    { op: LDX_W, destination: R_MINOR, source: 1, offset: 8 },
  ];
}

function verdict(value: 0 | 1): Instruction[] {
  return [{ op: MOV64_IMM, destination: 0, immediate: value }, { op: EXIT }];
}

function compileRule(rule: OciDeviceRule): Instruction[] {
  const body = rule.allow ? allowBody(accessMask(rule)) : denyBody(accessMask(rule));
  const tests: [register: number, value: number][] = [];
  const kind = KIND[rule.type ?? 'a'];
  if (kind !== undefined) tests.push([R_KIND, kind]);
  if (rule.major !== undefined && rule.major >= 0) tests.push([R_MAJOR, rule.major]);
  if (rule.minor !== undefined && rule.minor >= 0) tests.push([R_MINOR, rule.minor]);
  const jumps = tests.map(([destination, immediate], index) => ({
    op: JNE_IMM,
    destination,
    immediate,
    offset: tests.length - 1 - index + body.length,
  }));
  return [...jumps, ...body];
}

function accessMask({ access = 'rwm' }: OciDeviceRule): number {
  return [...access].reduce((mask, letter) => mask | (ACCESS[letter] ?? 0), 0);
}

// What this rule allows need not be asked for any more.
function allowBody(mask: number): Instruction[] {
  return [
    { op: AND32_IMM, destination: R_ASKED, immediate: 7 & ~mask },
    { op: JNE_IMM, destination: R_ASKED, immediate: 0, offset: 2 },
    ...verdict(1),
  ];
}

function denyBody(mask: number): Instruction[] {
  return [
    { op: MOV64_REG, destination: R_SCRATCH, source: R_ASKED },
    { op: AND32_IMM, destination: R_SCRATCH, immediate: mask },
    { op: JEQ_IMM, destination: R_SCRATCH, immediate: 0, offset: 2 },
    ...verdict(0),
  ];
}

function encode({ op, destination = 0, source = 0, offset = 0, immediate = 0 }: Instruction): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(op, 0);
  bytes.writeUInt8((source << 4) | destination, 1);
  bytes.writeInt16LE(offset, 2);
  bytes.writeInt32LE(immediate, 4);
  return bytes;
}
