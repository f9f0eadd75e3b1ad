// The binding of libtscore.so: the only file that knows koffi. Loading happens at the first call.
import { existsSync, constants as fileConstants } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getSystemErrorMap } from 'node:util';
import { ComposeError, InternalError } from '../src/errors.ts';
import { Turns } from './turns.ts';

/** The version of the ABI (tscore.h) that this file binds. */
export const ABI_VERSION = 4;

/** The functions of tscore.h as koffi reads them, by the name without prefix. */
export const PROTOTYPES = {
  abi_version: 'int tsc_abi_version(void)',
  spawn:
    'int tsc_spawn(const char *path, int32_t file, const char **argv, const char **envp, const int32_t *fds, int32_t fd_count, int32_t *ret_pid, void *reterr)',
  read_only_file: 'int tsc_read_only_file(const char *path, int32_t *ret_fd, void *reterr)',
  exec: 'int tsc_exec(const char *path, const char **argv, const char **envp, void *reterr)',
  socket_pair: 'int tsc_socket_pair(int32_t *ret_fds, void *reterr)',
  signal: 'int tsc_signal(int32_t pid, uint64_t start_ticks, int32_t signal, void *reterr)',
  memfd:
    'int tsc_memfd(const char *name, const uint8_t *content, size_t length, int32_t *ret_fd, void *reterr)',
  open_fd: 'int tsc_open_fd(const char *path, int32_t flags, int32_t *ret_fd, void *reterr)',
  close: 'int tsc_close(int32_t fd)',
  lock: 'int tsc_lock(const char *path, int32_t exclusive, int32_t *ret_fd, void *reterr)',
  lock_wait:
    'int tsc_lock_wait(const char *path, int32_t exclusive, int32_t *ret_fd, int32_t *ret_notice, void *reterr)',
  lock_is_held: 'int tsc_lock_is_held(const char *path, void *reterr)',
  netlink:
    'int tsc_netlink(int32_t protocol, const char *netns, const uint8_t *request, size_t length, uint8_t *reply, size_t capacity, size_t *ret_length, uint32_t *ret_failed_seq, void *reterr)',
  network_namespace: 'int tsc_network_namespace(int32_t *ret_fd, void *reterr)',
  listen:
    'int tsc_listen(int32_t protocol, const char *address, int32_t port, int32_t *ret_fd, int32_t *ret_port, void *reterr)',
  spread_directory: 'int tsc_spread_directory(const char *path, void *reterr)',
  sync_filesystem: 'int tsc_sync_filesystem(const char *path, void *reterr)',
  remove_tree: 'int tsc_remove_tree(const char *path, void *reterr)',
  quota_claim: 'int tsc_quota_claim(const char **directories, uint32_t first, uint64_t bytes, void *reterr)',
  quota_release: 'int tsc_quota_release(const char *directory, void *reterr)',
  layer_open:
    'int tsc_layer_open(const char *directory, const char *prefix, uint32_t flags, uint64_t limit, void *ret_layer, void *reterr)',
  layer_write: 'int tsc_layer_write(void *layer, const uint8_t *tar, size_t length, void *reterr)',
  layer_finish:
    'int tsc_layer_finish(void *layer, const char **lower, uint64_t *ret_bytes, uint64_t *ret_entries, void *reterr)',
  layer_free: 'void tsc_layer_free(void *layer)',
  tree_pack:
    'int tsc_tree_pack(const char *root, const char *path, const char *name, uint32_t flags, int32_t output, uint64_t *ret_bytes, void *reterr)',
  overlay_open:
    'int tsc_overlay_open(const char **lower, const char *upper, const char *work, int32_t user_xattr, int32_t *ret_fd, void *reterr)',
} as const satisfies Record<string, string>;

export type CoreFunction = keyof typeof PROTOTYPES;

export interface SystemErrorDetails {
  readonly errno: number;
  /** What was being done, for example `bind port`. */
  readonly step: string;
  /** To which object. */
  readonly path: string;
  /** The nlmsg_seq of the netlink message that the kernel refused. */
  readonly sequence?: number;
}

/** A system call that failed in the core; the cause of a ComposeError with code `system`. */
export class SystemError extends Error {
  readonly errno: number;
  /** For example `ENOENT`. */
  readonly errnoName: string;
  readonly step: string;
  readonly path: string;
  readonly sequence: number | undefined;

  constructor({ errno, step, path, sequence }: SystemErrorDetails) {
    super(describeErrno(errno));
    this.name = 'SystemError';
    this.errno = errno;
    this.errnoName = nameOfErrno(errno);
    this.step = step;
    this.path = path;
    this.sequence = sequence;
  }
}

