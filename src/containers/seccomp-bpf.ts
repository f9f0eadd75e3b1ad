// Seccomp rules as a classic BPF program: per architecture a binary search over ranges of system call numbers.
import { ComposeError, InternalError } from '../errors.ts';
import type { OciSeccomp, OciSyscallArgument, OciSyscallRule } from './oci.ts';
import * as numbers from './syscalls.generated.ts';

/** Part of the name of a stored program: raise it when the same rules compile differently. */
export const COMPILER_VERSION = 1;

// Classic BPF (linux/bpf_common.h) and the layout of struct seccomp_data.
const LD_W_ABS = 0x20;
const ALU_AND_K = 0x54;
const JMP_JA = 0x05;
const JMP_JEQ_K = 0x15;
const JMP_JGT_K = 0x25;
const JMP_JGE_K = 0x35;
const RET_K = 0x06;
const NUMBER_OFFSET = 0;
const ARCH_OFFSET = 4;
const argumentOffset = (index: number) => 16 + 8 * index;
const JUMP_MAX = 255;
const INSTRUCTIONS_MAX = 4096;

const ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0x0000_0000,
  SCMP_ACT_KILL_THREAD: 0x0000_0000,
  SCMP_ACT_KILL_PROCESS: 0x8000_0000,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_ERRNO: 0x0005_0000,
  SCMP_ACT_TRACE: 0x7ff0_0000,
  SCMP_ACT_LOG: 0x7ffc_0000,
  SCMP_ACT_ALLOW: 0x7fff_0000,
};

const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
};

/** AUDIT_ARCH_* (linux/audit.h), and the tables of numbers that its calls are found in. */
const MACHINES: Readonly<Record<string, { readonly audit: number; readonly tables: readonly string[] }>> = {
  SCMP_ARCH_X86_64: { audit: 0xc000_003e, tables: [numbers.x64] },
  SCMP_ARCH_X32: { audit: 0xc000_003e, tables: [numbers.x32] },
  SCMP_ARCH_X86: { audit: 0x4000_0003, tables: [numbers.x86] },
  SCMP_ARCH_AARCH64: { audit: 0xc000_00b7, tables: [numbers.arm64] },
};

/** Names that are understood here. */
export const SECCOMP_ACTIONS: readonly string[] = Object.keys(ACTIONS);
export const SECCOMP_FLAGS: readonly string[] = Object.keys(FLAGS);
export const SECCOMP_ARCHITECTURES: readonly string[] = Object.keys(MACHINES);
export const SECCOMP_OPERATORS: readonly string[] = ['EQ', 'NE', 'LT', 'LE', 'GT', 'GE', 'MASKED_EQ'].map(
  (name) => `SCMP_CMP_${name}`,
);

const EPERM = 1;
const NUMBER_MAX = 0xffff_ffff;

interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

function instruction(code: number, k: number, jt = 0, jf = 0): Instruction {
  return { code, jt, jf, k };
}

/** A `struct sock_filter` array for these rules, and its flags. Throws ComposeError `invalid-value` or `unsupported`. */
export function compileSeccomp(rules: OciSeccomp): { readonly flags: number; readonly filter: Uint8Array } {
  const fallback = actionValue(rules.defaultAction, rules.defaultErrnoRet);
  const program = [...sections(rules, fallback), instruction(RET_K, ACTIONS.SCMP_ACT_KILL_PROCESS ?? 0)];
  if (program.length > INSTRUCTIONS_MAX) {
    throw new ComposeError(
      'invalid-value',
      `the seccomp profile needs ${program.length} instructions, 4096 are possible`,
    );
  }
  return { flags: flagsOf(rules.flags ?? []), filter: encode(program) };
}

function actionValue(action: string, errno: number | undefined): number {
  const value = ACTIONS[action];
  if (value === undefined) throw new ComposeError('unsupported', `seccomp action ${action} is not supported`);
  const withData = action === 'SCMP_ACT_ERRNO' || action === 'SCMP_ACT_TRACE';
  return withData ? value + ((errno ?? EPERM) & 0xffff) : value;
}

