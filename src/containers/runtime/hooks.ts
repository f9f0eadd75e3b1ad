// Running the hooks that come after the launch.
import { spawnSync } from 'node:child_process';
import { ComposeError } from '../../errors.ts';
import type { OciHook } from '../oci.ts';

/** Runs hooks in this process's namespaces, in order; throws ComposeError `launch-step` for the first that fails. */
export function runHooks(hooks: readonly OciHook[], state: object): void {
  for (const hook of hooks) runHook(hook, JSON.stringify(state));
}

function runHook({ path, args = [path], env = [], timeout }: OciHook, input: string): void {
  const { status, signal, error, stderr } = spawnSync(path, args.slice(1), {
    argv0: args[0] ?? path,
    env: Object.fromEntries(env.map((entry) => entry.split(/=(.*)/s).slice(0, 2))),
    input,
    stdio: ['pipe', 'ignore', 'pipe'],
    killSignal: 'SIGKILL',
    ...(timeout ? { timeout: timeout * 1000 } : {}),
  });
  // A hook need not read its state.
  const broken = error !== undefined && (error as NodeJS.ErrnoException).code !== 'EPIPE';
  if (!broken && status === 0) return;
  const how = error?.message ?? (signal ? `was killed by ${signal}` : `exited with ${status}`);
  throw new ComposeError('launch-step', `hook ${path} ${how}: ${String(stderr ?? '').trim()}`);
}
