// The launch program: the steps of core/include/launch.h with their types, and their binary form.
import { ComposeError, InternalError } from '../errors.ts';

/** Who performs a step: the shim on the host, the container's first process, or the shim for as long as it lives. */
export type Phase = 'prepare' | 'launch' | 'supervise';

/** Number, signature and phase of every step; a test compares this with the header. */
export const STEPS = {
  CGROUP_CREATE: { op: 1, signature: 'si', phase: 'prepare' },
  CGROUP_WRITE: { op: 2, signature: 'ss', phase: 'prepare' },
  CGROUP_JOIN: { op: 3, signature: 'si', phase: 'prepare' },
  CGROUP_DEVICES: { op: 4, signature: 'sb', phase: 'prepare' },
  NAMESPACES: { op: 5, signature: 'i', phase: 'prepare' },
  JOIN_NAMESPACE: { op: 6, signature: 'is', phase: 'prepare' },
  UID_MAP: { op: 7, signature: 's', phase: 'prepare' },
  GID_MAP: { op: 8, signature: 's', phase: 'prepare' },
  TIME_OFFSET: { op: 9, signature: 'sii', phase: 'prepare' },
  HOOK_STATE: { op: 10, signature: 'ss', phase: 'prepare' },
  CGROUP_SCOPE: { op: 11, signature: 'ssss', phase: 'prepare' },
  ROOT_PROPAGATION: { op: 20, signature: 'i', phase: 'launch' },
  ROOT_OVERLAY: { op: 21, signature: 'sssss*', phase: 'launch' },
  ROOT_BIND: { op: 22, signature: 'ss', phase: 'launch' },
  BIND: { op: 23, signature: 'sssiii', phase: 'launch' },
  MOUNT: { op: 24, signature: 'sssis', phase: 'launch' },
  DEVICE: { op: 25, signature: 'siiiii', phase: 'launch' },
  SYMLINK: { op: 26, signature: 'ss', phase: 'launch' },
  FILE: { op: 27, signature: 'siiib', phase: 'launch' },
  DIRECTORY: { op: 28, signature: 'siii', phase: 'launch' },
  COPY_UP: { op: 29, signature: 'ss', phase: 'launch' },
  PIVOT_ROOT: { op: 30, signature: '', phase: 'launch' },
  MASK: { op: 31, signature: 's', phase: 'launch' },
  READ_ONLY_PATH: { op: 32, signature: 's', phase: 'launch' },
  ROOT_READ_ONLY: { op: 33, signature: '', phase: 'launch' },
  SYSCTL: { op: 34, signature: 'ss', phase: 'launch' },
  HOSTNAME: { op: 35, signature: 's', phase: 'launch' },
  DOMAINNAME: { op: 36, signature: 's', phase: 'launch' },
  RLIMIT: { op: 37, signature: 'iii', phase: 'launch' },
  OOM_SCORE_ADJ: { op: 38, signature: 'i', phase: 'launch' },
  UMASK: { op: 39, signature: 'i', phase: 'launch' },
  WORKING_DIRECTORY: { op: 40, signature: 'si', phase: 'launch' },
  USER: { op: 41, signature: 'ss*', phase: 'launch' },
  CAPABILITIES: { op: 42, signature: 'iiiii', phase: 'launch' },
  NO_NEW_PRIVILEGES: { op: 43, signature: '', phase: 'launch' },
  SECCOMP: { op: 44, signature: 'ib', phase: 'launch' },
  LSM_LABEL: { op: 45, signature: 'ss', phase: 'launch' },
  ENVIRONMENT: { op: 46, signature: 's*', phase: 'launch' },
  TERMINAL: { op: 47, signature: 'ii', phase: 'launch' },
  STANDARD_INPUT: { op: 48, signature: 'i', phase: 'launch' },
  INIT: { op: 49, signature: '', phase: 'launch' },
  EXEC: { op: 50, signature: 's*', phase: 'launch' },
  HOOK: { op: 51, signature: 'iisis*', phase: 'launch' },
  AWAIT_HOOKS: { op: 52, signature: '', phase: 'launch' },
  MOVE_ROOT: { op: 53, signature: '', phase: 'launch' },
  PERSONALITY: { op: 54, signature: 'i', phase: 'launch' },
  MOUNT_ATTRIBUTES: { op: 55, signature: 'siiii', phase: 'launch' },
  BIND_IDMAP: { op: 56, signature: 'ssi', phase: 'launch' },
  SCHEDULER: { op: 57, signature: 'iiiiiii', phase: 'launch' },
  IO_PRIORITY: { op: 58, signature: 'ii', phase: 'launch' },
  MOUNT_COPY_UP: { op: 59, signature: 'sssis', phase: 'launch' },
  LOG: { op: 60, signature: 'ssiii', phase: 'supervise' },
  RESTART: { op: 61, signature: 'siii', phase: 'supervise' },
  STOP: { op: 62, signature: 'ii', phase: 'supervise' },
  HEALTH: { op: 63, signature: 'iiiiis*', phase: 'supervise' },
  HOSTS: { op: 64, signature: 'sss*', phase: 'supervise' },
  LINK: { op: 65, signature: 'ss', phase: 'supervise' },
  DNS: { op: 66, signature: 's*', phase: 'supervise' },
  ROOT_IDMAP: { op: 70, signature: 'ss', phase: 'launch' },
  SUBDIRECTORY: { op: 71, signature: 'ss', phase: 'launch' },
  PROBE: { op: 72, signature: 'ss*', phase: 'supervise' },
  LOG_OPTIONS: { op: 73, signature: 'ssssii', phase: 'supervise' },
} as const satisfies Record<string, { op: number; signature: string; phase: Phase }>;

