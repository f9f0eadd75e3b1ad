// A container joins its networks, whoever makes its interfaces there: the kernel at our word, or plugins.
import type { Context } from '../state/context.ts';
import { addByPlugins, type PortMapping } from './cni.ts';
import { attach, type Endpoint, planInterfaces } from './endpoint.ts';
import { keepLease } from './leases.ts';

export interface Joining {
  readonly endpoints: readonly Endpoint[];
  /** Published, in the words of plugins. */
  readonly ports: readonly PortMapping[];
}

export interface Joined extends Endpoint {
  /** Name servers that a plugin wants to be asked; nobody asks them. */
  readonly nameServers?: readonly string[];
}

/** Puts the interfaces of a container into the namespace at `netns`; returns the endpoints with the addresses they have. */
export async function joinNetworks(
  ctx: Context,
  netns: string,
  { endpoints, ports }: Joining,
): Promise<readonly Joined[]> {
  const plans = planInterfaces(endpoints);
  await attach(
    ctx,
    netns,
    plans.filter(({ network }) => network.driver !== 'cni'),
  );
  const joined: Joined[] = [];
  for (const plan of plans) {
    if (plan.network.driver !== 'cni') {
      joined.push(plan);
      continue;
    }
    const { lease, nameServers } = await addByPlugins(ctx, netns, { ...plan, ports });
    await keepLease(ctx, plan.network, plan.containerId, lease);
    joined.push({ ...plan, lease, nameServers });
  }
  return joined;
}