/** The name of the errno behind an error that the core threw, or undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  const cause = error instanceof ComposeError ? error.cause : error;
  return cause instanceof SystemError ? cause.errnoName : undefined;
}

export interface LockOptions {
  readonly exclusive: boolean;
  /** Ends the wait with the signal's reason. */
  readonly signal?: AbortSignal;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The kernel's services, see tscore.h. All throw ComposeError `system` with a SystemError as its cause. */
export interface Core {
  /** Path of the static tscompose-shim. */
  readonly shimPath: string;
  /** Starts a program that is nobody's child, in directory /; -1 in `fds` is /dev/null. Resolves with its pid. */
  spawn(path: string, argv: readonly string[], env: Environment, fds: readonly number[]): Promise<number>;
  /** Replaces this process; returns only by throwing. */
  exec(path: string, argv: readonly string[], env: Environment): never;
  socketPair(): [number, number];
  /** Signals exactly the process with this pid and start time (field 22 of its stat); ESRCH for any other. */
  signal(pid: number, startTicks: number | bigint, signal: number): void;
  /** A sealed memory file, positioned at its start. */
  memfd(name: string, bytes: Uint8Array): number;
  openFd(path: string, flags?: number): number;
  close(fd: number): void;
  /** The descriptor that holds the lock, or undefined when somebody else has it. */
  lock(path: string, options: { readonly exclusive: boolean }): number | undefined;
  lockWait(path: string, options: LockOptions): Promise<number>;
  lockIsHeld(path: string): boolean;
  /** Sends netlink messages inside the network namespace at the path `netns` and returns the answers but for acks. */
  netlink(protocol: number, netns: string | undefined, request: Uint8Array): Uint8Array;
  /** The same in a thread: the kernel makes and moves interfaces under one lock for all. */
  netlinkAsync(protocol: number, netns: string | undefined, request: Uint8Array): Promise<Uint8Array>;
  /** The descriptor of a new network namespace, with loopback up; made in a thread. */
  networkNamespace(): Promise<number>;
  /** Holds a host port; `''` is every address of both families, port 0 any free one. */
  listen(protocol: number, address: string, port: number): { fd: number; port: number };
  /** Places the directories in `path` far from each other, where the file system can. */
  spreadDirectory(path: string): void;
  syncFilesystem(path: string): void;
  syncFilesystemAsync(path: string): Promise<void>;
  removeTree(path: string): void;
  removeTreeAsync(path: string): Promise<void>;
  /** Limits what directories of one file system hold together; EOPNOTSUPP without project quotas. */
  claimQuota(directories: readonly string[], firstProject: number, bytes: number): void;
  releaseQuota(directory: string): void;
  /** Unpacks a tar archive that is written piece by piece; nothing is made outside `directory`. */
  openLayer(directory: string, options: LayerOptions): Layer;
  /** Writes a tree as a tar archive to a descriptor, from a thread; resolves with its size. */
  packTree(source: TreeSource, output: number): Promise<number>;
  /** A mount that nobody else sees; it goes away when the descriptor is closed. */
  openOverlay(layers: OverlayLayers): number;
}

export interface TreeSource {
  /** The directory that counts as the root for symbolic links. */
  readonly root: string;
  readonly path: string;
  /** What it is called in the archive; `''` for its content alone. */
  readonly name: string;
  /** Any of PACK_FLAGS, added. */
  readonly flags: number;
}

/** TSC_PACK_* of tscore.h. */
export const PACK_FLAGS = { whiteouts: 1, oneMount: 2, follow: 4, noRoot: 8 } as const;

export interface OverlayLayers {
  /** Top first. */
  readonly lower: readonly string[];
  /** Without them the mount is read-only. */
  readonly upper?: string;
  readonly work?: string;
}

export interface LayerOptions {
  /** Put before every name of the archive. */
  readonly prefix?: string;
  /** Any of LAYER_FLAGS, added. */
  readonly flags: number;
  /** Bytes that may be unpacked, 0 for no limit. */
  readonly limit: number;
}

/** TSC_LAYER_* of tscore.h. */
export const LAYER_FLAGS = { whiteouts: 1, userXattr: 2, owners: 4, noDevices: 8, follow: 16 } as const;

/** A layer being unpacked: one call at a time; `free` in every case, when no call is under way. */
export interface Layer {
  write(tar: Uint8Array): Promise<void>;
  /** `lower`: the directories of the layers below, top first. */
  finish(lower: readonly string[]): Promise<{ readonly bytes: number; readonly entries: number }>;
  free(): void;
}