function flagsOf(flags: readonly string[]): number {
  return flags.reduce((sum, flag) => {
    const value = FLAGS[flag];
    if (value === undefined) throw new ComposeError('unsupported', `seccomp flag ${flag} is not supported`);
    return sum | value;
  }, 0);
}

/** One section for each kernel architecture; calls of any other end the process. */
function sections(rules: OciSeccomp, fallback: number): Instruction[] {
  const wanted = (rules.architectures ?? []).flatMap((name) => MACHINES[name] ?? []);
  const audits = [...new Set(wanted.map(({ audit }) => audit))];
  const bodies = audits.map((audit) => {
    const tables = wanted.filter((machine) => machine.audit === audit).flatMap((machine) => machine.tables);
    return { audit, body: section(rules.syscalls ?? [], tables, fallback) };
  });
  return [
    instruction(LD_W_ABS, ARCH_OFFSET),
    ...bodies.flatMap(({ audit, body }) => [
      instruction(JMP_JEQ_K, audit, 1, 0),
      instruction(JMP_JA, body.length),
      ...body,
    ]),
  ];
}

function section(
  rules: readonly OciSyscallRule[],
  tables: readonly string[],
  fallback: number,
): Instruction[] {
  const decisions = decide(rules, tables, fallback);
  return [instruction(LD_W_ABS, NUMBER_OFFSET), ...search(toRanges(decisions, fallback), fallback)];
}

/** What happens to a call: the alternatives in order, then the last word. */
interface Decision {
  readonly conditional: readonly { readonly args: readonly OciSyscallArgument[]; readonly action: number }[];
  readonly otherwise: number;
}

// An unconditional rule of a call makes its conditional ones meaningless.
function decide(rules: readonly OciSyscallRule[], tables: readonly string[], fallback: number) {
  const numbersOf = indexTables(tables);
  const decisions = new Map<number, Decision>();
  const final = new Set<number>();
  for (const { names, action, errnoRet, args = [] } of rules) {
    const value = actionValue(action, errnoRet);
    for (const number of names.flatMap((name) => numbersOf.get(name) ?? [])) {
      if (final.has(number)) continue;
      if (args.length === 0) {
        final.add(number);
        decisions.set(number, { conditional: [], otherwise: value });
        continue;
      }
      const earlier = decisions.get(number)?.conditional ?? [];
      decisions.set(number, { conditional: [...earlier, { args, action: value }], otherwise: fallback });
    }
  }
  return decisions;
}

function indexTables(tables: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const index = new Map<string, number[]>();
  for (const table of tables) {
    const words = table.trim().split(/\s+/);
    for (let at = 0; at + 1 < words.length; at += 2) {
      const name = words[at] ?? '';
      index.set(name, [...(index.get(name) ?? []), Number(words[at + 1])]);
    }
  }
  return index;
}

/** A range of numbers up to where the next one starts. */
interface Range {
  readonly first: number;
  readonly decision: Decision;
}

function toRanges(decisions: ReadonlyMap<number, Decision>, fallback: number): Range[] {
  const none: Decision = { conditional: [], otherwise: fallback };
  const ranges: Range[] = [{ first: 0, decision: none }];
  const push = (first: number, decision: Decision) => {
    const last = ranges.at(-1);
    if (last?.first === first) ranges.pop();
    const before = ranges.at(-1);
    if (before === undefined || !isSame(before.decision, decision)) ranges.push({ first, decision });
  };
  for (const [number, decision] of [...decisions].sort(([a], [b]) => a - b)) {
    push(number, decision);
    if (number < NUMBER_MAX) push(number + 1, none);
  }
  return ranges;
}

function isSame(a: Decision, b: Decision): boolean {
  return a.conditional.length === 0 && b.conditional.length === 0 && a.otherwise === b.otherwise;
}

