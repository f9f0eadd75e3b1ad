// Calling the shim for one step of a container's life, and what it reports.
import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { ComposeError, InternalError } from '../../errors.ts';
import { asNumber, asObject, asString } from '../../state/decode.ts';
import { shimEnvironment } from '../shim-environment.ts';

export interface ShimCall {
  readonly path: string;
  /** Without `--report`. */
  readonly argv: readonly string[];
  /** Become descriptors 3, 4 and so on. */
  readonly fds: readonly number[];
}

export interface Made {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat. */
  readonly start: number;
}

export interface Failure {
  readonly errno: number;
  readonly step: string;
  readonly path: string;
  readonly message: string;
}

export interface Outcome {
  readonly made?: Made;
  readonly failure?: Failure;
  readonly exitCode: number;
}

const FIRST_FD = 3;

function prepare({ argv, fds }: ShimCall) {
  return {
    argv: [...argv, '--report', String(FIRST_FD + fds.length)],
    stdio: [0, 1, 2, ...fds, 'pipe' as const],
    env: shimEnvironment(),
  };
}

/** Runs the shim to its end with this process's standard streams. */
export function callShim(call: ShimCall): Outcome {
  const { argv, ...options } = prepare(call);
  const { status, signal, output, error } = spawnSync(call.path, argv, options);
  if (error) throw new ComposeError('system', `cannot run ${call.path}: ${error.message}`, { cause: error });
  const exitCode = status ?? 128 + (signal ? constants.signals[signal] : 0);
  return { ...decodeReport(String(output[FIRST_FD + call.fds.length] ?? '')), exitCode };
}

const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** The same without blocking: `onMade` is called as soon as the process runs; signals are passed on. */
export async function attendShim(call: ShimCall, onMade: (made: Made) => void): Promise<Outcome> {
  const { argv, ...options } = prepare(call);
  const child = spawn(call.path, argv, options);
  for (const name of FORWARDED) process.on(name, () => child.kill(name));
  let text = '';
  const report = child.stdio[FIRST_FD + call.fds.length] as Readable;
  report.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    const { made } = decodeReport(text);
    if (made) onMade(made);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
      resolve({ ...decodeReport(text), exitCode });
    });
  });
}

function decodeReport(text: string): Pick<Outcome, 'made' | 'failure'> {
  const line = text.split('\n', 1)[0] ?? '';
  if (!text.includes('\n')) return {};
  const o = asObject(JSON.parse(line), 'report');
  if (o.pid !== undefined) {
    return { made: { pid: asNumber(o.pid, 'pid'), start: asNumber(o.start, 'start') } };
  }
  const failure = {
    errno: asNumber(o.errno, 'errno'),
    step: asString(o.step, 'step'),
    path: asString(o.path, 'path'),
    message: asString(o.message, 'message'),
  };
  return { failure };
}

/** What engines look for in the words of a runtime. */
export function failureError({ failure, exitCode }: Outcome, doing: string): ComposeError {
  if (failure === undefined)
    return new ComposeError('launch-step', `${doing}: the shim ended with ${exitCode}`);
  const { step, path, errno } = failure;
  const message = failure.message.toLowerCase();
  const name = JSON.stringify(path);
  if (step === 'EXEC' && errno === constants.errno.ENOENT) {
    const reason = path.includes('/') ? `stat ${path}: ${message}` : 'executable file not found in $PATH';
    return new ComposeError('command-not-found', `${doing}: exec: ${name}: ${reason}`);
  }
  if (step === 'EXEC')
    return new ComposeError('command-not-executable', `${doing}: exec: ${name}: ${message}`);
  const detail = step === 'HOOK' ? `error running hook ${path}` : `${step} ${path}: ${message}`;
  return new ComposeError('launch-step', `${doing}: ${detail}`, { cause: failure });
}

/** The process of a call that succeeded. */
export function madeBy(outcome: Outcome): Made {
  if (outcome.made === undefined) throw new InternalError('the shim did not report its process');
  return outcome.made;
}