type NativeFunction = {
  (...args: unknown[]): number;
  async(...args: unknown[]): void;
};
interface NativeLibrary {
  func(prototype: string): NativeFunction;
}

const ERROR_SIZE = 4 + 64 + 512;
const REPLY_SIZE = 32 * 1024;
/** koffi refuses the 257th call under way. */
const CALLS_MAX = 128;
const NOTICE_LOST = constants.errno.EIO;
const { O_RDONLY } = fileConstants;

/** The typed functions of libtscore.so; neither it nor koffi is loaded before the first call of one. */
export function openCore(): Core {
  const native = lazyLibrary();
  return {
    get shimPath() {
      return corePath('tscompose-shim');
    },
    ...processFunctions(native),
    ...lockFunctions(native),
    ...networkFunctions(native),
    ...fileFunctions(native),
    ...layerFunctions(native),
  };
}

interface Native {
  (name: CoreFunction): NativeFunction;
  readonly turns: Turns;
  /** What to execute for a path: for the shim a descriptor of it that is protected already, so that it need not do that. */
  protectedFile(path: string): number;
}

function processFunctions(native: Native) {
  return {
    async spawn(path, argv, env, fds) {
      const pid = new Int32Array(1);
      const targets = Int32Array.from(fds);
      const words = [[...argv, null], listEnvironment(env), targets, targets.length] as const;
      await callAsync(native, 'spawn', path, native.protectedFile(path), ...words, pid);
      return only(pid);
    },
    exec(path, argv, env) {
      call(native, 'exec', path, [...argv, null], listEnvironment(env));
      throw new InternalError('exec returned');
    },
    socketPair() {
      const pair = new Int32Array(2);
      call(native, 'socket_pair', pair);
      return [pair[0] ?? -1, pair[1] ?? -1];
    },
    signal: (pid, startTicks, signal) => void call(native, 'signal', pid, startTicks, signal),
    memfd: (name, bytes) => callForFd(native, 'memfd', name, bytes, bytes.length),
    openFd: (path, flags = O_RDONLY) => callForFd(native, 'open_fd', path, flags),
    close(fd) {
      const result = native('close')(fd);
      if (result < 0) throw systemError({ errno: -result, step: 'close', path: `descriptor ${fd}` });
    },
  } satisfies Partial<Core>;
}

function lockFunctions(native: Native) {
  return {
    lock(path, { exclusive }) {
      try {
        return callForFd(native, 'lock', path, Number(exclusive));
      } catch (error) {
        if (errnoOf(error) === 'EAGAIN') return undefined;
        throw error;
      }
    },
    async lockWait(path, { exclusive, signal }) {
      signal?.throwIfAborted();
      const fd = new Int32Array(1);
      const notice = new Int32Array(1);
      call(native, 'lock_wait', path, Number(exclusive), fd, notice);
      const errno = await readNotice(only(notice), signal);
      if (errno !== 0) throw systemError({ errno, step: 'lock', path });
      return only(fd);
    },
    lockIsHeld: (path) => call(native, 'lock_is_held', path) === 1,
  } satisfies Partial<Core>;
}

function networkFunctions(native: Native) {
  return {
    netlink(protocol, netns, request) {
      const call = new Exchange({ protocol, netns: netns ?? null, request });
      while (!call.isOver) call.take(native('netlink')(...call.arguments));
      return call.answer;
    },
    async netlinkAsync(protocol, netns, request) {
      const call = new Exchange({ protocol, netns: netns ?? null, request });
      while (!call.isOver) call.take(await inThread(native, 'netlink', call.arguments));
      return call.answer;
    },
    async networkNamespace() {
      const fd = new Int32Array(1);
      await callAsync(native, 'network_namespace', fd);
      return only(fd);
    },
    listen(protocol, address, port) {
      const fd = new Int32Array(1);
      const bound = new Int32Array(1);
      call(native, 'listen', protocol, address, port, fd, bound);
      return { fd: only(fd), port: only(bound) };
    },
  } satisfies Partial<Core>;
}

function fileFunctions(native: Native) {
  return {
    spreadDirectory: (path) => void call(native, 'spread_directory', path),
    syncFilesystem: (path) => void call(native, 'sync_filesystem', path),
    syncFilesystemAsync: (path) => callAsync(native, 'sync_filesystem', path),
    removeTree: (path) => void call(native, 'remove_tree', path),
    removeTreeAsync: (path) => callAsync(native, 'remove_tree', path),
    claimQuota: (directories, first, bytes) =>
      void call(native, 'quota_claim', [...directories, null], first, bytes),
    releaseQuota: (directory) => void call(native, 'quota_release', directory),
  } satisfies Partial<Core>;
}

