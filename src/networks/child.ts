// Interfaces that hang on a parent: macvlan and ipvlan, and whether this kernel can make them.
import { errnoOf } from '../../core/index.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { findLink, isMissingKind, removeLink, route } from './links.ts';
import type { NetworkRecord } from './record.ts';
import { createLink, IPVLAN_FLAGS, IPVLAN_MODES, type LinkKind, MACVLAN_MODES } from './rtnetlink.ts';

/** The kind of a container's interface on such a network; ComposeError for a mode that does not exist. */
export function childKind({ driver, options, name }: NetworkRecord, parent: number): LinkKind {
  if (driver === 'ipvlan') {
    const mode = oneOf(options.ipvlan_mode ?? 'l2', IPVLAN_MODES, { name, option: 'ipvlan_mode' });
    const flag = oneOf(options.ipvlan_flag ?? 'bridge', IPVLAN_FLAGS, { name, option: 'ipvlan_flag' });
    return { kind: 'ipvlan', parent, mode, flag };
  }
  const mode = oneOf(options.macvlan_mode ?? 'bridge', MACVLAN_MODES, { name, option: 'macvlan_mode' });
  return { kind: 'macvlan', parent, mode };
}

function oneOf<T extends string>(
  value: string,
  known: Readonly<Record<T, number>>,
  { name, option }: { readonly name: string; readonly option: string },
): T {
  const names = Object.keys(known) as T[];
  const found = names.find((entry) => entry === value);
  if (found) return found;
  const hint = `known are ${names.join(', ')}`;
  throw new ComposeError('invalid-value', `network "${name}" has the ${option} "${value}"`, { hint });
}

/** Makes such an interface and removes it: what cannot be is found out with the network, not with a container. */
export function probeChild(ctx: Context, network: NetworkRecord): void {
  if (network.driver !== 'macvlan' && network.driver !== 'ipvlan') return;
  const name = `tsp-${network.id.slice(0, 11)}`;
  const parent = findLink(ctx, network.bridge)?.index ?? 0;
  try {
    route(ctx, [createLink({ name }, childKind(network, parent))]);
    removeLink(ctx, name);
  } catch (error) {
    throw explainChild(error, network);
  }
}

/** Says what the kernel lacks, or what is in the way. */
export function explainChild(error: unknown, { name, driver, bridge }: NetworkRecord): unknown {
  const kind = driver === 'macvlan' || driver === 'ipvlan' ? driver : 'veth';
  if (isMissingKind(error)) {
    return new ComposeError('kernel-feature', `network "${name}": the kernel has no ${kind} interfaces`, {
      cause: error,
      hint: `load or build the module ${kind}`,
    });
  }
  if (errnoOf(error) === 'EBUSY' && kind !== 'veth') {
    return new ComposeError(
      'name-conflict',
      `network "${name}": the parent ${bridge} is in use in another mode`,
      {
        cause: error,
        hint: 'macvlan and ipvlan exclude each other on one parent, and so do bridges',
      },
    );
  }
  return error;
}
