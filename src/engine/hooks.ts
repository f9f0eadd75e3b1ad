// post_start and pre_stop: commands in a running container.
import type { Hook } from '../compose/project.ts';
import { execCaptured } from '../containers/exec.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { ComposeError } from '../errors.ts';
import type { Action } from '../plan/plan.ts';
import type { Session } from './session.ts';

export interface HookRun {
  readonly kind: 'post_start' | 'pre_stop';
  readonly hooks: readonly Hook[];
  readonly action: Action;
  readonly signal: AbortSignal;
}

/** Runs hooks one after the other; ComposeError `dependency-failed` with the exit code of the first that fails. */
export async function runHooks(
  session: Session,
  record: ContainerRecord,
  { kind, hooks, action, signal }: HookRun,
): Promise<void> {
  for (const [index, hook] of hooks.entries()) {
    const options = { ...execOptions(hook), command: hook.command ?? [] };
    const ctx = { ...session.ctx, machine: session.machine };
    const { exitCode, stdout, stderr } = await execCaptured(ctx, record, options, signal).catch((error) => {
      throw signal.aborted ? interrupted(kind, record) : error;
    });
    for (const line of linesOf(stdout)) session.emit({ type: 'output', action, stream: 'stdout', line });
    for (const line of linesOf(stderr)) session.emit({ type: 'output', action, stream: 'stderr', line });
    if (exitCode === 0) continue;
    const at = session.project.positionOf(`services.${record.service}.${kind}[${index}]`);
    throw new ComposeError(
      'dependency-failed',
      `${kind} hook of ${record.name} exited with code ${exitCode}`,
      {
        hint: `it ran ${JSON.stringify(hook.command)}`,
        ...(at === undefined ? {} : { at }),
      },
    );
  }
}

function interrupted(kind: HookRun['kind'], { name }: ContainerRecord): ComposeError {
  return new ComposeError('interrupted', `interrupted while the ${kind} hook of ${name} ran`);
}

function execOptions({ user, privileged, working_dir, environment }: Hook) {
  return {
    ...(user === undefined ? {} : { user }),
    ...(privileged === undefined ? {} : { privileged }),
    ...(working_dir === undefined ? {} : { workingDir: working_dir }),
    env: Object.entries(environment ?? {}).map(([name, value]) =>
      value === null ? name : `${name}=${value}`,
    ),
  };
}

export function linesOf(output: Uint8Array): readonly string[] {
  const text = Buffer.from(output).toString('utf8').trimEnd();
  return text === '' ? [] : text.split('\n');
}