function layerFunctions(native: Native) {
  return {
    openLayer(directory, { prefix = '', flags, limit }) {
      const pointer = new BigUint64Array(1);
      call(native, 'layer_open', directory, prefix, flags, limit, pointer);
      const layer = pointer[0];
      return {
        write: (tar) => callAsync(native, 'layer_write', layer, tar, tar.length),
        async finish(lower) {
          const bytes = new BigUint64Array(1);
          const entries = new BigUint64Array(1);
          await callAsync(native, 'layer_finish', layer, [...lower, null], bytes, entries);
          return { bytes: Number(bytes[0]), entries: Number(entries[0]) };
        },
        free: () => void native('layer_free')(layer),
      };
    },
    async packTree({ root, path, name, flags }, output) {
      const bytes = new BigUint64Array(1);
      await callAsync(native, 'tree_pack', root, path, name, flags, output, bytes);
      return Number(bytes[0]);
    },
    openOverlay({ lower, upper = '', work = '' }) {
      const userXattr = Number(process.getuid?.() !== 0);
      return callForFd(native, 'overlay_open', [...lower, null], upper, work, userXattr);
    },
  } satisfies Partial<Core>;
}

function call(native: Native, name: CoreFunction, ...args: unknown[]): number {
  const error = new Uint8Array(ERROR_SIZE);
  const result = native(name)(...args, error);
  if (result < 0) throw systemError(decodeError(error));
  return result;
}

async function callAsync(native: Native, name: CoreFunction, ...args: unknown[]): Promise<void> {
  const error = new Uint8Array(ERROR_SIZE);
  const result = await inThread(native, name, [...args, error]);
  if (result < 0) throw systemError(decodeError(error));
}

/** The result of the function, which runs in a thread. */
async function inThread(native: Native, name: CoreFunction, args: readonly unknown[]): Promise<number> {
  await native.turns.take();
  try {
    return await new Promise<number>((resolve, reject) => {
      native(name).async(...args, (failure: unknown, result: number) => {
        if (failure) reject(failure);
        else resolve(result);
      });
    });
  } finally {
    native.turns.pass();
  }
}

function callForFd(native: Native, name: CoreFunction, ...args: unknown[]): number {
  const fd = new Int32Array(1);
  call(native, name, ...args, fd);
  return only(fd);
}

interface Request {
  readonly protocol: number;
  readonly netns: string | null;
  readonly request: Uint8Array;
}

/** One exchange over netlink: made again with more room when the answers did not fit. */
class Exchange {
  readonly #request: Request;
  readonly #error = new Uint8Array(ERROR_SIZE);
  readonly #length = new BigUint64Array(1);
  readonly #sequence = new Uint32Array(1);
  #reply = new Uint8Array(REPLY_SIZE);
  isOver = false;

  constructor(request: Request) {
    this.#request = request;
  }

