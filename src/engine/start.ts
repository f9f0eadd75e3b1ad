// start-container: shim, interfaces, names and ports, then the program, then its hooks.
import { existsSync } from 'node:fs';
import { shortId } from '../containers/create.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { resolveImage } from '../images/image.ts';
import type { Endpoint } from '../networks/endpoint.ts';
import type { NameEntry, NameLine } from '../networks/hosts.ts';
import { type Lease, sharedKey } from '../networks/ipam.ts';
import type { Joined } from '../networks/join.ts';
import { type BoundPort, portRules, portTarget } from '../networks/ports.ts';
import { leaveBatch } from '../networks/vip.ts';
import type { ActionOf } from '../plan/plan.ts';
import { containerFiles } from '../state/layout.ts';
import { publishedNow } from './firewall.ts';
import { runHooks } from './hooks.ts';
import { takenBack, takeOpened } from './open.ts';
import { rememberPorts } from './ports.ts';
import { runPreStart } from './pre-start.ts';
import type { BeforeStart, Session } from './session.ts';

/** Starts a container that exists and does not run; resolves when its program runs and its hooks are through. */
export async function startContainer(
  session: Session,
  action: ActionOf<'start-container'>,
  signal: AbortSignal,
): Promise<void> {
  const record = session.world.container(action.container);
  await prepareOnce(session, record);
  await runPreStart(session, record, { action, signal });
  await launch(session, record, { signal, beforeStart: session.beforeEachStart });
  const hooks = session.project.services[record.service]?.post_start ?? [];
  if (!record.oneoff) await runHooks(session, record, { kind: 'post_start', hooks, action, signal });
}

export interface LaunchWish {
  readonly signal: AbortSignal;
  readonly beforeStart?: BeforeStart | undefined;
}

/** Everything up to the running program. */
export async function launch(
  session: Session,
  record: ContainerRecord,
  { signal, beforeStart }: LaunchWish,
): Promise<void> {
  const opened = await takeOpened(session, record, signal);
  const { shim, bound, joined } = opened;
  try {
    shim.proceed();
    warnOfServers(session, record, joined);
    await tellNames(session, record, joined);
    const batches = [...openPorts(session, record, bound, joined), ...leaving(session, record, joined)];
    if (batches.length > 0) await shim.netfilter(batches);
    await shim.until('created', signal);
    await beforeStart?.(record);
    await shim.start();
    if (joined.some(({ shared }) => shared !== undefined)) await session.rebalance();
  } catch (error) {
    throw await takenBack(session, record, { shim, error, state: 'created', signal });
  } finally {
    opened.close();
  }
}

function warnOfServers(session: Session, record: ContainerRecord, joined: readonly Joined[]): void {
  for (const [index, { nameServers = [] }] of joined.entries()) {
    if (nameServers.length === 0) continue;
    const reason = `the name servers of its plugins (${nameServers.join(', ')}) are not asked: name them in \`dns\``;
    session.warn(record.service, [{ attribute: `networks.${record.networks[index]?.key}`, reason }]);
  }
}

/** A new container's upper directory has to fit its image; not at creation, which may be interrupted. */
export async function prepareOnce(session: Session, { id, image }: ContainerRecord): Promise<void> {
  const { ctx, world } = session;
  const files = containerFiles(ctx.layout, id);
  if (existsSync(files.launched)) return;
  const found =
    [...world.images.values()].find((known) => known.id === image.id) ??
    (await resolveImage(ctx, image.id)) ??
    (await resolveImage(ctx, image.name));
  if (found !== undefined) await session.snapshot(found).prepare(files.upper);
}

async function tellNames(
  session: Session,
  record: ContainerRecord,
  endpoints: readonly Endpoint[],
): Promise<void> {
  const entries = endpoints.flatMap((endpoint, index) =>
    nameEntries(record, endpoint, record.networks[index]?.aliases ?? []).map((entry) => {
      return { network: endpoint.network.name, entry };
    }),
  );
  await Promise.all(entries.map(({ network, entry }) => session.addNames(network, entry)));
}

/** What a container is called by its own address, and what its service by the one that its containers share. */
function nameEntries(
  { id, name, project, service }: ContainerRecord,
  { lease, shared }: Endpoint,
  names: readonly string[],
): readonly NameEntry[] {
  if (shared === undefined) return [{ container: id, lines: linesFor(lease, names) }];
  const own = names.filter((alias) => alias === name || alias === shortId(id));
  const common = names.filter((alias) => !own.includes(alias));
  return [
    { container: id, lines: linesFor(lease, [...own, `tasks.${service}`]) },
    { container: sharedKey(`${project}/${service}`), lines: linesFor(shared, common) },
  ];
}

function linesFor({ ipv4, ipv6 }: Lease, names: readonly string[]): readonly NameLine[] {
  return [ipv4, ipv6].flatMap((address) => (address === undefined ? [] : [{ address, names }]));
}

function openPorts(
  { ctx }: Session,
  { id }: ContainerRecord,
  bound: readonly BoundPort[],
  endpoints: readonly Endpoint[],
): readonly Uint8Array[] {
  rememberPorts(ctx, id, bound);
  if (bound.length === 0) return [];
  return portRules(ctx, { ports: bound, target: portTarget(endpoints) }, () => publishedNow(ctx));
}

/** How the shim takes the container out of what is behind the addresses that it shares. */
function leaving(
  { ctx }: Session,
  { number }: ContainerRecord,
  endpoints: readonly Endpoint[],
): readonly Uint8Array[] {
  return endpoints.flatMap(({ shared, lease }) =>
    shared === undefined ? [] : [leaveBatch(ctx, shared, lease, number)],
  );
}