export type StepName = keyof typeof STEPS;

type Letter = 's' | 'i' | 'b';
type Value<L extends Letter> = L extends 's' ? string : L extends 'i' ? number : Uint8Array;
type Args<S extends string> = S extends ''
  ? []
  : S extends `${infer L extends Letter}*`
    ? Value<L>[]
    : S extends `${infer L extends Letter}${infer Rest}`
      ? [Value<L>, ...Args<Rest>]
      : never;

/** The arguments of a step, as its signature says. */
export type StepArgs<N extends StepName> = Args<(typeof STEPS)[N]['signature']>;

export type Step = {
  readonly [N in StepName]: { readonly name: N; readonly args: Readonly<StepArgs<N>> };
}[StepName];

export type LaunchProgram = readonly Step[];

/** One step of a launch program: `step('SYMLINK', '/proc/self/fd', '/dev/fd')`. */
export function step<N extends StepName>(name: N, ...args: StepArgs<N>): Step {
  return { name, args } as unknown as Step;
}

const MAGIC = 'TSLP';
const VERSION = 1;
const HEADER_BYTES = 16;

/** The bytes that the shim reads. */
export function encodeLaunch(program: LaunchProgram): Uint8Array {
  const chunks: Uint8Array[] = [header(program.length)];
  for (const { name, args } of program) {
    chunks.push(words(STEPS[name].op, args.length));
    for (const argument of args) appendArgument(chunks, argument, name);
  }
  return Buffer.concat(chunks);
}

function header(steps: number): Uint8Array {
  return Buffer.concat([Buffer.from(MAGIC, 'latin1'), words(VERSION, steps, 0)]);
}

function words(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(values.length * 4);
  values.forEach((value, index) => {
    bytes.writeUInt32LE(value, index * 4);
  });
  return bytes;
}

const NUL = Buffer.alloc(1);

function appendArgument(chunks: Uint8Array[], argument: string | number | Uint8Array, name: StepName): void {
  const bytes = argumentBytes(argument, name);
  chunks.push(words(bytes.length), bytes, NUL);
}

function argumentBytes(argument: string | number | Uint8Array, name: StepName): Uint8Array {
  if (typeof argument === 'number') return integerBytes(argument, name);
  if (typeof argument !== 'string') return argument;
  if (argument.includes('\0')) throw unfit(`a text for ${name} contains a NUL byte`);
  return Buffer.from(argument, 'utf8');
}

/** What a file or an image asks for and no program of the machine could be told. */
function unfit(message: string): ComposeError {
  return new ComposeError('invalid-value', message);
}

function integerBytes(value: number, name: StepName): Uint8Array {
  if (!Number.isSafeInteger(value)) throw unfit(`a number for ${name} is ${value}`);
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

/** The reverse of `encodeLaunch`; throws on anything that it would not write. */
export function decodeLaunch(bytes: Uint8Array): LaunchProgram {
  const reader = new Reader(bytes);
  if (Buffer.from(reader.take(4)).toString('latin1') !== MAGIC) throw new InternalError('no launch program');
  if (reader.word() !== VERSION) throw new InternalError('a launch program of another version');
  const count = reader.word();
  reader.word();
  const program = Array.from({ length: count }, () => decodeStep(reader));
  if (!reader.atEnd) throw new InternalError('bytes after the launch program');
  return program;
}

function decodeStep(reader: Reader): Step {
  const op = reader.word();
  const count = reader.word();
  const found = Object.entries(STEPS).find(([, known]) => known.op === op);
  if (found === undefined) throw new InternalError(`unknown step ${op}`);
  const [name, { signature }] = found;
  const args = Array.from({ length: count }, (_, index) =>
    decodeArgument(reader, letterAt(signature, index)),
  );
  return { name, args } as unknown as Step;
}

function letterAt(signature: string, index: number): string {
  const letter = signature[index];
  if (letter !== undefined && letter !== '*') return letter;
  if (signature.endsWith('*')) return signature.charAt(signature.length - 2);
  throw new InternalError(`too many arguments for the signature ${signature}`);
}

function decodeArgument(reader: Reader, letter: string): string | number | Uint8Array {
  const bytes = reader.take(reader.word());
  reader.take(1);
  if (letter === 's') return Buffer.from(bytes).toString('utf8');
  if (letter === 'b') return new Uint8Array(bytes);
  return Number(Buffer.from(bytes).readBigInt64LE());
}

class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    if (bytes.length < HEADER_BYTES) throw new InternalError('a launch program without header');
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  take(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw new InternalError('a launch program that ends early');
    const bytes = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return bytes;
  }

  word(): number {
    return Buffer.from(this.take(4)).readUInt32LE();
  }
}
