// `create` and `run`: from a bundle to a process.
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ComposeError } from '../../errors.ts';
import { writeAtomically } from '../../state/record.ts';
import { compileLaunch, type Launch } from '../launch.ts';
import type { Machine } from '../machine.ts';
import type { OciNamespace, OciSpec } from '../oci.ts';
import type { Scope } from '../scope.ts';
import { compileSeccomp } from '../seccomp-bpf.ts';
import { encodeLaunch, STEPS } from '../steps.ts';
import { completeSpec } from './complete.ts';
import type { RuntimeContext } from './context.ts';
import { decodeBundle } from './decode.ts';
import { destroy } from './delete.ts';
import {
  attendShim,
  callShim,
  failureError,
  type Made,
  madeBy,
  type Outcome,
  type ShimCall,
} from './shim.ts';
import { runPoststart } from './start.ts';
import { type RuntimeFiles, type RuntimeRecord, readState, release, reserve, writeState } from './state.ts';

export interface CreateOptions {
  readonly id: string;
  readonly bundle: string;
  readonly consoleSocket?: string;
  readonly pidFile?: string;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  /** Descriptors from 3 on that the container gets. */
  readonly preserveFds: number;
}

/** Makes a container whose process waits for `startContainer`. */
export function createContainer(ctx: RuntimeContext, options: CreateOptions): void {
  const plan = planContainer(ctx, options);
  const outcome = withNamespaces(plan.spec, (joined) => callShim(shimCall(ctx, options, { plan, joined })));
  if (outcome.made === undefined) {
    destroy(ctx, plan.record);
    throw failureError(outcome, 'unable to start container process');
  }
  remember(plan, options, madeBy(outcome));
}

/** Runs a container in the foreground and removes it afterwards; its exit code. */
export async function runContainer(
  ctx: RuntimeContext,
  options: CreateOptions & { keep: boolean },
): Promise<number> {
  const plan = planContainer(ctx, options);
  const joined = openNamespaces(plan.spec);
  const call = shimCall(ctx, options, { plan, joined });
  const outcome = await attendShim({ ...call, argv: [...call.argv, '--start'] }, (made) => {
    remember(plan, options, made);
    runPoststart(ctx, { ...plan.record, ...made });
  });
  for (const { fd } of joined) closeSync(fd);
  if (!options.keep || outcome.made === undefined) destroy(ctx, readState(ctx.root, options.id));
  if (outcome.made === undefined) throw failureError(outcome, 'unable to start container process');
  return outcome.exitCode;
}

interface ContainerPlan {
  readonly spec: OciSpec;
  readonly launch: Launch;
  readonly files: RuntimeFiles;
  readonly record: RuntimeRecord;
}

function planContainer(ctx: RuntimeContext, options: CreateOptions): ContainerPlan {
  const bundle = resolve(options.bundle);
  const text = readConfig(bundle);
  const config = decodeBundle(text, bundle);
  checkTerminal(config, options);
  const machine = ctx.machine();
  const { spec, scope, warnings } = completeSpec(config, {
    id: options.id,
    systemdCgroup: ctx.systemdCgroup,
    machine,
  });
  const files = reserve(ctx.root, options.id);
  try {
    const launch = compile({
      spec: withListenFds(spec, options),
      scope,
      files,
      options: { ...options, bundle },
      machine,
    });
    for (const warning of [
      ...warnings,
      ...launch.warnings.map(({ attribute, reason }) => `${attribute}: ${reason}`),
    ])
      ctx.warn(warning);
    const record = recordOf(spec, launch, { id: options.id, bundle });
    const program = launch.program.filter(({ name }) => STEPS[name].phase !== 'supervise');
    writeFileSync(files.launch, encodeLaunch(program), { mode: 0o600 });
    writeFileSync(files.config, text, { mode: 0o600 });
    writeState(files, record);
    return { spec, launch, files, record };
  } catch (cause) {
    release(files);
    throw cause;
  }
}

function readConfig(bundle: string): string {
  try {
    return readFileSync(join(bundle, 'config.json'), 'utf8');
  } catch (cause) {
    throw new ComposeError('file-not-found', `cannot read ${join(bundle, 'config.json')}`, { cause });
  }
}

function checkTerminal({ process }: OciSpec, { consoleSocket }: CreateOptions): void {
  if (consoleSocket !== undefined && !process.terminal) {
    throw new ComposeError('usage', 'a console socket is for a process with a terminal');
  }
}