function search(ranges: readonly Range[], fallback: number): Instruction[] {
  const [only] = ranges;
  if (only === undefined) throw new InternalError('no range of system calls');
  if (ranges.length === 1) return leaf(only.decision);
  const middle = Math.ceil(ranges.length / 2);
  const pivot = ranges[middle]?.first ?? 0;
  const below = search(ranges.slice(0, middle), fallback);
  const above = search(ranges.slice(middle), fallback);
  const branch =
    below.length <= JUMP_MAX
      ? [instruction(JMP_JGE_K, pivot, below.length, 0)]
      : [instruction(JMP_JGE_K, pivot, 0, 1), instruction(JMP_JA, below.length)];
  return [...branch, ...below, ...above];
}

function leaf({ conditional, otherwise }: Decision): Instruction[] {
  const alternatives = conditional.flatMap(({ args, action }) => alternative(args, action));
  return [...alternatives, instruction(RET_K, otherwise)];
}

// All conditions in a row, then the verdict; one that fails jumps behind it.
function alternative(args: readonly OciSyscallArgument[], action: number): Instruction[] {
  let program = [instruction(RET_K, action)];
  for (const argument of [...args].reverse()) program = [...condition(argument, program.length), ...program];
  return program;
}

interface Halves {
  readonly low: number;
  readonly high: number;
}

function halves(value: number | bigint): Halves {
  const bits = BigInt.asUintN(64, BigInt(value));
  return { low: Number(bits & 0xffff_ffffn), high: Number(bits >> 32n) };
}

/** Falls through when the condition holds, else skips `rest` more instructions. */
function condition({ index, value, valueTwo = 0, op }: OciSyscallArgument, rest: number): Instruction[] {
  const { low, high } = halves(value);
  const loadLow = instruction(LD_W_ABS, argumentOffset(index));
  const loadHigh = instruction(LD_W_ABS, argumentOffset(index) + 4);
  const jump = (code: number, k: number, yes: number, no: number) => instruction(code, k, yes, no);
  switch (op) {
    case 'SCMP_CMP_EQ':
      return [loadHigh, jump(JMP_JEQ_K, high, 0, rest + 2), loadLow, jump(JMP_JEQ_K, low, 0, rest)];
    case 'SCMP_CMP_NE':
      return [loadHigh, jump(JMP_JEQ_K, high, 0, 2), loadLow, jump(JMP_JEQ_K, low, rest, 0)];
    case 'SCMP_CMP_GT':
      return ordered(JMP_JGT_K, true);
    case 'SCMP_CMP_GE':
      return ordered(JMP_JGE_K, true);
    case 'SCMP_CMP_LE':
      return ordered(JMP_JGT_K, false);
    case 'SCMP_CMP_LT':
      return ordered(JMP_JGE_K, false);
    case 'SCMP_CMP_MASKED_EQ':
      return maskedEqual(index, halves(value), halves(valueTwo), rest);
    default:
      throw new ComposeError('invalid-value', `unknown seccomp comparison ${op}`);
  }

  // The high half decides unless it is equal; `greater`: whether a greater value is what is wanted.
  function ordered(code: number, greater: boolean): Instruction[] {
    const whenGreater = greater ? 3 : rest + 3;
    const whenLess = greater ? rest + 2 : 2;
    return [
      loadHigh,
      jump(JMP_JGT_K, high, whenGreater, 0),
      jump(JMP_JEQ_K, high, 0, whenLess),
      loadLow,
      greater ? jump(code, low, 0, rest) : jump(code, low, rest, 0),
    ];
  }
}

function maskedEqual(index: number, mask: Halves, wanted: Halves, rest: number): Instruction[] {
  return [
    instruction(LD_W_ABS, argumentOffset(index) + 4),
    instruction(ALU_AND_K, mask.high),
    instruction(JMP_JEQ_K, wanted.high, 0, rest + 3),
    instruction(LD_W_ABS, argumentOffset(index)),
    instruction(ALU_AND_K, mask.low),
    instruction(JMP_JEQ_K, wanted.low, 0, rest),
  ];
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, jt, jf, k }, index) => {
    if (jt > JUMP_MAX || jf > JUMP_MAX) throw new InternalError('a jump of a seccomp program is too long');
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jt, index * 8 + 2);
    bytes.writeUInt8(jf, index * 8 + 3);
    bytes.writeUInt32LE(k, index * 8 + 4);
  });
  return bytes;
}
