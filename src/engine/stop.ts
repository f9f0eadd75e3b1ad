// stop-container and its kin: what is asked of a container's shim.
import { constants } from 'node:os';
import { killLeft } from '../containers/container.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { isAlive, readStatus } from '../containers/status.ts';
import { signalNumber } from '../containers/units.ts';
import { ComposeError } from '../errors.ts';
import type { ActionOf } from '../plan/plan.ts';
import { withControl } from './control.ts';
import { type HookRun, runHooks } from './hooks.ts';
import { forgetTraces, leaveNetworks } from './remove.ts';
import type { Session } from './session.ts';

/** Stops a container; one that has ended meanwhile is fine. A pre_stop hook that fails keeps it running. */
export async function stopContainer(
  session: Session,
  action: ActionOf<'stop-container'>,
  signal: AbortSignal,
): Promise<void> {
  const { ctx, project, world } = session;
  const record = world.container(action.container);
  const { state } = readStatus(ctx, record.id);
  if (state === 'lost') {
    await forgetTraces(session, record);
    await killLeft(ctx, record);
    return;
  }
  const hooks = project.services[record.service]?.pre_stop ?? [];
  if (action.hooks && state === 'running' && !record.oneoff) {
    await runUnlessForced(session, record, { kind: 'pre_stop', hooks, action, signal });
  }
  await withControl(ctx, record.id, async (control) => {
    // What is frozen cannot handle a signal.
    if (state === 'paused') await control.unpause();
    // Its ports, names and control groups are free again when the shim itself has gone.
    const gone = control.watch(() => undefined).catch(() => undefined);
    const insist = () => void killNow(session, record);
    session.force?.addEventListener('abort', insist, { once: true });
    const graceMs = session.force?.aborted ? 0 : (action.graceMs ?? record.stopGraceMs);
    await control.stop({ signal: record.stopSignal, graceMs });
    await gone;
    session.force?.removeEventListener('abort', insist);
  });
  if (isAlive(readStatus(ctx, record.id))) return;
  await leaveNetworks(session, record);
  if (record.networks.some(({ shared }) => shared)) await session.rebalance();
}

/** The hooks of a container that is to end; who insists does not wait for them. */
async function runUnlessForced(session: Session, record: ContainerRecord, run: HookRun): Promise<void> {
  const { force } = session;
  if (force === undefined) return runHooks(session, record, run);
  if (force.aborted) return;
  try {
    await runHooks(session, record, { ...run, signal: AbortSignal.any([run.signal, force]) });
  } catch (error) {
    if (!force.aborted) throw error;
  }
}

/** Beside the request to stop, which is answered when the container has ended. */
async function killNow({ ctx }: Session, { id }: ContainerRecord): Promise<void> {
  await withControl(ctx, id, (control) => control.kill(constants.signals.SIGKILL)).catch(() => undefined);
}

export async function killContainer(session: Session, action: ActionOf<'kill-container'>): Promise<void> {
  const record = session.world.container(action.container);
  const signal = signalNumber(action.signal);
  await withControl(session.ctx, record.id, async (control) => {
    const gone = control.watch(() => undefined).catch(() => undefined);
    await control.kill(signal);
    // Nothing survives that: who asked for it finds it ended.
    if (signal === constants.signals.SIGKILL) await gone;
  });
}

/** Freezes or thaws; ComposeError `container-state` when it is in that state already. */
export async function pauseContainer(
  session: Session,
  action: ActionOf<'pause-container' | 'unpause-container'>,
): Promise<void> {
  const record = session.world.container(action.container);
  const pause = action.kind === 'pause-container';
  const paused = readStatus(session.ctx, record.id).state === 'paused';
  if (pause === paused) {
    const message = `container ${record.name} is ${paused ? 'paused already' : 'not paused'}`;
    throw new ComposeError('container-state', message);
  }
  await withControl(session.ctx, record.id, (control) => (pause ? control.pause() : control.unpause()));
}
