// `run`: a container of its own for one command of a service.

import type { Project } from '../../compose/project.ts';
import type { Attachment } from '../../containers/attach.ts';
import type { ContainerRecord } from '../../containers/record.ts';
import type { Engine, RunRequest, RunResult } from '../../engine/engine.ts';
import type { Arguments, CliContext, CommandSpec } from '../command.ts';
import { RUN_OPTIONS } from '../run-options.ts';

export const command: CommandSpec = {
  name: 'run',
  usage: '[OPTIONS] SERVICE [COMMAND] [ARGUMENT...]',
  summary: 'run a command in a new container of a service',
  details: 'The exit code is that of the command. What the service depends on is started first.',
  options: RUN_OPTIONS,
  stopsAtPositional: true,
  positionals: { min: 1 },
  async run(context, args) {
    const { runRequest } = await import('../run-options.ts');
    const { dryRun } = await import('../perform.ts');
    const request = requestOf(context, args, runRequest(args));
    const project = await context.loadProject({ services: [request.service], frozen: args.flag('frozen') });
    if (context.global.dryRun)
      return dryRun(context, project, { ...request, kind: 'run', name: request.service });
    const quiet = args.flag('quiet');
    return args.flag('detach')
      ? runDetached(context, project, { request, quiet })
      : runAttached(context, project, { request, quiet });
  },
};

function requestOf(
  context: CliContext,
  args: Arguments,
  base: ReturnType<typeof import('../run-options.ts').runRequest>,
): RunRequest {
  const detached = args.flag('detach');
  const isOff = args.flag('no-tty') || args.flag('no-TTY') || detached;
  const onTerminal = context.isTerminal('stdin') && context.isTerminal('stdout');
  const interactive = !args.given('interactive') || args.flag('interactive');
  return {
    ...base,
    ...(!detached && { tty: !isOff && (args.given('tty') ? args.flag('tty') : onTerminal) }),
    stdinOpen: interactive && !detached,
    attached: !detached,
  };
}

interface Running {
  readonly request: RunRequest;
  readonly quiet: boolean;
}

async function runDetached(
  context: CliContext,
  project: Project,
  { request, quiet }: Running,
): Promise<number> {
  const { container } = await launched(context, project, { request, quiet });
  if (container !== undefined) context.out(`${container.name}\n`);
  return 0;
}

async function runAttached(
  context: CliContext,
  project: Project,
  { request, quiet }: Running,
): Promise<number> {
  const [{ connect }, { relay }, { waitForEnd }] = await Promise.all([
    import('../../containers/control.ts'),
    import('../interactive.ts'),
    import('../../engine/wait.ts'),
  ]);
  const state = await context.state();
  const attachments: Attachment[] = [];
  const beforeStart = async (record: ContainerRecord) => {
    const control = await connect(state, record.id);
    attachments.push(await control.attach({ stdin: request.stdinOpen === true, logs: true }));
  };
  const { container: record, engine } = await launched(context, project, { request, quiet, beforeStart });
  const [attachment] = attachments;
  if (record === undefined || attachment === undefined) return 1;
  const options = { tty: record.tty, stdin: record.stdinOpen, detachKeys: new Uint8Array(), signals: true };
  const end = await relay(context, { state, record, attachment }, options);
  const told = end.kind === 'ended' ? end.exitCode : undefined;
  const exitCode = told ?? (await waitForEnd(state, record, new AbortController().signal)).exitCode;
  if (record.autoRemove) await engine.discard(record);
  return exitCode;
}

interface Launching extends Running {
  readonly beforeStart?: (record: ContainerRecord) => Promise<void>;
}

/** The container runs, or the error says why not. */
async function launched(
  context: CliContext,
  project: Project,
  { request, quiet, beforeStart }: Launching,
): Promise<RunResult & { readonly engine: Engine }> {
  const [{ createProgress }, { eventPrinter }, { requireRoot }] = await Promise.all([
    import('../progress.ts'),
    import('../perform.ts'),
    import('../privilege.ts'),
  ]);
  requireRoot();
  const progress = createProgress(context, quiet ? 'quiet' : undefined);
  const engine = await context.engine();
  try {
    const result = await engine.run(project, request, {
      signal: context.signal,
      parallel: context.global.parallel,
      onEvent: eventPrinter(context, progress),
      ...(beforeStart === undefined ? {} : { beforeStart }),
    });
    if (result.error !== undefined) throw result.error;
    return { ...result, engine };
  } finally {
    await progress.finish();
  }
}