  get arguments(): readonly unknown[] {
    const { protocol, netns, request } = this.#request;
    const out = [this.#reply, this.#reply.length, this.#length, this.#sequence, this.#error];
    return [protocol, netns, request, request.length, ...out];
  }

  get answer(): Uint8Array {
    return this.#reply.subarray(0, this.#needed);
  }

  /** Takes the result of a call with these arguments; ComposeError `system` when the kernel refused. */
  take(result: number): void {
    const isShort = result === -constants.errno.EMSGSIZE && this.#needed > this.#reply.length;
    if (isShort) this.#reply = new Uint8Array(this.#needed * 2);
    else if (result < 0) throw this.#refusal();
    else this.isOver = true;
  }

  get #needed(): number {
    return Number(this.#length[0] ?? 0n);
  }

  #refusal(): ComposeError {
    const sequence = this.#sequence[0];
    return systemError({ ...decodeError(this.#error), ...(sequence ? { sequence } : {}) });
  }
}

/** Resolves with the errno that the waiting thread reports; an abort closes the socket, which ends the wait there. */
async function readNotice(fd: number, signal: AbortSignal | undefined): Promise<number> {
  const { Socket } = await import('node:net');
  return new Promise((resolve, reject) => {
    const socket = new Socket({ fd, readable: true, writable: false });
    const settle = (finish: () => void): void => {
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      finish();
    };
    const onAbort = (): void => settle(() => reject(signal?.reason));
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('data', (bytes) => settle(() => resolve(bytes[0] ?? NOTICE_LOST)));
    socket.once('error', () => settle(() => resolve(NOTICE_LOST)));
    socket.once('end', () => settle(() => resolve(NOTICE_LOST)));
    if (signal?.aborted) onAbort();
  });
}

/** Binds each function at its first use: declaring all of them costs more than most commands need. */
function lazyLibrary(): Native {
  const bound = new Map<CoreFunction, NativeFunction>();
  let library: NativeLibrary | undefined;
  const find = (name: CoreFunction): NativeFunction => {
    const known = bound.get(name);
    if (known) return known;
    library ??= loadLibrary();
    const native = library.func(PROTOTYPES[name]);
    bound.set(name, native);
    return native;
  };
  let shim: number | undefined;
  const protectedFile = (path: string): number => {
    if (path !== corePath('tscompose-shim')) return NO_FILE;
    shim ??= readOnlyFile(native, path);
    return shim;
  };
  const native = Object.assign(find, { turns: new Turns(CALLS_MAX), protectedFile });
  return native;
}

const NO_FILE = -1;

// Without the right to mount, or on an old kernel, the shim protects itself by other means.
function readOnlyFile(native: Native, path: string): number {
  try {
    return callForFd(native, 'read_only_file', path);
  } catch {
    return NO_FILE;
  }
}

function loadLibrary(): NativeLibrary {
  const path = corePath('libtscore.so');
  const library = loadKoffi().load(path);
  const version = library.func(PROTOTYPES.abi_version)();
  if (version !== ABI_VERSION) {
    throw new ComposeError(
      'system',
      `${path} has ABI version ${version}, this program needs ${ABI_VERSION}`,
      {
        hint: 'install or build tscompose again: the library and the program are from different versions',
      },
    );
  }
  return library;
}

// From core/index.ts in a checkout, or from a bundle in dist/ or one directory below it.
const CORE_DIRECTORIES = ['./build/', './core/', '../core/'];

// koffi is untyped here on purpose: its declarations would be checked, and loaded, with every command.
interface Koffi {
  load(path: string): NativeLibrary;
}

/**
 * Its native part is taken directly from where npm puts it: koffi's own scripts, which look for it in many more places,
 * take three times as long. They are asked when it is not there, as on musl.
 */
function loadKoffi(): Koffi {
  const { platform, arch } = process;
  const place = `node_modules/@koromix/koffi-${platform}-${arch}/${platform}_${arch}/koffi.node`;
  for (let directory = fileURLToPath(new URL('.', import.meta.url)); ; directory = dirname(directory)) {
    const path = join(directory, place);
    if (existsSync(path)) {
      const native = tryNative(path);
      if (native !== undefined) return native;
    }
    if (directory === dirname(directory)) break;
  }
  return createRequire(import.meta.url)('koffi') as Koffi;
}

function tryNative(path: string): Koffi | undefined {
  const target = { exports: {} as Partial<Koffi> };
  try {
    process.dlopen(target, path);
  } catch {
    return undefined;
  }
  return typeof target.exports.load === 'function' ? (target.exports as Koffi) : undefined;
}

const corePaths = new Map<string, string>();

function corePath(file: string): string {
  const known = corePaths.get(file);
  if (known !== undefined) return known;
  const path = findCoreFile(file);
  corePaths.set(file, path);
  return path;
}

function findCoreFile(file: string): string {
  const override = process.env.TSCOMPOSE_CORE_DIR;
  const candidates = override
    ? [`${override}/${file}`]
    : CORE_DIRECTORIES.map((directory) => fileURLToPath(new URL(directory + file, import.meta.url)));
  const found = candidates.find((path) => existsSync(path));
  if (found) return found;
  throw new ComposeError('system', `cannot find ${file}, looked for ${candidates.join(', ')}`, {
    hint: 'run `npm run build`, or install tscompose again',
  });
}

function decodeError(bytes: Uint8Array): SystemErrorDetails {
  const errno = new DataView(bytes.buffer).getInt32(0, true);
  return { errno, step: decodeText(bytes.subarray(4, 68)), path: decodeText(bytes.subarray(68)) };
}

function decodeText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, end < 0 ? bytes.length : end));
}

function systemError(details: SystemErrorDetails): ComposeError {
  const cause = new SystemError(details);
  const object = details.path === '' ? details.step : `${details.step} ${details.path}`;
  return new ComposeError('system', `cannot ${object}: ${cause.message}`, { cause });
}

function describeErrno(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? nameOfErrno(errno);
}

function nameOfErrno(errno: number): string {
  const entry = Object.entries(constants.errno).find(([, number]) => number === errno);
  return entry?.[0] ?? `errno ${errno}`;
}

function listEnvironment(env: Environment): (string | null)[] {
  const entries = Object.entries(env).filter(([, value]) => value !== undefined);
  return [...entries.map(([name, value]) => `${name}=${value}`), null];
}

function only(values: Int32Array): number {
  return values[0] ?? -1;
}
