// pre_start: containers that run to their end before the service starts, with its mounts and networks.
import { existsSync, writeFileSync } from 'node:fs';
import type { PreStartHook, Service } from '../compose/project.ts';
import { readLogs } from '../containers/logs.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { ComposeError } from '../errors.ts';
import type { Action } from '../plan/plan.ts';
import { containerFiles } from '../state/layout.ts';
import { assemble } from './create.ts';
import { discardContainer } from './remove.ts';
import type { Session } from './session.ts';
import { launch, prepareOnce } from './start.ts';
import { waitForEnd } from './wait.ts';

export interface PreStartRun {
  readonly action: Action;
  readonly signal: AbortSignal;
}

/** Runs the hooks that were not yet run for this container, or once for all replicas of its service. */
export async function runPreStart(
  session: Session,
  record: ContainerRecord,
  run: PreStartRun,
): Promise<void> {
  const service = session.project.services[record.service];
  const hooks = service?.pre_start ?? [];
  if (service === undefined || hooks.length === 0 || record.oneoff) return;
  const each = hooks.map((hook, index) => ({ hook, index }));
  const shared = each.filter(({ hook }) => !hook.per_replica);
  const once =
    session.preStarted.get(record.service) ?? runAll(session, record, { ...run, service, hooks: shared });
  session.preStarted.set(record.service, once);
  await once;
  if (isDone(session, record)) return;
  const own = each.filter(({ hook }) => hook.per_replica);
  await runAll(session, record, { ...run, service, hooks: own });
  writeFileSync(markOf(session, record), '');
}

interface HookSet extends PreStartRun {
  readonly service: Service;
  readonly hooks: readonly { readonly hook: PreStartHook; readonly index: number }[];
}

async function runAll(session: Session, record: ContainerRecord, set: HookSet): Promise<void> {
  const sameMaking = session.world
    .replicasOf(record.service)
    .filter(({ configHash }) => configHash === record.configHash);
  const isShared = set.hooks.every(({ hook }) => !hook.per_replica);
  if (isShared && sameMaking.some((replica) => isDone(session, replica))) return;
  for (const { hook, index } of set.hooks) await runOne(session, record, { ...set, hook, index });
}

interface OneHook extends HookSet {
  readonly hook: PreStartHook;
  readonly index: number;
}

async function runOne(session: Session, record: ContainerRecord, one: OneHook): Promise<void> {
  const helper = await assemble(session, {
    service: hookService(one, record),
    serviceName: record.service,
    name: `${record.name}${session.separator}pre-start${session.separator}${one.index + 1}`,
    number: 1,
    slug: record.id,
    autoRemove: true,
    answers: false,
    attached: false,
    inherits: undefined,
    replaces: undefined,
  });
  try {
    await prepareOnce(session, helper);
    await launch(session, helper, { signal: one.signal });
    const { exitCode } = await waitForEnd(session.ctx, helper, one.signal);
    await tell(session, helper, one.action);
    if (exitCode !== 0) throw failed(session, record, { index: one.index, exitCode });
  } finally {
    await discardContainer(session, helper, false);
  }
}

function hookService({ service, hook }: OneHook, record: ContainerRecord): Service {
  const { restart, ports, healthcheck, tmpfs, deploy, pre_start, post_start, pre_stop, extensions, ...kept } =
    service;
  return {
    ...kept,
    ...(extensions === undefined ? {} : { extensions }),
    ...(hook.image === undefined ? {} : { image: hook.image }),
    ...(hook.user === undefined ? {} : { user: hook.user }),
    ...(hook.privileged === undefined ? {} : { privileged: hook.privileged }),
    ...(hook.working_dir === undefined ? {} : { working_dir: hook.working_dir }),
    environment: { ...service.environment, ...hook.environment },
    healthcheck: { disable: true },
    entrypoint: [],
    command: hook.command,
    volumes: [],
    volumes_from: [`container:${record.id}`],
  };
}

async function tell(session: Session, helper: ContainerRecord, action: Action): Promise<void> {
  if (!helper.logKept) return;
  for await (const { stream, line } of readLogs(session.ctx, helper)) {
    session.emit({ type: 'output', action, stream, line });
  }
}

interface Failure {
  readonly index: number;
  readonly exitCode: number;
}

function failed({ project }: Session, record: ContainerRecord, { index, exitCode }: Failure): ComposeError {
  const at = project.positionOf(`services.${record.service}.pre_start[${index}]`);
  const message = `pre_start hook of ${record.name} exited with code ${exitCode}`;
  return new ComposeError('dependency-failed', message, at === undefined ? {} : { at });
}

function markOf({ ctx }: Session, { id }: ContainerRecord): string {
  return `${containerFiles(ctx.layout, id).dir}/pre-started`;
}

function isDone(session: Session, record: ContainerRecord): boolean {
  return existsSync(markOf(session, record));
}
