// `exec`: one more process in a container.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ComposeError } from '../../errors.ts';
import { writeAtomically } from '../../state/record.ts';
import { identitySteps } from '../launch.ts';
import type { OciProcess } from '../oci.ts';
import { decodeLaunch, encodeLaunch, type LaunchProgram, step } from '../steps.ts';
import { completeProcess } from './complete.ts';
import { configOf } from './config.ts';
import type { RuntimeContext } from './context.ts';
import { decodeProcessFile } from './decode.ts';
import { attendShim, callShim, failureError, madeBy, type ShimCall } from './shim.ts';
import { type RuntimeRecord, readState, runtimeFiles, statusOf } from './state.ts';

export interface ExecOptions {
  readonly id: string;
  /** File of `--process`; otherwise the container's own process with these changes. */
  readonly processFile?: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env: readonly string[];
  readonly tty: boolean;
  /** `uid[:gid]` */
  readonly user?: string;
  readonly additionalGids: readonly number[];
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly detach: boolean;
  readonly consoleSocket?: string;
  readonly pidFile?: string;
  readonly preserveFds: number;
}

/** Runs a process in a container; its exit code, or 0 once it was executed when nobody waits for it. */
export async function execProcess(ctx: RuntimeContext, options: ExecOptions): Promise<number> {
  const record = readState(ctx.root, options.id);
  const status = statusOf(ctx.root, record);
  if (status !== 'running' && status !== 'created') {
    throw new ComposeError('container-state', `cannot exec in a container that is ${status}`);
  }
  const { process, warnings } = completeProcess(processOf(ctx, record, options), ctx.machine());
  for (const warning of warnings) ctx.warn(warning);
  const launch = decodeLaunch(readFileSync(runtimeFiles(ctx.root, record.id).launch));
  const program = encodeLaunch(compileProcess(launch, process));
  return withProgram(ctx, record, { program, options });
}

function processOf(ctx: RuntimeContext, record: RuntimeRecord, options: ExecOptions): OciProcess {
  if (options.processFile !== undefined) {
    return decodeProcessFile(readFileSync(options.processFile, 'utf8'), options.processFile);
  }
  const base = configOf(ctx, record).process;
  const sets = base.capabilities;
  const more = (names: readonly string[] = []) => [...new Set([...names, ...options.capabilities])];
  return {
    ...base,
    args: options.args,
    terminal: options.tty,
    cwd: options.cwd ?? base.cwd,
    env: [...base.env, ...options.env],
    user: userOf(base.user, options),
    noNewPrivileges: options.noNewPrivileges || (base.noNewPrivileges ?? false),
    ...(sets
      ? {
          capabilities: {
            ...sets,
            bounding: more(sets.bounding),
            effective: more(sets.effective),
            permitted: more(sets.permitted),
          },
        }
      : {}),
  };
}

function userOf(base: OciProcess['user'], { user, additionalGids }: ExecOptions): OciProcess['user'] {
  const groups = additionalGids.length > 0 ? { additionalGids } : {};
  if (user === undefined) return { ...base, ...groups };
  const [uid = 0, gid = 0] = user.split(':').map(Number);
  if (!Number.isInteger(uid) || !Number.isInteger(gid))
    throw new ComposeError('usage', `user ${user} is no number`);
  return { ...base, uid, gid, ...groups };
}

const STANDARD_ROWS = 24;
const STANDARD_COLUMNS = 80;

/** The process joins all namespaces of the first one, those that that one joined too; pure. */
function compileProcess(launch: LaunchProgram, process: OciProcess): LaunchProgram {
  const flags = launch.map((one) =>
    one.name === 'NAMESPACES' || one.name === 'JOIN_NAMESPACE' ? one.args[0] : 0,
  );
  const filter = launch.find((one) => one.name === 'SECCOMP');
  const { uid, gid, additionalGids = [] } = process.user;
  const { height = STANDARD_ROWS, width = STANDARD_COLUMNS } = process.consoleSize ?? {};
  return [
    step(
      'NAMESPACES',
      flags.reduce((sum, flag) => sum + flag, 0),
    ),
    ...launch.filter(({ name }) => name === 'CGROUP_JOIN' || name === 'PERSONALITY'),
    step('WORKING_DIRECTORY', process.cwd, 0),
    ...identitySteps(process, { user: `${uid}:${gid}`, groups: additionalGids.map(String) }),
    ...(filter ? [filter] : []),
    ...(process.terminal ? [step('TERMINAL', height, width)] : []),
    step('EXEC', ...process.args),
  ];
}

interface Prepared {
  readonly program: Uint8Array;
  readonly options: ExecOptions;
}

// The shim reads the program before it reports, so the file may go then.
async function withProgram(
  ctx: RuntimeContext,
  record: RuntimeRecord,
  { program, options }: Prepared,
): Promise<number> {
  const path = `${runtimeFiles(ctx.root, record.id).dir}/exec-${process.pid}`;
  writeFileSync(path, program, { mode: 0o600 });
  try {
    return await call(options, shimCall(ctx, record, { path, options }));
  } finally {
    rmSync(path, { force: true });
  }
}

interface Program {
  readonly path: string;
  readonly options: ExecOptions;
}

function shimCall(ctx: RuntimeContext, { pid, start }: RuntimeRecord, { path, options }: Program): ShimCall {
  return {
    path: ctx.shimPath,
    argv: [
      'exec',
      '--program',
      path,
      '--pid',
      String(pid),
      '--start',
      String(start),
      '--inherit',
      '--preserve-fds',
      String(options.preserveFds),
      ...(options.detach ? ['--detach'] : []),
      ...(options.consoleSocket === undefined ? [] : ['--console-socket', resolve(options.consoleSocket)]),
    ],
    fds: Array.from({ length: options.preserveFds }, (_, index) => 3 + index),
  };
}

async function call(options: ExecOptions, shim: ShimCall): Promise<number> {
  const tell = (pid: number) => {
    if (options.pidFile !== undefined) writeAtomically(options.pidFile, String(pid), { mode: 0o644 });
  };
  const outcome = options.detach ? callShim(shim) : await attendShim(shim, ({ pid }) => tell(pid));
  if (outcome.failure !== undefined || outcome.made === undefined) {
    throw failureError(outcome, 'exec failed: unable to start container process');
  }
  if (!options.detach) return outcome.exitCode;
  tell(madeBy(outcome).pid);
  return 0;
}