interface Compilation {
  readonly spec: OciSpec;
  readonly scope: Scope | undefined;
  readonly files: RuntimeFiles;
  readonly options: CreateOptions;
  readonly machine: Machine;
}

function compile({ spec, scope, files, options, machine }: Compilation): Launch {
  const { uid, gid, additionalGids = [] } = spec.process.user;
  return compileLaunch(spec, {
    mountPoint: files.rootfs,
    rootFs: { kind: 'directory', path: spec.root.path },
    mounts: {},
    cgroups: machine.cgroups,
    scope,
    hasCgroupFile: machine.hasCgroupFile,
    user: `${uid}:${gid}`,
    groups: additionalGids.map(String),
    ...(spec.linux.seccomp ? { seccomp: compileSeccomp(spec.linux.seccomp) } : {}),
    init: false,
    standardInput: 'none',
    bundle: { id: options.id, path: options.bundle },
    moveRoot: options.noPivot,
    ...WITHOUT_SUPERVISOR,
  });
}

const WITHOUT_SUPERVISOR = {
  log: { driver: 'none', path: '', maxBytes: 0, files: 0, nonBlocking: false },
  restart: { policy: 'no', attempts: 0, delayMs: 0, windowMs: 0 },
  stopSignal: 0,
  stopGraceMs: 0,
} as const;

function listenFds(): number {
  return Number(process.env.LISTEN_FDS ?? 0) || 0;
}

// As systemd hands sockets to services: the container is told how many it has.
function withListenFds(spec: OciSpec, { preserveFds }: CreateOptions): OciSpec {
  const count = preserveFds > 0 ? 0 : listenFds();
  if (count === 0) return spec;
  const env = [...spec.process.env, `LISTEN_FDS=${count}`, 'LISTEN_PID=1'];
  return { ...spec, process: { ...spec.process, env } };
}

function recordOf(
  spec: OciSpec,
  launch: Launch,
  { id, bundle }: { id: string; bundle: string },
): RuntimeRecord {
  return {
    version: 1,
    id,
    ociVersion: spec.ociVersion,
    bundle,
    rootfs: spec.root.path,
    created: new Date().toISOString(),
    owner: process.geteuid?.() ?? 0,
    pid: 0,
    start: 0,
    cgroups: launch.cgroups,
    cgroupsPath: spec.linux.cgroupsPath ?? '',
    ...(spec.annotations ? { annotations: spec.annotations } : {}),
    hasPoststart: (spec.hooks?.poststart?.length ?? 0) > 0,
  };
}

interface JoinedNamespace {
  readonly type: string;
  readonly fd: number;
}

function openNamespaces({ linux }: OciSpec): readonly JoinedNamespace[] {
  const wanted = linux.namespaces.filter((one): one is Required<OciNamespace> => one.path !== undefined);
  return wanted.map(({ type, path }) => ({ type, fd: openSync(path, 'r') }));
}

function withNamespaces(spec: OciSpec, use: (joined: readonly JoinedNamespace[]) => Outcome): Outcome {
  const joined = openNamespaces(spec);
  try {
    return use(joined);
  } finally {
    for (const { fd } of joined) closeSync(fd);
  }
}

interface Ready {
  readonly plan: ContainerPlan;
  readonly joined: readonly JoinedNamespace[];
}

function shimCall(ctx: RuntimeContext, options: CreateOptions, { plan, joined }: Ready): ShimCall {
  const kept = Math.max(options.preserveFds, listenFds());
  const preserved = Array.from({ length: kept }, (_, index) => 3 + index);
  const slots = joined.flatMap(({ type }, index) => ['--fd', `${type}=${3 + kept + index}`]);
  return {
    path: ctx.shimPath,
    argv: [
      'create',
      '--program',
      plan.files.launch,
      '--gate',
      plan.files.gate,
      '--preserve-fds',
      String(kept),
      ...(options.consoleSocket === undefined ? [] : ['--console-socket', resolve(options.consoleSocket)]),
      ...(options.noNewKeyring ? [] : ['--keyring', `_ses.${options.id}`]),
      ...slots,
    ],
    fds: [...preserved, ...joined.map(({ fd }) => fd)],
  };
}

function remember({ files, record }: ContainerPlan, { pidFile }: CreateOptions, { pid, start }: Made): void {
  writeState(files, { ...record, pid, start });
  if (pidFile !== undefined) writeAtomically(pidFile, String(pid), { mode: 0o644 });
}
